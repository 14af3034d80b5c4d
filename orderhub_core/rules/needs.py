"""What a rulebook asks of the frames that it decides on, told before it decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

import polars as pl

from orderhub_core.errors import Mistaken, Term, UserMistake
from orderhub_core.rules.actions import NEVER
from orderhub_core.rules.booktables import OTHERWISE
from orderhub_core.rules.compile import field_of
from orderhub_core.rules.dictionary import FIELDS, Field, Kind
from orderhub_core.rules.facts import DERIVED, sources
from orderhub_core.rules.of_parcels import KNOWN, on_orders, on_parcels
from orderhub_core.rules.tree import ALWAYS, Action, Rule, Rulebook, leaves


@lru_cache(maxsize=64)
def asked(book: Rulebook) -> tuple[tuple[Field, Rule], ...]:
    """Every field that its rules ask for, with the first rule that does. Raises UserMistake for one that is none."""
    found: dict[str, tuple[Field, Rule]] = {}
    for group in book.every_group:
        for rule in group.rules:
            for leaf in leaves(rule.when):
                found.setdefault(leaf.field, (field_of(leaf), rule))
    return tuple(found.values())


@lru_cache(maxsize=64)
def order_columns(book: Rulebook) -> tuple[str, ...]:
    """The columns of orders that it needs, besides their id and what is told of their buyers."""
    found = [column for field, _ in asked(book) for frame, columns in [sources(field)] for column in columns
             if frame == "orders" and field.level not in ("buyer", "parcel")]  # fmt: skip
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


def rules_on(book: Rulebook, signal: str) -> list[str]:
    """The rules that ask for what is reported under a name."""
    rules = (rule for group in book.every_group for rule in group.rules)
    fields = ((rule.name, field_of(leaf)) for rule in rules for leaf in leaves(rule.when))
    return list(dict.fromkeys(rule for rule, field in fields if field.is_reported and field.signal == signal))


def asks_signals(book: Rulebook) -> bool:
    return bool(signals(book))


def asks_buyers(book: Rulebook) -> bool:
    return any(field.level == "buyer" for field, _ in asked(book))


def of_lines(book: Rulebook) -> tuple[str, ...]:
    """The rules that ask for lines or for what sums them up: of an order without lines they know nothing."""
    rules = (rule for group in book.every_group for rule in group.rules)
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
    for group in book.every_group:
        for rule in (*group.rules, Rule(OTHERWISE, ALWAYS, group.otherwise)):
            yield from ((rule.name, action) for action in rule.then)


def is_stored(field: Field) -> bool:
    """Whether a frame has its column, and not something that it follows from."""
    return sources(field)[1] == (field.column,)


def check(book: Rulebook, orders: pl.Schema, lines: pl.Schema, *, counts: bool = False) -> None:
    """Raises UserMistake for all fields that frames of these schemas have no column for, or one of another
    type. `counts`: whoever asks counts the gifts that there are only so many of, or says that it does not; else a book
    that has some is refused: they would be given without end."""
    limited = next(((name, action) for name, action in _acting(book) if action.is_limited), None)
    if limited and not counts:
        rule, action = limited
        raise UserMistake(
            "rule {rule!r} limits its gift {gift}, and nobody counts it here", rule=rule, gift=action.argument
        )
    _refuse(_needed(book, orders), orders, lines)


def check_all(orders: pl.Schema, lines: pl.Schema) -> None:
    """Raises UserMistake for all columns of frames of these schemas that a rule could ask for and that are of another
    type."""
    could = (
        _Need(field, frame, column, UserMistake("rules would read {field} ({zh}) there", field=field.name, zh=field.zh))
        for field in FIELDS.values()
        if field.level != "parcel"
        for frame, columns in [sources(field)]
        for column in columns
    )
    _refuse((need for need in could if need.column in need.of(orders, lines)), orders, lines)


class _Need(NamedTuple):
    """A column of `orders` or `lines`, the field that is taken from it, and who asks for it."""

    field: Field
    frame: str
    column: str
    why: UserMistake

    def of(self, orders: pl.Schema, lines: pl.Schema) -> pl.Schema:
        return orders if self.frame == "orders" else lines


def _needed(book: Rulebook, orders: pl.Schema) -> Iterator[_Need]:
    for rule, action in _acting(book):
        if action.is_limited:
            why = UserMistake("rule {rule!r} limits its gift, and orders take turns by their payment", rule=rule)
            yield _Need(FIELDS["paid_at"], "orders", "paid_at", why)
        if action.per:
            text = "rule {rule!r} gives {gift} for every {per} bought"
            why = UserMistake(text, rule=rule, gift=action.argument, per=action.per)
            yield _Need(FIELDS["quantity"], "lines", "quantity", why)
    of_parcels = [(field, rule) for field, rule in asked(on_parcels(book)) if field.column not in KNOWN]
    for field, asking in (*asked(on_orders(book)), *of_parcels):
        frame, columns = sources(field)
        text = "rule {rule!r} asks for {field} ({zh})"
        why = UserMistake(text, rule=asking.name, field=field.name, zh=field.zh)
        yield from (_Need(field, frame, column, why) for column in columns)
    if book.parcels and "warehouse" in orders:
        why = UserMistake("rules on parcels are told the warehouse that an order came with")
        yield _Need(FIELDS["warehouse"], "orders", "warehouse", why)
    if asks_signals(book):
        yield _Need(FIELDS["paid_at"], "orders", "paid_at", UserMistake("signals are looked up as of the payment"))
    if gives(book):
        number = FIELDS["quantity"]  # nobody asks for a line's own, which is a whole number, too
        yield _Need(number, "lines", "line_no", UserMistake("a gift goes with a line of its order"))


def _refuse(needed: Iterable[_Need], orders: pl.Schema, lines: pl.Schema) -> None:
    first: dict[tuple[str, str], _Need] = {}
    for need in needed:
        first.setdefault((need.frame, need.column), need)  # one reason for each column will do
    faults = [fault for need in first.values() if (fault := _fault(need, need.of(orders, lines)))]
    if faults:
        raise Mistaken(lambda tr: tr("; ").join(fault.told(tr) for fault in faults))


def _fault(need: _Need, schema: pl.Schema) -> UserMistake | None:
    frame, column, why = Term(f"the {need.frame}"), need.column, need.why
    if column not in schema:
        return UserMistake("{frame} have no column {column!r}: {why}", frame=frame, column=column, why=why)
    if (wanted := _unfit(schema[column], need.field, column)) is None:
        return None
    text = "the column {column!r} of {frame} holds {dtype}, not {wanted}: {why}"
    return UserMistake(text, column=column, frame=frame, dtype=schema[column], wanted=Term(wanted), why=why)


def _unfit(dtype: pl.DataType, field: Field, column: str) -> str | None:
    """What a column of this type should hold; None where it does."""
    if dtype == pl.Null:
        return None
    if field.column in DERIVED or field.kind is Kind.INSTANT:
        return None if isinstance(dtype, pl.Datetime) and dtype.time_zone else "instants with their time zone"
    if column == "sku" or field.kind in (Kind.TEXT, Kind.CHOICE):
        return None if dtype in (pl.String, pl.Categorical, pl.Enum) else "text"
    if field.kind is Kind.FLAG:
        return None if dtype == pl.Boolean else "true or false"
    unit = "whole numbers of the smallest unit (cents)" if column.endswith("_minor") else "whole numbers"
    return None if dtype.is_integer() else unit
