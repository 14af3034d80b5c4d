"""Absorb on both homes: what a batch writes, what it parks, and that order, repetition and batching never matter."""

from __future__ import annotations

import hashlib
import itertools
import random
from pathlib import Path
from random import Random

import fresh
import msgspec
import pytest
from reading import rows, state
from small_rules import one_of, rulebook

from orderhub_core.errors import Stop, Unreachable
from orderhub_core.flows import ops
from orderhub_core.flows.absorb import absorb, drain, plan
from orderhub_core.flows.context import Context, Source
from orderhub_core.flows.dispatch import dispatch
from orderhub_core.flows.gates import Gates
from orderhub_core.flows.replay import replay
from orderhub_core.model import Content, Event, Line, Observation, Parcel, RawMessage, Sighting
from orderhub_core.people import Review
from orderhub_core.store import homes, statements
from orderhub_core.store.lanes import Overtaken
from orderhub_core.store.revisions import REVISIONS
from orderhub_core.store.statements import HANDED_OVER

E = Event
NOW = 1_700_000_000_000_000
DAY = 86_400_000_000


def test_a_message_becomes_order_lines_person_and_log(context, order):
    context.store.accept([order("A1", E.PLACED, E.PAID, at=NOW, total=5000)], NOW)
    assert list(drain(context, 100).values()) == ["imported"]
    assert rows(context, "SELECT headline, total_minor, paid_at, warehouse FROM orders") == [
        ("paid", 5000, NOW, "hangzhou")
    ]
    assert rows(context, "SELECT sku, category, quantity FROM lines") == [("SKU-1", "卫衣", 1)]
    assert rows(context, "SELECT name, phone FROM persons") == [("张三丰", "19900001234")]
    assert rows(context, "SELECT amount_minor, paid_at FROM payments") == [(5000, NOW)]
    events = rows(context, "SELECT event, before, after, outcome FROM log ORDER BY seq")
    assert events == [
        ("order.placed", "", "pending_payment", "applied"),
        ("payment.paid", "unpaid", "paid", "applied"),
        ("rule.assign_warehouse", "", "hangzhou", "decided"),
    ]
    assert context.store.verify_log().broken_seq is None


def test_a_receiver_stands_in_no_other_table(context, order):
    context.store.accept([order("A1", E.PLACED, at=NOW, total=5000)], NOW)
    drain(context, 100)
    assert rows(context, "SELECT name, phone, address FROM persons") == [("张三丰", "19900001234", "somewhere 5")]
    for table in ("orders", "lines", "log", "outbox", "decisions", "payments", "parcels", "sightings", "parked"):
        text = repr(rows(context, f"SELECT * FROM {table}"))
        assert "19900001234" not in text, table
        assert "张三丰" not in text, table
        assert "somewhere" not in text, table


def test_rules_route_once_and_bind_the_gift_to_its_parent(context, order):
    context.store.accept([order("A1", E.PLACED, E.PAID, at=NOW, total=20000, category="连体衣")], NOW)
    drain(context, 100)
    context.store.accept(
        [order("A1", E.PLACED, E.PAID, at=NOW, total=20000, category="连体衣", parcels=(Parcel("SF1"),))], NOW
    )
    drain(context, 100)
    assert rows(context, "SELECT rule, action, argument FROM decisions ORDER BY rule") == [
        ("onesies-south", "assign_warehouse", "guangzhou"),
        ("over-100", "add_gift", "GIFT-1"),
    ]
    (payload,) = (msgspec.json.decode(row[0]) for row in rows(context, "SELECT payload FROM outbox"))
    assert payload["warehouse"] == "guangzhou"
    assert payload["lines"] == [
        {"sku": "SKU-1", "quantity": 1, "gift_of": ""},
        {"sku": "GIFT-1", "quantity": 1, "gift_of": "SKU-1"},
    ]
    assert rows(context, "SELECT sku, gift_of, rule FROM lines ORDER BY line_no") == [
        ("SKU-1", None, ""),
        ("GIFT-1", 1, "over-100"),
    ]


