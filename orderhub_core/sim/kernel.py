"""Warehouses as queues in tandem, exactly, order by order.

A stage with c people is a FIFO queue with c servers. Its recursion (Kiefer and Wolfowitz, "On the theory of
queues with many servers", 1955, kept here as a heap of the instants at which people come free): an order
starts at the later of its arrival and the earliest free person. The orders that leave one stage, in the order
in which they leave, arrive at the next. Pure; all times in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import heapreplace

import numpy as np
from numpy.typing import NDArray

from orderhub_core.sim import arrivals
from orderhub_core.sim.scenario import DAY_S, Scenario, Site

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def serve(reached: Floats, seconds: Floats, free: list[float]) -> Floats:
    """When each order is done at one stage.

    `reached` ascends. `free` is a heap of the instants at which the people come free, and is kept up to date.
    """
    done = []
    for at, work in zip(reached.tolist(), seconds.tolist(), strict=True):
        soonest = free[0]
        end = (soonest if soonest > at else at) + work
        heapreplace(free, end)
        done.append(end)
    return np.array(done, dtype=np.float64)


@dataclass(frozen=True)
class Shift:
    """The daily hours of a site, as a change of clock: working time stands still while it is closed."""

    opens: float
    closes: float
    """Seconds since midnight."""

    def worked(self, at: Floats) -> Floats:
        """Seconds the site has been open between the first midnight and `at`."""
        length = self.closes - self.opens
        open_today: Floats = np.clip(at % DAY_S - self.opens, 0.0, length)
        return at // DAY_S * length + open_today

    def clock(self, worked: Floats) -> Floats:
        """The first instant at which the site has been open for so long."""
        length = self.closes - self.opens
        day = np.maximum(np.ceil(worked / length) - 1, 0.0)
        at: Floats = day * DAY_S + self.opens + worked - day * length
        return at


class Line:
    """One site at work; `advance` may be called again and again with later instants.

    `passage[order, s]` is when an order reaches stage s (s = number of stages: when it leaves), in the site's
    working time; column 0 is given, the rest is written here.
    """

    def __init__(self, people: Sequence[int], passage: Floats, work: Floats) -> None:
        self.inside = 0
        self._passage, self._work = passage, work
        self._free = [[0.0] * count for count in people]
        self._later: list[Ints] = [np.empty(0, np.int64) for _ in range(len(people) + 1)]

    def advance(self, rows: Ints, until: float = np.inf) -> None:
        """Take in `rows` and settle all that is reached by `until`: nothing that arrives later can change it."""
        if not len(rows) and not self.inside:
            return
        self.inside += len(rows)
        for stage, free in enumerate(self._free):
            due = self._due(stage, rows, until)
            self._passage[due, stage + 1] = serve(self._passage[due, stage], self._work[due, stage], free)
            rows = due
        self.inside -= len(self._due(len(self._free), rows, until))

    def _due(self, stage: int, rows: Ints, until: float) -> Ints:
        rows = np.concatenate((self._later[stage], rows))
        at = self._passage[rows, stage]
        due = at <= until
        self._later[stage] = rows[~due]
        inorder: Ints = rows[due][np.argsort(at[due], kind="stable")]
        return inorder


@dataclass(frozen=True)
class Run:
    """One rehearsed day, a row per order in the order of arrival; clock times."""

    site: Ints
    """Index into the scenario's warehouses; their number itself means the temporary one."""
    reached: Floats
    """Orders x (stages + 1): reaching each stage, then leaving the last."""
    waited: Floats
    """Orders x stages: open hours spent waiting, in seconds; the time the site was closed is not in it."""

    @cached_property
    def ascending(self) -> Floats:
        """Each column of `reached`, sorted: what counting needs, once."""
        return np.sort(self.reached.T, axis=1)

    @cached_property
    def took(self) -> Floats:
        """Seconds from placing to leaving."""
        whole: Floats = self.reached[:, -1] - self.reached[:, 0]
        return whole


def run(scenario: Scenario, seed: np.random.SeedSequence) -> Run:
    """Rehearse the day once. The same seed draws the same orders and the same work whatever the staffing."""
    rng = np.random.default_rng(seed)
    placed = arrivals.draw(scenario.arrivals, scenario.orders, rng)
    shares = np.array([site.share for site in scenario.warehouses])
    home = rng.choice(len(shares), size=len(placed), p=shares / shares.sum()).astype(np.int64)
    work = np.column_stack([_times(stage.seconds, stage.spread, len(placed), rng) for stage in scenario.stages])
    return _walk(scenario, placed, home, work)


def _times(mean: float, spread: float, size: int, rng: np.random.Generator) -> Floats:
    if spread == 0:
        return np.full(size, mean)
    return rng.gamma(1 / spread**2, mean * spread**2, size)


def _walk(scenario: Scenario, placed: Floats, home: Ints, work: Floats) -> Run:
    sites: list[Site] = [*scenario.warehouses, scenario.temporary]
    shifts = [Shift(site.opens * 3600, site.closes * 3600) for site in sites]
    passage = np.full((len(placed), len(scenario.stages) + 1), np.inf)
    lines = [Line(site.people, passage, work) for site in sites]
    site = home.copy()

    def admit(low: int, until: float) -> int:
        """Settle everything up to `until`, given that the orders before `low` were admitted; how many were by then."""
        high = int(np.searchsorted(placed, until, side="right"))
        for index, (line, shift) in enumerate(zip(lines, shifts, strict=True)):
            rows = low + np.flatnonzero(site[low:high] == index)
            passage[rows, 0] = shift.worked(placed[rows])
            line.advance(rows, float(shift.worked(np.array([until]))[0]) if until < np.inf else np.inf)
        return high

    _overflow(scenario, placed, site, lines, admit)
    waited = np.maximum(np.diff(passage, axis=1) - work, 0.0)
    for index, shift in enumerate(shifts):
        rows = site == index
        passage[rows] = shift.clock(passage[rows])
    passage[:, 0] = placed
    return Run(site, passage, waited)


def _overflow(
    scenario: Scenario, placed: Floats, site: Ints, lines: list[Line], admit: Callable[[int, float], int]
) -> None:
    """Let the day pass; in every interval that begins with all others full, orders go to the temporary warehouse."""
    spare, step = scenario.temporary, scenario.temporary.check_minutes * 60
    usual = lines[: len(scenario.warehouses)]
    homes = [np.flatnonzero(site == index) for index in range(len(usual))]
    room, low, now = spare.orders_per_day * spare.enabled, 0, 0.0
    while room > 0:
        # A warehouse cannot be full before it was sent as many orders as still fit: nothing to look at until then.
        short = [max(0, own.overload + 1 - line.inside) for own, line in zip(scenario.warehouses, usual, strict=True)]
        nth = [int(np.searchsorted(rows, low)) + n - 1 for rows, n in zip(homes, short, strict=True)]
        if any(n and at >= len(rows) for n, at, rows in zip(short, nth, homes, strict=True)) or low == len(placed):
            break
        filled = max((float(placed[rows[at]]) for n, at, rows in zip(short, nth, homes, strict=True) if n), default=now)
        now = max(now, float(np.ceil(filled / step)) * step)
        low = admit(low, now)
        if all(line.inside > own.overload for own, line in zip(scenario.warehouses, usual, strict=True)):
            moved = min(room, int(np.searchsorted(placed, now + step, side="right")) - low)
            site[low : low + moved] = len(usual)
            room -= moved
        now += step
        low = admit(low, now)
    admit(low, np.inf)
