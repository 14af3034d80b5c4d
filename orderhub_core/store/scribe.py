"""A process that writes the inbox down for a busy event loop.

A thread would do, but for the interpreter that it shares with the loop: each waits for the other's turn at every step.
The loop hands over what has come meanwhile, twice before the first is answered, so that neither waits for the other;
the process writes whatever it finds in one commit, and answers when that is on disk.

    python -m orderhub_core.store.scribe FOLDER      the process
"""

from __future__ import annotations

from orderhub_core import runtime  # isort: skip

import asyncio
import contextlib
import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from orderhub_core.errors import Busy, OrderHubError, Stop, StoreMissing, Unwritable
from orderhub_core.model import RawMessage
from orderhub_core.store import pipes, sqlite
from orderhub_core.store.accepting import BYTES_PER_COMMIT, MOST_PER_COMMIT, Commit, Delivery, Outcome, accept
from orderhub_core.store.unit import Receipt

AT_ONCE = 2
"""Orders under way: one being written, one that is there when it is."""
STUCK_S = 15.0
"""Without a word from a process that has something to answer; it waits for another writer of the file for 5 s."""
RESTART_S, LONGEST_RESTART_S = 1.0, 60.0
"""Between two starts of a process that will not stay; twice as long each time that it has not begun to work."""


class Order(msgspec.Struct, array_like=True, gc=False):
    received_at: int
    deliveries: list[list[RawMessage]]


class Failure(msgspec.Struct):
    kind: str
    text: str


class Answer(msgspec.Struct, array_like=True, gc=False):
    """Of what was written together. The first says that the process is there, and is of no order."""

    orders: int
    outcomes: list[list[Receipt] | Failure] | None = None
    """Of each delivery of these orders; None where every message was new."""
    commits: list[Commit] = []


_order, _answer = msgspec.msgpack.Decoder(Order).decode, msgspec.msgpack.Decoder(Answer).decode
_FAILURES = {kind.__name__: kind for kind in (Busy, Unwritable, Stop, StoreMissing)}


class Asked(Protocol):
    """Whoever hands orders over: told on the loop what became of them, in turn."""

    def answered(self, orders: int, outcomes: list[Outcome] | None, commits: list[Commit]) -> None:
        """Of the next so many orders: an outcome for each delivery, or None where every message was new."""
        ...

    def lost(self) -> None:
        """The process is gone, or was told to go. Whether it wrote what it has not answered, nobody knows."""
        ...


