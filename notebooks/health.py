# /// script
# [tool.orderhub]
# title = "Order health"
# description = "What comes in now, how long orders stay at each stage, and the costliest places, at most three."
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

    from orderhub_core import errors, hub, i18n, names, ui
    from orderhub_core.charts import health as charts
    from orderhub_core.charts import theme
    from orderhub_core.health import blockages, diagnosis, flow, holds, queue, texts

    ZONE = "Asia/Shanghai"


@app.cell
def _():
    lang = ui.language()
    tr = i18n.translator(lang)
    theme.use(lang)
    top = (tr("Order health"), tr(texts.INTRO), lang)
    with ui.readable(*top):
        connected = hub.connect()
        connected.as_of(), connected.frame("orders")
    named = names.Names(connected.settings, tr)
    tick = mo.ui.refresh(options=["5s", "30s"], default_interval="5s", label=tr("Flow every"))
    look = mo.ui.refresh(options=["1m", "5m", "15m"], default_interval="5m", label=tr("Diagnosis every"))
    (parked, set_parked), (said, set_said) = mo.state([]), mo.state((), allow_self_loops=True)
    (back, set_back), (gone, set_gone) = mo.state([]), mo.state((), allow_self_loops=True)
    return back, connected, gone, look, named, parked, said, set_back, set_gone, set_parked, set_said, tick, top, tr


@app.cell
def _(back, connected, gone, parked, said, set_back, set_parked, tick, top, tr):
    tick.value, said(), gone()
    try:
        flowing = connected.flow() if isinstance(connected, hub.Hub) else None
        _parked = connected.parked(queue.MOST) if flowing and flowing.parked else []
        _back = connected.holds.kept(limit=holds.MOST) if flowing and holds.any_of(flowing.effects) else []
        _now = flowing.as_of if flowing else connected.as_of()
        _rows = flow.per_minute(connected.scan("events"), _now)
    except errors.OrderHubError as _error:
        mo.stop(True, ui.page(*top, ui.failed(tr("The hub cannot be read: {reason}"), _error, tr), tick))
    for _new, _old, _set in ((_parked, parked, set_parked), (_back, back, set_back)):
        if _new != _old():  # else what was chosen or sorted in their tables would be lost
            _set(_new)
    _picture = charts.flow(_rows, _now, ZONE, tr) if _rows.height else ui.note(tr("Nothing happened in the last hour."))
    live = ui.section(tr("Live flow"), ui.kpis(texts.tiles(_rows, _now, ZONE, tr)), _picture)
    return flowing, live


@app.cell
def _(connected, named, parked, said, set_said, tr):
    def _act(to: dict) -> None:
        set_said((queue.carried_out(to, connected, lambda steps: ui.progress(steps, tr("Trying again")), tr), to))

    _rows = ui.table(queue.parked(parked(), ZONE, tr), named, selection="multi", wide={tr("Reason"): 320})
    _asks = ui.questions(tr("With those chosen:"), queue.choices(tr), queue.words(tr), came=said())
    _form = ui.confirmed(_rows, _asks, tr(queue.SURE), tr("Do it"), tr, _act, lambda asked: queue.lacks(asked, tr))
    held = _form if connected.writable else ui.grid(_rows, ui.note(tr(queue.READ_ONLY)), min="100%")
    return (held,)


@app.cell
def _(back, connected, gone, named, set_gone, tr):
    _rows, _free = holds.table(back(), ZONE, tr, named), connected.writable
    _table = ui.table(_rows, named, selection="multi" if _free else None, wide={tr("Reasons"): 360})
    _act = lambda to: set_gone((holds.carried_out(to, connected.holds, tr, named), to))  # noqa: E731
    _asks, _go = ui.questions(*holds.asking(tr), came=gone()), (tr("Yes, do it"), tr("Do it"), tr)
    _sure = ui.confirmed(_table, _asks, *_go, _act, lambda to: holds.lacks(to, tr))
    _notes = map(ui.note, holds.remarks(back(), tr, writable=_free))
    _full = [_sure if _free else _table, ui.download_csv(_rows, "held-orders.csv", tr("Download CSV")), *_notes]
    keeping = _full if back() else [ui.note(*holds.nothing(tr, decides=not _free or connected.editions.decides()))]
    return (keeping,)


