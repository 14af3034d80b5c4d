"""The flow as it stands: what waits, of whom, since when; what is parked; effects that are still open.

Every statement is a walk along an index over what is still open, never over what is done: the cost grows with the
backlog, not with the hub's age. `Latest` bounds even that.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from orderhub_core.store import statements
from orderhub_core.store.base import Store
from orderhub_core.store.unit import Row
from orderhub_core.store.unmet import MISSED, UNMET

FRESH_S = 2.0
RESTS = 20
"""A reading is kept this many times as long as it took: it never costs more than a twentieth of one core."""

QUEUE = "hub"
"""The part in which `todo` stands."""
OPEN = "state IN ('waiting', 'leased', 'person')"
SOURCES = """WITH RECURSIVE known (source) AS (
    SELECT min(source) FROM inbox
    UNION ALL SELECT (SELECT min(source) FROM inbox WHERE source > known.source)
    FROM known WHERE known.source IS NOT NULL
) SELECT source, (SELECT received_at FROM inbox WHERE source = known.source ORDER BY id DESC LIMIT 1)
FROM known WHERE source IS NOT NULL"""
"""Every source and when its newest message came: one step along the index for each, however many messages there are."""

BEYOND = """SELECT count(*), (SELECT received_at FROM inbox WHERE source = ? AND id > ? ORDER BY id LIMIT 1)
FROM inbox WHERE source = ? AND id > ?"""
QUEUED = """SELECT queued.source, queued.waiting, inbox.received_at
FROM (SELECT source, count(*) AS waiting, min(id) AS oldest FROM todo JOIN inbox USING (id) GROUP BY source) AS queued
JOIN inbox ON inbox.id = queued.oldest"""

EFFECTS = f"""SELECT target, CASE WHEN state = 'waiting' AND attempts > 0 THEN 'failing' ELSE state END, count(*)
FROM outbox WHERE {OPEN} GROUP BY 1, 2 ORDER BY 1, 2"""
FAILURE = """SELECT target, next_at, note FROM outbox WHERE state = 'waiting' AND target = ? AND attempts > 0
ORDER BY next_at DESC LIMIT 1"""
LEASED = "SELECT count(*), max(lease_until) FROM outbox WHERE state = 'leased'"
CONFLICTS = "SELECT source, count(*) FROM conflict GROUP BY source ORDER BY source"
"""Few, unless a sender gives its ids twice; and every reading of the flow rests in proportion to what it took."""
REFUSED = "SELECT source, name, count FROM counter ORDER BY source, name"


class Lag(NamedTuple):
    """How far the hub is behind one source. Instants in microseconds UTC."""

    source: str
    received_at: int
    """When its newest message came."""
    waiting: int
    oldest_at: int | None
    """When the oldest that waits came; None when nothing does."""


class Open(NamedTuple):
    """Effects that are not done: waiting, failing (tried, or not even taken, and to be tried again), leased, or waiting
    for a person."""

    target: str
    state: str
    effects: int


class Failure(NamedTuple):
    """How the effect of a target failed that was tried last; not before `next_at` it is tried again."""

    target: str
    next_at: int
    why: str


class Flow(NamedTuple):
    """Instants in microseconds UTC."""

    as_of: int
    waiting: int
    oldest_at: int | None
    parked: int
    lags: tuple[Lag, ...]
    """Every source that ever sent something, by name. What a cluster in front of the database still holds is in no
    lag: nobody has looked yet whose it is."""
    effects: tuple[Open, ...]
    refused: tuple[tuple[str, str, int], ...]
    """Source, reason and number of what was turned away at the door."""
    conflicts: tuple[tuple[str, int], ...]
    """Source and number of messages that contradict an earlier one of the same id."""
    leased_until: int | None = None
    """When the last lease ends, if any effect is leased: by then those of a worker that is gone are free again."""
    failures: tuple[Failure, ...] = ()
    """One of each target that effects are failing for."""
    commits: int = 0
    """As `Progress` counts them: a worker's every batch is one."""
    still_since: int | None = None
    """Since when nobody has applied anything, as far back as this process has looked."""


