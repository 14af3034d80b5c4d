"""Which rows of the touchpoints speak of the same order.

Every order number has two independent 64-bit fingerprints. Sorting and merging the first aligns any number of
touchpoints without a join of texts; the sums of the second prove the matches, so that two orders are taken for one only
where both collide (for ten million orders less often than once in 10^20 audits). Where the first alone collides, other
seeds are taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from orderhub_core.audit import abreast
from orderhub_core.audit.sources import KEY, NEVER, Source

Marks = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int32]
Entry = TypeVar("Entry", bound=np.generic)
ABSENT = -1
"""The row of a touchpoint that does not have an order."""


@dataclass(frozen=True, eq=False)
class Names:
    """The keys of orders, fetched only where somebody reads them: a million texts cost more than their verdicts."""

    frame: pl.DataFrame
    """`shop`, `order_no`, among other rows those of the orders."""
    rows: Rows
    """Per order its row in `frame`."""
    marks: Marks
    """Per order its fingerprint."""
    made: tuple[int, bool]
    """How the fingerprints were made: seed, and whether shops are part of them."""

    @property
    def height(self) -> int:
        return len(self.rows)

    @cached_property
    def keys(self) -> pl.DataFrame:
        return _filled(self.frame[self.rows])

    def take(self, places: npt.NDArray[np.integer]) -> Names:
        return Names(self.frame, self.rows[places], self.marks[places], self.made)

    def beside(self, column: npt.NDArray[np.int8]) -> tuple[pl.DataFrame, npt.NDArray[np.int8]]:
        """The keys and a column of the orders side by side, in whatever order is cheapest."""
        if self.height != self.frame.height:
            return self.keys, column
        spread = np.empty_like(column)
        spread[self.rows] = column
        return _filled(self.frame), spread

    def with_more(self, more: Names) -> Names:
        frame = pl.concat([_filled(self.frame), _filled(more.frame)], rechunk=False)
        rows = np.concatenate([self.rows, more.rows + np.int32(self.frame.height)])
        return Names(frame, rows, np.concatenate([self.marks, more.marks]), self.made)


@dataclass(frozen=True, eq=False)
class Aligned:
    """Orders by fingerprint, so that neighbours in one array are neighbours in all."""

    names: Names
    rows: Rows
    """Touchpoint × order: the row that tells of the order, of several the newest; ABSENT where there is none."""
    twice: npt.NDArray[np.bool_]
    """Touchpoint × order: does it have the order more than once?"""
    population: Rows | None = None
    """Per order its row in the population, where there is one."""

    @property
    def size(self) -> int:
        return self.names.height

    def take(self, places: npt.NDArray[np.int64]) -> Aligned:
        """Some of the orders, in the order asked for."""
        known = None if self.population is None else self.population[places]
        return Aligned(self.names.take(places), self.rows[:, places], self.twice[:, places], known)


@dataclass(frozen=True, eq=False)
class _Index:
    """The distinct orders of one frame, by fingerprint."""

    marks: Marks
    """Sorted."""
    checks: Marks
    """The second fingerprint, per row of the frame."""
    rows: Rows
    twice: npt.NDArray[np.bool_] | None

    def checked(self, without: npt.NDArray[np.bool_]) -> int:
        """The sum of the second fingerprints of the orders but for some: if one order were taken for another, the sums
        of both sides would differ. Far cheaper than holding them against each other one by one."""
        whole = self.checks if self.twice is None else self.checks[self.rows]
        return (int(whole.sum()) - int(self.checks[self.rows[without]].sum())) % (1 << 64)


class _CollisionError(Exception):
    """Two orders have one fingerprint under this seed."""


def picked(column: npt.NDArray[Entry], rows: Rows, absent: int) -> npt.NDArray[Entry]:
    """The entries of some rows of a touchpoint, `absent` where it has no row. The column itself is not copied."""
    if not len(column):
        return np.full(len(rows), absent, dtype=column.dtype)
    result = column.take(rows, mode="wrap")
    result[rows == ABSENT] = absent
    return result


def align(sources: Sequence[Source], population: pl.DataFrame | None = None) -> Aligned:
    """The orders of all sources, or those of `population` (`shop`, `order_no`), and where each stands."""
    for seed in count(step=2):
        try:
            return _aligned(sources, population, seed)
        except _CollisionError:
            continue
    raise AssertionError


def fingerprints(keys: pl.DataFrame, *seeds: int) -> list[Marks]:
    """Per seed one number for each row of `shop`, `order_no`; the same only within a process."""
    with_shops = keys["shop"].dtype != pl.Null
    names = keys.select(pl.col("order_no").hash(seed).alias(str(seed)) for seed in seeds)
    if not with_shops:
        return [marks.to_numpy() for marks in names.iter_columns()]
    shops = keys.select(pl.col("shop").hash(seed + 1_000_003).alias(str(seed)) for seed in seeds)
    return [name.to_numpy() ^ shop.to_numpy() for name, shop in zip(names, shops, strict=True)]


def same_shops(frames: Sequence[pl.DataFrame]) -> list[pl.DataFrame]:
    """Keys that can be compared: no shop anywhere is one shop, and costs nothing."""
    if all(frame["shop"].dtype == pl.Null for frame in frames):
        return list(frames)
    return [frame.with_columns(pl.col("shop").cast(pl.String).fill_null("")) for frame in frames]


def _filled(keys: pl.DataFrame) -> pl.DataFrame:
    return keys.with_columns(pl.col("shop").cast(pl.String).fill_null(""))


def _aligned(sources: Sequence[Source], population: pl.DataFrame | None, seed: int) -> Aligned:
    known = [] if population is None else [population.select(KEY)]
    frames = same_shops([*(source.keys for source in sources), *known])
    keys = frames[: len(sources)]
    rows = sum(frame.height for frame in keys)
    indexes = abreast.each(lambda both: _index(both[0], seed, both[1]), zip(keys, sources, strict=True), rows)
    largest = max(range(len(keys)), key=lambda place: len(indexes[place].marks))
    base, base_keys = (_index(frames[-1], seed), frames[-1]) if known else (indexes[largest], keys[largest])
    found = abreast.each(lambda index: _found(base, index), indexes, rows)
    strange = [index.marks[at == ABSENT] for index, at in zip(indexes, found, strict=True)]
    extra = np.unique(np.concatenate(strange)) if population is None else strange[0][:0]
    size = len(base.marks)
    told = np.full((len(sources), size + len(extra)), ABSENT, dtype=np.int32)
    twice = np.zeros(told.shape, dtype=np.bool_)
    for source, (index, at) in enumerate(zip(indexes, found, strict=True)):
        hit = at != ABSENT
        every = bool(hit.all())
        _put(told[source], twice[source], at if every else at[hit], index, None if every else hit)
        if len(extra):
            _put(told[source], twice[source], size + np.searchsorted(extra, strange[source]), index, ~hit)
    made = (seed, base_keys["shop"].dtype != pl.Null)
    names = Names(base_keys, base.rows, base.marks, made)
    if len(extra):
        more = _more(keys, told[:, size:])
        names = names.with_more(Names(more, np.arange(len(extra), dtype=np.int32), extra, made))
    return Aligned(names, told, twice, base.rows if known else None)


def _put(
    rows: Rows,
    twice: npt.NDArray[np.bool_],
    to: npt.NDArray[np.integer],
    index: _Index,
    which: npt.NDArray[np.bool_] | None,
) -> None:
    rows[to] = index.rows if which is None else index.rows[which]
    if index.twice is not None:
        twice[to] = index.twice if which is None else index.twice[which]


def _more(keys: Sequence[pl.DataFrame], rows: Rows) -> pl.DataFrame:
    """The keys of orders that the base does not have, from the first that has them."""
    parts, places = [], []
    left = np.ones(rows.shape[1], dtype=np.bool_)
    for frame, own in zip(keys, rows, strict=True):
        new = np.flatnonzero(left & (own != ABSENT))
        parts.append(frame[own[new]])
        places.append(new)
        left[new] = False
    named: pl.DataFrame = pl.concat(parts)[np.argsort(np.concatenate(places))]
    return named


def _found(base: _Index, index: _Index) -> npt.NDArray[np.int64]:
    """For each order of an index its position in the base, ABSENT where the base does not have it."""
    if index is base:
        return np.arange(len(base.marks))
    if not len(base.marks):
        return np.full(len(index.marks), ABSENT)
    at = np.searchsorted(base.marks, index.marks)
    at[at == len(base.marks)] = 0
    hit = base.marks[at] == index.marks
    other = np.ones(len(base.marks), dtype=np.bool_)
    other[at[hit] if not hit.all() else at] = False
    if index.checked(~hit) != base.checked(other):
        raise _CollisionError
    return at if hit.all() else np.where(hit, at, ABSENT)


def _index(keys: pl.DataFrame, seed: int, source: Source | None = None) -> _Index:
    marks, checks = fingerprints(keys, seed, seed + 1)
    order = np.argsort(marks).astype(np.int32)
    marks = marks[order]
    again = np.zeros(len(marks), dtype=np.bool_)
    again[1:] = marks[1:] == marks[:-1]
    if not again.any():
        return _Index(marks, checks, order, None)
    members = np.flatnonzero(again)
    if (checks[order[members]] != checks[order[members - 1]]).any():
        raise _CollisionError
    starts = np.flatnonzero(~again)
    several = np.diff(np.append(starts, len(marks))) > 1
    rows = order[starts]
    if source is not None:
        group = np.cumsum(~again) - 1
        members = np.flatnonzero(several[group])
        rows[several] = _newest(source, group[members], order[members])
    return _Index(marks[starts], checks, rows, several)


def _newest(source: Source, group: npt.NDArray[np.int64], rows: Rows) -> npt.NDArray[np.int32]:
    """Of each group of rows the one that was updated last; where times are alike or lacking, by the word."""
    at = np.full(len(rows), NEVER) if source.at is None else source.at[rows]
    told = pl.DataFrame({"group": group, "row": rows, "at": at, "word": source.status.texts(rows)})
    newest = told.sort("at", "word", "row", nulls_last=False).unique("group", keep="last", maintain_order=True)
    return newest.sort("group")["row"].to_numpy()