def test_an_unpaid_or_cancelled_order_is_sent_nowhere(context, order):
    context.store.accept(
        [order("A1", E.PLACED, at=NOW, total=1), order("A2", E.PLACED, E.PAID, E.CANCELLED, at=NOW, total=1)], NOW
    )
    drain(context, 100)
    assert rows(context, "SELECT count(*) FROM outbox") == [(0,)]


def test_any_order_repetition_and_batching_ends_in_one_state(home, context, order, tmp_path):
    lives = [
        order(
            f"A{n}",
            event,
            at=NOW + step,
            total=total,
            **({"parcels": (Parcel(f"SF{n}", "sf", True),)} if step == 3 else {}),
        )
        for n in range(12)
        for step, (event, total) in enumerate(
            [(E.PLACED, 0), (E.PAID, 9_000), (E.LOCKED, 0), (E.LABELLED, 0), (E.SHIPPED, 9_500), (E.DELIVERED, 0)]
        )
    ]
    context.store.accept(lives, NOW)
    drain(context, 1_000)
    expected = state(context)
    assert len(expected[0]) == 12
    for seed, size in ((1, 1), (2, 7), (3, 50)):
        dice = random.Random(seed)
        shuffled = lives + dice.sample(lives, 20)
        dice.shuffle(shuffled)
        other = fresh.hub(tmp_path / str(seed))
        store = homes.open_store(other)
        again = Context(store, *context[1:])
        for start in range(0, len(shuffled), 9):
            store.accept(shuffled[start : start + 9], NOW)
            if dice.random() < 0.5:
                drain(again, size)
        drain(again, size)
        assert state(again) == expected
        assert store.verify_log().broken_seq is None
        store.close()


def test_news_from_the_past_never_moves_an_order_back(context, order):
    context.store.accept([order("A1", E.PLACED, at=1), order("A1", E.SHIPPED, at=50)], NOW)
    drain(context, 10)
    context.store.accept([order("A1", E.LOCKED, at=20)], NOW)
    drain(context, 10)
    assert rows(context, "SELECT fulfilment FROM orders") == [("shipped",)]
    moves = rows(context, "SELECT before, after FROM log WHERE event LIKE 'fulfilment%' ORDER BY seq")
    for (_, after), (before, _) in itertools.pairwise(moves):
        assert before == after


def test_unreadable_messages_are_parked_alone_and_replayed_when_mended(context, order):
    broken = RawMessage("shop-1", "broken", "order", b"{not json")
    stranger = RawMessage("nobody", "m", "order", b"{}")
    context.store.accept([broken, order("A1", E.PLACED), stranger], NOW)
    drain(context, 10)
    assert rows(context, "SELECT order_no FROM orders") == [("A1",)]
    parked = rows(context, "SELECT source, message_id, reason FROM parked ORDER BY id")
    assert [row[:2] for row in parked] == [("shop-1", "broken"), ("nobody", "m")]
    assert "nobody" in parked[1][2]

    ids = [row[0] for row in rows(context, "SELECT id FROM parked")]
    assert replay(context, ids, 10) == {("shop-1", "broken"): "parked", ("nobody", "m"): "parked"}

    readable = msgspec.json.decode(order("A2", E.PLACED).body, type=Observation)
    mended = context._replace(source=lambda name: context.source("shop-1")._replace(decode=lambda kind, body: readable))
    assert set(replay(mended, ids, 10).values()) == {"imported", "unchanged"}
    assert rows(context, "SELECT count(*) FROM parked") == [(0,)]
    assert ("A2",) in rows(context, "SELECT order_no FROM orders")


def test_what_is_dated_long_after_it_came_is_parked_and_hides_nothing(context, order):
    far, near = NOW + 8 * DAY, NOW + DAY
    messages = [
        order("A1", E.PLACED, at=near, total=1000),
        order("A1", E.PAID, at=far, total=9000),
        order("A1", E.PAID, at=NOW, parcels=(Parcel("SF1"),)),
        RawMessage("wms", "far", "sighting", msgspec.json.encode(Sighting("shop-1", "A1", "已出库", far))),
        RawMessage("wms", "near", "sighting", msgspec.json.encode(Sighting("shop-1", "A1", "已打单", near))),
    ]
    context.store.accept(messages, NOW)
    drain(context._replace(clock=lambda: NOW), 2)
    assert rows(context, "SELECT paid_at, total_minor FROM orders") == [(NOW, 1000)]
    assert rows(context, "SELECT status, at FROM sightings") == [("已打单", near)]
    reasons = [reason for (reason,) in rows(context, "SELECT reason FROM parked ORDER BY id")]
    assert len(reasons) == 2
    assert all("dated 2023-11-22, 8 days ahead" in reason for reason in reasons)


