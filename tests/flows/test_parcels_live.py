"""Orders that go in several parcels, live: what goes in which, that each is sent once, and what later news mean for all
of them."""

from __future__ import annotations

import random
import re
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import msgspec
import polars as pl
import pytest
import uvicorn
from reading import rows
from small_shop import SHOP, a_hub
from starlette.applications import Starlette
from test_stock_live import DAY_US, EVER, Place, ledger_is_whole, shop, with_content
from versions import GIFT, NOW, text

from connectors.sandbox.warehouse import Dock
from orderhub_core import effects
from orderhub_core.flows import ops
from orderhub_core.flows.absorb import drain
from orderhub_core.flows.dispatch import SECOND, dispatch
from orderhub_core.flows.gates import Gates
from orderhub_core.flows.places import places
from orderhub_core.flows.reproduce import reproduce
from orderhub_core.flows.targets import Targets
from orderhub_core.frames import INSTANT, LINES
from orderhub_core.model import Content, Line
from orderhub_core.model import Event as E
from orderhub_core.people import Release
from orderhub_core.rules import rulebook, turn
from orderhub_core.rules.claims import STOCK
from orderhub_core.rules.decide import decide
from orderhub_core.rules.index import Index
from orderhub_core.rules.lab.comparing import compare
from orderhub_core.rules.lab.parcels import splits
from orderhub_core.rules.provinces import located
from orderhub_core.rules.tree import Rulebook
from orderhub_core.rules.ways import MOST_PARCELS
from orderhub_core.settings import Endpoint, Settings, WarehouseSettings
from orderhub_core.store import homes, lost
from orderhub_core.store.unit import Finished


def split(how, when="total >= 1", name="parts"):
    return f"""[[groups]]
name = "{name}"
match = "all"
[[groups.rules]]
name = "r-{name}"
when = "{when}"
then = "split {how}"
"""


class Yard(Place):
    """A shop whose orders have several lines: (SKU, pieces), or (SKU, pieces, category)."""

    def basket(self, name, *wanted, events=(E.PLACED, E.PAID), at=NOW, province="浙江省", buyer="", total=10_000):
        lines = tuple(
            Line(number, sku, quantity=pieces, category=rest[0] if rest else "")
            for number, (sku, pieces, *rest) in enumerate(wanted, 1)
        )
        content = Content(total_minor=total, paid_minor=total, buyer_ref=buyer, province=province, lines=lines)
        return with_content(self._order(name, *events, at=at), content)

    def buy(self, *wanted, name="A1", limit=100, **rest):
        self.say(self.basket(name, *wanted, **rest), limit=limit)
        return self.sent(name)

    def say(self, *messages, limit=100):
        for message in messages:
            # With its order's number, so that every home applies them in this order.
            number = message.key or msgspec.json.decode(message.body)["order_no"]
            self._receive([msgspec.structs.replace(message, key=number)])
            if limit == 1:
                drain(self.context, 1)
        drain(self.context, limit)

    def tell(self, *events, name="A1", **rest):
        self._receive([self._order(name, *events, at=next(self._ticks), **rest)])
        drain(self.context, 100)

    def parcels(self, name="A1"):
        """Each hand-over of an order: its row, and what is asked."""
        found = rows(
            self.context,
            "SELECT key, state, o.note, payload FROM outbox o JOIN orders USING (order_id)"
            f" WHERE order_no = '{name}' AND key LIKE 'push%'",
        )
        told = [(key, state, note, effects.decode(payload)) for key, state, note, payload in found]
        return sorted(told, key=lambda one: one[3].parcel)

    def sent(self, name="A1"):
        """Of each parcel its warehouse and what is in it; with a question mark where it waits for a person."""
        return [
            (
                asked.warehouse + {"person": "?", "withdrawn": "!", "done": "."}.get(state, ""),
                {line.sku: line.quantity for line in asked.lines},
            )
            for _, state, _, asked in self.parcels(name)
        ]


TWO = [("SHIRT", 1, "shirt"), ("CUP", 2, "cup"), ("SOCKS", 1, "shirt")]


def test_each_kind_of_goods_has_a_parcel_of_its_own_from_one_warehouse(context, order):
    yard = Yard(context, order, shop(), text("v1", "hangzhou", split("category")))
    assert yard.buy(*TWO) == [("hangzhou", {"SHIRT": 1, "SOCKS": 1}), ("hangzhou", {"CUP": 2})]
    keys = [(key, asked.parcel, asked.parcels) for key, _, _, asked in yard.parcels()]
    assert keys == [(f"push:{SHOP}:A1", 1, 2), (f"push-2:{SHOP}:A1", 2, 2)]
    assert rows(context, "SELECT decided FROM orders") == [(2,)]
    ((quantity, reason),) = rows(context, "SELECT quantity, reason FROM decisions WHERE action = 'split'")
    assert quantity == 2
    assert reason.endswith("; parcel 1 from hangzhou: lines 1, 3; parcel 2 from hangzhou: lines 2")
    ((detail,),) = rows(context, "SELECT detail FROM log WHERE event = 'rule.split'")
    assert msgspec.json.decode(detail)["parcels"] == [
        {"no": 1, "warehouse": "hangzhou", "lines": [1, 3]},
        {"no": 2, "warehouse": "hangzhou", "lines": [2]},
    ]


