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
app = marimo.App(
    width="full",
    app_title="OrderHub · Surge rehearsal",
    css_file="assets/console.css",
    html_head_file="assets/head.html",
)

with app.setup:
    import marimo as mo
    import msgspec

    from orderhub_core import errors, hub, i18n, ui
    from orderhub_core.charts import surge as charts
    from orderhub_core.charts import theme
    from orderhub_core.sim import arrivals, results, scenario, texts

    PRESET = scenario.Scenario()
    CREWS = [sum(crew) for crew in zip(*(site.people for site in PRESET.warehouses), strict=True)]


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
    def _number(value: float, label: str, step: float = 1) -> mo.ui.number:
        return mo.ui.number(value=value, step=step, label=label, full_width=True)  # the scenario says what is possible

    def _choice(options: dict[str, bool], label: str) -> mo.ui.dropdown:
        return mo.ui.dropdown(options, value=next(iter(options)), label=label, full_width=True)

    orders = _number(PRESET.orders, tr("Orders of the day"), 1000)
    peak = _number(PRESET.arrivals.peak_multiple, tr("Peak, times the ordinary rate"), 0.5)
    start = _number(PRESET.arrivals.start_hour, tr("Sale starts at, hour"), 0.5)
    _own = {tr("The shop's own last 7 days"): True} if learned else {}
    curve = _choice(_own | {tr("The built-in day"): False}, tr("Ordinary day"))
    _stages = zip(texts.names(tr).items(), CREWS, strict=True)
    people = mo.ui.dictionary({n: _number(crew, f"{tr('People')} · {title}") for (n, title), crew in _stages})
    spare = _choice({tr("In use"): True, tr("Not in use"): False}, tr("Temporary warehouse"))
    cap = _number(PRESET.temporary.orders_per_day, tr("It takes at most, orders a day"), 500)
    promise = _number(PRESET.promise_hours, tr("Promise to customers, hours"))
    seed = _number(7, tr("Seed: the same seed gives the same figures"))
    return cap, curve, orders, peak, people, promise, seed, spare, start


@app.cell
def _(cap, curve, lang, orders, peak, people, promise, seed, spare, start, tr):
    _said = tr("Tomorrow's sale, walked through order by order: where it jams, until when, and what help would change.")
    _rows = (orders, peak, start, curve, *people.elements.values(), spare, cap, promise, seed)
    top = (tr("Surge rehearsal"), _said, lang, ui.grid(*_rows, min="250px"))
    return (top,)


@app.cell
def _(cap, curve, learned, orders, peak, people, promise, spare, start, top, tr):
    try:  # an emptied field is None: the scenario then says what it wants there
        _base = learned.base if curve.value else ()
        _rush = {"start_hour": start.value or 0, "peak_multiple": peak.value or 0, "base": _base}
        _spare = {"enabled": spare.value, "orders_per_day": int(cap.value or 0)}
        _day = msgspec.structs.replace(
            PRESET,
            orders=int(orders.value or 0),
            promise_hours=promise.value or 0,
            arrivals=msgspec.structs.replace(PRESET.arrivals, **_rush),
            temporary=msgspec.structs.replace(PRESET.temporary, **_spare),
        )
        _crews = {name: int(count or 0) for name, count in people.value.items()}
        day = scenario.staffed(scenario.shown(_day), _crews)
    except errors.OrderHubError as _error:
        mo.stop(True, ui.page(*top, ui.failed(tr("This day cannot be rehearsed: {reason}"), _error, tr)))
    return (day,)


@app.cell
def _(day, seed):
    runs = {on: results.rehearse(scenario.switched(day, on), abs(int(seed.value or 0))) for on in (True, False)}
    step = results.step_minutes(*runs.values())
    figures = {on: results.figures(day, both) for on, both in runs.items()}
    unfinished = {on: results.unfinished(both, step) for on, both in runs.items()}
    shown = runs[day.temporary.enabled]
    return figures, shown, step, unfinished


@app.cell
def _(day, shown, step, tr, unfinished):
    _waits = texts.named(results.backlog(day, shown, step), tr)
    _areas = charts.backlog(_waits, list(texts.names(tr).values()), tr)
    _lines = charts.compared(unfinished[True], unfinished[False], tr)
    _both, _dwell = texts.compared(unfinished), results.dwell(shown, 30)
    _took = charts.dwell(_dwell, day.promise_hours, tr)
    sections = [
        ui.section(tr("Where orders wait"), _areas, ui.table(texts.stages(results.stages(day, shown), tr))),
        ui.section(
            tr("What the temporary warehouse changes"),
            ui.grid(_lines, ui.table(texts.hourly(_both, tr), page_size=8), min="340px"),
            ui.download_csv(_both, "surge.csv", tr("Download CSV")),
        ),
        ui.section(
            tr("How long an order takes, by when it is placed"),
            ui.grid(_took, ui.table(texts.dwell(_dwell, tr), page_size=8), min="340px"),
        ),
    ]
    return (sections,)


@app.cell
def _(day, figures, sections, top, tr):
    _tiles = ui.grid(*(ui.kpi(*tile) for tile in texts.tiles(day, figures, tr)), min="300px")
    ui.page(*top, _tiles, *sections, ui.note(tr(texts.METHOD), "info"))
    return


if __name__ == "__main__":
    app.run()
