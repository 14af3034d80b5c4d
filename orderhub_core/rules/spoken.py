"""What orders have, in words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import polars as pl

from orderhub_core.rules import facts, wording
from orderhub_core.rules.bits import Numbers
from orderhub_core.rules.dictionary import FIELDS, Field
from orderhub_core.rules.index import Index


def of_orders(index: Index, fields: Sequence[Field], rows: Numbers) -> list[pl.Series]:
    """Of each field the values of these orders; null where one is missing."""
    index.orders.prepare(fields)
    own = pl.DataFrame([index.orders.column(field)[rows] for field in _columns(fields)])
    return facts.computed(own, (_written(field.name, index.zone) for field in fields)).get_columns()


def of_lines(index: Index, fields: Sequence[Field], rows: Numbers) -> list[pl.Series]:
    """Of each field what the lines of these orders have there, each value once; null where none has any."""
    asked = np.zeros(index.orders.height, np.bool_)
    asked[rows] = True
    chosen = np.flatnonzero(asked[index.place])
    index.lines.prepare(fields)
    own = pl.DataFrame([index.lines.column(field)[chosen] for field in _columns(fields)])
    told = facts.computed(own, (_written(field.name, index.zone) for field in fields))
    each = told.group_by(place=pl.Series(index.place[chosen])).agg(pl.all().drop_nulls().unique().sort())
    joined = facts.computed(each, (_joined(field.name) for field in fields))
    return [facts.spread(column, each["place"], index.orders.height, rows) for column in joined]


def _columns(fields: Sequence[Field]) -> list[Field]:
    """The fields, one for each column that they are taken from."""
    return list({field.column: field for field in fields}.values())


@lru_cache(maxsize=256)
def _written(name: str, zone: str) -> pl.Expr:
    return wording.column(FIELDS[name], zone).alias(name)


@lru_cache(maxsize=256)
def _joined(name: str) -> pl.Expr:
    values = pl.col(name).list
    return pl.when(values.len() > 0).then(values.join(", ")).alias(name)
