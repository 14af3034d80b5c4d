"""The packing floor of a hub: orders that warehouses are to pack or have just sent, and what lies there of gifts."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from orderhub_core.frames import INSTANT
from orderhub_core.packing import checks
from orderhub_core.packing.checks import Floor

DAY_US = 86_400_000_000
LATELY_US = 3 * DAY_US
"""So long after it left a parcel is looked at: whoever has no tracking number then is found by the audits."""
LEFT = pl.Schema({"warehouse": pl.String(), "sku": pl.String(), "left": pl.Int64()})
"""What orders may still take of warehouses that report their stock: what lies there, less what is promised."""
PARCELS = pl.Schema(
    {"order_id": pl.Int64(), "line_no": pl.Int32(), "parcel": pl.Int64(), "warehouse": pl.String()}
)  # fmt: skip
"""Of orders that go in several parcels, where each line goes."""
HELD = pl.Schema({"shop": pl.String(), "order_no": pl.String(), "parcel": pl.Int64()})
"""What a person must let go first, or what waits for others: orders, or one parcel of them; null: the order goes
whole."""
PACKS = pl.Schema({"order_id": pl.Int64(), "shop": pl.String(), "order_no": pl.String()})
"""Orders, and each other one that goes in one parcel with them."""
TABLE = pl.Schema({**checks.TABLE, "shop": pl.String(), "tracking_no": pl.String()})
"""checks.TABLE, with the shop whose order it is, and the tracking number if there is one."""
_PLENTY = 1 << 40
"""Pieces of every gift, in a warehouse that reports no stock."""
_TO_LEAVE = (
    pl.col("payment").cast(pl.String).is_in(["paid", "partly_refunded", "settled"])
    & ~pl.col("fulfilment").cast(pl.String).is_in(["cancelled", "intercepted"])
    & pl.all_horizontal(pl.col("shipped_at", "collected_at", "delivered_at").is_null())
)


class Known(NamedTuple):
    """What is on the floor, by a number of its own: two shops may have the same order number."""

    orders: pl.DataFrame
    """`key`, `shop`, `order_no`, the columns of checks.PARCELS, and `pack_with`: the numbers of those that go in one
    parcel with it, null where none does. Of an order that goes in several parcels a row for each: `A1/2` is the second
    of A1."""
    lines: pl.DataFrame
    """checks.LINES, with the `key` as order number."""
    on_hand: pl.DataFrame | None
    """checks.ON_HAND; None where no warehouse reports its stock."""


def present(orders: pl.DataFrame, now: int) -> pl.DataFrame:
    """Of frames.ORDERS those that are to leave, and those that have left lately. `now`: microseconds UTC."""
    lately = pl.col("shipped_at").is_between(pl.lit(now - LATELY_US).cast(INSTANT), pl.lit(now).cast(INSTANT))
    return orders.filter(_TO_LEAVE | (lately & pl.col("delivered_at").is_null())).sort("paid_at", "order_id")


def known(
    here: pl.DataFrame, lines: pl.DataFrame, left: pl.DataFrame, parcels: pl.DataFrame, held: pl.DataFrame,
    packs: pl.DataFrame,
) -> Known:  # fmt: skip
    """Of orders that are `present` and of frames.LINES. `left`: LEFT; `parcels`: PARCELS; `held`: HELD, which are no
    keeper's yet, and whose pieces are not counted as lying there; `packs`: PACKS."""
    several = parcels.select("order_id", "parcel", at="warehouse").unique(["order_id", "parcel"]).sort("parcel")
    boxes = here.join(several, on="order_id", how="left", maintain_order="left").with_columns(
        pl.coalesce("at", "warehouse").alias("warehouse")
    )
    boxes = boxes.join(held, on=["shop", "order_no", "parcel"], how="anti", nulls_equal=True, maintain_order="left")
    there = (
        lines.join(here.select("order_id", own="warehouse"), on="order_id", how="inner")
        .join(parcels, on=["order_id", "line_no"], how="left")
        .with_columns(pl.coalesce("warehouse", "own").alias("warehouse"))
    )
    beside = packs.sort("order_no").group_by("order_id").agg(pack_with=pl.col("order_no").str.join(", "))
    floor = boxes.join(beside, on="order_id", how="left", maintain_order="left").select(
        "shop", "warehouse", "paid_at", "shipped_at", "tracking_no", "pack_with",
        order_no=_in_parcels(pl.col("order_no")), key=_key(),
        keeper="warehouse",
    )  # fmt: skip
    there = there.join(boxes.select("order_id", "parcel"), on=["order_id", "parcel"], how="semi", nulls_equal=True)
    own = there.sort("order_id", "line_no").select("line_no", "sku", "quantity", "gift_of", order_no=_key())
    return Known(floor, own.select(checks.LINES.names()).cast(checks.LINES), _on_hand(here, there, left))


