"""An order whose buyer asks for another address, or has got one: it goes nowhere before it is known where to."""

from __future__ import annotations

import pytest
from held_desk import BASES, Desk
from reading import rows
from versions import GIFT, NOW

from orderhub_core.flows.absorb import drain
from orderhub_core.flows.doubts import READDRESSED, REFUNDED, WANTED_BACK
from orderhub_core.model import Event as E
from orderhub_core.store.statements import HANDED_OVER

ASKED, SETTLED = E.ADDRESS_CHANGE_REQUESTED, E.ADDRESS_CHANGE_SETTLED
SECOND = 1_000_000
DEAR = "rule dear holds it: risk"


@pytest.fixture
def desk(context, order):
    return Desk(context, order)


def hear(desk, name, *said, limit=100):
    """Each of `said`: seconds since the order was stated, its events, and whether it states its receiver again."""
    for after, events, whole in said:
        at = NOW + after * SECOND
        desk._receive([desk._order(name, *events, at=at, total=20_000 if whole else 0)])
    drain(desk.context, limit)


@pytest.mark.parametrize("limit", [1, 100])
def test_an_order_waits_for_a_person_while_another_address_is_asked_for(desk, limit):
    name, other = desk.orders(2)
    hear(desk, name, (10, (ASKED,), False), (20, (), True), limit=limit)
    desk.push()
    assert (desk.pushed, desk.effect()) == ([f"push:shop-1:{other}"], ("person", 0, READDRESSED))
    desk.holds.release(name, reason="the old address stays", by="ann")
    hear(desk, name, (10, (ASKED,), False), (30, (), True), limit=limit)
    desk.push()
    assert desk.pushed == [f"push:shop-1:{other}", f"push:shop-1:{name}"]


def test_an_order_that_is_first_heard_of_then_is_decided_and_held(desk):
    desk.first_of("A1", E.PLACED, E.PAID, ASKED)
    desk.push()
    assert (desk.pushed, desk.effect()) == ([], ("person", 0, READDRESSED))
    assert rows(desk.context, "SELECT sku FROM lines WHERE rule <> ''") == [("FREE-1",)]


@pytest.mark.parametrize("limit", [1, 100])
@pytest.mark.parametrize("asked", [True, False], ids=["asked", "unasked"])
def test_it_goes_once_the_receiver_is_stated_as_of_the_change(desk, asked, limit):
    (name,) = desk.orders()
    hear(desk, name, *[(10, (ASKED,), False)] * asked, (20, (SETTLED,), False), (19, (), True), limit=limit)
    desk.push()
    assert (desk.pushed, desk.effect()) == ([], ("person", 0, READDRESSED))
    hear(desk, name, (20, (), True), limit=limit)
    desk.push()
    assert desk.pushed == [f"push:shop-1:{name}"]


def test_it_goes_where_the_new_receiver_was_known_before_the_change_was_told(desk):
    (name,) = desk.orders()
    hear(desk, name, (10, (ASKED,), False), (20, (), True))
    assert desk.effect()[0] == "person"
    hear(desk, name, (20, (SETTLED,), False))
    desk.push()
    assert desk.pushed == [f"push:shop-1:{name}"]


def test_whoever_said_once_that_it_goes_is_asked_anew_by_the_next_request(desk):
    (name,) = desk.orders()
    hear(desk, name, (10, (ASKED,), False))
    desk.holds.release(name, reason="the old address stays", by="ann")
    hear(desk, name, (30, (ASKED,), False))
    desk.push()
    assert (desk.pushed, desk.effect()[0]) == ([], "person")


def test_a_case_keeps_it_when_its_address_is_known_again(desk):
    (name,) = desk.orders()
    hear(desk, name, (10, (E.AFTER_SALE_APPLIED,), False), (11, (ASKED,), False), (20, (SETTLED,), True))
    desk.push()
    assert (desk.pushed, WANTED_BACK in desk.effect()[2]) == ([], True)


