# /// script
# [tool.orderhub]
# title = "Presale"
# description = "Which presale order goes with which batch, which batch is late, and whose promise does that break?"
# glyph = "calendar"
# position = 8
#
# [tool.marimo.display]
# theme = "system"
# ///
import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="full", app_title="OrderHub · Presale", css_file="assets/console.css", html_head_file="assets/head.html"
)

with app.setup:
    import marimo as mo

    from orderhub_core import hub, i18n, names, ui
    from orderhub_core.charts import presale as charts
    from orderhub_core.charts import theme
    from orderhub_core.presale import board


@app.cell
def _():
    lang = ui.language()
    tr = i18n.translator(lang)
    theme.use(lang)
    _said = tr("Which presale order goes with which batch, which batch is late, and whose promise does that break?")
    top = (tr("Presale"), _said, lang)
    with ui.readable(*top):
        connected = hub.connect()
    look = mo.ui.refresh(options=["1m", "5m"], default_interval="1m", label=tr("Look every"))
    return connected, look, top, tr


@app.cell
def _(connected, look, top, tr):
    look.value
    with ui.readable(*top, look):
        found = connected.presale.schedule() if connected.writable else None
        zone, named = connected.settings.time_zone, names.Names(connected.settings, tr)
    return found, named, zone


@app.cell
def _(found, look, named, top, tr, zone):
    def _shown(rows, file: str, nothing: str) -> list:
        full = [ui.table(rows.head(board.MOST), named), ui.download_csv(rows, f"{file}.csv", tr("Download CSV"))]
        return full if rows.height else [ui.note(nothing, "info" if found.unplanned.height else "good")]

    def _parts() -> list:
        orders, batches, unplanned = found
        if not (orders.height or batches.height or unplanned.height):
            return [ui.note(tr(board.NOTHING))]
        coming = _shown(board.coming(batches, zone, tr), "batches", tr("No batch is planned."))
        risks = _shown(board.risks(orders, zone, tr), "at-risk", tr("No promise of an order with a batch is at risk."))
        waits = _shown(board.waiting(orders, zone, tr), "schedule", tr("No order waits for a batch that is planned."))
        lost = _shown(board.lost(unplanned, tr), "without-a-batch", tr("A batch is planned for every order."))
        _first = [ui.note(board.unplanned_said(unplanned, tr), "bad")] if unplanned.height else []
        _drawn = [charts.filled(batches.head(board.MOST_DRAWN), tr)] if batches.height else []
        return [
            ui.kpis(board.tiles(orders, batches, unplanned, tr)),
            *_first,
            ui.section(tr("Batches"), *_drawn, *coming),
            ui.section(tr("Promises at risk"), *risks),
            ui.section(tr("Who goes when"), *waits),
            ui.section(tr("Nobody has said what comes when"), *lost),
        ]

    ui.page(*top, ui.grid(look, min="200px"), *([ui.note(tr(board.NOT_HERE))] if found is None else _parts()))
    return


if __name__ == "__main__":
    app.run()
