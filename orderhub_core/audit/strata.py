"""A sample drawn from every part of the shop, and what it proves of the whole.

Strata are the combinations of some columns (channel, warehouse, age ...) that occur. Each gets its share of the
sample, and a few orders at least, so that no small warehouse goes unseen.

The interval of the weighted rate is conservative. Let Y be the weighted number of misfits seen, and suppose that the
population's misfits lie among the strata in some way M. Then (Chernoff; Hoeffding, JASA 58, 1963, sections 4 and 6)

    P(Y <= y | M) <= exp(a y) * product over strata of E[exp(-a w Y_h) | M_h]     for every a > 0,

and how the misfits lie is unknown, so the right side is maximised over every M with the same total; by a multiplier b
for that total (weak duality) this is one separate maximum per stratum. Every (a, b) gives a true bound: the search
for the best one can make the interval wider than it need be, never too narrow. Strata that were judged whole are
known and add no doubt; those where nothing was judged add all of theirs; and no stratum can hold fewer of either kind
than were seen in it. The law within a stratum is the exact
hypergeometric one where the sample is a good part of it and its table is no burden, the binomial one (wider: Hoeffding,
Theorem 4) elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.optimize import minimize

from orderhub_core.audit import hypergeometric, sampling
from orderhub_core.audit.sources import KEY

DAY_US = 86_400_000_000
AGES_D = (1, 3, 7)
CELLS = 100_000
"""How large the tables of exact chances may be, of all strata together: each step of the search walks through them."""
WORTHWHILE = 0.05
"""From this share judged on, that a population is finite makes a visible difference."""

Numbers = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


class Draw(msgspec.Struct, frozen=True):
    seed: int
    sample: pl.DataFrame
    """`shop`, `order_no`, the columns of the strata and `stratum` (its number in `strata`). In the order of judging:
    any first part of a stratum is a random one."""
    strata: pl.DataFrame
    """`stratum`, the columns of the strata, `orders` (how many there are) and `drawn`. Largest first."""


class Estimate(msgspec.Struct, frozen=True):
    rate: float | None
    """The weighted rate over the strata in which something was judged; None where nothing was."""
    interval: sampling.Interval
    """Of the rate of all orders, also of the strata in which nothing was judged."""


class _Seen(NamedTuple):
    """Arrays with one entry per stratum."""

    orders: Counts
    judged: Counts
    consistent: Counts


def age_class(at: pl.Expr, as_of: int, edges_d: Sequence[int] = AGES_D) -> pl.Expr:
    """How old an order is, in days: `<1`, `1-3`, `3-7`, `>=7` by default. `as_of` is microseconds UTC."""
    names = [f"<{edges_d[0]}", *(f"{a}-{b}" for a, b in pairwise(edges_d)), f">={edges_d[-1]}"]
    days = (as_of - at.cast(pl.Int64)) // DAY_US
    passed = pl.sum_horizontal((days >= edge for edge in edges_d), ignore_nulls=False)
    return passed.replace_strict(list(range(len(names))), names, return_dtype=pl.Enum(names))


def draw(orders: pl.DataFrame, by: Sequence[str], size: int, seed: int, at_least: int = 1) -> Draw:
    """`size` distinct orders, or all when there are fewer; within each stratum those that `sampling.draw` takes.

    `orders` has `shop`, `order_no` and the columns `by`; a null is a value like others. An order that stands there
    more than once counts once, in the first of its strata.
    """
    distinct = orders.select(*KEY, *by)
    if distinct.n_unique(KEY) < distinct.height:
        distinct = distinct.sort(by).unique(KEY, keep="first", maintain_order=True)
    strata = distinct.group_by(by).len("orders") if by else distinct.select(orders=pl.len())
    strata = strata.sort("orders", *by, descending=[True, *(False for _ in by)]).with_row_index("stratum")
    shares = allocation(strata["orders"].to_numpy(), size, at_least)
    strata = strata.with_columns(pl.col("orders").cast(pl.Int64), drawn=pl.Series(shares, dtype=pl.Int64))
    numbered = distinct.join(strata, on=by, nulls_equal=True) if by else distinct.join(strata, how="cross")
    parts = numbered.partition_by("stratum", as_dict=True)
    taken = [sampling.draw(part.select(KEY), part["drawn"][0], seed) for part in parts.values()]
    sample = pl.concat([distinct.clear().select(KEY), *taken])
    columns = numbered.select(*KEY, *by, "stratum")
    drawn = sampling.in_turn(sample, seed).join(columns, on=KEY, maintain_order="left")
    return Draw(seed=seed, sample=drawn, strata=strata)


def allocation(orders: npt.ArrayLike, size: int, at_least: int = 1) -> Counts:
    """How many of the `orders` of each stratum to draw: in proportion, but `at_least` so many (or all there are).

    They add up to `size`, or to all orders. Where it is too small for the minimum in every stratum, the minimum is
    lowered; where it is smaller than the number of strata, the largest remainders win, and some strata go unseen.
    """
    have = np.asarray(orders, dtype=np.int64)
    size = int(min(size, have.sum()))
    floor = np.minimum(have, at_least)
    while floor.sum() > size:
        floor = np.minimum(have, floor.max() - 1)
    at_floor = np.zeros(have.shape, dtype=bool)
    while True:
        left = size - floor[at_floor].sum()
        part = np.where(at_floor, floor, have * (left / max(have[~at_floor].sum(), 1)))
        short = ~at_floor & (part < floor)
        if not short.any():
            break
        at_floor |= short
    whole = np.maximum(np.floor(part + 1e-9).astype(np.int64), floor)
    order = np.lexsort((np.arange(have.size), -have, -np.round(part - whole, 9)))
    whole[order[: size - whole.sum()]] += 1
    return whole


def by_stratum(judged: pl.DataFrame, strata: pl.DataFrame, level: float = 0.95) -> pl.DataFrame:
    """`strata` with `judged` and `consistent` orders of each, their `rate` (null where none) and its exact interval
    `low` to `high`. Each interval by itself holds at `level`, not all of them together.

    `judged` has one row per order with `stratum` and `consistent`; null is not yet judged.
    """
    counts = judged.group_by("stratum").agg(
        judged=pl.col("consistent").count().cast(pl.Int64), consistent=pl.col("consistent").sum().cast(pl.Int64)
    )
    rows = strata.join(counts, on="stratum", how="left", maintain_order="left").with_columns(
        pl.col("judged", "consistent").fill_null(0)
    )
    found = [
        sampling.interval(good, seen, level, orders)
        for good, seen, orders in rows.select("consistent", "judged", "orders").iter_rows()
    ]
    return rows.with_columns(
        rate=pl.when(pl.col("judged") > 0).then(pl.col("consistent") / pl.col("judged")),
        low=pl.Series([one.low for one in found], dtype=pl.Float64),
        high=pl.Series([one.high for one in found], dtype=pl.Float64),
    )


def estimate(judged: pl.DataFrame, strata: pl.DataFrame, level: float = 0.95) -> Estimate:
    """The rate of the whole population from what was judged so far; frames as for `by_stratum`."""
    rows = by_stratum(judged, strata, level)
    seen = _Seen(*(rows[name].to_numpy().astype(np.int64) for name in ("orders", "judged", "consistent")))
    some = seen.judged > 0
    if not some.any():
        return Estimate(rate=None, interval=sampling.Interval(0.0, 1.0, level))
    covered = int(seen.orders[some].sum())
    rate = float((seen.orders[some] * seen.consistent[some] / seen.judged[some]).sum()) / covered
    tail = (1 - level) / 2
    misfits = seen._replace(consistent=seen.judged - seen.consistent)
    proved = sampling.Interval(low=1 - _most(misfits, tail), high=_most(seen, tail), level=level)
    return Estimate(rate=rate, interval=proved)


def _most(seen: _Seen, tail: float) -> float:
    """The largest share of the population that can be what was counted; exceeded with a chance of at most `tail`."""
    total = int(seen.orders.sum())
    whole, unseen = seen.judged == seen.orders, seen.judged == 0
    sure = int(seen.consistent[whole].sum() + seen.orders[unseen & ~whole].sum())
    part = _Seen(*(column[~whole & ~unseen] for column in seen))
    if not part.orders.size:
        return sure / total
    if part.orders.size == 1:  # a simple sample: the exact interval
        orders, judged, counted = (int(column[0]) for column in part)
        return (sure + orders - hypergeometric.fewest_marked(judged - counted, orders, judged, tail)) / total
    return min(1.0, (sure + _Bound(part, tail).smallest() * int(part.orders.sum())) / total)


class _Bound:
    """The upper bound on the share counted, as a function of the two multipliers of the module's text."""

    def __init__(self, seen: _Seen, tail: float) -> None:
        total = seen.orders.sum()
        self.tail = tail
        self.size = int(seen.judged.sum())
        self.share = seen.orders / total
        self.weight = self.share / seen.judged
        self.found = float((self.weight * seen.consistent).sum())
        self.judged = seen.judged.astype(np.float64)
        self.surely = seen.consistent / seen.orders
        self.possibly = 1 - (seen.judged - seen.consistent) / seen.orders
        self.exact = _worth_a_table(seen)
        tables = [_Table.of(*(int(column[at]) for column in seen)) for at in np.flatnonzero(self.exact)]
        weights = self.weight[self.exact]
        self.chances = _joined([table.chances.ravel() for table in tables])
        self.above = _joined([w * table.above.ravel() for w, table in zip(weights, tables, strict=True)])
        self.least = _joined([w * table.least for w, table in zip(weights, tables, strict=True)])
        self.marked = _joined([table.marked / total for table in tables])
        rows = np.array([table.least.size for table in tables], dtype=np.int64)
        widths = np.repeat(seen.judged[self.exact] + 1, rows)
        self.row_starts = np.cumsum(widths) - widths
        self.stratum_starts = np.cumsum(rows) - rows

    def smallest(self) -> float:
        """A good bound; the start is the best one of a single stratum of that size."""
        share = min(max(self.found, 1e-6), 1 - 1e-6)
        guess = sampling.interval(round(share * self.size), self.size, 1 - 2 * self.tail).high
        guess = min(max(guess, share + 1e-7), 1 - 1e-7)
        tilt = np.log(guess * (1 - share) / (share * (1 - guess)))
        start = np.log([tilt, -np.expm1(-tilt) / (1 + np.expm1(-tilt) * guess)])
        best = minimize(self.at, start, method="Nelder-Mead", options={"maxfev": 150, "xatol": 1e-3, "fatol": 1e-6})
        return max(float(best.fun), self.found) if np.isfinite(best.fun) else 1.0

    def at(self, logs: Numbers) -> float:
        """The bound by these two multipliers, logarithms of multiples of the sample size: true whatever they are."""
        tilt, price = self.size * np.exp(np.clip(logs, -20, 20))
        gained = self._binomial(tilt, price) + self._exact(tilt, price)
        return float((tilt * self.found + gained - np.log(self.tail)) / price)

    def _binomial(self, tilt: float, price: float) -> float:
        columns = (self.weight, self.share, self.judged, self.surely, self.possibly)
        weight, share, judged, surely, possibly = (column[~self.exact] for column in columns)
        loss = -np.expm1(-tilt * weight)
        rate = np.clip((1 - judged * loss / (price * share)) / loss, surely, possibly)
        return float((judged * np.log1p(-loss * rate) + price * share * rate).sum())

    def _exact(self, tilt: float, price: float) -> float:
        if not self.exact.any():
            return 0.0
        moments = np.add.reduceat(self.chances * np.exp(-tilt * self.above), self.row_starts)
        values = np.log(moments) - tilt * self.least + price * self.marked
        return float(np.maximum.reduceat(values, self.stratum_starts).sum())


