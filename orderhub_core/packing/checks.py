"""The three checks of a parcel with gifts, as one table: is its gift there before anybody packs; is everything in the
box; has a tracking number come after it left?

Each question is answered of the orders of which its frames know something; what is not told is not asked.
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

import polars as pl

from orderhub_core.frames import INSTANT
from orderhub_core.rules import speeds
from orderhub_core.rules.claims import ASKING, BOOKED, CANDIDATES, LIMITS, STOCK, WANTED, Question, Resources
from orderhub_core.rules.resources import allocate
from orderhub_core.rules.speeds import Run

LINES = pl.Schema(
    {"order_no": pl.String(), "line_no": pl.Int32(), "sku": pl.String(), "quantity": pl.Int32(), "gift_of": pl.Int32()}
)
"""What belongs into the parcels. `gift_of`: of a gift the line that earned it, or any number; null: it was bought."""
PARCELS = pl.Schema(
    {
        "order_no": pl.String(),
        "warehouse": pl.String(),
        "paid_at": INSTANT,
        "shipped_at": INSTANT,
        "tracking_no": pl.String(),
        "keeper": pl.String(),
    }
)
"""One row per order. `keeper`: who is told, in the warehouse."""
ON_HAND = pl.Schema({"warehouse": pl.String(), "sku": pl.String(), "on_hand": pl.Int64()})
"""Gift stock as it is now. What has no row is not there. Where no warehouse is named, there is one."""
SCANS = pl.Schema({"order_no": pl.String(), "code": pl.String(), "quantity": pl.Int64()})
"""What was scanned into an order's box. A code that is the order's number or its tracking number is that of the box,
else it is a SKU."""

STAGES = pl.Enum(["before_packing", "while_packing", "after_shipping"])
VERDICTS = pl.Enum(["go", "hold", "pass", "fail", "ok", "wait", "alert"])
BAD = ("hold", "fail", "alert")
ITEMS = pl.Enum(["gift", "main", "box", "stranger", "contents", "tracking_no"])
TABLE = pl.Schema(
    {
        "stage": STAGES,
        "order_no": pl.String(),
        "warehouse": pl.String(),
        "keeper": pl.String(),
        "verdict": VERDICTS,
        "item": ITEMS,
        "sku": pl.String(),
        "needed": pl.Int64(),
        "there": pl.Int64(),
        "since": INSTANT,
    }
)
"""One row per order and check that it passes; of one that it does not, one row for each thing at fault: `item` and
`sku` name it, `needed` and `there` are pieces. A `stranger` was scanned and does not belong there; of an order without
any line the `contents` are at fault, for nobody has told what belongs there. `since`: of the check after shipping when
it left. In the order of the checks, within each that of the orders."""
MANY = 100_000
"""Parcels from which on it pays to have the turns as machine code."""
TRACKING_S = 15 * 60
"""So long after it left a parcel may be without a tracking number."""


class Floor(NamedTuple):
    """What is known of a packing floor. None: nobody has said."""

    parcels: pl.DataFrame
    lines: pl.DataFrame
    on_hand: pl.DataFrame | None = None
    scans: pl.DataFrame | None = None


def checks(floor: Floor, now: int, *, within_s: int = TRACKING_S) -> pl.DataFrame:
    """TABLE. `now`: microseconds UTC.

    Before packing: orders that have not left take the gifts they need one after the other, the first paid first, all of
    an order's or none. While packing: of orders with a scan. After shipping: of orders that have left; without a number
    at the very end of `within_s` it is an alert.
    """
    run = speeds.compiled() if floor.parcels.height >= MANY else speeds.plain
    parts = [
        *([] if floor.on_hand is None else [_before_packing(floor, floor.on_hand, run)]),
        *([] if floor.scans is None else [_while_packing(floor, floor.scans)]),
        _after_shipping(floor, now, within_s),
    ]
    every = floor.parcels.select("order_no", "warehouse", "keeper", place=pl.int_range(pl.len()))
    told = pl.concat([TABLE.to_frame().drop("warehouse", "keeper"), *parts])
    named = told.join(every, on="order_no", how="left", maintain_order="left")
    return named.sort("stage", "place", maintain_order=True).select(TABLE.names())


def _gifts() -> pl.Expr:
    return pl.col("gift_of").is_not_null()


def _before_packing(floor: Floor, on_hand: pl.DataFrame, run: Run) -> pl.DataFrame:
    here = floor.parcels.filter(pl.col("shipped_at").is_null()).with_row_index("order_id")
    here = here.with_columns(pl.col("order_id").cast(pl.Int64), pl.col("warehouse").fill_null(""))
    gifts = floor.lines.filter(_gifts()).join(here.select("order_no", "order_id"), on="order_no", how="inner",
                                              maintain_order="left")  # fmt: skip
    asking = here.filter(pl.col("order_id").is_in(gifts["order_id"].implode()))
    # Who has not paid, or nobody knows when, comes last.
    turns = asking.select(
        "order_id",
        turn=pl.col("paid_at").is_null().cast(pl.Int64),
        paid_at=pl.col("paid_at").fill_null(pl.lit(0).cast(INSTANT)),
        parcels=pl.lit(1, pl.Int32),
        partly=pl.lit(False),
    )
    wanted = gifts.select(
        "order_id", line_no=pl.int_range(pl.len(), dtype=pl.Int32), sku="sku", quantity="quantity",
        together=pl.lit(None, pl.Int32), stocked=pl.lit(True),
    )  # fmt: skip
    places = asking.select("order_id", rank=pl.lit(1, pl.Int32), warehouse="warehouse", closed=pl.lit(None, pl.String))
    stock = on_hand.with_columns(pl.col("warehouse").fill_null(""), safety=pl.lit(0, pl.Int64)).group_by(
        "warehouse", "sku", "safety", maintain_order=True
    ).agg(pl.col("on_hand").min()).select(STOCK.names())  # fmt: skip
    question = Question(turns.cast(ASKING), wanted.cast(WANTED), places.cast(CANDIDATES))
    found = allocate(question, Resources(stock, LIMITS.to_frame(), BOOKED.to_frame()), zone="UTC", run=run)
    names = here.select("order_id", "order_no")
    short = found.lacks.join(names, on="order_id", how="left", maintain_order="left")
    held = _rows("before_packing", "hold", short.select(
        "order_no", item=pl.lit("gift"), sku="sku", needed="asked", there="left"))  # fmt: skip
    free = found.orders.filter(pl.col("outcome") != "short").join(names, on="order_id", how="left")
    return pl.concat([held, _rows("before_packing", "go", free.select("order_no"))])


def _while_packing(floor: Floor, scans: pl.DataFrame) -> pl.DataFrame:
    known = scans.filter(pl.col("code").is_not_null()).with_columns(pl.col("quantity").fill_null(1))
    known = known.join(
        floor.parcels.select("order_no", "tracking_no"), on="order_no", how="inner", maintain_order="left"
    )
    is_box = (pl.col("code") == pl.col("order_no")) | (pl.col("code") == pl.col("tracking_no")).fill_null(False)
    begun = floor.parcels.select("order_no").filter(pl.col("order_no").is_in(known["order_no"].implode()))
    boxed = known.filter(is_box)["order_no"].unique()
    untold = begun.filter(~pl.col("order_no").is_in(floor.lines["order_no"].implode()))
    begun = begun.join(untold, on="order_no", how="anti", maintain_order="left")
    told = known.filter(~is_box).join(begun, on="order_no", how="semi")
    scanned = told.group_by("order_no", sku="code").agg(there=pl.col("quantity").sum())
    sold = floor.lines.join(begun, on="order_no", how="semi").with_columns(pl.col("sku").fill_null(""))
    needed = sold.group_by("order_no", "sku", maintain_order=True).agg(
        needed=pl.col("quantity").cast(pl.Int64).sum(),
        bought=pl.col("quantity").filter(~_gifts()).cast(pl.Int64).sum(),
    )
    both = needed.join(scanned, on=["order_no", "sku"], how="full", coalesce=True, maintain_order="left_right")
    both = both.with_columns(pl.col("needed", "bought", "there").fill_null(0)).filter(
        pl.col("needed") != pl.col("there")
    )
    # Pieces of a SKU that is both bought and given are the bought ones first: what is missing of them is the gift.
    item = (
        pl.when(pl.col("there") > pl.col("needed")).then(pl.lit("stranger"))
        .when(pl.col("there") >= pl.col("bought")).then(pl.lit("gift")).otherwise(pl.lit("main"))
    )  # fmt: skip
    goods = both.select("order_no", item=item, sku="sku", needed="needed", there="there")
    boxes = begun.filter(~pl.col("order_no").is_in(boxed.implode())).select(
        "order_no",
        item=pl.lit("box"),
        sku=pl.lit(None, pl.String),
        needed=pl.lit(1, pl.Int64),
        there=pl.lit(0, pl.Int64),
    )
    wrong = pl.concat([boxes, goods])
    nothing = untold.select("order_no", item=pl.lit("contents"))
    right = begun.filter(~pl.col("order_no").is_in(wrong["order_no"].implode()))
    return pl.concat(
        [
            _rows("while_packing", "fail", nothing),
            _rows("while_packing", "fail", wrong),
            _rows("while_packing", "pass", right),
        ]
    )


def _after_shipping(floor: Floor, now: int, within_s: int) -> pl.DataFrame:
    left = floor.parcels.filter(pl.col("shipped_at") <= pl.lit(now).cast(INSTANT))
    late = pl.lit(now).cast(INSTANT) - pl.col("shipped_at") >= timedelta(seconds=within_s)
    has = pl.col("tracking_no").fill_null("") != ""
    verdict = pl.when(has).then(pl.lit("ok")).when(late).then(pl.lit("alert")).otherwise(pl.lit("wait"))
    told = left.with_columns(verdict=verdict)
    return pl.concat(
        [
            _rows("after_shipping", each, told.filter(pl.col("verdict") == each).select(
                "order_no", since="shipped_at", item=pl.lit(None if each == "ok" else "tracking_no", pl.String)))
            for each in ("alert", "wait", "ok")
        ]
    )  # fmt: skip


def _rows(stage: str, verdict: str, found: pl.DataFrame) -> pl.DataFrame:
    told = found.with_columns(stage=pl.lit(stage), verdict=pl.lit(verdict))
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in TABLE.items() if name not in told]
    shape = pl.Schema({name: dtype for name, dtype in TABLE.items() if name not in ("warehouse", "keeper")})
    return told.with_columns(absent).select(shape.names()).cast(shape)
