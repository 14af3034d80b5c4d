"""Rule by example: from orders that a rule should take, and orders that it should not, to the shortest rule that tells
them apart.

The criterion is the least description length (Rissanen 1978; of rules Quinlan & Rivest, Inferring decision trees using
the minimum description length principle, Information and Computation 80, 1989): the bits that it takes to say the rule
(`lengths`), and `search.ERROR_BITS` for each marked order that it gets wrong. Of rules of about the same length that
one comes first for whose cut of all orders the marks would be the greater coincidence if it were not meant: n wanted
orders all among a share p, m others all among the rest, is p ** n * (1 - p) ** m (the size principle, Tenenbaum &
Griffiths, Generalization, similarity, and Bayesian inference, Behavioral and Brain Sciences 24, 2001). It counts
little, as people do not mark by chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import log2
from typing import NamedTuple

import numpy as np
import polars as pl

from orderhub_core.errors import Term, UserMistake
from orderhub_core.rules import bits
from orderhub_core.rules.bits import Bools
from orderhub_core.rules.compile import conditions
from orderhub_core.rules.example.atoms import Atom, atoms
from orderhub_core.rules.example.lengths import Ruler
from orderhub_core.rules.example.likeness import Likeness, Rows, rows_of
from orderhub_core.rules.example.search import ERROR_BITS, search
from orderhub_core.rules.example.trees import shortened, tree
from orderhub_core.rules.index import Index
from orderhub_core.rules.tree import Condition, Rulebook

MARKED_MOST = 60
"""Orders that can be marked."""
ALTERNATIVES = 3
"""Conditions tried in each other's place where they take the same marked orders."""
MEASURED = 80
"""Rules whose cut of all orders is looked at."""
SIZE_WEIGHT = 0.05
NEAREST = 5
"""Orders that are named of many."""


class Overlap(NamedTuple):
    """A rule of a book, by what its condition holds for: whether another one comes first does not count."""

    group: str
    rule: str
    orders: int
    """That its condition holds for."""
    both: int


class Candidate(NamedTuple):
    condition: Condition
    length: float
    """In bits; of two rules the one that is shorter by ten says a condition less, or far rounder numbers."""
    missed: tuple[int, ...]
    """Marked orders (their order_id) that it should take and does not."""
    wrongly: tuple[int, ...]
    """Marked orders that it takes and should not."""
    taken: int
    """Of all orders of the history."""
    counter_examples: int
    """Unmarked orders that it takes."""
    nearest: tuple[int, ...]
    """The counter-examples that are most like an order marked as not wanted: they are worth a look."""
    undecided: tuple[int, ...]
    """Unmarked orders of which it says otherwise than the first candidate: marking one of them decides."""
    overlaps: tuple[Overlap, ...]
    """With the rules of the book that take some of its orders, the greatest first."""

    @property
    def separates(self) -> bool:
        return not self.missed and not self.wrongly


class Alike(NamedTuple):
    """Two orders that are like each other and marked differently."""

    should: int
    should_not: int
    differ_in: tuple[str, ...]
    """The fields, of those that do not change later; none: no rule can tell them apart."""


class Findings(NamedTuple):
    candidates: tuple[Candidate, ...]
    """The best first. No two of them take the same orders of the history. None where nothing is known of the orders
    that the rule should take."""
    alike: tuple[Alike, ...]
    """Of each marked order that the best candidate gets wrong, the one most like it of those marked differently."""


class _Cut(NamedTuple):
    """A condition, and the orders of the history that it takes."""

    condition: Condition
    length: float
    score: float
    taken: Bools


def by_example(
    history: Index, should: Sequence[int], should_not: Sequence[int], *, book: Rulebook | None = None, best: int = 3
) -> Findings:
    """The `best` candidates for a rule that takes these orders (their order_id) and not those. An order that lacks a
    value is taken by no condition on it. Raises UserMistake for marks that no rule can be made of."""
    rows = _checked(history, should, should_not)
    wanted = np.arange(len(rows)) < len(should)
    ruler = Ruler(history)
    cuts = _ranked(history, rows, wanted, ruler)[:best]
    report = _Report(history, rows, wanted, Likeness(history, ruler), book)
    return Findings(tuple(report.candidate(cut, cuts[0]) for cut in cuts), tuple(report.alike(cuts[0]) if cuts else ()))


def _checked(history: Index, should: Sequence[int], should_not: Sequence[int]) -> Rows:
    marked = [*should, *should_not]
    if not should or not should_not:
        which = Term("should" if not should else "should not")
        raise UserMistake("no order is marked as one that the rule {which} take: mark at least one", which=which)
    if len(marked) > MARKED_MOST:
        raise UserMistake(
            "{n} orders are marked: {most} at most, those that show the difference", n=len(marked), most=MARKED_MOST
        )
    if twice := next((each for number, each in enumerate(marked) if each in marked[:number]), None):
        raise UserMistake("order {twice} is marked twice: a rule either takes it or not", twice=twice)
    rows = rows_of(history, marked)
    if (rows < 0).any():
        raise UserMistake("order {marked} is marked, but not in the history", marked=marked[int(np.argmin(rows))])
    return rows


