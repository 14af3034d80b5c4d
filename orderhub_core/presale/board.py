"""Presale for those who look after it: batches, and the orders whose promise is at risk, in people's words. Pure."""

from __future__ import annotations

import polars as pl

from orderhub_core.i18n import Tile, Translate
from orderhub_core.presale.texts import lost as lost_by_sku

MOST = 1_000
"""Rows that one page shows."""
MOST_DRAWN = 40
"""Batches that a picture holds."""
NOTHING = (
    "No rule holds an order for a presale, and no batch is planned, so there is nothing to show. To begin: let a rule"
    " hold what is sold before it is there (`hold presale`), and tell what comes by `orderhub presale plan FILE`; the"
    " file has the columns `sku`, `batch`, `pieces` and `ready_at`."
)
NOT_HERE = "A snapshot knows no batches: look at the hub itself."
STATES = {
    "there": "there",
    "coming": "coming",
    "overdue": "overdue: nobody has said that it is there",
    "undated": "nobody knows when",
}


def tiles(orders: pl.DataFrame, batches: pl.DataFrame, unplanned: pl.DataFrame, tr: Translate) -> list[Tile]:
    """Of the frames of a hub's presale schedule."""
    gone, risky, late = orders["gone"].sum(), orders["at_risk"].sum(), batches["overdue"].sum()
    lost = unplanned.n_unique(["shop", "order_no"])
    return [
        (tr("Wait for their batch"), f"{orders.height - gone:,}", tr("presale orders"), "plain"),
        (tr("Their batch is there"), f"{gone:,}", tr("let go, or with their pieces kept"), "plain"),
        (tr("Promise at risk"), f"{risky:,}", tr("ready after it, or nobody knows when"), "bad" if risky else "plain"),
        (tr("Batches overdue"), f"{late:,}", tr("their day is over"), "bad" if late else "plain"),
        (tr("Without a batch"), f"{lost:,}", tr("nobody has said what comes when"), "bad" if lost else "plain"),
    ]


def coming(batches: pl.DataFrame, zone: str, tr: Translate) -> pl.DataFrame:
    """One row per batch: when it is there, what is taken of it and what is left."""
    state = (
        pl.when("is_there").then(pl.lit("there")).when("overdue").then(pl.lit("overdue"))
        .when(pl.col("at").is_null()).then(pl.lit("undated")).otherwise(pl.lit("coming"))
    )  # fmt: skip
    names = {key: tr(said) for key, said in STATES.items()}
    return batches.select(
        pl.col("sku").alias("SKU"),
        pl.col("batch").alias(tr("Batch")),
        state.replace_strict(names, return_dtype=pl.String).alias(tr("State")),
        _local("at", zone).fill_null(tr("nobody knows when")).alias(tr("Ready")),
        pl.col("pieces").alias(tr("Pieces")),
        pl.col("taken").alias(tr("Taken")),
        pl.col("left").alias(tr("Left over")),
    )


def risks(orders: pl.DataFrame, zone: str, tr: Translate) -> pl.DataFrame:
    """The orders whose promise is at risk, those that were promised first before the others."""
    return _told(orders.filter("at_risk").sort("promised_at", maintain_order=True), zone, tr)


def waiting(orders: pl.DataFrame, zone: str, tr: Translate) -> pl.DataFrame:
    """All that wait, each with its batch; those that go first before the others."""
    return _told(orders.filter(~pl.col("gone")).sort("at", nulls_last=True, maintain_order=True), zone, tr)


def lost(unplanned: pl.DataFrame, tr: Translate) -> pl.DataFrame:
    """Orders that wait for what nobody has planned."""
    return unplanned.select(
        pl.col("order_no").alias(tr("Order")),
        pl.col("shop").alias(tr("Shop")),
        pl.col("sku").alias("SKU"),
        pl.col("pieces").alias(tr("Pieces")),
    )


def unplanned_said(unplanned: pl.DataFrame, tr: Translate) -> str:
    """Which SKUs that is, each with its orders."""
    some = [
        tr("{sku}: orders {orders}, pieces {pieces}").format(sku=sku, orders=orders, pieces=pieces)
        for sku, orders, pieces in lost_by_sku(unplanned).head(MOST_DRAWN).iter_rows()
    ]
    return tr("No batch is planned of these, so nobody knows when their orders go:") + "\n" + "\n".join(some)


def _told(orders: pl.DataFrame, zone: str, tr: Translate) -> pl.DataFrame:
    return orders.select(
        pl.col("order_no").alias(tr("Order")),
        pl.col("shop").alias(tr("Shop")),
        pl.col("batch").fill_null(tr("none")).alias(tr("Batch")),
        _local("at", zone).fill_null(tr("nobody knows when")).alias(tr("Ready")),
        _local("promised_at", zone).fill_null(tr("nothing promised")).alias(tr("Promised until")),
    )


def _local(name: str, zone: str) -> pl.Expr:
    return pl.col(name).dt.convert_time_zone(zone).dt.to_string("%Y-%m-%d %H:%M")