def _worth_a_table(seen: _Seen) -> npt.NDArray[np.bool_]:
    """The strata of which a good part was judged, those with the smallest tables first, as far as CELLS go."""
    cells = np.where(seen.judged >= WORTHWHILE * seen.orders, (seen.orders + 1) * (seen.judged + 1), CELLS + 1)
    order = np.argsort(cells, kind="stable")
    taken = np.zeros(cells.shape, dtype=np.bool_)
    taken[order] = np.cumsum(cells[order]) <= CELLS
    return taken


class _Table(NamedTuple):
    """One row per number of marked orders that a stratum may hold, one column per number of them drawn."""

    marked: Numbers
    chances: Numbers
    above: Numbers
    """By how many the column exceeds what must be drawn, so that no power in a sum of them vanishes."""
    least: Numbers
    """Per row, how many must be drawn."""

    @classmethod
    def of(cls, orders: int, judged: int, counted: int) -> _Table:
        marked, counts = np.arange(counted, orders - judged + counted + 1)[:, None], np.arange(judged + 1)[None, :]
        least = np.maximum(0.0, judged - (orders - marked))
        chances = hypergeometric.chances(counts, orders, marked, judged)
        return cls(marked[:, 0].astype(np.float64), chances, np.maximum(0.0, counts - least), least[:, 0])


def _joined(parts: list[Numbers]) -> Numbers:
    return np.concatenate([np.zeros(0), *parts])
