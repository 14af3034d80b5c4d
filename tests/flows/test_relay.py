"""Absorbing on PostgreSQL while a backlog waits: the same hub as batch after batch, whatever happens meanwhile."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import threading
import time
from collections import Counter

import fresh
import psycopg
import pytest
from reading import rows, state, whole

from orderhub_core.errors import OrderHubError, Unreachable
from orderhub_core.flows.absorb import drain
from orderhub_core.flows.pipeline import Pipeline
from orderhub_core.flows.recent import Recent
from orderhub_core.model import Event, Parcel, RawMessage
from orderhub_core.store import homes, sessions

E = Event
NOW = 1_700_000_000_000_000
OPEN_ONES = "SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction'"
LIMIT = 20
BACKLOG = 400
"""Messages: more than a batch in each of the sixteen lanes."""

pytestmark = pytest.mark.postgres


@pytest.fixture
def database(postgres_server, tmp_path):
    return fresh.hub_on(postgres_server, tmp_path / "data")


@pytest.fixture
def store(database):
    opened = homes.open_store(database)
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
def plain(context, postgres_server, tmp_path):
    """Another hub, absorbed batch after batch without remembering anything."""
    home = fresh.hub_on(postgres_server, tmp_path / "plain")
    made = context._replace(store=homes.open_store(home), recent=None)
    yield made
    made.store.close()


@pytest.fixture
def keyed(order):
    """As `order`, told by the connector of which order it speaks: so it comes into that one's lane at once."""

    def tell(order_no, *events, **rest):
        made = order(order_no, *events, **rest)
        return RawMessage(made.source, made.message_id, made.kind, made.body, order_no)

    return tell


@pytest.fixture
def server(database):
    with psycopg.connect(database.database, autocommit=True) as connection:
        yield connection


def lives(tell, count, dice):
    """Orders told step by step: the content again or not at all, now and then another one, parcels, repeats."""
    told = []
    for n in range(count):
        for step, event in enumerate([E.PLACED, E.PAID, E.LOCKED, E.LABELLED, E.SHIPPED, E.DELIVERED]):
            total = dice.choice([0, 9_000, 9_000, 19_500])
            box = {"parcels": (Parcel(f"SF{n}", "sf", True),)} if step == 3 else {}
            told.append(tell(f"A{n}", event, at=NOW + dice.choice([step, step, 2]), total=total, **box))
    told += dice.sample(told, count)
    dice.shuffle(told)
    return told


def steps(pipeline):
    """Until nothing waits; what fails for a passing reason is tried again. What became of every message."""
    outcomes = {}
    for _ in range(20 * BACKLOG):
        with contextlib.suppress(OrderHubError, OverflowError, psycopg.DataError):
            if (done := pipeline.step()) is None:
                break
            outcomes |= done.outcomes
    return outcomes


def tables(store):
    """All but the numbers of the server's transactions, which are its own affair."""
    found = whole(store)
    for name, column in (("orders", "changed_version"), ("sightings", "changed_version")):
        place = [row[0] for row in store.query("hub", COLUMNS, (name,))].index(column)
        found[name] = [(*row[:place], *row[place + 1 :]) for row in found[name]]
    return found


COLUMNS = """SELECT column_name FROM information_schema.columns WHERE table_name = ?
    AND table_schema = current_schema() ORDER BY ordinal_position"""


def in_the_air(pipeline, context, tell):
    """A backlog, of which a batch is on its way."""
    context.store.accept([tell(f"A{n}", E.PLACED, E.PAID, total=9_000) for n in range(BACKLOG)], NOW)
    while pipeline._flying is None:
        pipeline.step()


def in_transaction(pipeline, context, server):
    """The server's processes that wait for the rest of a transaction; at a moment there may be none, for the batch on
    its way is answered at once."""
    while not (found := server.execute(OPEN_ONES).fetchall()):
        assert context.store.waiting()[0]
        pipeline.step()
    return [pid for (pid,) in found]


def nothing_lost_or_doubled(context, count=BACKLOG):
    assert rows(context, "SELECT count(*), count(DISTINCT order_no) FROM orders") == [(count, count)]
    assert rows(context, "SELECT count(*) FROM log WHERE event = 'payment.paid'") == [(count,)]
    assert context.store.waiting()[0] == 0
    assert context.store.verify_log().broken_seq is None


@pytest.mark.parametrize("most", [0, 200, 5_000])
def test_the_hub_is_the_same_as_batch_after_batch(context, plain, keyed, most):
    dice = random.Random(most)
    told = lives(keyed, 60, dice)
    pipeline = Pipeline(context._replace(recent=Recent(context.store, most)), LIMIT)
    mine, theirs = {}, {}
    while told:
        size = dice.choice((1, 7, BACKLOG))
        group, told = told[:size], told[size:]
        for store in (context.store, plain.store):
            store.accept(group, NOW)
        mine |= steps(pipeline)
        theirs |= drain(plain, LIMIT)
    pipeline.close()
    assert mine == theirs
    assert tables(context.store) == tables(plain.store)
    assert context.store.verify_log().broken_seq is None


def test_messages_that_come_into_a_lane_not_theirs_are_passed_on(pipeline, context, plain, order):
    told = lives(order, 60, random.Random(5))
    for store in (context.store, plain.store):
        store.accept(told, NOW)
    steps(pipeline)
    drain(plain, LIMIT)
    assert state(context) == state(plain)


