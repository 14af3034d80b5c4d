"""Absorbing while another process commits: the same hub as batch after batch, whatever happens to either process."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fresh
import pytest
from reading import rows, whole

from orderhub_core.errors import Busy, Unreachable
from orderhub_core.flows.absorb import absorb, drain
from orderhub_core.flows.context import Source
from orderhub_core.flows.pipeline import Pipeline
from orderhub_core.flows.recent import Recent
from orderhub_core.model import Event, Parcel
from orderhub_core.store import committer, homes, pipes
from orderhub_core.store.lanes import Overtaken

E = Event
NOW = 1_700_000_000_000_000
LIMIT = 20
BACKLOG = 6 * LIMIT


@pytest.fixture
def store(sqlite_home):
    opened = homes.open_store(sqlite_home)
    yield opened
    opened.close()


@pytest.fixture
def context(context):
    return context._replace(recent=Recent(context.store))


@pytest.fixture
def pipeline(context):
    made = Pipeline(context, LIMIT)
    yield made
    made.close()


@pytest.fixture
def plain(context, tmp_path):
    """The same hub beside it, absorbed batch after batch without remembering anything."""
    home = fresh.hub(tmp_path / "plain")
    made = context._replace(store=homes.open_store(home), recent=None)
    yield made
    made.store.close()


def lives(order, count, dice):
    """Orders told step by step: the content again or not at all, now and then another one, parcels, repeats."""
    told = []
    for n in range(count):
        for step, event in enumerate([E.PLACED, E.PAID, E.LOCKED, E.LABELLED, E.SHIPPED, E.DELIVERED]):
            total = dice.choice([0, 9_000, 9_000, 19_500])
            box = {"parcels": (Parcel(f"SF{n}", "sf", True),)} if step == 3 else {}
            told.append(order(f"A{n}", event, at=NOW + dice.choice([step, step, 2]), total=total, **box))
    told += dice.sample(told, count)
    dice.shuffle(told)
    return told


def steps(pipeline):
    """Until nothing waits. How many steps it took, and what became of every message."""
    count, outcomes = 0, {}
    while (done := pipeline.step()) is not None:
        count, outcomes = count + 1, outcomes | done.outcomes
    return count, outcomes


def child(pipeline):
    return pipeline._ahead._child.process


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("most", [0, 30, 5_000])
def test_the_hub_is_the_same_as_batch_after_batch(context, plain, order, seed, most):
    dice = random.Random(seed)
    told = lives(order, 40, dice)
    pipeline = Pipeline(context._replace(recent=Recent(context.store, most)), LIMIT)
    mine, theirs = {}, {}
    while told:
        size = dice.choice((1, 7, BACKLOG, 2 * BACKLOG))
        group, told = told[:size], told[size:]
        for store in (context.store, plain.store):
            store.accept(group, NOW)
        mine |= steps(pipeline)[1]
        theirs |= drain(plain, LIMIT)
    pipeline.close()
    assert mine == theirs
    assert whole(context.store) == whole(plain.store)
    assert context.store.verify_log().broken_seq is None


def test_only_a_backlog_has_a_second_process(pipeline, context, order):
    for n in range(5):
        context.store.accept([order(f"A{n}", E.PLACED)], NOW)
        assert len(steps(pipeline)[1]) == 1
    assert pipeline._ahead._child is None
    context.store.accept([order(f"B{n}", E.PLACED) for n in range(BACKLOG)], NOW)
    assert steps(pipeline)[0] == BACKLOG // LIMIT
    assert child(pipeline).poll() is None


def test_what_is_remembered_of_a_backlog_is_found_once_it_is_done(pipeline, context, order):
    """The log's end, which tells one state of the hub from another, is known only to who has committed it."""
    context.store.accept([order(f"A{n}", E.PLACED) for n in range(BACKLOG)], NOW)
    steps(pipeline)
    context.store.accept([order("A1", E.PAID)], NOW)
    kept = context.recent.take(context.store, context.store.claim(LIMIT, NOW))
    assert kept is not None and set(kept) == {f"A{n}" for n in range(BACKLOG)}


