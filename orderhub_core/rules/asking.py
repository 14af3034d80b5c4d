"""From orders and lines as the hub has them to what they ask of stock and room."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import polars as pl

from orderhub_core.rules.claims import ASKING, WANTED


class Splitting(NamedTuple):
    """When an order may go in several parcels."""

    parcels: int = 1
    """At most so many; 1: never."""
    above_minor: int = 0
    """Only orders of more than this."""
    partly: bool = False
    """Whether what is there may go before the rest."""


def asking(orders: pl.DataFrame, splitting: Splitting) -> pl.DataFrame:
    """ASKING, of ORDERS. A column `sealed`, where there is one, marks orders that are never split; a column `turn` says
    the batch in which an order was decided."""
    sealed = pl.col("sealed").fill_null(False) if "sealed" in orders.columns else pl.lit(False)
    may = ~sealed & (pl.col("total_minor") > splitting.above_minor).fill_null(False)
    return orders.select(
        "order_id",
        turn=pl.col("turn") if "turn" in orders.columns else pl.lit(0, pl.Int64),
        paid_at="paid_at",
        parcels=pl.when(may).then(splitting.parcels).otherwise(1).cast(pl.Int32),
        partly=may & splitting.partly,
    ).match_to_schema(ASKING)


def wanted(lines: pl.DataFrame, made_to_order: Collection[str] = ()) -> pl.DataFrame:
    """WANTED, of LINES: gifts stay with what they were given for. `made_to_order`: categories that stock does not
    hold."""
    return lines.select(
        "order_id",
        "line_no",
        "sku",
        "quantity",
        together="gift_of",
        stocked=~pl.col("category").is_in(list(made_to_order)).fill_null(False),
    ).match_to_schema(WANTED)
