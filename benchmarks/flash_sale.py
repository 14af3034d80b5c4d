"""A flash sale, end to end: signed HTTP deliveries of 100 events to `orderhub receive`, applied by `orderhub worker`.

    python benchmarks/flash_sale.py [--repeats N] [--events N] [--serve] [--long]

Bars: from the first byte sent to the last event applied >= 0.60 of the single-process bare limit, which is a bare
`executemany` of the same rows of both files in the same groups and batches; >= 5,000 created orders/s; >= 2,500 full
five-event lives/s (the absolute ones on an idle machine). After a kill -9 the server takes events again within 2 s. A
burst at twice the sustained rate is drained within 1.5 times its length (10 s; 60 with --long). Server and worker
together hold <= 400 MB, and no more at the end of the burst than 1.15 times what they held in its middle.

Rules, log chain and the separation of personal data are in what is measured, and the bare limit writes their rows.
A round is some seconds long: what the worker needs to fill its pipeline and to empty it is in it, but not all of it.

`--serve` measures the process with the console in it instead of `orderhub receive`.
"""

from __future__ import annotations

import _http  # isort: skip  # the one SQLite first

import argparse
import contextlib
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import _bare
import _workload
import absorb

from orderhub_core.store import homes
from orderhub_core.store.base import Store

RATIO_BAR, CREATED_BAR, LIVES_BAR = 0.60, 5_000.0, 2_500.0
RESTART_BAR_S, DRAIN_BAR, MEMORY_BAR_MB, FLAT_BAR = 2.0, 1.5, 400.0, 1.15
BATCH, CONNECTIONS = 100, 8
RESTARTS = 5


class Round(NamedTuple):
    """Seconds."""

    ours: float
    bare: float
    accepted: float
    group: float
    """Events of one commit of the inbox."""
    server_cpu: float
    worker_cpu: float


class Hall:
    """The two processes over one home, and what they have been sent."""

    def __init__(self, data: Path, server: str) -> None:
        self.data, self.command = data, server
        _workload.write_home(data)
        homes.init(homes.Home(data))
        self.store: Store = homes.open_store(homes.Home(data))
        self.port = _http.free_port()
        self.server = self.serve()
        self.worker = self._worker()
        self.sent = 0

    def serve(self) -> _http.Running:
        own = ["--no-worker"] if self.command == "serve" else []
        arguments = ["-m", "orderhub_core.entry.cli", self.command, *own, "--port", str(self.port)]
        return _http.start(arguments, self.data, self.port)

    def _worker(self) -> _http.Running:
        port = _http.free_port()
        return _http.start(["-m", "orderhub_core.entry.cli", "worker", "--metrics-port", str(port)], self.data, port)

    def send(self, events: Sequence[_workload.Sent], *, per_s: float | None = None) -> _http.Fired:
        """All of them, acknowledged. `per_s` events at most."""
        bodies = [_workload.ndjson(events[at : at + BATCH]) for at in range(0, len(events), BATCH)]
        requests = _http.signed(bodies, self.port)
        fired = _http.fire(self.port, requests, CONNECTIONS, per_s=per_s and per_s / BATCH)
        assert fired.acknowledged == len(requests), fired.statuses
        self.sent += len(events)
        return fired

    def drained(self, patience_s: float = 600.0) -> None:
        """Until everything sent is applied."""
        until = time.monotonic() + patience_s
        ((last,),) = self.store.query("inbox", "SELECT max(id) FROM inbox")
        while self.store.waiting_of([last]):
            assert time.monotonic() < until, "the worker does not keep up"
            time.sleep(0.005)

    def groups(self) -> int:
        """Commits of the inbox so far."""
        return int(self.store.query("inbox", "SELECT count(DISTINCT received_at) FROM inbox")[0][0])

    def memory_mb(self) -> tuple[float, float]:
        """Of the server, of the worker."""
        return _http.memory_mb(self.server.process.pid), _http.memory_mb(self.worker.process.pid)

    def check(self) -> None:
        """Nothing lost, nothing doubled, nothing left out."""
        ((rows,),) = self.store.query("inbox", "SELECT count(*) FROM inbox WHERE source <> 'ops'")
        ((parked,),) = self.store.query("hub", "SELECT count(*) FROM parked")
        assert (rows, parked) == (self.sent, 0), (rows, self.sent, parked)
        assert self.store.verify_log().broken_seq is None

    def close(self) -> None:
        self.server.stop()
        self.worker.stop()
        self.store.close()


@contextlib.contextmanager
def hall(root: Path, server: str) -> Iterator[Hall]:
    opened = Hall(root, server)
    try:
        yield opened
    finally:
        opened.close()


def end_to_end(root: Path, server: str, stages: int, events: int, repeats: int) -> list[Round]:
    """Rounds of one stream, the bare limit beside each. The first round only warms up."""
    orders = events // stages
    messages = _workload.messages(orders, stages)
    commits = absorb.recorded(root / "recorded", messages)
    found = []
    with hall(root / "hall", server) as both:
        for number in range(repeats + 1):
            some = list(_workload.stream(orders, stages, first=number * orders))
            before, server_cpu, worker_cpu = both.groups(), both.server.cpu_s(), both.worker.cpu_s()
            fired = both.send(some)
            both.drained()
            ours = time.perf_counter() - fired.began
            group = len(some) / (both.groups() - before)
            cpu = (both.server.cpu_s() - server_cpu, both.worker.cpu_s() - worker_cpu)
            bare = _bare.inbox(root / f"bare{number}", messages, round(group))
            bare += _bare.hub(root / f"bare{number}", commits)
            if number:
                found.append(Round(ours, bare, fired.seconds, group, *cpu))
        both.check()
    return found