def in_the_air(pipeline, context, order):
    """A backlog, of which one batch is committed alone, one by the other process, and one is on its way."""
    context.store.accept([order(f"A{n}", E.PLACED, E.PAID, total=9_000) for n in range(BACKLOG)], NOW)
    pipeline.step()
    pipeline.step()
    return child(pipeline)


@pytest.mark.parametrize("stopped_first", [True, False], ids=["in the midst", "at any moment"])
def test_when_the_other_process_is_killed_nothing_is_lost_or_doubled(pipeline, context, order, stopped_first):
    process = in_the_air(pipeline, context, order)
    if stopped_first:
        process.send_signal(signal.SIGSTOP)
    process.kill()
    process.wait()
    with pytest.raises(Busy, match="gone away"):
        while True:
            pipeline.step()
    steps(pipeline)
    assert rows(context, "SELECT count(*), count(DISTINCT order_no) FROM orders") == [(BACKLOG, BACKLOG)]
    assert rows(context, "SELECT count(*) FROM log WHERE event = 'payment.paid'") == [(BACKLOG,)]
    assert context.store.verify_log().broken_seq is None


@pytest.mark.parametrize("bytes_each", [10, 100_000], ids=["at its answer", "at what it is handed"])
def test_when_the_other_process_stops_in_its_tracks_it_is_done_with(pipeline, context, order, monkeypatch, bytes_each):
    told = [order(f"A{n}", E.PLACED, total=9_000, category="x" * bytes_each) for n in range(BACKLOG)]
    context.store.accept(told, NOW)
    stopped = []

    def stop():
        stopped.append(child(pipeline))
        stopped[0].send_signal(signal.SIGSTOP)
        monkeypatch.setattr(committer, "STUCK_S", 1.0)  # and not before: it may be slow

    handed_over_to(pipeline, 2, stop)
    patient = committer.STUCK_S
    with pytest.raises(Busy, match="gone away"):
        while True:
            pipeline.step()
    monkeypatch.setattr(committer, "STUCK_S", patient)
    assert stopped[0].wait(10) == -signal.SIGKILL
    steps(pipeline)
    assert rows(context, "SELECT count(*), count(DISTINCT order_no) FROM orders") == [(BACKLOG, BACKLOG)]
    assert context.store.verify_log().broken_seq is None


def test_a_process_that_is_stopped_in_its_tracks_ends_with_the_worker(pipeline, context, order, monkeypatch):
    monkeypatch.setattr(pipes, "END_S", 0.5)
    process = in_the_air(pipeline, context, order)
    process.send_signal(signal.SIGSTOP)
    monkeypatch.setattr(committer, "STUCK_S", 0.5)
    pipeline.close()
    assert process.wait(10) == -signal.SIGKILL


LEAVING = """import signal, sys
from orderhub_core.store import pipes
process = pipes.start("orderhub_core.store.committer", sys.argv[1]).process
process.send_signal(signal.SIGSTOP)
print(process.pid)
"""


def test_a_worker_that_ends_leaves_no_process_that_is_stopped_in_its_tracks(sqlite_home):
    told = subprocess.run(
        [sys.executable, "-c", LEAVING, str(sqlite_home.data / "hub.db")], check=True, capture_output=True, text=True
    )
    state = Path(f"/proc/{told.stdout.strip()}/stat")
    until = time.monotonic() + 10
    while state.exists() and " Z " not in state.read_text() and time.monotonic() < until:
        time.sleep(0.01)
    assert not state.exists() or " Z " in state.read_text()


def handed_over_to(pipeline, number, act):
    """Does something right before the so many-th batch from now is handed over; tells how many were."""
    begun, begin = [], pipeline._ahead.begin

    def watched(claim, writes):
        begun.append(claim)
        if len(begun) == number:
            act()
        begin(claim, writes)

    pipeline._ahead.begin = watched
    return begun


