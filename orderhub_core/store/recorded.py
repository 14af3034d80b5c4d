"""What the rulebook is recorded to have decided, and the messages that it had heard of by then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import polars as pl

from orderhub_core.store import statements
from orderhub_core.store.base import Store
from orderhub_core.store.unit import Message, Row, digest_of

_OF = "shadow = 0 AND decided_at >= ? AND decided_at < ?"
_DECISIONS = f"""SELECT shop, order_no, version, place, rule_group, rule, action, argument, quantity, reason
    FROM decisions JOIN orders USING (order_id) WHERE {_OF}"""
_HEARD = f"""SELECT min(seq), shop, order_no, message, min(recorded_at) FROM log JOIN orders USING (order_id)
    WHERE order_id IN (SELECT order_id FROM decisions WHERE {_OF}) GROUP BY shop, order_no, message"""
_SIGNALS = """SELECT min(seq), '', '', message, min(recorded_at) FROM log
    WHERE order_id = 0 AND event LIKE 'signal.%' GROUP BY message"""
_BESIDE = """SELECT shop, order_no, action, argument, quantity, shadow FROM decisions JOIN orders USING (order_id)
    WHERE order_id IN (SELECT order_id FROM decisions WHERE version = ? AND shadow = 1)
    AND (shadow = 0 OR version = ?)"""
_READ = """SELECT shop, order_no, detail FROM log JOIN orders USING (order_id)
    WHERE event = ? ORDER BY seq"""
AT_A_TIME = 2_000

Key = tuple[str, str]
"""Shop and order number."""
NOBODY: Key = ("", "")


SHADOWED = pl.Schema(
    {"shop": pl.String(), "order_no": pl.String(), "action": pl.String(), "argument": pl.String(),
     "quantity": pl.Int64(), "shadow": pl.Int64()}
)  # fmt: skip


class Heard(NamedTuple):
    """A message that changed something about an order, or, under NOBODY, about signals."""

    key: Key
    message: int
    at: int
    """When it came, microseconds UTC."""


class Recorded(NamedTuple):
    """Of orders that were decided in a period. `decisions`: place, group, rule, action, argument, quantity, reason."""

    versions: dict[Key, str]
    decisions: dict[Key, list[Row]]
    heard: list[Heard]
    """Of any time, as they were applied to each order. That may be another order than that in which they came: where
    one was parked, or had to change lanes."""


def decisions(store: Store, since: int, until: int = 1 << 62) -> Recorded:
    """From `since` up to, not including, `until`: microseconds UTC, when the message came that had them decided."""
    versions: dict[Key, str] = {}
    found: dict[Key, list[Row]] = {}
    for shop, order_no, version, *decision in store.query("hub", _DECISIONS, (since, until)):
        versions[shop, order_no] = version
        found.setdefault((shop, order_no), []).append(tuple(decision))
    rows = sorted([*store.query("hub", _HEARD, (since, until)), *store.query("hub", _SIGNALS)])
    heard = [Heard((shop, order_no), message, at) for _, shop, order_no, message, at in rows]
    return Recorded(versions, {key: sorted(rows) for key, rows in found.items()}, heard)


def read(store: Store, event: str) -> dict[Key, str]:
    """The detail of an entry that orders have once at most."""
    return {(shop, order_no): detail for shop, order_no, detail in store.query("hub", _READ, (event,))}


def beside(store: Store, version: str) -> pl.DataFrame:
    """What was decided, and what a version noted on the same orders, in its shadow: SHADOWED."""
    return pl.DataFrame(store.query("hub", _BESIDE, (version, version)), schema=SHADOWED, orient="row")


def bodies(store: Store, ids: Sequence[int]) -> Iterator[dict[int, Message]]:
    """Messages by their ids, some at a time and in this order; those that have expired are left out."""
    for start in range(0, len(ids), AT_A_TIME):
        found = store.messages(ids[start : start + AT_A_TIME])
        yield {message.id: message for message in found if message.body is not None}


def parked(store: Store) -> dict[int, str]:
    """Messages that could not be read, with the reason."""
    return dict(store.query("hub", "SELECT id, reason FROM parked"))


def put(store: Store, messages: Mapping[int, Message]) -> None:
    """Into the inbox of an empty hub, under these ids."""
    rows = [
        (number, one.source, one.message_id, one.kind, one.received_at, digest_of(one.body), one.body)
        for number, one in messages.items()
    ]
    with store.transaction("inbox") as cursor:
        cursor.executemany(store.sql(statements.insert("inbox")), rows)
