"""Absorb while a backlog waits: one batch is planned while the one before is being committed.

Planning is Python on one core, committing is a database on another: SQLite in a process of ours, PostgreSQL in its own.
Of what is planned ahead nothing is true until all before it is committed: when a commit fails, what was planned
meanwhile is dropped, and the ordinary way, `absorb`, tries again and says why. Without a backlog, or where the store
commits nothing ahead, that is the only way.
"""

from __future__ import annotations

import contextlib
import time
from typing import NamedTuple

import structlog

from orderhub_core.flows.absorb import Plan, absorb, prepare
from orderhub_core.flows.context import Context
from orderhub_core.flows.garbage import uncollected
from orderhub_core.flows.ops import TURNS
from orderhub_core.flows.recent import remembered_if_committed
from orderhub_core.store import homes
from orderhub_core.store.ahead import Ahead
from orderhub_core.store.unit import Claim, Writes

log = structlog.get_logger()

IDLE_S = 30.0
"""After so long without a backlog nobody is kept to commit ahead."""
UNCOLLECTED = 64
"""Batches between two looks for cycles of garbage: each would walk over all that is kept for the next batch."""


class _Flight(NamedTuple):
    """A batch that is planned, and on its way to be committed."""

    claim: Claim
    plan: Plan


class Pipeline:
    """Absorbs for one worker, in one of its threads."""

    def __init__(self, context: Context, limit: int) -> None:
        self._context, self._limit = context, limit
        # Planning ahead needs the orders of the batch before, which nobody can read yet.
        self._ahead = None if context.recent is None else homes.ahead(context.store)
        self._flying: _Flight | None = None
        self._backlog, self._used_at = False, 0.0
        self._uncollected = contextlib.ExitStack()
        self._batches = 0

    def step(self) -> Plan | None:
        """One batch, committed. None when nothing waited. Raises as `absorb`."""
        if (ahead := self._ahead) is None:
            return absorb(self._context, self._limit)
        flight, backlog = self._state()
        try:
            if flight is None and backlog:
                flight = self._take_off(ahead)
            return self._alone(ahead) if flight is None else self._land(flight, ahead)
        finally:
            self._batches += 1
            if self._flying is None:
                ahead.drop()
            if self._flying is None or self._batches % UNCOLLECTED == 0:
                self._uncollected.close()

    def _state(self) -> tuple[_Flight | None, bool]:
        """What is on its way, and whether more waited; until a step has ended well, neither is so any more."""
        state = self._flying, self._backlog
        self._flying, self._backlog = None, False
        return state

    def close(self) -> None:
        """What is on its way is still committed."""
        flight, _ = self._state()
        if self._ahead is not None:
            if flight is not None:
                with contextlib.suppress(Exception), self._remembered(flight):
                    self._ahead.end()
                    self._settled(flight)
            self._ahead.close()
        self._uncollected.close()

    def _alone(self, ahead: Ahead) -> Plan | None:
        done = absorb(self._context, self._limit)
        # A batch is of one lane: where there are several, the others are likely to have as much.
        self._backlog = done is not None and len(done.outcomes) * self._context.store.lanes >= self._limit
        if not self._backlog and time.monotonic() - self._used_at > IDLE_S:
            ahead.close()
        return done

    def _take_off(self, ahead: Ahead) -> _Flight | None:
        if not ahead.open():
            log.warning("no process to be had that commits ahead: batches follow one another")
            self._ahead = None
            return None
        self._uncollected.enter_context(uncollected())
        claim = ahead.first(self._limit, self._context.clock())
        flight = None if claim is None else self._prepared(claim)
        if flight is None:
            ahead.drop()
        else:
            ahead.begin(flight.claim, flight.plan.writes)
        return flight

    def _land(self, flight: _Flight, ahead: Ahead) -> Plan:
        """Plan the next batch, wait for the one that is on its way, and let the next one follow it."""
        self._used_at = time.monotonic()
        if self._batches % UNCOLLECTED == 0:
            self._uncollected.enter_context(uncollected())
        with self._remembered(flight):
            following = ahead.claim(self._limit, self._context.clock())
            planned = None if following is None else self._prepared(following, ahead, flight.claim.lane)
        with self._remembered(flight), self._remembered(planned or flight):
            ahead.end()
            self._settled(flight)
        if planned is not None:
            ahead.begin(planned.claim, planned.plan.writes)
        self._flying, self._backlog = planned, planned is not None
        return Plan(Writes(), flight.plan.outcomes, {})

    def _prepared(self, claim: Claim, ahead: Ahead | None = None, lane: int | None = None) -> _Flight | None:
        """None where planning fails: `absorb` will meet the same failure, and knows what to do about it. Also where
        what comes next is decided by what this changes.

        `lane`: of what `ahead` commits meanwhile.
        """
        if not TURNS.isdisjoint([message.kind for message in claim.messages]):
            return None
        with contextlib.suppress(Exception), remembered_if_committed(self._context.recent, claim):
            return _Flight(claim, prepare(self._context, claim, ahead, unwritten=claim.lane == lane))
        return None

    def _settled(self, flight: _Flight) -> None:
        if self._context.recent is not None:
            self._context.recent.settle(flight.claim, flight.plan.writes)

    def _remembered(self, flight: _Flight) -> contextlib.AbstractContextManager[None]:
        return remembered_if_committed(self._context.recent, flight.claim)
