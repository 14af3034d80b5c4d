"""Rules on parcels, live: each parcel of an order is marked by what is in it and where it leaves from."""

from __future__ import annotations

import msgspec
import pytest
from reading import rows
from test_parcels_live import TWO, Yard, split
from test_stock_live import shop, with_content
from versions import NOW, text

from orderhub_core.errors import UserMistake
from orderhub_core.flows.reproduce import reproduce
from orderhub_core.flows.retelling import life
from orderhub_core.model import Content, Line
from orderhub_core.model import Event as E
from orderhub_core.store.known import KnownFrames

EVER = (0, 1 << 62)


def on_parcels(*rules, match="all", otherwise=""):
    told = f'[[parcels]]\nname = "marks"\nmatch = "{match}"\n' + (f'otherwise = "{otherwise}"\n' if otherwise else "")
    for number, (when, then) in enumerate(rules, 1):
        told += f"[[parcels.rules]]\nname = \"p-{number}\"\nwhen = '{when}'\nthen = '{then}'\n"
    return told


def on_orders(*rules):
    told = '[[groups]]\nname = "of-orders"\nmatch = "all"\n'
    for number, (when, then) in enumerate(rules, 1):
        told += f"[[groups.rules]]\nname = \"o-{number}\"\nwhen = '{when}'\nthen = '{then}'\n"
    return told


class Shop(Yard):
    def anew(self, *lines):
        """The order's lines as they are now."""
        content = Content(total_minor=10_000, paid_minor=10_000, province="浙江省", lines=lines)
        return with_content(self._order("A1", E.PLACED, E.PAID, at=NOW + 9), content)


def marks(yard, name="A1"):
    """Of each parcel its carrier, tags and points."""
    return [(one.marks.carrier, one.marks.tags, one.marks.priority) for *_, one in yard.parcels(name)]


def test_each_parcel_is_marked_by_what_is_in_it(context, order):
    book = on_parcels(
        ("category = cup", "carrier sf; tag FRAGILE; priority 50"),
        ("every line (category = shirt)", "tag SOFT"),
        ("total_quantity >= 2 and parcels = 2", "priority 7"),
    )
    yard = Shop(context, order, shop(), text("v1", "hangzhou", split("category") + book))
    assert yard.buy(*TWO) == [("hangzhou", {"SHIRT": 1, "SOCKS": 1}), ("hangzhou", {"CUP": 2})]
    assert marks(yard) == [("", ("SOFT",), 7), ("sf", ("FRAGILE",), 57)]
    told = rows(context, "SELECT rule, action, argument, parcel FROM decisions WHERE parcel > 0 ORDER BY place")
    assert told == [
        ("p-2", "tag", "SOFT", 1), ("p-3", "priority", "7", 1),
        ("p-1", "carrier", "sf", 2), ("p-1", "tag", "FRAGILE", 2), ("p-1", "priority", "50", 2),
        ("p-3", "priority", "7", 2),
    ]  # fmt: skip
    logged = rows(context, "SELECT event, detail FROM log WHERE event = 'rule.carrier'")
    assert [(event, msgspec.json.decode(detail)) for event, detail in logged] == [
        ("rule.carrier", {"rule": "p-1", "version": "v1", "parcel": 2})
    ]
    ((reason,),) = rows(context, "SELECT reason FROM decisions WHERE action = 'carrier'")
    assert reason.startswith("some line: category = cup")


def test_the_life_of_an_order_tells_of_which_parcel_a_rule_spoke_and_why(context, order, tmp_path):
    book = on_parcels(("category = cup", "tag X"), ("category = shirt", "tag X"), match="first")
    yard = Shop(context, order, shop(), text("v1", "hangzhou", split("category") + book))
    yard.buy(*TWO)
    orders, events = map(KnownFrames(yard.store, tmp_path).frame, ("orders", "events"))
    told = [
        (msgspec.json.decode(entry["detail"])["parcel"], entry["reason"])
        for entry in life(yard.store, orders, events.filter(events["order_id"] > 0))
        if entry["event"] == "rule.tag"
    ]
    assert [(parcel, reason.partition(" (")[0]) for parcel, reason in told] == [
        (1, "some line: category = shirt"), (2, "some line: category = cup"),
    ]  # fmt: skip


def test_a_carrier_of_the_warehouse_that_a_parcel_leaves_from_comes_before_the_orders(context, order):
    book = on_orders(("total >= 1", "carrier zto; tag ALL; priority 1"))
    book += on_parcels(("warehouse = guangzhou", "carrier sf"), ("发货仓 = hangzhou", "tag NORTH"), match="first")
    yard = Shop(context, order, shop(), text("v1", "nearest", split("warehouse") + book))
    yard.counted(("hangzhou", "SHIRT", 9), ("hangzhou", "SOCKS", 9), ("guangzhou", "CUP", 9), ("attic", "CUP", 0))
    assert sorted(where for where, _ in yard.buy(*TWO)) == ["guangzhou", "hangzhou"]
    of = {asked.warehouse: asked.marks for *_, asked in yard.parcels()}
    assert (of["guangzhou"].carrier, of["guangzhou"].tags, of["guangzhou"].priority) == ("sf", ("ALL",), 1)
    assert (of["hangzhou"].carrier, of["hangzhou"].tags, of["hangzhou"].priority) == ("zto", ("ALL", "NORTH"), 1)


