"""Bars: absorbing five-event lives (decode, fold, rules, log with its chain, personal data apart, outbox, decisions,
watermark) >= 0.40 of a bare `executemany` of the same rows, stretch 0.60; >= 20 x the same written through SQLModel
sessions; the processor time of an event after a million of them <= 1.15 x that of the first 100,000.

    python benchmarks/absorb.py [--orders N] [--repeats N] [--stages]
    python benchmarks/absorb.py --drift [--events N]

The yardstick writes the same rows, batch by batch and commit by commit, with the same pragmas, by a plain insert or
upsert of whole rows that are ready in memory: it reads no message, knows nothing and decides nothing.

Who is measured has absorbed other orders before, so that no module is loaded, no process started and no statement
compiled for the first time while the clock runs.
"""

from __future__ import annotations

from orderhub_core import runtime  # isort: skip

import argparse
import functools
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import _bare
import _http
import _orm
import _workload

from orderhub_core.flows import absorb, following, intend, rows
from orderhub_core.flows.pipeline import Pipeline
from orderhub_core.hub import Hub
from orderhub_core.model import RawMessage
from orderhub_core.store import chain, homes, lanes, sqlite, statements
from orderhub_core.store.base import Store
from orderhub_core.store.statements import Batch, batches
from orderhub_core.store.unit import Claim, Writes

BAR, STRETCH, ORM_BAR, DRIFT_BAR = 0.40, 0.60, 20.0, 1.15
ACCEPTED_AT_ONCE = 1_000
ORM_SHARE = 10
"""SQLModel gets one event in so many, to take as long."""
CHUNK = 100_000
WARMING, OTHERS = 1_000, 10_000_000
"""Orders that are absorbed before the clock runs, and from which number on."""
RECEIVED_AT = 1_794_300_000_000_000


class Cost(NamedTuple):
    """Microseconds, in the end of one event."""

    wall: float
    cpu: float


def timed(step: Callable[[], object]) -> Cost:
    """Processor time of the children, too."""
    os.sync()
    wall, cpu = time.perf_counter(), _http.cpu_s(os.getpid())
    step()
    return Cost((time.perf_counter() - wall) * 1e6, (_http.cpu_s(os.getpid()) - cpu) * 1e6)


def each(costs: Iterable[Cost], events: int) -> Cost:
    walls, cpus = zip(*costs, strict=True)
    return Cost(sum(walls) / events, sum(cpus) / events)


def opened(folder: Path) -> Hub:
    _workload.write_home(folder)
    homes.init(homes.Home(folder))
    hub = Hub(homes.Home(folder))
    hub.context  # noqa: B018  (rules and keys are read before the clock runs)
    return hub


def accept(hub: Hub, messages: Iterable[RawMessage]) -> None:
    waiting = iter(messages)
    while group := list(islice(waiting, ACCEPTED_AT_ONCE)):
        hub.store.accept(group, RECEIVED_AT)


def absorb_all(pipeline: Pipeline) -> None:
    """As the worker does it."""
    while pipeline.step():
        pass


def warmed(hub: Hub) -> Pipeline:
    pipeline = hub.pipeline()
    accept(hub, _workload.messages(WARMING, first=OTHERS))
    absorb_all(pipeline)
    return pipeline


def checked(hub: Hub) -> None:
    """Nothing was left out to be fast."""
    ((odd,),) = hub.store.query("hub", "SELECT count(*) FROM orders WHERE headline <> 'delivered'")
    assert odd == 0 and not hub.parked() and hub.store.waiting()[0] == 0
    assert hub.verify_log().broken_seq is None


def prepared(folder: Path, messages: Sequence[RawMessage]) -> Hub:
    hub = opened(folder)
    accept(hub, messages)
    return hub


def recorded(folder: Path, messages: Sequence[RawMessage]) -> list[list[Batch]]:
    """The rows of every commit, whole, and for each table the plain statement that writes them: what we do to write
    less than that is ours."""
    commits: list[list[Batch]] = []
    (end,) = chain.starts(1)

    def commit(claim: Claim, writes: Writes) -> None:
        nonlocal end
        writes.upserts["orders"] += writes.moved
        writes.moved = []
        seal, end = lanes.sealed(claim.lane, claim.lanes, writes.entries, end)
        commits.append([Batch(_plain(batch), batch.rows, batch.table) for batch in (*batches(writes), *seal)])
        Store.commit(hub.store, claim, writes)

    hub = prepared(folder, messages)
    hub.store.commit = commit  # type: ignore[method-assign]
    with mock.patch.object(rows, "moved_row", rows.order_row):
        assert hub.drain() == len(messages)
    hub.close()
    return commits


def _plain(batch: Batch) -> str:
    if not batch.table or batch.sql != statements.upsert(batch.table):
        return batch.sql
    keys = [column.name for column in statements.table(batch.table).primary_key]
    changes = [f"{name} = excluded.{name}" for name in statements.columns(batch.table) if name not in keys]
    return f"{statements.insert(batch.table)} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {', '.join(changes)}"


def side_by_side(root: Path, messages: Sequence[RawMessage], commits: list[list[Batch]]) -> tuple[Cost, Cost]:
    """The bare limit and ours, one after the other."""
    hub = opened(root / "ours")
    pipeline = warmed(hub)
    accept(hub, messages)
    homes.init(homes.Home(root / "bare"))
    connection = sqlite.connect(sqlite.file_of(root / "bare", "hub"), writer=True)
    limit = timed(lambda: [_bare.write(connection, commit) for commit in commits])
    mine = timed(lambda: absorb_all(pipeline))
    pipeline.close()
    checked(hub)
    connection.close()
    hub.close()
    return each([limit], len(messages)), each([mine], len(messages))


