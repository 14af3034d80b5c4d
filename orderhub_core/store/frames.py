"""Rows to frames: what changed since a commit, in the schemas of `orderhub_core.frames`, and how it joins the known."""

from __future__ import annotations

import polars as pl

from orderhub_core.fold import DEFERRED
from orderhub_core.frames import INSTANT, SCHEMAS
from orderhub_core.store import chain
from orderhub_core.store.base import Store
from orderhub_core.store.progress import Progress

READ = {
    "orders": "FROM orders WHERE changed_version > ? AND deleted_at IS NULL",
    "lines": "FROM lines WHERE deleted_at IS NULL"
    " AND order_id IN (SELECT order_id FROM orders WHERE changed_version > ?)",
    "events": "FROM log WHERE seq > ? AND seq <= ?",
    "sightings": "FROM sightings WHERE changed_version > ?",
}
"""Events are bounded, for they only ever come on top. Of the others the newest row takes the place of the older, and
comes again with the next reading: a bound would hide a row that changes while it is read."""
TOUCHED = "SELECT shop, order_no FROM {table} WHERE changed_version > ?"
COMPUTED = {
    "rule": "CASE outcome WHEN 'decided' THEN detail ELSE '' END",
    "deferred_at": f"""CASE WHEN facts LIKE '%"{DEFERRED}"%' THEN facts END""",
}
"""Columns that no table has. The detail of other entries stays where it is: it may say who judged an order."""
FACTS = {"deferred_at": DEFERRED}
"""Columns that are read from an order's facts, which are JSON: no expression for it means the same on every backend."""
KEYS = {"orders": ["order_id"], "lines": ["order_id"], "sightings": ["touchpoint", "shop", "order_no"]}
"""What a changed row replaces."""


AT_A_TIME = 10_000
"""Rows of the database in memory as Python's objects: some ten times as large as in a frame."""


def refreshed(store: Store, name: str, known: pl.LazyFrame, since: Progress, until: Progress) -> pl.LazyFrame:
    """A frame as of `until`, from what is known as of `since`. No row twice. The news are read at once."""
    # Before the lines themselves: an order that changes in between is then replaced whole, never twice there.
    touched = _changed(store, "orders", since)["order_id"] if name == "lines" else None
    news = _logged(store, since, until) if name == "events" else _changed(store, name, since)
    return merged(name, known, news, touched)


def touched(store: Store, since: Progress) -> pl.DataFrame:
    """`shop`, `order_no` of the orders that were changed since, or of which a touchpoint was seen anew."""
    raw = pl.Schema({"shop": pl.String(), "order_no": pl.String()})
    pieces = [
        pl.DataFrame(rows, schema=raw, orient="row")
        for table in ("orders", "sightings")
        for rows in store.pieces("hub", TOUCHED.format(table=table), (since.upto,), AT_A_TIME)
    ]
    return pl.concat(pieces).unique() if pieces else pl.DataFrame(schema=raw)


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
    raw = pl.Schema({column: _raw(column, kind) for column, kind in schema.items()})
    facts = [pl.col(name).str.json_path_match(f"$['{fact}']").cast(pl.Int64) for name, fact in FACTS.items()
             if name in schema]  # fmt: skip
    sql = f"SELECT {', '.join(COMPUTED.get(column, column) for column in schema)} {READ[name]}"
    pieces = [
        pl.DataFrame(rows, schema=raw, orient="row").with_columns(facts).cast(schema)
        for rows in store.pieces("hub", sql, parameters, AT_A_TIME)
    ]
    return pl.concat(pieces) if pieces else pl.DataFrame(schema=schema)


def _raw(column: str, kind: pl.DataType) -> pl.DataType:
    if column in FACTS:
        return pl.String()
    return pl.Int64() if kind == INSTANT else kind


def merged(name: str, known: pl.LazyFrame, news: pl.DataFrame, touched: pl.Series | None = None) -> pl.LazyFrame:
    """What is known now. `touched` are orders whose lines `news` states anew, even where it has none left."""
    if touched is not None and touched.len():
        known = known.join(touched.to_frame().lazy(), on="order_id", how="anti", maintain_order="left")
    if name in KEYS and news.height:
        known = known.join(news.lazy(), on=KEYS[name], how="anti", maintain_order="left")
    return pl.concat([known, news.lazy()]) if news.height else known
