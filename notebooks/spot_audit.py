# /// script
# [tool.orderhub]
# title = "Spot audit"
# description = "Draw random orders, see what every touchpoint says of each, judge by one key, see what it proves."
# glyph = "audit"
# position = 1
#
# [tool.marimo.display]
# theme = "system"
# ///
import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="full", app_title="OrderHub · Spot audit", css_file="assets/console.css", html_head_file="assets/head.html"
)

with app.setup:
    import marimo as mo

    from orderhub_core import errors, hub, i18n, names, ui
    from orderhub_core.audit.spot import book, export, prospect, result, seat, sheet, tables, texts
    from orderhub_core.charts import audit as charts
    from orderhub_core.charts import paper, theme


@app.cell
def _():
    lang = ui.language()
    tr = i18n.translator(lang)
    theme.use(lang)
    with ui.readable(tr("Spot audit"), "", lang):
        connected = hub.connect()
        many = prospect.population(connected.scan("orders"), connected.as_of())
    desk, zone, named = connected.spot, connected.settings.time_zone, names.Names(connected.settings, tr)
    tick, (opened, set_opened) = mo.ui.refresh(["1s"], default_interval="1s"), mo.state(next(iter(desk.audits()), ""))
    (job, set_job), (trouble, set_trouble) = mo.state(None), mo.state("")
    return connected, desk, job, lang, many, named, opened, set_job, set_opened, set_trouble, tick, tr, trouble, zone


@app.cell
def _(connected, desk, lang, opened, set_opened, tr):
    _fields = {
        "size": mo.ui.number(1, sheet.MOST_ORDERS, value=100, label=tr("Orders to draw"), full_width=True),
        "seed": mo.ui.number(0, sheet.MOST_SEED, value=7, label=tr("Seed: the same draws the same"), full_width=True),
        "claim_percent": mo.ui.number(50, 99.9, 0.1, value=99, label=tr("Claim: at least so many %"), full_width=True),
        "by": mo.ui.multiselect(texts.strata(tr), label=tr("Draw from every (none: simply)"), full_width=True),
    }
    wish, go = mo.ui.dictionary(_fields), mo.ui.run_button(label=tr("Draw and read"))
    _kept = texts.kept(desk.audits(), opened(), tr)
    again = mo.ui.dropdown(**_kept, label=tr("Or go on with"), full_width=True, on_change=set_opened)
    _said = tr(texts.asking(opened())), tr(texts.source(desk.live, connected.writable))
    _ask = ui.fold(*_said, ui.grid(*wish.values(), min="180px"), go, again, unfolded=not opened())
    ui.page(tr("Spot audit"), tr(texts.INTRO), lang, _ask)
    return go, wish


@app.cell
def _(desk, go, lang, many, opened, set_job, set_trouble, tr, wish):
    _asks = sheet.spec(**wish.value)
    seat.begin(desk, _asks, set_job, set_trouble, tr) if go.value else None
    ui.part(lang, ui.note(*prospect.best(_asks, many, desk.few, tr))) if not opened() or _asks != sheet.Spec() else None
    return


@app.cell
def _(job, lang, set_opened, set_job, set_trouble, tick, tr, trouble):
    _job = job()
    mo.stop(_job is None, ui.part(lang, ui.note(trouble(), "bad")) if trouble() else None)
    if _job.wait(0.3):
        set_trouble(_job.error.told(tr) if _job.error else "")
        set_opened(lambda before: before if _job.error else _job.audit)
        set_job(None)
    stop = mo.ui.button(label=tr("Stop reading"), on_click=lambda _: _job.cancel())
    _far = ui.note(tr("Reading the touchpoints: {done} of {total}").format(done=_job.done, total=_job.total))
    ui.part(lang, _far, ui.grid(stop, tick, min="140px"))
    return (stop,)


