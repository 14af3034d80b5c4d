"""Deliveries that wait to be written, how many may, and how their senders are told."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import NamedTuple

from orderhub_core.errors import Busy, Later, Unwritable
from orderhub_core.model import RawMessage
from orderhub_core.store.accepting import BYTES_PER_COMMIT, MOST_PER_COMMIT, Commit, Outcome
from orderhub_core.store.unit import Receipt

LONGEST_COMMIT_S = 1.0
"""While a commit takes longer, nobody new is let in: they would wait for it, in memory."""

FAILING_S, LATELY_S = 3.0, 10.0
"""Nothing is written down while deliveries are put off for so long, the last of them so lately: whoever sends nobody
here for that long has somebody tried again, for nothing else shows that it works again."""
MAY_BE_OVER_S = 60.0
"""What failed longer ago has nothing to do with what fails now."""

Receipts = list[Receipt]


class GroupWritten(NamedTuple):
    """One commit: what it wrote down, what became of each message, and how long the commit took."""

    messages: Sequence[RawMessage]
    receipts: Sequence[Receipt]
    seconds: float


class Waiting(NamedTuple):
    messages: Sequence[RawMessage]
    receipts: Future[Receipts] | asyncio.Future[Receipts]
    loop: asyncio.AbstractEventLoop | None
    """Where the receipts are awaited; None where a thread waits for them."""
    size: int
    """Of the bodies, bytes."""

    def is_wanted(self) -> bool:
        """Whether anybody still waits. A thread that does cannot cancel from here on."""
        if isinstance(self.receipts, Future):
            return self.receipts.set_running_or_notify_cancel()
        return not self.receipts.cancelled()

    def settle(self, outcome: Outcome) -> None:
        """On the loop, if it is one that waits. Whoever has gone meanwhile is told nothing."""
        if self.receipts.done():
            return
        try:
            if isinstance(outcome, Exception):
                self.receipts.set_exception(outcome)
            else:
                self.receipts.set_result(outcome)
        except RuntimeError:  # the loop is closed
            pass


class Room:
    """For deliveries that are not answered yet. Not a lock of its own: its owner's is held."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self.taken, self._bytes = 0, 0
        self.closed = False

    def enter(self, waiting: Waiting, busy_since: float) -> None:
        """Raises Busy when too many or too much wait, or a commit takes too long; a delivery that is more than may wait
        at all comes in when nothing else waits: it cannot become smaller by coming again."""
        count = len(waiting.messages)
        if self.closed:
            raise Busy("the hub is stopping; send again in a moment", after_s=1.0)
        if self.taken and self.taken + count > self._most:
            raise Busy("too many messages wait to be written; send again in a moment", after_s=1.0)
        if self.taken and self._bytes + waiting.size > self._most_bytes:
            raise Busy("too many bytes wait to be written; send again in a moment", after_s=1.0)
        if time.monotonic() - busy_since > LONGEST_COMMIT_S:
            raise Busy("writing takes long just now; send again in a moment", after_s=1.0)
        self.taken += count
        self._bytes += waiting.size

    def leave(self, group: Iterable[Waiting]) -> None:
        for waiting in group:
            self.taken -= len(waiting.messages)
            self._bytes -= waiting.size


class Failing:
    """Whether what comes is written down, told by what becomes of it: a disk of the database's that is full shows in
    nothing else. Safe to call from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._put_off: Counter[str] = Counter()
        self._since, self._last = 0.0, float("-inf")
        self._why: Later | None = None

    def failed(self, source: str, why: Later) -> None:
        """What this source has brought is to come again."""
        now = time.monotonic()
        with self._lock:
            self._put_off[source] += 1
            if isinstance(why, Unwritable):
                return
            if now - self._last > MAY_BE_OVER_S:
                self._since = now
            self._last, self._why = now, why

    def wrote(self) -> None:
        with self._lock:
            self._last, self._why = float("-inf"), None

    def put_off(self) -> dict[str, int]:
        """How many deliveries of each source were asked to come again, ever."""
        with self._lock:
            return dict(self._put_off)

    def check(self) -> None:
        """Raises why it is put off, where nothing has been written down for a while."""
        with self._lock:
            lately = time.monotonic() - self._last <= LATELY_S
            if self._why is not None and lately and self._last - self._since >= FAILING_S:
                raise self._why


def take(queue: deque[Waiting]) -> list[Waiting]:
    """What waits, up to one commit's worth and the delivery that goes over it."""
    group: list[Waiting] = []
    count = size = 0
    while queue and count < MOST_PER_COMMIT and size < BYTES_PER_COMMIT:
        group.append(queue.popleft())
        count += len(group[-1].messages)
        size += group[-1].size
    return group


def show(
    observe: Callable[[GroupWritten], None],
    group: Sequence[Waiting],
    outcomes: Sequence[Outcome],
    commits: Iterable[Commit],
) -> None:
    """Whoever looks on must not end whoever writes."""
    with contextlib.suppress(Exception):
        for first, last, seconds in commits:
            messages = [message for waiting in group[first:last] for message in waiting.messages]
            receipts = [one for outcome in outcomes[first:last] if isinstance(outcome, list) for one in outcome]
            observe(GroupWritten(messages, receipts, seconds))
