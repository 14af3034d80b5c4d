"""The few places where orders are stuck: groups (headline x one segment) that cost the most overdue hours.

Greedy: take the worst group, take its orders away, look again; so no order is counted in two blockages. A segment
is to blame only when its orders are overdue at least `LIFT` times as often as the rest of its stage; overdue hours
that no segment explains stand for the stage as a whole. All of it is worked out on a small cube of counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import polars as pl

from orderhub_core.health.dwell import seconds

SEGMENTS = ("warehouse", "carrier", "shop", "province")
LIFT = 1.5


class Blockage(msgspec.Struct, frozen=True):
    """`segment` names the column and `value` its value; both empty when the whole stage is stuck, `value` None when
    the column is empty."""

    headline: str
    segment: str
    value: str | None
    orders: int
    """Overdue orders."""
    open: int
    """All orders of the group, overdue or not."""
    over_hours: float
    """Hours beyond the threshold, summed over the overdue orders."""
    oldest_hours: float
    """Age of the oldest overdue order."""
    lift: float | None
    """How many times as often its orders are overdue as the rest of the stage; None for a whole stage."""


def worst(open_orders: pl.DataFrame, count: int = 3) -> list[Blockage]:
    """The `count` worst blockages among `dwell.watched` orders, worst first; fewer when less is overdue."""
    cube = _cube(open_orders)
    found: list[Blockage] = []
    while len(found) < count:
        candidates = _candidates(cube)
        if candidates.is_empty():
            break
        top = candidates.row(0, named=True)
        found.append(msgspec.convert(top, Blockage))
        cube = cube.filter(~_belongs(found[-1]))
    return found


def members(open_orders: pl.DataFrame, found: Sequence[Blockage], index: int) -> pl.DataFrame:
    """The overdue orders of one of the `worst`, longest overdue first; those of the earlier ones are not in it."""
    mine = _belongs(found[index])
    for earlier in found[:index]:
        mine &= ~_belongs(earlier)
    return open_orders.filter((pl.col("level") == "act") & mine).sort("over_h", "order_id", descending=[True, False])


def _belongs(blockage: Blockage) -> pl.Expr:
    stage = pl.col("headline") == pl.lit(blockage.headline)
    return stage & pl.col(blockage.segment).eq_missing(pl.lit(blockage.value)) if blockage.segment else stage


def _cube(open_orders: pl.DataFrame) -> pl.DataFrame:
    overdue = pl.col("level") == "act"
    return (
        open_orders.lazy()
        .group_by("headline", *SEGMENTS)
        .agg(
            open=pl.len().cast(pl.Int64),
            orders=overdue.sum().cast(pl.Int64),
            over_s=seconds("over_h").sum(),
            oldest_hours=pl.col("age_h").filter(overdue).max(),
        )
        .collect()
    )


def _candidates(cube: pl.DataFrame) -> pl.DataFrame:
    """All groups to blame, the costliest first. Equal ones in a fixed order, so that the same orders tell the same."""
    facts = [pl.col("open", "orders", "over_s").sum(), pl.col("oldest_hours").max()]
    whole = cube.group_by("headline").agg(facts)
    blamed = pl.concat(_blamed(cube.group_by("headline", segment).agg(facts), whole, segment) for segment in SEGMENTS)
    explained = (
        blamed.group_by("headline", "rank")
        .agg(pl.col("over_s").sum())
        .group_by("headline")
        .agg(explained=pl.col("over_s").max())
    )
    stuck = whole.join(explained, on="headline", how="left").with_columns(
        weight=pl.col("over_s") - pl.col("explained").fill_null(0),
        segment=pl.lit(""), value=pl.lit("", pl.String), lift=pl.lit(None, pl.Float64), rank=pl.lit(-1, pl.Int32),
    )  # fmt: skip
    return (
        pl.concat([blamed.with_columns(weight=pl.col("over_s")), stuck.select(*blamed.columns, "weight")])
        .filter(pl.col("orders") > 0)
        .with_columns(over_hours=pl.col("over_s") / 3600)
        .sort("weight", "rank", "headline", "value", descending=[True, False, False, False])
    )


def _blamed(groups: pl.DataFrame, whole: pl.DataFrame, segment: str) -> pl.DataFrame:
    rest_open, rest_overdue = pl.col("open_whole") - pl.col("open"), pl.col("orders_whole") - pl.col("orders")
    # Half an order more on both sides keeps the ratio finite and a handful of orders humble (Haldane and Anscombe).
    share, rest = (pl.col("orders") + 0.5) / (pl.col("open") + 1), (rest_overdue + 0.5) / (rest_open + 1)
    return (
        groups.join(whole.select("headline", "open", "orders"), on="headline", suffix="_whole")
        .with_columns(lift=share / rest)
        .filter(rest_open > 0, pl.col("orders") > 0, pl.col("lift") >= LIFT)
        .select(
            pl.col("headline"),
            segment=pl.lit(segment),
            value=pl.col(segment),
            rank=pl.lit(SEGMENTS.index(segment), pl.Int32),
            orders="orders", open="open", over_s="over_s", oldest_hours="oldest_hours", lift="lift",
        )
    )  # fmt: skip