def test_what_came_while_the_hubs_own_clock_was_behind_is_heard_once_it_is_right(context, order):
    behind = NOW - 400 * DAY
    context.store.accept([order("A1", E.PAID, at=NOW, total=1000)], behind)
    drain(context._replace(clock=lambda: behind), 10)
    ids = [row[0] for row in rows(context, "SELECT id FROM parked")]
    assert set(replay(context._replace(clock=lambda: NOW), ids, 10).values()) == {"imported"}
    assert rows(context, "SELECT paid_at FROM orders") == [(NOW,)]


def test_a_clock_that_goes_back_a_year_parks_nothing_that_was_received_before(context, order):
    context.store.accept([order("A1", E.PAID, at=NOW, total=1000)], NOW)
    drain(context._replace(clock=lambda: NOW - 400 * DAY), 10)
    assert rows(context, "SELECT count(*) FROM parked") == [(0,)]


def test_a_bug_in_a_decoder_costs_its_own_message_only(context, order):
    def explode(kind, body):
        if b"BOOM" in body:
            raise RuntimeError("secret customer text")
        return context.source("shop-1").decode(kind, body)

    fragile = context._replace(source=lambda name: context.source("shop-1")._replace(decode=explode))
    context.store.accept([order("BOOM", E.PLACED), order("A1", E.PLACED)], NOW)
    drain(fragile, 10)
    assert rows(context, "SELECT order_no FROM orders") == [("A1",)]
    ((reason,),) = rows(context, "SELECT reason FROM parked")
    assert "RuntimeError" in reason
    assert "secret" not in reason


def test_a_push_without_content_asks_for_the_whole_order(context, order):
    context.store.accept([order("A1", E.PLACED, origin="live")], NOW)
    drain(context, 10)
    context.store.accept([order("A1", E.PAID, origin="live")], NOW)
    drain(context, 10)
    assert rows(context, "SELECT key, state, generation FROM outbox") == [("fetch:shop-1:A1", "waiting", 1)]


def test_a_touchpoints_older_row_never_hides_its_newer_one(context):
    def sighting(status, at):
        body = msgspec.json.encode(Sighting("shop-1", "A1", status, at))
        return RawMessage("wms", f"{status}:{at}", "sighting", body)

    context.store.accept([sighting("已打单", 5), sighting("已出库", 9)], NOW)
    drain(context, 10)
    context.store.accept([sighting("已锁库", 3)], NOW)
    drain(context, 10)
    assert rows(context, "SELECT touchpoint, status, at FROM sightings") == [("wms", "已出库", 9)]


def test_two_workers_never_apply_one_batch_twice(home, context, order):
    context.store.accept([order(f"A{n}", E.PLACED) for n in range(20)], NOW)
    claim = context.store.claim(10, NOW)
    other = homes.open_store(home)
    rival = Context(other, *context[1:])
    if home.database:
        drain(rival, 10)
        context.store.commit(claim, plan(context, claim).writes)
    else:
        drain(rival, 10)
        with pytest.raises(Overtaken):
            context.store.commit(claim, plan(context, claim).writes)
    drain(context, 10)
    assert rows(context, "SELECT count(*) FROM orders") == [(20,)]
    assert rows(context, "SELECT count(*) FROM log") == [(20,)]
    other.close()


