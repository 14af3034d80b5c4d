"""Which orders to look at, and how much a share of them proves.

Every order has a ticket, a number mixed from its key and the seed; the smallest tickets are drawn. So row order and
library versions do not matter, and an order that is added changes the draw only where its own ticket is small enough.
Intervals are exact (Clopper and Pearson, Biometrika 26, 1934), so they never promise more than the sample holds.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.special import betaincinv

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FACTORS = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB)))
_WORD = 8

Tickets = npt.NDArray[np.uint64]


class Interval(msgspec.Struct, frozen=True):
    low: float
    high: float
    level: float


def draw(keys: pl.DataFrame, size: int, seed: int) -> pl.DataFrame:
    """`size` of the distinct rows of `keys` (text columns), all when there are fewer, sorted."""
    numbers = tickets(keys, seed)
    taken = min(size, keys.height)
    while True:
        bound = np.partition(numbers, taken - 1)[taken - 1] if taken else 0
        drawn = keys.filter(pl.Series(numbers <= bound) & (taken > 0)).with_columns(
            ticket=pl.Series(numbers[numbers <= bound] if taken else numbers[:0])
        )
        distinct = drawn.unique().sort("ticket", *keys.columns).head(size)
        if distinct.height == size or taken == keys.height:
            return distinct.drop("ticket").sort(keys.columns)
        taken = min(taken * 2, keys.height)  # the same order stood there more than once


def tickets(keys: pl.DataFrame, seed: int) -> Tickets:
    """One number per row, from the bytes of its columns, eight at a time, and the seed."""
    numbers = np.full(keys.height, _mixed(np.array([seed % (1 << 64)], dtype=np.uint64))[0])
    for column in keys.fill_null("").iter_columns():
        length = column.str.len_bytes().to_numpy().astype(np.uint64)
        words = -(-int(length.max(initial=0)) // _WORD)
        padded = column.str.pad_end(words * _WORD, "\0").cast(pl.Binary)
        for place in range(words):
            word = padded.bin.slice(place * _WORD, _WORD).bin.reinterpret(dtype=pl.UInt64, endianness="little")
            mixed = _mixed(numbers ^ word.to_numpy())
            reached = length > place * _WORD
            numbers = mixed if reached.all() else np.where(reached, mixed, numbers)
        numbers = _mixed(numbers ^ length)
    return numbers


def _mixed(numbers: Tickets) -> Tickets:
    """One step of splitmix64 (Steele, Lea, Flood, OOPSLA 2014): one-to-one, every bit moves every other."""
    mixed = numbers + _GOLDEN
    for shift, factor in _FACTORS:
        mixed ^= mixed >> shift
        mixed *= factor
    mixed ^= mixed >> np.uint64(31)
    return mixed


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
