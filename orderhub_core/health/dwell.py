"""How long orders stay: the open ones now, the finished ones by step. Frames in, frames out; now is an argument."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import polars as pl

from orderhub_core.frames import INSTANT, OWED_AT
from orderhub_core.health.thresholds import Threshold
from orderhub_core.lifecycle import DUE_STATES

HOUR_US = 3_600_000_000
LEVELS = pl.Enum(["ok", "warn", "act"])
MILESTONES = ("placed", "paid", "shipped", "collected", "delivered")
STEPS = tuple(f"{before}_{after}" for before, after in pairwise(MILESTONES))


def watched(orders: pl.DataFrame, as_of: int, thresholds: Sequence[Threshold]) -> pl.DataFrame:
    """The orders whose headline has a threshold: what is open and could be overdue.

    Adds to the orders frame `age_h` (hours since the headline was reached), `warn_h`, `act_h`, `level` (ok, warn or
    act) and `over_h` (hours beyond `act_h`, else 0). `as_of` is in microseconds UTC; later events count as just now.
    """
    since = pl.coalesce("headline_at", "updated_at", "placed_at")
    age = (pl.lit(as_of).cast(INSTANT) - since).dt.total_microseconds().clip(lower_bound=0) / HOUR_US
    warn, act = pl.lit(None, pl.Float64), pl.lit(None, pl.Float64)
    for row in thresholds:
        warn = pl.when(row.fits()).then(row.warn_hours).otherwise(warn)
        act = pl.when(row.fits()).then(row.act_hours).otherwise(act)
    late = pl.when(pl.col("age_h") > pl.col("act_h")).then(pl.lit("act"))
    level = late.when(pl.col("age_h") > pl.col("warn_h")).then(pl.lit("warn")).otherwise(pl.lit("ok"))
    headlines = sorted({row.headline.value for row in thresholds})
    return (
        orders.filter(pl.col("headline").is_in(headlines), since.is_not_null())
        .with_columns(age_h=age, warn_h=warn, act_h=act)
        .filter(pl.col("act_h").is_not_null())
        .with_columns(
            level=level.cast(LEVELS),
            over_h=(pl.col("age_h") - pl.col("act_h")).clip(lower_bound=0.0),
        )
    )


def without_lines(orders: pl.DataFrame) -> pl.DataFrame:
    """The orders that are to be sent and that no rulebook can decide, for nothing says what is in them; those that have
    waited longest first."""
    owed = pl.col("payment").cast(pl.String).is_in([state.value for state in DUE_STATES])
    untouched = (pl.col("fulfilment") == "waiting") & (pl.col("logistics") == "none") & pl.col("warehouse").is_null()
    return orders.filter(owed, untouched, pl.col("item_count") == 0).sort("headline_at", "order_id", nulls_last=True)


def seconds(hours: str) -> pl.Expr:
    """A column of hours in whole seconds: integers add up to the same sum in any order, floats do not."""
    return (pl.col(hours) * 3600).round().cast(pl.Int64)


def stages(open_orders: pl.DataFrame, *by: str) -> pl.DataFrame:
    """Of `watched`, per headline and further columns: `orders`, `warn`, `act` (orders at each level), `p50_h`, `p90_h`,
    `oldest_h` and `over_h` (sum). In the order of the lifecycle."""
    return (
        open_orders.lazy()
        .group_by("headline", *by)
        .agg(
            pl.len().alias("orders"),
            (pl.col("level") == "warn").sum().alias("warn"),
            (pl.col("level") == "act").sum().alias("act"),
            pl.col("age_h").quantile(0.5).alias("p50_h"),
            pl.col("age_h").quantile(0.9).alias("p90_h"),
            pl.col("age_h").max().alias("oldest_h"),
            over_h=seconds("over_h").sum() / 3600,
        )
        .sort("headline", *by)
        .collect()
    )


def steps(orders: pl.DataFrame, since: int, by: str | None = None) -> pl.DataFrame:
    """How long the steps took of orders placed at or after `since` (microseconds UTC).

    `step` (placed_paid, paid_shipped, shipped_collected, collected_delivered), the `by` column if asked, `orders` that
    took it, and `p50_h`, `p90_h`, `p99_h`. What is paid later counts as paid once that was agreed: from then on it
    waits to be shipped. A step that ends before it begins is not counted: it is the audit's.
    """
    took = [
        ((pl.col(f"{after}_at") - pl.col(f"{before}_at")).dt.total_microseconds() / HOUR_US).alias(f"{before}_{after}")
        for before, after in pairwise(MILESTONES)
    ]
    keys = [by] if by else []
    begun = orders.lazy().filter(pl.col("placed_at") >= pl.lit(since).cast(INSTANT))
    recent = begun.with_columns(paid_at=OWED_AT).select(*keys, *took)
    per_step = [
        recent.filter(pl.col(step) >= 0)
        .group_by(*keys, step=pl.lit(step))
        .agg(
            pl.len().alias("orders"),
            *(pl.col(step).quantile(q).alias(f"p{round(q * 100)}_h") for q in (0.5, 0.9, 0.99)),
        )
        for step in STEPS
    ]
    return (
        pl.concat(per_step)
        .filter(pl.col("orders") > 0)
        .with_columns(pl.col("step").cast(pl.Enum(STEPS)))
        .sort("step", *keys)
        .collect()
    )
