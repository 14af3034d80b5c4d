# /// script
# [tool.orderhub]
# title = "Packing floor"
# description = "Are gifts there before packing, is everything in the box, has each parcel a tracking number?"
# glyph = "parcel"
# position = 7
#
# [tool.marimo.display]
# theme = "system"
# ///
import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="full", app_title="OrderHub · Packing floor", css_file="assets/console.css", html_head_file="assets/head.html"
)

with app.setup:
    import marimo as mo

    from orderhub_core import hub, i18n, names, ui
    from orderhub_core.charts import packing as charts
    from orderhub_core.charts import theme
    from orderhub_core.packing import board, floor, texts, transfers


@app.cell
def _():
    lang = ui.language()
    tr = i18n.translator(lang)
    theme.use(lang)
    _said = tr("Are gifts there before packing, is everything in the box, has each parcel a tracking number?")
    top = (tr("Packing floor"), _said, lang)
    with ui.readable(*top):
        connected = hub.connect()
        named = names.Names(connected.settings, tr)
        _where = board.warehouses(connected.frame("orders"), tr, named)
    look = mo.ui.refresh(options=["1m", "5m"], default_interval="1m", label=tr("Look every"))
    where = mo.ui.dropdown(_where, value=next(iter(_where)), label=tr("Warehouse"), full_width=True)
    return connected, look, named, top, tr, where


@app.cell
def _(connected, look, top):
    look.value
    with ui.readable(*top, look):
        known, now = connected.remembered("floor", connected.floor), connected.as_of()
        _asked = connected.writable and known.on_hand is not None
        planned = connected.remembered("transfers", connected.stock.transfers) if _asked else None
    found = floor.table(known, now)
    return found, known, now, planned


@app.cell
def _(tr):
    another = mo.ui.button(label=tr("Next box"))
    return (another,)


@app.cell
def _(another, tr):
    another.value
    box = mo.ui.text(label=tr("Order or tracking number"), full_width=True)
    codes = mo.ui.text_area(label=tr("Scanned codes, one to a line"), rows=4, debounce=400, full_width=True)
    return box, codes


@app.cell
def _(another, box, codes, connected, known, named, now, tr):
    _name, _codes = box.value.strip(), board.scanned(codes.value)
    _said = board.sent(floor.sent(known, _name), now, tr) if _name else []
    _said += board.together(floor.beside(known, _name), tr) if _name else []
    _boxes = floor.boxed(known, _name, _codes, now)
    _off = connected.off_the_floor(_name) if _name else []
    _said += board.box(_name, _boxes, _codes, _off, tr, named)
    _fields = ui.anew(another, ui.grid(box, codes, min="240px"))
    packing = ui.section(tr(texts.STAGES["while_packing"]), _fields, ui.notes(_said))
    return (packing,)


@app.cell
def _(found, known, look, named, now, packing, planned, top, tr, where):
    def _faults(stage: str) -> list:
        rows = board.faults(own, stage, tr)
        full = [ui.table(rows, named, wide={tr("What is wrong"): 320})]
        full.append(ui.download_csv(rows, f"{stage}.csv", tr("Download CSV")))
        full += [ui.note(tr(board.CUT).format(n=f"{board.MOST:,}"))] * (rows.height >= board.MOST)
        return full if rows.height else [ui.note(tr(board.FINE[stage]), "good")]

    own, _orders = board.of(found, where.value), board.of(known.orders, where.value)
    _waiting = charts.waiting(board.ages(_orders, now, tr), tr)
    _gifts = [ui.note(tr(board.NOT_ASKED))] if known.on_hand is None else _faults("before_packing")
    _moves = None if planned is None else transfers.table(planned, tr, where.value)
    _brought = [] if planned is None else [ui.notes(transfers.notes(planned, tr, where.value, named))]
    if _moves is not None and _moves.height:
        _brought += [ui.table(_moves, named), ui.download_csv(_moves, "transfers.csv", tr("Download CSV"))]
    _none = ui.note(tr("Nothing waits here, and nothing has left in the last three days."))
    _parts = [
        ui.kpis(board.tiles(own, _orders, tr)),
        packing,
        ui.section(tr("Waiting to be packed, since they were paid"), _waiting),
        ui.section(tr(texts.STAGES["before_packing"]), *_gifts),
        ui.section(tr(texts.STAGES["after_shipping"]), *_faults("after_shipping")),
        *([ui.section(tr(transfers.TITLE), *_brought)] if _brought else []),
    ]
    ui.page(*top, ui.grid(where, look, min="200px"), *(_parts if known.orders.height else [_none]))
    return


if __name__ == "__main__":
    app.run()
