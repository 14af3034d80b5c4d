"""Why a rule holds: its conditions with each order's own values, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import polars as pl

from orderhub_core.rules import bits, wording
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


NOTHING = Slot("")


class Asking(NamedTuple):
    """A rule's condition, and the rows of orders for which it holds."""

    when: Condition
    rows: Numbers


def reasons(index: Index, asking: Sequence[Asking]) -> pl.Series:
    """One per row, those of each condition after those of the one before.

    All are put together stretch by stretch, whatever the number of rules: on a small batch each call counts.
    """
    told = [_slots(asked.when, index.zone) for asked in asking]
    sizes = [len(asked.rows) for asked in asking]
    texts = _Texts(index, np.concatenate([asked.rows for asked in asking]), {slot for slots in told for slot in slots})
    rule = np.repeat(np.arange(len(asking)), sizes)
    made: list[pl.Series] = []
    for place in range(max(map(len, told))):
        made += texts.stretch([slots[place] if place < len(slots) else NOTHING for slots in told], rule)
    frame = pl.DataFrame([part.alias(str(number)) for number, part in enumerate(made)])
    return frame.select(reason=pl.concat_str(pl.all()).str.strip_prefix(BETWEEN))["reason"]


class _Texts:
    """Of some rows the values that are told, and where the slots are that are not always told."""

    def __init__(self, index: Index, rows: Numbers, slots: Set[Slot]) -> None:
        self.count = len(rows)
        names = sorted({slot.value for slot in slots if slot.value})
        self.first = {name: number * self.count for number, name in enumerate(["", *names])}
        """Of a field's values the place of the first in `values`."""
        self.values = pl.concat(
            [pl.Series([""]).new_from_index(0, self.count), *_values(index, names, rows)]
        ).to_frame()
        shown = tuple({slot.shown: None for slot in slots if slot.shown is not None})
        truths = index.holds(shown) if shown else []
        self.shown = {
            condition: bits.unpack(truth, index.orders.height)[rows]
            for condition, truth in zip(shown, truths, strict=True)
        }

    def stretch(self, slots: Sequence[Slot], rule: Numbers) -> list[pl.Series]:
        """Of each rule a slot; the words and the value of each row."""
        told = np.array([bool(slot.words) for slot in slots])[rule]
        for number, slot in enumerate(slots):
            if slot.shown is not None:
                told &= (rule != number) | self.shown[slot.shown]
        words = pl.DataFrame({"words": ["", *(slot.words for slot in slots)]})
        firsts = np.array([self.first[slot.value] for slot in slots])[rule]
        values = np.where(told, firsts + np.arange(self.count), 0)
        return [words[np.where(told, rule + 1, 0)].to_series(), self.values[values].to_series()]


def _values(index: Index, names: Sequence[str], rows: Numbers) -> list[pl.Series]:
    """Of each field the values of these rows in words."""
    fields = [FIELDS[name] for name in names]
    columns = {
        field.column: index.line_words(field) if field.level == "line" else index.orders.column(field)
        for field in fields
    }
    if not columns:
        return []
    own = pl.DataFrame([column.alias(name) for name, column in columns.items()])[rows]
    told = [
        (pl.col(field.column) if field.level == "line" else wording.column(field, index.zone)).alias(field.name)
        for field in fields
    ]
    return own.select(told).with_columns(pl.all().fill_null(NONE)).get_columns()


@lru_cache(maxsize=4096)
def _slots(when: Condition, zone: str) -> tuple[Slot, ...]:
    found: list[Slot] = []
    for piece in dict.fromkeys(pieces(when)):
        shown = None if piece.needed else piece.asked if piece.positive else Not(piece.asked)
        asked = piece.asked
        if isinstance(asked, Leaf) and not is_of_lines(asked):
            own = _of_order(asked, piece.positive, zone)
        else:
            own = _of_lines(asked if isinstance(asked, Lines) else Lines("some", asked), piece.positive, zone)
        found += [slot._replace(shown=shown) for slot in own]
    return tuple(found) or (Slot(NO_CONDITION),)


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
