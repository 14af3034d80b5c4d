"""Orders that wait for others and go in one parcel with them, live: who goes with whom, when, and what becomes of it as
news come."""

from __future__ import annotations

import random

import msgspec
import pytest
from reading import rows
from small_shop import SHOP, source
from test_parcels_live import a_dock, split
from versions import NOW, Bench, text

from orderhub_core.flows import ops
from orderhub_core.flows.absorb import drain
from orderhub_core.flows.context import Source
from orderhub_core.flows.dispatch import SECOND, dispatch
from orderhub_core.flows.gates import Gates
from orderhub_core.flows.merging import EARLY_US, Merging
from orderhub_core.flows.reproduce import reproduce
from orderhub_core.flows.targets import Targets
from orderhub_core.model import Content, Line, Observation, Pairing, Person, RawMessage
from orderhub_core.model import Event as E
from orderhub_core.settings import Settings
from orderhub_core.store import packs

EVER = (0, 1 << 62)
WAIT = 600 * SECOND
ZHANG, LI = Person("张三", "13900001111", "文三路 1 号"), Person("李四", "13900002222", "延安路 2 号")


def merge(how="receiver", when="total >= 1", name="packing"):
    return f"""[[groups]]
name = "{name}"
match = "all"
[[groups.rules]]
name = "r-{name}"
when = "{when}"
then = "{how}"
"""


RECEIVER, BUYER = merge("merge receiver"), merge("merge buyer")


class Hall(Bench):
    """A hub of two shops whose orders wait for one another, a warehouse that remembers what it was told, and a clock
    that stands until it is moved."""

    def __init__(self, context, order, book=RECEIVER, *, settings=None, wait=WAIT):
        super().__init__(context, order, settings=settings)
        self.now = NOW

        def known(name):
            if name == ops.OPS:
                return Source("", "", ops.decode)
            return source(name)._replace(shop=name)

        self.context = self.context._replace(source=known, merge_wait_us=wait)
        self.merging = Merging(self.store, self.clock, self._said, lambda: self.context.pseudonyms)
        self.told = []
        self.targets = Targets(
            settings or Settings(), lambda name: None, lambda said: None,
            beside=lambda keys: packs.hand_overs(self.store, keys),
        )  # fmt: skip
        self.targets.warehouse = lambda name: self
        self.targets._check_open = lambda name: None
        self.editions.save(text("v1", "hangzhou", book), by="ann")
        self.editions.change("publish", "v1", by="ann", anyway=True)

    def clock(self):
        return getattr(self, "now", NOW)

    def _said(self, messages):
        self._receive(messages)
        drain(self.context, 100)

    def push(self, effect, key):
        self.told.append(effect)

    def holds(self, effect):
        return True

    def buy(self, name, person=ZHANG, *, shop=SHOP, sku="", buyer="", events=(E.PLACED, E.PAID), city="杭州市", **rest):
        content = Content(
            total_minor=10_000, paid_minor=10_000, buyer_ref=buyer, province="浙江省", city=city, person=person,
            lines=(Line(1, sku or f"SKU-{name}"),), **rest,
        )  # fmt: skip
        self.state(name, *events, content=content, shop=shop)
        return name

    def state(self, name, *events, content=None, shop=SHOP):
        seen = Observation(name, {event.value: self.now for event in events}, self.now, content)
        body = msgspec.json.encode(seen)
        self._said([RawMessage(shop, f"{name}:{hash(body)}:{self.now}", "order", body, name)])

    def later(self, seconds):
        self.now += int(seconds * SECOND)

    def look(self, seconds=0):
        self.later(seconds)
        return self.merging.step()

    def sent(self):
        """What the dispatcher hands over now."""
        before = len(self.told)
        dispatch(
            self.store, self.targets.perform, gates=Gates({}, lambda: 0.0), clock=lambda: self.now, owner="me",
            dice=random.Random(1), limit=100, attempts=8,
        )  # fmt: skip
        return {one.order_no: [other.order_no for other in one.pack_with] for one in self.told[before:]}

    def fates(self):
        return dict(
            rows(self.context, "SELECT order_no, state FROM outbox JOIN orders USING (order_id) WHERE key LIKE 'push%'")
        )

    def log(self):
        sql = "SELECT order_no, detail FROM log JOIN orders USING (order_id) WHERE event = 'order.packed'"
        return rows(self.context, sql)


