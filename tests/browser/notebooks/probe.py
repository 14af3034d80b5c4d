# /// script
# [tool.orderhub]
# title = "Probe"
# description = "A small app that uses every part of the house."
# glyph = "health"
# position = 1
#
# [tool.marimo.display]
# theme = "system"
# ///

import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="full",
    app_title="Probe",
    css_file="../../../notebooks/assets/console.css",
    html_head_file="../../../notebooks/assets/head.html",
)

with app.setup:
    import altair as alt
    import marimo as mo
    import polars as pl

    from orderhub_core import hub, i18n, ui
    from orderhub_core.charts import theme


@app.cell
def _():
    lang = ui.language()
    tr = i18n.translator(lang)
    theme.use(lang)
    orders = hub.connect().frame("orders")
    return lang, orders, tr


@app.cell
def _(tr):
    top = mo.ui.slider(3, 10, value=5, label=tr("Top provinces"))
    return (top,)


@app.cell
def _(orders, top, tr):
    provinces = orders.group_by("province").agg(pl.len().alias("orders")).sort("orders", "province").tail(top.value)
    chart = (
        alt.Chart(provinces, title=tr("Orders by province"))
        .mark_bar()
        .encode(x=alt.X("orders:Q", title=None), y=alt.Y("province:N", sort="-x", title=None))
        .properties(height=220, width="container")
    )
    return chart, provinces


@app.cell
def _(chart, lang, orders, provinces, top, tr):
    rows = orders.select("order_no", "placed_at", "headline", "province", "total_minor").head(200)
    ui.page(
        tr("Probe"),
        tr("A small app that uses every part of the house."),
        lang,
        ui.grid(
            ui.kpi(tr("Orders"), f"{orders.height:,}"),
            ui.kpi(tr("Delivered"), "91.2 %", "+1.3 %", "good"),
            ui.kpi(tr("After-sale"), "4.8 %", "<b>+0.4 %</b>", "bad"),
            min="150px",
        ),
        top,
        ui.grid(chart, ui.table(provinces), min="320px"),
        ui.section(tr("Orders"), ui.table(rows, selection="multi"), ui.download_csv(rows, "orders.csv", "CSV")),
        ui.note("<script>alert(1)</script>", "bad"),
    )
    return


if __name__ == "__main__":
    app.run()
