"""Why a rule holds: its conditions with each order's own values, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, repeat
from typing import NamedTuple

import numpy as np

from orderhub_core.rules import bits, spoken, wording
from orderhub_core.rules.bits import Bools, Numbers
from orderhub_core.rules.compile import field_of
from orderhub_core.rules.dictionary import FIELDS
from orderhub_core.rules.index import Index
from orderhub_core.rules.tree import Condition, Either, Every, Leaf, Lines, Not, Op, leaves

NO_CONDITION, BETWEEN = "no condition", "; "
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


def reasons(index: Index, telling: Sequence[Telling]) -> list[str]:
    """One per row, those of each rule after those of the one before."""
    values = _values(index, telling)
    conditions = tuple({slot.shown: None for each in telling for slot in each.slots if slot.shown is not None})
    height = index.orders.height
    shown = {
        condition: bits.unpack(truth, height)
        for condition, truth in zip(conditions, index.holds(conditions) if conditions else (), strict=True)
    }
    made: list[str] = []
    for number, (told, rows) in enumerate(telling):
        parts: list[Iterable[str]] = []
        for slot in told:
            own = [repeat(slot.words, len(rows)), *([values[number, slot.value]] if slot.value else ())]
            parts += own if slot.shown is None else [_where(shown[slot.shown][rows], some) for some in own]
        texts = map("".join, zip(*parts, strict=True))
        made += texts if told[0].shown is None else (text.removeprefix(BETWEEN) for text in texts)
    return made


def _where(shown: Bools, pieces: Iterable[str]) -> Iterator[str]:
    """Nothing in the other rows."""
    return (piece if there else "" for piece, there in zip(pieces, shown.tolist(), strict=True))


def _values(index: Index, telling: Sequence[Telling]) -> dict[tuple[int, str], list[str]]:
    """Of each rule, by its place, and each field that is told of it, the values of its rows."""
    found: dict[tuple[int, str], list[str]] = {}
    for of_lines, in_words in ((False, spoken.of_orders), (True, spoken.of_lines)):
        own = {number: names for number, told in enumerate(telling) if (names := _names(told.slots, of_lines))}
        names = list(dict.fromkeys(chain.from_iterable(own.values())))
        if not names:
            continue
        rows = np.concatenate([telling[number].rows for number in own])
        starts = np.cumsum([0, *(len(telling[number].rows) for number in own)]).tolist()
        for name, column in zip(names, in_words(index, [FIELDS[name] for name in names], rows), strict=True):
            told = (column.fill_null(spoken.NONE) if column.null_count() else column).to_list()
            for place, number in enumerate(own):
                if name in own[number]:
                    found[number, name] = told[starts[place] : starts[place + 1]]
    return found


def _names(slots: Sequence[Slot], of_lines: bool) -> list[str]:
    """The fields that are told of: of lines, or of orders."""
    return [slot.value for slot in slots if slot.value and (FIELDS[slot.value].level == "line") == of_lines]


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
