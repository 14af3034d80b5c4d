"""Dispatch: performed once under one key, retried later with growing pauses, handed to a person when it must be."""

import random
import time

import pytest

from orderhub_core import effects
from orderhub_core.errors import (
    BadCredentials,
    Busy,
    OtherwiseThere,
    RefusedByTarget,
    Stop,
    Throttled,
    Unanswered,
    Unconnected,
    Unreachable,
)
from orderhub_core.flows.dispatch import LEASE_S, LONGEST_S, LONGEST_WAIT_S, SECOND, Dispatch, dispatch, next_try
from orderhub_core.flows.gates import FAILURES_IN_A_ROW, FIRST_PAUSE_S, LONGEST_PAUSE_S, Gates
from orderhub_core.flows.targets import Targets
from orderhub_core.settings import Settings
from orderhub_core.store import homes, statements
from orderhub_core.store.base import FURTHEST
from orderhub_core.store.unit import Told, Writes

NOW = 1_700_000_000_000_000
NOW_THERE = time.time_ns() // 1_000


@pytest.fixture
def store(home):
    opened = homes.open_store(home)
    intend(opened, "A1")
    yield opened
    opened.close()


def intend(store, *order_nos):
    """An effect for each order, due now, in this order."""
    with store.transaction("hub") as cursor:
        for place, order_no in enumerate(order_nos):
            effect = effects.PushToWarehouse("shop-1", order_no, "hangzhou", ())
            known = {
                "key": f"push:{order_no}",
                "order_id": 1,
                "target": effect.target,
                "payload": effects.encode(effect).decode(),
                "state": "waiting",
                "generation": 0,
                "attempts": 0,
                "next_at": NOW - 1_000 + place,
                "owner": "",
                "intended_at": NOW,
                "note": "",
            }
            row = [known.get(name) for name in statements.columns("outbox")]
            cursor.execute(store.sql(statements.insert("outbox")), row)


def run(store, perform, now=NOW, attempts=8, *, owner="me", limit=10, clock=None, gates=None, **how):
    return dispatch(
        store,
        perform,
        gates=gates or Gates({}, lambda: 0.0),
        clock=clock or (lambda: now),
        leases=clock or (lambda: now),
        owner=owner,
        dice=random.Random(1),
        limit=limit,
        attempts=attempts,
        **how,
    )


def state(store):
    return store.query("hub", "SELECT state, attempts, note FROM outbox")[0]


def test_a_target_that_the_settings_do_not_have_was_not_tried_and_gets_it_once_they_do(store):
    missing = Targets(Settings(), lambda shop: None, lambda messages: None)
    (done,) = run(store, missing.perform)
    assert (done.state, done.tried) == ("person", False)
    told, attempts, note = state(store)
    assert (told, attempts) == ("person", 0), "whoever mends the settings may let it go"
    assert "no warehouse 'hangzhou' in the settings" in note
    writes = Writes()
    writes.released.append(Told("let go", 0, 1, "go", "", "push:A1"))
    with store.transaction("hub") as cursor:
        for batch in statements.batches(writes):
            cursor.executemany(store.sql(batch.sql), batch.rows)
    seen = []
    run(store, lambda effect, key: seen.append(key))
    assert (seen, state(store)[0]) == (["push:A1"], "done")


def test_an_effect_is_performed_under_its_key_and_then_done(store):
    seen = []
    run(store, lambda effect, key: seen.append((effect.order_no, key)))
    assert seen == [("A1", "push:A1")]
    assert state(store)[0] == "done"
    assert run(store, lambda effect, key: seen.append(key)) == []
    assert len(seen) == 1


def test_a_transient_failure_waits_longer_each_time_then_goes_to_a_person(store):
    def fail(effect, key):
        raise Unreachable("no answer")

    now, pauses = NOW, []
    for _ in range(4):
        (result,) = run(store, fail, now=now, attempts=4)
        pauses.append(result.next_at - now)
        now = max(result.next_at, now + 1)
    assert pauses[0] < pauses[1] < pauses[2]
    assert state(store)[0] == "person"
    assert "4 tries" in state(store)[2]


def test_not_before_the_other_side_asked_us_back(store):
    def busy(effect, key):
        raise Throttled("slow down", after_s=120)

    (result,) = run(store, busy)
    assert result.next_at >= NOW + 120 * SECOND
    assert run(store, busy, now=NOW + 60 * SECOND) == []


def test_what_retrying_cannot_help_goes_to_a_person_at_once(store):
    def refuse(effect, key):
        raise OtherwiseThere("it has other lines")

    run(store, refuse)
    assert state(store) == ("person", 1, "it has other lines")