def test_an_order_of_one_kind_goes_whole_as_ever(context, order):
    yard = Yard(context, order, shop(), text("v1", "hangzhou", split("category")))
    assert yard.buy(("A", 1, "cup"), ("B", 1, "cup")) == [("hangzhou", {"A": 1, "B": 1})]
    ((key, _, _, asked),) = yard.parcels()
    assert (key, asked.parcels) == (f"push:{SHOP}:A1", 1)
    assert "parcel" not in effects.encode(asked).decode()
    assert rows(context, "SELECT quantity FROM decisions WHERE action = 'split'") == [(1,)]
    assert rows(context, "SELECT count(*) FROM splits") == [(0,)]


def test_never_wins_over_any_other_way_and_the_first_way_over_a_later_one(context, order):
    sealed = split("never", "total >= 50", "sealed")
    later = split("sku", "total >= 50", "later")
    yard = Yard(context, order, shop(), text("v1", "hangzhou"))
    for version, more, parcels in (("v2", sealed, 1), ("v3", later, 2)):
        yard.editions.save(text(version, "hangzhou", split("category") + more), by="ann")
        yard.editions.change("publish", version, by="ann", anyway=True)
        assert len(yard.buy(*TWO, name=version)) == parcels


def test_a_gift_travels_with_the_line_that_earned_it_and_else_in_the_first_parcel(context, order):
    gift = GIFT.replace("total >= 1", "sku = CUP")
    yard = Yard(context, order, shop(), text("v1", "hangzhou", gift + split("sku")))
    assert yard.buy(*TWO) == [
        ("hangzhou", {"SHIRT": 1}), ("hangzhou", {"CUP": 2, "FREE-1": 1}), ("hangzhou", {"SOCKS": 1})
    ]  # fmt: skip
    (line,) = [line for line in yard.parcels()[1][3].lines if line.sku == "FREE-1"]
    assert line.gift_of == "CUP"


def test_there_is_a_most_of_parcels(context, order):
    yard = Yard(context, order, shop(), text("v1", "hangzhou", split("sku")))
    bought = [(f"S{number}", 1) for number in range(MOST_PARCELS + 3)]
    sent = yard.buy(*bought)
    assert len(sent) == MOST_PARCELS and len(sent[-1][1]) == 4


@pytest.mark.parametrize("allowed", [2, 3, 4, 10])
def test_a_rule_may_allow_fewer(context, order, allowed):
    gift = GIFT.replace("total >= 1", "sku = S3")
    yard = Yard(context, order, shop(), text("v1", "hangzhou", gift + split(f"sku at most {allowed}")))
    each = [{f"S{number}": 1} for number in range(4)]
    each[3]["FREE-1"] = 1
    last = {sku: 1 for one in each[allowed - 1 :] for sku in one}
    goods = [*each[: allowed - 1], last] if allowed < 4 else each
    assert yard.buy(*((f"S{number}", 1) for number in range(4))) == [("hangzhou", one) for one in goods]
    ((argument, quantity),) = rows(context, "SELECT argument, quantity FROM decisions WHERE action = 'split'")
    assert (argument, quantity) == (f"sku at most {allowed}", len(goods))
    assert rows(context, "SELECT decided FROM orders") == [(len(goods),)]
    found = reproduce(yard.context, *EVER)
    assert (found.differences, found.same) == ([], 1)


def test_the_number_of_the_first_way_counts(context, order):
    yard = Yard(context, order, shop(), text("v1", "hangzhou"))
    for version, first, second, told in (("v2", "sku at most 2", "sku", 2), ("v3", "sku", "sku at most 2", 3)):
        yard.editions.save(text(version, "hangzhou", split(first) + split(second, name="later")), by="ann")
        yard.editions.change("publish", version, by="ann", anyway=True)
        assert len(yard.buy(*TWO, name=version)) == told


APART = [("hangzhou", "A", 5), ("guangzhou", "B", 5), ("attic", "C", 5)]