@app.cell
def _(connected, desk, lang, named, opened, set_job, tr, zone):
    mo.stop(not opened(), ui.part(lang, ui.note(tr("No audit is open yet: choose above, then draw and read."))))
    try:
        folio = book.book(desk.sheet(opened()), connected.scan("orders"), connected.scan("events"))
    except errors.OrderHubError as _error:
        mo.stop(True, ui.part(lang, ui.failed(tr("The audit cannot be opened: {reason}"), _error, tr)))
    (turn, set_turn), (asked, set_asked) = mo.state(0), mo.state(0)
    _known, _keep = mo.query_params().get("reviewer") or "", lambda name: mo.query_params().set("reviewer", name)
    reviewer = mo.ui.text(value=_known, label=tr("Reviewer"), full_width=True, on_change=_keep)
    shown = mo.ui.multiselect(texts.found(folio, tr), label=tr("Show only"), full_width=True)
    peek = mo.ui.checkbox(label=tr("Show the machine's verdict before I judge (it sways)"))
    _notes = ui.notes(texts.sources(folio.sheet, zone, tr, named))
    _head = texts.heading(folio.sheet, tr), texts.described(folio.sheet, zone, tr)
    _lost = texts.unread(folio.sheet, tr, named)
    mend = [mo.ui.button(label=_lost, on_click=lambda _: set_job(desk.again(opened())))] if _lost else []
    ui.part(lang, ui.section(*_head, _notes, *mend, ui.grid(reviewer, peek, min="220px")))
    return asked, folio, mend, peek, reviewer, set_asked, set_turn, shown, turn


@app.cell
def _(desk, folio, reviewer, set_asked, set_turn, tr):
    _turned, _ended = (lambda *_, _set=_set: _set(lambda n: n + 1) for _set in (set_turn, set_asked))
    chair = seat.Seat(desk, folio, (reviewer.value or "").strip(), _turned, _ended)
    _acts = (lambda _: chair.judge(True), lambda _: chair.judge(False), lambda _: chair.undo(), lambda _: chair.end())
    _named = zip(texts.KEYS.items(), _acts, strict=True)
    buttons = {key: mo.ui.button(label=tr(name), on_click=act, full_width=True) for (key, name), act in _named}
    return buttons, chair


@app.cell
def _(buttons, chair, lang, named, peek, tr, turn, zone):
    _card = f"{chair.book.sheet.audit} {turn()}"
    remark = mo.ui.text(value=chair.note, label=tr("Note (N)"), full_width=True, on_change=chair.write)
    _now = chair.now(peek.value)
    _keys = ui.keyed(buttons, _card), ui.gauge(*texts.progress(_now, tr)), ui.notes(texts.remarks(_now, tr, named))
    _line = [ui.keyed({"n": remark}), *([ui.timeline(*texts.life(_now, zone, tr, named))] if _now.key else [])]
    card = ui.section(texts.title(_now, tr), ui.kpis(texts.sides(_now, zone, tr, named), min="200px"), *_keys, *_line)
    ui.part(lang, card)
    return card, remark


@app.cell
def _(chair, lang, tick, tr, turn):
    turn(), tick.value
    _slow = tr(texts.WRITING).format(n=_left) if (_left := chair.settle()) else ""
    ui.part(lang, ui.note(_slow, "warn"), tick) if _slow else None
    return


@app.cell
def _(asked, desk, folio, lang, named, shown, tr, zone):
    asked()  # and not at each judgement, nor for another reviewer: the next card must not wait for this
    _of, _said = folio.sheet, desk.reviews(folio.sheet.audit)
    found, weeks = result.result(_of, folio.sample, _said), result.weeks(desk.history(_of.spec), _of, zone)
    _all = (folio, _said, found, weeks, zone, tr)
    _xlsx = ui.download_xlsx(lambda: export.workbook(*_all, named.beside), f"{_of.audit}.xlsx", tr)
    _pdf = ui.download_pdf(lambda: paper.pdf(*_all), f"{_of.audit}.pdf", tr)
    _save = ui.grid(_xlsx, _pdf if lang == "en" or paper.letters() else ui.note(tr(texts.NO_FONT), "warn"), min="140px")
    _trend = ui.section(tr("Week by week"), texts.trend(weeks, tr), *charts.weeks(weeks, tr))
    _parts = [ui.section(name, ui.rows(*rest, named)) for name, *rest in tables.parts(*_all, named)]
    _verdicts = ui.section(tr("Verdicts"), charts.verdicts(charts.shares(folio.report.by_verdict(), tr), tr))
    _every = tr("All drawn orders"), shown, ui.table(tables.cards(*_all[:2], zone, tr, named, shown.value), named)
    _kpis = ui.kpis(texts.tiles(found, _of, tr), min="240px"), _save, ui.note(tr(texts.HELP))
    outcome = ui.part(lang, ui.section(texts.after(found, tr), *_kpis), _trend, *_parts, _verdicts, ui.section(*_every))
    outcome
    return found, outcome, weeks


if __name__ == "__main__":
    app.run()
