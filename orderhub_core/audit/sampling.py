"""Which orders to look at, and how much a share of them proves.

The draw is decided by the seed and the set of orders alone: row order, Python and library versions do not matter.
Intervals are exact (Clopper and Pearson, Biometrika 26, 1934), so they never promise more than the sample holds.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.special import betaincinv

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


class Interval(msgspec.Struct, frozen=True):
    low: float
    high: float
    level: float


def draw(keys: pl.DataFrame, size: int, seed: int) -> pl.DataFrame:
    """`size` of the distinct rows of `keys` (all, when there are fewer), sorted; each set equally likely."""
    population = keys.unique().sort(keys.columns)
    if size >= population.height:
        return population
    tickets = _mixed(population.height, seed)
    chosen = np.sort(np.argpartition(tickets, size)[:size]) if size > 0 else np.empty(0, dtype=np.int64)
    return population[chosen]


def _mixed(count: int, seed: int) -> npt.NDArray[np.uint64]:
    """One ticket per rank: the finaliser of splitmix64 (Steele, Lea, Flood, OOPSLA 2014), a bijection, so no ties."""
    start = np.uint64(_finish(seed & _MASK))
    ticket = (np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_GOLDEN)) + start
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        ticket = (ticket ^ (ticket >> np.uint64(shift))) * np.uint64(factor)
    return ticket ^ (ticket >> np.uint64(31))


def _finish(value: int) -> int:
    value = (value + _GOLDEN) & _MASK
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        value = ((value ^ (value >> shift)) * factor) & _MASK
    return value ^ (value >> 31)


def interval(successes: int, trials: int, level: float = 0.95) -> Interval:
    """The exact interval of a share. Nothing drawn proves nothing: 0 to 1."""
    tail = (1 - level) / 2
    low = betaincinv(successes, trials - successes + 1, tail) if successes else 0.0
    high = betaincinv(successes + 1, trials - successes, 1 - tail) if successes < trials else 1.0
    return Interval(low=float(low), high=float(high), level=level)


def needed(claim: float, misfits: int = 0, level: float = 0.95) -> int:
    """The smallest sample that, with this many misfits in it, still proves a share of at least `claim` (below 1)."""
    if not 0 <= claim < 1:
        raise ValueError(f"a sample can prove a share from 0 up to, but not including, 1; not {claim}")
    low, high = misfits, misfits + 1
    while interval(high - misfits, high, level).low < claim:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if interval(middle - misfits, middle, level).low < claim:
            low = middle
        else:
            high = middle
    return high
