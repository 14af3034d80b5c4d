"""Gates: how fast, and whether at all, effects may go to each target just now.

Two things close one. A rate: so many calls a minute, saved up for at most a few seconds. A circuit: after some
failures in a row that called for later, nothing goes until a pause is over; then a single effect tries, and its
outcome opens the gate or doubles the pause. Other targets go on meanwhile, and what waits behind a closed gate loses
none of its tries.

Ours and not a library's, because a gate must be asked before an effect is leased: the lease itself leaves
out the targets that are closed. All of it is memory of one process: a new one finds every gate open, and
learns within a few calls.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import msgspec

from orderhub_core.store.base import FURTHEST

FAILURES_IN_A_ROW = 5
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 60.0
"""To see once a minute whether a target is back costs nobody anything, and its orders wait for that."""
SAVED_UP_S = 5.0
"""How many seconds' worth of calls may go at once after a quiet time."""


class _Gate(msgspec.Struct):
    calls: float
    """What may go at once, where there is a rate."""
    counted_at: float
    failures: int = 0
    pause_s: float = 0.0
    closed_until: float = float("-inf")


class Gates:
    """`rates` are calls a minute by target; others have none. `now` gives monotonic seconds. For any thread."""

    def __init__(self, rates: Mapping[str, int], now: Callable[[], float]) -> None:
        self._rates = {target: rate / 60 for target, rate in rates.items() if rate}
        self._now = now
        self._gates: dict[str, _Gate] = {}
        self._lock = threading.Lock()

    def closed(self) -> list[str]:
        """The targets to which nothing may go now."""
        with self._lock:
            return [target for target, gate in self._gates.items() if not self._is_open(target, gate)]

    def passes(self, target: str) -> bool:
        """Whether one effect may go there now; if so, it counts."""
        with self._lock:
            gate = self._gate(target)
            if not self._is_open(target, gate):
                return False
            gate.calls -= 1
            if gate.pause_s:  # this one tries; the others wait for what becomes of it
                gate.closed_until = self._now() + gate.pause_s
            return True

    def answered(self, target: str) -> None:
        """The target did something with an effect, be it to refuse it: it is there."""
        with self._lock:
            gate = self._gate(target)
            gate.failures, gate.pause_s, gate.closed_until = 0, 0.0, float("-inf")

    def spared(self, target: str) -> None:
        """What might have gone there did not, for a reason of the hub's own: the next one may, in its stead."""
        with self._lock:
            gate = self._gate(target)
            gate.calls += 1
            gate.closed_until = float("-inf")

    def failed(self, target: str, after_s: float | None, *, at_once: bool = False) -> None:
        """It did not; or it asked to be left alone for `after_s`, and is, for as long as anybody plans ahead.
        `at_once`: what follows would fare no better."""
        with self._lock:
            gate = self._gate(target)
            gate.failures = max(gate.failures + 1, FAILURES_IN_A_ROW if at_once else 0)
            if gate.failures >= FAILURES_IN_A_ROW:
                gate.pause_s = min(LONGEST_PAUSE_S, gate.pause_s * 2 or FIRST_PAUSE_S)
            wait_s = max(gate.pause_s, min(FURTHEST / 1_000_000, after_s or 0.0))
            gate.closed_until = max(gate.closed_until, self._now() + wait_s) if wait_s else gate.closed_until

    def _gate(self, target: str) -> _Gate:
        if target not in self._gates:
            self._gates[target] = _Gate(self._most(target), self._now())
        return self._gates[target]

    def _most(self, target: str) -> float:
        return max(1.0, self._rates.get(target, 0.0) * SAVED_UP_S)

    def _is_open(self, target: str, gate: _Gate) -> bool:
        now = self._now()
        if now < gate.closed_until:
            return False
        rate = self._rates.get(target)
        if rate is None:
            return True
        gate.calls = min(self._most(target), gate.calls + (now - gate.counted_at) * rate)
        gate.counted_at = now
        return gate.calls >= 1
