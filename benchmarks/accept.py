"""Bars: accepting one event per POST (2 KB, HMAC, 64 connections, SQLite FULL) >= 0.50 of the same server's no-op
handler and >= 5 x a commit per request; 100 events per POST (8 connections) >= 0.30 of the no-op handler.

    python benchmarks/accept.py [--repeats N] [--requests N]

The server is what `orderhub serve --no-worker` runs, in a process of its own; the client is another. The no-op handler
reads the body, checks the HMAC and answers: nothing behind the server library can be faster. For requests of 100 a
second one stands beside it, which splits them into messages with ids as well, as whoever answers for each must. Every
run's inbox must hold exactly what was acknowledged. Beside them stands what SQLite and the disk alone allow: the same
rows, ready in memory, by a bare `executemany` in commits as large as ours were, without HTTP, HMAC or digests.
"""

from __future__ import annotations

import _http  # isort: skip  # the one SQLite first

import argparse
import contextlib
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import _bare
import _workload

from orderhub_core.model import RawMessage
from orderhub_core.store import homes

ALONE_BAR, INLINE_BAR, BATCH_BAR = 0.50, 5.0, 0.30
BATCH = 100
KEEP_NOTHING = ("noop", "kept_nowhere")
SLOWER = 10
"""A commit per request gets so many fewer requests, to take as long."""


class Volley(NamedTuple):
    name: str
    kind: str
    connections: int
    bodies: Callable[[Sequence[_workload.Sent]], list[bytes]]
    share: int
    """Of the events of a round, one in so many."""


class Run(NamedTuple):
    per_s: float
    """Requests."""
    group: float
    """Events of one commit."""
    server_us: float
    """Processor time of the server for one request, and of the client below."""
    client_us: float
    client_share: float
    """Of a core: at 1.0 the client would be the limit."""
    p50_ms: float
    p99_ms: float


def alone(events: Sequence[_workload.Sent]) -> list[bytes]:
    return [event.body for event in events]


def batched(events: Sequence[_workload.Sent]) -> list[bytes]:
    return [_workload.ndjson(events[at : at + BATCH]) for at in range(0, len(events), BATCH)]


VOLLEYS = [
    Volley("no-op", "noop", 64, alone, 1),
    Volley("ours", "ours", 64, alone, 1),
    Volley("commit per request", "per_request", 64, alone, SLOWER),
    Volley("no-op, 100 per POST", "noop", 8, batched, 1),
    Volley("split, 100 per POST", "kept_nowhere", 8, batched, 1),
    Volley("ours, 100 per POST", "ours", 8, batched, 1),
]


def stored(data: Path) -> tuple[int, int]:
    """Events in the inbox, and the commits that brought them: each has its own instant."""
    store = homes.open_store(homes.Home(data))
    ((events, commits),) = store.query("inbox", "SELECT count(*), count(DISTINCT received_at) FROM inbox")
    store.close()
    return int(events), int(commits)


