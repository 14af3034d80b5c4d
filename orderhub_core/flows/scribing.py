"""Deliveries of a busy event loop, in the hands of a process that writes."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import TYPE_CHECKING

import structlog

from orderhub_core.flows import waiting
from orderhub_core.flows.waiting import GroupWritten, Waiting
from orderhub_core.store.accepting import Commit, Outcome

if TYPE_CHECKING:
    from orderhub_core.store.scribe import Scribe

log = structlog.get_logger()


class Scribing:
    """All that a turn of the loop has read goes over together, so long as the process has no more than it can take up
    next. Everything but `close` is called on the loop.

    `leave` is told of deliveries that are answered, or that nobody waits for; `spill` gets those that the process does
    not write, for somebody else to.
    """

    def __init__(
        self,
        scribe: Scribe,
        clock: Callable[[], int],
        *,
        leave: Callable[[Iterable[Waiting]], None],
        spill: Callable[[list[Waiting]], None],
        observe: Callable[[GroupWritten], None],
    ) -> None:
        self._scribe, self._clock, self._leave, self._spill, self._observe = scribe, clock, leave, spill, observe
        self._queue: deque[Waiting] = deque()
        self._under_way: deque[list[Waiting]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn_ends = False
        self._closing = False

    @property
    def busy_since(self) -> float:
        return self._scribe.busy_since

    def serves(self, loop: asyncio.AbstractEventLoop) -> bool:
        return self._scribe.serves(loop, self)

    def put(self, delivery: Waiting) -> None:
        self._loop = delivery.loop
        self._queue.append(delivery)
        self._when_turn_ends()

    def close(self) -> None:
        """What was taken in is written. From any thread."""
        self._closing = True
        self._scribe.close()

    def answered(self, orders: int, outcomes: list[Outcome] | None, commits: list[Commit]) -> None:
        group = [delivery for order in islice(self._under_way, orders) for delivery in order]
        if outcomes is None:
            outcomes = [["new"] * len(delivery.messages) for delivery in group]
        if len(outcomes) != len(group):
            raise ValueError("an answer to other deliveries")
        for _ in range(orders):
            self._under_way.popleft()
        self._leave(group)
        for delivery, outcome in zip(group, outcomes, strict=True):
            delivery.settle(outcome)
        self._when_turn_ends()
        waiting.show(self._observe, group, outcomes, commits)

    def lost(self) -> None:
        """What was not answered is written again by somebody else: what is there already is told to be."""
        unknown = [delivery for order in self._under_way for delivery in order]
        left = [*unknown, *self._queue]
        self._under_way.clear()
        self._queue.clear()
        self._turn_ends = False  # of a loop that has ended, no turn ends any more
        self._spill(left)
        if unknown or not self._closing:
            with contextlib.suppress(Exception):  # nobody may be told, and yet everybody is answered
                log.warning("the process that writes the inbox has gone away", deliveries=len(unknown))

    def _when_turn_ends(self) -> None:
        if self._queue and not self._turn_ends and self._loop is not None and self._scribe.has_room:
            self._turn_ends = True
            self._loop.call_soon(self._hand)

    def _hand(self) -> None:
        self._turn_ends = False
        while self._queue and self._scribe.has_room:
            group = waiting.take(self._queue)
            wanted = [delivery for delivery in group if delivery.is_wanted()]
            self._leave([delivery for delivery in group if delivery.receipts.cancelled()])
            if not wanted:
                continue
            self._under_way.append(wanted)
            try:
                self._scribe.hand([delivery.messages for delivery in wanted], self._clock())
            except Exception:  # noqa: BLE001 — one of them cannot be handed over; who writes them finds out which
                self._under_way.pop()
                self._spill(wanted)
