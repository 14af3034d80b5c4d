"""Rows to frames: what changed since a commit, in the schemas of `orderhub_core.frames`, and how it joins the known."""

from __future__ import annotations

import polars as pl

from orderhub_core.frames import INSTANT, SCHEMAS
from orderhub_core.store.base import Store

READ = {
    "orders": "FROM orders WHERE changed_version > ? AND deleted_at IS NULL",
    "lines": "FROM lines WHERE deleted_at IS NULL"
    " AND order_id IN (SELECT order_id FROM orders WHERE changed_version > ?)",
    "events": "FROM log WHERE seq > ?",
    "sightings": "FROM sightings WHERE changed_version > ?",
}
KEYS = {"orders": ["order_id"], "lines": ["order_id"], "sightings": ["touchpoint", "shop", "order_no"]}
"""What a changed row replaces. Events only ever come on top."""


def changed(store: Store, name: str, since: int) -> pl.DataFrame:
    """The rows of a frame that changed after a commit (for `events`: after a log entry)."""
    schema = SCHEMAS[name]
    rows = store.query("hub", f"SELECT {', '.join(schema.names())} {READ[name]}", (since,))
    raw = pl.Schema({column: pl.Int64() if kind == INSTANT else kind for column, kind in schema.items()})
    return pl.DataFrame(rows, schema=raw, orient="row").cast(schema)


def merged(name: str, known: pl.DataFrame, news: pl.DataFrame, touched: pl.Series | None = None) -> pl.DataFrame:
    """What is known now. `touched` are the order ids whose lines `news` states anew."""
    if name == "lines" and touched is not None:
        known = known.filter(~pl.col("order_id").is_in(touched.implode()))
    elif name in KEYS and news.height:
        known = known.join(news, on=KEYS[name], how="anti")
    return pl.concat([known, news]) if news.height else known