@pytest.mark.parametrize("limit", [1, 100])
@pytest.mark.parametrize(
    "events",
    [
        (E.AFTER_SALE_APPLIED, ASKED, E.AFTER_SALE_CLOSED, SETTLED),
        (ASKED, E.AFTER_SALE_APPLIED, E.AFTER_SALE_CLOSED, SETTLED),
        (E.AFTER_SALE_APPLIED, ASKED, SETTLED, E.AFTER_SALE_CLOSED),
        (E.AFTER_SALE_APPLIED, E.AFTER_SALE_CLOSED, ASKED, SETTLED),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("let_go", [False, True], ids=["", "let go before"])
def test_what_is_over_keeps_it_no_more_whatever_else_kept_it(desk, events, limit, let_go):
    (name,) = desk.orders()
    if let_go:
        hear(desk, name, (5, (E.AFTER_SALE_APPLIED,), False), (6, (ASKED,), False))
        desk.holds.release(name, reason="the old address stays", by="ann")
    hear(desk, name, *[(after, (event,), event is SETTLED) for after, event in enumerate(events, 10)], limit=limit)
    desk.push()
    assert desk.pushed == [f"push:shop-1:{name}"]


BOTH_ENDS = [((E.AFTER_SALE_CLOSED,), (SETTLED,)), ((SETTLED,), (E.AFTER_SALE_CLOSED,))]


@pytest.mark.parametrize("limit", [1, 100])
@pytest.mark.parametrize("ends", BOTH_ENDS, ids=["the case first", "the address first"])
@pytest.mark.parametrize(
    ("more", "left"),
    [("", ""), ('\n[[groups.rules]]\nname = "dear"\nwhen = "total >= 10"\nthen = "hold risk"\n', DEAR)],
    ids=["", "held by a rule"],
)
@pytest.mark.parametrize("first", [True, False], ids=["first heard of with both", "decided before"])
def test_two_that_are_over_keep_it_no_more_however_it_was_heard_of(context, order, first, more, left, ends, limit):
    desk = Desk(context, order, more=GIFT + more)
    both = (E.AFTER_SALE_APPLIED, ASKED)
    told = [(0, (E.PLACED, E.PAID, *both), True)] if first else [(0, (E.PLACED, E.PAID), True), (5, both, False)]
    hear(
        desk,
        "A1",
        *told,
        *[(after, end, SETTLED in end) for after, end in zip((10, 20), ends, strict=True)],
        limit=limit,
    )
    assert desk.effect() == ("person" if left else "waiting", 0, left)


@pytest.mark.parametrize("limit", [1, 100])
def test_a_reason_that_is_over_is_no_more_told_as_the_newest(desk, limit):
    (name,) = desk.orders()
    hear(desk, name, (5, (E.PARTLY_REFUNDED,), False), (10, (ASKED,), False), (20, (SETTLED,), True), limit=limit)
    assert desk.effect() == ("person", 0, REFUNDED)


def test_what_is_told_again_and_again_since_a_word_is_over_once(desk):
    (name,) = desk.orders()
    hear(desk, name, (5, (ASKED,), False))
    desk.holds.release(name, reason="the old address stays", by="ann")
    for after, event in enumerate((E.AFTER_SALE_APPLIED, ASKED, E.RETURN_AGREED, ASKED, E.AFTER_SALE_CLOSED), 10):
        hear(desk, name, (after, (event,), False))
    hear(desk, name, (20, (SETTLED,), True))
    desk.push()
    assert desk.pushed == [f"push:shop-1:{name}"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ([(10, (ASKED,), False)], True),
        ([(20, (SETTLED,), False)], True),
        ([(20, (SETTLED,), True)], True),
        ([(10, (E.SHIPPED,), False), (20, (ASKED,), False)], False),
    ],
    ids=["asked", "changed", "changed and stated", "left before"],
)
def test_who_has_the_order_already_is_to_hear_of_it_while_it_is_there(desk, said, told):
    (name,) = desk.orders()
    desk.push()
    hear(desk, name, *said)
    assert [held.note for held in desk.holds.kept()] == [f"{HANDED_OVER}; {READDRESSED}"] * told
    if told:
        desk.holds.close(name, reason="the label is another", by="ann")
        hear(desk, name, (30, (), True))
        assert desk.holds.kept() == []


def test_what_has_to_be_made_is_made_meanwhile(context, order):
    desk = Desk(context, order, BASES, GIFT.replace("gift FREE-1", "work_order suzhou"))
    (name,) = desk.orders()
    desk.first_of("B1", E.PLACED, E.PAID, ASKED)
    hear(desk, name, (10, (ASKED,), False))
    desk.push()
    assert sorted(desk.pushed) == ["work:shop-1:A1", "work:shop-1:B1"]
