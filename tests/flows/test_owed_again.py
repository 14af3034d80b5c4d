"""What was stopped and is owed after all is not forgotten: a person is asked, whatever batches the news come in."""

from __future__ import annotations

import pytest
from held_desk import BASES, SPLIT, Desk
from versions import NOW

from orderhub_core.flows import ops
from orderhub_core.flows.absorb import drain
from orderhub_core.flows.away import CARRIED, SHIPPED
from orderhub_core.flows.doubts import WANTED_BACK
from orderhub_core.model import Event as E
from orderhub_core.people import Release
from orderhub_core.store.statements import AGAIN, HANDED_OVER

SECOND = 10**6


@pytest.fixture
def desk(context, order):
    desk = Desk(context, order)
    desk.first_of("A1", E.PLACED, E.DEFERRED)
    return desk


def later(desk, *told, limit=1):
    """News that come one after the other, each of so many seconds later."""
    for events, at in told:
        desk._receive([desk._order("A1", *events, at=NOW + at * SECOND)])
    drain(desk.context, limit)


@pytest.mark.parametrize("paid_at", [1, 9], ids=["before", "after"])
@pytest.mark.parametrize("limit", [1, 100])
def test_what_was_void_and_was_paid_after_all_is_told(desk, limit, paid_at):
    later(desk, ((E.VOIDED,), 5), ((E.PAID,), paid_at), limit=limit)
    desk.push()
    state, tries, note = desk.effect()
    assert (desk.pushed, state, tries) == ([], "person", 0)
    assert note.split("; before: ") == [AGAIN, "the order is cancelled"]
    desk.holds.release("A1", reason="they have paid", by="ann")
    desk.push()
    assert desk.pushed == ["push:shop-1:A1"]


@pytest.mark.parametrize("limit", [1, 100])
def test_what_is_stopped_again_goes_nowhere(desk, limit):
    later(desk, ((E.VOIDED,), 5), limit=limit)
    later(desk, ((E.PAID,), 9), ((E.REFUNDED,), 10), limit=limit)
    assert (desk.holds.kept(), desk.effect()[0]) == ([], "withdrawn")


@pytest.mark.parametrize("limit", [1, 100])
def test_a_cancellation_that_could_not_be_is_told_as_what_left_before_it(desk, limit):
    """It had been shipped by then, as is learnt only now."""
    later(desk, ((E.CANCELLED,), 5), limit=limit)
    later(desk, ((E.SHIPPED,), 4), limit=limit)
    state, _, note = desk.effect()
    assert (state, note.split("; before: ")[:2]) == ("person", [SHIPPED, AGAIN])


@pytest.mark.parametrize("limit", [1, 100])
def test_what_is_with_a_carrier_meanwhile_is_nobody_s_to_send(desk, limit):
    later(desk, ((E.VOIDED,), 5), ((E.PAID,), 9), ((E.COLLECTED,), 10), limit=limit)
    assert (desk.holds.kept(), desk.effect()[0]) == ([], "withdrawn")
    assert CARRIED in desk.effect()[2]


@pytest.mark.parametrize("limit", [1, 100])
def test_what_was_learnt_while_it_was_void_is_told_with_it(desk, limit):
    desk.say("A1", E.AFTER_SALE_APPLIED)
    desk.holds.release("A1", reason="they keep it", by="ann")
    later(desk, ((E.VOIDED,), 5), ((E.REFUND_AGREED,), 6), limit=limit)
    later(desk, ((E.PAID,), 9), limit=limit)
    assert desk.effect()[2].split("; before: ")[:2] == [WANTED_BACK, AGAIN]


