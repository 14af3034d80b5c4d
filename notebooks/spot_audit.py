# /// script
# [tool.orderhub]
# title = "Spot audit"
# description = "Draw random orders, see what every touchpoint says of each, judge the unclear ones, and know what it proves."
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
    import polars as pl

    from orderhub_core import hub, i18n, ui
    from orderhub_core.audit import report, sampling, texts
    from orderhub_core.charts import audit as charts
    from orderhub_core.charts import theme

    CLAIM = 0.99


@app.cell
def _():
    lang = ui.language()
    tr = i18n.translator(lang)
    theme.use(lang)
    connected = hub.connect()
    as_of = connected.as_of()
    return as_of, connected, lang, tr


@app.cell
def _(tr):
    # What is typed goes into a draft, not through the graph: else a click right after typing meets a button of yesterday.
    draft = {"reviewer": "", "note": ""}
    size = mo.ui.number(1, 2000, value=100, label=tr("Orders to draw"), full_width=True)
    seed = mo.ui.number(0, 999_999, value=7, label=tr("Seed: the same draws the same"), full_width=True)
    reviewer = mo.ui.text(label=tr("Reviewer"), full_width=True, on_change=lambda text: draft.update(reviewer=text))
    return draft, reviewer, seed, size


@app.cell
def _(as_of, connected, lang, seed, size, tr):
    _orders, _sightings = connected.frame("orders"), connected.frame("sightings")
    _few = ui.note(tr("Fewer than two systems have shown anything yet: nothing to compare."), "warn")
    mo.stop(_sightings["touchpoint"].n_unique() < 2, ui.page(tr("Spot audit"), "", lang, _few))
    drawn = report.spot(_orders, _sightings, size=int(size.value or 0), seed=int(seed.value or 0), as_of=as_of)
    audit_id = f"spot-{datetime.fromtimestamp(as_of / 1e6, UTC):%Y-%m-%d}-{seed.value}-{size.value}"
    _rows = connected.reviews(audit_id).sort("at").to_dicts() if connected.writable else []
    judged, set_judged = mo.state({(row["shop"], row["order_no"]): row["consistent"] for row in _rows})
    return audit_id, drawn, judged, set_judged


@app.cell
def _(draft, drawn, judged, tr):
    waiting = [row for row in drawn.findings.to_dicts() if (row["shop"], row["order_no"]) not in judged()]
    draft["note"] = ""
    remark = mo.ui.text(label=tr("Note"), full_width=True, on_change=lambda text: draft.update(note=text))
    return remark, waiting


@app.cell
def _(audit_id, connected, draft, set_judged, tr, waiting):
    def _judge(consistent: bool) -> None:
        shop, order_no = waiting[0]["shop"], waiting[0]["order_no"]
        if connected.writable:
            connected.judge(audit=audit_id, shop=shop, order_no=order_no, consistent=consistent, **draft)
        set_judged(lambda before: {**before, (shop, order_no): consistent})

    agree = mo.ui.button(label=tr("Consistent"), kind="success", on_click=lambda _: _judge(True), full_width=True)
    differ = mo.ui.button(label=tr("Not consistent"), kind="danger", on_click=lambda _: _judge(False), full_width=True)
    return agree, differ


@app.cell
def _(agree, as_of, differ, drawn, remark, tr, waiting):
    def _card(order: dict) -> mo.Html:
        told = drawn.told.filter((pl.col("shop") == order["shop"]) & (pl.col("order_no") == order["order_no"]))
        sides = {name: told.filter(pl.col("touchpoint") == name) for name in drawn.touchpoints}
        tiles = [ui.kpi(name, *texts.said(rows, as_of, tr)) for name, rows in sides.items()]
        heading = tr("Order {order_no}").format(order_no=order["order_no"])
        answers = ui.grid(agree, differ, min="150px")
        return ui.section(heading, ui.grid(*tiles, min="200px"), ui.note(texts.why(order, tr), "warn"), remark, answers)

    card = _card(waiting[0]) if waiting else ui.note(tr("Nothing is left to judge."), "good")
    return (card,)


@app.cell
def _(drawn, judged, tr, waiting):
    _total, _unclear = drawn.sample.height, drawn.findings.height
    _agreed = sum(judged().get(key, False) for key in drawn.findings.select("shop", "order_no").iter_rows())
    _good = _total - _unclear + _agreed
    _proved = sampling.interval(_good, _total)
    _needed = f"{sampling.needed(CLAIM, _total - _good):,}"
    _rate = f"{_good / _total:.1%}" if _total else "–"
    _tiles = {
        tr("Consistent"): (_rate, tr("{n} of {total} orders").format(n=_good, total=_total)),
        tr("What this proves, 95 %"): (
            f"{_proved.low:.1%} – {_proved.high:.1%}",
            tr("exact interval of the true rate"),
        ),
        tr("Judged by people"): (
            f"{_unclear - len(waiting)} / {_unclear}",
            tr("until then they count as not consistent"),
        ),
        tr("To prove {claim}").format(claim=f"{CLAIM:.0%}"): (_needed, tr("orders are needed with this many misfits")),
    }
    figures = ui.grid(*(ui.kpi(label, *lines) for label, lines in _tiles.items()), min="200px")
    return (figures,)


@app.cell
def _(drawn, tr):
    chart = ui.section(tr("Verdicts"), charts.verdicts(charts.shares(drawn.by_verdict(), tr), tr))
    _found = {tr(text): code for code, text in texts.VERDICTS.items() if drawn.by_verdict()[code]}
    shown = mo.ui.multiselect(_found, label=tr("Show only"), full_width=True)
    return chart, shown


@app.cell
def _(audit_id, drawn, judged, shown, tr):
    _sheet = texts.sheet(drawn, judged(), tr, only=shown.value)
    _save = ui.download_csv(_sheet, f"{audit_id}.csv", tr("Download CSV"))
    listing = ui.section(tr("All drawn orders"), shown, ui.table(_sheet), _save)
    return (listing,)


@app.cell
def _(card, chart, drawn, figures, lang, listing, reviewer, seed, size, tr):
    _names = ", ".join(drawn.touchpoints)
    ui.page(
        tr("Spot audit"),
        tr("Random orders, and what {names} show of each. What is unclear waits for you.").format(names=_names),
        lang,
        ui.grid(size, seed, reviewer, min="220px"),
        figures,
        card,
        chart,
        listing,
    )
    return


if __name__ == "__main__":
    app.run()
