"""Past orders as the live hub decides on them: as soon as they are owed, before anything is done for them."""

from __future__ import annotations

import polars as pl

from orderhub_core.frames import ORDERS, OWED_AT

AS_PAID = {
    "payment": "paid",
    "fulfilment": "waiting",
    "logistics": "none",
    "after_sale": "none",
    "headline": "paid",
    "contradictions": 0,
    **dict.fromkeys(("shipped_at", "collected_at", "delivered_at", "warehouse", "carrier", "tracking_no")),
}
"""What a rule would have seen of an order, where the frame has what became of it since. Amounts, places and lines are
as they stand now: who has corrected an address since is decided on with the new one."""
AS_ACCEPTED = {"payment": "deferred", "headline": "accepted"}
"""The same, of an order that was to be paid later."""
_BEFORE_PAYMENT = pl.col("deferred_at").is_not_null() & (pl.col("deferred_at") < pl.col("paid_at")).fill_null(True)


def as_decided(orders: pl.DataFrame) -> pl.DataFrame:
    """ORDERS whose goods were owed, oldest first, with their state turned back, and as rules read them: `paid_at` is
    since when they are. Which warehouse an order came with, if its channel had named one, nobody knows any more."""
    then = [pl.lit(value).cast(ORDERS[name]).alias(name) for name, value in AS_PAID.items()]
    later = [pl.when(_BEFORE_PAYMENT).then(pl.lit(value).cast(ORDERS[name])).otherwise(name).alias(name)
             for name, value in AS_ACCEPTED.items()]  # fmt: skip
    owed = orders.filter(OWED_AT.is_not_null()).with_columns(then).with_columns(later)
    return owed.with_columns(paid_at=OWED_AT, headline_at=OWED_AT).sort("paid_at", "order_id")


def entitled(orders: pl.DataFrame) -> pl.Series:
    """The ids of orders whose buyers should have what a rule gives them: owed, not wholly refunded, not cancelled."""
    kept = orders.filter(
        OWED_AT.is_not_null()
        & ~pl.col("payment").cast(pl.String).is_in(["refunded", "void"])
        & ~pl.col("fulfilment").cast(pl.String).is_in(["cancelled", "intercepted"])
    )
    return kept["order_id"]
