# /// script
# [tool.orderhub]
# title = "Order health"
# description = "What is coming in right now, how long orders stay at each stage, and the three places that cost the most time."
# glyph = "health"
# position = 3
#
# [tool.marimo.display]
# theme = "system"
# ///
import marimo

__generated_with = "0.25.2"
app = marimo.App(width="full", app_title="OrderHub · Order health", css_file="assets/console.css", html_head_file="assets/head.html")

with app.setup:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    import marimo as mo
    import polars as pl

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
    title, subtitle = tr("Order health"), tr("What comes in right now, where orders stay too long, and the three places to go first.")
    try:
        connected, _trouble = hub.connect(), ""
        connected.as_of()
    except errors.OrderHubError as _error:
        connected, _trouble = None, str(_error)
    mo.stop(connected is None, ui.page(title, subtitle, lang, ui.note(tr("The hub cannot be read: {reason}").format(reason=_trouble), "bad")))
    return connected, subtitle, title


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
    _fresh = tr("As of {time}").format(time=f"{datetime.fromtimestamp(_now / 1e6, ZoneInfo(ZONE)):%Y-%m-%d %H:%M:%S}")
    _tiles = [ui.kpi(tr("Events in the last hour"), f"{_rows['events'].sum():,}", _fresh)]
    if connected.writable:
        _pulse = connected.pulse()
        _age = tr("oldest {n} s").format(n=f"{_pulse.oldest_waiting_s:,.0f}")
        _tiles += [
            ui.kpi(tr("Waiting"), f"{_pulse.waiting:,}", _age if _pulse.waiting else "", tone="bad" if _pulse.oldest_waiting_s > 60 else "plain"),
            ui.kpi(tr("Parked"), f"{_pulse.parked:,}", tr("for a person to read") if _pulse.parked else "", tone="bad" if _pulse.parked else "plain"),
            ui.kpi(tr("Refused signatures"), f"{_pulse.refused_signatures:,}"),
        ]
    _picture = charts.flow(_rows, _now, ZONE, tr) if _rows.height else ui.note(tr("Nothing happened in the last hour."), "info")
    live = ui.section(tr("Live flow"), ui.grid(*_tiles, min="180px"), _picture)
    return (live,)


@app.cell
def _(connected, look):
    look.value
    found = diagnosis.diagnose(connected.frame("orders"), connected.as_of())
    return (found,)


@app.cell
def _(found, tr):
    _choices = {f"{place}. {texts.place(blockage, tr)}": place - 1 for place, blockage in enumerate(found.worst, 1)}
    opened = mo.ui.dropdown(_choices, value=next(iter(_choices), None), label=tr("Show the orders of"), full_width=True)
    return (opened,)


@app.cell
def _(found, opened, tr):
    def _card(place: int, blockage: blockages.Blockage) -> mo.Html:
        often = tr("overdue {n} times as often as the rest of the stage").format(n=f"{blockage.lift:.1f}") if blockage.lift else tr("the whole stage is slow")
        heading = f"{place}. {texts.place(blockage, tr)}"
        facts = tr("{n} of {open} open orders, {hours} h over, oldest {oldest} h; {often}")
        said = facts.format(n=f"{blockage.orders:,}", open=f"{blockage.open:,}", hours=f"{blockage.over_hours:,.0f}", oldest=f"{blockage.oldest_hours:,.0f}", often=often)
        return ui.kpi(heading, tr("{n} overdue").format(n=f"{blockage.orders:,}"), said, tone="bad")

    def _orders(index: int) -> list:
        rows = blockages.members(found.open_orders, found.worst, index).select(
            pl.col("order_no").alias(tr("Order")),
            pl.col("headline_at").dt.convert_time_zone(ZONE).dt.strftime("%m-%d %H:%M").alias(tr("Since")),
            pl.col("age_h").round(1).alias(tr("Hours here")),
            pl.col("over_h").round(1).alias(tr("Hours over")),
            *(pl.col(name).fill_null("").alias(tr(label)) for name, label in texts.SEGMENTS.items()),
        )
        return [ui.table(rows), ui.download_csv(rows, "blockage.csv", tr("Download CSV"))]

    _cards = [_card(place, blockage) for place, blockage in enumerate(found.worst, 1)]
    _list = [opened, *_orders(opened.value)] if opened.value is not None else []
    stuck = ui.section(tr("Worst blockages"), ui.grid(*_cards, min="260px"), *_list) if _cards else ui.note(tr("No order is overdue."), "good")
    return (stuck,)


@app.cell
def _(found, tr):
    _stages = found.stages.select(
        pl.col("headline").cast(pl.String).replace({name: tr(text) for name, text in texts.HEADLINES.items()}).alias(tr("Stage")),
        pl.col("orders").alias(tr("Open orders")),
        pl.col("warn").alias(tr("At risk")),
        pl.col("act").alias(tr("Overdue")),
        *(pl.col(name).round(1).alias(tr(label)) for name, label in (("p50_h", "Median, h"), ("p90_h", "9 of 10, h"), ("oldest_h", "Oldest, h"))),
    )
    _steps = found.steps.select(
        pl.col("step").cast(pl.String).replace({name: tr(text) for name, text in texts.STEPS.items()}).alias(tr("Step")),
        pl.col("orders").alias(tr("Orders")),
        *(pl.col(name).round(2).alias(tr(label)) for name, label in (("p50_h", "Median, h"), ("p90_h", "9 of 10, h"), ("p99_h", "99 of 100, h"))),
    )
    _pictures = ui.grid(charts.levels(found.stages, tr), charts.dwell(found.stages, tr), min="340px")
    dwell = ui.section(tr("How long open orders have stayed"), _pictures, ui.table(_stages))
    steps = ui.section(tr("How long the steps took, last 30 days"), ui.table(_steps))
    return dwell, steps


@app.cell
def _(dwell, found, lang, live, look, steps, stuck, subtitle, tick, title, tr):
    _time = f"{datetime.fromtimestamp(found.as_of / 1e6, ZoneInfo(ZONE)):%Y-%m-%d %H:%M}"
    _line = tr("Diagnosis as of {time}: {open} of {all} orders open, {overdue} overdue, {risk} at risk.")
    _said = _line.format(time=_time, open=f"{found.open_orders.height:,}", all=f"{found.orders:,}", overdue=f"{found.overdue:,}", risk=f"{found.at_risk:,}")
    _sick = [ui.note(_said, "warn" if found.overdue else "good"), stuck, dwell, steps]
    _empty = [ui.note(tr("There are no orders yet: connect a shop or import a file, and this page fills itself."), "info")]
    ui.page(title, subtitle, lang, ui.grid(tick, look, min="200px"), live, *(_sick if found.orders else _empty))
    return


if __name__ == "__main__":
    app.run()
