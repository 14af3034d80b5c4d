"""The flow as it stands, against a count made by hand; and what it costs."""

from __future__ import annotations

from random import Random

import pytest

from orderhub_core.errors import Unreadable
from orderhub_core.flows import absorb
from orderhub_core.flows.context import Context
from orderhub_core.model import RawMessage
from orderhub_core.pseudonym import Pseudonyms
from orderhub_core.rules.tree import Rulebook
from orderhub_core.store import flow, homes
from orderhub_core.store.unit import Writes


@pytest.fixture
def store(home):
    opened = homes.open_store(home)
    yield opened
    opened.close()


def nobody(name):
    raise Unreadable(f"nobody knows {name}")


@pytest.fixture
def context(store):
    return Context(store, nobody, Rulebook(), Pseudonyms(b"a pepper of some length"))


def accept(store, source, number, at):
    store.accept([RawMessage(source, f"m{number}", "order", b"{}")], at)


def test_an_empty_hub_has_nothing_to_tell(store):
    assert flow.read(store, 7) == flow.Flow(7, 0, None, 0, (), (), (), ())


@pytest.mark.parametrize("seed", range(3))
def test_lags_are_what_one_would_count(store, context, seed):
    dice = Random(seed)
    told = []
    for number in range(120):
        source = dice.choice(["shop-a", "shop-b", "file/generic/x", "壹号店"])
        told.append((source, 1_000 + number * 10))
        accept(store, source, number, told[-1][1])
    applied = 0
    for limit in (dice.randrange(1, 40), dice.randrange(1, 40)):
        done = absorb.absorb(context, limit)
        applied += len(done.outcomes) if done else 0
    seen = flow.read(store, 99_999)
    assert (seen.waiting, seen.parked) == (120 - applied, applied)
    waits = waiting_ids(store)
    for lag in seen.lags:
        ats = [at for source, at in told if source == lag.source]
        held = [at for n, (source, at) in enumerate(told, 1) if source == lag.source and n in waits]
        assert lag == (lag.source, max(ats), len(held), min(held, default=None))
    assert [lag.source for lag in seen.lags] == sorted({source for source, _ in told}, key=str.encode)
    assert seen.oldest_at == min((lag.oldest_at for lag in seen.lags if lag.oldest_at), default=None)


def waiting_ids(store):
    return {n for n in range(1, 121) if store.waiting_of([n])}


def test_what_comes_again_waits_again(store, context):
    for number in range(4):
        accept(store, "shop-a", number, 1_000 + number)
    absorb.drain(context, 10)
    store.requeue([2, 3])
    seen = flow.read(store, 5_000)
    assert (seen.waiting, seen.oldest_at, seen.parked) == (2, 1_001, 2)
    assert seen.lags == (flow.Lag("shop-a", 1_003, 2, 1_001),)


def test_since_when_nothing_was_applied_is_known_as_far_back_as_one_has_looked(store, context):
    now = [1_000]
    latest = flow.Latest(store, lambda: now[0])

    def still_since(at):
        now[0] = at
        latest.forget()
        return latest().still_since

    assert still_since(1_000) == 1_000
    accept(store, "shop-a", 1, 5)
    assert still_since(2_000) == 1_000, "what comes in is not applied"
    absorb.drain(context, 10)
    now[0] = 3_000
    latest.glance()
    assert still_since(4_000) == 3_000


def test_effects_that_are_open_are_told_apart(store, context):
    accept(store, "shop-a", 1, 5)
    claim = store.claim(1, 10)
    writes = Writes()
    writes.next_order_id = claim.next_order_id
    states = [("w1", "waiting", 0), ("w1", "waiting", 2), ("w1", "leased", 1), ("w2", "person", 8), ("w2", "done", 1)]
    for key, (target, state, attempts) in enumerate(states):
        writes.new["outbox"].append((f"k{key}", 1, target, "{}", state, 0, attempts, 0, None, "", 0, None, "", None))
    store.commit(claim, writes)
    assert flow.read(store, 9).effects == (
        ("w1", "failing", 1),
        ("w1", "leased", 1),
        ("w1", "waiting", 1),
        ("w2", "person", 1),
    )