@pytest.mark.parametrize(
    ("way", "sent"),
    [
        ("warehouse", [("hangzhou", {"A": 1}), ("guangzhou", {"B": 1}), ("attic", {"C": 1})]),
        ("warehouse at most 3", [("hangzhou", {"A": 1}), ("guangzhou", {"B": 1}), ("attic", {"C": 1})]),
        ("warehouse at most 2", [("hangzhou?", {"A": 1, "B": 1, "C": 1})]),
        ("stock at most 3", [("hangzhou", {"A": 1}), ("guangzhou", {"B": 1}), ("attic", {"C": 1})]),
        ("stock at most 2", [("hangzhou", {"A": 1}), ("hangzhou?", {"B": 1, "C": 1})]),
    ],
)
def test_an_order_goes_from_as_many_warehouses_as_its_rule_allows_and_says_so(context, order, way, sent):
    yard = Yard(context, order, shop(), text("v1", "nearest", split(way)))
    yard.counted(*APART)
    assert yard.buy(("A", 1), ("B", 1), ("C", 1)) == sent
    taken = sum(5 - yard.left(place, sku) for place, sku, _ in APART)
    assert taken == sum(len(goods) for place, goods in sent if not place.endswith("?"))
    notes = [note for _, state, note, _ in yard.parcels() if state == "person"]
    assert all(note.endswith("; a rule allows 2 parcels at most") for note in notes)
    ledger_is_whole(context)
    found = reproduce(yard.context, *EVER)
    assert (found.differences, found.same) == ([], 1)


def test_to_a_named_warehouse_no_number_of_parcels_makes_a_difference(context, order):
    yard = Yard(context, order, shop(), text("v1", "guangzhou", split("warehouse at most 2")))
    yard.counted(("guangzhou", "SHIRT", 1), ("hangzhou", "SHIRT", 9))
    assert yard.buy(("SHIRT", 2)) == [("guangzhou?", {"SHIRT": 2})]
    ((_, _, note, _),) = yard.parcels()
    assert note == "nothing was taken: guangzhou: 1 of SHIRT left, 2 asked"


def test_an_order_that_no_warehouse_has_whole_goes_from_several(context, order):
    yard = Yard(context, order, shop(), text("v1", "nearest", split("warehouse")))
    yard.counted(("hangzhou", "SHIRT", 5), ("guangzhou", "CUP", 5), ("attic", "SHIRT", 0))
    assert yard.buy(("SHIRT", 2), ("CUP", 1)) == [("hangzhou", {"SHIRT": 2}), ("guangzhou", {"CUP": 1})]
    assert (yard.left("hangzhou", "SHIRT"), yard.left("guangzhou", "CUP")) == (3, 4)
    assert rows(context, "SELECT warehouse, decided FROM orders") == [("hangzhou", 2)]
    reason = yard.decided("reason")["A1"]
    assert "from 2 warehouses, as none has all of it: hangzhou: 0 of CUP left, 1 asked" in reason
    # What has all of it goes whole; what nobody has waits whole.
    yard.counted(("attic", "SHIRT", 9), ("attic", "CUP", 9))
    assert yard.buy(("SHIRT", 1), ("CUP", 1), name="A2") == [("attic", {"SHIRT": 1, "CUP": 1})]
    assert yard.buy(("SHIRT", 1), ("HAT", 1), name="A3") == [("hangzhou?", {"SHIRT": 1, "HAT": 1})]
    assert yard.left("hangzhou", "SHIRT") == 3
    ledger_is_whole(context)


def test_what_is_there_goes_and_the_rest_waits_until_it_is_there_or_somebody_lets_it_go(context, order):
    yard = Yard(context, order, shop(), text("v1", "nearest", split("stock")))
    yard.counted(("hangzhou", "SHIRT", 5), ("guangzhou", "SHIRT", 1), ("attic", "SHIRT", 0))
    assert yard.buy(("SHIRT", 2), ("CUP", 1)) == [("hangzhou", {"SHIRT": 2}), ("hangzhou?", {"CUP": 1})]
    (_, (_, _, note, _)) = yard.parcels()
    assert note.startswith("what is there goes first, and the rest waits: hangzhou: 0 of CUP left, 1 asked")
    assert rows(context, "SELECT action, argument FROM decisions ORDER BY place") == [
        ("assign_warehouse", "hangzhou"), ("split", "stock"), ("hold", "stock")
    ]  # fmt: skip
    yard.buy(("SHIRT", 1), ("CUP", 2), name="A2")
    yard.say(ops.release(Release(SHOP, "A2", "made by hand", "bob", 2), NOW + 5))
    assert yard.sent("A2") == [("hangzhou", {"SHIRT": 1}), ("hangzhou", {"CUP": 2})]
    # From the next report on the rest's pieces are kept for it, and so are those that have not left.
    assert yard.counted(("hangzhou", "SHIRT", 5), ("hangzhou", "CUP", 3)).let_go == 1
    assert (yard.left("hangzhou", "SHIRT"), yard.left("hangzhou", "CUP")) == (2, 0)
    assert yard.sent() == [("hangzhou", {"SHIRT": 2}), ("hangzhou", {"CUP": 1})]


