"""How much is happening: order events per minute, by the instant at which they happened. Pure."""

from __future__ import annotations

import polars as pl

from orderhub_core.frames import INSTANT

MINUTE_US = 60_000_000
RESTATED = ("order.content", "order.restated", "order.parcel")
"""The log also says when an order's particulars were stated anew: no event of its life."""
AXES = ("order", "payment", "fulfilment", "logistics", "after_sale", "invoice")


def per_minute(events: pl.LazyFrame, as_of: int, minutes: int = 60) -> pl.DataFrame:
    """`minute`, `axis` (the part of the event's name before the dot), `events`: what happened in each of the last
    `minutes` up to the one of `as_of` (microseconds UTC). Minutes and axes without events have no row.

    An import of old orders is no flow: it is recorded now, but happened long ago.
    """
    last = as_of // MINUTE_US * MINUTE_US
    first = pl.lit(last - (minutes - 1) * MINUTE_US).cast(INSTANT)
    at = pl.col("occurred_at")
    return (
        events.filter(at >= first, at <= pl.lit(as_of).cast(INSTANT), ~pl.col("event").is_in(RESTATED))
        .with_columns(axis=pl.col("event").str.split(".").list.first())
        .filter(pl.col("axis").is_in(AXES))
        .group_by("axis", minute=at.dt.truncate("1m"))
        .agg(events=pl.len().cast(pl.Int64))
        .select("minute", "axis", "events")
        .sort("minute", "axis")
        .collect()
    )