def _ranked(history: Index, rows: Rows, wanted: Bools, ruler: Ruler) -> list[_Cut]:
    marked = _only(history, rows)
    trees = tuple(dict.fromkeys(_trees(atoms(marked, wanted, ruler), wanted)))
    if not trees:
        return []
    wrong = [int((takes != wanted).sum()) for takes in _taken(marked, trees)]
    lengths = [ruler.length(each) for each in trees]
    scored = sorted(zip((n * ERROR_BITS + bits for n, bits in zip(wrong, lengths, strict=True)), lengths, trees,
                        strict=True), key=lambda each: each[0])[:MEASURED]  # fmt: skip
    taken = _taken(history, tuple(condition for *_, condition in scored))
    cuts = [
        _Cut(condition, length, score + SIZE_WEIGHT * _size_bits(takes, wanted), takes)
        for (score, length, condition), takes in zip(scored, taken, strict=True)
    ]
    different: dict[bytes, _Cut] = {}
    for cut in sorted(cuts, key=lambda cut: cut.score):
        different.setdefault(np.packbits(cut.taken).tobytes(), cut)
    return list(different.values())


def _taken(index: Index, asked: tuple[Condition, ...]) -> list[Bools]:
    return [bits.unpack(holds, index.orders.height) for holds in index.holds(asked)]


def _only(history: Index, rows: Rows) -> Index:
    orders = history.raw_orders[rows]
    lines = history.raw_lines.filter(pl.col("order_id").is_in(orders["order_id"].implode()))
    return Index(orders, lines, zone=history.zone, reports=history.reports, at=history.at)


def _trees(found: Sequence[Atom], wanted: Bools) -> Iterator[Condition]:
    """Of the best combinations, and of those with one condition in another's place."""
    same: dict[int, list[Atom]] = {}
    for atom in sorted(found, key=lambda atom: atom.length):
        same.setdefault(atom.mask, []).append(atom)
    first = [alike[0] for alike in same.values()]
    masks = {atom.condition: atom.mask for atom in found}
    goal = sum(1 << int(number) for number in np.flatnonzero(wanted))
    for joints, numbers, _ in search(first, goal, len(wanted)):
        parts = [first[number] for number in numbers]
        yield tree(joints, shortened(joints, parts, goal, masks))
        for place, part in enumerate(parts):
            for other in same[part.mask][1:ALTERNATIVES]:
                swapped = [*parts[:place], other, *parts[place + 1 :]]
                yield tree(joints, shortened(joints, swapped, goal, masks))


def _size_bits(takes: Bools, wanted: Bools) -> float:
    share = (int(takes.sum()) + 1) / (len(takes) + 2)
    return float(wanted.sum() * log2(share) + (~wanted).sum() * log2(1 - share))


class _Report:
    def __init__(self, history: Index, rows: Rows, wanted: Bools, likeness: Likeness, book: Rulebook | None) -> None:
        self._history, self._likeness = history, likeness
        self._should, self._should_not = rows[wanted], rows[~wanted]
        self._ids = history.raw_orders["order_id"].to_numpy()
        self._unmarked = np.ones(history.orders.height, bool)
        self._unmarked[rows] = False
        self._rules = [(group.name, rule.name) for group in book.groups for rule in group.rules] if book else []
        self._holds = _taken(history, conditions(book)) if book else []

    def candidate(self, cut: _Cut, first: _Cut) -> Candidate:
        others = np.flatnonzero(cut.taken & self._unmarked)
        between = np.flatnonzero((cut.taken != first.taken) & self._unmarked)
        return Candidate(
            cut.condition,
            cut.length,
            self._named(self._should[~cut.taken[self._should]]),
            self._named(self._should_not[cut.taken[self._should_not]]),
            int(cut.taken.sum()),
            len(others),
            self._named(self._likeness.nearest(self._should_not, others, NEAREST)),
            self._named(self._likeness.nearest(self._should, between, NEAREST)),
            tuple(self._overlaps(cut)),
        )

    def alike(self, cut: _Cut) -> Iterator[Alike]:
        told: dict[Alike, None] = {}
        for row in self._should[~cut.taken[self._should]]:
            other = self._likeness.nearest(np.array([row]), self._should_not, 1)[0]
            told[self._pair(int(row), int(other))] = None
        for row in self._should_not[cut.taken[self._should_not]]:
            other = self._likeness.nearest(np.array([row]), self._should, 1)[0]
            told[self._pair(int(other), int(row))] = None
        yield from told

    def _pair(self, should: int, should_not: int) -> Alike:
        differ = self._likeness.different(should, should_not)
        return Alike(int(self._ids[should]), int(self._ids[should_not]), differ)

    def _overlaps(self, cut: _Cut) -> list[Overlap]:
        found = [
            Overlap(group, rule, int(holds.sum()), both)
            for (group, rule), holds in zip(self._rules, self._holds, strict=True)
            if (both := int((holds & cut.taken).sum()))
        ]
        return sorted(found, key=lambda overlap: -overlap.both)

    def _named(self, rows: Rows) -> tuple[int, ...]:
        return tuple(self._ids[rows].tolist())
