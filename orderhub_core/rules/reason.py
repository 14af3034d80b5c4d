"""Why a rule holds: its conditions with each order's own values, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

import numpy as np
import polars as pl

from orderhub_core.rules import bits, spoken, wording
from orderhub_core.rules.bits import Numbers
from orderhub_core.rules.compile import field_of
from orderhub_core.rules.dictionary import FIELDS
from orderhub_core.rules.index import Index
from orderhub_core.rules.tree import Condition, Either, Every, Leaf, Lines, Not, Op, leaves

NO_CONDITION, NONE, BETWEEN = "no condition", "none", "; "
WHICH = {("some", False): "no", ("no", False): "some", ("every", False): "not every"}
"""How a condition on lines is told that is not to hold."""


class Piece(NamedTuple):
    """A leaf, or a condition on lines, of which a rule's truth is made."""

    asked: Leaf | Lines
    positive: bool
    """Whether it speaks for the rule where it is true, or where it is false."""
    needed: bool
    """Whether the rule cannot hold without it."""


def pieces(when: Condition, positive: bool = True, needed: bool = True) -> Iterator[Piece]:
    match when:
        case Leaf() | Lines():
            yield Piece(when, positive, needed)
        case Not(part):
            yield from pieces(part, not positive, needed)
        case Every(parts) | Either(parts):
            together = isinstance(when, Every) == positive or len(parts) == 1
            for part in parts:
                yield from pieces(part, positive, needed and together)


def is_of_lines(asked: Leaf | Lines) -> bool:
    return isinstance(asked, Lines) or field_of(asked).level == "line"


class Slot(NamedTuple):
    """A stretch of a reason: words that are always the same, and a value of the order after them."""

    words: str
    value: str = ""
    """The field's name; empty where the words stand alone."""
    shown: Condition | None = None
    """Where it is told; None: wherever the rule holds."""


class Telling(NamedTuple):
    """What is told of a rule, and the rows of the orders of which it is told."""

    slots: tuple[Slot, ...]
    rows: Numbers


def reasons(index: Index, telling: Sequence[Telling]) -> pl.Series:
    """One per row, those of each rule after those of the one before.

    Those of about as many pieces are put together at once, whatever the number of rules: on a small batch each call
    counts.
    """
    pool = _Pool(index, telling)
    starts = np.cumsum([0, *(len(told.rows) for told in telling)]).tolist()
    alike: dict[int, list[int]] = {}
    for number, told in enumerate(telling):
        alike.setdefault(_width(told.slots), []).append(number)
    made = pl.concat([pool.joined(own, width) for width, own in alike.items()])
    place = np.empty(len(made), np.int64)
    place[np.concatenate([np.arange(starts[n], starts[n + 1]) for own in alike.values() for n in own])] = np.arange(
        len(made)
    )
    return made[place]


def _names(slots: Sequence[Slot], of_lines: bool) -> list[str]:
    """The fields that are told of: of lines, or of orders."""
    return [slot.value for slot in slots if slot.value and (FIELDS[slot.value].level == "line") == of_lines]


def _width(slots: Sequence[Slot]) -> int:
    """At least as many pieces as these are made of: a power of two, so that there are few widths."""
    return 1 << (sum(2 if slot.value else 1 for slot in slots) - 1).bit_length()


