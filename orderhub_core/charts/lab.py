"""The rule lab in pictures: who goes from where to where, and what comes to each warehouse hour by hour."""

from __future__ import annotations

import altair as alt
import polars as pl

from orderhub_core.charts import theme
from orderhub_core.i18n import Translate

CELL = 46
"""Pixels of a cell of the matrix."""
PICK = "cell"


def matrix(rows: pl.DataFrame, tr: Translate) -> alt.LayerChart:
    """Heatmap of `lab.comparing.MATRIX`: rows are the book in force, columns the draft. Who stays is grey, since it is
    most; a click picks a cell."""
    none = tr("(none)")
    # A cell is shaded by its share of those who move: next to those who stay all others would look empty.
    moving = rows.with_columns(
        pl.col("from", "to").replace("", none),
        stays=pl.col("from") == pl.col("to"),
        number=pl.col("orders").map_elements("{:,}".format, pl.String),
        amount=pl.col("amount_minor") / 100,
    )
    words = sorted({*moving["from"], *moving["to"]} - {none}) + (
        [none] if none in {*moving["from"], *moving["to"]} else []
    )
    most = max(moving.filter(~pl.col("stays"))["orders"].to_list(), default=1)
    base = alt.Chart(moving).encode(
        alt.X("to:N", title=tr("Under the draft"), sort=words, scale=alt.Scale(domain=words),
              axis=alt.Axis(orient="top", labelAngle=-35)),
        alt.Y("from:N", title=tr("In force"), sort=words, scale=alt.Scale(domain=words)),
    )  # fmt: skip
    colour = alt.condition(
        "datum.stays",
        alt.value(theme.QUIET),
        alt.Color("orders:Q", scale=alt.Scale(domain=[0, most], range=list(theme.RAMP)), legend=None),
    )
    hints = [
        alt.Tooltip("from:N", title=tr("In force")),
        alt.Tooltip("to:N", title=tr("Under the draft")),
        alt.Tooltip("orders:Q", title=tr("Orders"), format=","),
        alt.Tooltip("amount:Q", title=tr("Amount"), format=",.2f"),
    ]
    cells = base.mark_rect(cursor="pointer").encode(
        color=colour, opacity=alt.condition("datum.stays", alt.value(0.35), alt.value(1.0)), tooltip=hints
    )
    dark = f"!datum.stays && datum.orders > {most * 0.55}"
    numbers = base.mark_text(fontSize=12).encode(
        text="number:N", color=alt.condition(dark, alt.value("white"), alt.value("#1b1d22")), tooltip=hints
    )
    drawn: alt.LayerChart = alt.LayerChart(layer=[cells, numbers]).properties(width="container", height=alt.Step(CELL))
    return drawn
