# /// script
# [tool.orderhub]
# title = "Surge rehearsal"
# description = "Walk tomorrow's sale through the warehouses order by order: where it jams, until when, and what helps."
# glyph = "surge"
# position = 2
#
# [tool.marimo.display]
# theme = "system"
# ///
import marimo

__generated_with = "0.25.2"
app = marimo.App(width="full", app_title="OrderHub · Surge rehearsal", css_file="assets/console.css", html_head_file="assets/head.html")

with app.setup:
    import marimo as mo
    import msgspec
    import polars as pl

    from orderhub_core import errors, hub, i18n, ui
    from orderhub_core.charts import surge as charts
    from orderhub_core.charts import theme
    from orderhub_core.sim import arrivals, results, scenario

    STAGES = {"review": "Review", "pick": "Pick", "pack": "Pack", "hand_over": "Hand over"}
    PRESET = scenario.Scenario()


@app.cell
def _():
    lang = ui.language()
    tr = i18n.translator(lang)
    theme.use(lang)
    return lang, tr


@app.cell
def _():
    try:
        _hub = hub.connect()
        learned = arrivals.learn(_hub.frame("orders"), _hub.as_of())
    except errors.OrderHubError:
        learned = None  # a rehearsal needs no hub: the built-in curve serves
    return (learned,)


@app.cell
def _(learned, tr):
    _people = dict(zip(STAGES, (sum(crew) for crew in zip(*(site.people for site in PRESET.warehouses), strict=True)), strict=True))
    orders = mo.ui.number(1, 500_000, value=PRESET.orders, step=1000, label=tr("Orders of the day"), full_width=True)
    peak = mo.ui.number(1, 200, value=PRESET.arrivals.peak_multiple, step=0.5, label=tr("Peak, times the ordinary rate"), full_width=True)
    start = mo.ui.number(0, 23.5, value=PRESET.arrivals.start_hour, step=0.5, label=tr("Sale starts at, hour"), full_width=True)
    people = mo.ui.dictionary({name: mo.ui.number(3, 5000, value=_people[name], label=f"{tr('People')} · {tr(title)}", full_width=True) for name, title in STAGES.items()})
    spare = mo.ui.switch(value=True, label=tr("Temporary warehouse"))
    cap = mo.ui.number(0, 200_000, value=PRESET.temporary.orders_per_day, step=500, label=tr("It takes at most, orders a day"), full_width=True)
    _curves = {tr("The shop's own last 7 days"): True, tr("The built-in day"): False}
    curve = mo.ui.dropdown(_curves if learned else {tr("The built-in day"): False}, value=next(iter(_curves)) if learned else tr("The built-in day"), label=tr("Ordinary day"), full_width=True)
    seed = mo.ui.number(0, 999_999, value=7, label=tr("Seed: the same seed gives the same figures"), full_width=True)
    return cap, curve, orders, peak, people, seed, spare, start


@app.cell
def _(cap, curve, learned, orders, peak, people, spare, start):
    _rush = msgspec.structs.replace(PRESET.arrivals, start_hour=start.value, peak_multiple=peak.value, base=learned.base if curve.value else ())
    _spare = msgspec.structs.replace(PRESET.temporary, enabled=spare.value, orders_per_day=int(cap.value))
    _day = msgspec.structs.replace(PRESET, orders=int(orders.value), arrivals=_rush, temporary=_spare)
    day = scenario.staffed(_day, {name: int(count) for name, count in people.value.items()})
    return (day,)


@app.cell
def _(day, seed):
    _both = {on: results.rehearse(scenario.switched(day, on), int(seed.value)) for on in (True, False)}
    _shown = _both[day.temporary.enabled]
    _step = results.step_minutes(*_both.values())
    figures = {on: results.figures(day, runs) for on, runs in _both.items()}
    unfinished = {on: results.unfinished(runs, _step) for on, runs in _both.items()}
    backlog, stages, dwell = results.backlog(day, _shown, _step), results.stages(day, _shown), results.dwell(_shown, 30)
    return backlog, dwell, figures, stages, unfinished


