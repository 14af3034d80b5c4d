"""From trees to what is computed: each distinct condition once, whatever the number of rules that ask for it.

A condition is true, false or unknown, and `and`, `or` and `not` are Kleene's: what the known parts settle is settled.
Of an order without lines nothing is known of its lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache, reduce
from operator import or_
from typing import Literal, NamedTuple, cast

import polars as pl

from orderhub_core.errors import UserMistake
from orderhub_core.rules.dictionary import FIELDS, Field, Kind
from orderhub_core.rules.tree import Condition, Either, Every, Leaf, Lines, Not, Op, Rulebook, Scalar, leaves

WORDS = (Kind.TEXT, Kind.CHOICE)


class Some(NamedTuple):
    """That some line meets it."""

    part: Condition


class Step(NamedTuple):
    """What follows from earlier nodes; `and` of none is true, `or` of none false."""

    op: Literal["and", "or", "not"]
    of: tuple[int, ...]


Node = Leaf | Some | Step


class Program(NamedTuple):
    nodes: tuple[Node, ...]
    """Each after those that it asks for."""
    roots: tuple[int, ...]
    """Of every condition that was compiled, its node."""


def field_of(leaf: Leaf) -> Field:
    try:
        return FIELDS[leaf.field]
    except KeyError:
        raise UserMistake(f"no field {leaf.field!r}: `orderhub rules check` names the nearest") from None


@lru_cache(maxsize=256)
def program(conditions: tuple[Condition, ...], *, of_lines: bool = False) -> Program:
    """Of conditions on orders, or on single lines. Raises UserMistake for a field that is none, or stands where it
    cannot."""
    nodes: dict[Node, int] = {}
    roots = tuple(_place(condition, nodes, of_lines) for condition in conditions)
    return Program(tuple(nodes), roots)


@lru_cache(maxsize=64)
def conditions(book: Rulebook) -> tuple[Condition, ...]:
    """Of every rule of every group, in order."""
    return tuple(rule.when for group in book.groups for rule in group.rules)


def _place(condition: Condition, nodes: dict[Node, int], of_lines: bool) -> int:
    """The number of its node."""
    return nodes.setdefault(_node(condition, nodes, of_lines), len(nodes))


def _node(condition: Condition, nodes: dict[Node, int], of_lines: bool) -> Node:
    match condition:
        case Leaf():
            return _leaf(condition, of_lines)
        case Every(parts):
            return Step("and", tuple(_place(part, nodes, of_lines) for part in parts))
        case Either(parts):
            return Step("or", tuple(_place(part, nodes, of_lines) for part in parts))
        case Not(part):
            return Step("not", (_place(part, nodes, of_lines),))
        case Lines() if of_lines:
            raise UserMistake("a condition on lines cannot stand within another one")
        case Lines("some", part):
            return Some(part)
        case Lines("no", part):
            return Step("not", (nodes.setdefault(Some(part), len(nodes)),))
        case Lines("every", part):
            return Step("not", (nodes.setdefault(Some(Not(part)), len(nodes)),))
    raise TypeError(condition)


def _leaf(leaf: Leaf, of_lines: bool) -> Node:
    of_a_line = field_of(leaf).level == "line"
    if of_lines and not of_a_line:
        raise UserMistake(f"{leaf.field!r} is not a line's: it cannot stand in a condition on lines")
    return Some(leaf) if of_a_line and not of_lines else leaf


def expression(leaf: Leaf, words: Sequence[str] | None) -> pl.Expr:
    """Its truth over the field's column, which is an Enum of these words, or of another type where there are none."""
    field = field_of(leaf)
    on = pl.col(field.column)
    if leaf.op is Op.IS_KNOWN:
        return on.is_not_null()
    if leaf.op is Op.IS_MISSING:
        return on.is_null()
    if field.kind not in WORDS:
        return _of_measures(leaf, field.kind)
    return _of_words(leaf) if words is None else _of_known_words(leaf, words)


@lru_cache(maxsize=4096)
def _of_measures(leaf: Leaf, kind: Kind) -> pl.Expr:
    on = pl.col(field_of(leaf).column)
    values = [_literal(value) for value in leaf.values]
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
            return _any_of(on, values)
        case Op.NOT_AMONG:
            return ~_any_of(on, values)
        case Op.WITHIN if kind is Kind.TIME_OF_DAY and cast(int, leaf.values[0]) > cast(int, leaf.values[1]):
            return (on >= values[0]) | (on < values[1])
        case Op.WITHIN:
            return (on >= values[0]) & (on < values[1])
        case _:
            raise UserMistake(f"{leaf.field!r} is no text: it cannot be asked whether it {leaf.op.value} something")


def _literal(value: Scalar) -> pl.Expr:
    if isinstance(value, datetime):
        return pl.lit(value.astimezone(UTC).replace(tzinfo=None), pl.Datetime("us")).dt.replace_time_zone("UTC")
    return pl.lit(value)


def _any_of(on: pl.Expr, values: Sequence[pl.Expr]) -> pl.Expr:
    return reduce(or_, (on == value for value in values))


@lru_cache(maxsize=4096)
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
            raise UserMistake(f"{leaf.field!r} is text: it cannot be asked whether it is {leaf.op.value} something")


def _of_known_words(leaf: Leaf, words: Sequence[str]) -> pl.Expr:
    """Each word is asked once, and then only which of them a row has."""
    on = pl.col(field_of(leaf).column)
    asked = pl.DataFrame({on.meta.output_name(): words}, schema={on.meta.output_name(): pl.String})
    holding = asked.filter(_of_words(leaf)).to_series().to_list()
    if len(holding) in (0, len(words)):
        return pl.when(on.is_not_null()).then(bool(holding))
    if len(holding) == 1:
        return on == holding[0]
    return on.is_in(holding)
