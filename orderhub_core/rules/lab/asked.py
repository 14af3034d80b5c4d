"""Past orders as the live hub decides on them: at the moment of payment, before anything is done for them."""

from __future__ import annotations

import polars as pl

from orderhub_core.frames import ORDERS

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


def as_decided(orders: pl.DataFrame) -> pl.DataFrame:
    """ORDERS that were paid, oldest first, with their state turned back. Which warehouse an order came with, if its
    channel had named one, nobody knows any more."""
    then = [pl.lit(value).cast(ORDERS[name]).alias(name) for name, value in AS_PAID.items() if name in orders]
    paid = orders.filter(pl.col("paid_at").is_not_null()).sort("paid_at", "order_id")
    return paid.with_columns(*then, headline_at="paid_at") if "headline_at" in orders else paid.with_columns(then)


def entitled(orders: pl.DataFrame) -> pl.Series:
    """The ids of orders whose buyers should have what a rule gives them: paid, not wholly refunded, not cancelled."""
    kept = orders.filter(
        pl.col("paid_at").is_not_null()
        & ~pl.col("payment").cast(pl.String).is_in(["refunded", "void"])
        & ~pl.col("fulfilment").cast(pl.String).is_in(["cancelled", "intercepted"])
    )
    return kept["order_id"]
