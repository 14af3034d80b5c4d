"""How much orders are like each other (Gower, A general coefficient of similarity, Biometrics 27, 1971): of each field
0 where they have the same, 1 where they have another word, and of a measure the part of its spread that lies between
them; a value that one of them lacks counts as another one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import polars as pl

from orderhub_core.rules import spoken
from orderhub_core.rules.dictionary import FIELDS, Field
from orderhub_core.rules.example.atoms import fields
from orderhub_core.rules.example.lengths import CHANGING, Ruler, is_word
from orderhub_core.rules.index import Index

GOODS = "category"
"""Of lines: orders are alike if theirs have the same ones."""

Distances = np.ndarray[tuple[int, ...], np.dtype[np.float32]]
Rows = np.ndarray[tuple[int], np.dtype[np.int64]]


class Likeness:
    """Of the orders of an index, by their fields that do not change later."""

    def __init__(self, index: Index, ruler: Ruler) -> None:
        there = fields(index)
        own = [field for field in there if field.level == "order" and field.name not in CHANGING]
        self._names = [field.name for field in own]
        self._columns = [_numbers(index.orders.column(field), field, ruler) for field in own]
        if any(field.name == GOODS for field in there):
            self._names.append(GOODS)
            (goods,) = spoken.of_lines(index, [FIELDS[GOODS]], np.arange(index.orders.height))
            self._columns.append(_codes(goods))

    def nearest(self, to: Rows, among: Rows, count: int) -> Rows:
        """The rows that are most like one of `to`, the most alike first, and of those alike the earlier."""
        if not len(to) or not len(among):
            return among[:0]
        away = self._distances(to, among).min(axis=0)
        least = np.flatnonzero(away <= np.partition(away, min(count, len(away)) - 1)[min(count, len(away)) - 1])
        return among[least[np.argsort(away[least], kind="stable")[:count]]]

    def different(self, row: int, other: int) -> tuple[str, ...]:
        """The fields that two orders differ in."""
        return tuple(
            name for name, column in zip(self._names, self._columns, strict=True) if column[row] != column[other]
        )

    def _distances(self, to: Rows, among: Rows) -> Distances:
        """Of each of `to`, to each of the others."""
        total = np.zeros((len(to), len(among)), np.float32)
        for column in self._columns:
            total += np.minimum(np.abs(column[to][:, None] - column[among]), np.float32(1))
        return total


def _numbers(column: pl.Series, field: Field, ruler: Ruler) -> Distances:
    """Of words numbers at least 1 apart; of measures from 0 to 1."""
    if is_word(field):
        return _codes(column)
    numbers = column.to_physical()
    lowest = cast(int, numbers.min() or 0)
    return _known((numbers - lowest).cast(pl.Float64) / max(1, ruler.scale(field).span))


def _codes(column: pl.Series) -> Distances:
    if not isinstance(column.dtype, pl.Enum):
        column = column.cast(pl.String).cast(pl.Categorical)
    return _known(column.to_physical())


def _known(numbers: pl.Series) -> Distances:
    """What is missing is as far from anything else as another word."""
    return numbers.cast(pl.Float32).fill_null(-1.0).to_numpy()


def rows_of(index: Index, ids: Sequence[int]) -> Rows:
    """Of orders of the index, in the order of their ids."""
    place = index.raw_orders.select("order_id").with_row_index("row")
    found = pl.DataFrame({"order_id": ids}, schema={"order_id": pl.Int64}).join(
        place, on="order_id", how="left", maintain_order="left"
    )
    return found["row"].fill_null(-1).cast(pl.Int64).to_numpy()