def _key() -> pl.Expr:
    """With a blank, which no scanned code has."""
    return _in_parcels(pl.format("order {}", "order_id"))


def _in_parcels(number: pl.Expr) -> pl.Expr:
    return pl.when(pl.col("parcel").is_null()).then(number).otherwise(pl.format("{}/{}", number, "parcel"))


def _on_hand(here: pl.DataFrame, there: pl.DataFrame, left: pl.DataFrame) -> pl.DataFrame | None:
    """What lies there: what is left, and what these orders are promised; everything, where no stock is reported."""
    if left.is_empty():
        return None
    waiting = there.join(here.filter(_TO_LEAVE).select("order_id"), on="order_id", how="semi")
    promised = waiting.group_by("warehouse", "sku").agg(pl.col("quantity").cast(pl.Int64).sum().alias("promised"))
    counted = left.join(promised, on=["warehouse", "sku"], how="left").select(
        "warehouse", "sku", on_hand=(pl.col("left") + pl.col("promised").fill_null(0)).clip(0)
    )
    silent = promised.join(left.select("warehouse").unique(), on="warehouse", how="anti", nulls_equal=True)
    told = pl.concat([counted, silent.select("warehouse", "sku", on_hand=pl.lit(_PLENTY))])
    return told.match_to_schema(checks.ON_HAND)


def table(floor: Known, now: int, *, within_s: int = checks.TRACKING_S) -> pl.DataFrame:
    """TABLE of all of the floor: see checks.checks."""
    known = Floor(_parcels(floor.orders), floor.lines, floor.on_hand)
    return _named(checks.checks(known, now, within_s=within_s), floor)


def boxed(floor: Known, box: str, codes: list[str], now: int) -> pl.DataFrame:
    """TABLE of one box while it is packed: of the orders with that order or tracking number, what is still to be
    scanned and what does not belong there. The box itself counts as scanned. No row where there is none."""
    mine = floor.orders.filter((pl.col("order_no") == box) | (pl.col("tracking_no") == box))
    parcels, its_own = _parcels(mine), {*mine["order_no"], *mine["tracking_no"].drop_nulls()}
    pairs = [(key, code, 1) for key in parcels["order_no"] for code in (key, *codes) if code not in its_own]
    scans = pl.DataFrame(pairs, schema=checks.SCANS, orient="row")
    found = checks.checks(Floor(parcels, floor.lines, None, scans), now)
    return _named(found.filter(pl.col("stage") == "while_packing"), floor)


def beside(floor: Known, box: str) -> list[tuple[str, str]]:
    """Of the orders with that order or tracking number that are packed with others: their numbers, and the others'."""
    mine = floor.orders.filter((pl.col("order_no") == box) | (pl.col("tracking_no") == box))
    return mine.drop_nulls("pack_with").select("order_no", "pack_with").rows()


def _parcels(orders: pl.DataFrame) -> pl.DataFrame:
    """As checks know them: by their keys."""
    return orders.drop("order_no").rename({"key": "order_no"}).select(checks.PARCELS.names()).cast(checks.PARCELS)


def _named(found: pl.DataFrame, floor: Known) -> pl.DataFrame:
    names = floor.orders.select("key", "shop", "tracking_no", number="order_no")
    told = found.join(names, left_on="order_no", right_on="key", how="left", maintain_order="left")
    return told.with_columns(order_no="number").select(TABLE.names()).cast(TABLE)