@app.cell
def _(connected, flowing, gone, held, keeping, named, parked, said, tr):
    def _queue() -> list:
        rows = queue.sources(flowing, [shop.id for shop in connected.settings.live_shops], ZONE, tr)
        sources = ui.section(tr("Sources"), ui.rows(rows, tr("Nothing has come in yet."), named))
        acts = ui.rows(queue.effects(flowing, tr), tr("Every effect is done."), named)
        todo = ui.section(tr("Effects that are not done"), acts, *map(ui.note, queue.remarks(flowing, ZONE, tr, named)))
        late, told, let = queue.idle(flowing, ZONE, tr), ui.notes(said()[:1]), ui.notes(gone()[:1])
        late = [ui.note(*late)] if late[0] else []
        aside = held if parked() else ui.note(tr("Nothing is parked."), "good")
        sections = ui.section(tr("Held orders"), *keeping, let), ui.section(tr("Parked messages"), aside, told)
        return [ui.kpis(queue.tiles(flowing, tr)), *late, ui.grid(sources, todo, min="340px"), *sections]

    waiting = ui.section(tr("Queue"), *(_queue() if flowing else [ui.note(tr(queue.SNAPSHOT))]))
    return (waiting,)


@app.cell
def _(connected, look, named, top, tr):
    look.value
    with ui.readable(*top, look):
        _question = ("diagnosis", (_now := connected.as_of()) // flow.MINUTE_US)
        found = connected.remembered(_question, lambda: diagnosis.diagnose(connected.frame("orders"), _now))
    _places = {title: index for index, title in enumerate(texts.ranked(found, tr, named))}
    opened = mo.ui.dropdown(_places, value=next(iter(_places), None), label=tr("Show the orders of"), full_width=True)
    return found, opened


@app.cell
def _(found, named, opened, tr):
    def _orders(index: int) -> list:
        rows = texts.orders(blockages.members(found.open_orders, found.worst[index]), ZONE, tr)
        return [opened, ui.table(rows, named), ui.download_csv(rows, "blockage.csv", tr("Download CSV"))]

    _cards = ui.kpis(texts.cards(found, tr, named), min="260px")
    _list = [] if opened.value is None else _orders(opened.value)
    _told = ui.section(tr("Worst blockages"), _cards, *map(ui.note, texts.notes(found, tr)), *_list)
    stuck = _told if found.worst else ui.note(tr("No order is overdue."), "good")
    return (stuck,)


@app.cell
def _(found, named, tr):
    _pictures = ui.grid(charts.levels(found.stages, tr), charts.dwell(found.stages, tr), min="340px")
    _told = ui.table(texts.stages(found.stages, tr)), ui.note(texts.limits(found, tr, named))
    dwell = ui.section(tr("How long open orders have stayed"), _pictures, *_told)
    steps = ui.section(tr("How long the steps took, last 30 days"), ui.rows(texts.steps(found.steps, tr), tr("None.")))
    return dwell, steps


@app.cell
def _(dwell, found, live, look, steps, stuck, tick, top, tr, waiting):
    _sick = [ui.note(texts.summary(found, ZONE, tr), "warn" if found.overdue else "good"), stuck, dwell, steps]
    _how = tr("There are no orders yet: connect a shop or import a file, and this page fills itself.")
    _parts = _sick if found.orders else [ui.note(_how, "info")]
    ui.page(*top, ui.grid(tick, look, min="200px"), live, waiting, *_parts)
    return


if __name__ == "__main__":
    app.run()