def test_what_lies_in_no_stock_never_goes_alone(context, order):
    yard = Yard(context, order, shop(), text("v1", "hangzhou", split("stock")))
    yard.counted(("hangzhou", "SHIRT", 0), ("hangzhou", "CUP", 1))
    assert yard.buy(("SHIRT", 1), ("", 1)) == [("hangzhou?", {"SHIRT": 1, "": 1})]
    assert yard.buy(("SHIRT", 1), ("", 1), ("CUP", 1), name="A2") == [
        ("hangzhou", {"": 1, "CUP": 1}), ("hangzhou?", {"SHIRT": 1})
    ]  # fmt: skip


def test_a_named_warehouse_sends_what_it_has_and_no_other_one_does(context, order):
    yard = Yard(context, order, shop(), text("v1", "guangzhou", split("stock")))
    yard.counted(("guangzhou", "SHIRT", 5), ("hangzhou", "CUP", 5))
    assert yard.buy(("SHIRT", 2), ("CUP", 1)) == [("guangzhou", {"SHIRT": 2}), ("guangzhou?", {"CUP": 1})]


def test_pieces_of_parcels_are_counted_where_they_lie_until_all_of_it_has_left(context, order):
    yard = Yard(context, order, shop(), text("v1", "nearest", split("warehouse")))
    yard.counted(("hangzhou", "SHIRT", 5), ("guangzhou", "CUP", 5), ("attic", "SHIRT", 0))
    yard.buy(("SHIRT", 2), ("CUP", 1))
    yard.tell(E.PARTLY_SHIPPED, E.COLLECTED)
    yard.counted(("hangzhou", "SHIRT", 9), ("guangzhou", "CUP", 9), ("hangzhou", "CUP", 9))
    assert [yard.left(*one) for one in (("hangzhou", "SHIRT"), ("guangzhou", "CUP"), ("hangzhou", "CUP"))] == [7, 8, 9]
    yard.tell(E.SHIPPED)
    yard.counted(("hangzhou", "SHIRT", 7), ("guangzhou", "CUP", 8))
    assert (yard.left("hangzhou", "SHIRT"), yard.left("guangzhou", "CUP")) == (7, 8)


def test_every_parcel_takes_room_of_its_warehouse(context, order):
    yard = Yard(context, order, shop(hangzhou=5, guangzhou=5), text("v1", "nearest", split("warehouse")))
    yard.counted(("hangzhou", "SHIRT", 5), ("guangzhou", "CUP", 5), ("attic", "SHIRT", 0))
    yard.buy(("SHIRT", 2), ("CUP", 1))
    assert {one.place: one.balance for one in yard.stock.booked()} == {"hangzhou": 1, "guangzhou": 1}


@pytest.mark.parametrize("limit", [1, 100], ids=["one by one", "in one batch"])
@pytest.mark.parametrize(
    ("events", "told"),
    [
        ((E.CANCELLED,), "hangzhou! hangzhou!"),
        ((E.REFUNDED,), "hangzhou! hangzhou!"),
        ((E.PARTLY_REFUNDED,), "hangzhou? hangzhou?"),
        ((E.SHIPPED,), "hangzhou? hangzhou?"),
        ((E.PARTLY_SHIPPED,), "hangzhou? hangzhou?"),
        ((E.SHIPPED, E.COLLECTED), "hangzhou? hangzhou?"),
    ],
    ids=lambda one: one if isinstance(one, str) else "+".join(event.value for event in one),
)
def test_news_of_an_order_are_news_of_all_its_parcels(context, order, limit, events, told):
    yard = Yard(context, order, shop(), text("v1", "hangzhou", split("category")))
    later = [order("A1", event, at=NOW + 9 + place) for place, event in enumerate(events)]
    yard.say(yard.basket("A1", *TWO), *later, limit=limit)
    assert " ".join(where for where, _ in yard.sent()) == told
    yard.say(ops.release(Release(SHOP, "A1", "looked at", "bob"), NOW + 50))
    assert " ".join(where for where, _ in yard.sent()) == told.replace("?", "")


def test_one_parcel_that_is_with_the_carrier_does_not_withdraw_the_other(context, order):
    """As it would an order that goes whole."""
    yard = Yard(context, order, shop(), text("v1", "nearest", split("stock")))
    yard.counted(("hangzhou", "SHIRT", 5), ("guangzhou", "SHIRT", 1), ("attic", "SHIRT", 0))
    yard.buy(("SHIRT", 2), ("CUP", 1))
    (leased,) = yard.store.lease(now=NOW + DAY_US, until=NOW + 2 * DAY_US, owner="me", limit=9)
    yard.store.finish([Finished(leased, "done", NOW + DAY_US, "")], owner="me", now=NOW + DAY_US)
    yard.tell(E.PARTLY_SHIPPED, E.COLLECTED)
    assert yard.sent() == [("hangzhou.", {"SHIRT": 2}), ("hangzhou?", {"CUP": 1})]
    assert rows(context, "SELECT fulfilment FROM orders") == [("partly_shipped",)]
    yard.say(ops.release(Release(SHOP, "A1", "it has come", "bob"), NOW + 50))
    assert yard.sent() == [("hangzhou.", {"SHIRT": 2}), ("hangzhou", {"CUP": 1})]