def test_what_was_refused_was_not_taken(store):
    def refuse(effect, key):
        raise RefusedByTarget("no such SKU")

    (done,) = run(store, refuse)
    assert (done.state, done.tried) == ("person", False)
    assert state(store) == ("person", 0, "no such SKU")


@pytest.mark.parametrize("failure", [BadCredentials, Unconnected])
def test_while_nothing_can_be_sent_all_of_it_waits_and_goes_by_itself_afterwards(store, failure):
    intend(store, *(f"B{n}" for n in range(20)))
    watch, seen, key_works = Watch(), [], []

    def sign_in(effect, key):
        seen.append(key)
        if not key_works:
            raise failure("nobody lets us in")

    gates = Gates({}, watch)
    run(store, sign_in, limit=100, gates=gates)
    assert len(seen) == 1, "what follows would fare no better"
    tries = store.query("hub", "SELECT state, attempts, count(*) FROM outbox GROUP BY 1, 2 ORDER BY 2")
    assert tries == [("waiting", 0, 21)], "nothing of it can have arrived"
    for later in range(20):
        watch.now += 400
        run(store, sign_in, limit=1, gates=gates, clock=lambda: NOW + (later + 1) * 10_000_000)  # noqa: B023
    assert store.query("hub", "SELECT DISTINCT state, attempts FROM outbox") == [("waiting", 0)], "nobody gives up"
    key_works.append(True)
    watch.now += 400
    run(store, sign_in, limit=100, gates=gates, clock=lambda: NOW + 10_000_000_000)
    assert store.query("hub", "SELECT DISTINCT state FROM outbox") == [("done",)]


def test_a_stop_is_passed_on_and_the_effect_stays_leased(store):
    def harm(effect, key):
        raise Stop("the chain is broken")

    with pytest.raises(Stop):
        run(store, harm)
    assert state(store)[0] == "leased"


def test_a_bug_in_one_effect_hands_it_to_a_person_and_the_others_are_done(store):
    intend(store, *(f"B{n}" for n in range(24)))

    def stumble(effect, key):
        if effect.order_no == "B11":
            raise KeyError("张三丰 19900001234")

    assert len(run(store, stumble, limit=100)) == 25
    states = dict(store.query("hub", "SELECT key, state FROM outbox"))
    assert states.pop("push:B11") == "person"
    assert set(states.values()) == {"done"}
    ((note,),) = store.query("hub", "SELECT note FROM outbox WHERE state = 'person'")
    assert "KeyError" in note
    assert "张三丰" not in note
    assert run(store, stumble, now=NOW + 2 * LEASE_S * SECOND) == []


def test_what_was_done_before_a_stop_is_not_done_again(store):
    intend(store, "B1", "B2")
    seen = []

    def harm(effect, key):
        if effect.order_no == "B2":
            raise Stop("the chain is broken")
        seen.append(key)

    with pytest.raises(Stop):
        run(store, harm)
    run(store, lambda effect, key: seen.append(key), now=NOW + 2 * LEASE_S * SECOND)
    assert sorted(seen) == ["push:A1", "push:B1", "push:B2"]


def test_slow_effects_are_never_performed_by_two_workers_at_once(store):
    """Each effect takes as long as it may. After each, another worker looks for work: it finds none of ours."""
    intend(store, *(f"B{n}" for n in range(5)))
    now, seen = [NOW], []

    def slow(effect, key):
        seen.append(key)
        now[0] += LONGEST_S * SECOND
        run(store, lambda effect, key: seen.append(key), clock=lambda: now[0] - 1, owner="another", limit=1)

    while run(store, slow, clock=lambda: now[0], limit=100):
        pass
    assert len(seen) == len(set(seen)) == 6
    assert set(store.query("hub", "SELECT state FROM outbox")) == {("done",)}


def test_waiting_behind_slow_effects_is_no_try(store):
    """Leased again and again behind others, and never begun: then its first failure is its first."""
    intend(store, *(f"B{n}" for n in range(5)))
    now, tried = [NOW], []

    def slow(effect, key):
        tried.append(key)
        now[0] += LONGEST_S * SECOND
        if len(tried) == 6:
            raise Unreachable("no answer")

    while run(store, slow, attempts=2, clock=lambda: now[0]):
        if len(tried) == 6:
            break
    rows = {
        key: (state, attempts) for key, state, attempts in store.query("hub", "SELECT key, state, attempts FROM outbox")
    }
    assert rows[tried[-1]] == ("waiting", 1)


