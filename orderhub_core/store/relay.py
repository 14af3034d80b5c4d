"""Two connections by turns: while the batch of one lane is committed over one of them, that of another is planned.

Lanes share no order, so what is planned meanwhile is based on what stands in the database, and holds whatever becomes
of the batch that is on its way. Each connection has a thread of its own, which waits for the server; a lane is locked
from its claim to the end of its commit, as if each were a worker.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any

from orderhub_core.store.postgres import PostgresStore
from orderhub_core.store.unit import Claim, Row, Writes

PATIENCE_S = 10.0
"""With a server that does not answer, at the end."""
TURN_S = 0.001
"""Planning gives the interpreter to a thread that has something to send within so long. The usual 5 ms are more than
the server takes over a statement: it would wait for us most of the time."""


class _Hand:
    """A claim at a time, by a connection and a thread of its own. What it is told to do, it does in order."""

    def __init__(self, url: str) -> None:
        self.store = PostgresStore(url)
        self._asked: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        # A daemon: a server that never answers must not keep the process from ending.
        self._thread = Thread(target=self._work, name="commit", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while (call := self._asked.get()) is not None:
            call()

    def start(self, call: Callable[..., Any], *arguments: Any) -> Future[Any]:
        answer: Future[Any] = Future()

        def run() -> None:
            try:
                answer.set_result(call(*arguments))
            except BaseException as failure:  # noqa: BLE001 — whoever waits for the answer gets it
                answer.set_exception(failure)

        self._asked.put(run)
        return answer

    def close(self) -> None:
        self.start(self.store.close)
        self._asked.put(None)
        self._thread.join(PATIENCE_S)


class Relay:
    """`ahead.Ahead` of a PostgreSQL hub. The connections are made with the first batch."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store
        self._hands: list[_Hand] = []
        """The first is the one whose claim is planned next; the other commits, and then claims."""
        self._next: Future[Claim | None] | None = None
        """What the first has claimed, or will have once its commit is made."""
        self._flying: Future[None] | None = None
        self._turn_s = sys.getswitchinterval()

    def open(self) -> bool:
        if not self._hands:
            self._hands = [_Hand(self._store.url), _Hand(self._store.url)]
            sys.setswitchinterval(TURN_S)
        return True

    def first(self, limit: int, now: int) -> Claim | None:
        return self.claim(limit, now)

    def begin(self, claim: Claim, writes: Writes) -> None:
        hand = self._hands[0]
        self._flying = hand.start(hand.store.commit, claim, writes)
        self._hands.reverse()

    def claim(self, limit: int, now: int) -> Claim | None:
        """Of another lane than what was begun."""
        first, other = self._hands
        asked, self._next = self._next or first.start(first.store.claim, limit, now), None
        claim = asked.result()
        if claim is not None:
            self._next = other.start(other.store.claim, limit, now)
        return claim

    def drop(self) -> None:
        self._next = self._flying = None
        for hand in self._hands:
            hand.start(hand.store.give_back).result()

    def order_rows(self, numbers: Iterable[str]) -> list[Row]:
        return self._store.order_rows(numbers)

    def line_rows(self, order_ids: Iterable[int]) -> list[Row]:
        return self._store.line_rows(order_ids)

    def decided_rows(self, order_ids: Iterable[int]) -> list[Row]:
        return self._store.decided_rows(order_ids)

    def split_rows(self, order_ids: Iterable[int]) -> list[Row]:
        return self._store.split_rows(order_ids)

    def purchase_rows(self, buyers: Iterable[str]) -> list[Row]:
        """As `Store.purchase_rows`, once the batch is written, of whichever lane it is: a buyer's orders lie in any.
        Raises as `end`."""
        self.end()
        return self._store.purchase_rows(buyers)

    def pack_rows(self, order_ids: Iterable[int]) -> list[Row]:
        return self._store.pack_rows(order_ids)

    def counted(self) -> dict[str, int]:
        return self._store.counted()

    def resource_rows(self, subjects: Iterable[str], *, alone: bool = False) -> list[Row]:
        """As `Store.resource_rows`, once the batch is written, of whichever lane it is: it may take of them. Raises as
        `end`."""
        self.end()
        # By the connection that has the claim, and keeps the ledger's turn with it.
        first = self._hands[0]
        asked = partial(first.store.resource_rows, list(subjects), alone=alone)
        rows: list[Row] = first.start(asked).result()
        return rows

    def end(self) -> None:
        if self._flying is not None:
            self._flying.result()

    def close(self) -> None:
        """What was claimed and not begun is given back with its connection."""
        for hand in self._hands:
            hand.close()
        if self._hands:
            sys.setswitchinterval(self._turn_s)
        self._hands, self._next, self._flying = [], None, None
