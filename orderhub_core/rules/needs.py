"""What a rulebook asks of the frames that it decides on, told before it decides."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import polars as pl

from orderhub_core.errors import UserMistake
from orderhub_core.rules.actions import NEVER
from orderhub_core.rules.booktables import OTHERWISE
from orderhub_core.rules.compile import field_of
from orderhub_core.rules.dictionary import FIELDS, Field, Kind
from orderhub_core.rules.facts import DERIVED, sources
from orderhub_core.rules.tree import ALWAYS, Action, Rule, Rulebook, leaves


@lru_cache(maxsize=64)
def asked(book: Rulebook) -> tuple[tuple[Field, Rule], ...]:
    """Every field that its rules ask for, with the first rule that does. Raises UserMistake for one that is none."""
    found: dict[str, tuple[Field, Rule]] = {}
    for group in book.groups:
        for rule in group.rules:
            for leaf in leaves(rule.when):
                found.setdefault(leaf.field, (field_of(leaf), rule))
    return tuple(found.values())


@lru_cache(maxsize=64)
def order_columns(book: Rulebook) -> tuple[str, ...]:
    """The columns of orders that it needs, besides their id and what is told of their buyers."""
    found = [column for field, _ in asked(book) for frame, columns in [sources(field)] for column in columns
             if frame == "orders" and field.level != "buyer"]  # fmt: skip
    return tuple(dict.fromkeys([*found, *(["paid_at"] if asks_signals(book) else [])]))


@lru_cache(maxsize=64)
def line_columns(book: Rulebook) -> frozenset[str]:
    """The columns of lines that its conditions need."""
    return frozenset(
        column for field, _ in asked(book) for frame, columns in [sources(field)] for column in columns
        if frame == "lines"
    )  # fmt: skip


@lru_cache(maxsize=64)
def signals(book: Rulebook) -> tuple[Field, ...]:
    """What it asks for that is reported."""
    return tuple(field for field, _ in asked(book) if field.is_reported)


def asks_signals(book: Rulebook) -> bool:
    return bool(signals(book))


def asks_buyers(book: Rulebook) -> bool:
    return any(field.level == "buyer" for field, _ in asked(book))


def of_lines(book: Rulebook) -> tuple[str, ...]:
    """The rules that ask for lines or for what sums them up: of an order without lines they know nothing."""
    rules = (rule for group in book.groups for rule in group.rules)
    return tuple(
        rule.name
        for rule in rules
        if any(sources(field_of(leaf))[0] == "lines" for leaf in leaves(rule.when))
        or any(action.per for action in rule.then)
    )


def gives(book: Rulebook) -> bool:
    """Whether it adds gifts, which go with a line."""
    return any(action.verb == "add_gift" for _, action in _acting(book))


def splits(book: Rulebook) -> bool:
    """Whether it has any order go in several parcels."""
    return any(action.verb == "split" and action.argument != NEVER for _, action in _acting(book))


@lru_cache(maxsize=64)
def named(book: Rulebook, verb: str) -> frozenset[str]:
    """What its actions of a verb name: the warehouses that it assigns."""
    return frozenset(action.argument for _, action in _acting(book) if action.verb == verb)


def _acting(book: Rulebook) -> Iterator[tuple[str, Action]]:
    """Every action with its rule."""
    for group in book.groups:
        for rule in (*group.rules, Rule(OTHERWISE, ALWAYS, group.otherwise)):
            yield from ((rule.name, action) for action in rule.then)


def is_stored(field: Field) -> bool:
    """Whether a frame has its column, and not something that it follows from."""
    return sources(field)[1] == (field.column,)


def check(book: Rulebook, orders: pl.Schema, lines: pl.Schema, *, counts: bool = False) -> None:
    """Raises UserMistake for the first field that frames of these schemas have no column for, or one of another
    type. `counts`: whoever asks counts the gifts that there are only so many of, or says that it does not; else a book
    that has some is refused: they would be given without end."""
    for name, action in _acting(book):
        if action.is_limited and not counts:
            raise UserMistake(f"rule {name!r} limits its gift {action.argument}, and nobody counts it here")
        if action.is_limited:
            who = f"rule {name!r} limits its gift, and orders take turns by their payment"
            _check(who, FIELDS["paid_at"], "orders", "paid_at", orders)
        if action.per:
            who = f"rule {name!r} gives {action.argument} for every {action.per} bought"
            _check(who, FIELDS["quantity"], "lines", "quantity", lines)
    for field, rule in asked(book):
        frame, columns = sources(field)
        if frame == "signals":
            continue
        for column in columns:
            _check(f"rule {rule.name!r} asks for {field.name} ({field.zh})", field, frame, column,
                   orders if frame == "orders" else lines)  # fmt: skip
    if asks_signals(book):
        _check("signals are looked up as of the payment", FIELDS["paid_at"], "orders", "paid_at", orders)


def check_all(orders: pl.Schema, lines: pl.Schema) -> None:
    """Raises UserMistake for the first column of frames of these schemas that a rule could ask for and that is of
    another type."""
    for field in FIELDS.values():
        frame, columns = sources(field)
        schema = orders if frame == "orders" else lines
        for column in columns:
            if column in schema:
                _check(f"rules would read {field.name} ({field.zh}) there", field, frame, column, schema)


def _check(who: str, field: Field, frame: str, column: str, schema: pl.Schema) -> None:
    if column not in schema:
        raise UserMistake(f"the {frame} have no column {column!r}: {who}")
    if mistake := _unfit(schema[column], field, column):
        raise UserMistake(f"the column {column!r} of the {frame} {mistake}: {who}")


def _unfit(dtype: pl.DataType, field: Field, column: str) -> str | None:
    """What is wrong with the type of a column."""
    if dtype == pl.Null:
        return None
    if field.column in DERIVED or field.kind is Kind.INSTANT:
        fits = isinstance(dtype, pl.Datetime) and dtype.time_zone is not None
        return None if fits else f"holds {dtype}, not instants with their time zone"
    if column == "sku" or field.kind in (Kind.TEXT, Kind.CHOICE):
        return None if dtype in (pl.String, pl.Categorical, pl.Enum) else f"holds {dtype}, not text"
    if field.kind is Kind.FLAG:
        return None if dtype == pl.Boolean else f"holds {dtype}, not true or false"
    unit = "whole numbers" if field.kind is not Kind.MONEY else "whole numbers of the smallest unit (cents)"
    return None if dtype.is_integer() else f"holds {dtype}, not {unit}"
