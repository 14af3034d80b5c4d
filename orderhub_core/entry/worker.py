"""The worker: absorbs, dispatches, polls and snapshots, each in a thread of its own, until told to stop. Each target
that is dispatched to has one of its own, too.

A failure never ends a thread: it is logged with its reason, and the thread goes on after a pause. All truth is in
the database, so a worker may be killed at any moment and another goes on where it stopped.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import cached_property
from random import SystemRandom

import structlog

from orderhub_core.entry.metrics import Meters
from orderhub_core.errors import Busy, Later, NeedsPerson, OrderHubError, Stop, UserMistake
from orderhub_core.flows.dispatchers import Dispatchers
from orderhub_core.flows.measuring import EVERY_S
from orderhub_core.flows.pipeline import Pipeline
from orderhub_core.flows.waiting import Failing
from orderhub_core.hub import Hub, clock
from orderhub_core.store.expiry import PAUSE_S, Expiry

log = structlog.get_logger()

IDLE_S = 0.2
PAUSE_AFTER_FAILURE_S, PAUSE_FOR_PERSON_S = 5.0, 60.0
LONGEST_PAUSE_S = 3_600.0
"""For who asks us to wait."""
SNAPSHOT_EVERY_S = 300.0
EXPIRE_EVERY_S = 3600.0
WATCH_ROLLOUT_EVERY_S = 60.0
MERGE_EVERY_S = 3.0
PRESALE_EVERY_S = 30.0
RESTOCK_EVERY_S = 30.0
HISTORY_S = 7 * 86_400
"""How far back the first poll of a source looks."""


class Worker:
    """Threads over one hub. `history_s` is how far back the first poll of a source looks; `meters` count the work."""

    def __init__(self, hub: Hub, *, history_s: int = HISTORY_S, meters: Meters | None = None) -> None:
        self.hub, self.history_s, self.meters = hub, history_s, meters or Meters(hub)
        self.stopping = threading.Event()
        self.harm: Stop | None = None
        """Why the worker stopped of itself."""
        self._took_up = False
        """Whether the file of the settings was looked at."""
        self._dice = SystemRandom()
        # In containers any number of workers are process 1 of one host's name.
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{self._dice.getrandbits(32):08x}"
        self._applying = Failing()
        self._expiry = Expiry(hub.store, hub.settings.limits.raw_days)
        self._dispatchers = Dispatchers(hub.dispatch.due, self._dispatch)
        # Some times while an order waits, however short that is.
        self._merge_every_s = min(MERGE_EVERY_S, max(IDLE_S, hub.settings.merge_wait_s / 4))
        self._threads = [
            self._thread("absorb", self._absorb, IDLE_S, last=self._close_pipeline),
            self._thread("dispatch", self._dispatchers.step, IDLE_S, last=self._dispatchers.join),
            self._thread("snapshot", self._snapshot, SNAPSHOT_EVERY_S, first_pause_s=SNAPSHOT_EVERY_S / 10),
            self._thread("rulebook", self._watch_rulebook, WATCH_ROLLOUT_EVERY_S),
            self._thread("merge", self._merge, self._merge_every_s),
            self._thread("measure", self._measure, EVERY_S),
            self._thread("presale", self._presale, PRESALE_EVERY_S, first_pause_s=PRESALE_EVERY_S / 10),
            self._thread("restock", self._restock, RESTOCK_EVERY_S),
            self._thread("expire", self._expire, EXPIRE_EVERY_S, first_pause_s=EXPIRE_EVERY_S / 60),
        ]
        for shop in hub.settings.live_shops:
            step = self._poller(hub.poll_shop, shop.id)
            self._threads.append(self._thread(f"poll {shop.id}", step, shop.poll_every_s))
        for touchpoint in hub.settings.touchpoints:
            step = self._poller(hub.poll_touchpoint, touchpoint.id)
            self._threads.append(self._thread(f"poll {touchpoint.id}", step, touchpoint.poll_every_s))
        for warehouse in hub.settings.warehouses:
            if warehouse.stock_every_s:
                step = self._counter(warehouse.id, warehouse.stock_every_s)
                self._threads.append(self._thread(f"stock {warehouse.id}", step, warehouse.stock_every_s))

    @cached_property
    def _pipeline(self) -> Pipeline:
        return self.hub.pipeline()

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, patience_s: float = 10.0) -> None:
        """Finish the step at hand, then stop; what takes longer is left where it is."""
        self.stopping.set()
        deadline = time.monotonic() + patience_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def check(self) -> None:
        """Raises Stop when the worker stopped of itself."""
        if self.harm is not None:
            raise Stop("the worker stopped: {why}", why=self.harm)

    def ready(self) -> None:
        """Raises Stop or Later unless every thread is at work, and what waits is applied."""
        self.check()
        if self.stopping.is_set():
            raise Busy("the worker is stopping")
        if idle := [thread.name for thread in self._threads if not thread.is_alive()]:
            raise Stop("the worker does not {verb}: start it again", verb=idle[0])
        self._applying.check()

    def run(self) -> None:
        """Start, and stop on SIGTERM or SIGINT. Raises Stop when going on would do harm."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stopping.set())
        self.start()
        while not self.stopping.wait(1.0):
            pass
        self.stop()
        self.check()

    def _thread(
        self,
        name: str,
        step: Callable[[], bool],
        pause_s: float,
        *,
        first_pause_s: float = 0.0,
        last: Callable[[], None] = lambda: None,
    ) -> threading.Thread:
        """Repeats a step. One that says there may be more to do is repeated at once. `last` comes after the last one,
        however long that takes."""

        def loop() -> None:
            wait_s = first_pause_s
            while not self.stopping.wait(wait_s):
                try:
                    wait_s = 0.0 if step() else pause_s
                except Stop as failure:
                    self.harm = failure
                    self.stopping.set()
                    self.meters.failed(name, "stop")
                    log.error("stopping", thread=name, reason=str(failure))
                except (NeedsPerson, UserMistake) as failure:
                    self.meters.failed(name, "person")
                    log.error("a person must look", thread=name, reason=str(failure))
                    wait_s = PAUSE_FOR_PERSON_S
                except OrderHubError as failure:
                    self.meters.failed(name, "later")
                    log.warning("later", thread=name, reason=str(failure))
                    asked_s = failure.after_s or 0.0 if isinstance(failure, Later) else 0.0
                    wait_s = max(pause_s, PAUSE_AFTER_FAILURE_S, min(asked_s, LONGEST_PAUSE_S))
                except Exception as bug:  # noqa: BLE001 — one bug must not end the thread; its text may hold a person's data
                    self.meters.failed(name, "internal")
                    log.error("internal", thread=name, kind=type(bug).__name__)
                    wait_s = PAUSE_AFTER_FAILURE_S
            last()

        return threading.Thread(target=loop, name=name, daemon=True)

    def _absorb(self) -> bool:
        began = time.perf_counter()
        try:
            done = self._pipeline.step()
        except Later as failure:
            self._applying.failed("absorb", failure)
            raise
        self._applying.wrote()
        if done is None:
            return False
        seconds, outcomes = time.perf_counter() - began, Counter(map(str, done.outcomes.values()))
        self.meters.absorbed(outcomes, seconds)
        tell = log.info if outcomes["parked"] else log.debug
        tell("absorbed", messages=len(done.outcomes), seconds=round(seconds, 4), **outcomes)
        return True

    def _close_pipeline(self) -> None:
        if "_pipeline" in self.__dict__:
            self._pipeline.close()

    def _dispatch(self, target: str) -> bool:
        began = time.perf_counter()
        going_on = lambda: not self.stopping.is_set()  # noqa: E731
        results = self.hub.dispatch(owner=self.owner, dice=self._dice, only=target, going_on=going_on)
        if not results:
            return False
        self.meters.dispatched(results)
        states = Counter(str(result.state) for result in results)
        tell = log.debug if states["done"] == len(results) else log.info
        tell("dispatched", effects=len(results), seconds=round(time.perf_counter() - began, 4), **states)
        failed = Counter((one.leased.target, one.state, one.note) for one in results if one.state != "done")
        for (target, state, reason), count in failed.items():
            log.warning("not done", target=target, effects=count, state=state, reason=reason)
        return True

    def _snapshot(self) -> bool:
        self.hub.write_snapshot()
        return False

    def _watch_rulebook(self) -> bool:
        if not self._took_up:  # not before the threads start: a database that is down just now must end no worker
            if news := self.hub.editions.take_up():
                log.warning("rulebook", news=news)
            self._took_up = True
        if why := self.hub.editions.watch():
            log.warning("rulebook", news=why)
        return False

    def _merge(self) -> bool:
        passed = self.hub.merging.step(every_s=self._merge_every_s)
        if any(passed):
            log.info("packed together", **passed._asdict())
        return False

    def _measure(self) -> bool:
        for said in self.hub.measures.measure():
            log.info("measured", signal=said.field, changed=len(said.rows), over=len(said.over))
        return False

    def _restock(self) -> bool:
        if gone := self.hub.stock.catch_up():
            log.info("let go once more is there", orders=gone)
        return False

    def _expire(self) -> bool:
        more = self._expiry.step(clock()) is not None
        self.stopping.wait(PAUSE_S)  # whoever accepts messages writes to the same file
        return more

    def _presale(self) -> bool:
        if gone := self.hub.presale.let_go():
            log.info("their batch is there", let_go=len(gone))
        return False

    def _counter(self, warehouse: str, every_s: float) -> Callable[[], bool]:
        def step() -> bool:
            taken = self.hub.ask_stock(warehouse, every_s=every_s)
            if taken is None:  # another worker has asked
                return False
            for doubt in taken.doubts:
                log.warning("stock", doubt=str(doubt))
            if taken.let_go:
                log.info("what was waited for is there", warehouse=warehouse, let_go=taken.let_go)
            return False

        return step

    def _poller(self, poll: Callable[..., int], name: str) -> Callable[[], bool]:
        def step() -> bool:
            poll(name, history_s=self.history_s)
            return False

        return step
