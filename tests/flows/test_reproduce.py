"""Decisions follow from what was known: once more they come out the same, and what was tampered with does not."""

from __future__ import annotations

import random

import pytest
from reading import rows
from small_shop import SHOP
from versions import GIFT, HOLD, NOW, STORM, Bench, text

from orderhub_core.errors import UserMistake
from orderhub_core.flows.absorb import drain
from orderhub_core.flows.reproduce import reproduce
from orderhub_core.model import Event as E

EVER = (0, 1 << 62)
BY_CATEGORY = """[[groups.rules]]
name = "onesies"
when = "category = 连体衣"
then = "assign guangzhou"
"""
BY_QUANTITY = """[[groups]]
name = "more"
match = "all"
[[groups.rules]]
name = "many"
when = "total_quantity >= 5"
then = "tag many; gift FREE-9 x 2"
[[groups.rules]]
name = "dear"
when = "total >= 300"
then = "hold risk"
"""


@pytest.fixture
def bench(context, order):
    return Bench(context, order)


def some_weeks(bench, dice):
    """Versions come and go while orders are placed, paid, changed, cancelled and shipped, in any order."""
    versions = {
        "v1": BY_CATEGORY,
        "v2": GIFT,
        "v3": BY_CATEGORY + BY_QUANTITY,
        "v4": HOLD + BY_QUANTITY.replace("more", "b") + STORM,
    }
    for version, more in versions.items():
        bench.editions.save(text(version, dice.choice(["hangzhou", "chengdu"]), more), by="ann")
    bench.published("v1")
    names = [f"B{number}" for number in range(40)]
    for step in range(160):
        name = dice.choice(names)
        events = dice.choice(
            [
                (E.PLACED,),
                (E.PLACED, E.PAID),
                (E.PLACED, E.PAID),
                (E.PLACED, E.PAID),
                (E.PLACED, E.PAID),
                (E.PAID,),
                (E.PARTLY_REFUNDED,),
                (E.CANCELLED,),
                (E.SHIPPED,),
            ]
        )
        about = {"total": dice.choice([10_000, 50_000]), "quantity": dice.choice([1, 7]),
                 "category": dice.choice(["连体衣", "卫衣"])} if dice.random() < 0.85 else {}  # fmt: skip
        bench.news(name, *events, **about)
        if dice.random() < 0.5:
            drain(bench.context, dice.choice([1, 3, 100]))
        if step % 12 == 5:
            bench.signals.report("storm", dice.choice(["yes", "no"]), by="ann", since=NOW - dice.randrange(1_000))
        if step % 12 == 11:
            idle = [one.version for one in bench.editions.kept() if one.state in ("draft", "archived", "paused")]
            act = dice.choice(["publish", "shadow", "rollout"])
            bench.editions.change(act, dice.choice(idle), by="ann", share=3_000 if act == "rollout" else 0)
    drain(bench.context, 100)


@pytest.mark.parametrize("seed", range(6))
def test_all_that_was_decided_is_decided_once_more_whatever_versions_came_and_went(bench, seed):
    some_weeks(bench, random.Random(seed))
    found = reproduce(bench.context, *EVER)
    assert found.differences == []
    assert (found.same, found.expired, sum(found.unknown.values())) == (found.orders, 0, 0)
    (decided,) = rows(
        bench.context, "SELECT count(DISTINCT order_id), count(DISTINCT version) FROM decisions WHERE shadow = 0"
    )
    assert decided[0] == found.orders > 15
    assert decided[1] > 1, "several versions had their say"


def test_what_was_only_stated_once_more_is_heard_again_as_long_as_a_decision_may_follow_from_it(bench):
    bench.editions.save(text("v1", "hangzhou", BY_QUANTITY), by="ann")
    bench.published("v1")

    def said(*events, at, quantity):
        bench._receive([bench._order("B1", *events, at=NOW + at, total=10_000, quantity=quantity)])
        drain(bench.context, 100)

    said(E.PLACED, at=10, quantity=1)
    said(E.PLACED, at=20, quantity=1)
    said(E.PAID, at=15, quantity=9)  # is older than what was said last, and changes nothing but that it is paid
    assert rows(bench.context, "SELECT action, argument FROM decisions") == [("assign_warehouse", "hangzhou")]
    found = reproduce(bench.context, *EVER)
    assert (found.orders, found.same, found.differences) == (1, 1, [])
    said(E.PLACED, at=30, quantity=1)
    heard = rows(bench.context, "SELECT event, outcome FROM log WHERE event = 'order.restated'")
    assert heard == [("order.restated", "noted")], "what is decided follows from nothing later"


