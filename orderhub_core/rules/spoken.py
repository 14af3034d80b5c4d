"""What orders have, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import polars as pl

from orderhub_core.rules import facts, wording
from orderhub_core.rules.bits import Numbers
from orderhub_core.rules.dictionary import FIELDS, Field
from orderhub_core.rules.index import Index

NONE = "none"


def of_orders(index: Index, fields: Sequence[Field], rows: Numbers) -> list[pl.Series]:
    """Of each field the values of these orders; null where one is missing."""
    index.orders.prepare(fields)
    own = pl.DataFrame([index.orders.column(field)[rows] for field in _columns(fields)])
    return facts.computed(own, (_written(field.name, index.zone) for field in fields)).get_columns()


def of_lines(index: Index, fields: Sequence[Field], rows: Numbers) -> list[pl.Series]:
    """Of each field what the lines of these orders have there, each value once, with what it is told of (`SKU-1 3`);
    null where none has any."""
    asked = np.zeros(index.orders.height, np.bool_)
    asked[rows] = True
    chosen = np.flatnonzero(asked[index.place])
    chosen = chosen[np.argsort(index.place[chosen], kind="stable")]
    place = index.place[chosen]
    ends = np.flatnonzero(np.diff(place, append=-1)) + 1
    index.lines.prepare(fields)
    own = pl.DataFrame([index.lines.column(field)[chosen] for field in _columns(fields)])
    written = facts.computed(own, (_written(field.name, index.zone) for field in fields))
    told = [
        index.lines.column(FIELDS[field.about])[chosen] + " " + column.fill_null(NONE) if field.told else column
        for field, column in zip(fields, written, strict=True)
    ]
    at = pl.Series(place[ends - 1])
    return [
        facts.spread(
            pl.Series(field.name, list(_once(column, ends.tolist())), pl.String), at, index.orders.height, rows
        )
        for field, column in zip(fields, told, strict=True)
    ]


def _once(values: pl.Series, ends: Sequence[int]) -> Iterator[str | None]:
    """Of each stretch its values in turn, each once. Most are of one or two, of which a list is made sooner by Python
    than by a frame that is grouped: in half the time on a batch, and not later on a million."""
    told, at = values.to_list(), 0
    for end in ends:
        some = set(told[at:end])
        some.discard(None)
        yield ", ".join(sorted(some)) if some else None
        at = end


def _columns(fields: Sequence[Field]) -> list[Field]:
    """The fields, one for each column that they are taken from."""
    return list({field.column: field for field in fields}.values())


@lru_cache(maxsize=256)
def _written(name: str, zone: str) -> pl.Expr:
    return wording.column(FIELDS[name], zone).alias(name)
