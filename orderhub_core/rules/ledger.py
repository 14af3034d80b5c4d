"""What the ledger of resources says: what is left after it, whether it is whole, and how orders give back."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from orderhub_core.rules.claims import BOOKED, LEDGER, STOCK, Resources

RESOURCE = ["kind", "place", "subject"]
BREAKS = pl.Schema(
    {"row": pl.UInt32(), "kind": LEDGER["kind"], "place": pl.String(), "subject": pl.String(),
     "expected": pl.Int64(), "balance": pl.Int64()}
)  # fmt: skip
"""Rows of a ledger, from 0, whose balance is not the one before and the quantity."""


def balances(ledger: pl.DataFrame) -> pl.DataFrame:
    """RESOURCE and `balance`: the last one of each resource."""
    return ledger.group_by(RESOURCE).agg(pl.col("balance").last())


def after(resources: Resources, ledger: pl.DataFrame) -> Resources:
    """What the orders of this ledger have left for those that come."""
    last = balances(ledger)
    of_stock = last.filter(pl.col("kind") == "stock").select(warehouse="place", sku="subject", balance="balance")
    stock = resources.stock.join(of_stock, on=["warehouse", "sku"], how="full", coalesce=True).select(
        "warehouse", "sku", on_hand=pl.coalesce("balance", "on_hand"), safety=pl.col("safety").fill_null(0)
    )
    of_room = last.filter(pl.col("kind") == "capacity").select(
        warehouse="place", day=pl.col("subject").str.to_date("%F"), balance="balance"
    )
    booked = resources.booked.join(of_room, on=["warehouse", "day"], how="full", coalesce=True).select(
        "warehouse", "day", orders=pl.coalesce("balance", "orders")
    )
    return Resources(stock.match_to_schema(STOCK), resources.limits, booked.match_to_schema(BOOKED))


def compensations(ledger: pl.DataFrame, orders: Collection[int]) -> pl.DataFrame:
    """The rows of LEDGER by which orders give back the pieces they took and have not given back yet. The room of a day
    and the quota of a gift stay used: the day has been planned with the order, the buyer has been promised the gift."""
    held = (
        ledger.filter(pl.col("kind") == "stock", pl.col("order_id").is_in(list(orders)))
        .group_by([*RESOURCE, "order_id", "line_no"], maintain_order=True)
        .agg(quantity=-pl.col("quantity").sum())
        .filter(pl.col("quantity") > 0)
    )
    returned = pl.col("quantity").cum_sum().over(RESOURCE)
    told = held.join(balances(ledger), on=RESOURCE, how="left", maintain_order="left")
    return told.with_columns(balance=pl.col("balance") + returned).select(LEDGER.names())


def breaks(ledger: pl.DataFrame) -> pl.DataFrame:
    """BREAKS: empty of a ledger that is whole. What a resource had before its first row is taken from that row."""
    before = pl.col("balance").shift().over(RESOURCE)
    told = ledger.with_row_index("row").with_columns(expected=before + pl.col("quantity"))
    return told.filter(pl.col("expected") != pl.col("balance")).select(BREAKS.names())