def test_another_thread_of_the_process_may_absorb_beside_it(context, order):
    """The console tries a parked message again while the worker works off a backlog: they share what is remembered."""
    again = [f"A{n}" for n in range(LIMIT)]
    told = [order(no, E.PLACED, at=NOW, total=9_000) for no in again]
    told += [order(f"B{n}", E.PLACED, at=NOW, total=9_000) for n in range(LIMIT)]
    told += [order(no, E.PAID, at=NOW + 1) for no in again] + [order(no, E.LOCKED, at=NOW + 2) for no in again]
    context.store.accept(told, NOW)
    pipeline = Pipeline(context, LIMIT)
    slow = handed_over_to(pipeline, 2, lambda: child(pipeline).send_signal(signal.SIGSTOP))
    pipeline.step()
    pipeline.step()
    assert len(slow) == 2, "the payments are on their way"
    claimed, go_on = threading.Event(), threading.Event()

    def source(name):
        claimed.set()
        go_on.wait(10)
        return context.source(name)

    rival = ThreadPoolExecutor(1).submit(absorb, context._replace(source=source), LIMIT)
    assert claimed.wait(10)
    threading.Timer(0.3, child(pipeline).send_signal, [signal.SIGCONT]).start()
    pipeline.step()
    go_on.set()
    with pytest.raises(Overtaken):
        rival.result(10)
    steps(pipeline)
    pipeline.close()
    facts = {
        tuple(sorted(json.loads(row[0]))) for row in rows(context, "SELECT facts FROM orders WHERE order_no < 'B'")
    }
    assert facts == {("fulfilment.locked", "order.placed", "payment.paid")}


def test_after_a_failure_batches_are_handed_over_as_before(pipeline, context, order):
    """Payments alone: of the orders they pay the lines are asked for, which the batch before might have changed."""
    context.store.accept([order(f"A{n}", E.PLACED, total=9_000) for n in range(3 * BACKLOG)], NOW)
    steps(pipeline)
    context.store.accept([order(f"A{n}", E.PAID) for n in range(3 * BACKLOG)], NOW)
    begun = handed_over_to(pipeline, 2, lambda: child(pipeline).kill())
    with pytest.raises(Busy, match="gone away"):
        while True:
            pipeline.step()
    so_far = len(begun)
    steps(pipeline)
    assert len(begun) - so_far >= 3 * BACKLOG // LIMIT - 6
    assert rows(context, "SELECT count(*) FROM log WHERE event = 'payment.paid'") == [(3 * BACKLOG,)]


