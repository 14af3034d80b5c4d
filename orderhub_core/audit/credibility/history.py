"""What the past shows: by the day on which the hub heard of something, and by the day on which orders were placed.

The log keeps every entry with both of its times: how soon the hub heard of things, and what it can trace, is known of
every past day. Of a touchpoint only the last word is kept, so whether the touchpoints agreed on a past day is lost: by
the day of placing, the orders are counted as they stand now.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from orderhub_core.audit.credibility.freshness import RAW_S, Judged
from orderhub_core.audit.credibility.log import FIELDS, STATED, Flags, Log, local_days


def per_day(log: Log, judged: Judged, traced: Flags, zone: str) -> pl.DataFrame:
    """By the day on which the hub heard of it: `day`, `updates` (news of the orders by their own sources), `raw` of
    them within 90 s, `fresh` of them within their targets, and of all `entries` those that are `traced`.

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


MOST_DAYS = 45
"""More days than these are shown as weeks."""


def by_placing(orders: pl.DataFrame, weights: Mapping[str, float]) -> pl.DataFrame:
    """The orders as they stand now, by the day (the week's Monday, of more than 45 days) of placing: `day`, `orders`,
    the share of each part (null where nothing could be checked), and `index` over the others."""
    days = _coarse(orders.filter(pl.col("day").is_not_null()))
    rate = {part: 1 - pl.col(f"{part}_lost").sum() / _some(pl.col(f"{part}_of").sum()) for part in weights}
    weighed = [weight * pl.col(part) for part, weight in weights.items()]
    counted = [pl.when(pl.col(part).is_not_null()).then(weight) for part, weight in weights.items()]
    rows = days.group_by("day").agg(orders=pl.len(), **rate).sort("day")
    if not weights:
        return rows.with_columns(index=pl.lit(None, pl.Float64))
    return rows.with_columns(index=100 * pl.sum_horizontal(weighed) / _some(pl.sum_horizontal(counted)))


def coarse_days(days: pl.DataFrame) -> pl.DataFrame:
    """`per_day`, added up to weeks where there are more than 45 days."""
    return _coarse(days).group_by("day").agg(pl.all().sum()).sort("day")


def _coarse(rows: pl.DataFrame) -> pl.DataFrame:
    weeks = rows["day"].n_unique() > MOST_DAYS
    return rows.with_columns(pl.col("day").dt.truncate("1w")) if weeks else rows


def _some(number: pl.Expr) -> pl.Expr:
    return pl.when(number > 0).then(number)
