"""Rows to orders: several rows may be one order, and two rows may quarrel over one order number."""

from __future__ import annotations

import polars as pl

from connectors._kit.echo import LONGEST
from connectors.files.mapping import FIELDS, Kind, Mapping
from connectors.files.reading import ROW

LINE = {"sku": "sku", "product_name": "name", "category": "category", "quantity": "quantity", "price": "price_minor"}
"""Our field to its name in `model.Line`."""
_FIRST_TIMES = ("placed_at", "paid_at", "collected_at")
_SHOWN = 5
SHARES = ("total", "paid", "refunded", "freight", "discount")


def rivals(claims: pl.DataFrame) -> pl.DataFrame:
    """Refuses all rows that say different things of one order (`order_no`, `body`): which is true, a person knows.

    Rows that say the same are no quarrel.
    """
    split = claims.filter(pl.col("order_no").is_duplicated()).filter(pl.col("body").n_unique().over("order_no") > 1)
    first = pl.col(ROW).first().over("order_no")
    other = pl.when(pl.col(ROW) == first).then(pl.col(ROW).get(1).over("order_no")).otherwise(first)
    reason = pl.format("order no {} stands also in row {}, and says something else there", "order_no", other)
    return split.select(ROW, "order_no", *_whole(), reason=reason)


def halves(values: pl.DataFrame, refused: pl.Series) -> pl.DataFrame:
    """Refuses the other rows of an order of which one row is refused: an order is taken whole or not at all.

    An item without an order number may be one of the order above it: where cells are merged, only the first has it.
    """
    bad = values[ROW].is_in(refused.implode())
    above = pl.when(is_item(values.columns)).then(pl.col("order_no").forward_fill())
    owners = values.select(pl.coalesce("order_no", above)).to_series()
    spoilt = owners.filter(bad).drop_nulls().unique()
    split = values.filter(values["order_no"].is_in(spoilt.implode()).fill_null(False) & ~bad)
    return split.select(ROW, "order_no", *_whole(), reason=pl.lit("another row of the same order is refused"))


def is_item(columns: list[str]) -> pl.Expr:
    """Whether a row names goods; in a file of whole orders none does."""
    named = [pl.col(field).is_not_null() for field in ("sku", "product_name") if field in columns]
    return pl.any_horizontal(named) if "sku" in columns else pl.lit(False)


def quarrels(values: pl.DataFrame) -> pl.DataFrame:
    """Refuses all rows of an order whose rows show different statuses."""
    if "status" not in values.columns:
        return values.head(0).select(ROW, "order_no", *_whole(), reason=pl.lit(""))
    many = values.filter(pl.col("order_no").is_not_null() & pl.col("order_no").is_duplicated())
    words = pl.col("status").drop_nulls().unique(maintain_order=True).str.head(LONGEST)
    told = many.group_by("order_no").agg(words.alias("words")).filter(pl.col("words").list.len() > 1)
    reason = pl.format(
        "the rows of this order show different statuses: {}", pl.col("words").list.head(_SHOWN).list.join(", ")
    )
    return many.join(told, on="order_no", maintain_order="left").select(ROW, "order_no", *_whole(), reason=reason)


def gather(values: pl.DataFrame, table: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    """One row per order with its `lines` and `parcels`, in file order; `row_no` is the order's first.

    Rows alike in every column of the file, read or not, count once. Times of the whole order: it was placed, paid and
    collected when the first of its rows was; shipped, delivered and completed when the last was. Of its cases the first
    of `words.CASES` holds. Other order-wide columns: the first row that fills them in holds; money is summed where the
    mapping says `money_per = "line"`.
    """
    repeated = _repeated(table)
    wide = [field for field in values.columns if field not in (ROW, "order_no", "tracking_no", "carrier", *LINE)]
    line = {name: pl.col(field) for field, name in LINE.items() if field in values.columns}
    line["sku"] = pl.coalesce(*(line[name] for name in ("sku", "name") if name in line), pl.lit(""))
    parcels = parcel(values.columns).filter(pl.col("tracking_no").is_not_null()).unique(maintain_order=True)
    return (
        values.filter(~pl.col(ROW).is_in(repeated.implode()))
        .group_by("order_no", maintain_order=True)
        .agg(
            pl.col(ROW).first(),
            *(_for_the_order(field, mapping) for field in wide),
            struct({"line_no": pl.int_range(1, pl.len() + 1), **line}).alias("lines"),
            *([parcels.alias("parcels")] if "tracking_no" in values.columns else []),
        )
    )


def struct(members: dict[str, pl.Expr]) -> pl.Expr:
    return pl.struct([value.alias(name) for name, value in members.items()])


def parcel(columns: list[str]) -> pl.Expr:
    """A struct shaped like `model.Parcel`."""
    return pl.struct("tracking_no", *(["carrier"] if "carrier" in columns else []))


def _repeated(table: pl.DataFrame) -> pl.Series:
    """The rows that are, in every column, a copy of an earlier row."""
    cells = table.select(pl.exclude(ROW))
    again = table.filter(cells.is_duplicated())
    first = again.unique(cells.columns, keep="first")
    return again[ROW].filter(~again[ROW].is_in(first[ROW].implode()))


def _for_the_order(field: str, mapping: Mapping) -> pl.Expr:
    column = pl.col(field)
    if field in SHARES and mapping.money_per == "line":
        return pl.when(column.is_not_null().any()).then(column.sum()).alias(field)
    if FIELDS[field] is Kind.CASE:
        return column.min()
    if FIELDS[field] is Kind.TIME:
        return column.min() if field in _FIRST_TIMES else column.max()
    return column.drop_nulls().first()


def _whole() -> list[pl.Expr]:
    return [pl.lit(None, dtype=pl.String).alias("column"), pl.lit(None, dtype=pl.String).alias("value")]
