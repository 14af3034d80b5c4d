# /// script
# [tool.orderhub]
# title = "Order health"
# description = "What is coming in now, how long orders stay at each stage, and the three places that cost the most."
# glyph = "health"
# position = 3
#
# [tool.marimo.display]
# theme = "system"
# ///
import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="full", app_title="OrderHub · Order health", css_file="assets/console.css", html_head_file="assets/head.html"
)

with app.setup:
    import marimo as mo

    from orderhub_core import errors, hub, i18n, ui
    from orderhub_core.charts import health as charts
    from orderhub_core.charts import theme
    from orderhub_core.health import blockages, diagnosis, flow, texts

    ZONE = "Asia/Shanghai"


@app.cell
def _():
    lang = ui.language()
    tr = i18n.translator(lang)
    theme.use(lang)
    return lang, tr


@app.cell
def _(lang, tr):
    _said = tr("What comes in right now, where orders stay too long, and the three places to go first.")
    top = (tr("Order health"), _said, lang)
    try:
        connected, _trouble = hub.connect(), ""
        connected.as_of()
    except errors.OrderHubError as _error:
        connected, _trouble = None, tr("The hub cannot be read: {reason}").format(reason=_error)
    mo.stop(connected is None, ui.page(*top, ui.note(_trouble, "bad")))
    return connected, top


@app.cell
def _(tr):
    tick = mo.ui.refresh(options=["5s", "30s"], default_interval="5s", label=tr("Flow every"))
    look = mo.ui.refresh(options=["1m", "5m", "15m"], default_interval="5m", label=tr("Diagnosis every"))
    return look, tick


@app.cell
def _(connected, tick, tr):
    tick.value
    _now = connected.as_of()
    _rows = flow.per_minute(connected.scan("events"), _now)
    _tiles = texts.tiles(_rows, _now, ZONE, tr, connected.pulse() if connected.writable else None)
    _nothing = ui.note(tr("Nothing happened in the last hour."), "info")
    _picture = charts.flow(_rows, _now, ZONE, tr) if _rows.height else _nothing
    live = ui.section(tr("Live flow"), ui.grid(*(ui.kpi(*tile) for tile in _tiles), min="150px"), _picture)
    return (live,)


@app.cell
def _(connected, look):
    look.value
    _now = connected.as_of()
    _question = ("diagnosis", _now // flow.MINUTE_US)
    found = connected.remembered(_question, lambda: diagnosis.diagnose(connected.frame("orders"), _now))
    return (found,)


@app.cell
def _(found, tr):
    _places = {title: index for index, title in enumerate(texts.ranked(found, tr))}
    opened = mo.ui.dropdown(_places, value=next(iter(_places), None), label=tr("Show the orders of"), full_width=True)
    return (opened,)


@app.cell
def _(found, opened, tr):
    def _orders(index: int) -> list:
        rows = texts.orders(blockages.members(found.open_orders, found.worst, index), ZONE, tr)
        return [opened, ui.table(rows), ui.download_csv(rows, "blockage.csv", tr("Download CSV"))]

    _cards = ui.grid(*(ui.kpi(*card) for card in texts.cards(found, tr)), min="260px")
    _none = ui.note(tr("No order is overdue."), "good")
    _list = [] if opened.value is None else _orders(opened.value)
    stuck = ui.section(tr("Worst blockages"), _cards, *_list) if found.worst else _none
    return (stuck,)


@app.cell
def _(found, tr):
    _pictures = ui.grid(charts.levels(found.stages, tr), charts.dwell(found.stages, tr), min="340px")
    _table = ui.table(texts.stages(found.stages, tr))
    dwell = ui.section(tr("How long open orders have stayed"), _pictures, _table)
    steps = ui.section(tr("How long the steps took, last 30 days"), ui.table(texts.steps(found.steps, tr)))
    return dwell, steps


@app.cell
def _(dwell, found, live, look, steps, stuck, tick, top, tr):
    _sick = [ui.note(texts.summary(found, ZONE, tr), "warn" if found.overdue else "good"), stuck, dwell, steps]
    _how = tr("There are no orders yet: connect a shop or import a file, and this page fills itself.")
    _parts = _sick if found.orders else [ui.note(_how, "info")]
    ui.page(*top, ui.grid(tick, look, min="200px"), live, *_parts)
    return


if __name__ == "__main__":
    app.run()
