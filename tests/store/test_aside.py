"""What was set aside is told with everything but its content, and dismissing it takes nothing away."""

from __future__ import annotations

import pytest

from orderhub_core.errors import Unreadable
from orderhub_core.flows import absorb, ops
from orderhub_core.flows.context import Context, Source
from orderhub_core.model import RawMessage
from orderhub_core.people import Dismissal
from orderhub_core.pseudonym import Pseudonyms
from orderhub_core.rules.tree import Rulebook
from orderhub_core.store import aside, flow, homes
from orderhub_core.store.expiry import DAY_US, SEEN, expire

NOW = 1_700_000_000_000_000


@pytest.fixture
def store(any_home):
    opened = homes.open_store(any_home)
    yield opened
    opened.close()


def nobody(name):
    if name == ops.OPS:
        return Source("", "", ops.decode)
    raise Unreadable(f"nobody knows {name}")


@pytest.fixture
def context(store):
    return Context(store, nobody, Rulebook(), Pseudonyms(b"a pepper of some length"), clock=lambda: NOW + 5)


def accept(store, *names, source="shop-a", body=b"{}", at=NOW):
    store.accept([RawMessage(source, name, "order", body) for name in names], at)


def dismiss(context, *said):
    context.store.accept([ops.dismissal(word, NOW + 9) for word in said], NOW + 9)
    absorb.drain(context, 10)


def names(rows):
    return [row["message_id"] for row in rows]


def test_parked_messages_say_what_they_are_oldest_first(store, context):
    accept(store, "m0", "m1", at=NOW)
    accept(store, "m2", source="shop-b", body=b"longer than that", at=NOW + 2)
    absorb.drain(context, 10)
    rows = aside.parked(store)
    told = [(row["message_id"], row["kind"], row["received_at"], row["parked_at"], row["bytes"]) for row in rows]
    assert sorted(told) == [
        ("m0", "order", NOW, NOW + 5, 2),
        ("m1", "order", NOW, NOW + 5, 2),
        ("m2", "order", NOW + 2, NOW + 5, 16),
    ]
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    assert aside.parked(store, 2) == rows[:2]
    assert names(aside.parked(store, source="shop-b")) == ["m2"]
    assert aside.parked(store, source="shop-c") == []
    assert rows[0].keys() & {"body"} == set()


def test_reasons_are_counted_the_most_frequent_first(store, context):
    accept(store, "m0", source="shop-b")
    accept(store, "m1", "m2", "m3")
    absorb.drain(context, 10)
    of_a = aside.Reason("shop-a", "nobody knows shop-a", 3, NOW + 5)
    assert aside.reasons(store) == [of_a, aside.Reason("shop-b", "nobody knows shop-b", 1, NOW + 5)]
    assert aside.reasons(store, source="shop-a") == [of_a]


def test_a_conflict_is_told_with_both_digests_and_lengths_and_no_body(store, context):
    accept(store, "m0", "m1", body=b"first", at=NOW)
    accept(store, "m0", body=b"another", at=NOW + 1)
    accept(store, "m0", body=b"a third one", at=NOW + 2)
    accept(store, "m1", body=b"first", at=NOW + 3)
    accept(store, "m0", source="shop-b", body=b"its own", at=NOW + 3)
    absorb.drain(context, 10)  # a cluster before the database tells contradictions only when they are applied
    found = aside.conflicts(store, 10)
    assert [(one.received_at, one.bytes, one.first_received_at, one.first_bytes) for one in found] == [
        (NOW + 2, 11, NOW, 5),
        (NOW + 1, 7, NOW, 5),
    ]
    assert len({one.digest for one in found} | {one.first_digest for one in found}) == 3
    assert {one.id for one in found} == {store.message_ids("shop-a", ["m0"])["m0"]}
    assert aside.conflicts(store, 1) == found[:1]
    assert aside.conflicts(store, 10, source="shop-b") == []
    assert flow.read(store, NOW).conflicts == (("shop-a", 2),)


