"""What goes on outside reaches the rules that ask for it, from the message on that reports it."""

from __future__ import annotations

import random

import fresh
import pytest
from reading import rows
from versions import GIFT, NOW, STORM, Bench, text

from orderhub_core.errors import UserMistake
from orderhub_core.flows import ops
from orderhub_core.flows.absorb import drain
from orderhub_core.flows.pipeline import Pipeline
from orderhub_core.flows.recent import Recent
from orderhub_core.flows.reproduce import reproduce
from orderhub_core.model import Event as E
from orderhub_core.people import BookChange
from orderhub_core.signals import Signal, SignalEnd
from orderhub_core.store import homes


@pytest.fixture
def bench(context, order):
    made = Bench(context, order)
    made.editions.save(text("v1", "hangzhou", STORM), by="ann")
    made.published("v1")
    return made


def held(bench):
    return {number for (number,) in rows(bench.context, "SELECT order_no FROM decisions JOIN orders USING (order_id)"
                                         " WHERE action = 'tag'")}  # fmt: skip


def test_a_report_holds_for_orders_that_were_paid_while_it_did_and_are_decided_after_it(bench):
    (before,) = bench.orders()
    bench.signals.report("暴雨", "是", by="ann", since=NOW - 5, until=NOW + 5)
    (wet,) = bench.orders()
    bench._receive([bench._order("late", E.PLACED, E.PAID, at=NOW + 6, total=5_000)])
    drain(bench.context, 100)
    bench.signals.report("storm", "no", by="bob", since=NOW - 1)
    (dry,) = bench.orders()
    assert held(bench) == {wet}
    assert bench.decided().keys() == {before, wet, "late", dry}
    assert [(one.act, one.version) for one in bench.editions.changes()] == [("publish", "v1"), ("save", "v1")]


def test_a_report_is_about_some_orders_or_all(bench):
    bench.signals.report("storm", "yes", by="ann", about="platform=taobao", since=NOW - 5)
    bench.orders()
    assert held(bench) == set()
    bench.signals.report("storm", "yes", by="ann", about="platform=douyin", since=NOW - 5)
    names = bench.orders()
    assert held(bench) == set(names)


def test_a_report_ends_and_one_that_has_not_begun_is_taken_back(bench):
    one = bench.signals.report("storm", "yes", by="ann")
    other = bench.signals.report("storm", "yes", by="ann", since=bench.clock() + 10_000)
    for name in (one.name, other.name):
        bench.signals.end(name, by="bob", comment="it is over")
    (kept,) = bench.signals.kept()
    assert (kept.name, kept.until is not None) == (one.name, True)
    with pytest.raises(UserMistake, match="no report"):
        bench.signals.end(one.name, by="bob")
    logged = rows(bench.context, "SELECT event FROM log WHERE event LIKE 'signal.%' ORDER BY seq")
    assert logged == [("signal.reported",), ("signal.reported",), ("signal.ended",), ("signal.ended",)]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"field": "strom", "value": "yes"}, "storm"),
        ({"field": "channel", "value": "yes"}, "no signal"),
        ({"field": "storm", "value": "1"}, "yes or no"),
        ({"field": "livestream_audience", "value": "-3"}, "whole number"),
        ({"field": "storm", "value": "yes", "about": "buyer=张三"}, "write one of"),
        ({"field": "storm", "value": "yes", "since": 5, "until": 5}, "ends before it begins"),
        ({"field": "storm", "value": "yes", "by": " "}, "say whose"),
        ({"field": "stock", "value": "0", "about": "sku=SKU-1", "by": "orderhub"}, "the hub's own name"),
        ({"field": "storm", "value": "yes", "since": -(10**15)}, "years 2000 and 2100"),
        ({"field": "storm", "value": "yes", "until": 1 << 62}, "years 2000 and 2100"),
        ({"field": "storm", "value": "yes", "about": "province=\udcff"}, "can be printed"),
        ({"field": "storm", "value": "yes", "about": "province=" + "x" * 101}, "at most 100 characters"),
    ],
)
def test_what_cannot_be_meant_is_told(bench, asked, told):
    with pytest.raises(UserMistake, match=told):
        bench.signals.report(**{"by": "ann", **asked})
    assert bench.signals.kept() == []


def stream(order, dice, many=40):
    """Orders, and between them versions that are published and signals that begin and end."""
    made = []
    for number in range(many):
        made.append(order(f"C{number}", E.PLACED, E.PAID, at=NOW, total=dice.choice([5_000, 20_000])))
        match dice.randrange(6):
            case 0:
                made.append(ops.change(BookChange("publish", dice.choice(["v1", "v2", "v3"]), "ann"), NOW + number))
            case 1:
                said = Signal("storm", dice.choice([0, 1]), NOW - dice.randrange(1, 50), "ann")
                made.append(ops.signal(said, NOW + number))
            case 2:
                ended = [one for one in made if one.kind == "signal"]
                if ended:
                    made.append(ops.signal(SignalEnd(dice.choice(ended).message_id, "ann"), NOW + number))
    return made


@pytest.mark.parametrize("seed", range(5))
def test_batches_make_no_difference_to_what_a_version_or_a_signal_does(order, context, tmp_path, seed):
    """One message at a time is the law; by batches, and planned ahead, the same is decided."""
    told = []
    for way in ("one by one", "in batches", "ahead"):
        home = fresh.hub(tmp_path / way)
        store = homes.open_store(home)
        bench = Bench(context._replace(store=store, recent=Recent(store)), order)
        for version, more in (("v1", STORM), ("v2", GIFT), ("v3", STORM + GIFT)):
            bench.editions.save(text(version, version, more), by="ann")
        store.accept(stream(order, random.Random(seed)), NOW + 100)
        if way == "ahead":
            pipeline = Pipeline(bench.context, 5)
            while pipeline.step() is not None:
                pass
            pipeline.close()
        else:
            drain(bench.context, 1 if way == "one by one" else 100)
        asked = "SELECT order_no, version, place, action, argument FROM decisions JOIN orders USING (order_id)"
        told.append(sorted(rows(bench.context, asked)))
        found = reproduce(bench.context, 0, 1 << 62)
        assert (found.differences, found.same) == ([], found.orders)
        store.close()
    assert told[0] == told[1] == told[2]
    assert len({version for _, version, *_ in told[0]}) > 1
