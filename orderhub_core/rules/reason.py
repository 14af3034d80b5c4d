"""Why a rule holds: its conditions with each order's own values, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

import numpy as np
import polars as pl

from orderhub_core.rules import bits, wording
from orderhub_core.rules.bits import Numbers
from orderhub_core.rules.compile import field_of
from orderhub_core.rules.dictionary import Field
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


class _Told(NamedTuple):
    words: pl.Expr
    fields: tuple[Field, ...]
    """Whose values, in words, it takes from the columns of their names."""
    optional: tuple[Condition, ...]
    """Pieces that are only told of the orders for which they are true, in the columns `0`, `1`, …"""


class Asking(NamedTuple):
    """A rule's condition, and the rows of orders for which it holds."""

    when: Condition
    rows: Numbers


def reasons(index: Index, asking: Sequence[Asking]) -> list[pl.Series]:
    """Of each the reasons, one per row. The values of all are put in words together: on a small batch each call
    counts."""
    told = [_told(asked.when, index.zone) for asked in asking]
    optional = tuple(dict.fromkeys(condition for each in told for condition in each.optional))
    truths = dict(zip(optional, index.holds(optional), strict=True)) if optional else {}
    fields = {field.name: field for each in told for field in each.fields}
    texts = _texts(index, list(fields.values()), np.concatenate([asked.rows for asked in asking]))
    found, start = [], 0
    for each, (_, rows) in zip(told, asking, strict=True):
        own = texts.slice(start, len(rows))
        if each.optional:
            some = (bits.unpack(truths[condition], index.orders.height)[rows] for condition in each.optional)
            own = own.with_columns(pl.Series(str(number), truth) for number, truth in enumerate(some))
        found.append(own.with_columns(reason=each.words)["reason"])  # not selected: what is all literals has one row
        start += len(rows)
    return found


def _texts(index: Index, fields: Sequence[Field], rows: Numbers) -> pl.DataFrame:
    """The values of these rows in words, in columns of the fields' names; and their number, to be as many."""
    of_orders = [field for field in fields if field.level != "line"]
    columns = {field.column: index.orders.column(field) for field in of_orders}
    lines = [index.line_words(field).alias(f"lines {field.name}") for field in fields if field.level == "line"]
    own = pl.DataFrame([pl.Series("row", np.arange(index.orders.height)), *columns.values(), *lines])[rows]
    return own.select(
        "row",
        *(wording.column(field, index.zone).alias(f"own {field.name}") for field in of_orders),
        *(column.name for column in lines),
    )


class _Text(NamedTuple):
    template: str
    """Of `pl.format`."""
    values: tuple[pl.Expr, ...]


@lru_cache(maxsize=4096)
def _told(when: Condition, zone: str) -> _Told:
    found = tuple(dict.fromkeys(pieces(when)))
    texts = [(piece, _of_lines(piece, zone) if is_of_lines(piece.asked) else _of_order(piece, zone)) for piece in found]
    optional = [piece for piece in found if not piece.needed]
    words: list[pl.Expr] = []
    for needed, some in groupby(texts, key=lambda each: each[0].needed):
        if needed:
            words.append(_formatted([text for _, text in some]))
        else:
            words += [pl.when(pl.col(str(optional.index(piece)))).then(_formatted([text])) for piece, text in some]
    asked = {leaf.field: field_of(leaf) for leaf in leaves(when)}
    return _Told(
        pl.concat_str(words, separator=BETWEEN, ignore_nulls=True) if words else pl.lit(NO_CONDITION),
        tuple(asked.values()),
        tuple(piece.asked if piece.positive else Not(piece.asked) for piece in optional),
    )


def _formatted(texts: Sequence[_Text]) -> pl.Expr:
    template = BETWEEN.join(text.template for text in texts)
    return pl.format(template, *(value for text in texts for value in text.values))


def _of_order(piece: Piece, zone: str) -> _Text:
    leaf = piece.asked
    assert isinstance(leaf, Leaf)
    op = leaf.op if piece.positive else wording.OPPOSITE.get(leaf.op)
    own = pl.col(f"own {leaf.field}")
    if op is Op.IS:
        return _Text(f"{leaf.field} = {{}}", (own,))
    if op is Op.IS_KNOWN:
        return _Text(f"{leaf.field} is known: {{}}", (own,))
    if op is Op.IS_MISSING:
        return _Text(f"{leaf.field} is missing", ())
    verb = op.value if op else f"not {leaf.op.value}"
    return _Text(f"{leaf.field} {{}} {verb} {{}}", (own, pl.lit(wording.wanted(leaf, zone))))


def _of_lines(piece: Piece, zone: str) -> _Text:
    """With all the values that the order's lines have."""
    asked = piece.asked if isinstance(piece.asked, Lines) else Lines("some", piece.asked)
    which = WHICH.get((asked.which, piece.positive), asked.which)
    names = dict.fromkeys(leaf.field for leaf in leaves(asked.part))
    own = "; ".join(f"{name}: {{}}" for name in names)
    values = (pl.col(f"lines {name}").fill_null(NONE) for name in names)
    return _Text(f"{which} line: {{}} ({own})", (pl.lit(wording.condition(asked.part, zone)), *values))