def test_the_pause_after_a_failure_counts_from_the_failure(store):
    now = [NOW]

    def fail(effect, key):
        now[0] += 40 * SECOND
        raise Unreachable("no answer")

    (result,) = run(store, fail, clock=lambda: now[0])
    assert result.next_at > NOW + 40 * SECOND


@pytest.mark.parametrize("attempt", [0, 1, 5, 11, 12, 40, 1_000])
def test_backoff_grows_and_stays_within_its_bound(attempt):
    wait_s = (next_try(attempt, None, now=NOW, dice=random.Random(3)) - NOW) / SECOND
    assert 0.5 * min(LONGEST_WAIT_S, 2**attempt) <= wait_s <= LONGEST_WAIT_S


class Watch:
    """Monotonic seconds that pass when a test says so."""

    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


def unreachable(effect, key):
    raise Unreachable("nobody there")


def test_a_target_that_is_gone_is_left_alone_and_costs_the_others_nothing(store):
    intend(store, *(f"B{n}" for n in range(30)))
    with store.transaction("hub") as cursor:
        cursor.execute("UPDATE outbox SET target = 'guangzhou' WHERE key IN ('push:B28', 'push:B29')")
    watch, tried = Watch(), []

    def perform(effect, key):
        tried.append(key)
        if key not in ("push:B28", "push:B29"):
            raise Unreachable("nobody there")

    gates = Gates({}, watch)
    run(store, perform, limit=100, gates=gates)
    assert len(tried) == FAILURES_IN_A_ROW + 2
    assert gates.closed() == ["hangzhou"]
    states = store.query("hub", "SELECT state, attempts, count(*) FROM outbox GROUP BY 1, 2 ORDER BY 1, 2")
    untouched = 31 - FAILURES_IN_A_ROW - 2
    assert states == [("done", 1, 2), ("waiting", 0, untouched), ("waiting", 1, FAILURES_IN_A_ROW)]

    tried.clear()
    watch.now += FIRST_PAUSE_S
    run(store, perform, limit=100, gates=gates)
    assert len(tried) == 1, "one tries for all"
    watch.now += FIRST_PAUSE_S
    run(store, perform, limit=100, gates=gates)
    assert len(tried) == 1, "the pause has doubled"
    watch.now += FIRST_PAUSE_S
    run(store, lambda effect, key: tried.append(key), limit=100, gates=gates)
    assert gates.closed() == []
    assert len(tried) == untouched, "the one that answered opened the gate for the rest"


@pytest.mark.parametrize("rates", [{}, {"hangzhou": 60}], ids=["a circuit", "and a rate"])
def test_what_may_not_be_sent_yet_keeps_nobody_from_a_target_that_may_be_back(store, rates):
    """Orders whose shop is asked first may be many, and a gate that was closed lets one through at a time."""
    intend(store, *(f"B{n}" for n in range(1, 41)))
    watch, sent = Watch(), []
    gates, began = Gates(rates, watch), watch.now

    def perform(effect, key):
        if watch.now == began:
            raise Unconnected("nobody listens")
        if effect.order_no != "B40":
            raise Unanswered("its shop is asked first")
        sent.append(effect.order_no)

    run(store, perform, gates=gates, limit=1)
    watch.now += FIRST_PAUSE_S
    run(store, perform, NOW + 60 * SECOND, gates=gates, limit=100)
    assert sent == ["B40"]


def test_a_shop_is_asked_no_faster_than_it_allows_where_its_answers_cannot_be_written_down(store):
    with store.transaction("hub") as cursor:
        asks = effects.encode(effects.FetchOrder("shop-1", "A1")).decode()
        cursor.execute(store.sql("UPDATE outbox SET key = 'fetch:shop-1:A1', target = 'shop-1', payload = ?"), (asks,))
    asked = []

    def perform(effect, key):
        asked.append(key)
        raise Busy("the database is locked")

    gates = Gates({"shop-1": 12}, Watch())
    for second in range(20):
        run(store, perform, NOW + 2 * second * SECOND, gates=gates)
    assert len(asked) == 1


def test_the_pause_has_an_end_however_long_a_target_is_gone():
    watch = Watch()
    gates = Gates({}, watch)
    for _ in range(50):
        assert gates.passes("wms")
        gates.failed("wms", None)
        if gates.closed():
            before = watch.now
            while gates.closed():
                watch.now += FIRST_PAUSE_S
            assert watch.now - before <= LONGEST_PAUSE_S


def test_a_refusal_is_an_answer(store):
    intend(store, *(f"B{n}" for n in range(20)))

    def refuse(effect, key):
        raise RefusedByTarget("no")

    gates = Gates({}, Watch())
    assert len(run(store, refuse, limit=100, gates=gates)) == 21
    assert gates.closed() == []


