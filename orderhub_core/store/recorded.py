"""What the rulebook is recorded to have decided, and the messages that it had heard of by then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import polars as pl

from orderhub_core.fold import DEFERRED
from orderhub_core.settings import RESERVED
from orderhub_core.store import statements
from orderhub_core.store.base import Store
from orderhub_core.store.owing import owed_at
from orderhub_core.store.unit import Message, Row, digest_of

_OF = "shadow = 0 AND decided_at >= ? AND decided_at < ?"
_DECISIONS = f"""SELECT shop, order_no, version, place, rule_group, rule, action, argument, quantity, reason, parcel
    FROM decisions JOIN orders USING (order_id) WHERE {_OF}"""
_HEARD = f"""SELECT min(seq), shop, order_no, message, min(recorded_at) FROM log JOIN orders USING (order_id)
    WHERE order_id IN (SELECT order_id FROM decisions WHERE {_OF}) GROUP BY shop, order_no, message"""
_SIGNALS = """SELECT min(seq), '', '', message, min(recorded_at) FROM log
    WHERE order_id = 0 AND substr(event, 1, 7) = 'signal.' AND recorded_at >= ? GROUP BY message"""
_FIRST = (
    f"SELECT min(coalesce(paid_at, placed_at)), min(decided_at) FROM decisions JOIN orders USING (order_id) WHERE {_OF}"
)
_LATER = f"""SELECT paid_at, facts FROM orders WHERE facts LIKE '%"{DEFERRED}"%'
    AND order_id IN (SELECT order_id FROM decisions WHERE {_OF})"""
_LASTING = "FROM signals WHERE (until IS NULL OR until >= ?) AND substr(name, 1, 12)"
_MEASURED = f"SELECT min(since) {_LASTING} = 'measurement:'"
_SAID = f"SELECT name {_LASTING} <> 'measurement:'"
_CAME = "SELECT min(received_at) FROM inbox WHERE source = ? AND {those}"
_BESIDE = """SELECT shop, order_no, action, argument, quantity, shadow, parcel
    FROM decisions JOIN orders USING (order_id)
    WHERE order_id IN (SELECT order_id FROM decisions WHERE version = ? AND shadow = 1)
    AND (shadow = 0 OR version = ?)"""
_READ = """SELECT shop, order_no, detail FROM log JOIN orders USING (order_id)
    WHERE event = ? ORDER BY seq"""
AT_A_TIME = 2_000
MARGIN_US = 3_600_000_000
"""A word may end what it speaks of a moment before it is applied: so much earlier is asked for, which costs little."""

Key = tuple[str, str]
"""Shop and order number."""
NOBODY: Key = ("", "")


SHADOWED = pl.Schema(
    {"shop": pl.String(), "order_no": pl.String(), "action": pl.String(), "argument": pl.String(),
     "quantity": pl.Int64(), "shadow": pl.Int64(), "parcel": pl.Int64()}
)  # fmt: skip


class Heard(NamedTuple):
    """A message that changed something about an order, or, under NOBODY, about signals."""

    key: Key
    message: int
    at: int
    """When it came, microseconds UTC."""


class Recorded(NamedTuple):
    """Of orders that were decided in a period. `decisions`: place, group, rule, action, argument, quantity, reason,
    parcel."""

    versions: dict[Key, str]
    decisions: dict[Key, list[Row]]
    heard: list[Heard]
    """Of any time, but signals only from the first that may have held when one of the orders was paid; as they were
    applied to each order. That may be another order than that in which they came: where one was parked, or had to
    change lanes."""


def decisions(store: Store, since: int, until: int = 1 << 62) -> Recorded:
    """From `since` up to, not including, `until`: microseconds UTC, when the message came that had them decided."""
    versions: dict[Key, str] = {}
    found: dict[Key, list[Row]] = {}
    for shop, order_no, version, *decision in store.query("hub", _DECISIONS, (since, until)):
        versions[shop, order_no] = version
        found.setdefault((shop, order_no), []).append(tuple(decision))
    signals = store.query("hub", _SIGNALS, (_of_use(store, since, until),))
    rows = sorted([*store.query("hub", _HEARD, (since, until)), *signals])
    heard = [Heard((shop, order_no), message, at) for _, shop, order_no, message, at in rows]
    return Recorded(versions, {key: sorted(rows) for key, rows in found.items()}, heard)


def _of_use(store: Store, since: int, until: int) -> int:
    """When the first signal came that held, or may have, when any of these orders was owed: what was said before that
    was over by then, or speaks of what was. Some are decided before they were paid, by their channel's clock."""
    paid_at, decided_at = store.query("hub", _FIRST, (since, until))[0]
    if paid_at is None:
        return 0
    later = (owed_at(*told) for told in store.query("hub", _LATER, (since, until)))
    first = min(paid_at, decided_at, *(at for at in later if at is not None)) - MARGIN_US
    # The hub's own begin as they are said; what people say may have begun before or after it.
    ((measured,),) = store.query("hub", _MEASURED, (first,))
    said = [name for (name,) in store.query("hub", _SAID, (first,))]
    ((came,),) = store.query("inbox", _CAME.format(those=store.among("message_id")), (RESERVED, store.listed(said)))
    return min((at for at in (measured, came) if at is not None), default=1 << 62)


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
