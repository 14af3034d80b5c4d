"""Rows to frames: what changed since a commit, in the schemas of `orderhub_core.frames`, and how it joins the known."""

from __future__ import annotations

import polars as pl

from orderhub_core.frames import INSTANT, SCHEMAS
from orderhub_core.store import chain
from orderhub_core.store.base import Progress, Store

READ = {
    "orders": "FROM orders WHERE changed_version > ? AND deleted_at IS NULL",
    "lines": "FROM lines WHERE deleted_at IS NULL"
    " AND order_id IN (SELECT order_id FROM orders WHERE changed_version > ?)",
    "events": "FROM log WHERE seq > ? AND seq <= ?",
    "sightings": "FROM sightings WHERE changed_version > ?",
}
"""Events are bounded, for they only ever come on top. Of the others the newest row takes the place of the older, and
comes again with the next reading: a bound would hide a row that changes while it is read."""
KEYS = {"orders": ["order_id"], "lines": ["order_id"], "sightings": ["touchpoint", "shop", "order_no"]}
"""What a changed row replaces."""


def refreshed(store: Store, name: str, known: pl.DataFrame, since: Progress, until: Progress) -> pl.DataFrame:
    """A frame as of `until`, from what is known as of `since`. No row twice."""
    # Before the lines themselves: an order that changes in between is then replaced whole, never twice there.
    touched = _changed(store, "orders", since)["order_id"] if name == "lines" else None
    news = _logged(store, since, until) if name == "events" else _changed(store, name, since)
    return merged(name, known, news, touched)


def _changed(store: Store, name: str, since: Progress) -> pl.DataFrame:
    return _read(store, name, (since.upto,))


def _logged(store: Store, since: Progress, until: Progress) -> pl.DataFrame:
    """Each lane's log grows at its own pace: read from the slowest on, then leave out what the others had."""
    before = [head.seq for head in since.log or chain.starts(len(until.log))]
    after = [head.seq for head in until.log]
    found = _read(store, "events", (min(before), max(after)))
    lanes = (pl.col("seq") - 1) % len(after)
    fresh = [
        (lanes == lane) & pl.col("seq").is_between(low, high, closed="right")
        for lane, (low, high) in enumerate(zip(before, after, strict=True))
    ]
    return found.filter(pl.any_horizontal(fresh)) if len(after) > 1 else found


def _read(store: Store, name: str, parameters: tuple[int, ...]) -> pl.DataFrame:
    schema = SCHEMAS[name]
    rows = store.query("hub", f"SELECT {', '.join(schema.names())} {READ[name]}", parameters)
    raw = pl.Schema({column: pl.Int64() if kind == INSTANT else kind for column, kind in schema.items()})
    return pl.DataFrame(rows, schema=raw, orient="row").cast(schema)


def merged(name: str, known: pl.DataFrame, news: pl.DataFrame, touched: pl.Series | None = None) -> pl.DataFrame:
    """What is known now. `touched` are orders whose lines `news` states anew, even where it has none left."""
    if touched is not None:
        known = known.filter(~pl.col("order_id").is_in(touched.implode()))
    if name in KEYS and news.height:
        known = known.join(news, on=KEYS[name], how="anti")
    return pl.concat([known, news]) if news.height else known
