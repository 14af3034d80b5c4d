"""What a source had said by some instant: of its messages, those whose bodies are still there."""

from __future__ import annotations

from collections.abc import Iterator

from orderhub_core.store.base import MESSAGE, Store
from orderhub_core.store.unit import Message

AT_A_TIME = 2_000
SAID = f"SELECT {MESSAGE} FROM inbox WHERE source = ? AND received_at <= ? AND body IS NOT NULL ORDER BY id"
NEWEST_EXPIRED = "SELECT max(received_at) FROM inbox WHERE source = ? AND received_at <= ? AND body IS NULL"
PARKED = "SELECT id FROM parked WHERE source = ?"


def said(store: Store, source: str, until: int) -> Iterator[Message]:
    """The messages that were received by `until` (microseconds UTC) and have not expired, in the order of their
    arrival. Those that nobody could read are left out: the hub does not know them."""
    parked = {row[0] for row in store.query("hub", PARKED, (source,))}
    for rows in store.pieces("inbox", SAID, (source, until), AT_A_TIME):
        yield from (Message(*row) for row in rows if row[0] not in parked)


def newest_expired(store: Store, source: str, until: int) -> int | None:
    """When the newest of those messages came of which only the digest is left."""
    found: int | None = store.query("inbox", NEWEST_EXPIRED, (source, until))[0][0]
    return found