def test_of_each_target_that_effects_fail_for_the_last_reason_is_told(store, context):
    accept(store, "shop-a", 1, 5)
    claim = store.claim(1, 10)
    writes = Writes()
    writes.next_order_id = claim.next_order_id
    rows = [
        ("w1", "waiting", 1, 30, "first"), ("w1", "waiting", 2, 40, "then"), ("w1", "waiting", 0, 99, ""),
        ("w2", "person", 8, 50, "gave up"), ("w3", "waiting", 1, 7, "else"),
    ]  # fmt: skip
    for key, (target, state, attempts, at, note) in enumerate(rows):
        writes.new["outbox"].append((f"k{key}", 1, target, "{}", state, 0, attempts, at, None, "", 0, None, note, None))
    store.commit(claim, writes)
    assert flow.read(store, 9).failures == (("w1", 40, "then"), ("w3", 7, "else"))


NOBODY, ANN = "nobody listens", "let go by ann: they wait"


@pytest.mark.parametrize(
    ("rows", "told", "why"),
    [
        ([(0, 40, NOBODY, None)], {"failing": 1}, [("w1", 40, NOBODY)]),
        ([(0, 40, NOBODY, None), (0, 30, "earlier", None), (0, 99, "", None)], {"failing": 2, "waiting": 1},
            [("w1", 40, NOBODY)]),
        ([(2, 50, "no answer", None), (0, 40, NOBODY, None)], {"failing": 2}, [("w1", 50, "no answer")]),
        ([(2, 30, "no answer", None), (0, 40, NOBODY, None)], {"failing": 2}, [("w1", 40, NOBODY)]),
        ([(0, 40, ANN, 7), (0, 40, "", None)], {"waiting": 2}, []),
    ],
    ids=["alone", "beside what was not looked at", "beside what failed later", "and earlier", "let go by a person"],
)  # fmt: skip
def test_what_met_nobody_is_failing_though_it_was_no_try(store, context, rows, told, why):
    accept(store, "shop-a", 1, 5)
    claim = store.claim(1, 10)
    writes = Writes()
    writes.next_order_id = claim.next_order_id
    for key, (attempts, at, note, released) in enumerate(rows):
        row = (f"k{key}", 1, "w1", "{}", "waiting", 0, attempts, at, None, "", 0, None, note, released)
        writes.new["outbox"].append(row)
    store.commit(claim, writes)
    seen = flow.read(store, 9)
    assert {one.state: one.effects for one in seen.effects} == told
    assert list(seen.failures) == why


def test_no_question_walks_what_is_done(sqlite_home):
    """Every step of every plan is a search along an index, or a walk over what is open only."""
    store = homes.open_store(sqlite_home)
    asked, query = [], store.query
    store.query = lambda part, sql, parameters=(): asked.append((part, sql, parameters)) or query(part, sql, parameters)
    accept(store, "shop-a", 1, 5)
    flow.read(store, 9)
    store.pulse(9)
    steps = {row[3] for part, sql, values in asked for row in query(part, f"EXPLAIN QUERY PLAN {sql}", values)}
    walks = {step.split()[1] for step in steps if step.startswith("SCAN ")}
    assert walks <= {"known", "parked", "todo", "counter", "conflict", "json_each"}
    assert any("ix_inbox_source_id (source=?" in step for step in steps)
    store.close()


class Slow:
    """A store of which every reading takes so long; time passes by it alone."""

    def __init__(self, took_s):
        self.took_s, self.now, self.readings = took_s, 1_000.0, 0

    def read(self, store, now):
        self.now += self.took_s
        self.readings += 1
        return flow.Flow(now, self.readings, None, 0, (), (), (), ())


@pytest.mark.parametrize(("took_s", "kept_s"), [(0.001, 2.0), (0.5, 10.0), (3.0, 60.0)])
def test_looking_costs_a_twentieth_of_a_core_at_most(monkeypatch, took_s, kept_s):
    slow = Slow(took_s)
    monkeypatch.setattr(flow, "read", slow.read)
    monkeypatch.setattr(flow.time, "monotonic", lambda: slow.now)
    latest = flow.Latest(None, lambda: 7)
    latest()
    slow.now += kept_s - 0.01
    assert latest().waiting == 1
    slow.now += 0.02
    assert latest().waiting == 2
    latest.forget()
    assert latest().waiting == 3
