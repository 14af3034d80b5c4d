# /// script
# [tool.orderhub]
# title = "Credibility index"
# description = "How far what the hub says of orders can be relied on, and the orders behind every point that is lost."
# glyph = "credibility"
# position = 2
#
# [tool.marimo.display]
# theme = "system"
# ///
import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="full",
    app_title="OrderHub · Credibility index",
    css_file="assets/console.css",
    html_head_file="assets/head.html",
)

with app.setup:
    import marimo as mo

    from orderhub_core import hub, i18n, names, ui
    from orderhub_core.audit.credibility import change, history, index, losses, texts
    from orderhub_core.charts import credibility as charts
    from orderhub_core.charts import theme

    HOUR_US = 3_600_000_000


@app.cell
def _():
    lang = ui.language()
    tr = i18n.translator(lang)
    theme.use(lang)
    top = (
        tr("Credibility index"),
        tr("How far what the hub says of orders can be relied on, and why not further."),
        lang,
    )
    with ui.readable(*top):
        connected = hub.connect()
        _question = ("credibility", connected.as_of() // HOUR_US)
        found = connected.remembered(_question, lambda: index.of_hub(connected))
    _how = tr("There are no orders yet: connect a shop or import a file, and this page fills itself.")
    mo.stop(found.orders.is_empty(), ui.page(*top, ui.note(_how)))
    zone, named = connected.settings.time_zone, names.Names(connected.settings, tr)
    return found, named, top, tr, zone


@app.cell
def _(tr):
    _splits = texts.splits(tr)
    split = mo.ui.dropdown(_splits, value=next(iter(_splits)), label=tr("Split by"), full_width=True)
    return (split,)


@app.cell
def _(found, named, split, tr):
    lost = losses.losses(found, split.value)
    _first = {"selection": "single", "initial_selection": [0] if lost.height else None}
    picked = ui.table(texts.losses(lost, tr), named, label=tr("Choose a row to see its orders"), **_first)
    return lost, picked


@app.cell
def _(found, lost, named, picked, tr, zone):
    _loss = texts.chosen(lost, picked.value)
    if _loss is None:
        orders = ui.note(tr("Choose a row to see its orders"))
    else:
        _rows = texts.members(found, _loss, zone, tr)
        _save = ui.download_csv(_rows, "credibility-orders.csv", tr("Download these orders as CSV"))
        orders = ui.section(texts.title(_loss, tr, named), ui.table(_rows, named), _save)
    return (orders,)


@app.cell
def _(found, lost, named, orders, picked, split, tr):
    _save = ui.download_csv(texts.losses(lost, tr), "credibility-losses.csv", tr("Download all losses as CSV"))
    _full = ui.note(tr("No point is lost."), "good")
    _parts = [split, charts.losses(lost, tr, named), picked, _save, orders] if lost.height else [_full]
    where = ui.section(tr("Where the points are lost"), *(_parts if found.value is not None else []))
    return (where,)


@app.cell
def _(found, named, tr):
    _old = texts.uncounted(found, tr)
    _table = ui.rows(texts.sources(found, tr), tr("Nothing has come in that tells how soon yet."), named)
    fresh = ui.section(tr("How soon each source tells"), _table, *([ui.note(_old)] if _old else []))
    _days = ui.grid(
        charts.per_day(history.coarse_days(found.days), tr),
        charts.by_placing(history.by_placing(found.orders, found.weights), tr),
        min="340px",
    )
    past = ui.section(tr("Day by day"), _days, ui.note(tr(texts.PAST)))
    return fresh, past


@app.cell
def _(found, named, tr):
    _sides, _by = texts.sides(found, tr, named), {tr(name): key for key, name in texts.SEGMENTS.items()}
    _names = [*_sides, None, None]
    before = mo.ui.dropdown(_sides, value=_names[0], label=tr("From"), full_width=True)
    after = mo.ui.dropdown(_sides, value=_names[1], label=tr("To"), full_width=True)
    group = mo.ui.dropdown(_by, value=next(iter(_by)), label=tr("Explained by"), full_width=True)
    return after, before, group


@app.cell
def _(after, before, found, group, named, tr):
    def _split() -> list:
        moved = change.explained(found, before.value, after.value, group.value)
        if moved is None:
            return [ui.note(tr("These two have nothing in common that could be checked."), "warn")]
        called = texts.called(moved, group.value, named)
        return [ui.note(texts.summary(moved, tr)), charts.change(called, tr), ui.table(texts.changes(called, tr))]

    _chosen = all(choice.value is not None for choice in (before, after, group))
    _parts = _split() if _chosen else [ui.note(tr("Choose what to compare."))]
    why = ui.section(tr("What changed it"), ui.grid(before, after, group, min="220px"), *_parts)
    return (why,)


@app.cell
def _(found, fresh, past, top, tr, where, why, zone):
    _how = ui.section(tr("How it is computed"), *(tr(text) for text in texts.HELP.values()))
    _sums = ui.note(f"{texts.formula(found, tr)} {texts.as_of(found, zone, tr)}")
    ui.page(*top, ui.kpis(texts.tiles(found, tr)), _sums, where, fresh, past, why, _how)
    return


if __name__ == "__main__":
    app.run()
