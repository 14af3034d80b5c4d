"""Dispatch: perform effects that are due. Nobody else does.

An effect is leased, performed under its key, and finished; a worker that dies lets its lease run out and
another performs it again under the same key. Failures say what they need: later, a person, or a stop.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from orderhub_core.effects import Effect, decode
from orderhub_core.errors import Later, OrderHubError, Stop
from orderhub_core.store.base import Store
from orderhub_core.store.unit import Finished, Leased

SECOND = 1_000_000
LEASE_S = 60
FIRST_WAIT_S, LONGEST_WAIT_S = 1, 3_600

Perform = Callable[[Effect, str], None]
"""Does an effect under its idempotency key and reads back that it is done. Raises only `errors`."""


def dispatch(
    store: Store, perform: Perform, *, now: int, owner: str, dice: Random, limit: int, attempts: int
) -> list[Finished]:
    """Perform the effects that are due at `now` (microseconds UTC). Returns what became of them."""
    leased = store.lease(now=now, until=now + LEASE_S * SECOND, owner=owner, limit=limit)
    results = [_perform(effect, perform, now=now, dice=dice, attempts=attempts) for effect in leased]
    if results:
        store.finish(results, owner=owner, now=now)
    return results


def _perform(leased: Leased, perform: Perform, *, now: int, dice: Random, attempts: int) -> Finished:
    try:
        perform(decode(leased.payload), leased.key)
    except Stop:
        raise
    except Later as failure:
        if leased.attempts >= attempts:
            return Finished(leased, "person", now, f"gave up after {leased.attempts} tries: {failure}")
        return Finished(leased, "waiting", next_try(leased.attempts, failure.after_s, now=now, dice=dice), str(failure))
    except OrderHubError as failure:
        return Finished(leased, "person", now, str(failure))
    return Finished(leased, "done", now, "")


def next_try(attempt: int, after_s: float | None, *, now: int, dice: Random) -> int:
    """Exponential backoff with full jitter in its upper half; never before the other side asked us back."""
    wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt) * dice.uniform(0.5, 1.0)
    return now + int(max(wait_s, after_s or 0.0) * SECOND)
