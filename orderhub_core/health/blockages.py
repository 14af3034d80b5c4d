"""The few places where orders are stuck: groups (headline x one segment) that cost the most overdue hours.

Each stage is taken apart: the segment to blame is named and its orders are taken away, until none is left to blame;
what is left stands for the stage as a whole. So no order is counted in two places. The costliest places are told.

A segment is to blame where its orders are proven to be overdue more often than the rest of their stage; of several,
first the one whose proven excess costs the most hours. That number fades to nothing as the proof does, so that a few
orders more do not turn the list over. Where orders do not tell two segments apart, because either one explains the
other away, both are named, always the same one first. All of it is worked out on a small cube of counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import polars as pl
from scipy.special import betaincinv

from orderhub_core.health.dwell import seconds

SEGMENTS = ("warehouse", "carrier", "shop", "province")
DOUBT = 0.05 / 40
"""How likely a segment is blamed by mere chance: some forty are looked at in a stage, mostly provinces."""
GOOD_PART = 0.25
"""A segment whose excess seems to be so much of what a stage as a whole costs, unproven, is told beside it."""

Place = tuple[str, str | None]
"""A segment and its value."""


class Rival(msgspec.Struct, frozen=True):
    """Another segment that may be to blame for the same orders."""

    segment: str
    value: str | None
    lift: float
    lift_low: float


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
    lift_low: float | None
    """At least so many times it is, but for `DOUBT`."""
    rivals: tuple[Rival, ...]
    """What the orders do not tell apart from it."""
    without: tuple[Place, ...]
    """Places of the same stage that count their orders themselves."""


def worst(open_orders: pl.DataFrame, count: int = 3) -> list[Blockage]:
    """The `count` worst blockages among `dwell.watched` orders, worst first; fewer when less is overdue. The same
    orders tell the same, in whatever order they come."""
    found = [blockage for stage in _cube(open_orders).partition_by("headline") for blockage in _apart(stage)]
    return sorted(found, key=lambda one: (-one.over_hours, _fixed(one.segment, one.value), one.headline))[:count]


def members(open_orders: pl.DataFrame, blockage: Blockage) -> pl.DataFrame:
    """The overdue orders of one of the `worst`, longest overdue first."""
    mine = (pl.col("level") == "act") & (pl.col("headline") == pl.lit(blockage.headline))
    if blockage.segment:
        mine &= _belongs(blockage.segment, blockage.value)
    for place in blockage.without:
        mine &= ~_belongs(*place)
    return open_orders.filter(mine).sort("over_h", "order_id", descending=[True, False])


def _belongs(segment: str, value: str | None) -> pl.Expr:
    return pl.col(segment).eq_missing(pl.lit(value, pl.String))


def _fixed(segment: str, value: str | None) -> tuple[int, str]:
    """An order of places that does not depend on what they cost."""
    return SEGMENTS.index(segment) if segment else -1, value or ""


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
        .with_columns(pl.col("headline", *SEGMENTS).cast(pl.String))
        .collect()
    )


def _apart(stage: pl.DataFrame) -> Iterator[Blockage]:
    """The blockages of one headline's cube: together they have each of its overdue orders once."""
    headline, taken = stage["headline"][0], list[Place]()
    while proven := [group for group in _groups(stage) if group["lift_low"] > 1]:
        named, *rivals = _to_blame(stage, proven)
        yield _told(named, headline, rivals, taken)
        taken.append((named["segment"], named["value"]))
        stage = stage.filter(~_belongs(*taken[-1]))
    whole = stage.select(pl.col("open", "orders", "over_s").sum(), pl.col("oldest_hours").max()).row(0, named=True)
    if whole["orders"]:
        everywhere = whole | dict.fromkeys(("segment", "value"), "") | dict.fromkeys(("lift", "lift_low"))
        likely = [group for group in _groups(stage) if group["excess_s"] >= GOOD_PART * whole["over_s"]][:1]
        yield _told(everywhere, headline, likely, taken)


def _to_blame(stage: pl.DataFrame, proven: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of groups that are proven to be slow, by their excess: the one to name, and those not told apart from it. Two
    are not when each, its orders taken away, leaves nothing proven of the other."""
    first, *others = proven
    alike = [first]
    left = _proven_without(stage, first)
    for other in others:
        if _place(other) not in left and _place(first) not in _proven_without(stage, other):
            alike.append(other)
    return sorted(alike, key=lambda group: _fixed(*_place(group)))


def _proven_without(stage: pl.DataFrame, group: dict[str, Any]) -> set[Place]:
    rest = _groups(stage.filter(~_belongs(*_place(group))))
    return {_place(other) for other in rest if other["lift_low"] > 1}


def _place(group: dict[str, Any]) -> Place:
    return group["segment"], group["value"]


def _told(group: dict[str, Any], headline: str, rivals: list[dict[str, Any]], without: list[Place]) -> Blockage:
    own = {"headline": headline, "over_hours": group["over_s"] / 3600, "without": tuple(without)}
    return msgspec.convert(group | own | {"rivals": rivals}, Blockage)


def _groups(stage: pl.DataFrame) -> list[dict[str, Any]]:
    """The segments of one headline's cube that have overdue orders and a rest to compare with, by the hours that
    their excess costs for sure, then by those that it seems to cost."""
    facts = [pl.col("open", "orders", "over_s").sum(), pl.col("oldest_hours").max()]
    groups = pl.concat(
        stage.group_by(value=segment).agg(facts).with_columns(segment=pl.lit(segment), rank=pl.lit(rank))
        for rank, segment in enumerate(SEGMENTS)
    )
    # Half an order more on both sides keeps the ratio finite and a handful of orders humble (Haldane and Anscombe).
    rest_open, rest = stage["open"].sum() - pl.col("open"), stage["orders"].sum() - pl.col("orders")
    lift = ((pl.col("orders") + 0.5) / (pl.col("open") + 1)) / ((rest + 0.5) / (rest_open + 1))
    compared = groups.filter(rest_open > 0, pl.col("orders") > 0).with_columns(
        rest_open=rest_open, rest=rest, lift=lift
    )
    # Exact of two rates (Przyborowski and Wilenski, Biometrika 31, 1940): of all that is overdue, which share is here?
    share = pl.Series(betaincinv(compared["orders"].to_numpy(), compared["rest"].to_numpy() + 1, DOUBT))
    return (
        compared.with_columns(lift_low=share / (1 - share) * pl.col("rest_open") / pl.col("open"))
        .with_columns(excess_s=_excess("lift"))
        .sort(_excess("lift_low"), "excess_s", "rank", "value", descending=[True, True, False, False])
        .to_dicts()
    )


def _excess(lift: str) -> pl.Expr:
    """Hours that would not be overdue, were its orders so as often as the rest."""
    return pl.col("over_s") * (1 - 1 / pl.col(lift)).clip(lower_bound=0)
