"""Which rows of the touchpoints speak of the same order.

Every order number has two independent 64-bit fingerprints, so that any number of touchpoints are aligned without a join
of texts: see `merge`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from orderhub_core.audit.blocks import BLOCK, at_once, taken
from orderhub_core.audit.merge import ABSENT, Marks, Rows, Twice, merged
from orderhub_core.audit.sources import KEY, NEVER, Source

Entry = TypeVar("Entry", bound=np.generic)
_MARK, _CHECK = 0, 1
"""The seeds of the two fingerprints."""


@dataclass(frozen=True, eq=False)
class Keys:
    """`shop`, `order_no`, and the fingerprints of each row, the same only within a process."""

    frame: pl.DataFrame
    with_shops: bool
    """Are shops part of the fingerprints?"""

    @property
    def is_small(self) -> bool:
        """What is asked of each column costs more than the work itself."""
        return self.frame.height < BLOCK

    @cached_property
    def marks(self) -> Marks:
        return self._both[0] if self.is_small else self._whole(_MARK)

    @cached_property
    def checks(self) -> Marks:
        return self._both[1] if self.is_small else self._whole(_CHECK)

    def pieces(self) -> Iterator[Marks]:
        """`marks`, block by block, and not kept where there are many."""
        return iter([self.marks]) if self.is_small else self._pieces(_MARK)

    @cached_property
    def _both(self) -> tuple[Marks, Marks]:
        told = self.frame.select_seq(mark=self._print(_MARK), check=self._print(_CHECK))
        return told["mark"].to_numpy(), told["check"].to_numpy()

    def _whole(self, seed: int) -> Marks:
        marks, at = np.empty(self.frame.height, dtype=np.uint64), 0
        for piece in self._pieces(seed):
            marks[at : at + len(piece)] = piece
            at += len(piece)
        return marks

    def _pieces(self, seed: int) -> Iterator[Marks]:
        return (part.select(self._print(seed)).to_series().to_numpy() for part in self.frame.iter_slices(BLOCK))

    def _print(self, seed: int) -> pl.Expr:
        names = pl.col("order_no").hash(seed)
        return names ^ pl.col("shop").hash(seed + 1_000_003) if self.with_shops else names


@dataclass(frozen=True, eq=False)
class Names:
    """The keys of orders, fetched only where somebody reads them: a million texts cost more than their verdicts."""

    among: Keys
    """Among other rows those of the orders."""
    rows: Rows
    """Per order its row there."""

    @property
    def height(self) -> int:
        return len(self.rows)

    @property
    def with_shops(self) -> bool:
        return self.among.with_shops

    @cached_property
    def keys(self) -> pl.DataFrame:
        return _filled(self.among.frame[self.rows])

    @cached_property
    def marks(self) -> Marks:
        """Per order its fingerprint."""
        return self.among.marks[self.rows]

    @cached_property
    def checks(self) -> Marks:
        """Per order its second fingerprint."""
        return self.among.checks[self.rows]

    def take(self, places: npt.NDArray[np.integer]) -> Names:
        return Names(self.among, self.rows[places])

    def beside(self, column: npt.NDArray[np.int8]) -> tuple[pl.DataFrame, npt.NDArray[np.int8]]:
        """The keys and a column of the orders side by side, in whatever order is cheapest."""
        if self.height != self.among.frame.height:
            return self.keys, column
        spread = np.empty_like(column)
        spread[self.rows] = column
        return _filled(self.among.frame), spread

    def with_more(self, more: Names) -> Names:
        known = self.among.frame
        frame = pl.concat([_filled(known), _filled(more.among.frame)], rechunk=False)
        return Names(Keys(frame, self.with_shops), np.concatenate([self.rows, more.rows + np.int32(known.height)]))


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


def picked(column: npt.NDArray[Entry], rows: Rows, absent: int) -> npt.NDArray[Entry]:
    """The entries of some rows of a touchpoint, `absent` where it has no row. The column itself is not copied."""
    if not len(column):
        return np.full(len(rows), absent, dtype=column.dtype)
    result = taken(column, rows)
    result[rows == ABSENT] = absent
    return result


def align(sources: Sequence[Source], population: pl.DataFrame | None = None) -> Aligned:
    """The orders of all sources, or those of `population` (`shop`, `order_no`), and where each stands."""
    known = [] if population is None else [population.select(KEY)]
    keys = _comparable([*(source.keys for source in sources), *known])
    every = sum(own.frame.height for own in keys)
    rows, found = merged((own.pieces() for own in keys), at_once(lambda own: own.checks, keys, every))
    if len(found.row):
        _choose_newest(rows, found, sources)
    twice = np.zeros((len(sources), rows.shape[1]), dtype=np.bool_)
    own = found.source < len(sources)
    twice[found.source[own], found.order[own]] = True
    if population is None:
        return Aligned(_names(keys, rows), rows, twice)
    wanted = np.flatnonzero(rows[-1] != ABSENT)
    names = Names(keys[-1], rows[-1, wanted])
    return Aligned(names, rows[:-1, wanted], twice[:, wanted], names.rows)


def _comparable(frames: Sequence[pl.DataFrame]) -> list[Keys]:
    """No shop anywhere is one shop, and costs nothing."""
    if all(frame["shop"].dtype == pl.Null for frame in frames):
        return [Keys(frame, with_shops=False) for frame in frames]
    return [Keys(_filled(frame), with_shops=True) for frame in frames]


def _filled(keys: pl.DataFrame) -> pl.DataFrame:
    return keys.with_columns(pl.col("shop").cast(pl.String).fill_null(""))


def _names(keys: Sequence[Keys], rows: Rows) -> Names:
    """From the largest touchpoint, and of orders that it does not have from the first that has them."""
    largest = max(range(len(keys)), key=lambda place: keys[place].frame.height)
    known = keys[largest]
    frames, height = [known.frame], known.frame.height
    told = rows[largest].copy()
    left = np.flatnonzero(told == ABSENT)
    for own, there in zip(keys, rows, strict=True):
        new = left[there[left] != ABSENT]
        if len(new):
            frames.append(own.frame[there[new]])
            told[new] = np.arange(height, height + len(new), dtype=np.int32)
            height += len(new)
            left = left[there[left] == ABSENT]
    return Names(known if len(frames) == 1 else Keys(pl.concat(frames, rechunk=False), known.with_shops), told)


def _choose_newest(rows: Rows, twice: Twice, sources: Sequence[Source]) -> None:
    """Of several rows of a touchpoint the one that was updated last; where times are alike or lacking, by the word."""
    for place, source in enumerate(sources):
        own = np.flatnonzero(twice.source == place)
        row, order = twice.row[own], twice.order[own]
        at = np.full(len(row), NEVER) if source.at is None else source.at[row]
        told = pl.DataFrame({"order": order, "row": row, "at": at, "word": source.status.texts(row)})
        newest = told.sort("at", "word", "row", nulls_last=False).unique("order", keep="last", maintain_order=True)
        rows[place, newest["order"].to_numpy()] = newest["row"].to_numpy()