def tell(name: str, rounds: list[Round], events: int, orders: int, bar: float | None) -> bool:
    medians = Round(*(statistics.median(values) for values in zip(*rounds, strict=True)))
    ratios = [one.bare / one.ours for one in rounds]
    ratio, rate = statistics.median(ratios), orders / medians.ours
    print(
        f"{name}: {events / medians.ours:,.0f} events/s, {rate:,.0f} orders/s"
        f" (accepted {events / medians.accepted:,.0f}/s in commits of {medians.group:.0f};"
        f" cpu us of an event: {medians.server_cpu / events * 1e6:.0f} the server's,"
        f" {medians.worker_cpu / events * 1e6:.0f} the worker's)"
    )
    print(
        f"  the bare limit {events / medians.bare:,.0f} events/s; of it {ratio:.2f} ({min(ratios):.2f} to"
        f" {max(ratios):.2f}); bar >= {RATIO_BAR:.2f}: {'met' if ratio >= RATIO_BAR else 'MISSED'}"
    )
    if bar is not None:
        print(f"  orders/s: bar >= {bar:,.0f} on an idle machine: {'met' if rate >= bar else 'MISSED'}")
    return ratio >= RATIO_BAR and (bar is None or rate >= bar)


def restarts(both: Hall, first: int) -> list[float]:
    """Seconds from starting the server again after a kill -9 to its first acknowledgement."""
    found = []
    for number in range(RESTARTS):
        both.server.process.send_signal(signal.SIGKILL)
        both.server.process.wait()
        event = next(_workload.stream(1, _workload.CREATED, first=first + number))
        begun = time.perf_counter()
        both.server = both.serve()
        both.send([event])
        found.append(time.perf_counter() - begun)
    return found


class Burst(NamedTuple):
    seconds: float
    offered_per_s: float
    drain_s: float
    server_mb: float
    """The most at any time."""
    worker_mb: float
    most_mb: float
    """Of both together."""
    growth: float


def burst(both: Hall, per_s: float, seconds: float, first: int) -> Burst:
    """Twice what is sustained, then silence. Memory is looked at all the while."""
    orders = round(per_s * seconds / _workload.LIVES)
    events = list(_workload.stream(orders, _workload.LIVES, first=first))
    seen: list[tuple[float, float]] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.5):
            seen.append(both.memory_mb())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        fired = both.send(events, per_s=per_s)
        begun = time.perf_counter()
        both.drained()
        drain = time.perf_counter() - begun
    finally:
        over.set()
        watcher.join()
    sums = [sum(both) for both in seen]
    third = max(1, len(sums) // 3)
    growth = statistics.median(sums[-third:]) / statistics.median(sums[third : 2 * third] or sums)
    servers, workers = zip(*seen, strict=True)
    return Burst(fired.seconds, len(events) / fired.seconds, drain, max(servers), max(workers), max(sums), growth)


def recovery(root: Path, server: str, sustained_per_s: float, seconds: float) -> bool:
    with hall(root / "recovery", server) as both:
        took = statistics.median(restarts(both, first=0))
        done = burst(both, 2 * sustained_per_s, seconds, first=1_000)
        both.check()
    checks = [
        (f"restart to accepting: {took:.2f} s (median of {RESTARTS} after kill -9)", took, RESTART_BAR_S),
        (
            f"burst of {done.seconds:.0f} s at {done.offered_per_s:,.0f} events/s, twice {sustained_per_s:,.0f}:"
            f" drained in {done.drain_s:.1f} s",
            done.drain_s / done.seconds,
            DRAIN_BAR,
        ),
        (
            f"memory of server ({done.server_mb:.0f}) and worker ({done.worker_mb:.0f}): at most {done.most_mb:.0f} MB",
            done.most_mb,
            MEMORY_BAR_MB,
        ),
        (f"  its last third of its middle third: {done.growth:.2f}", done.growth, FLAT_BAR),
    ]
    for what, found, bar in checks:
        print(f"{what}; bar <= {bar:g}: {'met' if found <= bar else 'MISSED'}")
    return all(found <= bar for _, found, bar in checks)


STREAMS = [
    ("created", _workload.CREATED, CREATED_BAR),
    ("created and paid", _workload.CREATED_PAID, None),
    ("five-event lives", _workload.LIVES, LIVES_BAR),
]


def main() -> int:
    os.environ[_workload.SECRET_ENV] = _workload.SECRET
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--events", type=int, default=60_000, help="of one round")
    parser.add_argument("--serve", action="store_true", help="with the console in the server's process")
    parser.add_argument("--long", action="store_true", help="a burst of 60 s instead of 10")
    asked = parser.parse_args()
    server, met, sustained = "serve" if asked.serve else "receive", [], 0.0
    with tempfile.TemporaryDirectory() as name:
        for title, stages, bar in STREAMS:
            orders = asked.events // stages
            rounds = end_to_end(Path(name) / title.replace(" ", "-"), server, stages, asked.events, asked.repeats)
            met.append(tell(title, rounds, orders * stages, orders, bar))
            sustained = orders * stages / statistics.median(one.ours for one in rounds)
        met.append(recovery(Path(name), server, sustained, 60.0 if asked.long else 10.0))
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