def test_orders_of_one_receiver_in_two_shops_wait_and_go_with_each_other(context, order):
    hall = Hall(context, order)
    hall.buy("A1")
    hall.later(120)
    hall.buy("B1", shop="shop-2")
    hall.buy("C1", LI)
    assert (hall.look(), hall.sent()) == ((0, 0, 0, 0), {}), "others may still come"
    hall.look(470)
    assert hall.sent() == {"A1": ["B1"], "B1": ["A1"]}, "with the first whose time is over, and not later"
    assert hall.look(119)[:2] == (0, 0)
    hall.later(11)
    assert hall.sent() == {"C1": []}, "who is alone goes by itself when its time is over"
    log = dict(hall.log())
    assert set(log) == {"A1", "B1"}
    assert "same phone +10" in msgspec.json.decode(log["A1"])["reason"]
    assert hall.fates() == dict.fromkeys(("A1", "B1", "C1"), "done")


def test_nobody_waits_past_its_promise_or_longer_than_it_may_though_nobody_looks(context, order):
    hall = Hall(context, order)
    hall.buy("A1", promised_at=NOW + 60 * SECOND)
    hall.buy("A2", promised_at=NOW - 5)
    hall.buy("A3", LI)
    assert hall.sent() == {"A2": []}, "it is late already"
    hall.later(60)
    assert hall.sent() == {"A1": []}
    hall.later(540)
    assert hall.sent() == {"A3": []}


@pytest.mark.parametrize(
    ("book", "together"),
    [
        (RECEIVER, True),
        (RECEIVER + merge("merge never", "sku = SKU-A1", "sealed"), False),
        (RECEIVER + split("never", name="whole"), True),
        (BUYER, True),
        (merge("merge buyer", "sku = SKU-A1") + merge("merge receiver", "sku = SKU-B1", "other"), True),
        (merge("merge receiver", "sku = SKU-A1"), False),
        (RECEIVER + merge("hold presale", "sku = SKU-B1", "later"), False),
    ],
)
def test_whom_rules_pack_together(context, order, book, together):
    hall = Hall(context, order, book)
    hall.buy("A1", buyer="zhang")
    hall.buy("B1", buyer="zhang")
    hall.look(595)
    hall.later(5)
    others = {name: other for name, other in hall.sent().items() if other}
    assert others == ({"A1": ["B1"], "B1": ["A1"]} if together else {})


def test_the_same_buyer_is_not_the_same_receiver(context, order):
    hall = Hall(context, order, BUYER)
    hall.buy("A1", buyer="zhang")
    hall.buy("B1", buyer="li")
    hall.look(595)
    assert hall.sent() == {}
    hall.later(5)
    assert hall.sent() == {"A1": [], "B1": []}


def test_a_doubtful_one_goes_alone_and_it_is_told(context, order):
    hall = Hall(context, order)
    hall.buy("A1", sku="SHIRT")
    hall.buy("B1", sku="SHIRT")
    assert hall.look(595).doubts == 2
    assert hall.sent() == {"A1": [], "B1": []}
    told = {name: msgspec.json.decode(detail) for name, detail in hall.log()}
    assert told["A1"]["doubts"] == [[SHOP, "B1"]]
    assert "a repeat?" in told["A1"]["reason"]


def test_what_a_person_says_holds_until_it_is_handed_over(context, order):
    hall = Hall(context, order)
    for name in ("A1", "B1", "C1"):
        hall.buy(name)
    hall.buy("D1", sku="SHIRT")
    hall.buy("D2", LI, sku="SHIRT")
    hall._said([ops.pairing(Pairing(SHOP, "A1", SHOP, "B1", "apart", "they asked", "ann"), hall.now)])
    hall._said([ops.pairing(Pairing(SHOP, "D1", SHOP, "D2", "together", "called them", "ann"), hall.now)])
    hall.look(595)
    hall.later(5)
    sent = hall.sent()
    assert "B1" not in sent["A1"]
    assert "A1" not in sent["B1"]
    hall._said([ops.pairing(Pairing(SHOP, "C1", SHOP, "A1", "apart", "too late", "ann"), hall.now)])
    assert hall.look() == (0, 0, 0, 0)
    assert [one.order_no for one in hall.told] == list(dict.fromkeys(one.order_no for one in hall.told))


