"""Rows of several touchpoints that carry the same fingerprint: one sort, and one walk through what it sorted.

The upper bits of a row's fingerprint over the number of the row make one 64-bit integer. Sorted, the rows of one order
stand side by side, those of the first touchpoint first. What is done from there on is done in blocks that fit the
processor's cache, so that ten times the rows take ten times as long.

Among millions of orders some share the upper bits. Their second fingerprints tell them apart: in orders that a
touchpoint seems to have more than once at once, in all others as soon as the sums of the second fingerprints give away
that two orders were taken for one (that the sums hide it is less likely than one in 10^19).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from orderhub_core.audit.blocks import BLOCK, blocks

Marks = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]
Sources = npt.NDArray[np.int8]
Orders = npt.NDArray[np.int64]
ABSENT = -1
"""The row of a touchpoint that does not have an order."""


class Twice(NamedTuple):
    """All rows of orders that their touchpoint has more than once, by order and touchpoint."""

    source: Sources
    order: Orders
    row: Rows


class Merged(NamedTuple):
    rows: Rows
    """Touchpoint × order: the row that tells of it, of several the first; ABSENT where there is none."""
    twice: Twice


class _Run(NamedTuple):
    """Rows side by side, order after order."""

    row: Rows
    source: Sources
    first: Flags
    """Here begins an order."""

    def again(self) -> Flags:
        """The touchpoint has had a row of this order before."""
        again = ~self.first
        again[1:] &= self.source[1:] == self.source[:-1]
        return again

    def order(self) -> Orders:
        return np.cumsum(self.first) - 1


@dataclass(frozen=True, eq=False)
class _Packed:
    numbers: Marks
    """Sorted: the upper bits of the fingerprint over the number of the row, counted through all touchpoints."""
    bits: np.uint64
    """How many of the lower bits are the number of the row."""
    starts: Rows
    """Per touchpoint the number of its first row."""

    def runs(self) -> Iterator[_Run]:
        """Block by block; an order is never parted."""
        begins = self.numbers[BLOCK::BLOCK] >> self.bits << self.bits
        for block in np.split(self.numbers, np.unique(np.searchsorted(self.numbers, begins))):
            yield self._run(block)

    def _run(self, block: Marks) -> _Run:
        row = (block & ((np.uint64(1) << self.bits) - np.uint64(1))).astype(np.int32)
        source = np.zeros(len(row), dtype=np.int8)
        for start in self.starts[1:]:
            source += row >= start
        row -= self.starts[source]
        upper = block >> self.bits
        first = np.ones(len(row), dtype=np.bool_)
        np.not_equal(upper[1:], upper[:-1], out=first[1:])
        return _Run(row, source, first)


def merged(marks: Iterable[Iterable[Marks]], checks: Sequence[Marks]) -> Merged:
    """The orders of all touchpoints, by fingerprint. `marks` and `checks` are, per touchpoint, two independent
    fingerprints of each row, the first in pieces."""
    packed = _packed(marks, np.cumsum([0, *map(len, checks)]))
    found = _walked(packed, checks, wary=False)
    return found if _proved(found, checks) else _walked(packed, checks, wary=True)


def _packed(marks: Iterable[Iterable[Marks]], starts: npt.NDArray[np.int64]) -> _Packed:
    numbers = np.empty(starts[-1], dtype=np.uint64)
    bits = np.uint64(len(numbers).bit_length())
    for own, at in zip(marks, starts.tolist(), strict=False):
        for piece in own:
            row = np.arange(at, at + len(piece), dtype=np.uint64)
            np.bitwise_or(piece >> bits << bits, row, out=numbers[at : at + len(piece)])
            at += len(piece)
    numbers.sort()
    return _Packed(numbers, bits, starts[:-1].astype(np.int32))


def _walked(packed: _Packed, checks: Sequence[Marks], *, wary: bool) -> Merged:
    """`wary`: tell by their second fingerprints all orders apart, not only those that seem to be there twice."""
    rows = np.empty((len(checks), len(packed.numbers)), dtype=np.int32)  # memory is only used as far as it is written
    twice, orders = [], 0
    for run in packed.runs():
        doubted = ~run.first if wary else run.again()
        known = _told_apart(run, doubted, checks) if doubted.any() else run
        begins, orders = orders, orders + int(known.first.sum())
        told = _told(known, rows[:, begins:orders])
        if len(told.row):
            twice.append(told._replace(order=told.order + begins))
    nothing = (np.zeros(0, dtype=np.int8), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32))
    return Merged(rows[:, :orders], Twice(*map(np.concatenate, zip(nothing, *twice, strict=True))))


def _told(run: _Run, rows: Rows) -> Twice:
    """Write down the rows of a run's orders."""
    rows[:] = ABSENT
    again, order = run.again(), run.order()
    members = np.zeros(0, dtype=np.int64)
    if again.any():
        once = np.flatnonzero(~again)
        rows[run.source[once], order[once]] = run.row[once]
        again[:-1] |= again[1:]
        members = np.flatnonzero(again)
    else:
        rows[run.source, order] = run.row
    return Twice(run.source[members], order[members], run.row[members])


