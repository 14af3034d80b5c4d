"""What is sent before it is paid (cash on delivery, pay later): it goes to its warehouse as a paid order does, and its
payment is what somebody has said of it."""

from __future__ import annotations

import pytest
from reading import rows
from test_recalls import Desk
from versions import GIFT, NOW, STORM

from orderhub_core import frames
from orderhub_core.audit.reconcile.ledgers import Source, from_hub
from orderhub_core.flows import packing
from orderhub_core.flows.reproduce import reproduce
from orderhub_core.model import Event as E
from orderhub_core.packing import board
from orderhub_core.packing.board import HOUR_US
from orderhub_core.store.frames import refreshed
from orderhub_core.store.progress import NOTHING

LIMITED = GIFT.replace("gift FREE-1", "gift FREE-1 limit 2 daily 1")


@pytest.fixture
def desk(context, order):
    return Desk(context, order, more=STORM)


def standing(desk, name="A1"):
    ((*states,),) = rows(
        desk.context, f"SELECT payment, headline, paid_at, contradictions FROM orders WHERE order_no = '{name}'"
    )
    return tuple(states)


def test_it_is_handed_over_unpaid_and_paid_when_that_is_said(desk):
    desk.first_of("A1", E.PLACED, E.DEFERRED)
    assert standing(desk) == ("deferred", "accepted", None, 0)
    desk.push()
    assert desk.pushed == ["push:shop-1:A1"]
    desk.say("A1", E.LOCKED, E.SHIPPED, E.DELIVERED)
    assert standing(desk)[:3] == ("deferred", "delivered", None)
    desk.say("A1", E.PAID)
    payment, headline, paid_at, contradictions = standing(desk)
    assert (payment, headline, contradictions) == ("paid", "delivered", 0)
    assert paid_at > NOW


def test_what_was_never_paid_is_stopped_as_it_is_called_off(desk):
    desk.first_of("A1", E.PLACED, E.DEFERRED)
    desk.say("A1", E.VOIDED)
    desk.push()
    assert (desk.pushed, standing(desk)[:2], desk.effect()[0]) == ([], ("void", "cancelled"), "withdrawn")


def test_what_is_called_off_after_the_hand_over_is_told(desk):
    desk.first_of("A1", E.PLACED, E.DEFERRED)
    desk.push()
    desk.say("A1", E.VOIDED)
    (held,) = desk.holds.kept()
    assert held.note.endswith("the order is cancelled")


def test_what_was_paid_before_is_no_order_to_be_paid_later(desk):
    desk.first_of("A1", E.PLACED, E.PAID)
    desk.say("A1", E.DEFERRED)
    assert standing(desk)[::3] == ("paid", 0)


def test_rules_that_ask_as_of_the_payment_ask_as_of_when_it_was_agreed(desk):
    desk.signals.report("storm", "yes", since=NOW - 1, by="ann")
    desk.first_of("A1", E.PLACED, E.DEFERRED)
    assert desk.effect()[2] == "rule wet holds it: address"
    assert reproduce(desk.context, 0, 1 << 62).differences == []


def test_it_takes_its_turn_for_what_there_is_only_so_much_of(context, order):
    desk = Desk(context, order, more=LIMITED)
    for name in ("A1", "A2"):
        desk.first_of(name, E.PLACED, E.DEFERRED)
    given = rows(desk.context, "SELECT order_no, sku FROM lines JOIN orders USING (order_id) WHERE rule <> ''")
    assert given == [("A1", "FREE-1")]
    assert reproduce(desk.context, 0, 1 << 62).differences == []


class Frames:
    """Of a hub's store, as it is now."""

    def __init__(self, store):
        self._store = store

    def frame(self, name):
        return refreshed(self._store, name, frames.empty(name).lazy(), NOTHING, self._store.progress()).collect()


@pytest.mark.parametrize("copied", [False, True])
def test_on_the_packing_floor_it_stands_and_is_late_since_it_was_owed(desk, copied):
    for name, event in (("A1", E.PAID), ("A2", E.DEFERRED), ("A3", E.PAID)):
        desk.first_of(name, E.PLACED, event)
    since = dict(rows(desk.context, "SELECT order_no, placed_at FROM orders"))
    on_floor = packing.known(Frames(desk.store), None if copied else desk.store, NOW).orders
    assert on_floor["order_no"].to_list() == ["A1", "A2", "A3"]
    assert on_floor["paid_at"].dt.epoch("us").to_list() == [since[name] for name in ("A1", "A2", "A3")]
    waited = board.ages(on_floor, NOW + 1000 * HOUR_US, str)
    assert waited.filter("late")["orders"].sum() == 3


def test_paid_in_the_end_it_stands_where_it_has_been_owed_since(desk):
    desk.first_of("A1", E.PLACED, E.DEFERRED)
    desk.say("A1", E.PAID)
    desk.first_of("A2", E.PLACED, E.PAID)
    desk.say("A2", E.DEFERRED)
    since = rows(desk.context, "SELECT placed_at FROM orders ORDER BY order_no")
    on_floor = packing.known(Frames(desk.store), None, NOW).orders
    assert [(at,) for at in on_floor["paid_at"].dt.epoch("us")] == since


def test_what_is_shipped_and_not_yet_paid_is_no_loss_in_the_hub_s_own_ledgers(desk):
    desk.first_of("A1", E.PLACED, E.DEFERRED)
    desk.say("A1", E.SHIPPED)
    own = from_hub(*map(Frames(desk.store).frame, ("orders", "events")))
    told = own[Source.PLATFORM].select("status", "amount_minor", "at", "problem").rows()
    assert told == [("deferred", 20_000, None, None)]
    assert own[Source.ERP]["amount_minor"].to_list() == [20_000]
