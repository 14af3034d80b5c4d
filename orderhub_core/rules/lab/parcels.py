"""How many parcels two rulebooks ask for, and what sending costs from the warehouses that they choose."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from orderhub_core.rules import freight
from orderhub_core.rules.bits import Numbers
from orderhub_core.rules.dictionary import FIELDS
from orderhub_core.rules.index import Index
from orderhub_core.rules.lab.comparing import Comparison
from orderhub_core.rules.lab.loads import Table
from orderhub_core.rules.lab.wants import NOTHING, Choice
from orderhub_core.rules.splitting import BY_KIND, counts

SPLITS = pl.Schema(
    {
        "how": pl.String(),
        "before": pl.Int64(),
        "after": pl.Int64(),
        "parcels_before": pl.Int64(),
        "parcels_after": pl.Int64(),
    }
)
"""Orders by the way in which they are to be split, and the parcels that makes; empty: no rule speaks of it, so one
parcel. By category and by SKU an order goes in as many as its lines have; into how many by warehouse or by stock,
stock decides: null."""
FREIGHT = pl.Schema(
    {
        "warehouse": pl.String(),
        "orders_before": pl.Int64(),
        "orders_after": pl.Int64(),
        "cost_before_minor": pl.Int64(),
        "cost_after_minor": pl.Int64(),
        "unpriced_before": pl.Int64(),
        "unpriced_after": pl.Int64(),
    }
)
"""What it costs to send each order as one parcel from its warehouse; and how many orders have no price there: of a
place without a zone, or a weight that nobody knows."""
WEIGHTS = pl.Schema({"sku": pl.String(), "weight_g": pl.Int64()})


class Prices(NamedTuple):
    """WEIGHTS, and ZONES and TARIFFS of `freight`."""

    weights: pl.DataFrame
    zones: pl.DataFrame
    tariffs: pl.DataFrame


def splits(compared: Comparison) -> pl.DataFrame:
    """SPLITS."""
    before, after = compared.choices("split")
    told = []
    for code, how in enumerate(before.words):
        sides = [side.codes == code for side in (before, after)]
        parts = _parts(compared.index, how)
        parcels = [0 if not side.any() else None if parts is None else int(parts[side].sum()) for side in sides]
        told.append((how, *(int(side.sum()) for side in sides), *parcels))
    return pl.DataFrame(told, schema=SPLITS, orient="row")


def _parts(index: Index, how: str) -> Numbers | None:
    """Parcels of each order that goes so; None where its lines do not say. One without lines is one parcel."""
    if how in (NOTHING, "never"):
        return np.ones(index.orders.height, np.int64)
    if how not in BY_KIND or index.raw_lines.is_empty():
        return None
    return counts(index.place, index.lines.column(FIELDS[BY_KIND[how]]), index.orders.height)


def freights(compared: Comparison, prices: Prices) -> pl.DataFrame:
    """FREIGHT of each warehouse that either book assigns."""
    before, after = compared.choices("assign_warehouse")
    parcel, table = _priced(compared.index, prices, before.words)
    told = []
    sides = [_costs(side, parcel, table, len(before.words)) for side in (before, after)]
    for code, warehouse in enumerate(before.words[1:], 1):
        orders, costs, unpriced = zip(*((int(part[code]) for part in side) for side in sides), strict=True)
        told.append((warehouse, *orders, *costs, *unpriced))
    return pl.DataFrame(told, schema=FREIGHT, orient="row")


def _priced(index: Index, prices: Prices, warehouses: list[str]) -> tuple[Numbers, Table]:
    """Of each order the number of its kind of parcel; and what each kind costs from each warehouse, -1: nobody knows.
    Parcels of the same weight to the same place cost the same."""
    orders = index.raw_orders.select("order_id", "province").with_row_index("row")
    weighed = index.raw_lines.select("order_id", "sku", "quantity").join(prices.weights, on="sku", how="left")
    # A weight that is missing makes that of the order unknown, where a sum would pass over it.
    whole = weighed.group_by("order_id").agg(
        weight_g=pl.when(pl.col("weight_g").null_count() == 0).then((pl.col("quantity") * pl.col("weight_g")).sum())
    )
    sent = orders.join(whole, on="order_id", how="left", maintain_order="left")
    kinds = sent.select("province", "weight_g").unique(maintain_order=True).with_row_index("order_id")
    parcel = sent.join(kinds, on=["province", "weight_g"], how="left", nulls_equal=True, maintain_order="left")
    asked = kinds.select(pl.col("order_id").cast(pl.Int64), "province", pl.col("weight_g").cast(pl.Int64))
    costs = freight.costs(asked, prices.zones, prices.tariffs).drop_nulls("cost_minor")
    known = costs.filter(pl.col("warehouse").is_in(warehouses))
    table = np.full((kinds.height, len(warehouses)), -1, np.int64)
    codes = {warehouse: code for code, warehouse in enumerate(warehouses)}
    table[known["order_id"].to_numpy(), known["warehouse"].replace_strict(codes, return_dtype=pl.Int64).to_numpy()] = (
        known["cost_minor"].to_numpy()
    )
    return parcel["order_id_right"].to_numpy().astype(np.int64), table


def _costs(side: Choice, parcel: Numbers, table: Table, size: int) -> tuple[Numbers, Numbers, Numbers]:
    """Of each warehouse its orders, what they cost, and how many of them have no price."""
    costs = table[parcel, side.codes]
    known = costs >= 0
    paid = np.bincount(side.codes[known], costs[known], size).astype(np.int64)
    return np.bincount(side.codes, minlength=size), paid, np.bincount(side.codes[~known], minlength=size)
