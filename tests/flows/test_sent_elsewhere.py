"""What is said to have left before the hub was done with it is not sent a second time, and what the buyer wants back
once more is told once more."""

from __future__ import annotations

import pytest
from held_desk import BASES, SPLIT, Desk, down
from versions import GIFT

from orderhub_core.flows.absorb import drain
from orderhub_core.flows.away import CARRIED, SHIPPED
from orderhub_core.flows.doubts import WANTED_BACK
from orderhub_core.model import Event as E
from orderhub_core.store.statements import HANDED_OVER

LEFT = [(E.SHIPPED, SHIPPED), (E.COLLECTED, CARRIED), (E.OUT_FOR_DELIVERY, CARRIED)]
HELD = GIFT.replace("gift FREE-1", "hold risk")


@pytest.fixture
def desk(context, order):
    return Desk(context, order)


@pytest.mark.parametrize(("event", "why"), LEFT)
def test_what_was_tried_and_has_left_is_not_tried_once_more(desk, event, why):
    """Its people may have sent it by hand while the warehouse did not answer."""
    (name,) = desk.orders()
    desk.push(down)
    desk.say(name, event)
    desk.push()
    assert (desk.pushed, desk.effect()) == ([], ("person", 1, f"{why}; before: no answer"))
    desk.holds.release(name, reason="that was another parcel", by="ann", again=True)
    desk.say(name, total=20_001)
    desk.push()
    assert desk.pushed == ["push:shop-1:A1"], "who let it go knew that"


@pytest.mark.parametrize(("event", "why"), LEFT)
def test_what_has_left_before_its_turn_is_not_begun(desk, event, why):
    names, others = desk.orders(2), []

    def meanwhile(effect, key):
        desk.pushed.append(key)
        others.append(next(name for name in names if name != effect.order_no))
        desk.say(others[0], event)

    desk.push(meanwhile)
    assert (len(desk.pushed), desk.effect(f"push:shop-1:{others[0]}")) == (1, ("person", 0, why))


@pytest.mark.parametrize("handed_over", [False, True])
def test_of_what_left_in_part_the_rest_stays_somebody_s_until_it_has_left_too(desk, handed_over):
    (name,) = desk.orders()
    if handed_over:
        desk.push(down)
    desk.say(name, E.LOCKED, E.PARTLY_SHIPPED)
    desk.say(name, E.COLLECTED)
    (held,) = desk.holds.kept()
    assert (held.tries, held.note.partition(";")[0]) == (int(handed_over), SHIPPED)
    desk.say(name, E.SHIPPED)
    assert desk.effect()[0] == ("person" if handed_over else "withdrawn")
    assert desk.effect()[2].startswith(CARRIED)


@pytest.mark.parametrize("limit", [1, 100])
def test_what_left_in_part_comes_to_the_same_in_whatever_batches_it_is_told(desk, limit):
    (name,) = desk.orders()
    for events in (E.COLLECTED,), (E.LOCKED, E.PARTLY_SHIPPED), (E.INVOICE_REQUESTED,):
        desk.news(name, *events)
    drain(desk.context, limit)
    assert desk.effect()[:2] == ("withdrawn", 0)


def test_what_has_left_while_it_was_handed_over_is_told(desk):
    (name,) = desk.orders()
    desk.push(lambda effect, key: desk.say(name, E.SHIPPED))
    assert desk.effect() == ("person", 1, f"{HANDED_OVER}; {SHIPPED}")
    desk.holds.close(name, reason="once only", by="ann")
    desk.say(name, E.COLLECTED)
    assert (desk.holds.kept(), desk.effect()[0]) == ([], "done")


@pytest.mark.parametrize("again", [False, True], ids=["in its own batch", "with the word"])
def test_who_lets_an_order_go_that_was_tried_has_heard_that_it_left(desk, again):
    (name,) = desk.orders()
    desk.give_up()
    if again:
        desk.holds.release(name, reason="it is up again", by="ann", again=True)
    desk.say(name, E.SHIPPED)
    desk.push()
    assert (desk.pushed, desk.effect()[0]) == ([], "person")
    assert desk.effect()[2].startswith(f"{SHIPPED}; before: ")


