"""The columns of the frames that the pure packages work on: one schema, whether rows come from a
database, a Parquet snapshot or a world that never existed.

Instants are `Datetime("us", "UTC")`; money is Int64 in minor units; states are Enums. No personal field.
"""

from __future__ import annotations

from enum import StrEnum

import polars as pl

from orderhub_core import model

INSTANT = pl.Datetime("us", "UTC")


def _enum(words: type[StrEnum]) -> pl.Enum:
    return pl.Enum([word.value for word in words])


def _schema(columns: dict[str, pl.DataType | type[pl.DataType]]) -> pl.Schema:
    return pl.Schema(columns)


PAYMENT, FULFILMENT, LOGISTICS = _enum(model.Payment), _enum(model.Fulfilment), _enum(model.Logistics)
AFTER_SALE, INVOICE, HEADLINE = _enum(model.AfterSale), _enum(model.Invoice), _enum(model.Headline)

ORDERS = _schema(
    {
        "order_id": pl.Int64,
        "shop": pl.String,
        "platform": pl.String,
        "order_no": pl.String,
        "placed_at": INSTANT,
        "deferred_at": INSTANT,
        "paid_at": INSTANT,
        "shipped_at": INSTANT,
        "collected_at": INSTANT,
        "delivered_at": INSTANT,
        "promised_at": INSTANT,
        "updated_at": INSTANT,
        "headline_at": INSTANT,
        "payment": PAYMENT,
        "fulfilment": FULFILMENT,
        "logistics": LOGISTICS,
        "after_sale": AFTER_SALE,
        "invoice": INVOICE,
        "headline": HEADLINE,
        "currency": pl.String,
        "total_minor": pl.Int64,
        "paid_minor": pl.Int64,
        "item_count": pl.Int32,
        "warehouse": pl.String,
        "carrier": pl.String,
        "tracking_no": pl.String,
        "province": pl.String,
        "city": pl.String,
        "contradictions": pl.Int32,
    }
)
"""One row per order. `updated_at` is the newest source version; `headline_at` the instant at which the event
happened that set the present headline (the start of the dwell); `deferred_at` when it was agreed that it is paid
later."""
OWED_AT = pl.min_horizontal("deferred_at", "paid_at")
"""Of ORDERS, since when the goods are owed: as `fold.Head.owed_at`."""

LINES = _schema(
    {
        "order_id": pl.Int64,
        "line_no": pl.Int32,
        "sku": pl.String,
        "name": pl.String,
        "category": pl.String,
        "quantity": pl.Int32,
        "price_minor": pl.Int64,
        "gift_of": pl.Int32,
    }
)

EVENTS = _schema(
    {
        "seq": pl.Int64,
        "order_id": pl.Int64,
        "event": pl.String,
        "occurred_at": INSTANT,
        "recorded_at": INSTANT,
        "before": pl.String,
        "after": pl.String,
        "outcome": pl.String,
        "source": pl.String,
        "message": pl.Int64,
        "rule": pl.String,
    }
)
"""The event log, one row per entry. `outcome`: applied, late, refused, changed, noted, asked, decided or reviewed.
`message`: inbox id of the message that caused it. `rule`: of a decision, JSON with the `rule` and its `version`; else
empty."""

SIGHTINGS = _schema(
    {
        "touchpoint": pl.String,
        "shop": pl.String,
        "order_no": pl.String,
        "status": pl.String,
        "at": INSTANT,
        "seen_at": INSTANT,
    }
)
"""What each touchpoint showed last of each order: its raw word, its own update time, and when the hub saw it."""

SCHEMAS = {"orders": ORDERS, "lines": LINES, "events": EVENTS, "sightings": SIGHTINGS}


def empty(name: str) -> pl.DataFrame:
    return pl.DataFrame(schema=SCHEMAS[name])
