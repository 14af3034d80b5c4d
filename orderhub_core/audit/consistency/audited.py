"""All of a hub's orders, audited: begun with a pass over everything, gone on with what was touched since.

Going on costs what has changed (`passes`): the verdicts are kept, the orders that were touched and those that time may
have turned are judged anew. What is told one by one, the inconsistent orders, is worked out when it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from orderhub_core.audit import passes, report
from orderhub_core.audit.calibration import Calibration
from orderhub_core.audit.lag import FACTS
from orderhub_core.audit.passes import Pass
from orderhub_core.audit.report import Share
from orderhub_core.audit.sources import KEY
from orderhub_core.audit.verdicts import CONSISTENT, VERDICT, VERDICTS
from orderhub_core.errors import UserMistake

HASH_BITS = 20


class Incomparable(UserMistake):
    """There is nothing to compare yet."""


@dataclass(frozen=True, eq=False)
class Audited:
    last: Pass
    as_of: int
    """Microseconds UTC."""
    orders: pl.DataFrame
    """The hub's orders, at least `shop`, `order_no` and the instants of `lag.FACTS`."""
    sightings: pl.DataFrame
    """As `frames.SIGHTINGS`."""
    unknown: Mapping[str, int] = field(default_factory=dict)
    """Of a past moment, as `flows.past` tells it: per touchpoint the orders of which nobody knows what it showed."""
    undated: int = 0
    """Of a past moment: orders of which the log says nothing."""

    @property
    def touchpoints(self) -> tuple[str, ...]:
        return self.last.touchpoints

    @property
    def calibration(self) -> Calibration:
        return self.last.calibration

    def by_verdict(self) -> dict[str, int]:
        """Every verdict, mildest first, with its number of orders, zeros included."""
        counted = np.bincount(self.last.judged.verdict, minlength=len(VERDICTS))
        return dict(zip(VERDICTS, counted.tolist(), strict=True))

    def share(self) -> Share:
        counts = self.by_verdict()
        return Share(sum(counts[verdict] for verdict in CONSISTENT), sum(counts.values()))

    @cached_property
    def verdicts(self) -> pl.DataFrame:
        """`shop`, `order_no`, `verdict` of every order."""
        known = pl.Series(self.last.judged.verdict.astype(np.uint8)).cat.to(VERDICT)
        return self.last.judged.keys.with_columns(verdict=known)

    @cached_property
    def problems(self) -> pl.DataFrame:
        """One row per inconsistent order and problem, worst first, see `findings.findings`."""
        bad = self.verdicts.filter(~pl.col("verdict").is_in(CONSISTENT)).select(KEY)
        rows, population = _of(self, bad)
        return report.audit(
            rows, sample=0, as_of=self.as_of, calibration=self.last.calibration, population=population
        ).problems


def begin(
    orders: pl.DataFrame,
    sightings: pl.DataFrame,
    as_of: int,
    *,
    calibration: Calibration | None = None,
    unknown: Mapping[str, int] | None = None,
    undated: int = 0,
) -> Audited:
    """A pass over everything, from what a hub knows at `as_of`. The delays are learned unless a `calibration` is given.

    Raises Incomparable where fewer than two touchpoints have shown anything, UserMistake as `report.audit`.
    """
    named = by_touchpoint(sightings)
    if len(named) < 2:
        raise Incomparable(
            "fewer than two touchpoints have shown orders: add [[touchpoints]] to the settings and let the worker read"
            " them"
        )
    first = report.audit(named, sample=0, as_of=as_of, calibration=calibration, population=facts(orders))
    return Audited(passes.whole(first), as_of, orders, sightings, unknown or {}, undated)


def go_on(before: Audited, orders: pl.DataFrame, sightings: pl.DataFrame, touched: pl.DataFrame, as_of: int) -> Audited:
    """What `begin` answers of these frames at `as_of` with the same calibration, at the price of what was touched.

    `touched`: `shop`, `order_no` of at least the orders of which either frame tells something else than before. Raises
    ValueError where that cannot be had from the pass before: a touchpoint is new, or time has run backwards.
    """
    if as_of < before.as_of:
        raise ValueError("time has run backwards: begin anew")
    keys = pl.concat([touched.select(KEY), passes.due(before.last, as_of)]).unique(maintain_order=True)
    now = Audited(before.last, as_of, orders, sightings)
    if keys.is_empty():
        return now
    rows, population = _of(now, keys)
    last = passes.refreshed(before.last, rows, keys, as_of=as_of, population=population)
    return Audited(last, as_of, orders, sightings)


def _of(known: Audited, keys: pl.DataFrame) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """What the touchpoints of the pass, and the hub, tell of some orders. Raises ValueError for a touchpoint that the
    pass does not know."""
    shown = by_touchpoint(_among(known.sightings, keys))
    if strange := set(shown).difference(known.touchpoints):
        raise ValueError(f"the pass before did not compare {', '.join(sorted(strange))}: begin anew")
    rows = {name: shown.get(name, known.sightings.clear()) for name in known.touchpoints}
    return rows, facts(_among(known.orders, keys))


def _among(rows: pl.DataFrame, keys: pl.DataFrame) -> pl.DataFrame:
    """The rows of some orders. Most others are left out by a part of their number's hash: to join them all with the
    keys would take longer than what follows."""
    wanted = np.zeros(1 << HASH_BITS, dtype=np.bool_)
    wanted[_parts(keys)] = True
    return rows[np.flatnonzero(wanted[_parts(rows)])].join(keys, on=KEY, how="semi", maintain_order="left")


def _parts(rows: pl.DataFrame) -> npt.NDArray[np.uint64]:
    return rows["order_no"].hash().to_numpy() >> np.uint64(64 - HASH_BITS)


def by_touchpoint(sightings: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """What each touchpoint shows, by name."""
    parts = sightings.partition_by("touchpoint", as_dict=True)
    return {str(name): rows for (name,), rows in sorted(parts.items())}


def facts(orders: pl.DataFrame) -> pl.DataFrame:
    """What an audit needs to know of the hub's orders."""
    return orders.select(*KEY, *sorted(set(FACTS.values())))