def read(store: Store, now: int) -> Flow:
    """Raises Busy, Unreachable or Stop as the store does."""
    waiting, oldest_at = store.waiting()
    effects = tuple(_open(store))
    failing = [target for target, state, _ in effects if state == "failing"]
    return Flow(
        as_of=now,
        waiting=waiting,
        oldest_at=oldest_at,
        parked=store.query("hub", f"SELECT count(*) FROM {statements.OPEN_PARKED}")[0][0],
        lags=tuple(_lags(store)),
        effects=effects,
        refused=tuple((row[0], row[1], int(row[2])) for row in store.query("inbox", REFUSED)),
        conflicts=tuple((row[0], int(row[1])) for row in store.query("inbox", CONFLICTS)),
        leased_until=leased(store)[1],
        failures=tuple(_failures(store, failing)),
        commits=store.progress().commits,
    )


def leased(store: Store) -> tuple[int, int | None]:
    """How many effects are leased, and when the last of the leases ends."""
    count, until = store.query("hub", LEASED)[0]
    return int(count), until


def _open(store: Store) -> Iterator[Open]:
    counted = Counter({(target, state): many for target, state, many in store.query("hub", EFFECTS)})
    for target, many in store.query("hub", UNMET):
        told = min(many, counted[target, "waiting"])  # some may have failed since
        counted[target, "waiting"] -= told
        counted[target, "failing"] += told
    return (Open(target, state, many) for (target, state), many in sorted(counted.items()) if many)


def _failures(store: Store, targets: Iterable[str]) -> Iterator[Failure]:
    for target in targets:
        found = [Failure(*row) for sql in (FAILURE, MISSED) for row in store.query("hub", sql, (target,))]
        yield from sorted(found, key=lambda one: one.next_at)[-1:]


def _lags(store: Store) -> list[Lag]:
    upto = store.watermark()
    queued = {source: (waiting, oldest) for source, waiting, oldest in _queued(store, upto)}
    lags = []
    for source, received_at in store.query("inbox", SOURCES):
        waiting, oldest_at = queued.get(source, (0, None))
        if upto is not None:
            fresh, since = store.query("inbox", BEYOND, (source, upto, source, upto))[0]
            waiting, oldest_at = waiting + fresh, since if oldest_at is None else oldest_at
        lags.append(Lag(source, received_at, waiting, oldest_at))
    return lags


def _queued(store: Store, upto: int | None) -> list[Row]:
    """Source, number and age of what `todo` tells: everything that waits, or, beside a watermark, what comes again."""
    if upto is None:
        return store.query(QUEUE, QUEUED)
    ids = [row[0] for row in store.query(QUEUE, "SELECT id FROM todo")]
    sql = f"SELECT source, count(*), min(received_at) FROM inbox WHERE {store.among('id')} GROUP BY source"
    return store.query("inbox", sql, (store.listed(ids),)) if ids else []


class Latest:
    """The flow, shared by whoever asks in this process. `clock` gives microseconds UTC.

    It is read again when the last reading is older than FRESH_S and than RESTS times what it cost. Raises as `read`.
    """

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        self._store, self._clock = store, clock
        self._lock = threading.Lock()
        self._known: Flow | None = None
        self._until = float("-inf")
        self._stood = (-1, 0)
        """How many commits were seen last, and since when."""

    def __call__(self) -> Flow:
        with self._lock:
            if self._known is None or time.monotonic() >= self._until:
                began = time.monotonic()
                seen = read(self._store, self._clock())
                self._known = seen._replace(still_since=self._standing(seen.commits))
                ended = time.monotonic()
                self._until = ended + max(FRESH_S, RESTS * (ended - began))
            return self._known

    def glance(self) -> None:
        """See only whether anything was applied since: next to no work, also for who asks every few seconds."""
        self._standing(self._store.progress().commits)

    def _standing(self, commits: int) -> int:
        if self._stood[0] != commits:
            self._stood = (commits, self._clock())
        return self._stood[1]

    def forget(self) -> None:
        """Read again at the next question: something was changed by hand."""
        self._until = float("-inf")
