"""How long a rule is, in bits: what it takes to say it to somebody who knows the dictionary and the history.

A leaf costs its field, its operator and its values. Fields that rules usually speak of cost less (4.5, 6.5 or 8 bits;
the sum of 2 ** -bits over all fields is below 1, so it is a code). A word costs log2 of how many the field has, a list
of k of n log2 of how many such lists there are, a number what `rounding` says.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from math import comb, log2
from typing import NamedTuple, cast

from orderhub_core.rules.compile import field_of
from orderhub_core.rules.dictionary import Field, Kind
from orderhub_core.rules.example import rounding
from orderhub_core.rules.index import Index
from orderhub_core.rules.tree import Condition, Either, Every, Leaf, Lines, Not, Op, Scalar

USUAL = frozenset({
    "channel", "shop", "province", "city", "total", "item_count", "paid_at", "paid_time", "paid_weekday", "sku",
    "product_name", "category", "quantity",
})  # fmt: skip
CHANGING = frozenset({
    "shipped_at", "collected_at", "delivered_at", "updated_at", "headline_at", "payment", "fulfilment", "logistics",
    "after_sale", "invoice", "headline", "contradictions",
})  # fmt: skip
"""What becomes of an order later: seldom meant where a rule decides early."""
USUAL_BITS, OTHER_BITS, CHANGING_BITS = 4.5, 6.5, 8.0

OF_WORDS = {Op.IS: 1.0, Op.AMONG: 2.5, Op.IS_NOT: 2.5, Op.CONTAINS: 3.0, Op.STARTS_WITH: 4.0, Op.NOT_AMONG: 4.0}
OF_NUMBERS = {Op.AT_LEAST: 2.0, Op.LESS: 2.0, Op.WITHIN: 2.5, Op.MORE: 3.0, Op.AT_MOST: 3.0, Op.IS: 4.0}
RARE_BITS = 6.0
"""Of any other operator."""
AND_BITS, OR_BITS, NOT_BITS = 1.0, 4.0, 2.0
OF_LINES_BITS = {"some": 2.0, "no": 2.5, "every": 3.5}
PART_OF_TEXT_BITS, CHARACTER_BITS = 2.0, 0.5
"""A part of a text: which, and that short ones are likelier."""


class Scale(NamedTuple):
    """How far a field's values spread in history."""

    distinct: int
    span: int
    """Of measures, in the field's smallest unit; 0 where there are no two values."""


def is_word(field: Field) -> bool:
    """Whether its values are told apart, and not compared."""
    return field.kind in (Kind.TEXT, Kind.CHOICE, Kind.FLAG) or (field.kind is Kind.NUMBER and bool(field.words))


class Ruler:
    """Measures conditions by the history of an index."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._scales: dict[str, Scale] = {}
        self.leaf = cache(self._leaf)

    def length(self, condition: Condition) -> float:
        match condition:
            case Leaf():
                return self.leaf(condition)
            case Every(parts) | Either(parts):
                joint = AND_BITS if isinstance(condition, Every) else OR_BITS
                return sum(map(self.length, parts)) + joint * max(0, len(parts) - 1)
            case Not(part):
                return NOT_BITS + self.length(part)
            case Lines(which, part):
                return OF_LINES_BITS[which] + self.length(part)
        raise TypeError(condition)

    def _leaf(self, leaf: Leaf) -> float:
        field = field_of(leaf)
        named = USUAL_BITS if field.name in USUAL else CHANGING_BITS if field.name in CHANGING else OTHER_BITS
        operators = OF_WORDS if is_word(field) else OF_NUMBERS
        return named + operators.get(leaf.op, RARE_BITS) + self._values(leaf, field)

    def _values(self, leaf: Leaf, field: Field) -> float:
        if not leaf.values:
            return 0.0
        scale = self.scale(field)
        if leaf.op in (Op.CONTAINS, Op.STARTS_WITH):
            return PART_OF_TEXT_BITS + log2(1 + scale.distinct) + CHARACTER_BITS * len(str(leaf.values[0]))
        if is_word(field):
            known = max(scale.distinct, len(leaf.values) + 1)
            return log2(comb(known, len(leaf.values))) + log2(len(leaf.values))
        return sum(rounding.bits(self.number(value, field), field, scale.span) for value in leaf.values)

    def number(self, value: object, field: Field) -> int:
        """A measure's value as a whole number whose round ones are round to people."""
        if field.kind is Kind.INSTANT:
            return rounding.local_us(cast(datetime, value), self._index.zone)
        return cast(int, value)

    def value(self, number: int, field: Field) -> Scalar:
        """The value that `number` is made of."""
        return rounding.instant(number, self._index.zone) if field.kind is Kind.INSTANT else number

    def scale(self, field: Field) -> Scale:
        if field.name not in self._scales:
            self._scales[field.name] = self._scale(field)
        return self._scales[field.name]

    def _scale(self, field: Field) -> Scale:
        level = self._index.lines if field.level == "line" else self._index.orders
        column = level.column(field)
        if is_word(field):
            return Scale(column.drop_nulls().n_unique(), 0)
        numbers = column.to_physical()
        low, high = numbers.min(), numbers.max()
        return Scale(0, 0 if low is None else cast(int, high) - cast(int, low))