def _told_apart(run: _Run, doubted: Flags, checks: Sequence[Marks]) -> _Run:
    """Of each order that is doubted anywhere, every second fingerprint as an order of its own."""
    order = run.order()
    members = np.flatnonzero(np.isin(order, order[doubted]))
    row, source, whose = run.row[members], run.source[members], order[members]
    check = _of(checks, source, row)
    sorting = np.lexsort((row, source, check, whose))
    check = check[sorting]
    begins = np.ones(len(members), dtype=np.bool_)
    begins[1:] = (whose[1:] != whose[:-1]) | (check[1:] != check[:-1])
    run.row[members], run.source[members], run.first[members] = row[sorting], source[sorting], begins
    return run


def _of(checks: Sequence[Marks], source: npt.NDArray[np.integer], row: Rows) -> Marks:
    result = np.empty(len(row), dtype=np.uint64)
    for place, own in enumerate(checks):
        mine = source == place
        result[mine] = own[row[mine]]
    return result


def _proved(found: Merged, checks: Sequence[Marks]) -> bool:
    """Have all rows of each order the same second fingerprint? Then the sum of all is the first touchpoint's, times the
    number of touchpoints, put right for the few orders that not every touchpoint has. Far cheaper than holding them
    against each other one by one."""
    whole = sum(int(own.sum()) for own in checks) - _sum(_of(checks, *_left_out(found)))
    rows = found.rows[:, _partly(found.rows)]
    there = rows != ABSENT
    leader = there.argmax(axis=0)
    check = _of(checks, leader, rows[leader, np.arange(len(leader))])
    by_all = int(checks[0].sum()) - _sum(_of(checks[:1], *_left_out(found, 0))) - _sum(check[leader == 0])
    return (whole - len(checks) * by_all - _sum(check * there.sum(axis=0, dtype=np.uint64))) % (1 << 64) == 0


def _partly(rows: Rows) -> Orders:
    """Orders that some touchpoint does not have."""
    absent = (np.logical_or.reduce(rows[:, block] == ABSENT, axis=0) for block in blocks(rows.shape[1]))
    return np.flatnonzero(np.concatenate([np.zeros(0, dtype=np.bool_), *absent]))


def _left_out(found: Merged, source: int | None = None) -> tuple[Sources, Rows]:
    """Touchpoint and row of what an order has besides the row that tells of it."""
    twice = found.twice
    besides = found.rows[twice.source, twice.order] != twice.row
    if source is not None:
        besides &= twice.source == source
    return twice.source[besides], twice.row[besides]


def _sum(marks: Marks) -> int:
    return int(marks.sum())
