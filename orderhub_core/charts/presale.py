"""How full the batches of a presale are, as a picture."""

from __future__ import annotations

import altair as alt
import polars as pl

from orderhub_core.charts import theme
from orderhub_core.i18n import Translate


def filled(batches: pl.DataFrame, tr: Translate) -> alt.LayerChart:
    """A bar for each batch of a hub's presale schedule, in the order in which they come: the pieces that are taken, and
    behind them all that there are; those that are overdue stand out."""
    told = batches.select(
        "pieces", "taken", "overdue", name=pl.concat_str("sku", "batch", separator=" · "), place=pl.int_range(pl.len())
    )
    late = alt.condition(alt.datum.overdue, alt.value(theme.BAD), alt.value(theme.ACCENT))
    base = alt.Chart(told).encode(
        alt.Y("name:N", title=None, sort=alt.EncodingSortField("place", op="min")),
        tooltip=[
            alt.Tooltip("name:N", title=tr("Batch")),
            alt.Tooltip("taken:Q", title=tr("Taken"), format=","),
            alt.Tooltip("pieces:Q", title=tr("Pieces"), format=","),
        ],
    )
    axis = alt.Axis(format=",d", tickMinStep=1, tickCount=4)
    every = base.mark_bar(height={"band": 0.62}, opacity=0.2).encode(
        alt.X("pieces:Q", title=tr("Pieces"), axis=axis), color=late
    )
    taken = base.mark_bar(height={"band": 0.62}).encode(alt.X("taken:Q", title=tr("Pieces"), axis=axis), color=late)
    drawn: alt.LayerChart = alt.LayerChart(layer=[every, taken]).properties(width="container", height=alt.Step(30))
    return drawn
