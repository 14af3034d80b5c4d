"""Dispatch: performed once under one key, retried later with growing pauses, handed to a person when it must be."""

import random

import pytest

from orderhub_core import effects
from orderhub_core.errors import BadCredentials, Stop, Throttled, Unreachable
from orderhub_core.flows.dispatch import LONGEST_WAIT_S, SECOND, dispatch, next_try
from orderhub_core.store import homes, statements

NOW = 1_700_000_000_000_000


@pytest.fixture
def store(sqlite_home):
    opened = homes.open_store(sqlite_home)
    effect = effects.PushToWarehouse("shop-1", "A1", "hangzhou", ())
    with opened.transaction("hub") as cursor:
        row = (
            "push:A1",
            1,
            effect.target,
            effects.encode(effect).decode(),
            "waiting",
            0,
            0,
            NOW,
            None,
            "",
            NOW,
            None,
            "",
        )
        cursor.execute(statements.insert("outbox"), row)
    yield opened
    opened.close()


def run(store, perform, now=NOW, attempts=8):
    return dispatch(store, perform, now=now, owner="me", dice=random.Random(1), limit=10, attempts=attempts)


def state(store):
    return store.query("hub", "SELECT state, attempts, note FROM outbox")[0]


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
        raise BadCredentials("sign-in refused")

    run(store, refuse)
    assert state(store) == ("person", 1, "sign-in refused")


def test_a_stop_is_passed_on_and_the_effect_stays_leased(store):
    def harm(effect, key):
        raise Stop("the chain is broken")

    with pytest.raises(Stop):
        run(store, harm)
    assert state(store)[0] == "leased"


@pytest.mark.parametrize("attempt", [0, 1, 5, 11, 12, 40, 1_000])
def test_backoff_grows_and_stays_within_its_bound(attempt):
    wait_s = (next_try(attempt, None, now=NOW, dice=random.Random(3)) - NOW) / SECOND
    assert 0.5 * min(LONGEST_WAIT_S, 2**attempt) <= wait_s <= LONGEST_WAIT_S