def test_where_no_process_can_be_started_batches_follow_one_another(pipeline, context, order, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(subprocess, "Popen", refused)
    context.store.accept([order(f"A{n}", E.PLACED) for n in range(BACKLOG)], NOW)
    assert steps(pipeline)[0] == BACKLOG // LIMIT


@pytest.mark.breaks
def test_what_cannot_be_handed_over_costs_its_own_message_only(pipeline, context, order):
    told = [order(f"A{n}", E.PLACED) for n in range(BACKLOG)]
    told[BACKLOG // 2] = order("BIG", E.PLACED, total=2**64)
    context.store.accept(told, NOW)
    outcomes = {}
    for _ in range(4 * BACKLOG):
        with contextlib.suppress(OverflowError):
            outcomes |= done.outcomes if (done := pipeline.step()) else {}
    assert Counter(outcomes.values()) == {"imported": BACKLOG - 1, "parked": 1}


def test_nothing_is_run_from_the_folder_where_the_worker_stands(pipeline, context, order, tmp_path, monkeypatch):
    (tmp_path / "msgspec.py").write_text("raise SystemExit(3)", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    process = in_the_air(pipeline, context, order)
    steps(pipeline)
    assert process.poll() is None


def test_what_is_on_its_way_when_the_worker_stops_is_committed(pipeline, context, order):
    in_the_air(pipeline, context, order)
    pipeline.close()
    assert rows(context, "SELECT count(*) FROM orders") == [(3 * LIMIT,)]


def test_another_worker_that_is_faster_costs_nothing_but_the_plan(pipeline, context, order, sqlite_home, monkeypatch):
    in_the_air(pipeline, context, order)
    begin = pipeline._ahead.begin

    def begin_too_late(claim, writes):
        other = homes.open_store(sqlite_home)
        absorb(context._replace(store=other, recent=None), 7)
        other.close()
        begin(claim, writes)

    with monkeypatch.context() as rival:
        rival.setattr(pipeline._ahead, "begin", begin_too_late)
        pipeline.step()
    with pytest.raises(Overtaken):
        pipeline.step()
    steps(pipeline)
    assert rows(context, "SELECT count(*), count(DISTINCT order_no) FROM orders") == [(BACKLOG, BACKLOG)]
    assert context.store.verify_log().broken_seq is None


@pytest.mark.breaks
def test_a_message_that_breaks_its_batch_is_parked_alone(pipeline, context, order):
    told = [order(f"A{n}", E.PLACED) for n in range(BACKLOG)]
    # No database holds such a number, and no connector lets it through.
    told[4 * LIMIT] = order("TOO-MUCH", E.PLACED, at=NOW, total=2**63)
    context.store.accept(told, NOW)
    outcomes = {}
    for _ in range(10 * BACKLOG):
        try:
            done = pipeline.step()
        except RuntimeError:
            continue  # the worker logs it and goes on
        if done is None:
            break
        outcomes |= done.outcomes
    assert [outcome for outcome in outcomes.values() if outcome != "imported"] == ["parked"]
    assert rows(context, "SELECT count(*) FROM orders") == [(BACKLOG - 1,)]


def test_what_was_put_off_comes_in_its_turn_amid_a_backlog(context, order):
    """Its try is due while batches are on their way: they do not hold it up."""
    weather, now = {"storms": True}, [NOW]

    def source(name: str) -> Source:
        if name == "away" and weather["storms"]:
            raise Unreachable("the touchpoint does not answer")
        return context.source("shop-1" if name == "away" else name)

    pipeline = Pipeline(context._replace(source=source, clock=lambda: now[0]), LIMIT)
    context.store.accept([order("LATER", E.PLACED, origin="away")], NOW)
    context.store.accept([order(f"A{n}", E.PLACED) for n in range(BACKLOG)], NOW)
    for _ in range(3):
        pipeline.step()
    weather["storms"], now[0] = False, NOW + 3_000_000
    seen = [outcome for _ in range(3) for outcome in pipeline.step().outcomes]
    pipeline.close()
    assert "LATER" in str(seen)


def test_without_a_memory_nothing_is_planned_ahead(context, order):
    pipeline = Pipeline(context._replace(recent=None), LIMIT)
    context.store.accept([order(f"A{n}", E.PLACED) for n in range(BACKLOG)], NOW)
    assert steps(pipeline)[0] == BACKLOG // LIMIT
    assert pipeline._ahead is None


def test_a_source_without_messages_is_no_step(pipeline):
    assert pipeline.step() is None


def test_lines_that_are_on_their_way_are_read_after_them(pipeline, context, plain, order):
    """The content comes in one batch, the payment alone in the next: the gift depends on what is not committed yet."""
    told = []
    for block in range(6):
        numbers = range(block * LIMIT, (block + 1) * LIMIT)
        told += [order(f"A{n}", E.PLACED, at=NOW, total=20_000) for n in numbers]
        told += [order(f"A{n}", E.PAID, at=NOW + 1) for n in numbers]
    for store in (context.store, plain.store):
        store.accept(told, NOW)
    steps(pipeline)
    drain(plain, LIMIT)
    assert rows(context, "SELECT count(*) FROM decisions WHERE action <> 'assign_warehouse'") == [(6 * LIMIT,)]
    assert whole(context.store) == whole(plain.store)
