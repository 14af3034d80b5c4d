"""How many parcels two rulebooks ask for, and what sending costs from the warehouses that they choose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from orderhub_core.rules import freight
from orderhub_core.rules.actions import NEVER
from orderhub_core.rules.bits import Bools, Numbers
from orderhub_core.rules.dictionary import FIELDS
from orderhub_core.rules.index import Index
from orderhub_core.rules.lab.comparing import Comparison
from orderhub_core.rules.lab.loads import Table
from orderhub_core.rules.lab.wants import NOTHING, Choice
from orderhub_core.rules.splitting import KINDS, column, counts, is_by_place, parted
from orderhub_core.rules.ways import read

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
"""What it costs to send each order from its warehouse, each of its parcels by its own weight; and how many orders have
no price there: of a place without a zone, a weight that nobody knows, or parcels that stock decides on."""
UNKNOWN = -1
"""A price that nobody knows."""
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
    if how in (NOTHING, NEVER):
        return np.ones(index.orders.height, np.int64)
    if not column(how) or index.raw_lines.is_empty():
        return None
    return counts(index.place, index.lines.column(FIELDS[column(how)]), index.orders.height, read(how).most)


def freights(compared: Comparison, prices: Prices) -> pl.DataFrame:
    """FREIGHT of each warehouse that either book assigns."""
    before, after = compared.choices("assign_warehouse")
    split = compared.choices("split")
    whole, table = _priced(_weighed(compared.index, prices), prices, before.words)
    several = {
        code: _Several(compared.index, prices, way, [side.codes == code for side in split], before.words)
        for code, way in enumerate(split[0].words)
        if column(way)
    }
    of_stock = [code for code, way in enumerate(split[0].words) if is_by_place(way)]
    told, sides = [], []
    for side, how in zip((before, after), split, strict=True):
        each = table[whole, side.codes]
        each[np.isin(how.codes, of_stock)] = UNKNOWN
        for code, apart in several.items():
            own = (how.codes == code) & apart.orders
            each[own] = apart.costs(own, side.codes[own])
        sides.append(_summed(side, each, len(before.words)))
    for code, warehouse in enumerate(before.words[1:], 1):
        orders, costs, unpriced = zip(*((int(part[code]) for part in side) for side in sides), strict=True)
        told.append((warehouse, *orders, *costs, *unpriced))
    return pl.DataFrame(told, schema=FREIGHT, orient="row")


class _Several:
    """What orders cost that either book has split by their kinds, as the one decision on that puts their lines."""

    def __init__(
        self, index: Index, prices: Prices, way: str, sides: Sequence[Bools], warehouses: list[str]
    ) -> None:  # fmt: skip
        parts = _parts(index, way)
        self.orders: Bools = (sides[0] | sides[1]) & (False if parts is None else parts > 1)
        """Those that go in more than one parcel."""
        rows = np.flatnonzero(self.orders)
        self._at = np.full(index.orders.height, -1, np.int64)
        self._at[rows] = np.arange(len(rows))
        lines = index.raw_lines.filter(pl.col("order_id").is_in(index.raw_orders["order_id"].gather(rows).implode()))
        gift_of = pl.col("gift_of") if "gift_of" in lines else pl.lit(None)
        kinds = lines.select("order_id", "line_no", gift_of=gift_of, kind=column(way), most=pl.lit(read(way).most))
        goes = parted(kinds.cast(KINDS)).unique(["order_id", "line_no"])
        numbered = lines.with_columns(pl.col("line_no").cast(pl.Int32)).join(goes, on=["order_id", "line_no"])
        parcels = _weighed(index, prices, numbered)
        inside = parcels.filter(pl.col("row").is_in(pl.Series(rows).implode()))
        kind, table = _priced(inside, prices, warehouses)
        costs, at = table[kind], self._at[inside["row"].to_numpy()]
        self._costs = np.zeros((len(rows), len(warehouses)), np.int64)
        np.add.at(self._costs, at, costs)
        lost = np.zeros(self._costs.shape, np.int64)
        np.add.at(lost, at, costs == UNKNOWN)
        self._costs[lost > 0] = UNKNOWN

    def costs(self, orders: Bools, warehouses: Numbers) -> Numbers:
        """Of these orders from these warehouses."""
        found: Numbers = self._costs[self._at[orders], warehouses]
        return found


def _weighed(index: Index, prices: Prices, lines: pl.DataFrame | None = None) -> pl.DataFrame:
    """`row`, `province`, `weight_g` of each order as one parcel; or of each parcel that the lines say they go in."""
    by = ["order_id"] if lines is None else ["order_id", "parcel"]
    own = index.raw_lines if lines is None else lines
    weighed = own.select(*by, "sku", "quantity").join(prices.weights, on="sku", how="left")
    # A weight that is missing makes that of the parcel unknown, where a sum would pass over it.
    whole = weighed.group_by(by, maintain_order=True).agg(
        weight_g=pl.when(pl.col("weight_g").null_count() == 0).then((pl.col("quantity") * pl.col("weight_g")).sum())
    )
    orders = index.raw_orders.select("order_id", "province").with_row_index("row")
    return orders.join(whole, on="order_id", how="left", maintain_order="left").select("row", "province", "weight_g")


def _priced(sent: pl.DataFrame, prices: Prices, warehouses: list[str]) -> tuple[Numbers, Table]:
    """Of each parcel the number of its kind; and what each kind costs from each warehouse, or UNKNOWN. Parcels of the
    same weight to the same place cost the same."""
    kinds = sent.select("province", "weight_g").unique(maintain_order=True).with_row_index("order_id")
    parcel = sent.join(kinds, on=["province", "weight_g"], how="left", nulls_equal=True, maintain_order="left")
    asked = kinds.select(pl.col("order_id").cast(pl.Int64), "province", pl.col("weight_g").cast(pl.Int64))
    costs = freight.costs(asked, prices.zones, prices.tariffs).drop_nulls("cost_minor")
    known = costs.filter(pl.col("warehouse").is_in(warehouses))
    table = np.full((kinds.height, len(warehouses)), UNKNOWN, np.int64)
    codes = {warehouse: code for code, warehouse in enumerate(warehouses)}
    table[known["order_id"].to_numpy(), known["warehouse"].replace_strict(codes, return_dtype=pl.Int64).to_numpy()] = (
        known["cost_minor"].to_numpy()
    )
    return parcel["order_id"].to_numpy().astype(np.int64), table


def _summed(side: Choice, costs: Numbers, size: int) -> tuple[Numbers, Numbers, Numbers]:
    """Of each warehouse its orders, what they cost, and how many of them have no price."""
    known = costs != UNKNOWN
    paid = np.bincount(side.codes[known], costs[known], size).astype(np.int64)
    return np.bincount(side.codes, minlength=size), paid, np.bincount(side.codes[~known], minlength=size)
