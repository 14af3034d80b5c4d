"""The packing floor of a hub: orders that warehouses are to pack or have just sent, and what lies there of gifts."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from orderhub_core.frames import INSTANT, OWED_AT
from orderhub_core.lifecycle import OWED_STATES
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
SUBTRACTED = pl.Schema({"order_id": pl.Int64(), "warehouse": pl.String()})
"""Of orders that are held, the warehouses of which what is left is told without their pieces."""
PACKS = pl.Schema({"order_id": pl.Int64(), "shop": pl.String(), "order_no": pl.String()})
"""Orders, and each other one that goes in one parcel with them."""
TABLE = pl.Schema(
    {**checks.TABLE, "name": pl.String(), "aside": pl.Int64(), "shop": pl.String(), "tracking_no": pl.String()}
)
"""checks.TABLE, with the shop whose order it is, and the tracking number if there is one. `name`: of the SKU, as orders
tell it. `aside`: of a gift that an order waits for, pieces that lie there for orders that are held."""
_PLENTY = 1 << 40
"""Pieces of every gift, in a warehouse that reports no stock."""
_TO_LEAVE = (
    pl.col("payment").cast(pl.String).is_in([state.value for state in OWED_STATES])
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
    """checks.ON_HAND, less what is kept aside; None where no warehouse reports its stock."""
    aside: pl.DataFrame
    """`warehouse`, `sku`, `aside`: pieces that lie there for orders that are held."""
    names: pl.DataFrame
    """`sku`, `name`: what orders call it, the latest of them where they differ."""


def present(orders: pl.DataFrame, now: int) -> pl.DataFrame:
    """Of frames.ORDERS those that are to leave, and those that have left lately, `paid_at` since when they are owed.
    `now`: microseconds UTC."""
    lately = pl.col("shipped_at").is_between(pl.lit(now - LATELY_US).cast(INSTANT), pl.lit(now).cast(INSTANT))
    here = orders.filter(_TO_LEAVE | (lately & pl.col("delivered_at").is_null()))
    return here.with_columns(paid_at=OWED_AT)


def known(
    here: pl.DataFrame, lines: pl.DataFrame, left: pl.DataFrame, parcels: pl.DataFrame, held: pl.DataFrame,
    packs: pl.DataFrame, subtracted: pl.DataFrame,
) -> Known:  # fmt: skip
    """Of orders that are `present` and of frames.LINES. `left`: LEFT; `parcels`: PARCELS; `held`: HELD, which are no
    keeper's yet, and whose pieces are kept aside for them, whoever paid first; `packs`: PACKS; `subtracted`: of
    which of these that is so."""
    here = here.sort("paid_at", "order_id", nulls_last=True)
    several = parcels.select("order_id", "parcel", at="warehouse").unique(["order_id", "parcel"]).sort("parcel")
    boxes = here.join(several, on="order_id", how="left", maintain_order="left").with_columns(
        pl.coalesce("at", "warehouse").alias("warehouse")
    )
    each = ["shop", "order_no", "parcel"]
    kept = boxes.join(held, on=each, how="semi", nulls_equal=True)
    boxes = boxes.join(held, on=each, how="anti", nulls_equal=True, maintain_order="left")
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
    kept = kept.join(subtracted, on=["order_id", "warehouse"], how="semi")
    held_back = _promised(there.join(kept, on=["order_id", "parcel"], how="semi", nulls_equal=True), here, "aside")
    there = there.join(boxes.select("order_id", "parcel"), on=["order_id", "parcel"], how="semi", nulls_equal=True)
    own = there.sort("order_id", "line_no").select("line_no", "sku", "quantity", "gift_of", order_no=_key())
    on_hand, aside = _on_hand(_promised(there, here, "promised"), held_back, left)
    called = lines.filter(pl.col("name").fill_null("") != "").sort("order_id")
    names = called.unique("sku", keep="last", maintain_order=True).select("sku", "name")
    return Known(floor, own.select(checks.LINES.names()).cast(checks.LINES), on_hand, aside, names)


def _key() -> pl.Expr:
    """With a blank, which no scanned code has."""
    return _in_parcels(pl.format("order {}", "order_id"))


def _in_parcels(number: pl.Expr) -> pl.Expr:
    return pl.when(pl.col("parcel").is_null()).then(number).otherwise(pl.format("{}/{}", number, "parcel"))


def _promised(lines: pl.DataFrame, here: pl.DataFrame, name: str) -> pl.DataFrame:
    """Pieces that are to leave, by warehouse and SKU."""
    waiting = lines.join(here.filter(_TO_LEAVE).select("order_id"), on="order_id", how="semi")
    return waiting.group_by("warehouse", "sku").agg(pl.col("quantity").cast(pl.Int64).sum().alias(name))


def _on_hand(
    promised: pl.DataFrame, kept: pl.DataFrame, left: pl.DataFrame
) -> tuple[pl.DataFrame | None, pl.DataFrame]:
    """What lies there for these orders: what is left, and what they are promised; everything, where no stock is
    reported. And what lies there beside that, kept for others."""
    by = ["warehouse", "sku"]
    counted = left.join(promised, on=by, how="left").join(kept, on=by, how="left").with_columns(
        pl.col("promised", "aside").fill_null(0)
    )  # fmt: skip
    own = pl.col("left") + pl.col("promised")
    aside = counted.select(*by, aside=(own.clip(upper_bound=0) + pl.col("aside")).clip(0)).filter(pl.col("aside") > 0)
    if left.is_empty():
        return None, aside
    silent = promised.join(left.select("warehouse").unique(), on="warehouse", how="anti", nulls_equal=True)
    told = [counted.select(*by, on_hand=own.clip(0)), silent.select(*by, on_hand=pl.lit(_PLENTY))]
    return pl.concat(told).match_to_schema(checks.ON_HAND), aside


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


def sent(floor: Known, box: str) -> list[tuple[str, int]]:
    """The orders with that order or tracking number that are said to have left, and when, microseconds UTC. Many shops
    say so as the label is printed."""
    mine = floor.orders.filter((pl.col("order_no") == box) | (pl.col("tracking_no") == box))
    return mine.drop_nulls("shipped_at").select("order_no", pl.col("shipped_at").cast(pl.Int64)).rows()


def _parcels(orders: pl.DataFrame) -> pl.DataFrame:
    """As checks know them: by their keys."""
    return orders.drop("order_no").rename({"key": "order_no"}).select(checks.PARCELS.names()).cast(checks.PARCELS)


def _named(found: pl.DataFrame, floor: Known) -> pl.DataFrame:
    names = floor.orders.select("key", "shop", "tracking_no", number="order_no")
    told = found.join(names, left_on="order_no", right_on="key", how="left", maintain_order="left")
    told = told.join(floor.names, on="sku", how="left", maintain_order="left")
    told = told.join(floor.aside, on=["warehouse", "sku"], how="left", maintain_order="left").with_columns(
        pl.when(pl.col("verdict") == "hold").then(pl.col("aside").fill_null(0))
    )
    return told.with_columns(order_no="number").select(TABLE.names()).cast(TABLE)