def test_who_asks_to_be_left_alone_is_left_alone_at_once():
    watch = Watch()
    gates = Gates({}, watch)
    gates.failed("wms", 30.0)
    watch.now += 29
    assert not gates.passes("wms")
    watch.now += 1
    assert gates.passes("wms")


def test_who_asks_for_an_hour_of_quiet_has_it():
    watch = Watch()
    gates = Gates({}, watch)
    gates.failed("wms", 3_600.0)
    watch.now += 3_599
    assert gates.closed() == ["wms"]
    watch.now += 1
    assert gates.passes("wms")


@pytest.mark.parametrize("after_s", [10**9, float("inf")])
def test_nobody_is_left_alone_for_longer_than_anybody_plans_ahead(after_s):
    watch = Watch()
    gates = Gates({}, watch)
    gates.failed("wms", after_s)
    watch.now += FURTHEST / SECOND
    assert gates.passes("wms")
    assert next_try(1, after_s, now=NOW, dice=random.Random(1)) == NOW + FURTHEST


def test_of_one_target_alone_the_others_are_left_where_they_are(store):
    intend(store, "B1", "B2")
    with store.transaction("hub") as cursor:
        cursor.execute("UPDATE outbox SET target = 'guangzhou' WHERE key = 'push:B1'")
    seen = []
    run(store, lambda effect, key: seen.append(key), only="guangzhou")
    assert seen == ["push:B1"]
    left = store.query("hub", "SELECT key, state, attempts FROM outbox WHERE key <> 'push:B1' ORDER BY key")
    assert left == [("push:A1", "waiting", 0), ("push:B2", "waiting", 0)]


def test_whoever_is_told_to_stop_ends_after_the_effect_at_hand_and_gives_the_others_back(store):
    intend(store, *(f"B{n}" for n in range(30)))
    seen = []
    done = run(store, lambda effect, key: seen.append(key), limit=100, going_on=lambda: len(seen) < 2)
    assert len(done) == len(seen) == 2
    states = store.query("hub", "SELECT state, attempts, count(*) FROM outbox GROUP BY 1, 2 ORDER BY 1")
    assert states == [("done", 1, 2), ("waiting", 0, 29)]
    assert run(store, lambda effect, key: seen.append(key), owner="me again", going_on=lambda: False) == []
    assert ("me again",) not in store.query("hub", "SELECT owner FROM outbox"), "and takes no more"


def test_a_rate_holds_over_any_minute(store):
    intend(store, *(f"B{n}" for n in range(200)))
    watch, done = Watch(), []
    gates = Gates({"hangzhou": 60}, watch)
    for _ in range(60):
        run(store, lambda effect, key: done.append((watch.now, key)), limit=100, gates=gates)
        watch.now += 1
    assert len({key for _, key in done}) == len(done)
    assert 60 <= len(done) <= 65, "one a second, and a few seconds' worth at the beginning"
    assert store.query("hub", "SELECT max(attempts) FROM outbox")[0][0] == 1


@pytest.mark.parametrize("home", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
@pytest.mark.parametrize("ahead_s", [3 * LEASE_S, -3 * LEASE_S])
def test_two_hosts_whose_clocks_differ_perform_an_effect_once(store, home, ahead_s):
    """By either's clock the other's lease is over, or was taken by one who is far ahead."""
    performed, other = [], homes.open_store(home)

    def host(store, perform, now):
        return Dispatch(store, perform, Gates({}, lambda: 0.0), lambda: now, attempts=8)

    def second(effect, key):
        performed.append(("second", key))

    def first(effect, key):
        performed.append(("first", key))
        beside = host(other, second, NOW + ahead_s * SECOND)
        performed.extend(beside.due())
        beside(owner="second", dice=random.Random(1))

    (done,) = host(store, first, NOW)(owner="first", dice=random.Random(1))
    other.close()
    assert performed == [("first", "push:A1")]
    assert (done.state, state(store)[0]) == ("done", "done")


@pytest.mark.parametrize("home", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
def test_what_a_host_whose_clock_is_ahead_has_planned_for_now_it_does_now(store):
    hour_ahead = NOW_THERE + 3_600 * SECOND
    with store.transaction("hub") as cursor:
        cursor.execute(store.sql("UPDATE outbox SET next_at = ?"), (hour_ahead,))
    dispatch_there = Dispatch(store, lambda effect, key: None, Gates({}, lambda: 0.0), lambda: hour_ahead, attempts=8)
    assert dispatch_there.due() == {"hangzhou"}
    (done,) = dispatch_there(owner="me", dice=random.Random(1))
    assert done.state == "done"
