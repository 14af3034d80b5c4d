# /// script
# [tool.orderhub]
# title = "Audit of all orders"
# description = "What every touchpoint shows of every order, now or at a past moment: where they differ, who is wrong."
# glyph = "all"
# position = 1
#
# [tool.marimo.display]
# theme = "system"
# ///
import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="full",
    app_title="OrderHub · Audit of all orders",
    css_file="assets/console.css",
    html_head_file="assets/head.html",
)

with app.setup:
    from functools import partial

    import marimo as mo

    from orderhub_core import errors, hub, i18n, names, ui
    from orderhub_core.audit.consistency import texts
    from orderhub_core.charts import audit as charts
    from orderhub_core.charts import theme


@app.cell
def _():
    lang = ui.language()
    tr = i18n.translator(lang)
    theme.use(lang)
    top = (tr(texts.TITLE), tr(texts.INTRO), lang)
    with ui.readable(*top):
        connected = hub.connect()
        connected.as_of()
    named = names.Names(connected.settings, tr)
    zone = connected.settings.time_zone
    chosen, set_chosen = mo.state(None)
    trouble, set_trouble = mo.state("")
    return chosen, connected, named, set_chosen, set_trouble, top, tr, trouble, zone


@app.cell
def _(connected, set_chosen, set_trouble, tr, zone):
    def look_back(asked: dict) -> None:
        try:
            set_chosen(texts.moment(asked["moment"], zone, connected.as_of()))
            set_trouble("")
        except errors.OrderHubError as error:
            set_trouble(error.told(tr))

    def back(_: object = None) -> None:
        set_chosen(None)
        set_trouble("")

    _label = tr("A past moment, in the time of {zone}").format(zone=zone)
    _now = texts.local(connected.as_of(), zone).replace(second=0)
    _picker = mo.ui.datetime(value=_now, label=_label, full_width=True)
    form = ui.form({"moment": _picker}, tr("Audit that moment"), look_back)
    now = mo.ui.button(label=tr("Back to now"), on_click=back)
    return back, form, look_back, now


@app.cell
def _(chosen, form, now, top, tr, trouble):
    _past = chosen() is not None
    _said = [(tr(trouble()), "warn")] if trouble() else []
    _parts = tr(texts.PAST_HELP), form, ui.notes(_said), *([ui.grid(now, min="140px")] if _past else [])
    ui.page(*top, ui.fold(tr("Look back"), *_parts, unfolded=_past or bool(_said)))
    return


@app.cell
def _(chosen, connected, top, tr, zone):
    _at, _lang = chosen(), top[2]
    _then = None
    try:
        if _at is not None:
            _then = texts.begun(connected.scan("events"), connected.scan("sightings"), zone)
        found = connected.audited(_at)
    except errors.OrderHubError as _error:
        mo.stop(True, ui.part(_lang, ui.note(*texts.lost(_error, tr, then=_then))))
    _why = texts.nothing(found, tr, then=_then)
    mo.stop(_why, ui.part(_lang, ui.note(_why)))
    only = mo.ui.multiselect(texts.choices(found, tr), label=tr("Show only"), full_width=True)
    return found, only


@app.cell
def _(chosen, found, named, only, top, tr, zone):
    _listed, _at = partial(texts.problems, found, only.value, zone, tr), texts.local(found.as_of, zone)
    _save = ui.download_csv(_listed, f"audit-{_at:%Y%m%d-%H%M}.csv", tr("Download CSV"))
    _table = ui.table(_listed(named), named, wide={tr("Why"): 260})
    _orders = [only, _table, _save] if found.problems.height else [ui.note(tr(texts.NONE), "good")]
    _bars = [charts.suspects(texts.suspects(found, tr, named), tr)] if found.problems.height else []
    _when = ui.note(texts.as_of(found, zone, tr, then=chosen() is not None))
    outcome = ui.part(
        top[2],
        _when,
        ui.notes(texts.gaps(found, tr, named)),
        ui.kpis(texts.tiles(found, tr), min="200px"),
        ui.section(tr("Verdicts"), ui.grid(ui.table(texts.verdicts(found, tr)), *_bars, min="340px")),
        ui.section(tr("Touchpoints"), ui.table(texts.touchpoints(found, tr), named)),
        ui.section(tr("Orders that are not consistent"), *_orders),
        ui.note(tr(texts.HELP)),
    )
    outcome
    return (outcome,)


if __name__ == "__main__":
    app.run()
