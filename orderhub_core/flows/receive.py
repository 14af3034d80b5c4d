"""Receive: write messages down before understanding them, many waiting requests in one commit.

A writer thread takes everything that waits, commits it, then answers each request. An acknowledgement always
means "on disk"; when too much waits, nothing is taken into memory and the sender is asked to come back.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from orderhub_core.errors import Busy, OrderHubError
from orderhub_core.model import RawMessage
from orderhub_core.store.base import Store
from orderhub_core.store.unit import Receipt

MOST_PER_COMMIT = 1_000
BYTES_PER_COMMIT = 4 * 1024 * 1024
COUNT_EVERY_S = 1.0
LONGEST_ID = 500
"""Databases index keys of some two thousand bytes, and a character may be four."""


class GroupWritten(NamedTuple):
    """One commit: what it wrote down, what became of each message, and how long the commit took."""

    messages: Sequence[RawMessage]
    receipts: Sequence[Receipt]
    seconds: float


class _Waiting(NamedTuple):
    messages: Sequence[RawMessage]
    receipts: Future[list[Receipt]]


class Receiver:
    """Group commit in front of a store. `clock` gives microseconds UTC; `observe` is told of every commit, after the
    senders were answered, in the writer's thread: it must be quick."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], int],
        *,
        most_waiting: int,
        observe: Callable[[GroupWritten], None] | None = None,
    ) -> None:
        self._store, self._clock, self._most_waiting, self._observe = store, clock, most_waiting, observe
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._waiting, self._closed = 0, False
        self._turned_away: Counter[tuple[str, str]] = Counter()
        self._counted_at = float("-inf")
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._write, name="receive", daemon=True)
        self._thread.start()

    def submit(self, messages: Sequence[RawMessage]) -> Future[list[Receipt]]:
        """The receipts, once the messages are on disk; cancelled before that, they may never be.

        Raises Busy at once when too many wait. More than may wait at all are taken when nothing else waits:
        a sender's one delivery cannot become smaller by coming again.
        """
        waiting = _Waiting([_storable(message) for message in messages], Future())
        with self._lock:
            if self._closed:
                raise Busy("the hub is stopping; send again in a moment", after_s=1.0)
            if self._waiting and self._waiting + len(messages) > self._most_waiting:
                raise Busy("too many messages wait to be written; send again in a moment", after_s=1.0)
            self._waiting += len(messages)
            self._queue.put(waiting)
        return waiting.receipts

    def turn_away(self, source: str, reason: str) -> None:
        """Count what was refused at the door. Costs no write: the counts reach the store a moment later, together."""
        with self._lock:
            self._turned_away[source, reason] += 1

    def close(self) -> None:
        """Write what waits, then stop."""
        with self._lock:
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _write(self) -> None:
        stop = False
        while not stop:
            group, stop = self._gather()
            if group:
                self._commit(group)
            if stop or time.monotonic() - self._counted_at > COUNT_EVERY_S:
                self._write_counts()

    def _gather(self) -> tuple[list[_Waiting], bool]:
        """What waits, up to one commit's worth and the delivery that goes over it; and whether to stop."""
        group: list[_Waiting] = []
        count = size = 0
        while count < MOST_PER_COMMIT and size < BYTES_PER_COMMIT:
            try:
                waiting = self._queue.get_nowait() if group else self._queue.get(timeout=COUNT_EVERY_S)
            except queue.Empty:
                break
            if waiting is None:
                return group, True
            group.append(waiting)
            count += len(waiting.messages)
            size += sum(len(message.body) for message in waiting.messages)
        return group, False

    def _commit(self, group: list[_Waiting]) -> None:
        try:
            # From here on nobody can cancel: every answer below has a future that takes it.
            self._accept([waiting for waiting in group if waiting.receipts.set_running_or_notify_cancel()])
        finally:
            with self._lock:
                self._waiting -= sum(len(waiting.messages) for waiting in group)

    def _accept(self, group: list[_Waiting]) -> None:
        messages = [message for waiting in group for message in waiting.messages]
        began = time.perf_counter()
        try:
            receipts = self._store.accept(messages, self._clock()) if messages else []
        except OrderHubError as failure:
            for waiting in group:
                waiting.receipts.set_exception(failure)
        except Exception as bug:  # noqa: BLE001 — the writer must outlive any one message; the sender is told
            if len(group) > 1:
                # One delivery that cannot be written must not hold up the others.
                for waiting in group:
                    self._accept([waiting])
                return
            for waiting in group:
                waiting.receipts.set_exception(Busy(f"not written: {type(bug).__name__}"))
        else:
            written = GroupWritten(messages, receipts, time.perf_counter() - began)
            at = 0
            for waiting in group:
                waiting.receipts.set_result(receipts[at : at + len(waiting.messages)])
                at += len(waiting.messages)
            if self._observe is not None and messages:
                with contextlib.suppress(Exception):  # whoever looks on must not end the writer
                    self._observe(written)

    def _write_counts(self) -> None:
        self._counted_at = time.monotonic()
        with self._lock:
            counts, self._turned_away = self._turned_away, Counter()
        while counts:
            (source, reason), by = counts.popitem()
            # A count that cannot be written now is kept for the next time; no failure may end this thread.
            try:
                self._store.count(source, reason, by=by)
            except Exception:  # noqa: BLE001
                counts[source, reason] = by
                with self._lock:
                    self._turned_away.update(counts)
                return


def _storable(message: RawMessage) -> RawMessage:
    """Nothing is lost for its id: one that a database cannot hold as a key gives way to the hash of what it stood for.

    PostgreSQL knows no NUL, no database knows half a character, and keys are short.
    """
    known = message.message_id
    with contextlib.suppress(UnicodeEncodeError):
        known.encode()
        if len(known) <= LONGEST_ID and "\0" not in known:
            return message
    digest = blake2b(known.encode("utf-8", "surrogatepass"), digest_size=16)
    digest.update(message.body)
    return msgspec.structs.replace(message, message_id=f"unreadable:{digest.hexdigest()}")
