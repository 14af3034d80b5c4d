"""The product broken on purpose, in the roles that are killed: what the harness must find, or it proves nothing."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from connectors.channels.douyin import Douyin
from orderhub_core.flows.receive import Receiver
from orderhub_core.flows.scribing import Scribing
from orderhub_core.flows.targets import Targets
from orderhub_core.store.postgres import PostgresStore
from orderhub_core.store.scribe import Scribe
from orderhub_core.store.sqlite import SqliteStore


def acknowledge_before_commit() -> None:
    """A sender is told yes as soon as its messages wait to be written, a little while later and many at once: that is
    why anybody would do it."""
    submitted, delivered, commit = Receiver.submit, Receiver.deliver, Receiver._commit

    def later(self: Receiver, group: Any) -> None:
        time.sleep(0.005)
        commit(self, group)

    def submit(self: Receiver, messages: Sequence[Any]) -> Future[list[Any]]:
        submitted(self, messages)
        told: Future[list[Any]] = Future()
        told.set_result(["new"] * len(messages))
        return told

    def deliver(self: Receiver, messages: Sequence[Any]) -> asyncio.Future[list[Any]]:
        delivered(self, messages)
        told = asyncio.get_running_loop().create_future()
        told.set_result(["new"] * len(messages))
        return told

    Receiver.submit, Receiver.deliver, Receiver._commit = submit, deliver, later  # type: ignore[method-assign]


def acknowledge_when_handed_over() -> None:
    """A sender is told yes as soon as its messages are to go to the process that writes them, a little while later."""
    hand, answered = Scribe.hand, Scribing.answered

    def hand_later(self: Scribe, deliveries: Sequence[Any], received_at: int) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(answered, self._asked, 1, None, [])
        loop.call_later(0.005, hand, self, deliveries, received_at)

    Scribe.hand = hand_later  # type: ignore[method-assign]
    Scribing.answered = lambda self, *_: self._when_turn_ends()  # type: ignore[method-assign]


def id_cursor() -> None:
    """A worker that follows the inbox by its numbers: what lies below the last one it applied is done."""
    whole = PostgresStore.commit

    def commit(self: PostgresStore, claim: Any, writes: Any) -> None:
        whole(self, claim, writes)
        with self.transaction("inbox") as cursor:
            cursor.execute("DELETE FROM todo WHERE id <= %s", (max(message.id for message in claim.messages),))

    PostgresStore.commit = commit  # type: ignore[method-assign]


def no_dedup_index() -> None:
    """Nothing keeps the same message from being stored again."""
    whole = SqliteStore.transaction

    def transaction(self: SqliteStore, part: str) -> Any:
        if part == "inbox":
            with whole(self, part) as cursor:
                _drop_unique(cursor)
        return whole(self, part)

    SqliteStore.transaction = transaction  # type: ignore[method-assign]


def _drop_unique(cursor: Any) -> None:
    ((sql,),) = cursor.execute("SELECT sql FROM sqlite_master WHERE name = 'inbox'").fetchall()
    if "UNIQUE" not in sql:
        return
    cursor.execute("ALTER TABLE inbox RENAME TO indexed")
    cursor.execute(re.sub(r",\s*(CONSTRAINT \S+ )?UNIQUE \([^)]*\)", "", sql))
    cursor.execute("INSERT INTO inbox SELECT * FROM indexed")
    cursor.execute("DROP TABLE indexed")


def random_effect_key() -> None:
    """Each try of an effect has a key of its own."""
    whole = Targets.perform

    def perform(self: Targets, effect: Any, key: str) -> None:
        whole(self, effect, f"{key}:{secrets.token_hex(4)}")

    Targets.perform = perform  # type: ignore[method-assign]


def no_proof() -> None:
    """Whoever sends is believed."""
    Douyin._prove = lambda self, headers, body: None  # type: ignore[method-assign]


SABOTAGE: dict[str, Callable[[], None]] = {
    "acknowledge before commit": acknowledge_before_commit,
    "acknowledge when handed over": acknowledge_when_handed_over,
    "id cursor": id_cursor,
    "dedup index dropped": no_dedup_index,
    "effect key not deterministic": random_effect_key,
    "no sender is proven": no_proof,
}
