"""The audit of all of a hub's orders: now, at a past moment, and kept up to date in a process that goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Protocol

import polars as pl

from orderhub_core.audit.consistency.audited import Audited, begin, go_on
from orderhub_core.flows import past
from orderhub_core.flows.past import Frames
from orderhub_core.store import frames
from orderhub_core.store.base import Store
from orderhub_core.store.progress import NOTHING, Progress

ANEW_US = 86_400_000_000
"""After this time a pass goes over everything again, and learns anew how late each touchpoint is."""


def whole(hub: Frames, at: int | None = None) -> Audited:
    """Everything, as it is now or as it was known at `at` (microseconds UTC). Raises UserMistake for a moment that is
    still to come, and Incomparable where fewer than two touchpoints have shown anything."""
    if at is None:
        return begin(hub.frame("orders"), hub.frame("sightings"), hub.as_of())
    then = past.of(hub, at)
    return begin(then.orders, then.sightings, at, unknown=then.unknown, undated=then.undated)


class Hub(Frames, Protocol):
    def remembered(self, question: Hashable, compute: Callable[[], Audited]) -> Audited: ...


class Standing:
    """Of one process: what it found last, from which it goes on. A new process begins anew, so nothing that an older
    version thought, or that was learned last month, lives on. Safe to use from several threads."""

    def __init__(self, store: Store, hub: Hub) -> None:
        self._store, self._hub = store, hub
        self._lock = threading.Lock()
        self._since: Progress = NOTHING
        self._begun = 0
        self._last: Audited | None = None

    def __call__(self, at: int | None = None) -> Audited:
        """Now, or at a past moment. Raises UserMistake as `whole`."""
        return self.now() if at is None else self._hub.remembered(("audited", at), lambda: whole(self._hub, at))

    def now(self) -> Audited:
        """The audit of what the hub knows now. Raises UserMistake as `whole`."""
        with self._lock:
            until = self._store.progress()  # before the frames are read: what comes in between is touched next time
            orders, sightings, as_of = self._hub.frame("orders"), self._hub.frame("sightings"), self._hub.as_of()
            self._last = self._gone_on(orders, sightings, as_of) or self._anew(orders, sightings, as_of)
            self._since = until
            return self._last

    def _gone_on(self, orders: pl.DataFrame, sightings: pl.DataFrame, as_of: int) -> Audited | None:
        if self._last is None or not 0 <= as_of - self._begun < ANEW_US:
            return None
        touched = frames.touched(self._store, self._since)  # after them: whatever is news in them is in it
        try:
            return go_on(self._last, orders, sightings, touched, as_of)
        except ValueError:  # a touchpoint is new, or the clock was set back
            return None

    def _anew(self, orders: pl.DataFrame, sightings: pl.DataFrame, as_of: int) -> Audited:
        self._last = None
        found = begin(orders, sightings, as_of)
        self._begun = as_of
        return found
