"""Which orders to look at, and how much a share of them proves.

Every order has a ticket, a number mixed from its key and the seed; the smallest tickets are drawn. So row order and
library versions do not matter, and an order that is added changes the draw only where its own ticket is small enough.
Intervals are exact, so they never promise more than the sample holds: by the binomial law (Clopper and Pearson,
Biometrika 26, 1934), or, where it is known of how many orders the sample was drawn, by the hypergeometric one
(Buonaccorsi, American Statistician 41, 1987), which is narrower, and certain once every order was judged.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.special import bdtr, betaincinv

from orderhub_core.audit import hypergeometric

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


def in_turn(drawn: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Drawn keys in the order of their tickets, in which the first n are themselves a random sample, for every n.

    Who wants to stop early (`stopping`) must judge in this order: sorted by number, the first orders would all be old.
    """
    order = pl.Series("ticket", tickets(drawn, seed))
    return drawn.with_columns(order).sort("ticket", *drawn.columns).drop("ticket")


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


def interval(successes: int, trials: int, level: float = 0.95, population: int | None = None) -> Interval:
    """The exact interval of a share. Nothing drawn proves nothing: 0 to 1.

    `population`: of how many the `trials` were drawn, where that is known. Raises ValueError where fewer than drawn.
    """
    if population is not None and population < trials:
        raise ValueError(f"{trials} orders cannot have been drawn, each once, from {population}")
    if not trials:
        return Interval(low=0.0, high=1.0, level=level)
    tail, misfits = (1 - level) / 2, trials - successes
    if population is None:
        low = float(betaincinv(successes, misfits + 1, tail)) if successes else 0.0
        high = float(betaincinv(successes + 1, misfits, 1 - tail)) if misfits else 1.0
    else:
        low = hypergeometric.fewest_marked(successes, population, trials, tail) / population
        high = (population - hypergeometric.fewest_marked(misfits, population, trials, tail)) / population
    return Interval(low=low, high=high, level=level)


def needed(
    claim: float, misfits: int = 0, level: float = 0.95, population: int | None = None, most: int | None = None
) -> int:
    """The smallest sample that, with this many misfits in it, still proves a share of at least `claim`.

    Raises ValueError where none does, or none of up to `most` orders: a claim of 1 without a known population, or more
    misfits than the claim allows in the whole of it.
    """
    _check(claim, population)
    if population is not None and (population - misfits) / max(population, 1) < claim:
        raise ValueError(f"with {misfits} misfits no sample of {population} orders can prove a share of {claim}")
    limit = _limit(population, most)
    if limit is not None and _allowed(limit, claim, level, population) < misfits:
        raise ValueError(f"with {misfits} misfits no sample of up to {limit} orders proves a share of {claim}")

    def proves(size: int) -> bool:
        return _proves(misfits, size, claim, level, population)

    low, high = misfits, misfits + 1
    while high != limit and not proves(high):
        low, high = high, high * 2 if limit is None else min(high * 2, limit)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if proves(middle) else (middle, high)
    return high


def planned(
    claim: float,
    rate: float,
    chance: float = 0.8,
    level: float = 0.95,
    population: int | None = None,
    most: int | None = None,
) -> int:
    """A sample that, where the true share is `rate`, proves a share of at least `claim` with this chance.

    More misfits may come than are hoped for, so it is larger than `needed` for none. The chance does not grow evenly
    with the size (each misfit more that is allowed costs orders): this is the smallest size for the number of misfits
    it allows. Raises ValueError where no size will do, or none up to `most`: the true share must exceed the claim, or
    reach it where the population is known. Near the claim samples grow without bounds: who has no use for one of a
    million orders gives `most`, and does not wait for it to be found.
    """
    _check(claim, population)
    if rate < claim or (population is None and rate == claim):
        raise ValueError(f"no sample proves a share of {claim} where the true share is {rate}: it must be higher")

    def suffices(misfits: int) -> bool:
        return _at_most(misfits, rate, needed(claim, misfits, level, population, most), population) >= chance

    limit = _limit(population, most)
    allowed = None if limit is None else _allowed(limit, claim, level, population)
    if allowed is not None and (allowed < 0 or not suffices(allowed)):
        raise ValueError(f"no sample of up to {limit} orders proves a share of {claim} where the true share is {rate}")
    low, high = -1, 0
    while high != allowed and not suffices(high):
        low, high = high, 2 * high + 1 if allowed is None else min(2 * high + 1, allowed)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle, high)
    return needed(claim, high, level, population, most)


def _limit(population: int | None, most: int | None) -> int | None:
    """Of how many orders a sample may be at all."""
    return min((limit for limit in (population, most) if limit is not None), default=None)


def _allowed(size: int, claim: float, level: float, population: int | None) -> int:
    """The most misfits with which a sample of this size proves the claim; -1 where not even none will do."""
    allowed, beyond = -1, size + 1
    while beyond - allowed > 1:
        middle = (allowed + beyond) // 2
        holds = _proves(middle, size, claim, level, population)
        allowed, beyond = (middle, beyond) if holds else (allowed, middle)
    return allowed


def _proves(misfits: int, size: int, claim: float, level: float, population: int | None) -> bool:
    """Does the lower end of the interval reach the claim? Of a known population that is asked at the one number of
    consistent orders just below the claim, which is much quicker than to find the end."""
    good = size - misfits
    if population is None:
        return interval(good, size, level).low >= claim
    below = fewest(claim, population) - 1
    if not good <= below <= population - misfits:
        return below < good
    return 1.0 - hypergeometric.at_most(good - 1, population, below, size) <= (1 - level) / 2


def fewest(claim: float, population: int) -> int:
    """The fewest consistent orders that make the claim true: the smallest m with m / population >= claim."""
    guess = round(claim * population)
    return guess if population and guess / population >= claim else guess + 1


def _at_most(misfits: int, rate: float, size: int, population: int | None) -> float:
    if misfits < 0:
        return 0.0
    if population is not None:
        return hypergeometric.at_most(misfits, population, round(population * (1 - rate)), size)
    return float(bdtr(misfits, size, 1 - rate)) if misfits < size else 1.0


def _check(claim: float, population: int | None) -> None:
    if population is None and not 0 <= claim < 1:
        raise ValueError(f"a sample can prove a share from 0 up to, but not including, 1; not {claim}")
    if population is not None and not (0 <= claim <= 1 and population > 0):
        raise ValueError(f"of {population} orders no share of {claim} can be proved: it must be some, and from 0 to 1")
