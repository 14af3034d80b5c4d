"""How fast news comes in: entries of the event log per minute. Pure."""

from __future__ import annotations

import polars as pl

from orderhub_core.frames import INSTANT

MINUTE_US = 60_000_000
AXES = ("order", "payment", "fulfilment", "logistics", "after_sale", "invoice")


def per_minute(events: pl.LazyFrame, as_of: int, minutes: int = 60) -> pl.DataFrame:
    """`minute`, `axis` (the part of the event's name before the dot), `events`: what was recorded in each of the last
    whole `minutes` up to the one of `as_of` (microseconds UTC). Minutes and axes without entries have no row."""
    last = as_of // MINUTE_US * MINUTE_US
    first = pl.lit(last - (minutes - 1) * MINUTE_US).cast(INSTANT)
    at = pl.col("recorded_at")
    return (
        events.filter(at >= first, at <= pl.lit(as_of).cast(INSTANT))
        .group_by(minute=at.dt.truncate("1m"), axis=pl.col("event").str.split(".").list.first())
        .agg(events=pl.len().cast(pl.Int64))
        .sort("minute", "axis")
        .collect()
    )
