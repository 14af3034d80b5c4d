"""Why a rule holds: its conditions with each order's own values, in words."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import polars as pl

from orderhub_core.rules import bits, wording
from orderhub_core.rules.bits import Numbers
from orderhub_core.rules.compile import field_of
from orderhub_core.rules.dictionary import Field
from orderhub_core.rules.index import Index
from orderhub_core.rules.tree import Condition, Either, Every, Leaf, Lines, Not, Op, leaves

NO_CONDITION = "no condition"


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


class _Told(NamedTuple):
    words: pl.Expr
    fields: tuple[Field, ...]
    of_lines: tuple[Field, ...]
    optional: tuple[Condition, ...]
    """Pieces that are only told of the orders where they speak for the rule, in the columns `0`, `1`, …"""


def reasons(index: Index, when: Condition, rows: Numbers) -> pl.Series:
    """Of the orders in these rows, for which the condition holds."""
    told = _told(when, index.zone)
    if not (told.fields or told.of_lines):
        return pl.Series([NO_CONDITION]).new_from_index(0, len(rows))
    truths = index.holds(told.optional) if told.optional else []
    columns = [index.orders.column(field) for field in told.fields]
    columns += [index.line_words(field).alias(f"lines:{field.column}") for field in told.of_lines]
    height = index.orders.height
    columns += [pl.Series(str(number), bits.unpack(truth, height)) for number, truth in enumerate(truths)]
    return pl.DataFrame(columns)[rows].with_columns(reason=told.words)["reason"]


@lru_cache(maxsize=4096)
def _told(when: Condition, zone: str) -> _Told:
    found = tuple(dict.fromkeys(pieces(when)))
    optional = tuple(piece for piece in found if not piece.needed)
    words: list[pl.Expr] = []
    for piece in found:
        text = of_lines(piece, zone) if is_of_lines(piece.asked) else _of_order(piece, zone)
        if not piece.needed:
            text = pl.when(pl.col(str(optional.index(piece)))).then(text)
        words.append(text)
    asked = {leaf.field: field_of(leaf) for leaf in leaves(when)}.values()
    return _Told(
        pl.concat_str(words, separator="; ", ignore_nulls=True) if words else pl.lit(NO_CONDITION),
        tuple(field for field in asked if field.level != "line"),
        tuple(field for field in asked if field.level == "line"),
        tuple(piece.asked if piece.positive else Not(piece.asked) for piece in optional),
    )


def _of_order(piece: Piece, zone: str) -> pl.Expr:
    leaf = piece.asked
    assert isinstance(leaf, Leaf)
    op = leaf.op if piece.positive else wording.OPPOSITE.get(leaf.op)
    own = wording.column(field_of(leaf), zone)
    if op is Op.IS:
        return pl.format(f"{leaf.field} = {{}}", own)
    if op is Op.IS_KNOWN:
        return pl.format(f"{leaf.field} is known: {{}}", own)
    if op is Op.IS_MISSING:
        return pl.lit(f"{leaf.field} is missing")
    verb = op.value if op else f"not {leaf.op.value}"
    return pl.format(f"{leaf.field} {{}} {verb} {{}}", own, pl.lit(wording.wanted(leaf, zone)))


WHICH = {("some", False): "no", ("no", False): "some", ("every", False): "not every"}


def of_lines(piece: Piece, zone: str) -> pl.Expr:
    """With all the values that the order's lines have."""
    asked = piece.asked if isinstance(piece.asked, Lines) else Lines("some", piece.asked)
    which = WHICH.get((asked.which, piece.positive), asked.which)
    told = [pl.lit(f"{which} line: {wording.condition(asked.part, zone)} (")]
    for number, field in enumerate({leaf.field: field_of(leaf) for leaf in leaves(asked.part)}.values()):
        told += [pl.lit(f"{'; ' if number else ''}{field.name}: "), pl.col(f"lines:{field.column}")]
    return pl.concat_str([*told, pl.lit(")")], ignore_nulls=True)
