"""Dispatch: perform effects that are due. Nobody else does.

An effect is leased, performed under its key, and finished before the next one begins; a worker that dies lets its
lease run out and another performs it again under the same key. Failures say what they need: later, a person, or a
stop. No target waits for another: each has a dispatcher of its own, see `dispatchers`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

from orderhub_core.effects import Effect, FetchOrder, decode
from orderhub_core.errors import (
    BadCredentials,
    Busy,
    Later,
    NeedsPerson,
    NobodyThere,
    OrderHubError,
    RefusedByTarget,
    Stop,
    Unanswered,
    Unconnected,
)
from orderhub_core.flows.gates import Gates
from orderhub_core.store.base import FURTHEST, Store
from orderhub_core.store.unit import Finished, Leased

SECOND = 1_000_000
LEASE_S = 120
LONGEST_S = 60
"""What one effect may take: asking and reading back, each within the longest `timeout_s` that settings allow."""
AT_A_TIME = 10
FIRST_WAIT_S, LONGEST_WAIT_S = 1, 3_600
LONGEST_ASKED_S = 300
"""As `LONGEST_WAIT_S`, of what is only asked: hand-overs wait for the answer."""

Perform = Callable[[Effect, str], None]
"""As `Targets.perform`."""


def dispatch(
    store: Store,
    perform: Perform,
    *,
    gates: Gates,
    clock: Callable[[], int],
    leases: Callable[[], int],
    owner: str,
    dice: Random,
    limit: int,
    attempts: int,
    only: str | None = None,
    going_on: Callable[[], bool] = lambda: True,
) -> list[Finished]:
    """Perform up to `limit` effects that are due, of `only` one target or of all, one after the other. Returns what
    became of them. `clock` gives microseconds UTC, `leases` the same by the clock of the home, which judges leases.

    None is begun when its lease could run out meanwhile, its target's gate is closed, or we are not `going_on`: those
    are given back, and it is no try. Nor is one that was withdrawn, held or renewed since it was leased.
    """
    results: list[Finished] = []
    while len(results) < limit and going_on():
        now, ours = leases(), clock()
        until = now + LEASE_S * SECOND
        size = min(AT_A_TIME, limit - len(results))
        leased = store.lease(
            now=now, until=until, owner=owner, limit=size, ours=ours, without=gates.closed(), only=only
        )
        for index, effect in enumerate(leased):
            if leases() + LONGEST_S * SECOND > until or not going_on():
                _give_back(store, leased[index:], owner=owner, now=clock())
                return results
            if not (store.still_leased(effect, owner=owner) and gates.passes(effect.target)):
                _give_back(store, [effect], owner=owner, now=clock())
                continue
            results.append(_perform(effect, perform, gates, clock=clock, dice=dice, attempts=attempts))
            store.finish(results[-1:], owner=owner, now=clock())
        if len(leased) < AT_A_TIME:
            break
    return results


class Dispatch(NamedTuple):
    """`dispatch` of one hub."""

    store: Store
    perform: Perform
    gates: Gates
    clock: Callable[[], int]
    attempts: int

    def due(self) -> set[str]:
        """Targets that have something to do, and whose gate is open."""
        now = self.leases()
        until = now + LEASE_S * SECOND
        return self.store.due_targets(now=now, until=until, ours=self.clock()).difference(self.gates.closed())

    def leases(self) -> int:
        return self.store.clock(self.clock())

    def __call__(
        self,
        *,
        owner: str,
        dice: Random,
        limit: int = 100,
        only: str | None = None,
        going_on: Callable[[], bool] = lambda: True,
    ) -> list[Finished]:
        return dispatch(
            self.store, self.perform, gates=self.gates, clock=self.clock, leases=self.leases, owner=owner,
            dice=dice, limit=limit, attempts=self.attempts, only=only, going_on=going_on,
        )  # fmt: skip


def _give_back(store: Store, leased: Sequence[Leased], *, owner: str, now: int) -> None:
    untried = [Finished(rest._replace(attempts=rest.attempts - 1), "waiting", now, "", tried=False) for rest in leased]
    store.finish(untried, owner=owner, now=now)


def _perform(
    leased: Leased, perform: Perform, gates: Gates, *, clock: Callable[[], int], dice: Random, attempts: int
) -> Finished:
    try:
        perform(decode(leased.payload), leased.key)
    except Stop:
        raise
    except Busy as ours:  # the hub's own database, or what it must know first: nothing was sent, and it was no try
        if _asks(leased):  # it was asked, and only its answer could not be written down
            gates.answered(leased.target)
        else:
            gates.spared(leased.target)
        untried, at = leased._replace(attempts=leased.attempts - 1), clock() + int((ours.after_s or 1) * SECOND)
        note = "" if isinstance(ours, Unanswered) else str(ours)  # a note would be its target's failure
        return Finished(untried, "waiting", at, note, tried=False)
    except (BadCredentials, Unconnected) as failure:  # nor was this taken; once that is mended it goes by itself
        gates.failed(leased.target, None, at_once=True)
        untried = leased._replace(attempts=leased.attempts - 1)  # what was never taken cannot have arrived
        at = next_try(leased.attempts, None, now=clock(), dice=dice)
        return Finished(untried, "waiting", at, str(failure), tried=False)
    except (NobodyThere, RefusedByTarget) as failure:  # nor this: a person may let it go when it is mended
        if isinstance(failure, RefusedByTarget):
            gates.answered(leased.target)
        untried = leased._replace(attempts=leased.attempts - 1)
        return Finished(untried, "person", clock(), str(failure), tried=False)
    except Later as failure:
        gates.failed(leased.target, failure.after_s)
        asks = _asks(leased)
        if leased.attempts >= attempts and not asks:
            last = NeedsPerson("gave up after {tries} tries: {answer}", tries=leased.attempts, answer=failure)
            return Finished(leased, "person", clock(), str(last))
        longest_s = LONGEST_ASKED_S if asks else LONGEST_WAIT_S
        at = next_try(leased.attempts, failure.after_s, now=clock(), dice=dice, longest_s=longest_s)
        return Finished(leased, "waiting", at, str(failure))
    except OrderHubError as failure:
        gates.answered(leased.target)
        return Finished(leased, "person", clock(), str(failure))
    except Exception as bug:  # noqa: BLE001 — one bug must not hold up the others; its text may hold a person's data
        return Finished(leased, "person", clock(), str(NeedsPerson("internal error: {kind}", kind=type(bug).__name__)))
    gates.answered(leased.target)
    return Finished(leased, "done", clock(), "")


def _asks(leased: Leased) -> bool:
    """Whether nothing arrives by it, however often it is performed."""
    return isinstance(decode(leased.payload), FetchOrder)


def next_try(
    attempt: int, after_s: float | None, *, now: int, dice: Random, longest_s: int = LONGEST_WAIT_S
) -> int:  # fmt: skip
    """Exponential backoff with full jitter in its upper half; not before we were asked back, if that is near."""
    wait_s = min(longest_s, FIRST_WAIT_S * 2**attempt) * dice.uniform(0.5, 1.0)
    return now + int(min(FURTHEST, max(wait_s, after_s or 0.0) * SECOND))