def run(volley: Volley, server: _http.Running, data: Path, events: Sequence[_workload.Sent]) -> Run:
    events = events[: len(events) // volley.share]
    requests = _http.signed(volley.bodies(events), server.port)
    (events_before, commits_before), used = stored(data), server.cpu_s()
    fired = _http.fire(server.port, requests, volley.connections)
    used = server.cpu_s() - used
    assert fired.acknowledged == len(requests), fired.statuses
    events_after, commits_after = stored(data)
    kept = events_after - events_before
    sent = 0 if volley.kind in KEEP_NOTHING else len(events)
    assert kept == sent, f"{volley.name}: {kept} of {sent} are there"
    count = len(requests)
    return Run(
        count / fired.seconds,
        kept / max(1, commits_after - commits_before),
        used / count * 1e6,
        fired.client_cpu_s / count * 1e6,
        fired.client_cpu_s / fired.seconds,
        fired.p50_ms,
        fired.p99_ms,
    )


def limit(root: Path, events: Sequence[_workload.Sent], group: float) -> float:
    """Events per second of the bare limit."""
    messages = [RawMessage(_workload.SHOP, event.id, "event", event.body) for event in events]
    return len(messages) / _bare.inbox(root, messages, max(1, round(group)))


def measure(repeats: int, events: int) -> tuple[dict[str, list[Run]], dict[str, list[float]]]:
    """Interleaved: every round runs every volley once, ours with the bare limit beside it. The first round only warms
    up."""
    runs: dict[str, list[Run]] = {volley.name: [] for volley in VOLLEYS}
    limits: dict[str, list[float]] = {volley.name: [] for volley in VOLLEYS if volley.kind == "ours"}
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers: dict[str, tuple[_http.Running, Path]] = {}
        for kind in sorted({volley.kind for volley in VOLLEYS}):
            _workload.write_home(root / kind)
            servers[kind] = (stack.enter_context(_http.serving(kind, root / kind)), root / kind)
        first = 0
        for round_ in range(repeats + 1):
            for volley in VOLLEYS:
                some = list(_workload.stream(events, _workload.CREATED, first=first))
                first += events
                done = run(volley, *servers[volley.kind], some)
                if round_:
                    runs[volley.name].append(done)
                    if volley.kind == "ours":
                        limits[volley.name].append(limit(root / f"bare{first}", some, done.group))
    return runs, limits


def ratio(runs: dict[str, list[Run]], above: str, below: str) -> float:
    """The median of the rounds' own ratios of requests per second."""
    return statistics.median(high.per_s / low.per_s for high, low in zip(runs[above], runs[below], strict=True))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--requests", type=int, default=20_000, help="events of one run: a second, of which its beginning is little"
    )
    asked = parser.parse_args()
    runs, limits = measure(asked.repeats, asked.requests)
    print(
        f"{'':<22}{'req/s':>8}{'in a commit':>13}{'server us':>11}{'client us':>11}{'client core':>13}"
        f"{'p50 ms':>8}{'p99 ms':>8}"
    )
    for name, some in runs.items():
        median = [statistics.median(values) for values in zip(*some, strict=True)]
        per_s, group, server, client, share, p50, p99 = median
        print(
            f"{name:<22}{per_s:>8,.0f}{group:>13.0f}{server:>11,.0f}{client:>11,.0f}{share:>13.2f}{p50:>8.1f}{p99:>8.1f}"
        )
    for name, beside, size in (("ours", "no-op", 1), ("ours, 100 per POST", "no-op, 100 per POST", BATCH)):
        mine = statistics.median(run.per_s * size / bare for run, bare in zip(runs[name], limits[name], strict=True))
        most = statistics.median(bare / run.per_s / size for run, bare in zip(runs[beside], limits[name], strict=True))
        print(
            f"{name}: {mine:.2f} of the bare limit of SQLite and disk"
            f" ({statistics.median(limits[name]):,.0f} events/s), which itself is {most:.2f} of the no-op handler"
        )
    most = ratio(runs, "no-op", "commit per request")
    print(f"a commit per request: the no-op handler, which writes nothing, does {most:.2f} times as many")
    split = ratio(runs, "ours, 100 per POST", "split, 100 per POST")
    print(f"100 events per POST, of a handler that splits them and keeps nothing: {split:.2f}")
    bars = [
        ("one event per POST, of the no-op handler", ratio(runs, "ours", "no-op"), ALONE_BAR),
        ("one event per POST, times a commit per request", ratio(runs, "ours", "commit per request"), INLINE_BAR),
        (
            "100 events per POST, of the no-op handler",
            ratio(runs, "ours, 100 per POST", "no-op, 100 per POST"),
            BATCH_BAR,
        ),
    ]
    for what, found, bar in bars:
        print(f"{what}: {found:.2f}; bar >= {bar:.2f}: {'met' if found >= bar else 'MISSED'}")
    return 0 if all(found >= bar for _, found, bar in bars) else 1


if __name__ == "__main__":
    sys.exit(main())
