# /// script
# [tool.orderhub]
# title = "Reconciliation"
# description = "What buyers paid against what went out and what went back: every cent of the gap has a cause."
# glyph = "balance"
# position = 4
#
# [tool.marimo.display]
# theme = "system"
# ///
import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="full",
    app_title="OrderHub · Reconciliation",
    css_file="assets/console.css",
    html_head_file="assets/head.html",
)

with app.setup:
    import marimo as mo

    from orderhub_core import errors, hub, i18n, names, ui
    from orderhub_core.audit.reconcile import period, queue, result, sheets, texts
    from orderhub_core.charts import reconcile as charts
    from orderhub_core.charts import theme


@app.cell
def _():
    lang = ui.language()
    tr = i18n.translator(lang)
    theme.use(lang)
    _bare = (tr("Reconciliation"), "", lang)
    try:
        connected = hub.connect()
        books = connected.ledgers()
    except errors.OrderHubError as _error:
        mo.stop(True, ui.page(*_bare, ui.failed(tr("The ledgers cannot be read: {reason}"), _error, tr)))
    _first, _last = books.ledgers.first(), books.ledgers.last()
    _how = tr("Nothing has been paid or shipped yet: put ledgers into the folder reconcile, or connect a shop.")
    mo.stop(_first is None, ui.page(*_bare, ui.note(_how, "info")))
    everything, named = period.whole(_first, _last, books.zone), names.Names(connected.settings, tr)
    span = mo.ui.dropdown(texts.spans(everything, tr), value=tr(texts.ALL_DAYS), label=tr("Period"), full_width=True)
    return books, connected, everything, lang, named, span, tr


@app.cell
def _(everything, span, tr):
    _days = texts.days(everything, span.value or everything)
    since = mo.ui.dropdown(_days, value=min(_days), label=tr("First day"), full_width=True)
    until = mo.ui.dropdown(_days, value=max(_days), label=tr("Last day"), full_width=True)
    return since, until


@app.cell
def _(books, connected, everything, lang, since, span, tr, until):
    form = ui.grid(span, since, until, min="180px")
    try:
        chosen = period.days(since.value or everything.first, until.value or everything.last, everything.zone)
    except errors.UserMistake:
        _wrong = ui.note(tr("The last day comes before the first: choose them the other way round."), "warn")
        mo.stop(True, ui.page(tr("Reconciliation"), "", lang, form, _wrong))
    _as_of = books.as_of(connected.as_of())
    _question = ("reconcile", chosen, books.stamp, (_as_of or 0) // result.HOUR_US)
    _how = {"as_of": _as_of, "words": books.words}
    found = connected.remembered(_question, lambda: result.reconcile(books.ledgers, chosen, **_how))
    return chosen, form, found


@app.cell
def _(chosen, connected):
    _known = queue.answers(connected.reviews_of([queue.audit_id(chosen)])) if connected.writable else {}
    # The forms that answer stand in the cell that shows the answers: it must see what itself has set off.
    answered, set_answered = mo.state(_known, allow_self_loops=True)
    said, set_said = mo.state(("", "info"), allow_self_loops=True)
    return answered, said, set_answered, set_said


@app.cell
def _(chosen, connected, set_answered, set_said, tr):
    def settle(answer: dict) -> None:
        keys, reason = queue.keys(answer["rows"], tr), answer.get("reason", "").strip()
        by, doors = answer.get("reviewer", "").strip(), (connected.judge_all, connected.reviews_of)
        becomes, told = queue.settle(*doors, chosen, keys, reason, by, tr)
        set_answered(becomes)
        set_said(told)

    return (settle,)


@app.cell
def _(answered, connected, found, named, said, settle, tr):
    rows = queue.queue(found, answered())
    _waits, _done = (queue.table(part, found, tr) for part in queue.parted(rows))
    _how = {"selection": "multi", "wide": queue.widths(tr)}
    _sheets = [ui.table(part, named, **_how, format_mapping=texts.formats(part)) for part in (_waits, _done)]
    _asked = {"reason": tr("Reason"), "reviewer": tr("Who says so")}
    _forms = [
        ui.reasoned(_sheets[0], _asked, tr("Acknowledge"), tr, settle),
        ui.confirmed(_sheets[1], {}, tr("Yes, take these back"), tr("Back into the queue"), tr, settle),
    ]
    _open, _closed = _forms if connected.writable else _sheets
    _none = ui.note(tr("Nothing waits for finance."), "good")
    _now = said() if connected.writable else (tr("Read only: acknowledge in the hub itself."), "info")
    _told = [ui.note(*_now)] if _now[0] else []
    _save = ui.download_csv(queue.table(rows, found, tr), queue.audit_id(found.period) + ".csv", tr("Download CSV"))
    desk = ui.section(tr("Finance's queue"), *_told, _open if _waits.height else _none, _save)
    done = ui.section(tr("Acknowledged"), _closed) if _done.height else ui.grid()
    return desk, done, rows


@app.cell
def _(found, tr):
    _choices = texts.choices(found, tr)
    cause = mo.ui.dropdown(_choices, value=next(iter(_choices), None), label=tr("Show the orders of"), full_width=True)
    return (cause,)


@app.cell
def _(cause, found, named, tr):
    def _members(code: str) -> list:
        told = texts.orders(found, code, tr)
        shown = ui.table(told, named, format_mapping=texts.formats(told))
        return [cause, ui.note(tr(texts.ADVICE[code])), shown, ui.download_csv(told, f"{code}.csv", tr("Download CSV"))]

    _causes, _channels = texts.causes(found, tr), texts.channels(found, tr)
    _table = ui.table(_causes, page_size=25, format_mapping=texts.formats(_causes), wide={tr("Advice"): 340})
    why = ui.section(tr("The gap by cause"), charts.waterfall(found, tr), ui.note(tr(texts.SIGNS)), _table)
    members = ui.section(tr("Orders of a cause"), *([] if cause.value is None else _members(cause.value)))
    channels = ui.section(tr("Channels"), ui.table(_channels, named, format_mapping=texts.formats(_channels)))
    return channels, members, why


@app.cell
def _(answered, books, channels, connected, desk, done, form, found, lang, members, named, rows, tr, why):
    _fine = ui.note(tr("Every row could be read."), "good")
    _data = ui.section(tr("Data"), *([ui.note(text, "warn") for text in texts.findings(found, tr)] or [_fine]))
    _tiles = ui.kpis(texts.tiles(found, queue.waiting(rows), tr), min="300px")
    _bare = [ui.note(tr(texts.NO_LEDGERS), "warn")] if not connected.writable and books.of_hub_alone() else []
    _book, _file = lambda: sheets.workbook(found, tr, answered(), named.beside), queue.audit_id(found.period) + ".xlsx"
    _save = ui.download_xlsx(_book, _file, tr)
    _top = (tr("Reconciliation"), texts.intro(found, tr), lang, form, _tiles, *_bare, _save)
    ui.page(*_top, why, members, desk, done, channels, _data, *map(ui.note, (tr(texts.RULE), texts.allowed(found, tr))))
    return


if __name__ == "__main__":
    app.run()