def test_many_signals_and_an_order_of_a_quiet_lane_are_no_difference(bench):
    bench.editions.save(text("v1", "hangzhou", STORM), by="ann")
    bench.published("v1")
    for number in range(60):
        bench.signals.report("storm", "yes" if number == 59 else "no", by="ann", since=NOW - 100 + number)
    bench.orders(20)
    found = reproduce(bench.context, *EVER)
    assert (found.orders, found.same, found.differences) == (20, 20, [])


def test_what_was_tampered_with_is_found(bench):
    bench.editions.save(text("v1", "hangzhou", GIFT), by="ann")
    bench.published("v1")
    _, second, third = bench.orders(3)
    with bench.store.transaction("hub") as cursor:
        cursor.execute(
            "UPDATE decisions SET argument = 'elsewhere' WHERE action = 'assign_warehouse'"
            f" AND order_id = (SELECT order_id FROM orders WHERE order_no = '{second}')"
        )
        cursor.execute(
            "DELETE FROM decisions WHERE action = 'add_gift'"
            f" AND order_id = (SELECT order_id FROM orders WHERE order_no = '{third}')"
        )
    found = reproduce(bench.context, *EVER)
    assert (found.orders, found.same) == (3, 1)
    told = {one.order_no: (one.recorded, one.again) for one in found.differences}
    assert set(told) == {second, third}
    assert (told[second][0][0][4], told[second][1][0][4]) == ("elsewhere", "hangzhou")
    assert [len(rows) for rows in told[third]] == [1, 2]


def test_what_cannot_be_known_is_counted_and_never_called_the_same(bench):
    bench.editions.save(text("v1", "hangzhou"), by="ann")
    bench.published("v1")
    first, second, _ = (bench.orders()[0] for _ in range(3))
    with bench.store.transaction("inbox") as cursor:
        cursor.execute(f"UPDATE inbox SET body = NULL WHERE message_id LIKE '{first}:%'")
    with bench.store.transaction("hub") as cursor:
        cursor.execute(
            "UPDATE decisions SET version = 'lost'"
            f" WHERE order_id = (SELECT order_id FROM orders WHERE order_no = '{second}')"
        )
    found = reproduce(bench.context, *EVER)
    assert (found.orders, found.same, found.expired, dict(found.unknown)) == (3, 1, 1, {"lost": 1})
    assert found.differences == []


def test_what_cannot_be_read_now_is_told_with_its_reason_and_is_no_difference(bench):
    bench.editions.save(text("v1", "hangzhou"), by="ann")
    bench.published("v1")
    bench.orders(2)
    readable = bench.context.source

    def locked(name):
        if name == SHOP:
            raise UserMistake("the secret of shop-1 is not there")
        return readable(name)

    found = reproduce(bench.context._replace(source=locked), *EVER)
    assert (found.orders, found.same, found.differences) == (2, 0, [])
    assert found.unreadable == {"the secret of shop-1 is not there": 2}


def test_only_the_period_is_looked_at_and_the_hub_is_left_as_it_is(bench):
    bench.editions.save(text("v1", "hangzhou"), by="ann")
    bench.published("v1")
    bench.orders(2)
    since = bench.clock()
    bench.orders()
    before = [rows(bench.context, f"SELECT * FROM {table}") for table in ("decisions", "outbox", "log", "todo")]
    assert reproduce(bench.context, since, 1 << 62).orders == 1
    assert reproduce(bench.context, NOW - 5, NOW - 1).orders == 0
    assert [rows(bench.context, f"SELECT * FROM {table}") for table in ("decisions", "outbox", "log", "todo")] == before


def test_what_an_order_consists_of_is_heard_though_it_was_said_apart_from_what_happened(bench, order):
    """As of shops that push what happens, and are asked for the order itself."""
    bench.editions.save(text("v1", "hangzhou", BY_CATEGORY), by="ann")
    bench.published("v1")
    said = [
        order("B1", E.PLACED, at=NOW),
        order("B1", at=NOW, total=10_000, category="连体衣"),
        order("B1", E.PAID, at=NOW + 1),
    ]
    for one in said:
        bench._receive([one])
        drain(bench.context, 100)
    assert bench.decided("argument") == {"B1": "guangzhou"}
    found = reproduce(bench.context, *EVER)
    assert (found.orders, found.same, found.differences) == (1, 1, [])
