"""What the past shows: by the day on which the hub heard of something, and by the day on which orders were placed.

The log keeps every entry with both of its times: how soon the hub heard of things, and what it can trace, is known of
every past day. Of a touchpoint only the last word is kept, so whether the touchpoints agreed on a past day is not: by the
day of placing, the orders are counted as they stand now.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from orderhub_core.audit.credibility.freshness import RAW_S, Judged
from orderhub_core.audit.credibility.log import FIELDS, STATED, Flags, Log, local_days


def per_day(log: Log, judged: Judged, traced: Flags, zone: str) -> pl.DataFrame:
    """By the day on which the hub heard of it: `day`, `updates` (news of the orders by their own sources), `raw` of them
    within 90 s, `fresh` of them within their targets, and of all `entries` those that are `traced`.

    What is older than the hub's acquaintance with its source is no update.
    """
    place, first = log.source, np.array([source.first for source in judged.sources], np.int64)
    counts = log.telling & (log.field < STATED) & (log.occurred >= first[place])
    delay = np.abs(log.recorded - log.occurred)
    within = delay <= judged.target_us[place.astype(np.int64) * len(FIELDS) + log.field]
    day = local_days(log.recorded, zone)
    begun = int(day.min()) if len(day) else 0
    offset = day - begun
    days = int(offset.max(initial=-1)) + 1
    counted = {
        "updates": offset[counts],
        "raw": offset[counts & (delay <= RAW_S * 1_000_000)],
        "fresh": offset[counts & within],
        "entries": offset,
        "traced": offset[traced],
    }
    table = {name: np.bincount(rows, minlength=days) for name, rows in counted.items()}
    return (
        pl.DataFrame({"day": np.arange(begun, begun + days, dtype=np.int32), **table})
        .with_columns(pl.col("day").cast(pl.Date))
        .filter(pl.col("entries") > 0)
    )


def weekly(days: pl.DataFrame) -> pl.DataFrame:
    """Days added up to weeks, each named by its Monday."""
    return days.group_by(pl.col("day").dt.truncate("1w")).agg(pl.exclude("day").sum()).sort("day")