@pytest.mark.parametrize(
    ("handed_over", "word", "goes"),
    [(True, E.PARTLY_SHIPPED, True), (True, E.SHIPPED, False), (False, E.PARTLY_SHIPPED, False)],
)
def test_the_rest_goes_by_itself_unless_it_may_have_left_already(context, order, handed_over, word, goes):
    yard = Yard(context, order, shop(), text("v1", "hangzhou", split("stock")))
    yard.counted(("hangzhou", "SHIRT", 5))
    yard.buy(("SHIRT", 2), ("CUP", 1))
    if handed_over:
        (leased,) = yard.store.lease(now=NOW + DAY_US, until=NOW + 2 * DAY_US, owner="me", limit=9)
        yard.store.finish([Finished(leased, "done", NOW + DAY_US, "")], owner="me", now=NOW + DAY_US)
    yard.tell(word)
    assert yard.counted(("hangzhou", "CUP", 3)).let_go == goes
    assert yard.sent()[1] == ("hangzhou" if goes else "hangzhou?", {"CUP": 1})


@pytest.mark.parametrize("limit", [1, 100], ids=["one by one", "in one batch"])
def test_a_line_that_changes_changes_in_its_own_parcel(context, order, limit):
    yard = Yard(
        context, order, shop(), text("v1", "hangzhou", GIFT.replace("total >= 1", "sku = CUP") + split("category"))
    )
    more = [(sku, pieces + 3, kind) for sku, pieces, kind in TWO]
    yard.say(yard.basket("A1", *TWO), yard.basket("A1", *more, at=NOW + 5, events=()), limit=limit)
    assert yard.sent() == [("hangzhou", {"SHIRT": 4, "SOCKS": 4}), ("hangzhou", {"CUP": 5, "FREE-1": 1})]


@pytest.mark.parametrize("limit", [1, 100], ids=["one by one", "in one batch"])
def test_other_lines_are_a_persons_to_look_at_and_none_is_lost(context, order, limit):
    yard = Yard(context, order, shop(), text("v1", "hangzhou", split("sku")))
    yard.say(
        yard.basket("A1", *TWO), yard.basket("A1", TWO[0], ("HAT", 7), events=(), at=NOW + 5),
        yard.basket("A1", TWO[0], ("HAT", 7), TWO[2], ("TIE", 1), events=(), at=NOW + 6), limit=limit,
    )  # fmt: skip
    assert yard.sent() == [
        ("hangzhou?", {"SHIRT": 1}),
        ("hangzhou?", {"HAT": 7}),
        ("hangzhou?", {"SOCKS": 1}),
        ("hangzhou?", {"TIE": 1}),
    ]
    assert {note for _, _, note, _ in yard.parcels()} == {
        "its lines changed after it was split: what goes in which parcel?"
    }


@pytest.mark.parametrize("let_go", [True, False], ids=["let go", "not yet"])
def test_a_line_that_comes_after_parcels_were_handed_over_goes_in_one_of_its_own(context, order, let_go):
    yard = Yard(context, order, shop(), text("v1", "hangzhou", split("sku")))
    yard.buy(*TWO[:2])
    leased = yard.store.lease(now=NOW + DAY_US, until=NOW + 2 * DAY_US, owner="me", limit=1)
    yard.store.finish([Finished(one, "done", NOW + DAY_US, "") for one in leased], owner="me", now=NOW + DAY_US)
    yard.say(yard.basket("A1", *TWO[:2], ("TIE", 1), events=(), at=NOW + 5))
    if let_go:
        yard.say(ops.release(Release(SHOP, "A1", "the buyer wants it so", "ann"), NOW + 50))
    there = "hangzhou" if let_go else "hangzhou?"
    assert sorted(yard.sent(), key=str) == sorted(
        [("hangzhou.", leased_of(leased)), *((there, {sku: pieces}) for sku, pieces in
         {"SHIRT": 1, "CUP": 2, "TIE": 1}.items() if {sku: pieces} != leased_of(leased))], key=str
    )  # fmt: skip
    assert rows(context, "SELECT decided FROM orders") == [(3,)]
    assert not list(lost.parcels(context.store))


def leased_of(leased):
    (one,) = leased
    return {line.sku: line.quantity for line in effects.decode(one.payload).lines}


