"""Thresholds of a book: the values that a slider moves, and the orders that lie near them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple, cast

import msgspec
import numpy as np
import polars as pl

from orderhub_core.errors import UserMistake
from orderhub_core.rules import bits
from orderhub_core.rules.bits import Bits, Numbers
from orderhub_core.rules.compile import field_of
from orderhub_core.rules.dictionary import FIELDS, Kind
from orderhub_core.rules.index import Index
from orderhub_core.rules.lab.wants import count
from orderhub_core.rules.language.values import written
from orderhub_core.rules.language.vocabulary import of_book
from orderhub_core.rules.tree import (
    ALWAYS,
    Condition,
    Either,
    Every,
    Group,
    Leaf,
    Lines,
    Not,
    Op,
    Rule,
    Rulebook,
    Scalar,
    leaves,
)

CLIFFS = pl.Schema(
    {
        "group": pl.String(),
        "rule": pl.String(),
        "leaf": pl.Int64(),
        "end": pl.Int64(),
        "field": pl.String(),
        "op": pl.String(),
        "value": pl.String(),
        "just_in": pl.Int64(),
        "just_out": pl.Int64(),
    }
)
"""Per threshold: orders whose value lies near it and for which it decides whether the rule holds. `just_in`: it holds
and would not, were the threshold a little further; `just_out`: the other way round. `leaf` and `end` name the
threshold, see `Threshold`."""
OPS = (Op.LESS, Op.AT_MOST, Op.MORE, Op.AT_LEAST, Op.WITHIN)
KINDS = (Kind.MONEY, Kind.NUMBER, Kind.INSTANT, Kind.TIME_OF_DAY)
_NEVER = Not(ALWAYS)
DAY_MINUTES = 24 * 60


class Near(NamedTuple):
    """What counts as near a threshold."""

    share: float = 0.05
    """Of an amount or a number: of its own size, and at least one of its smallest unit."""
    minutes: int = 30
    """Of an instant or a time of day."""


class Threshold(NamedTuple):
    """A value that a condition compares with, by its place in the book."""

    group: str
    rule: str
    leaf: int
    """The number of the condition in its rule, from the left, from 0."""
    end: int
    """0; of the two ends of a range 0 or 1."""
    asked: Leaf

    @property
    def value(self) -> Scalar:
        return self.asked.values[self.end]

    @property
    def kind(self) -> Kind:
        return field_of(self.asked).kind


def thresholds(book: Rulebook) -> Iterator[Threshold]:
    """All of a book, in its order."""
    for group in book.groups:
        for rule in group.rules:
            for number, leaf in enumerate(leaves(rule.when)):
                if leaf.op in OPS and field_of(leaf).kind in KINDS:
                    for end in range(len(leaf.values)):
                        yield Threshold(group.name, rule.name, number, end, leaf)


def with_threshold(book: Rulebook, rule: str, leaf: int, end: int, value: Scalar) -> Rulebook:
    """The book with another value there; nothing else changes. A value beyond the other end of a range stops at it.

    Raises UserMistake where the book has no such threshold."""
    named = [one for one in thresholds(book) if (one.rule, one.leaf, one.end) == (rule, leaf, end)]
    if not named:
        raise UserMistake(
            "the rule {rule!r} has no threshold at condition {leaf}: was the book changed?", rule=rule, leaf=leaf + 1
        )
    moved = _moved(named[0].asked, end, value)

    def mended(each: Rule) -> Rule:
        return each if each.name != rule else msgspec.structs.replace(each, when=replaced(each.when, leaf, moved))

    groups = tuple(
        msgspec.structs.replace(group, rules=tuple(mended(each) for each in group.rules)) for group in book.groups
    )
    return msgspec.structs.replace(book, groups=groups)


def _moved(asked: Leaf, end: int, value: Scalar) -> Leaf:
    values = [*asked.values]
    values[end] = value
    wraps = field_of(asked).kind is Kind.TIME_OF_DAY
    if len(values) == 2 and not wraps and not values[0] < values[1]:  # type: ignore[operator]  # both of one field
        values[end] = _stopped(values[1 - end], end)
    return msgspec.structs.replace(asked, values=tuple(values))


def _stopped(other: Scalar, end: int) -> Scalar:
    step = timedelta(microseconds=1) if isinstance(other, datetime) else 1
    return cast(Scalar, other - step if end == 0 else other + step)  # type: ignore[operator]  # of the same kind


def replaced(condition: Condition, number: int, other: Condition) -> Condition:
    """A condition in which another one stands for the leaf of this number."""
    found, _ = _replaced(condition, number, other)
    return found


def _replaced(condition: Condition, number: int, other: Condition) -> tuple[Condition, int]:
    """And the number that is left over for what comes after it."""
    match condition:
        case Leaf():
            return (other if number == 0 else condition), number - 1
        case Every(parts) | Either(parts):
            made = []
            for part in parts:
                one, number = _replaced(part, number, other)
                made.append(one)
            return type(condition)(tuple(made)), number
        case Not(part):
            one, number = _replaced(part, number, other)
            return Not(one), number
        case Lines(which, part):
            one, number = _replaced(part, number, other)
            return Lines(which, one), number
    raise TypeError(condition)


# -- orders near a threshold


def cliffs(index: Index, book: Rulebook, near: Near | None = None) -> pl.DataFrame:
    """CLIFFS, those first that decide on most orders. In a `first` group an order that an earlier rule takes is at no
    cliff of a later one."""
    speech, rows = of_book(book), []
    for group, rule, threshold, (just_in, just_out) in _edges(index, book, near or Near()):
        told = written(threshold.value, field_of(threshold.asked), speech, "en")
        place = (threshold.leaf, threshold.end, threshold.asked.field, threshold.asked.op.value, told)
        rows.append((group.name, rule.name, *place, count(just_in), count(just_out)))
    frame = pl.DataFrame(rows, schema=CLIFFS, orient="row")
    return frame.sort(pl.col("just_in") + pl.col("just_out"), descending=True, maintain_order=True)


def cliff_rows(index: Index, book: Rulebook, rule: str, leaf: int, end: int, near: Near | None = None) -> Numbers:
    """The orders at one of them, just in and just out."""
    wanted = (rule, leaf, end)
    for *_, (just_in, just_out) in _edges(index, book, near or Near(), wanted):
        return np.flatnonzero(bits.unpack(just_in | just_out, index.orders.height))
    return np.zeros(0, np.int64)


Only = tuple[str, int, int] | None


def _edges(
    index: Index, book: Rulebook, near: Near, only: Only = None
) -> Iterator[tuple[Group, Rule, Threshold, tuple[Bits, Bits]]]:
    by_rule: dict[str, list[Threshold]] = {}
    for one in thresholds(book):
        if only in (None, (one.rule, one.leaf, one.end)):
            by_rule.setdefault(one.rule, []).append(one)
    for group in book.groups:
        holds = index.holds(tuple(rule.when for rule in group.rules))
        free = bits.everywhere(index.orders.height)
        for rule, truth in zip(group.rules, holds, strict=True):
            for one in by_rule.get(rule.name, ()):
                yield group, rule, one, _edge(index, rule, one, near, truth, free)
            if group.match == "first":
                free = free & ~truth


def _edge(index: Index, rule: Rule, one: Threshold, near: Near, truth: Bits, free: Bits) -> tuple[Bits, Bits]:
    """The orders near a threshold for which its condition decides: the rule holds if it is met, and not if it is
    not."""
    met, unmet, close = index.holds(
        (replaced(rule.when, one.leaf, ALWAYS), replaced(rule.when, one.leaf, _NEVER), band(one, near))
    )
    decides = (met ^ unmet) & close & free
    return decides & truth, decides & ~truth


def band(one: Threshold, near: Near) -> Condition:
    """The condition that a value lies near a threshold, below it or from it on; of a line's, that some line's does."""
    field, value = one.asked.field, one.value
    if one.kind is Kind.INSTANT:
        reach = timedelta(minutes=near.minutes)
        return Leaf(field, Op.WITHIN, (cast(datetime, value) - reach, cast(datetime, value) + reach))
    number = int(cast(int, value))
    if one.kind is Kind.TIME_OF_DAY:
        if 2 * near.minutes >= DAY_MINUTES:
            return Leaf(field, Op.IS_KNOWN)
        ends = ((number - near.minutes) % DAY_MINUTES, (number + near.minutes) % DAY_MINUTES)
        return Leaf(field, Op.WITHIN, ends)
    reach_n = max(1, round(abs(number) * near.share))
    return Leaf(field, Op.WITHIN, (number - reach_n, number + reach_n + 1))


# -- what a slider over a threshold offers


class Scale(NamedTuple):
    """The values from which to which a threshold may be moved, and by how much at a time, as the frames hold them;
    instants in microseconds."""

    first: int
    last: int
    step: int


MOST_STEPS = 200
_NICE = (1, 2, 5)


def scale(index: Index, one: Threshold) -> Scale:
    """From about the lowest to about the highest value that the orders have, the threshold's own in between; in round
    steps, of which its own value is one."""
    if one.kind is Kind.TIME_OF_DAY:
        return Scale(0, DAY_MINUTES - 1, 1)
    own = number(one.value)
    level = index.lines if field_of(one.asked).level == "line" else index.orders
    known = level.column(FIELDS[one.asked.field]).drop_nulls().to_physical()
    ends = [int(known.quantile(share, "nearest") or 0) for share in (0.01, 0.99)] if len(known) else [own, own]
    low, high = min(ends[0], own), max(ends[1], own + 1)
    step = _round_step(max(1, (high - low) // MOST_STEPS), 60_000_000 if one.kind is Kind.INSTANT else 1)
    return Scale(own - (own - low + step - 1) // step * step, own + (high - own + step - 1) // step * step, step)


def _round_step(least: int, unit: int) -> int:
    """The smallest of 1, 2, 5, 10, 20 … units that is not less."""
    power = unit
    while True:
        for nice in _NICE:
            if nice * power >= least:
                return nice * power
        power *= 10


def number(value: Scalar) -> int:
    if isinstance(value, datetime):
        return round(value.timestamp() * 1_000_000)
    return int(cast(int, value))


Read = Callable[[int], Scalar]
