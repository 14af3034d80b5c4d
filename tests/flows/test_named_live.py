"""A warehouse that an order's own channel names: one of the hub's gets the order, of any other a person decides."""

from __future__ import annotations

import msgspec
import pytest
from reading import rows
from test_stock_live import EVER, FEW, Place, shop, with_content
from versions import GIFT, NOW, text

from orderhub_core.flows.absorb import drain
from orderhub_core.flows.reproduce import reproduce
from orderhub_core.health import holds
from orderhub_core.i18n import translator
from orderhub_core.model import Content, Line
from orderhub_core.model import Event as E
from orderhub_core.rules.shortages import refused_for

UNROUTED = 'version = "v1"\n' + GIFT
KINDS = GIFT.replace("gift FREE-1", "split sku")
WHY = "its channel names WH1, which the settings do not have"


class Named(Place):
    def bought_from(self, warehouse, pieces=1, sku="SKU-1", **rest):
        """An order whose channel names that warehouse; where it went, or why it waits."""
        name = f"A{next(self._numbers)}"
        self._receive([self.named(name, warehouse, pieces, sku, **rest)])
        drain(self.context, 100)
        return self.fate(name)

    def named(self, name, warehouse, pieces=1, sku="SKU-1", *, second="", at=NOW):
        lines = tuple(Line(n, one, quantity=pieces) for n, one in enumerate(filter(None, (sku, second)), 1))
        seen = self._order(name, E.PLACED, E.PAID, at=at)
        return with_content(seen, Content(total_minor=10_000, province="浙江省", warehouse=warehouse, lines=lines))

    def of(self, sql):
        return rows(self.context, sql)


@pytest.mark.parametrize("book", [text("v1", "hangzhou", GIFT), text("v1", "nearest", GIFT), UNROUTED])
def test_a_warehouse_of_the_hub_gets_the_order_as_if_a_rule_had_sent_it_there(context, order, book):
    place = Named(context, order, shop(guangzhou=9), book)
    place.counted(("guangzhou", "SKU-1", 3), ("guangzhou", "FREE-1", 9))
    assert place.bought_from("guangzhou", 2) == "guangzhou"
    assert place.left("guangzhou") == 1
    ((reason,),) = place.of("SELECT reason FROM decisions WHERE action = 'assign_warehouse'")
    assert "its channel names guangzhou" in reason
    ((payload,),) = place.of("SELECT payload FROM outbox WHERE key LIKE 'push:%'")
    assert [line["sku"] for line in msgspec.json.decode(payload)["lines"]] == ["SKU-1", "FREE-1"]
    assert place.bought_from("guangzhou", 2).startswith("guangzhou? nothing was taken: guangzhou: 1 of SKU-1 left")
    done = reproduce(place.context, *EVER)
    assert (done.orders, done.same) == (2, 2)


def test_news_of_such_an_order_are_followed_and_its_warehouse_stays(context, order):
    place = Named(context, order, shop(), text("v1", "hangzhou"))
    assert place.bought_from("guangzhou") == "guangzhou"
    place._receive([place.named("A1", "attic", 3, at=NOW + 1)])
    drain(place.context, 100)
    ((payload,),) = place.of("SELECT payload FROM outbox")
    told = msgspec.json.decode(payload)
    assert (told["warehouse"], told["lines"][0]["quantity"]) == ("guangzhou", 3)
    assert place.of("SELECT warehouse FROM orders") == [("guangzhou",)]
    place.news("A1", E.CANCELLED)
    drain(place.context, 100)
    assert place.fate("A1") == "withdrawn"


def test_of_any_other_warehouse_a_person_decides_and_nothing_limited_is_used_up(context, order):
    place = Named(context, order, shop(), text("v1", "hangzhou", FEW))
    assert place.bought_from("WH1") == f"WH1? {WHY}"
    assert place.of("SELECT quantity, reason FROM decisions WHERE action = 'add_gift'") == [
        (0, f"total 100 >= 1; not granted: {WHY}")
    ]
    assert place.of("SELECT place FROM resources WHERE kind = 'quota'") == []
    assert place.of("SELECT sku FROM lines") == [("SKU-1",)]
    assert place.bought_from("hangzhou") == "hangzhou", "the gift is there for who comes next"
    assert place.of("SELECT sku FROM lines WHERE rule <> ''") == [("FREE-1",)]
    done = reproduce(place.context, *EVER)
    assert (done.orders, done.same) == (2, 2)
    zh = translator("zh")
    assert holds.reasons(WHY, zh) == refused_for(WHY, zh) == "渠道指定了 WH1，配置里没有这个仓"
    assert holds.reasons("its channel names WH1", zh) == "渠道指定了 WH1"


def test_what_is_known_to_be_sent_without_us_goes_nowhere_and_asks_nobody(context, order):
    settings = msgspec.structs.replace(shop(), elsewhere=("WH1",))
    place = Named(context, order, settings, text("v1", "hangzhou", FEW))
    place._receive([place.named(f"A{next(place._numbers)}", "WH1")])
    drain(place.context, 100)
    assert place.of("SELECT count(*) FROM outbox") == [(0,)]
    assert place.of("SELECT decided, warehouse, warehouse_by FROM orders") == [(1, "WH1", "channel")]
    assert place.of("SELECT quantity FROM decisions WHERE action = 'add_gift'") == [(0,)]
    assert place.bought_from("hangzhou") == "hangzhou"


def test_who_sends_such_an_order_without_us_clears_it_and_all_its_parcels_wait(context, order):
    place = Named(context, order, shop(), text("v1", "hangzhou", KINDS))
    assert place.bought_from("WH1", second="SKU-2") == f"WH1? {WHY}"
    assert place.of("SELECT key, state FROM outbox ORDER BY key") == [
        ("push-2:shop-1:A1", "person"), ("push:shop-1:A1", "person"),
    ]  # fmt: skip
    assert place.bought_from("WH1") == f"WH1? {WHY}"
    place.news("A2", E.SHIPPED, E.COLLECTED)
    drain(place.context, 100)
    assert place.fate("A2") == "withdrawn"


def test_a_shadow_says_the_same_and_takes_nothing(context, order):
    place = Named(context, order, shop(), text("v1", "hangzhou"))
    place.counted(("hangzhou", "SKU-1", 5), ("guangzhou", "SKU-1", 5))
    place.editions.save(text("v2", "hangzhou"), by="ann")
    place.editions.change("shadow", "v2", by="ann")
    assert place.bought_from("guangzhou", 2) == "guangzhou"
    assert place.left("guangzhou") == 3
    said = place.of("SELECT argument, reason FROM decisions ORDER BY shadow")
    assert said[0] == said[1], "of one order both say where it goes, and why"