@pytest.mark.parametrize("seed", range(12))
def test_whatever_lines_come_and_go_each_is_in_one_parcel_and_batches_do_not_matter(tmp_path, order, seed):
    """Lines are added, taken away and changed, the order is cancelled meanwhile, or not."""
    dice = random.Random(seed)
    said, lines = [], dict.fromkeys(range(1, dice.randint(3, 5)), 1)
    for at in range(6):
        said.append((at, dict(lines), dice.random() < 0.1 and at > 0))
        for _ in range(dice.randint(1, 2)):
            number = dice.randint(1, 8)
            lines = {**lines, number: dice.randint(1, 3)} if dice.random() < 0.7 else lines
            lines = {no: n for no, n in lines.items() if no != number or dice.random() < 0.8} or lines
    found = []
    for limit in (1, 2, 100):
        with a_hub(tmp_path / str(limit)) as context:
            yard = Yard(context, order, shop(), text("v1", "hangzhou", GIFT + split("sku")))
            yard.say(*(stated(yard, *one) for one in said), limit=limit)
            # What had held a parcel before it was withdrawn, its note goes on to say.
            told = [
                (asked.parcel, asked.parcels, note.partition("; before")[0], asked.lines, state)
                for _, state, note, asked in yard.parcels()
            ]
            found.append((told, rows(context, "SELECT line_no, parcel, warehouse FROM splits ORDER BY line_no")))
            assert not list(lost.parcels(context.store))
            in_parcels = sorted((line.sku, line.quantity) for _, _, _, goods, _ in told for line in goods)
            there = rows(context, "SELECT sku, quantity FROM lines WHERE deleted_at IS NULL")
            assert in_parcels == sorted(there)
    assert found[0] == found[1] == found[2]


def stated(yard, at, lines, cancelled):
    """All lines of the order, by their numbers."""
    content = Content(
        total_minor=10_000, paid_minor=10_000, province="浙江省",
        lines=tuple(Line(number, f"S{number}", quantity=pieces) for number, pieces in sorted(lines.items())),
    )  # fmt: skip
    events = (E.PLACED, E.PAID) if not at else (E.CANCELLED,) if cancelled else ()
    return with_content(yard._order("A1", *events, at=NOW + at), content)


def test_numbers_of_orders_may_look_like_those_of_parcels(context, order):
    yard = Yard(context, order, shop(), text("v1", "hangzhou", split("category")))
    for name in ("A1", "A1:2", "2:A1"):
        assert len(yard.buy(*TWO, name=name)) == 2
    assert rows(context, "SELECT count(*) FROM outbox") == [(6,)]


def test_a_shadow_tells_the_parcels_and_sends_none(context, order):
    yard = Yard(context, order, shop(), text("v1", "hangzhou"))
    yard.editions.save(text("v2", "hangzhou", split("category")), by="ann")
    yard.editions.change("shadow", "v2", by="ann")
    assert len(yard.buy(*TWO)) == 1
    assert rows(context, "SELECT quantity FROM decisions WHERE shadow = 1 AND action = 'split'") == [(2,)]
    assert rows(context, "SELECT count(*) FROM splits") == [(0,)]


def test_several_workers_at_once_split_without_giving_anything_twice(context, order, home):
    yard = Yard(context, order, shop(), text("v1", "nearest", split("stock")))
    yard.counted(("hangzhou", "A", 60), ("guangzhou", "B", 40), ("attic", "C", 0))
    yard._receive([yard.basket(f"C{number}", ("A", 1), ("B", 1)) for number in range(80)])

    def work():
        store = homes.open_store(home)
        try:
            drain(yard.context._replace(store=store), 15, patience=2_000)
        finally:
            store.close()

    with ThreadPoolExecutor(3) as workers:
        for done in [workers.submit(work) for _ in range(3)]:
            done.result()
    drain(yard.context, 100)
    ledger_is_whole(context)
    sent = [yard.sent(f"C{number}") for number in range(80)]
    whole = [("hangzhou", {"A": 1}), ("guangzhou", {"B": 1})]
    partly = [("hangzhou", {"A": 1}), ("hangzhou?", {"B": 1})]
    nothing = [("hangzhou?", {"A": 1, "B": 1})]
    assert [sent.count(way) for way in (whole, partly, nothing)] == [40, 20, 20]
    found = reproduce(yard.context, *EVER)
    assert (found.differences, found.same) == ([], 80)


