"""What a draft does to the warehouses hour by hour, and to what buyers were promised.

A warehouse works through its orders like a queue of fluid (Lindley's recursion): what waits at the end of an hour is
what waited before and came in, less what the warehouse can do in an hour, and never less than nothing. An order that
comes in an hour is ready when the queue at the end of that hour is worked off.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from orderhub_core.errors import UserMistake
from orderhub_core.frames import INSTANT
from orderhub_core.rules import bits
from orderhub_core.rules.actions import HOLDS
from orderhub_core.rules.bits import Bits, Bools, Numbers
from orderhub_core.rules.lab import wants
from orderhub_core.rules.lab.comparing import Comparison
from orderhub_core.rules.lab.wants import Wanted

CAPACITY = pl.Schema({"warehouse": pl.String(), "orders_per_hour": pl.Int64()})
"""What a warehouse can do. Of one without a row nobody knows."""
LOADS = pl.Schema(
    {
        "warehouse": pl.String(),
        "hour": INSTANT,
        "before": pl.Int64(),
        "after": pl.Int64(),
        "limit": pl.Int64(),
        "waits_before": pl.Int64(),
        "waits_after": pl.Int64(),
    }
)
"""Orders that come to a warehouse in an hour, by their instant of payment, under both books; and what waits there at
the end of the hour, null where the limit is not known. Every hour from the first order to the last."""
OVERLOADS = pl.Schema(
    {
        "warehouse": pl.String(),
        "limit": pl.Int64(),
        "orders_before": pl.Int64(),
        "orders_after": pl.Int64(),
        "peak_before": pl.Int64(),
        "peak_after": pl.Int64(),
        "hours_over_before": pl.Int64(),
        "hours_over_after": pl.Int64(),
        "waits_before": pl.Int64(),
        "waits_after": pl.Int64(),
    }
)
"""Per warehouse: orders, the most in an hour, hours in which more come than it can do, and the most that wait."""
PROMISES = pl.Schema(
    {"reason": pl.String(), "before": pl.Int64(), "after": pl.Int64(), "won": pl.Int64(), "lost": pl.Int64()}
)
"""Orders whose promise is at risk: `held` waits for a person, `queue` is not ready in time behind the others of its
warehouse. `won`: at risk only under the draft; `lost`: no longer."""
HELD, QUEUE = "held", "queue"
Table = np.ndarray[tuple[int, int], np.dtype[np.int64]]
"""A row for each warehouse, a column for each hour."""
HOUR_US = 3_600_000_000
MOST_HOURS = 24 * 366 * 3
_WAREHOUSE = "assign_warehouse"


class Hours(NamedTuple):
    """The hours in which the orders were paid."""

    first_us: int
    span: int
    codes: Numbers
    """Of each order its hour, from 0; -1 where it has no instant."""


def hours(orders: pl.DataFrame, zone: str, at: str = "paid_at") -> Hours | None:
    """None where no order has an instant. Raises UserMistake where they lie too far apart."""
    if at not in orders or not orders[at].count():
        return None
    local = orders.select(pl.col(at).cast(INSTANT).dt.convert_time_zone(zone).dt.truncate("1h").cast(INSTANT))
    begun = local.to_series().to_physical()
    first = int(begun.min())  # type: ignore[arg-type]  # not all are null
    count = (int(begun.max()) - first) // HOUR_US + 1  # type: ignore[arg-type]
    if count > MOST_HOURS:
        raise UserMistake(
            "the orders lie {count:,} days apart; choose a period of at most {most:,}",
            count=count // 24,
            most=MOST_HOURS // 24,
        )
    return Hours(first, count, ((begun - first) // HOUR_US).fill_null(-1).to_numpy().astype(np.int64))


class Loads:
    """Of a comparison, with what the warehouses can do (CAPACITY)."""

    def __init__(self, compared: Comparison, capacity: pl.DataFrame | None = None) -> None:
        self.compared = compared
        self.hours = hours(compared.index.raw_orders, compared.index.zone)
        self._before, self._after = compared.choices(_WAREHOUSE)
        self.words = self._before.words
        known = {} if capacity is None else dict(capacity.select(CAPACITY.names()).iter_rows())
        self.limits = [known.get(word) if word else None for word in self.words]
        self.came = [_came(side.codes, self.hours, len(self.words)) for side in (self._before, self._after)]
        """By warehouse and hour."""
        self.waits = [_waits(came, self.limits) for came in self.came]

    def by_hour(self) -> pl.DataFrame:
        """LOADS of every warehouse that either book assigns."""
        if self.hours is None or len(self.words) == 1:
            return LOADS.to_frame()
        count, named = self.hours.span, len(self.words) - 1
        starts = self.hours.first_us + HOUR_US * np.arange(count)
        known = np.repeat(np.array([limit is not None for limit in self.limits[1:]]), count)
        waits = [pl.Series(np.ravel(side[1:])).to_frame("n") for side in self.waits]
        told = [one.select(pl.when(pl.Series(known)).then("n")).to_series() for one in waits]
        return pl.DataFrame(
            {
                "warehouse": np.repeat(np.array(self.words[1:], dtype=object), count),
                "hour": pl.Series(np.tile(starts, named)).cast(INSTANT),
                "before": np.ravel(self.came[0][1:]),
                "after": np.ravel(self.came[1][1:]),
                "limit": [limit for limit in self.limits[1:] for _ in range(count)],
                "waits_before": told[0],
                "waits_after": told[1],
            },
            schema=LOADS,
        )

    def overloads(self) -> pl.DataFrame:
        """OVERLOADS."""
        rows = self.by_hour()
        sides = ("before", "after")
        over = [(pl.col(side) > pl.col("limit")).sum().cast(pl.Int64).alias(f"hours_over_{side}") for side in sides]
        told = [pl.when(pl.col("limit").is_not_null()).then(f"hours_over_{side}").alias(f"hours_over_{side}")
                for side in sides]  # fmt: skip
        return (
            rows.group_by("warehouse", maintain_order=True)
            .agg(
                pl.col("limit").first(),
                *(pl.col(side).sum().alias(f"orders_{side}") for side in sides),
                *(pl.col(side).max().alias(f"peak_{side}") for side in sides),
                *over,
                *(pl.col(f"waits_{side}").max() for side in sides),
            )
            .with_columns(told)
            .select(OVERLOADS.names())
        )

    def promises(self) -> pl.DataFrame:
        """PROMISES, of the orders whose promise is known. What is neither held nor behind others counts as kept."""
        promised = self._promised()
        if promised is None:
            return PROMISES.to_frame()
        sides = (self.compared.before, self.compared.after)
        there = promised > 0
        held = [bits.unpack(held_back(side), side.height) & there for side in sides]
        late = [self._late(place, promised) for place in range(2)]
        told = [_at_risk(HELD, *held), _at_risk(QUEUE, *late)]
        return pl.DataFrame(told, schema=PROMISES, orient="row")

    def _promised(self) -> Numbers | None:
        """In microseconds; 0 where nothing is promised."""
        orders = self.compared.index.raw_orders
        if "promised_at" not in orders or not orders["promised_at"].count():
            return None
        found: Numbers = orders["promised_at"].cast(INSTANT).to_physical().fill_null(0).to_numpy()
        return found

    def _late(self, side: int, promised: Numbers) -> Bools:
        codes = (self._before, self._after)[side].codes
        late = np.zeros(len(codes), np.bool_)
        if self.hours is None:
            return late
        for code, limit in enumerate(self.limits):
            if not limit:
                continue
            mine = np.flatnonzero((codes == code) & (self.hours.codes >= 0) & (promised > 0))
            hour = self.hours.codes[mine]
            # Orders of an hour are worked off until its end, where they fit; else as long after it as the queue takes.
            waits = self.waits[side][code][hour]
            ready = self.hours.first_us + (hour + 1) * HOUR_US + waits * HOUR_US // limit
            late[mine] = (waits > 0) & (ready > promised[mine])
        return late


def _came(codes: Numbers, hours: Hours | None, words: int) -> Table:
    if hours is None:
        return np.zeros((words, 0), np.int64)
    known = hours.codes >= 0
    cells = codes[known] * hours.span + hours.codes[known]
    return np.bincount(cells, minlength=words * hours.span).astype(np.int64).reshape(words, hours.span)


def _waits(came: Table, limits: list[int | None]) -> Table:
    """What waits at the end of each hour: the sum so far, above the lowest that it ever was; 0 without a limit."""
    found = np.zeros_like(came)
    for code, limit in enumerate(limits):
        if limit is not None:
            above = np.cumsum(came[code] - limit)
            found[code] = above - np.minimum(np.minimum.accumulate(above), 0)
    return found


def held_back(wanted: Wanted) -> Bits:
    """The orders that wait for a person before they are pushed or shipped: of a hold or of an approval."""
    kept = [
        where
        for want, (where, *_) in wanted.planes.items()
        if want.verb == "approve" or (want.verb == "hold" and {"push", "ship"} & {*HOLDS[want.argument].blocks})
    ]
    return bits.joined(np.bitwise_or, kept) if kept else bits.nowhere(wanted.height)


def _at_risk(reason: str, before: Bools, after: Bools) -> tuple[str, int, int, int, int]:
    sides = (before, after, after & ~before, before & ~after)
    return (reason, *(wants.count(bits.pack(side)) for side in sides))  # type: ignore[return-value]  # four of them