@pytest.mark.parametrize("limit", [1, 100])
def test_what_was_said_of_a_parcel_stays_with_it_when_its_lines_change(context, order, limit):
    book = on_parcels(("category = cup", "carrier sf"), match="first", otherwise="tag REST")
    yard = Shop(context, order, shop(), text("v1", "hangzhou", split("category") + book))
    yard.buy(*TWO, limit=limit)
    lines = (Line(1, "SHIRT", category="shirt"), Line(2, "CUP", quantity=3, category="cup"), Line(4, "SAUCER"))
    yard.say(yard.anew(*lines))
    told = [(where.rstrip("?"), goods) for where, goods in yard.sent()]
    assert told == [("hangzhou", {"SHIRT": 1}), ("hangzhou", {"CUP": 3}), ("hangzhou", {"SAUCER": 1})]
    # On what came later in a parcel of its own no rule has spoken.
    assert marks(yard) == [("", ("REST",), 0), ("sf", (), 0), ("", (), 0)]


def test_an_order_that_goes_whole_is_one_parcel(context, order):
    book = on_parcels(("parcels = 1 and warehouse = hangzhou and total_quantity = 4", "carrier sf"))
    yard = Shop(context, order, shop(), text("v1", "hangzhou", book))
    yard.buy(*TWO)
    assert marks(yard) == [("sf", (), 0)]
    assert "parcel" not in msgspec.json.decode(
        rows(context, "SELECT detail FROM log WHERE event = 'rule.carrier'")[0][0]
    )


def test_a_book_of_nothing_but_rules_on_parcels_decides_too(context, order):
    yard = Shop(context, order, shop(), text("v1", "hangzhou"))
    yard.editions.save('version = "v2"\n' + on_parcels(("total >= 1", "tag SEEN")), by="ann")
    with pytest.raises(UserMistake, match="it has no rule on orders: parcels are marked, and orders go nowhere"):
        yard.editions.change("publish", "v2", by="ann")
    yard.editions.change("publish", "v2", by="ann", anyway=True)
    assert yard.buy(*TWO) == []
    assert rows(context, "SELECT version, action, argument, parcel FROM decisions") == [("v2", "tag", "SEEN", 1)]


def test_what_was_decided_of_parcels_is_decided_the_same_once_more(context, order):
    book = on_orders(("total >= 1", "carrier zto"))
    book += on_parcels(
        ("category = cup and buyer_orders = 0", "carrier sf"), ("warehouse = hangzhou and sku_stock < 100", "tag LOW")
    )
    yard = Shop(context, order, shop(), text("v1", "nearest", split("warehouse") + book))
    yard.counted(
        ("hangzhou", "SHIRT", 9),
        ("hangzhou", "SOCKS", 9),
        ("hangzhou", "CUP", 1),
        ("guangzhou", "CUP", 50),
        ("attic", "CUP", 0),
    )
    for name, buyer in (("A1", "ann"), ("A2", "ann"), ("A3", "bob")):
        yard.buy(*TWO, name=name, buyer=buyer)
    noted = rows(context, "SELECT count(*) FROM decisions WHERE parcel > 0")
    assert noted[0][0] >= 3
    again = reproduce(yard.context, *EVER)
    assert (again.orders, again.same, again.differences) == (3, 3, [])


def test_a_trial_notes_what_it_would_say_of_parcels_and_does_nothing(context, order):
    yard = Shop(context, order, shop(), text("v1", "hangzhou", split("category")))
    trial = text("v2", "hangzhou", split("category") + on_parcels(("category = cup", "carrier sf")))
    yard.editions.save(trial, by="ann")
    yard.editions.change("shadow", "v2", by="ann")
    yard.buy(*TWO)
    assert marks(yard) == [("", (), 0), ("", (), 0)]
    assert rows(context, "SELECT version, action, argument, parcel FROM decisions WHERE shadow = 1 AND parcel > 0") == [
        ("v2", "carrier", "sf", 2)
    ]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (
            ("total >= 1", "assign hangzhou"),
            "assign \\(分仓\\) cannot be done to one parcel of an order; what can: carrier",
        ),
        (("total >= 1", "hold review"), r"hold \(挂起\) cannot be done to one parcel"),
        (("parcel = 1", "tag X"), "parcels"),
    ],
)
def test_a_rule_that_no_parcel_can_follow_never_gets_in(context, order, rule, told):
    yard = Shop(context, order, shop(), text("v1", "hangzhou"))
    with pytest.raises(UserMistake, match=told):
        yard.editions.save(text("v2", "hangzhou", on_parcels(rule)), by="ann")


def test_what_only_parcels_have_is_refused_of_orders(context, order):
    yard = Shop(context, order, shop(), text("v1", "hangzhou"))
    with pytest.raises(
        UserMistake, match=r"parcels \(包裹数\) is known of parcels only: put the rule in a group `\[\[parcels\]\]`"
    ):
        yard.editions.save(text("v2", "hangzhou", on_orders(("parcels >= 2", "tag X"))), by="ann")
