"""Receive: write messages down before understanding them, many waiting requests in one commit.

A writer thread takes everything that waits, commits it, then answers each request. An acknowledgement always
means "on disk"; when too much waits, nothing is taken into memory and the sender is asked to come back.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import NamedTuple

from orderhub_core.errors import Busy, OrderHubError
from orderhub_core.model import RawMessage
from orderhub_core.store.base import Store
from orderhub_core.store.unit import Receipt

MOST_PER_COMMIT = 1_000


class _Waiting(NamedTuple):
    messages: Sequence[RawMessage]
    receipts: Future[list[Receipt]]


class Receiver:
    """Group commit in front of a store. `clock` gives microseconds UTC."""

    def __init__(self, store: Store, clock: Callable[[], int], *, most_waiting: int) -> None:
        self._store, self._clock, self._most_waiting = store, clock, most_waiting
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._waiting = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._write, name="receive", daemon=True)
        self._thread.start()

    def submit(self, messages: Sequence[RawMessage]) -> Future[list[Receipt]]:
        """The receipts, once the messages are on disk. Raises Busy at once when too many wait."""
        with self._lock:
            if self._waiting + len(messages) > self._most_waiting:
                raise Busy("too many messages wait to be written; send again in a moment", after_s=1.0)
            self._waiting += len(messages)
        receipts: Future[list[Receipt]] = Future()
        self._queue.put(_Waiting(messages, receipts))
        return receipts

    def close(self) -> None:
        """Write what waits, then stop."""
        self._queue.put(None)
        self._thread.join()

    def _write(self) -> None:
        while (first := self._queue.get()) is not None:
            group, stop = self._gather(first)
            self._commit(group)
            if stop:
                return

    def _gather(self, first: _Waiting) -> tuple[list[_Waiting], bool]:
        group, count = [first], len(first.messages)
        while count < MOST_PER_COMMIT:
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                break
            if waiting is None:
                return group, True
            group.append(waiting)
            count += len(waiting.messages)
        return group, False

    def _commit(self, group: list[_Waiting]) -> None:
        messages = [message for waiting in group for message in waiting.messages]
        try:
            receipts = self._store.accept(messages, self._clock())
        except OrderHubError as failure:
            for waiting in group:
                waiting.receipts.set_exception(failure)
        except Exception as bug:  # noqa: BLE001 — the writer must outlive any one batch; the sender is told
            for waiting in group:
                waiting.receipts.set_exception(Busy(f"not written: {type(bug).__name__}"))
        else:
            at = 0
            for waiting in group:
                waiting.receipts.set_result(receipts[at : at + len(waiting.messages)])
                at += len(waiting.messages)
        with self._lock:
            self._waiting -= len(messages)
