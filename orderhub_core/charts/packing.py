"""How long parcels have waited to be packed, as a picture."""

from __future__ import annotations

import altair as alt
import polars as pl

from orderhub_core.charts import theme
from orderhub_core.i18n import Translate


def waiting(ages: pl.DataFrame, tr: Translate) -> alt.Chart:
    """A bar for each span of `packing.board.ages`; those of which nobody can say that they are early stand out."""
    late = alt.condition(alt.datum.late, alt.value(theme.BAD), alt.value(theme.ACCENT))
    drawn: alt.Chart = (
        alt.Chart(ages)
        .mark_bar(height={"band": 0.62})
        .encode(
            alt.X("orders:Q", title=tr("Orders"), axis=alt.Axis(format=",d", tickMinStep=1, tickCount=4)),
            alt.Y("age:N", title=None, sort=None),
            color=late,
            tooltip=[
                alt.Tooltip("age:N", title=tr("Paid so long ago")),
                alt.Tooltip("orders:Q", title=tr("Orders"), format=","),
            ],
        )
    )
    return drawn.properties(width="container", height=alt.Step(30))