@contextmanager
def a_dock(monkeypatch):
    """A pretend warehouse on a loopback port, and settings that lead there."""
    monkeypatch.setenv("DOCK_SECRET", "a secret of some length")
    dock = Dock("hangzhou", secret="a secret of some length")
    config = uvicorn.Config(
        Starlette(routes=dock.routes()), host="127.0.0.1", port=0, log_level="critical", ws="none", lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    place = WarehouseSettings("hangzhou", "dock", url=f"http://127.0.0.1:{port}", secret_env="DOCK_SECRET")
    try:
        yield dock, Settings(shops=(Endpoint(SHOP, "douyin"),), warehouses=(place,), time_zone="UTC")
    finally:
        server.should_exit = True
        thread.join(timeout=10)


def test_every_parcel_reaches_its_warehouse_once_though_a_worker_dies_between_them(context, order, monkeypatch):
    with a_dock(monkeypatch) as (dock, settings):
        yard = Yard(context, order, settings, text("v1", "hangzhou", split("sku")))
        yard.buy(*TWO)
        targets = Targets(settings, lambda name: None, lambda said: None)
        # The first worker hands two over, and dies before it can say so of the second.
        now = NOW + DAY_US
        first, second = yard.store.lease(now=now, until=now + SECOND, owner="dead", limit=2)
        for leased in (first, second):
            targets.perform(effects.decode(leased.payload), leased.key)
        yard.store.finish([Finished(first, "done", now, "")], owner="dead", now=now)
        results = dispatch(
            yard.store, targets.perform, gates=Gates({}, lambda: 0.0), clock=lambda: now + 2 * SECOND,
            leases=lambda: now + 2 * SECOND, owner="me",
            dice=random.Random(1), limit=10, attempts=8,
        )  # fmt: skip
        assert [one.state for one in results] == ["done", "done"]
        held = {parcel: told for (_, _, parcel), told in dock.orders.items()}
        assert {n: (told["parcels"], [line["sku"] for line in told["lines"]]) for n, told in held.items()} == {
            1: (3, ["SHIRT"]), 2: (3, ["CUP"]), 3: (3, ["SOCKS"])
        }  # fmt: skip
        assert [where for where, _ in yard.sent()] == ["hangzhou."] * 3


NARROW = ("xy", ("hangzhou", "guangzhou"))
WIDE = ("xyz", ("hangzhou", "guangzhou", "attic"))
"""Kinds of goods, and who reports stock: who does not has all of it."""


def some_days(yard, dice, limit, world=NARROW):
    (kinds, reporting), skus = world, ["A", "B", "C"]
    for step in range(50):
        what = dice.random()
        if what < 0.6:
            wanted = [(sku, dice.choice([1, 2, 4]), dice.choice(kinds)) for sku in skus if dice.random() < 0.7]
            about = {"province": dice.choice(["浙江省", "广东省"]), "total": dice.choice([1, 2, 3]) * 10_000}
            yard._receive([yard.basket(f"B{step}", *(wanted or [("A", 1)]), **about)])
        elif what < 0.75:
            yard.counted(*((place, sku, dice.randrange(9)) for place in reporting for sku in skus))
        elif what < 0.85:
            name = f"B{dice.randrange(step + 1)}"
            relined = [(sku, dice.choice([1, 3])) for sku in dice.sample(skus, 2)]
            yard._receive([yard.basket(name, *relined, events=(), at=NOW + step)])
        else:
            yard.news(f"B{dice.randrange(50)}", dice.choice([E.CANCELLED, E.PARTLY_SHIPPED, E.PARTLY_REFUNDED]))
        if dice.random() < 0.4:
            drain(yard.context, limit)
    drain(yard.context, limit)


RULES = (
    split("stock", "total < 150", "small")
    + split("warehouse", "total >= 150 and total < 250", "middling")
    + split("category", "total >= 250", "dear")
    + GIFT.replace("total >= 1", "sku = A")
)


def allowing(most):
    """RULES, of which none makes more parcels of an order."""
    return re.sub(r"split (\w+)", rf"split \1 at most {most}", RULES)


def everything_is_sent_once(context):
    """By plain counting: all parcels of an order together are its lines, numbered from 1 to as many as it has."""
    lines = {}
    for name, sku, pieces in rows(
        context, "SELECT order_no, sku, l.quantity FROM lines l JOIN orders USING (order_id) WHERE l.deleted_at IS NULL"
    ):
        lines.setdefault(name, Counter())[sku] += pieces
    sent, numbers = {}, {}
    for name, payload in rows(
        context, "SELECT order_no, payload FROM outbox JOIN orders USING (order_id) WHERE key LIKE 'push%'"
    ):
        asked = effects.decode(payload)
        numbers.setdefault(name, []).append((asked.parcel, asked.parcels))
        for line in asked.lines:
            sent.setdefault(name, Counter())[line.sku] += line.quantity
    for name, own in sent.items():
        assert own == lines[name], name
    several = 0
    for told in numbers.values():
        assert sorted(told) == [(n, len(told)) for n in range(1, len(told) + 1)]
        several += len(told) > 1
    assert several > 3, "some were split"


@pytest.mark.parametrize(
    ("rules", "world", "seed", "most"),
    [
        *((RULES, NARROW, seed, 2) for seed in range(4)),
        (RULES, WIDE, 4, 3),
        (allowing(2), WIDE, 4, 2),
    ],
)
def test_in_whatever_batches_all_of_it_is_sent_once_and_is_decided_once_more(order, tmp_path, rules, world, seed, most):
    known = []
    for limit in (1, 3, 100):
        with a_hub(tmp_path / str(limit)) as context:
            yard = Yard(context, order, shop(hangzhou=20), text("v1", "nearest", rules))
            some_days(yard, random.Random(seed), limit, world)
            everything_is_sent_once(context)
            assert rows(context, "SELECT max(quantity) FROM decisions WHERE action = 'split'") == [(most,)]
            ledger_is_whole(context)
            known.append(
                rows(context, "SELECT key, target, state, payload, o.note FROM outbox o ORDER BY key")
                + rows(context, "SELECT * FROM splits ORDER BY order_id, line_no")
            )
            found = reproduce(yard.context, *EVER)
            assert (found.differences, found.same) == ([], found.orders)
    assert known[0] == known[1] == known[2]


def test_a_number_that_no_order_comes_to_changes_nothing(order, tmp_path):
    known = []
    for number, rules in enumerate((RULES, allowing(10), allowing(4))):
        with a_hub(tmp_path / str(number)) as context:
            yard = Yard(context, order, shop(hangzhou=20), text("v1", "nearest", rules))
            some_days(yard, random.Random(4), 3, WIDE)
            known.append(
                rows(context, "SELECT key, target, state, payload FROM outbox ORDER BY key")
                + rows(context, "SELECT * FROM splits ORDER BY order_id, line_no")
                + rows(context, "SELECT order_id, action, quantity FROM decisions ORDER BY order_id, place")
            )
    assert known[0] == known[1] == known[2]


@pytest.mark.parametrize(("rules", "seed"), [(RULES, 0), (RULES, 1), (allowing(2), 2), (allowing(3), 3)])
def test_who_asks_of_a_file_is_told_the_parcels_that_the_hub_makes(context, order, rules, seed):
    """`rules explain --questions` over the same orders and stock, and the lab, as far as lines decide."""
    dice, skus = random.Random(seed), ["A", "B", "C"]
    settings, rules = shop(), text("v1", "nearest", rules).replace('otherwise = "assign nearest"', ROUTES)
    yard = Yard(context, order, settings, rules)
    stock = [
        (place, sku, dice.randrange(12)) for place in ("hangzhou", "guangzhou", "attic") for sku in (*skus, "FREE-1")
    ]
    yard.counted(*stock)
    for number in range(25):
        wanted = [(sku, dice.choice([1, 2, 4]), dice.choice("xy")) for sku in skus if dice.random() < 0.7]
        about = {"province": dice.choice(["浙江省", "广东省"]), "total": dice.choice([1, 2, 3, 4]) * 10_000}
        yard.buy(*(wanted or [("A", 1)]), name=f"B{number:02}", at=NOW + number, **about)
    orders = pl.DataFrame(
        rows(context, "SELECT order_id, order_no, total_minor, paid_at, province FROM orders ORDER BY order_id"),
        schema={"order_id": pl.Int64, "order_no": pl.String, "total_minor": pl.Int64, "paid_at": pl.Int64,
                "province": pl.String}, orient="row",
    ).with_columns(pl.col("paid_at").cast(INSTANT))  # fmt: skip
    bought = pl.DataFrame(
        [row for row in context.store.line_rows(orders["order_id"]) if row[1] < 1_000], schema=LINES, orient="row"
    )
    decisions = decide(orders, bought, rulebook.usable(rules, "these"))
    known = turn.Known(
        pl.DataFrame([(*row, 0) for row in stock], schema=STOCK, orient="row"), places(settings).warehouses
    )
    live = {row[:2]: row[2:] for row in context.store.split_rows(orders["order_id"])}
    fates = {
        number: (warehouse, state, decided)
        for number, warehouse, state, decided in rows(
            context,
            "SELECT o.order_id, warehouse, state, decided FROM orders o"
            " JOIN outbox e ON e.key = 'push:shop-1:' || order_no",
        )
    }
    book = rulebook.usable(rules, "these")
    told = splits(compare(Index(orders, bought, zone=book.zone), Rulebook(zone=book.zone), book))
    by_kind = told.filter(pl.col("how").str.starts_with("category"))["parcels_after"].to_list()
    ways = dict(rows(context, "SELECT order_id, argument FROM decisions WHERE action = 'split'"))
    assert by_kind == [sum(fates[number][2] for number, way in ways.items() if way.startswith("category"))]
    several = 0
    for number in orders["order_id"]:
        case = turn.case(number, located(orders), bought, decisions, known, zone="UTC")
        warehouse, state, parcels = fates[number]
        several += parcels > 1
        for line_no, place, parcel in case.goes.select("line_no", "warehouse", "parcel").iter_rows():
            if state == "person":
                assert (parcel, place) == (None, None), "it takes nothing, and all of it waits"
            elif parcel is None:
                assert live[number, line_no][0] == parcels, "the rest, which waits"
            else:
                assert live.get((number, line_no), (1, warehouse)) == (parcel, place)
    assert several > 3


ROUTES = """otherwise = "assign nearest"
[[groups.rules]]
name = "very-dear"
when = "total >= 400"
then = "assign guangzhou"
"""
