"""From trees to what is computed: each distinct condition once, whatever the number of rules that ask for it.

A condition is true, false or unknown, and `and`, `or` and `not` are Kleene's: what the known parts settle is settled.
What is computed is where a condition is true; that it is false is where its negation is true, and negations are moved
down to the leaves. So no column of truth has missing values, which halves the work. Of an order without lines nothing
is known of its lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache, reduce
from operator import and_, or_
from typing import Any, Literal, NamedTuple, cast

import polars as pl

from orderhub_core.errors import UserMistake
from orderhub_core.frames import INSTANT
from orderhub_core.rules.choices import carriers
from orderhub_core.rules.dictionary import FIELDS, Field, Kind
from orderhub_core.rules.tree import Condition, Either, Every, Leaf, Lines, Not, Op, Rulebook, Scalar

WORDS = (Kind.TEXT, Kind.CHOICE)
EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


class Is(NamedTuple):
    """Where a leaf is known to be true, or to be false."""

    leaf: Leaf
    wanted: bool


class OfLines(NamedTuple):
    """Where a condition is true of some line, or of every one of at least one."""

    which: Literal["some", "every"]
    part: Condition


class Step(NamedTuple):
    """What follows from earlier nodes; `and` of none is true, `or` of none false."""

    op: Literal["and", "or"]
    of: tuple[int, ...]


Node = Is | OfLines | Step


class Program(NamedTuple):
    nodes: tuple[Node, ...]
    """Each after those that it asks for."""
    roots: tuple[int, ...]
    """Of every condition that was compiled, its node."""


def field_of(leaf: Leaf) -> Field:
    try:
        return FIELDS[leaf.field]
    except KeyError:
        raise UserMistake("no field {field!r}: `orderhub rules check` names the nearest", field=leaf.field) from None


@lru_cache(maxsize=256)
def program(conditions: tuple[Condition, ...], *, of_lines: bool = False) -> Program:
    """Of conditions on orders, or on single lines. Raises UserMistake for a field that is none, or stands where it
    cannot."""
    nodes: dict[Node, int] = {}
    roots = tuple(_place(condition, True, nodes, of_lines) for condition in conditions)
    return Program(tuple(nodes), roots)


@lru_cache(maxsize=64)
def conditions(book: Rulebook) -> tuple[Condition, ...]:
    """Of every rule of every group, in order."""
    return tuple(rule.when for group in book.groups for rule in group.rules)


def _place(condition: Condition, wanted: bool, nodes: dict[Node, int], of_lines: bool) -> int:
    """The number of its node. `wanted`: whether it is asked where it is true, or where it is false."""
    return nodes.setdefault(_node(condition, wanted, nodes, of_lines), len(nodes))


def _node(condition: Condition, wanted: bool, nodes: dict[Node, int], of_lines: bool) -> Node:
    match condition:
        case Leaf():
            return _leaf(condition, wanted, of_lines)
        case Every(parts) | Either(parts):
            each = tuple(_place(part, wanted, nodes, of_lines) for part in parts)
            return Step("and" if isinstance(condition, Every) == wanted else "or", each)
        case Not(part):
            return _node(part, not wanted, nodes, of_lines)
        case Lines() if of_lines:
            raise UserMistake("a condition on lines cannot stand within another one")
        case Lines("every", part):
            return OfLines("every", part) if wanted else OfLines("some", Not(part))
        case Lines(which, part):
            return OfLines("some", part) if wanted == (which == "some") else OfLines("every", Not(part))
    raise TypeError(condition)


def _leaf(leaf: Leaf, wanted: bool, of_lines: bool) -> Node:
    of_a_line = field_of(leaf).level == "line"
    if of_lines and not of_a_line:
        raise UserMistake("{field!r} is not a line's: it cannot stand in a condition on lines", field=leaf.field)
    if of_a_line and not of_lines:
        return OfLines("some", leaf) if wanted else OfLines("every", Not(leaf))
    return Is(leaf, wanted)


def expression(leaf: Leaf) -> pl.Expr:
    """Its truth over the field's column; null where that is unknown."""
    field = field_of(leaf)
    if leaf.op is Op.IS_KNOWN:
        return pl.col(field.column).is_not_null()
    if leaf.op is Op.IS_MISSING:
        return pl.col(field.column).is_null()
    if field.kind not in WORDS:
        return _of_measures(leaf, field.kind)
    return _of_words(_spelled_out(leaf) if field.name == "carrier" and leaf.op in _EQUAL else leaf)


_EQUAL = {Op.IS: Op.AMONG, Op.AMONG: Op.AMONG, Op.IS_NOT: Op.NOT_AMONG, Op.NOT_AMONG: Op.NOT_AMONG}


def _spelled_out(leaf: Leaf) -> Leaf:
    """Of carriers, which each channel writes in its own way."""
    names = dict.fromkeys(name for value in leaf.values for name in carriers(str(value)))
    return Leaf(leaf.field, _EQUAL[leaf.op], tuple(names))


def _of_measures(leaf: Leaf, kind: Kind) -> pl.Expr:
    made: pl.Expr = compared(leaf, kind, pl.col(field_of(leaf).column), [_literal(value) for value in leaf.values])
    return made


def compared(leaf: Leaf, kind: Kind, on: Any, values: Sequence[Any]) -> Any:
    """Of a column of measures, as an expression or as an array, or of one value: what can be compared by operators."""
    match leaf.op:
        case Op.IS:
            return on == values[0]
        case Op.IS_NOT:
            return on != values[0]
        case Op.LESS:
            return on < values[0]
        case Op.AT_MOST:
            return on <= values[0]
        case Op.MORE:
            return on > values[0]
        case Op.AT_LEAST:
            return on >= values[0]
        case Op.AMONG:
            return reduce(or_, (on == value for value in values))
        case Op.NOT_AMONG:
            return reduce(and_, (on != value for value in values))
        case Op.WITHIN if kind is Kind.TIME_OF_DAY and cast(int, leaf.values[0]) > cast(int, leaf.values[1]):
            return (on >= values[0]) | (on < values[1])
        case Op.WITHIN:
            return (on >= values[0]) & (on < values[1])
        case _:
            raise UserMistake(
                "{field!r} is no text: it cannot be asked whether it {value} something",
                field=leaf.field,
                value=leaf.op.value,
            )


def _literal(value: Scalar) -> pl.Expr:
    return pl.lit(number(value)).cast(INSTANT) if isinstance(value, datetime) else pl.lit(value)


def number(value: Scalar) -> Scalar:
    """An instant as its microseconds; else the value itself."""
    return (value - EPOCH) // MICROSECOND if isinstance(value, datetime) else value


def _of_words(leaf: Leaf) -> pl.Expr:
    on = pl.col(field_of(leaf).column)
    values = [str(value) for value in leaf.values]
    match leaf.op:
        case Op.IS:
            return on == values[0]
        case Op.IS_NOT:
            return on != values[0]
        case Op.AMONG:
            return on.is_in(values)
        case Op.NOT_AMONG:
            return ~on.is_in(values)
        case Op.CONTAINS:
            return on.str.contains(values[0], literal=True)
        case Op.STARTS_WITH:
            return on.str.starts_with(values[0])
        case _:
            raise UserMistake(
                "{field!r} is text: it cannot be asked whether it is {value} something",
                field=leaf.field,
                value=leaf.op.value,
            )