def test_what_is_dismissed_waits_for_nobody_and_stays_where_it_is(store, context):
    accept(store, "m0", "m1")
    absorb.drain(context, 10)
    parked = "SELECT id, source, message_id, reason, parked_at FROM parked ORDER BY id"
    before = store.query("hub", parked)
    dismiss(context, Dismissal("shop-a", "m1", "a test of the platform", "ann"))
    assert names(aside.parked(store)) == ["m0"]
    assert [(reason.reason, reason.messages) for reason in aside.reasons(store)] == [("nobody knows shop-a", 1)]
    assert (flow.read(store, NOW).parked, store.pulse(NOW).parked) == (1, 1)
    (row,) = aside.parked(store, dismissed=True)
    assert (row["message_id"], row["reason"]) == ("m1", "nobody knows shop-a")
    assert (row["dismissal"], row["dismissed_by"], row["dismissed_at"]) == ("a test of the platform", "ann", NOW + 9)
    assert store.query("hub", parked) == before
    assert store.query("inbox", "SELECT count(*) FROM inbox WHERE body IS NULL") == [(0,)]
    logged = store.query("hub", "SELECT event, source, occurred_at, detail FROM log")
    detail = '{"source":"shop-a","message_id":"m1","reason":"a test of the platform","by":"ann"}'
    assert [row[:3] for row in logged] == [("message.dismissed", "ops", NOW + 9)]
    assert sorted(logged[0][3]) == sorted(detail)
    assert store.verify_log().broken_seq is None


def test_dismissals_of_several_in_one_batch_are_each_kept(store, context):
    accept(store, *(f"m{n}" for n in range(60)))
    absorb.drain(context, 100)
    dismiss(context, *(Dismissal("shop-a", f"m{n}", f"reason {n}") for n in range(0, 60, 2)))
    assert {row["message_id"]: row["dismissal"] for row in aside.parked(store, dismissed=True)} == {
        f"m{n}": f"reason {n}" for n in range(0, 60, 2)
    }
    assert len(aside.parked(store)) == 30


def test_a_dismissed_message_that_is_tried_again_is_dismissed_no_more(store, context):
    accept(store, "m0")
    absorb.drain(context, 10)
    dismiss(context, Dismissal("shop-a", "m0", "never mind"))
    (row,) = aside.parked(store, dismissed=True)
    assert [message.message_id for message in store.requeue([row["id"]])] == ["m0"]
    assert (store.waiting()[0], aside.parked(store, dismissed=True)) == (1, [])
    absorb.drain(context, 10)
    assert names(aside.parked(store)) == ["m0"]
    assert store.query("hub", "SELECT count(*) FROM log WHERE event = 'message.dismissed'") == [(1,)]


def test_what_is_dismissed_expires_like_what_is_applied_and_what_waits_for_a_person_does_not(store, context):
    accept(store, "m0", "m1")
    absorb.drain(context, 10)
    dismiss(context, Dismissal("shop-a", "m0", "never mind"))
    store.set_cursor(SEEN, NOW + 31 * DAY_US)
    expire(store, NOW + 31 * DAY_US, 30)
    left = dict(store.query("inbox", "SELECT message_id, octet_length(body) FROM inbox WHERE source = 'shop-a'"))
    assert left == {"m0": None, "m1": 2}
    assert aside.parked(store, dismissed=True)[0]["bytes"] is None


def test_a_word_of_ours_that_nobody_knows_is_parked_without_being_repeated(store, context):
    store.accept([RawMessage(ops.OPS, "x", "dismissal", b'{"reason":"Zhang San"}')], NOW)
    store.accept([RawMessage(ops.OPS, "y", "rumour", b"{}")], NOW)
    absorb.drain(context, 10)
    assert [row["message_id"] for row in aside.parked(store)] == ["x", "y"]
    assert not any("Zhang" in row["reason"] for row in aside.parked(store))