class Scribe:
    """The process, for one event loop; everything but `close` is called there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._asked: Asked | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._child: pipes.Child | None = None
        self._ready, self._closed, self._under_way = False, False, 0
        self._unsent = bytearray()
        self._answers = pipes.Incoming(_answer)
        self._start_at, self._pause_s = float("-inf"), RESTART_S
        self._watch: asyncio.TimerHandle | None = None
        self.busy_since = float("inf")
        """When it was last heard of, while it has something to answer."""

    def serves(self, loop: asyncio.AbstractEventLoop, asked: Asked) -> bool:
        """Whether it takes orders of this loop: not before it has started, nor while it is gone."""
        if self._ready and loop is self._loop:
            return True
        if self._loop is not None and loop is not self._loop:
            if not self._loop.is_closed():
                return False
            self._lost()
            self._loop = None
        if self._child is None and not self._closed and time.monotonic() >= self._start_at:
            self._loop, self._asked = loop, asked
            self._begin(loop)
        return False

    @property
    def has_room(self) -> bool:
        return self._ready and self._under_way < AT_ONCE

    def hand(self, deliveries: Sequence[Delivery], received_at: int) -> None:
        """An order, on its way. Raises what its encoding does: then nothing was handed over."""
        order = pipes.encode((received_at, deliveries))
        self._under_way += 1
        if self._under_way == 1:
            self.busy_since = time.monotonic()
        if self._watch is None and self._loop is not None:
            self._watch = self._loop.call_later(STUCK_S / 4, self._look)
        self._write(pipes.LENGTH.pack(len(order)), order)

    def close(self) -> None:
        """What was handed over is still written and answered, or lost if that takes longer than `pipes.END_S`. From any
        thread, once nobody hands over any more."""
        self._closed = True
        loop = self._loop
        if loop is None:
            return
        done = threading.Event()

        def end() -> None:
            try:
                self._end()
            finally:
                done.set()

        if loop.is_running() and loop is not _running():
            with contextlib.suppress(RuntimeError):  # it was closed at this moment
                loop.call_soon_threadsafe(end)
                if done.wait(2 * pipes.END_S):
                    return
        end()

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._start_at = time.monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_RESTART_S)
        with contextlib.suppress(OSError):  # no process, memory or pipe to be had
            self._child = child = pipes.start(__name__, str(self._folder))
            os.set_blocking(child.orders.fileno(), False)
            os.set_blocking(child.answers.fileno(), False)
            loop.add_reader(child.answers.fileno(), self._read)

    def _write(self, *more: bytes) -> None:
        """As much as the pipe takes; the rest when it takes more."""
        if self._child is None or self._loop is None:
            return
        pipe = self._child.orders.fileno()
        parts = [bytes(self._unsent), *more] if self._unsent else list(more)
        self._unsent.clear()
        try:
            while parts:
                parts = _after(os.writev(pipe, parts), parts)
        except BlockingIOError:
            self._unsent += b"".join(parts)
            self._loop.add_writer(pipe, self._write)
        except OSError:
            self._lost()
        else:
            self._loop.remove_writer(pipe)

    def _read(self) -> None:
        if self._child is None:
            return
        try:
            answers = self._answers.read(self._child.answers.fileno())
            for answer in answers or ():
                self._take(answer)
        except BlockingIOError:
            return
        except Exception:  # noqa: BLE001 — what it says cannot be understood: it is not to be believed any more
            answers = None
        if answers is None:
            self._lost()

    def _take(self, answer: Answer) -> None:
        if not answer.orders:
            self._ready, self._pause_s = True, RESTART_S
            return
        if answer.orders > self._under_way:
            raise ValueError("an answer to what was not asked")
        self._under_way -= answer.orders
        self.busy_since = time.monotonic() if self._under_way else float("inf")
        outcomes = None if answer.outcomes is None else [_told(outcome) for outcome in answer.outcomes]
        if self._asked is not None:
            self._asked.answered(answer.orders, outcomes, answer.commits)

    def _look(self) -> None:
        """Whether it is stuck, with the senders who wait for it: frozen, or at a disk that does not come back."""
        self._watch = None
        if time.monotonic() - self.busy_since > STUCK_S:
            self._lost()
        elif self._under_way and self._loop is not None:
            self._watch = self._loop.call_later(STUCK_S / 4, self._look)

    def _lost(self) -> None:
        """What is under way is somebody else's, first of all; nothing before that may fail."""
        self._detach()
        child, self._child = self._child, None
        self._ready, self._under_way, self.busy_since = False, 0, float("inf")
        self._unsent.clear()
        self._answers.clear()
        try:
            if self._asked is not None:
                self._asked.lost()
        finally:
            if child is not None:
                _bury(child)

    def _end(self) -> None:
        """Wait for what is under way. On the loop, or where none runs any more."""
        if (child := self._child) is not None:
            self._detach()
            self._ready = False
            with contextlib.suppress(Exception):  # it has gone away, or says what nobody understands
                if self._drain(child, time.monotonic() + pipes.END_S):
                    child.end()
                    self._child = None
        self._lost()

    def _drain(self, child: pipes.Child, until: float) -> bool:
        """Write and read in turns: it may wait to be heard before it hears more. Whether it came to its end."""
        poll = select.poll()
        poll.register(child.answers, select.POLLIN)
        if self._unsent:
            poll.register(child.orders, select.POLLOUT)
        else:
            child.orders.close()
        while (left := until - time.monotonic()) > 0:
            for pipe, _ in poll.poll(left * 1_000):
                if pipe == child.answers.fileno():
                    answers = self._answers.read(pipe)
                    if answers is None:
                        return True
                    for answer in answers:
                        self._take(answer)
                else:
                    del self._unsent[: os.write(pipe, self._unsent)]
                    if not self._unsent:
                        poll.unregister(pipe)
                        child.orders.close()
        return False

    def _detach(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self._loop is None or self._child is None or self._loop.is_closed():
            return
        if not self._child.orders.closed:
            self._loop.remove_writer(self._child.orders.fileno())
        self._loop.remove_reader(self._child.answers.fileno())


def _bury(child: pipes.Child) -> None:
    """Its end may wait for the disk, and this thread is the loop's."""
    try:
        threading.Thread(target=child.kill, name="scribe-end", daemon=True).start()
    except RuntimeError:  # no thread to be had
        child.process.kill()
        with contextlib.suppress(OSError):
            child.orders.close()
        child.answers.close()


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _after(count: int, parts: list[bytes]) -> list[bytes]:
    """What is left of them once so many bytes are gone."""
    for at, part in enumerate(parts):
        if count < len(part):
            return [part[count:], *parts[at + 1 :]]
        count -= len(part)
    return []


def _told(outcome: list[Receipt] | Failure) -> Outcome:
    if isinstance(outcome, Failure):
        failure: OrderHubError = _FAILURES.get(outcome.kind, Busy)(outcome.text)
        return failure
    return outcome


# -- the process


def main(folder: Path) -> None:
    runtime.check()
    answers = pipes.stay_until_told()
    store = sqlite.SqliteStore(folder)
    arrived: deque[Order] = deque()
    incoming = pipes.Incoming(_order)
    pipes.answer(answers, pipes.encode(Answer(0)))
    while True:
        if not arrived:
            more = incoming.read(0)
            if more is None:
                return
            arrived.extend(more)
        if orders := _together(arrived):
            deliveries = [delivery for order in orders for delivery in order.deliveries]
            outcomes, commits = accept(store, deliveries, orders[-1].received_at)
            pipes.answer(answers, pipes.encode(Answer(len(orders), _answered(outcomes), commits)))


def _together(arrived: deque[Order]) -> list[Order]:
    """What one commit takes, and the order that goes over it."""
    orders: list[Order] = []
    count = size = 0
    while arrived and count < MOST_PER_COMMIT and size < BYTES_PER_COMMIT:
        orders.append(arrived.popleft())
        for delivery in orders[-1].deliveries:
            count += len(delivery)
            size += sum([len(message.body) for message in delivery])
    return orders


def _answered(outcomes: list[Outcome]) -> list[list[Receipt] | Failure] | None:
    told = [Failure(type(one).__name__, str(one)) if isinstance(one, OrderHubError) else one for one in outcomes]
    plain = all(not isinstance(one, Failure) and one.count("new") == len(one) for one in told)
    return None if plain else told


if __name__ == "__main__":
    main(Path(sys.argv[1]))
