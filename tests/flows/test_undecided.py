"""Orders that were there before any rulebook: none is sent by itself later, and none is forgotten."""

from __future__ import annotations

import msgspec
import pytest
from reading import rows
from versions import HOLD, NOW, Bench, text

from orderhub_core.errors import UserMistake
from orderhub_core.flows.absorb import drain
from orderhub_core.flows.reproduce import reproduce
from orderhub_core.model import Content, Line, Observation, RawMessage
from orderhub_core.model import Event as E
from orderhub_core.settings import Settings, WarehouseSettings

HELD = HOLD.replace("total >= 1", "total >= 500")


@pytest.fixture
def bench(context, order):
    bench = Bench(context, order)
    for number, (name, total, *events) in enumerate(
        (("A1", 20_000, E.PAID), ("A2", 90_000, E.PAID), ("A3", 20_000), ("A4", 20_000, E.PAID, E.CANCELLED))
    ):
        bench._receive([bench._order(name, E.PLACED, *events, at=NOW + number, total=total)])
    drain(bench.context, 100)
    return bench


def effects(bench):
    return rows(bench.context, "SELECT key, state FROM outbox ORDER BY key")


def decide(bench):
    said = bench.editions.undecided()
    return bench.editions.decide(said, by="ann")


def test_a_book_that_is_published_later_decides_on_them_when_it_is_told_to_and_once(bench):
    with pytest.raises(UserMistake, match="there is no rulebook"):
        decide(bench)
    bench.editions.save(text("v1", "hangzhou", HELD), by="ann")
    bench.published("v1")
    drain(bench.context, 100)
    assert (effects(bench), bench.editions.undecided()) == ([], [("shop-1", "A1"), ("shop-1", "A2")])
    assert bench.editions.undecided(since=NOW + 10**12) == []
    with pytest.raises(UserMistake, match="say whose"):
        bench.editions.decide([("shop-1", "A1")], by=" ")
    assert decide(bench) == {"going": 1, "held": 1}
    assert effects(bench) == [("push:shop-1:A1", "waiting"), ("push:shop-1:A2", "person")]
    assert (decide(bench), len(effects(bench))) == ({}, 2)
    told = reproduce(bench.context, 0, 2 * NOW)
    assert (told.orders, told.same) == (2, 2)


def test_what_is_decided_meanwhile_is_left_as_it_is(bench):
    bench.editions.save(text("v1", "hangzhou"), by="ann")
    bench.published("v1")
    drain(bench.context, 100)
    found = bench.editions.undecided()
    bench.news("A1", E.AFTER_SALE_APPLIED)
    drain(bench.context, 100)
    before = effects(bench)
    assert before == [("push:shop-1:A1", "person")]
    assert bench.editions.decide(found, by="ann")["going"] == 1
    assert effects(bench) == [*before, ("push:shop-1:A2", "waiting")]
    assert rows(bench.context, "SELECT count(*) FROM decisions WHERE action = 'assign_warehouse'") == [(2,)]


def test_an_order_of_which_one_parcel_is_held_is_no_order_that_goes(context, order):
    """As an import counts it."""
    bench = Bench(context, order, settings=Settings(warehouses=(WarehouseSettings("hangzhou", "dock"),)))
    lines = (Line(1, "HOODIE", "h", "c", 1, 10_000), Line(2, "SOCKS", "s", "c", 1, 10_000))
    seen = Observation("A1", {E.PLACED: NOW, E.PAID: NOW}, NOW, Content(total_minor=90_000, lines=lines))
    bench._receive([RawMessage("shop-1", "m1", "order", msgspec.json.encode(seen), "A1")])
    drain(bench.context, 100)
    bench.editions.save(text("v1", "hangzhou", HELD.replace("hold risk", "split sku; hold risk")), by="ann")
    bench.published("v1")
    drain(bench.context, 100)
    assert decide(bench) == {"held": 1}
    assert [key for key, _ in effects(bench)] == ["push-2:shop-1:A1", "push:shop-1:A1"]