def test_a_commit_that_dies_leaves_everything_waiting(context, order, monkeypatch):
    context.store.accept([order("A1", E.PLACED, total=5)], NOW)
    with monkeypatch.context() as dying:
        dying.setattr(
            statements,
            "batches",
            lambda writes: iter([statements.Batch("INSERT INTO no_such_table VALUES (?)", [(1,)])]),
        )
        with pytest.raises(Exception, match=r"no_such_table|no hub"):
            absorb(context, 10)
    assert rows(context, "SELECT count(*) FROM orders") == [(0,)]
    assert context.store.waiting()[0] == 1
    drain(context, 10)
    assert rows(context, "SELECT count(*) FROM orders") == [(1,)]


def test_real_home_is_a_folder(sqlite_home: homes.Home):
    assert {path.name for path in Path(sqlite_home.data).iterdir()} >= {"inbox.db", "hub.db"}


@pytest.mark.breaks
@pytest.mark.parametrize("poison", [10**20, 3 * 10**9])
def test_a_message_that_breaks_its_batch_is_found_and_parked_alone(context, order, poison):
    good = [order(f"A{n}", E.PLACED, E.PAID, at=NOW, total=100) for n in range(9)]
    bad = order("BAD", E.PLACED, E.PAID, at=NOW, total=100)
    content = msgspec.json.decode(bad.body)
    content["content"]["lines"][0]["quantity"] = poison
    bad = msgspec.structs.replace(bad, body=msgspec.json.encode(content))
    context.store.accept([*good[:5], bad, *good[5:]], NOW)
    drain(context, 100)
    assert {row[0] for row in rows(context, "SELECT order_no FROM orders")} == {f"A{n}" for n in range(9)}
    ((reason,),) = rows(context, "SELECT reason FROM parked")
    assert "developer" in reason
    assert context.store.waiting()[0] == 0
    assert context.store.verify_log().broken_seq is None


@pytest.mark.breaks
def test_what_no_index_of_the_database_takes_costs_its_own_message_and_no_other(context, order):
    """A name of a warehouse as long as that: SQLite indexes it, PostgreSQL does not."""
    name = "".join(hashlib.sha256(bytes([n])).hexdigest() for n in range(200))
    good = [order(f"A{n}", E.PLACED, E.PAID, at=NOW, total=100) for n in range(40)]  # of all lanes
    bad = order("BAD", E.PLACED, E.PAID, at=NOW, total=100)
    content = msgspec.json.decode(bad.body)
    content["content"]["warehouse"] = name
    bad = msgspec.structs.replace(bad, body=msgspec.json.encode(content))
    context.store.accept([bad, *good], NOW)
    outcomes = drain(context, 100)
    assert {outcomes[message.source, message.message_id] for message in good} == {"imported"}
    assert outcomes[bad.source, bad.message_id] in ("imported", "parked")
    assert context.store.waiting()[0] == 0
    assert context.store.verify_log().broken_seq is None


def test_what_was_intended_for_an_order_that_stopped_is_withdrawn(context, order):
    context.store.accept([order("A1", E.PLACED, E.PAID, at=NOW, total=100)], NOW)
    drain(context, 10)
    assert rows(context, "SELECT state FROM outbox") == [("waiting",)]
    context.store.accept([order("A1", E.REFUNDED, E.CANCELLED, at=NOW + 5)], NOW)
    drain(context, 10)
    assert rows(context, "SELECT state, note FROM outbox") == [("withdrawn", "the order is refunded")]


def nine_of(first, *facts):
    """News of an order: nine of its first line, and what has happened besides."""
    claims = msgspec.json.decode(first.body, type=Observation)
    nine = msgspec.structs.replace(claims.content.lines[0], quantity=9)
    content = msgspec.structs.replace(claims.content, lines=(nine,))
    newer = Observation(claims.order_no, {fact.value: NOW + 5 for fact in facts}, NOW + 5, content)
    return RawMessage(first.source, "newer", "order", msgspec.json.encode(newer))


def push(context, perform):
    return dispatch(
        context.store,
        perform,
        gates=Gates({}, lambda: 0.0),
        clock=lambda: NOW + 1_000_000,
        leases=lambda: NOW + 1_000_000,
        owner="me",
        dice=Random(1),
        limit=10,
        attempts=8,
    )