def sqlmodel(folder: Path, messages: Sequence[RawMessage]) -> Cost:
    """As the tutorial does it, from messages that were read before."""
    others = _workload.messages(WARMING // ORM_SHARE, first=OTHERS)
    hub = prepared(folder, [*others, *messages])
    claimed = hub.store.messages(range(1, len(others) + len(messages) + 1))
    source = hub.context.source(_workload.SHOP)
    size = hub.settings.limits.batch
    tutorial = _orm.Tutorial(folder, source.shop, source.decode, hub.context.pseudonyms)
    tutorial.apply(claimed[: len(others)])
    cost = timed(lambda: [tutorial.apply(claimed[at : at + size]) for at in range(len(others), len(claimed), size)])
    tutorial.close()
    checked(hub)
    hub.close()
    return each([cost], len(messages))


STAGES: dict[str, list[tuple[Any, str]]] = {
    "claim": [(sqlite.SqliteStore, "claim")],
    "read (decode)": [(absorb._Batch, "_read")],
    "known orders": [(absorb._Batch, "_load")],
    "fold": [(absorb._Batch, "_take")],
    "rules, pushes": [(intend.Intentions, "decide"), (following.Following, "settle")],
    "rows": [(absorb._Batch, "write")],
    "seal, write, commit": [(sqlite.SqliteStore, "commit")],
}


def stages(folder: Path, messages: Sequence[RawMessage]) -> dict[str, float]:
    """Processor microseconds of one event by stage; asking the clock adds some 0.5 to reading and to folding."""
    spent: Counter[str] = Counter()

    def watched(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            begun = time.thread_time()
            try:
                return call(*args, **kwargs)
            finally:
                spent[name] += time.thread_time() - begun

        return wrapper

    untouched = [(owner, name, getattr(owner, name)) for places in STAGES.values() for owner, name in places]
    for stage, places in STAGES.items():
        for owner, name in places:
            setattr(owner, name, watched(stage, getattr(owner, name)))
    try:
        hub = prepared(folder, messages)
        spent.clear()
        whole = each([timed(hub.drain)], len(messages))
        hub.close()
    finally:
        for owner, name, call in untouched:
            setattr(owner, name, call)
    found = {stage: spent[stage] / len(messages) * 1e6 for stage in STAGES}
    return found | {"the rest": whole.cpu - sum(found.values()), "all": whole.cpu}


def rounds(root: Path, orders: int, repeats: int) -> Iterator[tuple[Cost, Cost, Cost]]:
    """The bare limit, ours, and SQLModel."""
    messages = _workload.messages(orders)
    few = _workload.messages(orders // ORM_SHARE)
    commits = recorded(root / "recorded", messages)
    for n in range(repeats):
        yield (*side_by_side(root / str(n), messages, commits), sqlmodel(root / f"orm{n}", few))


def compare(root: Path, orders: int, repeats: int) -> bool:
    found = list(rounds(root, orders, repeats))
    for name, costs in zip(("bare executemany", "ours", "SQLModel"), zip(*found, strict=True), strict=True):
        wall, cpu = (statistics.median(values) for values in zip(*costs, strict=True))
        print(f"{name:<18}{wall:>8.1f} us/event wall{cpu:>8.1f} us cpu{1e6 / wall:>10,.0f} events/s")
    limit = [low.wall / mine.wall for low, mine, _ in found]
    limit_cpu = [low.cpu / mine.cpu for low, mine, _ in found]
    orm = [high.wall / mine.wall for _, mine, high in found]
    ratio, ratio_cpu, times = (statistics.median(values) for values in (limit, limit_cpu, orm))
    print(
        f"of the bare limit: {ratio:.2f} (min {min(limit):.2f}, max {max(limit):.2f}; of its processor time"
        f" {ratio_cpu:.2f}); bar >= {BAR:.2f}, stretch {STRETCH:.2f}: {'met' if ratio >= BAR else 'MISSED'}"
    )
    print(f"times SQLModel: {times:.0f}; bar >= {ORM_BAR:.0f}: {'met' if times >= ORM_BAR else 'MISSED'}")
    return ratio >= BAR and times >= ORM_BAR


def drift(root: Path, events: int) -> bool:
    hub = opened(root / "drift")
    pipeline = warmed(hub)
    stream = _workload.stream(events // _workload.LIVES)
    costs: list[float] = []
    while chunk := list(islice(stream, CHUNK)):
        accept(hub, (RawMessage(_workload.SHOP, sent.id, "event", sent.body, sent.order_no) for sent in chunk))
        costs.append(each([timed(lambda: absorb_all(pipeline))], len(chunk)).cpu)
        print(f"{len(costs) * CHUNK:>10,} events: {costs[-1]:.1f} us cpu of an event", flush=True)
    pipeline.close()
    checked(hub)
    hub.close()
    ratio = costs[-1] / costs[0]
    met = ratio <= DRIFT_BAR
    print(f"the last {CHUNK:,} of the first: {ratio:.2f}; bar <= {DRIFT_BAR:.2f}: {'met' if met else 'MISSED'}")
    return met


def main() -> int:
    runtime.check()
    os.environ[_workload.SECRET_ENV] = _workload.SECRET
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=8_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--stages", action="store_true", help="only show where the time goes")
    parser.add_argument("--drift", action="store_true", help="only compare late events with early ones")
    parser.add_argument("--events", type=int, default=1_000_000, help="of the drift")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if asked.stages:
            for stage, cost in stages(Path(name), _workload.messages(asked.orders)).items():
                print(f"{stage:<16}{cost:>8.1f} us cpu of an event")
            return 0
        met = drift(Path(name), asked.events) if asked.drift else compare(Path(name), asked.orders, asked.repeats)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
