"""How full warehouses are and what is left of SKUs, measured by the hub itself for the rules that ask for it."""

from __future__ import annotations

import polars as pl
import pytest
from measured_shop import EVER, MINUTE, Shop
from versions import text

from orderhub_core.errors import UserMistake
from orderhub_core.flows.absorb import drain
from orderhub_core.flows.ops import turning
from orderhub_core.flows.reproduce import reproduce
from orderhub_core.flows.stocking import COUNTED
from orderhub_core.model import Event as E
from orderhub_core.store.unit import Message

BUSY = """[[groups]]
name = "care"
match = "all"
[[groups.rules]]
name = "busy"
when = "load(hangzhou) >= 40%"
then = "tag busy"
[[groups.rules]]
name = "calm"
when = "not load(hangzhou) >= 40%"
then = "tag calm"
[[groups.rules]]
name = "scarce"
when = "库存(SKU-1) < 5"
then = "tag scarce"
"""


@pytest.fixture
def shop(context, order):
    made = Shop(context, order)
    made.editions.save(text("v1", "hangzhou", BUSY), by="ann")
    made.published("v1")
    return made


def test_orders_are_told_how_full_the_warehouse_was_when_they_were_paid(shop):
    (blind,) = shop.sold()
    shop.later()
    assert shop.measured() == [("load", "hangzhou", 10)]
    (calm, *_) = shop.sold(3)
    shop.later()
    then = shop.now - MINUTE // 2
    assert shop.measured() == [("load", "hangzhou", 40)]
    (busy,) = shop.sold()
    (late,) = shop.sold(at=then)
    assert [shop.tags(name) for name in (blind, calm, busy, late)] == [set(), {"calm"}, {"busy"}, {"calm"}]
    assert shop.measured() == []
    found = reproduce(shop.context, *EVER)
    assert (found.orders, found.same, found.differences) == (6, 6, [])


def test_what_is_left_of_a_sku_is_counted_over_warehouses_without_what_must_stay(shop):
    shop.measured()
    shop.later()
    counts = [("hangzhou", "SKU-1", 9, 2), ("guangzhou", "SKU-1", 1, 3), ("guangzhou", "SKU-2", 80, 0)]
    shop.stock.report(pl.DataFrame(counts, schema=COUNTED, orient="row"), by="ann")
    assert ("stock", "SKU-1", 7) in shop.measured()
    shop.later()
    (well,) = shop.sold(3)[:1]
    shop.later()
    assert ("stock", "SKU-1", 4) in shop.measured()
    (scarce,) = shop.sold()
    assert ["scarce" in shop.tags(name) for name in (well, scarce)] == [False, True]
    assert reproduce(shop.context, *EVER).differences == []


def test_a_figure_is_said_again_before_it_ends_and_holds_no_longer_if_nobody_does(shop):
    shop.measured()
    shop.later(5)
    assert shop.measured() == []
    shop.later(3)
    (again,) = shop.measures.measure()
    assert (again.field, again.rows, again.until - shop.now) == ("load", (), 10 * MINUTE)
    shop.later(9)
    (order,) = shop.sold()
    assert shop.tags(order) == {"calm"}
    shop.later(2)
    (order,) = shop.sold()
    assert shop.tags(order) == set()


def test_it_is_measured_once_a_minute_whichever_worker_asks_and_what_others_report_is_left_to_them(shop):
    shop.signals.report("负荷", "95", by="wms", about="warehouse=hangzhou", since=shop.now)
    assert shop.measured() == []
    (busy,) = shop.sold()
    assert shop.tags(busy) == {"busy"}
    for one in shop.signals.kept():
        shop.signals.end(one.name, by="wms")
    shop.later(0.5)
    assert shop.measured() == []
    shop.later(0.5)
    assert shop.measured() == [("load", "hangzhou", 10)]


def test_all_figures_of_a_look_are_one_batch_and_hold_for_the_order_behind_them(shop):
    shop.stock.report(pl.DataFrame([("hangzhou", "SKU-1", 2, 0)], schema=COUNTED, orient="row"), by="ann")
    before, say = shop.store.progress().commits, shop.measures._say
    assert shop.measured() == [("load", "hangzhou", 0), ("stock", "SKU-1", 2)]
    assert shop.store.progress().commits == before + 1

    def and_one_buys(said):
        shop._receive([*said, shop._order("B1", E.PLACED, E.PAID, at=shop.now, total=20_000)])
        drain(shop.context, 100)

    shop.measures._say = and_one_buys
    shop.later(9)
    assert len(shop.measures.measure()) == 2, "they would soon be over"
    shop.measures._say = say
    assert shop.tags("B1") == {"calm", "scarce"}


@pytest.mark.parametrize(
    ("kinds", "most"),
    [
        (["order", "signal", "signal", "order"], 3),
        (["signal", "batches", "rulebook"], 3),
        (["signal", "signal", "stock"], 2),
        (["stock", "stock"], 1),
        (["order", "dealing"], 1),
        (["order", "release", "order"], 3),
    ],
)
def test_a_batch_ends_with_what_decides_otherwise(kinds, most):
    messages = [Message(n, "shop" if kind == "order" else "ops", str(n), kind, 0, b"") for n, kind in enumerate(kinds)]
    assert turning(messages) == most


def test_what_no_rule_asks_for_is_not_measured(context, order):
    shop = Shop(context, order)
    shop.editions.save(text("v1", "hangzhou"), by="ann")
    shop.published("v1")
    assert shop.measured() == []
    assert shop.store.cursor_of("measures") is None


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("load(hanzhou) > 90", "'hanzhou', which the settings do not have; 'hangzhou'"),
        ("load > 90", "must be told of what: write load(hangzhou)"),
    ],
)
def test_a_warehouse_that_the_settings_do_not_have_is_refused(shop, when, told):
    with pytest.raises(UserMistake, match=told.replace("(", r"\(").replace(")", r"\)")):
        shop.editions.save(text("v2", "hangzhou", BUSY.replace("load(hangzhou) >= 40%", when, 1)), by="ann")


@pytest.mark.parametrize(
    ("field", "about", "told"),
    [
        ("load", "", "say of which warehouse load is told"),
        ("load", "warehouse=nowhere", "no warehouse nowhere; they have hangzhou"),
        ("库存", "warehouse=hangzhou", "say of which SKU stock is told"),
    ],
)
def test_a_report_says_of_what_it_tells(shop, field, about, told):
    with pytest.raises(UserMistake, match=told):
        shop.signals.report(field, "5", by="ann", about=about)
