"""Asking touchpoints what they show of some orders just now, as a job that can be watched and stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable

from orderhub_core.audit.spot.sheet import Looked, Shown
from orderhub_core.errors import OrderHubError, UserMistake
from orderhub_core.flows.gates import Gates
from orderhub_core.ports import Touchpoint

PORTION = 50
"""Orders asked for at once: small enough to show progress and to stop soon."""
TICK_S = 0.05
"""How often it is asked whether a touchpoint may be called again."""


class Cancelled(UserMistake):
    """Somebody stopped the reading."""


class Reading:
    """A reading of all touchpoints that goes on by itself. Watch `done` of `total`; `cancel` stops it."""

    def __init__(self, audit: str) -> None:
        self.audit = audit
        self.done, self.total = 0, 0
        self.error: OrderHubError | None = None
        self._over, self._stop, self._lock = threading.Event(), threading.Event(), threading.Lock()

    @property
    def over(self) -> bool:
        return self._over.is_set()

    def wait(self, seconds: float) -> bool:
        """True once it is over."""
        return self._over.wait(seconds)

    def cancel(self) -> None:
        self._stop.set()

    def pause(self, seconds: float) -> None:
        """Raises Cancelled as soon as somebody stops it."""
        self._stop.wait(seconds)
        self.step(0)

    def step(self, orders: int) -> None:
        """So many more orders were asked for. Raises Cancelled."""
        with self._lock:
            self.done += orders
        if self._stop.is_set():
            raise Cancelled("the reading was stopped; nothing was kept")

    def run(self, work: Callable[[Reading], None]) -> None:
        try:
            work(self)
        except OrderHubError as error:
            self.error = error
        except Exception as bug:  # noqa: BLE001 — whoever waits must be told; the traceback is no use to them
            self.error = _internal(bug)
        finally:
            self._over.set()


def _internal(bug: Exception) -> UserMistake:
    return UserMistake("internal: {bug} while reading; a developer must look", bug=type(bug).__name__)


def look(
    job: Reading,
    touchpoint: Callable[[str], Touchpoint],
    name: str,
    numbers: list[str],
    gates: Gates,
    clock: Callable[[], int],
) -> tuple[Looked, list[Shown]]:
    """What a touchpoint shows of these order numbers, asked no faster than its gate allows. A failure costs its own
    column only. Raises Cancelled."""
    found: list[Shown] = []
    unreadable = 0
    try:
        place = touchpoint(name)
        for start in range(0, len(numbers), PORTION):
            portion = numbers[start : start + PORTION]
            while not gates.passes(name):
                job.pause(TICK_S)
            rows, broken = _decoded(place, name, portion)
            found, unreadable = [*found, *rows], unreadable + broken
            job.step(len(portion))
    except Cancelled:
        raise
    except OrderHubError as error:
        return Looked(name, "failed", clock(), str(error)), []
    except Exception as bug:  # noqa: BLE001 — a connector's bug must cost its own column only
        return Looked(name, "failed", clock(), str(_internal(bug))), []
    return Looked(name, "live", clock(), "", unreadable), found


def _decoded(place: Touchpoint, name: str, order_nos: list[str]) -> tuple[list[Shown], int]:
    """What a touchpoint shows now, and how many rows could not be read."""
    rows: list[Shown] = []
    messages = place.look(order_nos)
    for message in messages:
        try:
            sighting = place.decode(message.kind, message.body)
        except OrderHubError:
            continue
        rows.append(Shown(name, sighting.shop, sighting.order_no, sighting.status, sighting.at))
    return rows, len(messages) - len(rows)
