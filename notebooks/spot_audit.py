# /// script
# [tool.orderhub]
# title = "Spot audit"
# description = "Draw random orders, see what every touchpoint says of each, judge the unclear, see what it proves."
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
    from datetime import UTC, datetime

    import marimo as mo

    from orderhub_core import errors, hub, i18n, ui
    from orderhub_core.audit import report, texts
    from orderhub_core.charts import audit as charts
    from orderhub_core.charts import theme

    CLAIM = 0.99


@app.cell
def _():
    lang = ui.language()
    tr = i18n.translator(lang)
    theme.use(lang)
    return lang, tr


@app.cell
def _(lang, tr):
    try:
        connected, _trouble = hub.connect(), ""
        as_of, orders, sightings = connected.as_of(), connected.frame("orders"), connected.frame("sightings")
    except errors.OrderHubError as _error:
        connected, _trouble = None, tr("The hub cannot be read: {reason}").format(reason=_error)
    mo.stop(connected is None, ui.page(tr("Spot audit"), "", lang, ui.note(_trouble, "bad")))
    return as_of, connected, orders, sightings


@app.cell
def _(tr):
    # What is typed goes into a draft, not through the graph: else a click right after typing meets an old button.
    draft = {"reviewer": "", "note": ""}
    size = mo.ui.number(1, 2000, value=100, label=tr("Orders to draw"), full_width=True)
    seed = mo.ui.number(0, 999_999, value=7, label=tr("Seed: the same draws the same"), full_width=True)
    reviewer = mo.ui.text(label=tr("Reviewer"), full_width=True, on_change=lambda text: draft.update(reviewer=text))
    return draft, reviewer, seed, size


@app.cell
def _(as_of, connected, lang, orders, seed, sightings, size, tr):
    _few = ui.note(tr("Fewer than two systems have shown anything yet: nothing to compare."), "warn")
    mo.stop(sightings["touchpoint"].n_unique() < 2, ui.page(tr("Spot audit"), "", lang, _few))
    _asked = {"size": int(size.value or 0), "seed": int(seed.value or 0), "as_of": as_of}
    drawn = connected.remembered(("spot", *_asked.values()), lambda: report.spot(orders, sightings, **_asked))
    audit_id = f"spot-{datetime.fromtimestamp(as_of / 1e6, UTC):%Y-%m-%d}-{seed.value}-{size.value}"
    _rows = connected.reviews(audit_id).sort("at").to_dicts() if connected.writable else []
    known = {(row["shop"], row["order_no"]): row["consistent"] for row in _rows}
    judged, set_judged = mo.state(known)
    trouble, set_trouble = mo.state("")
    return audit_id, drawn, judged, known, set_judged, set_trouble, trouble


@app.cell
def _(draft, drawn, judged, tr):
    waiting = texts.waiting(drawn, judged())
    draft["note"] = ""
    remark = mo.ui.text(label=tr("Note"), full_width=True, on_change=lambda text: draft.update(note=text))
    return remark, waiting


@app.cell
def _(audit_id, connected, draft, set_judged, set_trouble, tr, waiting):
    def _judge(consistent: bool) -> None:
        shop, order_no = waiting[0]["shop"], waiting[0]["order_no"]
        try:
            if connected.writable:
                connected.judge(audit=audit_id, shop=shop, order_no=order_no, consistent=consistent, **draft)
        except errors.OrderHubError as error:
            set_trouble(str(error))
            return
        set_trouble("")
        set_judged(lambda before: {**before, (shop, order_no): consistent})

    agree = mo.ui.button(label=tr("Consistent"), kind="success", on_click=lambda _: _judge(True), full_width=True)
    differ = mo.ui.button(label=tr("Not consistent"), kind="danger", on_click=lambda _: _judge(False), full_width=True)
    return agree, differ


@app.cell
def _(judged, known, set_judged, set_trouble, tr):
    def _back() -> None:
        set_trouble("")
        set_judged(lambda before: texts.without_last(before, len(known)))

    undo = mo.ui.button(label=tr("Undo last"), disabled=len(judged()) <= len(known), on_click=lambda _: _back())
    return (undo,)


@app.cell
def _(agree, as_of, differ, drawn, remark, reviewer, tr, trouble, undo, waiting):
    def _card(order: dict) -> mo.Html:
        tiles = ui.grid(*(ui.kpi(*tile) for tile in texts.sides(drawn, order, as_of, tr)), min="200px")
        why = ui.note(texts.why(order, tr), "warn")
        words, answers = ui.grid(reviewer, remark, min="220px"), ui.grid(agree, differ, min="150px")
        return ui.section(tr("Order {order_no}").format(**order), tiles, why, words, *failed, answers, undo)

    _lost = tr("The judgement was not taken: {reason}. The order is still waiting.")
    failed = [ui.note(_lost.format(reason=trouble()), "bad")] if trouble() else []
    _done = ui.section(tr("To judge"), ui.note(tr("Nothing is left to judge."), "good"), undo)
    card = _card(waiting[0]) if waiting else _done
    return (card,)


@app.cell
def _(drawn, tr):
    chart = ui.section(tr("Verdicts"), charts.verdicts(charts.shares(drawn.by_verdict(), tr), tr))
    shown = mo.ui.multiselect(texts.found(drawn, tr), label=tr("Show only"), full_width=True)
    return chart, shown


@app.cell
def _(audit_id, drawn, judged, shown, tr):
    _sheet = texts.sheet(drawn, judged(), tr, only=shown.value)
    _save = ui.download_csv(_sheet, f"{audit_id}.csv", tr("Download CSV"))
    listing = ui.section(tr("All drawn orders"), shown, ui.table(_sheet), _save)
    return (listing,)


@app.cell
def _(card, chart, drawn, judged, lang, listing, seed, size, tr):
    figures = ui.grid(*(ui.kpi(*tile) for tile in texts.tiles(drawn, judged(), CLAIM, tr)), min="200px")
    _form = ui.grid(size, seed, min="220px")
    ui.page(tr("Spot audit"), texts.intro(drawn, tr), lang, _form, figures, card, chart, listing)
    return (figures,)


if __name__ == "__main__":
    app.run()