@pytest.fixture
def two_pushes(context, order):
    """Two paid orders whose pushes are due, and a way to perform them that first hears news of the other one."""
    context.store.accept([order(no, E.PLACED, E.PAID, at=NOW, total=100) for no in ("A1", "A2")], NOW)
    drain(context, 10)
    pushed = []

    def with_news(news):
        def perform(effect, key):
            if not pushed:
                context.store.accept([news("A2" if effect.order_no == "A1" else "A1")], NOW)
                drain(context, 10)
            pushed.append((effect.order_no, [line.quantity for line in effect.lines]))

        push(context, perform)
        return pushed

    return with_news


def test_an_order_that_stops_while_its_push_is_leased_is_not_pushed(context, order, two_pushes):
    pushed = two_pushes(lambda other: order(other, E.REFUNDED, E.CANCELLED, at=NOW + 5))
    assert len(pushed) == 1
    assert sorted(rows(context, "SELECT state FROM outbox")) == [("done",), ("withdrawn",)]


def test_an_order_that_changes_while_its_push_is_leased_is_pushed_as_it_is_now(context, order, two_pushes):
    pushed = two_pushes(lambda other: nine_of(order(other, E.PLACED, at=NOW, total=100)))
    push(context, lambda effect, key: pushed.append((effect.order_no, [line.quantity for line in effect.lines])))
    assert [quantities for _, quantities in pushed] == [[1], [9]]
    assert rows(context, "SELECT state FROM outbox") == [("done",), ("done",)]


def test_what_was_pushed_as_the_order_stopped_is_for_a_person(context, order):
    context.store.accept([order("A1", E.PLACED, E.PAID, at=NOW, total=100)], NOW)
    drain(context, 10)

    def too_late(effect, key):
        context.store.accept([order("A1", E.REFUNDED, E.CANCELLED, at=NOW + 5)], NOW)
        drain(context, 10)

    push(context, too_late)
    assert rows(context, "SELECT state, note FROM outbox") == [("person", f"{HANDED_OVER}; the order is refunded")]
    assert rows(context, "SELECT done_at IS NULL FROM outbox")[0][0] in (False, 0)


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ((E.REFUNDED, E.CANCELLED), f"{HANDED_OVER}; the order is refunded"),
        (
            (E.PARTLY_REFUNDED,),
            f"{HANDED_OVER}; its lines changed since; before: partly refunded: what is still to be sent?",
        ),
        ((), "done as it was before it changed"),
    ],
)
def test_what_was_pushed_as_the_lines_changed_is_for_a_person(context, order, facts, told):
    first = order("A1", E.PLACED, E.PAID, at=NOW, total=20_000)
    context.store.accept([first], NOW)
    drain(context, 10)

    def too_late(effect, key):
        context.store.accept([nine_of(first, *facts)], NOW)
        drain(context, 10)

    push(context, too_late)
    assert rows(context, "SELECT state, note FROM outbox") == [("person", told)]
    assert rows(context, "SELECT done_at IS NULL FROM outbox")[0][0] in (False, 0)


def test_a_push_that_failed_before_the_order_stopped_is_for_a_person(context, order):
    context.store.accept([order("A1", E.PLACED, E.PAID, at=NOW, total=100)], NOW)
    drain(context, 10)

    def fails(effect, key):
        raise Unreachable("timeout")

    push(context, fails)
    context.store.accept([order("A1", E.REFUNDED, E.CANCELLED, at=NOW + 5)], NOW)
    drain(context, 10)
    assert rows(context, "SELECT state, note FROM outbox") == [("person", "the order is refunded; before: timeout")]


def test_what_may_have_arrived_as_the_order_stopped_is_for_a_person(context, order):
    context.store.accept([order("A1", E.PLACED, E.PAID, at=NOW, total=100)], NOW)
    drain(context, 10)

    def fails(effect, key):
        context.store.accept([order("A1", E.REFUNDED, E.CANCELLED, at=NOW + 5)], NOW)
        drain(context, 10)
        raise Unreachable("timeout")

    push(context, fails)
    assert rows(context, "SELECT state, note FROM outbox") == [
        ("person", "the order is refunded; begun before that: timeout")
    ]


