"""Receive: write messages down before understanding them, many waiting requests in one commit.

A writer thread takes everything that waits, commits it, then answers each request. An acknowledgement always
means "on disk"; when too much waits, nothing is taken into memory and the sender is asked to come back.

Senders who were answered together tend to come again together: the writer waits for half of them, two milliseconds
at most, because a commit of many costs little more than a commit of one, and writes that half down while the others
are read. A single sender never waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from hashlib import blake2b
from itertools import islice
from typing import NamedTuple

import msgspec

from orderhub_core.errors import Busy, OrderHubError
from orderhub_core.model import RawMessage
from orderhub_core.store.base import Store
from orderhub_core.store.unit import Receipt

MOST_PER_COMMIT = 1_000
BYTES_PER_COMMIT = 4 * 1024 * 1024
LINGER_S = 0.002
MOST_BYTES = 64 * 1024 * 1024
LONGEST_COMMIT_S = 1.0
"""While a commit takes longer, nobody new is let in: they would wait for it, in memory."""
COUNT_EVERY_S = 1.0
LONGEST_ID = 500
"""Databases index keys of some two thousand bytes, and a character may be four."""

Receipts = list[Receipt]
Outcome = Receipts | Exception


class GroupWritten(NamedTuple):
    """One commit: what it wrote down, what became of each message, and how long the commit took."""

    messages: Sequence[RawMessage]
    receipts: Sequence[Receipt]
    seconds: float


class _Waiting(NamedTuple):
    messages: Sequence[RawMessage]
    receipts: Future[Receipts] | asyncio.Future[Receipts]
    loop: asyncio.AbstractEventLoop | None
    """Where the receipts are awaited; None where a thread waits for them."""
    size: int
    """Of the bodies, bytes."""


class Receiver:
    """Group commit in front of a store. `clock` gives microseconds UTC; `observe` is told of every commit, after the
    senders were answered, in the writer's thread: it must be quick."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], int],
        *,
        most_waiting: int,
        most_bytes: int = MOST_BYTES,
        observe: Callable[[GroupWritten], None] | None = None,
    ) -> None:
        self._store, self._clock, self._most_waiting, self._observe = store, clock, most_waiting, observe
        self._queue: deque[_Waiting] = deque()
        self._most_bytes = most_bytes
        self._unanswered, self._unanswered_bytes, self._closed = 0, 0, False
        self._expected, self._enough = 1, 0
        """Half of those that may come again together; how many deliveries wake the writer, 0 while it is at work."""
        self._busy_since = float("inf")
        self._turned_away: Counter[tuple[str, str]] = Counter()
        self._counted_at = float("-inf")
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._thread = threading.Thread(target=self._write, name="receive", daemon=True)
        self._thread.start()

    def submit(self, messages: Sequence[RawMessage]) -> Future[Receipts]:
        """The receipts, once the messages are on disk; cancelled before that, they may never be.

        Raises Busy at once when too many or too much wait, or a commit takes too long. More than may wait at all are
        taken when nothing else waits: a sender's one delivery cannot become smaller by coming again.
        """
        receipts: Future[Receipts] = Future()
        self._take([_storable(message) for message in messages], receipts, None)
        return receipts

    def deliver(self, messages: Sequence[RawMessage]) -> asyncio.Future[Receipts]:
        """The same for whoever awaits on an event loop: a loop is woken once for all that were written together."""
        loop = asyncio.get_running_loop()
        receipts: asyncio.Future[Receipts] = loop.create_future()
        self._take([_storable(message) for message in messages], receipts, loop)
        return receipts

    def turn_away(self, source: str, reason: str) -> None:
        """Count what was refused at the door. Costs no write: the counts reach the store a moment later, together."""
        with self._lock:
            self._turned_away[source, reason] += 1

    def close(self) -> None:
        """Write what waits, then stop."""
        with self._lock:
            self._closed = True
            self._arrived.notify()
        self._thread.join()

    def _take(
        self,
        messages: Sequence[RawMessage],
        receipts: Future[Receipts] | asyncio.Future[Receipts],
        loop: asyncio.AbstractEventLoop | None,
    ) -> None:
        count, size = len(messages), sum([len(message.body) for message in messages])
        with self._lock:
            if self._closed:
                raise Busy("the hub is stopping; send again in a moment", after_s=1.0)
            if self._unanswered and self._unanswered + count > self._most_waiting:
                raise Busy("too many messages wait to be written; send again in a moment", after_s=1.0)
            if self._unanswered and self._unanswered_bytes + size > self._most_bytes:
                raise Busy("too many bytes wait to be written; send again in a moment", after_s=1.0)
            if time.monotonic() - self._busy_since > LONGEST_COMMIT_S:
                raise Busy("writing takes long just now; send again in a moment", after_s=1.0)
            self._unanswered += count
            self._unanswered_bytes += size
            self._queue.append(_Waiting(messages, receipts, loop, size))
            if self._enough and (len(self._queue) >= self._enough or self._unanswered >= MOST_PER_COMMIT):
                self._arrived.notify()

    def _write(self) -> None:
        while True:
            group = self._gather()
            if group:
                self._commit(group)
            stop = self._closed and not self._queue
            if stop or time.monotonic() - self._counted_at > COUNT_EVERY_S:
                self._write_counts()
            if stop:
                return

    def _gather(self) -> list[_Waiting]:
        """What waits, up to one commit's worth and the delivery that goes over it. Empty after a while of nothing."""
        group: list[_Waiting] = []
        count = size = 0
        with self._lock:
            self._await(self._expected, LINGER_S)
            if not self._queue:
                self._await(1, COUNT_EVERY_S)
            while self._queue and count < MOST_PER_COMMIT and size < BYTES_PER_COMMIT:
                group.append(self._queue.popleft())
                count += len(group[-1].messages)
                size += group[-1].size
        return group

    def _await(self, deliveries: int, longest_s: float) -> None:
        """Wait, holding the lock otherwise, until so many deliveries are there or the time is over."""
        if len(self._queue) < deliveries and not self._closed and self._unanswered < MOST_PER_COMMIT:
            self._enough = deliveries
            self._arrived.wait(longest_s)
            self._enough = 0

    def _commit(self, group: list[_Waiting]) -> None:
        self._busy_since = time.monotonic()
        # From here on no thread can cancel: every answer below has a future that takes it.
        wanted = [waiting for waiting in group if _is_wanted(waiting)]
        written: list[GroupWritten] = []
        outcomes = self._accept(wanted, written)
        with self._lock:
            self._unanswered -= sum([len(waiting.messages) for waiting in group])
            self._unanswered_bytes -= sum([waiting.size for waiting in group])
            self._busy_since = float("inf")
            self._expected = max(1, (len(wanted) + len(self._queue)) // 2)
        _answer(wanted, outcomes)
        if self._observe is not None:
            with contextlib.suppress(Exception):  # whoever looks on must not end the writer
                for one in written:
                    self._observe(one)

    def _accept(self, group: list[_Waiting], written: list[GroupWritten]) -> list[Outcome]:
        """What became of each delivery; `written` gets every commit."""
        messages = [message for waiting in group for message in waiting.messages]
        began = time.perf_counter()
        try:
            receipts = self._store.accept(messages, self._clock()) if messages else []
        except OrderHubError as failure:
            return [failure] * len(group)
        except Exception as bug:  # noqa: BLE001 — the writer must outlive any one message; the sender is told
            if len(group) > 1:
                # One delivery that cannot be written must not hold up the others.
                return [outcome for waiting in group for outcome in self._accept([waiting], written)]
            return [Busy(f"not written: {type(bug).__name__}")]
        if messages:
            written.append(GroupWritten(messages, receipts, time.perf_counter() - began))
        rest = iter(receipts)
        return [list(islice(rest, len(waiting.messages))) for waiting in group]

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


def _is_wanted(waiting: _Waiting) -> bool:
    if isinstance(waiting.receipts, Future):
        return waiting.receipts.set_running_or_notify_cancel()
    return not waiting.receipts.cancelled()


def _answer(group: list[_Waiting], outcomes: list[Outcome]) -> None:
    """Threads are told here, loops each once for all of theirs."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Receipts], Outcome]]] = {}
    for (_, receipts, loop, _), outcome in zip(group, outcomes, strict=True):
        if isinstance(receipts, Future):
            _settle(receipts, outcome)
        elif loop is not None:
            by_loop.setdefault(loop, []).append((receipts, outcome))
    for loop, answers in by_loop.items():
        with contextlib.suppress(RuntimeError):  # it was closed: nobody waits there any more
            loop.call_soon_threadsafe(_settle_all, answers)


def _settle_all(answers: list[tuple[asyncio.Future[Receipts], Outcome]]) -> None:
    for receipts, outcome in answers:
        if not receipts.done():
            _settle(receipts, outcome)


def _settle(receipts: Future[Receipts] | asyncio.Future[Receipts], outcome: Outcome) -> None:
    if isinstance(outcome, Exception):
        receipts.set_exception(outcome)
    else:
        receipts.set_result(outcome)


def _storable(message: RawMessage) -> RawMessage:
    """Nothing is lost for its id: one that a database cannot hold as a key gives way to the hash of what it stood for.

    PostgreSQL knows no NUL, no database knows half a character, and keys are short.
    """
    known = message.message_id
    if len(known) <= LONGEST_ID and "\0" not in known:
        if known.isascii():
            return message
        with contextlib.suppress(UnicodeEncodeError):
            known.encode()
            return message
    digest = blake2b(known.encode("utf-8", "surrogatepass"), digest_size=16)
    digest.update(message.body)
    return msgspec.structs.replace(message, message_id=f"unreadable:{digest.hexdigest()}")