class _Pool:
    """The pieces that reasons are made of: every word once, and the values of the fields where they are told."""

    def __init__(self, index: Index, telling: Sequence[Telling]) -> None:
        self._telling = telling
        words = ["", *dict.fromkeys(slot.words for told in telling for slot in told.slots)]
        self._words = {text: number for number, text in enumerate(words)}
        self._first: dict[tuple[int, str], int] = {}
        """Of a rule and a field that it tells of, the place of the value of the rule's first row."""
        pieces = pl.concat([pl.Series(words), *self._values(index, len(words))])
        self._pieces = pieces.fill_null(NONE) if pieces.null_count() else pieces
        shown = tuple({slot.shown: None for told in telling for slot in told.slots if slot.shown is not None})
        self._shown = {condition: number for number, condition in enumerate((None, *shown))}
        height = index.orders.height
        truths = [bits.everywhere(height), *(index.holds(shown) if shown else ())]
        self._is_shown = np.array([bits.unpack(truth, height) for truth in truths])

    def joined(self, own: Sequence[int], width: int) -> pl.Series:
        """The reasons of these rules, which are of at most as many pieces."""
        told = [self._telling[number] for number in own]
        first, moves, shown = np.moveaxis(np.array([list(self._placed(number, width)) for number in own]), 2, 0)
        rows, sizes = np.concatenate([rows for _, rows in told]), np.array([len(rows) for _, rows in told])
        rule, ends = np.repeat(np.arange(len(own)), sizes), np.cumsum(sizes)
        matrix = first[rule] + moves[rule] * (np.arange(len(rule)) - np.repeat(ends - sizes, sizes))[:, None]
        if shown.any():
            matrix *= self._is_shown[shown[rule], rows[:, None]]
        pieces = self._pieces[matrix.ravel()]
        made: pl.Series = pieces if width == 1 else pieces.reshape(matrix.shape).arr.join("")
        return made.str.strip_prefix(BETWEEN) if shown[:, 0].any() else made

    def _values(self, index: Index, size: int) -> list[pl.Series]:
        """Of every field that is told of, first of orders and then of lines, the values of all rows of which one is.
        They come after `size` pieces."""
        made: list[pl.Series] = []
        for of_lines, in_words in ((False, spoken.of_orders), (True, spoken.of_lines)):
            each = ((number, _names(told.slots, of_lines)) for number, told in enumerate(self._telling))
            own = {number: names for number, names in each if names}
            names = list(dict.fromkeys(chain.from_iterable(own.values())))
            if not names:
                continue
            rows = np.concatenate([self._telling[number].rows for number in own])
            made += in_words(index, [FIELDS[name] for name in names], rows)
            for name in names:
                for number in own:
                    self._first[number, name] = size
                    size += len(self._telling[number].rows)
        return made

    def _placed(self, number: int, width: int) -> Iterator[tuple[int, int, int]]:
        """Of each piece of a rule its place for the first row, by how much that moves from row to row, and the number
        of the condition where it is told."""
        for slot in self._telling[number].slots:
            shown = self._shown[slot.shown]
            yield self._words[slot.words], 0, shown
            if slot.value:
                yield self._first[number, slot.value], 1, shown
            width -= 2 if slot.value else 1
        yield from [(0, 0, 0)] * width


@lru_cache(maxsize=4096)
def slots(when: Condition, zone: str) -> tuple[Slot, ...]:
    """What is told of a rule of this condition."""
    found: list[Slot] = []
    for piece in dict.fromkeys(pieces(when)):
        shown = None if piece.needed else piece.asked if piece.positive else Not(piece.asked)
        asked = piece.asked
        if isinstance(asked, Leaf) and not is_of_lines(asked):
            own = _of_order(asked, piece.positive, zone)
        else:
            own = _of_lines(asked if isinstance(asked, Lines) else Lines("some", asked), piece.positive, zone)
        found += [slot._replace(shown=shown) for slot in own]
    if not found:
        return (Slot(NO_CONDITION),)
    first, *others = _merged(found)
    if first.shown is None:
        first = first._replace(words=first.words.removeprefix(BETWEEN))
    return (first, *others)


def _merged(found: Sequence[Slot]) -> Iterator[Slot]:
    """The fewest that tell the same: words before words are one."""
    before: Slot | None = None
    for slot in found:
        if before is not None and not before.value and before.shown == slot.shown:
            slot = slot._replace(words=before.words + slot.words)
        elif before is not None:
            yield before
        before = slot
    if before is not None:
        yield before


def _of_order(leaf: Leaf, positive: bool, zone: str) -> list[Slot]:
    op = leaf.op if positive else wording.OPPOSITE.get(leaf.op)
    name = f"{BETWEEN}{leaf.field}"
    if op is Op.IS:
        return [Slot(f"{name} = ", leaf.field)]
    if op is Op.IS_KNOWN:
        return [Slot(f"{name} is known: ", leaf.field)]
    if op is Op.IS_MISSING:
        return [Slot(f"{name} is missing")]
    verb = op.value if op else f"not {leaf.op.value}"
    return [Slot(f"{name} ", leaf.field), Slot(f" {verb} {wording.wanted(leaf, zone)}")]


def _of_lines(asked: Lines, positive: bool, zone: str) -> list[Slot]:
    """With all the values that the order's lines have."""
    which = WHICH.get((asked.which, positive), asked.which)
    opening = f"{BETWEEN}{which} line: {wording.condition(asked.part, zone)}"
    names = dict.fromkeys(leaf.field for leaf in leaves(asked.part))
    told = [Slot(f"{'; ' if number else f'{opening} ('}{name}: ", name) for number, name in enumerate(names)]
    return [*told, Slot(")")] if told else [Slot(opening)]