def test_batches_of_a_backlog_are_planned_while_others_are_on_their_way(pipeline, context, keyed):
    in_the_air(pipeline, context, keyed)
    ahead = 0
    while pipeline.step() is not None:
        ahead += pipeline._flying is not None
    assert ahead >= BACKLOG // LIMIT - 4
    nothing_lost_or_doubled(context)


def held_up(server, connection):
    """The backend that waits for a lock that `connection` has."""
    asked = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    for _ in range(500):
        if found := server.execute(asked).fetchall():
            return found[0][0]
        time.sleep(0.02)
    raise AssertionError("nobody waits")


def test_a_commit_whose_connection_is_ended_is_made_again(pipeline, context, keyed, server, database):
    in_the_air(pipeline, context, keyed)
    with psycopg.connect(database.database) as rival:
        rival.execute("LOCK TABLE log IN EXCLUSIVE MODE")
        stuck = threading.Thread(target=lambda: steps(pipeline))
        stuck.start()
        server.execute("SELECT pg_terminate_backend(%s)", (held_up(server, rival),))
        rival.rollback()
        stuck.join(60)
    steps(pipeline)
    nothing_lost_or_doubled(context)


def test_a_failure_is_told_and_leaves_every_lane_to_whoever_comes(pipeline, context, keyed, server, database):
    in_the_air(pipeline, context, keyed)
    for pid in in_transaction(pipeline, context, server):
        server.execute("SELECT pg_terminate_backend(%s)", (pid,))
    with pytest.raises(Unreachable):
        while context.store.waiting()[0]:
            pipeline.step()
    stands = {
        lane: (version, bytes(head))
        for lane, version, head in rows(context, "SELECT lane, version, log_hash FROM lanes")
    }
    assert {lane: kept[:2] for lane, kept in context.recent._kept.items()}.items() <= stands.items(), "not remembered"
    other = homes.open_store(database)
    drain(context._replace(store=other, recent=None), LIMIT)
    other.close()
    nothing_lost_or_doubled(context)


def test_a_server_that_is_frozen_holds_nobody_for_ever(pipeline, context, keyed, server, monkeypatch):
    monkeypatch.setattr(sessions, "BATCH_ANSWER_S", 0.5)
    in_the_air(pipeline, context, keyed)
    stopped = in_transaction(pipeline, context, server)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(Unreachable):
            while context.store.waiting()[0]:
                pipeline.step()
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    while context.store.waiting()[0]:
        pipeline.step()
    nothing_lost_or_doubled(context)


def test_a_plan_that_fails_leaves_every_lane_to_whoever_comes(pipeline, context, keyed, database, monkeypatch):
    in_the_air(pipeline, context, keyed)

    def refused(*_):
        raise RuntimeError

    monkeypatch.setattr("orderhub_core.flows.pipeline.prepare", refused)
    pipeline.step()
    assert pipeline._flying is None
    other = homes.open_store(database)
    drain(context._replace(store=other, recent=None), LIMIT)
    other.close()
    nothing_lost_or_doubled(context)


def test_workers_beside_each_other_share_the_lanes(context, keyed, database):
    context.store.accept([keyed(f"A{n}", E.PLACED, E.PAID, total=9_000) for n in range(3 * BACKLOG)], NOW)
    found, stores = [], [homes.open_store(database) for _ in range(3)]

    def work(store):
        pipeline = Pipeline(context._replace(store=store, recent=Recent(store)), LIMIT)
        while store.waiting()[0]:
            found.append(steps(pipeline))
        pipeline.close()
        store.close()

    threads = [threading.Thread(target=work, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sum(len(outcomes) for outcomes in found) == 3 * BACKLOG
    nothing_lost_or_doubled(context, 3 * BACKLOG)


@pytest.mark.breaks
def test_a_message_that_breaks_its_batch_is_parked_alone(pipeline, context, keyed):
    told = [keyed(f"A{n}", E.PLACED, total=9_000) for n in range(BACKLOG)]
    # No database holds such a number, and no connector lets it through.
    told[BACKLOG // 2] = keyed("TOO-MUCH", E.PLACED, at=NOW, total=2**63)
    context.store.accept(told, NOW)
    outcomes = steps(pipeline)
    assert rows(context, "SELECT count(*) FROM orders") == [(BACKLOG - 1,)]
    assert Counter(outcomes.values())["parked"] == 1
    assert rows(context, "SELECT count(*) FROM parked") == [(1,)]


def test_what_is_on_its_way_when_the_worker_stops_is_committed_and_nothing_else_held(
    pipeline, context, keyed, database
):
    in_the_air(pipeline, context, keyed)
    flight = pipeline._flying
    pipeline.close()
    ids = [message.id for message in flight.claim.messages]
    assert context.store.waiting_of(ids) == 0
    other = homes.open_store(database)
    drain(context._replace(store=other, recent=None), LIMIT)
    other.close()
    nothing_lost_or_doubled(context)


def test_once_it_is_closed_the_interpreter_shares_itself_out_as_before(pipeline, context, keyed):
    before = sys.getswitchinterval()
    in_the_air(pipeline, context, keyed)
    assert sys.getswitchinterval() < before
    pipeline.close()
    assert sys.getswitchinterval() == before