def test_a_partly_refunded_order_is_pushed_by_nobody_before_a_person_has_looked(context, order):
    context.store.accept([order("A1", E.PLACED, E.PAID, at=NOW, total=100)], NOW)
    drain(context, 10)
    context.store.accept([order("A1", E.PARTLY_REFUNDED, at=NOW + 5)], NOW)
    drain(context, 10)
    assert rows(context, "SELECT state, note FROM outbox") == [("person", "partly refunded: what is still to be sent?")]
    context.store.accept([order("A1", E.REFUNDED, at=NOW + 6)], NOW)
    drain(context, 10)
    ((state, note),) = rows(context, "SELECT state, note FROM outbox")
    assert state == "withdrawn"
    assert note.startswith("the order is refunded; before: partly refunded")


def test_a_push_that_waits_says_what_the_order_holds_now(context, order):
    first = order("A1", E.PLACED, E.PAID, at=NOW, total=20_000)
    context.store.accept([first], NOW)
    drain(context, 10)
    context.store.accept([nine_of(first)], NOW)
    drain(context, 10)
    ((payload,),) = rows(context, "SELECT payload FROM outbox")
    assert [(line["sku"], line["quantity"]) for line in msgspec.json.decode(payload)["lines"]] == [
        ("SKU-1", 9),
        ("GIFT-1", 1),
    ]


def test_a_gift_travels_with_the_line_that_earned_it_and_is_given_once(context, order):
    lines = (Line(1, "COAT", category="卫衣"), Line(2, "MASK", category="面膜"))
    content = Content(total_minor=100, lines=lines, warehouse="chengdu")
    told = Observation("A1", {"order.placed": 1, "payment.paid": 1}, 1, content)
    book = rulebook("v2", gifts={("mask-sample", "SAMPLE"): one_of("category", "面膜")})
    masked = context._replace(book=book)
    context.store.accept([RawMessage("shop-1", "m1", "order", msgspec.json.encode(told))], NOW)
    drain(masked, 10)
    context.store.accept([order("A1", E.PLACED, at=NOW, parcels=(Parcel("SF1"),))], NOW)
    drain(masked, 10)
    assert rows(context, "SELECT sku, gift_of FROM lines WHERE rule <> ''") == [("SAMPLE", 2)]
    assert rows(context, "SELECT count(*) FROM log WHERE event = 'rule.add_gift'") == [(1,)]
    assert rows(context, "SELECT warehouse FROM orders") == [("chengdu",)]


def test_a_source_that_has_more_to_say_is_asked_again(context, order):
    context.store.accept([order("A1", E.PLACED, at=NOW, total=100, origin="live")], NOW)
    drain(context, 10)
    assert rows(context, "SELECT count(*) FROM outbox WHERE key LIKE 'fetch:%'") == [(0,)]
    hint = msgspec.json.encode(Observation("A1", {}, NOW + 1, incomplete=True))
    context.store.accept([RawMessage("live", "hint", "order", hint)], NOW)
    drain(context, 10)
    assert rows(context, "SELECT count(*) FROM outbox WHERE key LIKE 'fetch:%'") == [(1,)]


def test_of_two_statements_of_one_time_the_greater_holds_even_when_it_comes_alone(context, order):
    context.store.accept([order("A1", E.PLACED, at=NOW, total=100)], NOW)
    drain(context, 10)
    context.store.accept([order("A1", E.PLACED, at=NOW, total=200)], NOW + 1)
    assert list(drain(context, 10).values()) == ["updated"]
    assert rows(context, "SELECT total_minor FROM orders") == [(200,)]


def test_a_newer_note_for_the_same_receiver_is_taken_and_an_older_one_is_not(context, order):
    def noted(note, at):
        told = msgspec.json.decode(order("A1", at=at, total=100).body, type=Observation)
        body = msgspec.json.encode(
            msgspec.structs.replace(told, content=msgspec.structs.replace(told.content, note=note))
        )
        return RawMessage("shop-1", note, "order", body)

    for note, at in (("ring once", 5), ("ring twice", 9), ("knock", 7)):
        context.store.accept([noted(note, at)], NOW)
        drain(context, 10)
    assert rows(context, "SELECT name, note FROM persons") == [("张三丰", "ring twice")]