@pytest.mark.parametrize("limit", [1, 100])
def test_who_has_seen_to_it_for_its_stop_is_asked_once_more(desk, limit):
    desk.give_up()
    later(desk, ((E.VOIDED,), 5))
    desk.holds.close("A1", reason="it never arrived", by="ann")
    assert desk.effect()[0] == "withdrawn"
    later(desk, ((E.PAID,), 9), ((E.INVOICE_REQUESTED,), 10), limit=limit)
    (held,) = desk.holds.kept()
    assert (held.tries, held.note.split("; before: ")[0]) == (3, AGAIN)


def test_what_was_stopped_at_the_warehouse_is_told_too(desk):
    desk.push()
    later(desk, ((E.VOIDED,), 5))
    desk.holds.close("A1", reason="stopped at the gate", by="ann")
    assert desk.effect()[0] == "done"
    later(desk, ((E.PAID,), 9))
    (held,) = desk.holds.kept()
    assert held.note.startswith(f"{HANDED_OVER}; {AGAIN}; before: closed by ann")


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("limit", [1, 100])
def test_a_word_on_its_stop_ends_no_question_that_came_after(desk, limit, seen):
    desk.give_up()
    later(desk, ((E.VOIDED,), 5))
    (listed,) = desk.holds.kept()
    later(desk, ((E.PAID,), 9)) if seen else None
    word = Release("shop-1", "A1", "seen to", "ann", act="close", seen={listed.key: listed.note})
    desk._receive([ops.release(word, desk.clock())])
    later(desk, ((E.PAID,), 9), limit=limit)
    assert desk.effect()[0] == "person"


def test_it_is_told_once(desk):
    later(desk, ((E.VOIDED,), 5), ((E.PAID,), 9))
    desk.holds.release("A1", reason="they have paid", by="ann")
    later(desk, ((E.PAID,), 8), ((E.SETTLED,), 12))
    desk.push()
    assert desk.pushed == ["push:shop-1:A1"]


@pytest.mark.parametrize("limit", [1, 100])
def test_all_that_is_to_be_sent_or_made_of_it_is_told(context, order, limit):
    desk = Desk(context, order, BASES, SPLIT.replace("split sku", "split sku; work_order suzhou"))
    desk.buy("S1", E.PLACED, E.DEFERRED, SHIRT=1, CUP=1)
    for event in (E.VOIDED, E.PAID):
        desk._receive([desk._order("S1", event, at=NOW + SECOND + desk.clock() - NOW)])
    drain(desk.context, limit)
    assert [one.key for one in desk.holds.kept()] == ["push-2:shop-1:S1", "push:shop-1:S1", "work:shop-1:S1"]


def test_what_was_leased_and_not_begun_by_then_waits_too(desk):
    """It was paid as whoever had leased it found out that it was void."""
    desk.first_of("A2", E.PLACED, E.DEFERRED)

    def meanwhile(effect, key):
        other = {"A1": "A2", "A2": "A1"}[effect.order_no]
        for events, at in (((E.VOIDED,), 5), ((E.PAID,), 9)):
            desk._receive([desk._order(other, *events, at=NOW + at * SECOND)])
            drain(desk.context, 100)

    desk.push(meanwhile)
    (held,) = desk.holds.kept()
    assert (held.tries, held.note.startswith(AGAIN)) == (0, True)


def test_what_was_owed_again_and_let_go_is_stopped_like_any_other_before_it_is_begun(desk):
    desk.first_of("A2", E.PLACED, E.DEFERRED)

    def hear(name, *events, at):
        desk._receive([desk._order(name, *events, at=NOW + at * SECOND)])
        drain(desk.context, 100)

    for name in ("A1", "A2"):
        hear(name, E.VOIDED, at=5)
        hear(name, E.PAID, at=9)
        desk.holds.release(name, reason="they have paid", by="ann")
    desk.push(lambda effect, key: hear({"A1": "A2", "A2": "A1"}[effect.order_no], E.REFUNDED, at=20))
    assert sorted(desk.effect(f"push:shop-1:{name}")[:2] for name in ("A1", "A2")) == [("done", 1), ("withdrawn", 0)]