def test_who_has_been_told_and_not_gone_is_told_anew_when_a_person_parts_them(context, order):
    hall = Hall(context, order)
    for name in ("A1", "B1", "C1"):
        hall.buy(name)
    hall.look(595)
    hall._said([ops.pairing(Pairing(SHOP, "A1", SHOP, "B1", "apart", "they asked", "ann"), hall.now)])
    assert hall.look().mended == 3
    assert hall.look().mended == 0
    assert hall.sent() == {"A1": ["C1"], "B1": [], "C1": ["A1"]}


@pytest.mark.parametrize(
    ("event", "fate"), [(E.CANCELLED, "withdrawn"), (E.REFUNDED, "withdrawn"), (E.PARTLY_REFUNDED, "person")]
)
@pytest.mark.parametrize("when", ["before", "told", "gone"])
def test_who_goes_no_longer_is_missed_by_nobody(context, order, event, fate, when):
    hall = Hall(context, order)
    hall.buy("A1")
    hall.buy("B1")
    if when != "before":
        hall.look(595)
    if when == "gone":
        (leased,) = hall.store.lease(now=hall.now, until=hall.now + SECOND, owner="me", limit=1)
        assert leased.key == "push:shop-1:A1"
    hall.state("B1", event)
    if when == "gone":
        assert hall.fates()["B1"] == "person", "somebody must look what the warehouse waits for"
        return
    assert hall.fates()["B1"] == fate
    assert hall.sent() == {}, "nobody goes who waits for it"
    hall.look(0 if when == "told" else 600)
    hall.later(5)
    assert hall.sent() == {"A1": []}


def test_whoever_is_cut_short_between_two_words_is_followed_by_somebody_who_says_the_rest(context, order):
    hall = Hall(context, order)
    for name in ("A1", "B1", "C1"):
        hall.buy(name)
    hall.later(595)
    words, _ = hall.merging._found(packs.waiting(hall.store), hall.now)
    assert len(words) == 3
    hall._said([ops.packing(words[0], hall.now)])
    assert hall.sent() == {}, "the others do not say so yet"
    assert hall.look(2).mended == 2
    assert hall.sent() == {"A1": ["B1", "C1"], "B1": ["A1", "C1"], "C1": ["A1", "B1"]}


def test_new_lines_and_a_new_address_while_it_waits_and_when_it_was_told(context, order):
    hall = Hall(context, order)
    hall.buy("A1")
    hall.buy("B1")
    hall.look(595)
    hall.later(1)
    hall.buy("B1", sku="OTHER", events=())
    moved = {one.order_no: one for one in (w.handed.asked for w in packs.waiting(hall.store))}
    assert [line.sku for line in moved["B1"].lines] == ["OTHER"]
    assert [one.order_no for one in moved["B1"].pack_with] == ["A1"], "other lines in the same parcel"
    hall.later(1)
    hall.buy("B1", LI, sku="OTHER", events=())
    assert hall.look().mended == 2
    assert hall.sent() == {"A1": [], "B1": []}


def test_the_warehouse_is_told_once_and_shows_what_goes_with_what(context, order, monkeypatch):
    with a_dock(monkeypatch) as (dock, settings):
        hall = Hall(context, order, settings=settings)
        hall.targets = Targets(
            settings, lambda name: None, lambda said: None, beside=lambda keys: packs.hand_overs(hall.store, keys)
        )
        hall.buy("A1")
        hall.buy("B1", shop="shop-2")
        hall.look(595)
        hall.sent()
        assert hall.fates() == {"A1": "done", "B1": "done"}
        held = {name: told["pack_with"] for (_, name, _), told in dock.orders.items()}
        assert held == {"A1": [{"shop": "shop-2", "order_no": "B1"}], "B1": [{"shop": SHOP, "order_no": "A1"}]}


def test_what_was_decided_is_decided_once_more(context, order):
    hall = Hall(context, order)
    hall.buy("A1")
    hall.buy("B1")
    hall.look(595)
    hall.sent()
    found = reproduce(hall.context, *EVER)
    assert (found.differences, found.same) == ([], 2)
    assert EARLY_US < WAIT
