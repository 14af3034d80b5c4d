"""Receive: write messages down before understanding them, many waiting requests in one commit.

An acknowledgement always means "on disk"; when too much waits, nothing is taken into memory and the sender is asked to
come back. A thread takes everything that waits, commits it, then answers each request; where the home has a process for
it, a busy event loop hands its deliveries to that one.

Senders who were answered together tend to come again together: the thread waits for half of them, two milliseconds
at most, because a commit of many costs little more than a commit of one, and writes that half down while the others
are read. A single sender never waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec

from orderhub_core.errors import Busy
from orderhub_core.flows import waiting
from orderhub_core.flows.scribing import Scribing
from orderhub_core.flows.waiting import Failing, GroupWritten, Receipts, Room, Waiting
from orderhub_core.model import RawMessage
from orderhub_core.store import accepting
from orderhub_core.store.accepting import MOST_PER_COMMIT, Outcome
from orderhub_core.store.base import Store
from orderhub_core.store.unit import LONGEST_ID

if TYPE_CHECKING:
    from orderhub_core.store.scribe import Scribe

LINGER_S = 0.002
MOST_BYTES = 64 * 1024 * 1024
COUNT_EVERY_S = 1.0
LAST_COMMITS_S = 10.0


class Receiver:
    """Group commit in front of a store. `clock` gives microseconds UTC; `observe` is told of every commit, after the
    senders were answered, where they were: it must be quick; so is `failing`. `scribe` is the home's process for a busy
    loop."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], int],
        *,
        most_waiting: int,
        most_bytes: int = MOST_BYTES,
        observe: Callable[[GroupWritten], None] | None = None,
        scribe: Scribe | None = None,
        failing: Failing | None = None,
    ) -> None:
        self._store, self._clock, self._observe, self._failing = store, clock, observe, failing or Failing()
        self._queue: deque[Waiting] = deque()
        self._room = Room(most_waiting, most_bytes)
        self._queued, self._stopping, self._ended = 0, False, False
        """Messages in the queue; whether the thread is to end, and whether it has."""
        self._expected, self._enough = 1, 0
        """Half of those that may come again together; how many deliveries wake the writer, 0 while it is at work."""
        self._busy_since = float("inf")
        self._turned_away: Counter[tuple[str, str]] = Counter()
        self._counted_at = float("-inf")
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._scribing: Scribing | None = None
        if scribe is not None:
            self._scribing = Scribing(scribe, clock, leave=self._leave, spill=self._spill, observe=self._wrote)
        self._thread = threading.Thread(target=self._write, name="receive", daemon=True)
        self._thread.start()

    def submit(self, messages: Sequence[RawMessage]) -> Future[Receipts]:
        """The receipts, once the messages are on disk; cancelled before that, they may never be.

        Raises Busy at once when too many or too much wait, or a commit takes too long. More than may wait at all are
        taken when nothing else waits: a sender's one delivery cannot become smaller by coming again.
        """
        receipts: Future[Receipts] = Future()
        self._take(_waiting(messages, receipts, None))
        return receipts

    def deliver(self, messages: Sequence[RawMessage]) -> asyncio.Future[Receipts]:
        """The same for whoever awaits on an event loop: a loop is woken once for all that were written together."""
        loop = asyncio.get_running_loop()
        receipts: asyncio.Future[Receipts] = loop.create_future()
        delivery = _waiting(messages, receipts, loop)
        if self._scribing is None or not self._scribing.serves(loop):
            self._take(delivery)
        else:
            with self._lock:
                self._room.enter(delivery, self._scribing.busy_since)
            self._scribing.put(delivery)
        return receipts

    def turn_away(self, source: str, reason: str) -> None:
        """Count what was refused at the door. Costs no write: the counts reach the store a moment later, together."""
        with self._lock:
            self._turned_away[source, reason] += 1

    def close(self) -> None:
        """Write what waits, then stop. What takes longer than LAST_COMMITS_S is left where it is, unacknowledged."""
        with self._lock:
            self._room.closed = True
        if self._scribing is not None:
            self._scribing.close()
        with self._lock:
            self._stopping = True
            self._arrived.notify()
        self._thread.join(LAST_COMMITS_S)

    def _take(self, delivery: Waiting) -> None:
        with self._lock:
            self._room.enter(delivery, self._busy_since)
            self._queue.append(delivery)
            self._queued += len(delivery.messages)
            self._wake()

    def _spill(self, deliveries: list[Waiting]) -> None:
        """They have their room already."""
        with self._lock:
            if not self._ended:
                self._queue.extend(deliveries)
                self._queued += sum([len(delivery.messages) for delivery in deliveries])
                self._wake()
                return
            self._room.leave(deliveries)
        _answer(deliveries, [Busy("the hub is stopping; send again in a moment", after_s=1.0)] * len(deliveries))

    def _wake(self) -> None:
        if self._enough and (len(self._queue) >= self._enough or self._queued >= MOST_PER_COMMIT):
            self._arrived.notify()

    def _leave(self, deliveries: Iterable[Waiting]) -> None:
        with self._lock:
            self._room.leave(deliveries)

    def _write(self) -> None:
        while True:
            group = self._gather()
            if group:
                self._commit(group)
            with self._lock:
                self._ended = self._stopping and not self._queue
            if self._ended or time.monotonic() - self._counted_at > COUNT_EVERY_S:
                self._write_counts()
            if self._ended:
                return

    def _gather(self) -> list[Waiting]:
        """Empty after a while of nothing."""
        with self._lock:
            self._await(self._expected, LINGER_S)
            if not self._queue:
                self._await(1, COUNT_EVERY_S)
            group = waiting.take(self._queue)
            self._queued -= sum([len(delivery.messages) for delivery in group])
            return group

    def _await(self, deliveries: int, longest_s: float) -> None:
        """Wait, holding the lock otherwise, until so many deliveries are there or the time is over."""
        if len(self._queue) < deliveries and not self._stopping and self._queued < MOST_PER_COMMIT:
            self._enough = deliveries
            self._arrived.wait(longest_s)
            self._enough = 0

    def _commit(self, group: list[Waiting]) -> None:
        self._busy_since = time.monotonic()
        # From here on no thread can cancel: every answer below has a future that takes it.
        wanted = [delivery for delivery in group if delivery.is_wanted()]
        outcomes, commits = accepting.accept(self._store, [one.messages for one in wanted], self._clock())
        with self._lock:
            self._room.leave(group)
            self._busy_since = float("inf")
            self._expected = max(1, (len(wanted) + len(self._queue)) // 2)
        _answer(wanted, outcomes)
        waiting.show(self._wrote, wanted, outcomes, commits)

    def _wrote(self, group: GroupWritten) -> None:
        self._failing.wrote()
        if self._observe is not None:
            self._observe(group)

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


def _waiting(
    messages: Sequence[RawMessage],
    receipts: Future[Receipts] | asyncio.Future[Receipts],
    loop: asyncio.AbstractEventLoop | None,
) -> Waiting:
    storable = [_storable(message) for message in messages]
    return Waiting(storable, receipts, loop, sum([len(message.body) for message in storable]))


def _answer(group: list[Waiting], outcomes: list[Outcome]) -> None:
    """Threads are told here, loops each once for all of theirs."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Waiting, Outcome]]] = {}
    for delivery, outcome in zip(group, outcomes, strict=True):
        if delivery.loop is None:
            delivery.settle(outcome)
        else:
            by_loop.setdefault(delivery.loop, []).append((delivery, outcome))
    for loop, answers in by_loop.items():
        with contextlib.suppress(RuntimeError):  # it was closed: nobody waits there any more
            loop.call_soon_threadsafe(_settle_all, answers)


def _settle_all(answers: list[tuple[Waiting, Outcome]]) -> None:
    for delivery, outcome in answers:
        delivery.settle(outcome)


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
