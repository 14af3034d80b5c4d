"""What is known of an order's buyer when it is decided: what the same buyer has paid before.

All of it is as of the order's payment, by the channel's own times, or since when it is owed. An order that was paid at
the same instant is none of before; without a buyer or a payment nothing is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import polars as pl

from orderhub_core.errors import Term, UserMistake
from orderhub_core.frames import INSTANT
from orderhub_core.rules.needs import asked
from orderhub_core.rules.tree import Rulebook

BUYER = "buyer"
"""A column of orders: a pseudonym that tells buyers apart."""
BOUGHT = "bought_at"
"""A column of orders whose `paid_at` is since when they are owed: when they were paid, if they were."""
PURCHASES = pl.Schema(
    [
        (BUYER, pl.String()),
        ("paid_at", INSTANT),
        ("paid_minor", pl.Int64()),
        ("currency", pl.String()),
        ("refunded_at", INSTANT),
    ]
)
"""One row per order that was paid. `refunded_at`: when any of it was refunded first; null: nothing was."""
HISTORY = pl.Schema(
    {
        "buyer_orders": pl.Int64(),
        "buyer_spent_minor": pl.Int64(),
        "buyer_first": pl.Boolean(),
        "buyer_gap_days": pl.Int64(),
        "buyer_refunds": pl.Int64(),
        "buyer_orders_30d": pl.Int64(),
        "buyer_refunds_30d": pl.Int64(),
    }
)
"""The columns of the fields of buyers."""
SOURCES = {
    "buyer_orders": (BUYER, "paid_at"),
    "buyer_spent_minor": (BUYER, "paid_at", "paid_minor", "currency"),
    "buyer_first": (BUYER, "paid_at"),
    "buyer_gap_days": (BUYER, "paid_at"),
    "buyer_refunds": (BUYER, "paid_at", "refunded_at"),
    "buyer_orders_30d": (BUYER, "paid_at"),
    "buyer_refunds_30d": (BUYER, "paid_at", "refunded_at"),
}
"""Of each, the columns of orders that it follows from."""
WINDOW = timedelta(days=30)


def history(asking: pl.DataFrame, purchases: pl.DataFrame) -> pl.DataFrame:
    """HISTORY of these orders (`buyer`, `paid_at` and `currency` of each), row by row. An order may be among the
    PURCHASES itself."""
    known = _known(asking.select(BUYER, "paid_at", "currency").with_row_index("row"))
    bought = _known(purchases).sort("paid_at", maintain_order=True)
    counted = bought.select(BUYER, "paid_at", orders=_nth(), last="paid_at")
    summed = bought.select(BUYER, "currency", "paid_at", spent=_spent(), there=True)
    back = bought.select(BUYER, paid_at="refunded_at").drop_nulls().sort("paid_at")
    back = back.with_columns(refunds=_nth())
    found = _before(known, counted, BUYER)
    found = _before(found, summed, BUYER, "currency")
    found = _before(found, back, BUYER)
    # What was before the window began, by the same count as of then.
    found = found.with_columns(pl.col("paid_at") - WINDOW, at="paid_at")
    found = _before(found, counted.select(BUYER, "paid_at", orders_then="orders"), BUYER)
    found = _before(found, back.select(BUYER, "paid_at", refunds_then="refunds"), BUYER)
    made = found.with_columns(pl.col("orders", "refunds", "orders_then", "refunds_then").fill_null(0)).select(
        "row",
        buyer_orders="orders",
        buyer_spent_minor=pl.when("there").then("spent").otherwise(0),
        buyer_first=pl.col("orders") == 0,
        buyer_gap_days=(pl.col("at") - pl.col("last")).dt.total_days(),
        buyer_refunds="refunds",
        buyer_orders_30d=pl.col("orders") - pl.col("orders_then"),
        buyer_refunds_30d=pl.col("refunds") - pl.col("refunds_then"),
    )
    rows = pl.DataFrame({"row": range(asking.height)}, schema={"row": made.schema["row"]})
    return rows.join(made, on="row", how="left", maintain_order="left").select(HISTORY.names()).cast(dict(HISTORY))  # type: ignore[arg-type]


def _known(orders: pl.DataFrame) -> pl.DataFrame:
    return orders.filter(pl.col(BUYER).fill_null("") != "", pl.col("paid_at").is_not_null())


def _nth() -> pl.Expr:
    """Of each row the how manieth of its buyer it is."""
    return pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over(BUYER)


def _spent() -> pl.Expr:
    """Up to and with each row. Null from an amount on that nobody knows, and where 64 bits do not hold the sum."""
    paid = pl.col("paid_minor")
    whole = paid.is_null().cast(pl.Int64).cum_sum() == 0
    total = paid.fill_null(0).cast(pl.Int128).cum_sum().cast(pl.Int64, strict=False)
    return pl.when(whole).then(total).over(BUYER, "currency")


def _before(asking: pl.DataFrame, told: pl.DataFrame, *by: str) -> pl.DataFrame:
    """With what was told last before each payment."""
    return asking.sort("paid_at").join_asof(
        told, on="paid_at", by=list(by), allow_exact_matches=False, check_sortedness=False
    )


def completed(orders: pl.DataFrame, book: Rulebook) -> pl.DataFrame:
    """Orders with the columns that a book asks of their buyers, of which they are all that is known: those that they
    have not are computed. Raises UserMistake for what these follow from and the orders have not."""
    wanted = [(field, rule) for field, rule in asked(book) if field.level == "buyer" and field.column not in orders]
    if not wanted:
        return orders
    for field, rule in wanted:
        for column in SOURCES[field.column]:
            if column not in orders and column != "currency":
                raise UserMistake(
                    "the orders have no column {field!r} ({zh}), and none called {column!r} that it could"
                    " be computed from: rule {rule!r} asks for it",
                    field=field.name,
                    zh=field.zh,
                    column=column,
                    rule=rule.name,
                )
    return _with(orders, [field.column for field, _ in wanted])


def informed(orders: pl.DataFrame) -> pl.DataFrame:
    """Orders with all columns of HISTORY that they have, or that follow from what they have."""
    there = {*orders.columns, "currency"}
    return _with(orders, [name for name in HISTORY if name not in orders and there.issuperset(SOURCES[name])])


def _with(orders: pl.DataFrame, wanted: Sequence[str]) -> pl.DataFrame:
    return orders.hstack(history(*_purchases(orders)).select(wanted)) if wanted else orders


def _purchases(orders: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """As both that `history` asks for; what the orders do not tell is null. A buyer is one of a shop."""
    for name, kind in PURCHASES.items():
        if name in orders and (unfit := _unfit(orders.schema[name], kind)):
            raise UserMistake(
                "the column {column!r} of the orders holds {dtype}, not {wanted}",
                column=name,
                dtype=orders.schema[name],
                wanted=Term(unfit),
            )
    told = [
        pl.col(name).cast(kind) if name in orders else pl.lit(None, kind).alias(name)
        for name, kind in PURCHASES.items()
    ]
    bought = orders.select(told).with_columns(pl.col("currency").fill_null(""))
    if "shop" in orders:
        own = pl.when(pl.col(BUYER) != "").then(
            pl.concat_str(pl.lit(orders["shop"].cast(pl.String)), BUYER, separator="\0")
        )
        bought = bought.with_columns(own.alias(BUYER))
    if BOUGHT not in orders:
        return bought, bought
    return bought, bought.with_columns(orders[BOUGHT].alias("paid_at"))


def _unfit(dtype: pl.DataType, kind: pl.DataType) -> str:
    """What a column should hold instead; empty where it may hold what it does."""
    if dtype == pl.Null:
        return ""
    if kind == INSTANT:
        return "" if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None else "instants with their time zone"
    if kind == pl.Int64:
        return "" if dtype.is_integer() else "whole numbers of the smallest unit (cents)"
    return "" if dtype.is_integer() or dtype in (pl.String, pl.Categorical, pl.Enum) else "text"
