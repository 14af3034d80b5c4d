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
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from orderhub_core.errors import Busy, OrderHubError, Stop, StoreMissing
from orderhub_core.model import RawMessage
from orderhub_core.store import pipes, sqlite
from orderhub_core.store.accepting import BYTES_PER_COMMIT, MOST_PER_COMMIT, Commit, Delivery, Outcome, accept
from orderhub_core.store.unit import Receipt

AT_ONCE = 2
"""Orders under way: one being written, one that is there when it is."""
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
_FAILURES = {kind.__name__: kind for kind in (Busy, Stop, StoreMissing)}


class Asked(Protocol):
    """Whoever hands orders over: told on the loop what became of them, in turn."""

    def answered(self, orders: int, outcomes: list[Outcome] | None, commits: list[Commit]) -> None:
        """Of the next so many orders: an outcome for each delivery, or None where every message was new."""
        ...

    def lost(self) -> None:
        """The process is gone, or was told to go. Whether it wrote what it has not answered, nobody knows."""
        ...


class Scribe:
    """The process, for the first event loop that asks; everything but `close` is called there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._asked: Asked | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._child: pipes.Child | None = None
        self._ready, self._under_way = False, 0
        self._unsent = bytearray()
        self._answers = pipes.Incoming(_answer)
        self._start_at, self._pause_s = float("-inf"), RESTART_S

    def serves(self, loop: asyncio.AbstractEventLoop, asked: Asked) -> bool:
        """Whether it takes orders of this loop: not before it has started, nor while it is gone."""
        if self._ready:
            return loop is self._loop
        if self._child is None and time.monotonic() >= self._start_at and self._loop in (None, loop):
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
        self._write(pipes.LENGTH.pack(len(order)), order)

    def close(self) -> None:
        """What was handed over is still written, and answered. From any thread, once nobody hands over any more."""
        loop = self._loop
        if loop is None or self._child is None:
            return
        if not loop.is_running() or loop is _running():
            self._end()
            return
        done = threading.Event()

        def end() -> None:
            self._end()
            done.set()

        loop.call_soon_threadsafe(end)
        done.wait(pipes.END_S)

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
        except BlockingIOError:
            return
        if answers is None:
            self._lost()
            return
        for answer in answers:
            self._take(answer)

    def _take(self, answer: Answer) -> None:
        if not answer.orders:
            self._ready, self._pause_s = True, RESTART_S
            return
        self._under_way -= answer.orders
        outcomes = None if answer.outcomes is None else [_told(outcome) for outcome in answer.outcomes]
        if self._asked is not None:
            self._asked.answered(answer.orders, outcomes, answer.commits)

    def _lost(self) -> None:
        self._detach()
        child, self._child = self._child, None
        self._ready, self._under_way = False, 0
        self._unsent.clear()
        self._answers.clear()
        if child is not None:  # its end may wait for the disk, and this thread is the loop's
            threading.Thread(target=child.kill, name="scribe-end", daemon=True).start()
        if self._asked is not None:
            self._asked.lost()

    def _end(self) -> None:
        """Wait for what is under way. On the loop, or where none runs any more."""
        child = self._child
        if child is None:
            return
        self._detach()
        self._ready = False
        with contextlib.suppress(OSError):  # it has gone away: what it did not answer is lost
            os.set_blocking(child.orders.fileno(), True)
            os.set_blocking(child.answers.fileno(), True)
            child.orders.write(self._unsent)
            child.orders.close()
            while (answers := self._answers.read(child.answers.fileno())) is not None:
                for answer in answers:
                    self._take(answer)
        self._child = None
        child.end()
        self._under_way = 0
        if self._asked is not None:
            self._asked.lost()

    def _detach(self) -> None:
        if self._loop is None or self._child is None:
            return
        with contextlib.suppress(RuntimeError):  # it is closed
            self._loop.remove_writer(self._child.orders.fileno())
            self._loop.remove_reader(self._child.answers.fileno())


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
    pipes.stay_until_told()
    store = sqlite.SqliteStore(folder)
    arrived: deque[Order] = deque()
    incoming = pipes.Incoming(_order)
    _say(Answer(0))
    while True:
        if not arrived:
            more = incoming.read(0)
            if more is None:
                return
            arrived.extend(more)
        if orders := _together(arrived):
            deliveries = [delivery for order in orders for delivery in order.deliveries]
            outcomes, commits = accept(store, deliveries, orders[-1].received_at)
            _say(Answer(len(orders), _answered(outcomes), commits))


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


def _say(answer: Answer) -> None:
    pipes.answer(pipes.encode(answer))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