def test_who_finds_a_broken_message_gone_parks_no_other_in_its_place(home, context, order, monkeypatch):
    broken = msgspec.json.encode(Observation("BAD", {"payment.teleported": NOW}, NOW))
    context.store.accept([RawMessage("shop-1", "broken", "order", broken)], NOW)
    other = homes.open_store(home)
    rival = Context(other, *context[1:4])
    claim, claims = context.store.claim, itertools.count()

    def overtaken(limit, now):
        """A rival sets the broken message aside before it is claimed a second time; another one comes meanwhile."""
        if next(claims) == 1:
            drain(rival, 10)
            context.store.accept([order("A1", E.PLACED)], NOW)
        return claim(limit, now)

    monkeypatch.setattr(context.store, "claim", overtaken)
    drain(context, 10)
    assert rows(context, "SELECT message_id FROM parked") == [("broken",)]
    assert rows(context, "SELECT order_no FROM orders") == [("A1",)]
    other.close()


def test_an_order_that_is_decided_as_its_lines_are_taken_away_pushes_none_of_them(context, order):
    context.store.accept([order("A1", E.PLACED, at=NOW, total=100)], NOW)
    drain(context, 10)
    emptied = Observation("A1", {"payment.paid": NOW + 5}, NOW + 5, Content(lines=()))
    context.store.accept([RawMessage("shop-1", "emptied", "order", msgspec.json.encode(emptied))], NOW)
    drain(context, 10)
    assert rows(context, "SELECT count(*) FROM lines WHERE deleted_at IS NULL") == [(0,)]
    ((payload,),) = rows(context, "SELECT payload FROM outbox")
    assert msgspec.json.decode(payload)["lines"] == []


def test_a_payment_that_turns_out_to_be_none_is_no_longer_told(context, order):
    context.store.accept([order("A1", E.PLACED, at=NOW, total=100)], NOW)
    drain(context, 10)
    none = msgspec.json.encode(Observation("A1", {}, NOW + 5, Content(paid_minor=0)))
    context.store.accept([RawMessage("shop-1", "none", "order", none)], NOW)
    drain(context, 10)
    assert rows(context, "SELECT paid_minor FROM orders") == [(0,)]
    assert rows(context, "SELECT * FROM payments") == []


@pytest.mark.parametrize("limit", [7, 2_000])
@pytest.mark.parametrize("keyed", [True, False], ids=["by their order", "from wherever"])
@pytest.mark.parametrize("late", [True, False], ids=["the older one comes last", "as they were said"])
def test_the_later_judgement_holds_in_whatever_order_they_are_applied(context, keyed, limit, late):
    context = context._replace(source=lambda _: Source("", "", ops.decode))
    both = [(NOW, False), (NOW + 5, True)]
    for at, withdrawn in reversed(both) if late else both:
        some = [ops.review(Review("audit", "shop", f"A{n}", True, "wang", withdrawn=withdrawn), at) for n in range(200)]
        context.store.accept(some if keyed else [msgspec.structs.replace(said, key="") for said in some], at)
    drain(context, limit)
    assert context.store.query("hub", "SELECT DISTINCT consistent FROM reviews") == [(ops.WITHDRAWN,)]


def test_nobody_commits_into_another_schema_than_his_own(context, order):
    """An upgrade while a worker runs: what that one plans means nothing any more."""
    store = context.store
    store.accept([order(f"A{n}", E.PLACED, total=9_000) for n in range(3)], NOW)
    with store.transaction("hub") as cursor:
        cursor.execute("UPDATE alembic_version_hub SET version_num = 'hub_9999'")
    with pytest.raises(Stop, match=r"brought to another version \(hub_9999; this one works on hub_"):
        drain(context, 100)
    assert (store.waiting()[0], rows(context, "SELECT count(*) FROM orders")) == (3, [(0,)])
    with store.transaction("hub") as cursor:
        cursor.execute(f"UPDATE alembic_version_hub SET version_num = '{REVISIONS['hub']}'")
    assert len(drain(context, 100)) == 3