@app.cell
def _(day, figures, tr):
    def _clock(hour: float) -> str:
        days, minutes = divmod(round(hour * 60), 1440)
        return f"{minutes // 60:02d}:{minutes % 60:02d}" + (tr(" +{n} d").format(n=days) if days else "")

    def _range(band: results.Band) -> str:
        return tr("{low} to {high} in {n} runs").format(low=f"{band.low:,.0f}", high=f"{band.high:,.0f}", n=day.runs)

    told, _other = figures[day.temporary.enabled], figures[not day.temporary.enabled]
    _saved = figures[False].late.mean - figures[True].late.mean
    tiles = ui.grid(
        ui.kpi(tr("Most unfinished orders"), f"{told.peak_backlog.mean:,.0f}", f"{_clock(told.peak_at_h.mean)} · {_range(told.peak_backlog)}"),
        ui.kpi(tr("All handed over"), _clock(told.drained_at_h.mean), tr("{earliest} to {latest}").format(earliest=_clock(told.drained_at_h.low), latest=_clock(told.drained_at_h.high))),
        ui.kpi(tr("9 of 10 took at most"), tr("{n} h").format(n=f"{told.dwell_p90_h.mean:.1f}"), tr("half took at most {n} h").format(n=f"{told.dwell_p50_h.mean:.1f}")),
        ui.kpi(tr("Late, over {n} h").format(n=f"{day.promise_hours:g}"), f"{told.late.mean:,.0f}", _range(told.late), tone="bad" if told.late.mean else "good"),
        ui.kpi(tr("Bottleneck"), tr(STAGES[told.bottleneck]), tr("{share} of all waiting").format(share=f"{told.bottleneck_share:.0%}")),
        ui.kpi(tr("The temporary warehouse"), tr("takes {n}").format(n=f"{figures[True].temporary_orders.mean:,.0f}"), tr("{n} fewer late orders").format(n=f"{_saved:,.0f}")),
        min="180px",
    )
    return (tiles,)


@app.cell
def _(backlog, day, dwell, stages, tr, unfinished):
    _names = {name: tr(title) for name, title in STAGES.items()}
    _areas = charts.backlog(backlog.with_columns(pl.col("stage").replace_strict(_names)), list(_names.values()), tr)
    _table = stages.select(
        pl.col("stage").replace_strict(_names).alias(tr("Stage")),
        pl.col("people").alias(tr("People")),
        pl.col("per_hour").round().cast(pl.Int64).alias(tr("Orders per hour")),
        pl.col("peak").round().cast(pl.Int64).alias(tr("Most at once")),
        pl.col("wait_min").round(1).alias(tr("Mean wait, min")),
        pl.format("{} %", (pl.col("share") * 100).round(1)).alias(tr("Of all waiting")),
    )
    _hourly = unfinished[True].join(unfinished[False], on="hour", how="full", coalesce=True, suffix="_without").sort("hour")
    _sheet = _hourly.filter(pl.col("hour") % 1 == 0).fill_null(0).select(
        pl.col("hour").cast(pl.Int64).alias(tr("Hour")),
        pl.col("mean").round().cast(pl.Int64).alias(tr("With it")),
        pl.col("mean_without").round().cast(pl.Int64).alias(tr("Without it")),
    )
    pictures = [
        ui.section(tr("Where orders wait"), _areas, ui.table(_table)),
        ui.section(tr("What the temporary warehouse changes"), ui.grid(charts.compared(unfinished[True], unfinished[False], tr), ui.table(_sheet), min="340px"), ui.download_csv(_hourly, "surge.csv", tr("Download CSV"))),
        ui.section(tr("How long an order takes, by when it is placed"), charts.dwell(dwell, day.promise_hours, tr)),
    ]
    return (pictures,)


@app.cell
def _(cap, curve, lang, orders, peak, people, pictures, seed, spare, start, tiles, tr):
    ui.page(
        tr("Surge rehearsal"),
        tr("Tomorrow's sale, walked through order by order: where it jams, until when, and what help would change."),
        lang,
        ui.grid(orders, peak, start, curve, *people.elements.values(), spare, cap, seed, min="200px"),
        tiles,
        *pictures,
        ui.note(tr("Every order is simulated through every stage, first come first served; orders left at closing time wait for the morning. The range shows how much chance alone moves a figure."), "info"),
    )
    return


if __name__ == "__main__":
    app.run()
