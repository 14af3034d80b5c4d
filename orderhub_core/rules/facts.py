"""The columns that conditions are computed over: those of the frames as rules understand them, and what follows from
them. A text that is empty is missing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from orderhub_core.frames import INSTANT
from orderhub_core.rules.bits import Bits, Numbers, pack
from orderhub_core.rules.dictionary import FIELDS, Field, Kind

MANY = 20_000
"""Rows from which on it pays to compute columns side by side."""
Expression = Callable[[str], pl.Expr]
"""Of a time zone."""


def _counted(amount: pl.Expr) -> pl.Expr:
    """As rules compare it: one that 64 bits do not hold is missing, and never another one."""
    return amount.cast(pl.Int64, strict=False)


def _minutes(column: str) -> Expression:
    def minutes(zone: str) -> pl.Expr:
        local = pl.col(column).cast(INSTANT).dt.convert_time_zone(zone)
        return (local.dt.hour().cast(pl.Int64) * 60 + local.dt.minute()).alias(f"{column}_minutes")

    return minutes


def _weekday(column: str) -> Expression:
    return lambda zone: (
        pl.col(column).cast(INSTANT).dt.convert_time_zone(zone).dt.weekday().cast(pl.Int64).alias(f"{column}_weekday")
    )


DERIVED: Mapping[str, tuple[str, Expression]] = {
    f"{column}_{name}": (column, derive(column))
    for column in ("placed_at", "paid_at", "promised_at")
    for name, derive in (("minutes", _minutes), ("weekday", _weekday))
}
"""Order columns that follow from another one: minutes since midnight, and the day of the week, 1 for Monday."""
_AMOUNT = pl.col("quantity").cast(pl.Int128) * pl.col("price_minor").cast(pl.Int128)
"""Of a line; of a million pieces at the highest price a shop may report, 64 bits do not hold it."""
TOTALS: Mapping[str, tuple[tuple[str, ...], pl.Expr]] = {
    "line_count": ((), pl.len()),
    "piece_count": (("quantity",), pl.col("quantity").cast(pl.Int128).sum()),
    "sku_count": (("sku",), pl.col("sku").n_unique()),
    "goods_minor": (("quantity", "price_minor"), _AMOUNT.sum()),
}
"""Order columns that sum up its lines, with the columns of lines that they take."""
OF_LINES: Mapping[str, tuple[tuple[str, ...], pl.Expr]] = {
    "amount_minor": (("quantity", "price_minor"), _counted(_AMOUNT)),
}
"""Line columns that follow from others of the line."""


def sources(field: Field) -> tuple[str, tuple[str, ...]]:
    """The frame, `orders`, `lines` or `signals`, and the columns of it that a field's value is taken from; of a line's
    that is reported those that say of what."""
    if field.level == "signal":
        return "signals", ()
    if field.told:
        return "lines", (FIELDS[field.about].column,)
    if field.level == "line":
        return "lines", OF_LINES[field.column][0] if field.column in OF_LINES else (field.column,)
    if field.column in TOTALS:
        return "lines", TOTALS[field.column][0]
    return "orders", (DERIVED[field.column][0] if field.column in DERIVED else field.column,)


def columns(frame: pl.DataFrame, fields: Sequence[Field], zone: str) -> list[pl.Series]:
    """Of each field its values, from the columns of orders or of lines; not of one that sums up lines."""
    follow = {field.column: made for field in fields if (made := _derived(field, zone)) is not None}
    derived = computed(frame, (made.alias(name) for name, made in follow.items())) if follow else pl.DataFrame()
    return [derived[field.column] if field.column in derived else _plain(frame[field.column], field.kind)
            for field in fields]  # fmt: skip


def _derived(field: Field, zone: str) -> pl.Expr | None:
    if field.level == "line":
        return OF_LINES[field.column][1] if field.column in OF_LINES else None
    return DERIVED[field.column][1](zone) if field.column in DERIVED else None


def _plain(values: pl.Series, kind: Kind) -> pl.Series:
    """Not by an expression: to have one computed takes longer than all there is to do for a batch."""
    if kind in (Kind.TEXT, Kind.CHOICE):
        texts = values.cast(pl.String)
        empty = texts == ""
        return texts.set(empty, None) if empty.any() else texts
    if kind is Kind.INSTANT:
        return values.cast(INSTANT)
    return values if kind is Kind.FLAG else values.cast(pl.Int64)


def computed(frame: pl.DataFrame, wanted: Iterable[pl.Expr]) -> pl.DataFrame:
    """These columns; of few rows in this thread alone, as to wake others takes longer than they would save."""
    return frame.select(wanted) if frame.height >= MANY else frame.select_seq(wanted)


def placed(lines: pl.DataFrame, orders: pl.Series) -> tuple[pl.DataFrame, Numbers]:
    """The lines of these orders (ids), in the order in which they are, and of each the row of its order."""
    own = lines["order_id"]
    if not orders.null_count() and not own.null_count() and orders.is_sorted() and own.is_sorted():
        # As the hub's own are: a join takes four times as long, and on a batch ten times.
        ids, asked = orders.to_numpy(), own.to_numpy()
        place = np.searchsorted(ids, asked)
        there = ids[np.minimum(place, len(ids) - 1)] == asked if len(ids) else np.zeros(len(asked), np.bool_)
        return (lines, place) if there.all() else (lines.filter(pl.Series(there)), place[there])
    rows = orders.to_frame("order_id").with_row_index("place")
    joined = lines.join(rows, on="order_id", how="inner", maintain_order="left")
    return joined.drop("place"), joined["place"].to_numpy().astype(np.int64)


def totals(columns: Collection[str], lines: pl.DataFrame, place: Numbers, orders: int) -> pl.DataFrame:
    """Those of TOTALS, one row per order. `place`: of each line, the row of its order. Null where there is no line, and
    where a sum is larger than any number that a rule may name."""
    counted = np.bincount(place, minlength=orders)
    there = np.flatnonzero(counted)
    found = [pl.Series("line_count", counted[there])] if "line_count" in columns else []
    if summed := [_counted(TOTALS[name][1]).alias(name) for name in columns if name != "line_count"]:
        each = lines.group_by(place=pl.Series(place)).agg(summed).sort("place")
        found += each.drop("place").get_columns()
    at, rows = pl.Series(there), np.arange(orders)
    return pl.DataFrame([spread(column, at, orders, rows) for column in found])


def spread(values: pl.Series, place: pl.Series, orders: int, rows: Numbers) -> pl.Series:
    """Of these rows of orders the values of those that have one, which are at `place`; null of the others."""
    where = np.full(orders, len(values))
    where[place.to_numpy()] = np.arange(len(values))
    return pl.concat([values, pl.Series([None], dtype=values.dtype)])[where[rows]]


class Encoded(NamedTuple):
    """A text column as numbers: what is asked of it is asked of each word once."""

    words: pl.DataFrame
    """One column of its name: the words that occur, and null for the rows that have none."""
    codes: Numbers
    """Of each row the place of its word, as numpy looks it up fastest."""


def encoded(column: pl.Series) -> Encoded:
    words = column.unique().drop_nulls().sort()
    codes = column.cast(pl.Enum(words)).to_physical().cast(pl.UInt32).fill_null(len(words)).to_numpy()
    return Encoded(pl.concat([words, pl.Series(column.name, [None], pl.String)]).to_frame(), codes.astype(np.intp))


class Measured(NamedTuple):
    """A column of numbers, instants (in microseconds) or flags."""

    values: np.ndarray[tuple[int], np.dtype[Any]]
    """Where one is missing, some number."""
    known: Bits | None
    """Where one is there; None: everywhere."""


def measured(column: pl.Series) -> Measured:
    known = pack(column.is_not_null()) if column.null_count() else None
    flat = column.cast(pl.Int64) if column.dtype.is_temporal() else column
    return Measured(
        (flat if known is None else flat.fill_null(False if flat.dtype == pl.Boolean else 0)).to_numpy(), known
    )