def test_who_lets_an_order_go_that_a_rule_holds_has_heard_that_it_left(context, order):
    desk = Desk(context, order, more=HELD)
    (name,) = desk.orders()
    desk.say(name, E.SHIPPED)
    desk.say(name, total=20_001)
    assert desk.effect()[2] == f"{SHIPPED}; before: rule welcome holds it: risk"


@pytest.mark.parametrize("event", [E.REFUNDED, E.PARTLY_REFUNDED, E.AFTER_SALE_APPLIED])
def test_of_several_parcels_those_that_have_not_left_are_recalled(context, order, event):
    desk = Desk(context, order, more=SPLIT)
    desk.buy("S1", E.PLACED, E.PAID, SHIRT=1, CUP=1)
    desk.push()
    desk.buy("S1", E.PARTLY_SHIPPED, E.COLLECTED)
    assert desk.holds.kept() == []
    desk.buy("S1", event)
    assert {(one.parcel, one.done) for one in desk.holds.kept()} == {(1, True), (2, True)}


def test_when_all_parcels_have_left_none_is_recalled(context, order):
    desk = Desk(context, order, more=SPLIT)
    desk.buy("S1", E.PLACED, E.PAID, SHIRT=1, CUP=1)
    desk.push()
    desk.buy("S1", E.SHIPPED)
    desk.buy("S1", E.AFTER_SALE_APPLIED)
    assert desk.holds.kept() == []


def test_other_pieces_of_a_split_order_are_told_of_what_is_made_for_it(context, order):
    desk = Desk(context, order, BASES, SPLIT.replace("split sku", "split sku; work_order suzhou"))
    desk.buy("S1", E.PLACED, E.PAID, SHIRT=1, CUP=1)
    desk.push()
    desk.buy("S1", SHIRT=5, CUP=1)
    assert sorted(one.key for one in desk.holds.kept()) == ["push:shop-1:S1", "work:shop-1:S1"]


@pytest.mark.parametrize("handed_over", [False, True])
def test_another_case_after_one_that_was_paid_back_is_told(desk, handed_over):
    """Of another line of the order, whose state is still that of the first."""
    (name,) = desk.orders()
    desk.say(name, E.AFTER_SALE_REFUNDED, E.PARTLY_REFUNDED)
    desk.holds.release(name, reason="the rest is to be sent", by="ann")
    if handed_over:
        desk.push()
    desk.say(name, E.AFTER_SALE_APPLIED)
    (held,) = desk.holds.kept()
    assert (held.done, WANTED_BACK in held.note) == (handed_over, True)
    desk.holds.release(name, reason="they keep it after all", by="ann")
    desk.say(name, E.AFTER_SALE_APPLIED)
    assert desk.holds.kept() == [], "a case that is told again is no other"
    desk.say(name, E.AFTER_SALE_REFUNDED)
    desk.say(name, E.AFTER_SALE_APPLIED)
    assert len(desk.holds.kept()) == 1


def test_a_case_that_is_over_leaves_what_lacked_stock_to_the_next_report(desk):
    (name,) = desk.orders()
    lack = "hangzhou: 0 of SKU-1 left, 1 asked"
    with desk.store.transaction("hub") as cursor:
        cursor.execute(f"UPDATE outbox SET state = 'person', note = '{lack}'")
        cursor.execute(f"UPDATE decisions SET action = 'hold', argument = 'stock', reason = '{lack}' WHERE place = 0")
    desk.say(name, E.AFTER_SALE_APPLIED)
    desk.say(name, E.AFTER_SALE_CLOSED)
    assert desk.effect() == ("person", 0, lack)


def test_what_another_version_wanted_hides_nothing_else(desk):
    names = desk.orders(2)
    with desk.store.transaction("hub") as cursor:
        cursor.execute("""UPDATE outbox SET payload = '{"type":"recall"}' WHERE key = 'push:shop-1:A1'""")
    desk.push()
    (held,) = desk.holds.kept()
    assert (held.order_no, held.tries, desk.pushed) == (names[0], 0, ["push:shop-1:A2"])
    assert "another version" in held.note
    desk.holds.close(names[0], reason="seen to", by="ann")
    assert desk.holds.kept() == []
