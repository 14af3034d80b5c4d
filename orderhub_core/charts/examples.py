"""Past orders to choose examples from: since when they are owed, and how much."""

from __future__ import annotations

import altair as alt
import polars as pl

from orderhub_core.charts import theme
from orderhub_core.rules.lab.texts import Words


def orders(rows: pl.DataFrame, words: Words) -> alt.Chart:
    """Scatterplot of ORDERS. Its data keep the column `order_id`, by which those that are brushed are known."""
    tr, zone = words.tr, words.speech.zone
    # A browser would show instants in its own zone: these are what clocks show in the rulebook's.
    local = pl.col("paid_at").dt.convert_time_zone(zone).dt.replace_time_zone(None).dt.epoch("ms")
    told = rows.select(
        "order_id",
        "province",
        words.channels(rows["platform"]),
        order="order_no",
        amount=pl.col("total_minor") / 100,
        paid=local,
    )
    drawn: alt.Chart = (
        alt.Chart(told)
        .mark_circle(size=36, opacity=0.55)
        .encode(
            alt.X(
                "paid:T",
                title=tr("Paid or accepted"),
                scale=alt.Scale(type="utc"),
                axis=alt.Axis(format=theme.DAY_AND_TIME, labelOverlap=True),
            ),
            alt.Y("amount:Q", title=tr("Amount"), scale=alt.Scale(type="sqrt")),
            alt.Color("platform:N", title=tr("Channel"), scale=alt.Scale(range=list(theme.CATEGORIES))),
            tooltip=[
                alt.Tooltip("order:N", title=tr("Order")),
                alt.Tooltip("province:N", title=tr("Province")),
                alt.Tooltip("amount:Q", title=tr("Amount"), format=",.2f"),
            ],
        )
        .properties(width="container", height=220)
    )
    return drawn
