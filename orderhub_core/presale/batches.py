"""Presale orders and the batches that their goods come in: who paid first gets the first pieces; where a batch is
late, orders move, and whose promise that breaks is told.

Pieces are dealt strictly in turn: an order that needs the last piece of one batch and the first of the next waits for
the next, and nobody overtakes it. So which batch an order is in follows from how many pieces are asked for up to it,
and how many have come up to that batch.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl

from orderhub_core.frames import INSTANT

BATCHES = pl.Schema(
    {
        "sku": pl.String(),
        "batch": pl.String(),
        "pieces": pl.Int64(),
        "ready_at": INSTANT,
        "delayed_to": INSTANT,
        "promised_at": INSTANT,
        "arrived_at": INSTANT,
    }
)
"""Batches of a SKU come in the order of their days; of equal ones as they are listed. `ready_at`: as planned,
`delayed_to`: as it is known now, null: as planned; `arrived_at`: as it was, null: it is not there, or nobody says so.
`promised_at`: until when its orders were promised to be sent, if
they have no promise of their own. A day that is null comes last."""
LINES = pl.Schema(
    {
        "order_no": pl.String(),
        "sku": pl.String(),
        "quantity": pl.Int64(),
        "paid_at": INSTANT,
        "promised_at": INSTANT,
        "taken": pl.Boolean(),
    }
)
"""What presale orders want. They take turns by `paid_at`, then as they are listed; who has none comes last. Who has
`taken` pieces already comes before all who have not (null)."""
SCHEDULE = pl.Schema(
    {
        "order_no": pl.String(),
        "sku": pl.String(),
        "quantity": pl.Int64(),
        "planned": pl.String(),
        "planned_at": INSTANT,
        "batch": pl.String(),
        "at": INSTANT,
        "promised_at": INSTANT,
        "moved": pl.Boolean(),
        "at_risk": pl.Boolean(),
        "was_at_risk": pl.Boolean(),
    }
)
"""One row per line, as they were told: the batch that its last piece is in and when that is ready, as planned and as it
is known now; null where no batch has enough. `at_risk`: it is not ready by `promised_at`, or nobody knows when;
`was_at_risk`: so as planned, too. Where nothing was promised nothing is at risk."""
USE = pl.Schema(
    {
        "sku": pl.String(),
        "batch": pl.String(),
        "at": INSTANT,
        "pieces": pl.Int64(),
        "taken": pl.Int64(),
        "left": pl.Int64(),
    }
)
"""One row per batch, in the order in which they come now."""

INSTANT_AFTER = timedelta(microseconds=1)


class Planned(NamedTuple):
    lines: pl.DataFrame
    """SCHEDULE."""
    orders: pl.DataFrame
    """One row per order, in the order of their first lines: `order_no`, `at` (null: nobody knows), `promised_at` (the
    first of its lines), `moved`, `at_risk`, `was_at_risk`: it goes when all of it is there."""
    batches: pl.DataFrame
    """USE."""


def schedule(lines: pl.DataFrame, batches: pl.DataFrame) -> Planned:
    """Of LINES and BATCHES. Lines and batches of no pieces, or of fewer, take no part."""
    wanted = lines.with_row_index("place").filter(pl.col("quantity") > 0, pl.col("sku").is_not_null())
    waits = ~pl.col("taken").fill_null(False)
    turns = wanted.sort(waits, "paid_at", "place", nulls_last=True, maintain_order=True).with_columns(
        upto=pl.col("quantity").cum_sum().over("sku")
    )
    coming = batches.filter(pl.col("pieces") > 0).with_columns(
        now_at=pl.coalesce("arrived_at", "delayed_to", "ready_at")
    )
    planned = _dealt(turns, coming, "ready_at").select(
        "place", planned="batch", planned_at="ready_at", told=pl.col("batch_promise")
    )
    now = _dealt(turns, coming, "now_at").select("place", "batch", at="now_at", number="number")
    told = turns.join(planned, on="place", how="left").join(now, on="place", how="left").sort("place")
    promise = pl.coalesce("promised_at", "told")
    made = told.with_columns(promised_at=promise).with_columns(
        moved=pl.col("planned").ne_missing(pl.col("batch")), at_risk=_late("at"), was_at_risk=_late("planned_at")
    )
    return Planned(made.select(SCHEDULE.names()).cast(SCHEDULE), _orders(made), _use(turns, coming))


def awaited(batches: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """BATCHES as they are known `now`: what nobody has said to be there comes later than now, whatever was planned."""
    late = pl.coalesce("delayed_to", "ready_at") <= now
    missing = pl.col("arrived_at").is_null() & late
    return batches.with_columns(
        delayed_to=pl.when(missing).then(pl.lit(now + INSTANT_AFTER, INSTANT)).otherwise(pl.col("delayed_to"))
    )


def due(planned: Planned, now: datetime) -> pl.DataFrame:
    """`order_no` of orders of which all has come, by batches as they are `awaited`, and the last `batch` of each."""
    there = planned.orders.filter(pl.col("at") <= now).select("order_no")
    last = planned.lines.sort("at", maintain_order=True).group_by("order_no", maintain_order=True)
    return there.join(last.agg(pl.col("batch").last()), on="order_no", how="left", maintain_order="left")


def _late(at: str) -> pl.Expr:
    late = (pl.col(at) > pl.col("promised_at")) | pl.col(at).is_null()
    return late & pl.col("promised_at").is_not_null()


def _in_turn(coming: pl.DataFrame, by: str) -> pl.DataFrame:
    """Batches by their day, each with the pieces that have come up to it."""
    ordered = coming.with_row_index("number").sort(by, "number", nulls_last=True, maintain_order=True)
    return ordered.with_columns(upto=pl.col("pieces").cum_sum().over("sku"))


def _dealt(turns: pl.DataFrame, coming: pl.DataFrame, by: str) -> pl.DataFrame:
    """Of each line the first batch up to which enough pieces have come."""
    there = _in_turn(coming, by).rename({"promised_at": "batch_promise"}).sort("upto", maintain_order=True)
    asked = turns.select("place", "sku", "upto").sort("upto", maintain_order=True)
    return asked.join_asof(
        there.select("sku", "upto", "number", "batch", by, "batch_promise"), on="upto", by="sku", strategy="forward",
        check_sortedness=False,
    )  # fmt: skip


def _orders(made: pl.DataFrame) -> pl.DataFrame:
    grouped = made.group_by("order_no", maintain_order=True)
    return grouped.agg(
        at=pl.when(pl.col("at").null_count() == 0).then(pl.col("at").max()),
        promised_at=pl.col("promised_at").min(),
        moved=pl.col("moved").any(),
        planned_at=pl.when(pl.col("planned_at").null_count() == 0).then(pl.col("planned_at").max()),
    ).select("order_no", "at", "promised_at", "moved", at_risk=_late("at"), was_at_risk=_late("planned_at"))


def _use(turns: pl.DataFrame, coming: pl.DataFrame) -> pl.DataFrame:
    asked = turns.group_by("sku").agg(asked=pl.col("quantity").sum())
    there = _in_turn(coming, "now_at").join(asked, on="sku", how="left", maintain_order="left")
    before = pl.col("upto") - pl.col("pieces")
    taken = (pl.col("asked").fill_null(0) - before).clip(0, pl.col("pieces"))
    told = there.with_columns(at="now_at", taken=taken).with_columns(left=pl.col("pieces") - pl.col("taken"))
    return told.select(USE.names()).cast(USE)
