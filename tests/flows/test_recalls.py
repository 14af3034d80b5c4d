"""What is learnt of an order on its way to the warehouse, tried in vain, or handed over already: it goes nowhere, or a
person is told, and a person's word ends it."""

from __future__ import annotations

import pytest
from held_desk import BASES, Desk, down, refused
from reading import rows
from versions import GIFT, NOW

from orderhub_core.errors import BadCredentials, RefusedByTarget, Unconnected, Unreachable, UserMistake
from orderhub_core.flows import ops
from orderhub_core.flows.absorb import drain
from orderhub_core.flows.dispatch import LEASE_S
from orderhub_core.flows.doubts import REFUNDED
from orderhub_core.model import Case
from orderhub_core.model import Event as E
from orderhub_core.people import Release
from orderhub_core.store import flow
from orderhub_core.store.statements import HANDED_OVER

WANTED_BACK = "the buyer wants something back: is it still to be sent?"


@pytest.fixture
def desk(context, order):
    return Desk(context, order)


@pytest.mark.parametrize(
    "events", [(E.AFTER_SALE_APPLIED,), (E.AFTER_SALE_APPLIED, E.REFUND_AGREED), (E.AFTER_SALE_REFUNDED,)], ids=str
)
def test_what_the_buyer_wants_back_is_not_sent_before_a_person_has_looked(desk, events):
    (name,) = desk.orders()
    desk.say(name, *events)
    desk.push()
    assert (desk.pushed, desk.effect()) == ([], ("person", 0, WANTED_BACK))
    desk.holds.release(name, reason="they keep it after all", by="ann")
    desk.push()
    assert desk.pushed == ["push:shop-1:A1"]


def test_a_case_that_came_to_nothing_keeps_no_order(desk):
    desk.first_of("A1", E.PLACED, E.PAID, E.AFTER_SALE_APPLIED, E.AFTER_SALE_REJECTED)
    desk.push()
    assert desk.pushed == ["push:shop-1:A1"]


@pytest.mark.parametrize("events", [(E.COLLECTED,), (E.COLLECTED, E.DELIVERED)], ids=str)
def test_an_order_that_is_first_heard_of_with_its_carrier_goes_nowhere(desk, events):
    """As an old export tells it, which says nothing of its shipping."""
    desk.first_of("A1", E.PLACED, E.PAID, *events)
    desk.push()
    assert (desk.pushed, rows(desk.context, "SELECT count(*) FROM outbox")) == ([], [(0,)])


@pytest.mark.parametrize(
    ("event", "why"),
    [(E.AFTER_SALE_APPLIED, WANTED_BACK), (E.PARTLY_REFUNDED, "partly refunded: what is still to be sent?")],
)
def test_an_order_that_is_first_heard_of_then_is_decided_and_held(desk, event, why):
    desk.first_of("A1", E.PLACED, E.PAID, event)
    desk.push()
    assert (desk.pushed, desk.effect()) == ([], ("person", 0, why))
    assert rows(desk.context, "SELECT sku FROM lines WHERE rule <> ''") == [("FREE-1",)]


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ((E.REFUNDED, E.CANCELLED), "the order is refunded"),
        ((E.PARTLY_REFUNDED,), "partly refunded: what is still to be sent?"),
        ((E.AFTER_SALE_APPLIED,), WANTED_BACK),
    ],
)
def test_what_is_learnt_after_the_hand_over_is_told_until_a_person_has_seen_to_it(desk, events, why):
    (name,) = desk.orders()
    desk.push()
    desk.say(name, *events)
    (held,) = desk.holds.kept()
    assert (held.done, held.note) == (True, f"{HANDED_OVER}; {why}")
    desk.holds.close(name, reason="stopped at the gate", by="ann")
    desk.say(name, total=20_001)
    desk.push()
    assert (desk.holds.kept(), desk.effect()[0], len(desk.pushed)) == ([], "done", 1)


def test_lines_that_change_after_the_hand_over_are_told_and_names_are_not(desk):
    (name,) = desk.orders()
    desk.push()
    desk.say(name, total=20_001)
    assert desk.holds.kept() == []
    desk.say(name, total=50_000, quantity=5)
    assert desk.effect()[2] == f"{HANDED_OVER}; its lines changed since"


def test_what_has_left_is_not_to_be_stopped(desk):
    (name,) = desk.orders()
    desk.push()
    desk.say(name, E.SHIPPED)
    desk.say(name, E.PARTLY_REFUNDED, quantity=5)
    assert (desk.holds.kept(), desk.effect()[0]) == ([], "done")


@pytest.mark.parametrize(
    ("event", "why"),
    [(E.REFUNDED, "the order is refunded"), (E.PARTLY_REFUNDED, REFUNDED), (E.AFTER_SALE_APPLIED, WANTED_BACK)],
)
def test_the_rest_of_what_left_in_part_may_still_be_stopped(desk, event, why):
    """Its warehouse ships an order that goes whole as it finds it."""
    (name,) = desk.orders()
    desk.push()
    desk.say(name, E.LOCKED, E.PARTLY_SHIPPED)
    desk.say(name, E.COLLECTED)
    desk.say(name, event)
    assert desk.effect() == ("person", 1, f"{HANDED_OVER}; {why}")
    desk.holds.close(name, reason="the rest stays here", by="ann")
    desk.say(name, E.SHIPPED)
    desk.say(name, E.PARTLY_REFUNDED, quantity=5)
    assert (desk.holds.kept(), desk.effect()[0]) == ([], "done")


def test_what_is_told_again_as_of_now_undoes_no_word(desk):
    """As a platform dates an open case by the order's latest change."""
    (name,) = desk.orders()
    desk.say(name, E.AFTER_SALE_APPLIED)
    desk.holds.release(name, reason="they keep it after all", by="ann")
    desk.say(name, E.AFTER_SALE_APPLIED)
    desk.push()
    assert desk.pushed == ["push:shop-1:A1"]
    desk.say(name, E.REFUND_AGREED)
    desk.holds.close(name, reason="stopped at the gate", by="ann")
    desk.say(name, E.REFUND_AGREED)
    assert desk.holds.kept() == []


@pytest.mark.parametrize("limit", [1, 100])
@pytest.mark.parametrize(("last", "fate"), [(E.CANCELLED, "done"), (E.REFUNDED, "person")])
def test_a_word_ends_what_it_came_after_whatever_batch_holds_both(desk, last, fate, limit):
    """That an order is cancelled is told once; that it is refunded besides is news."""
    (name,) = desk.orders()
    desk.push()
    desk.news(name, E.CANCELLED)
    desk._receive([ops.release(Release("shop-1", name, "stopped at the gate", "ann"), desk.clock())])
    desk._receive([desk._order(name, last, at=NOW)])
    drain(desk.context, limit)
    assert desk.effect()[0] == fate


@pytest.mark.parametrize("limit", [1, 100])
def test_only_what_stops_an_order_is_told_as_that(desk, limit):
    """What is known to have come before may take a cancellation back, in its batch or in a later one."""
    (name,) = desk.orders()
    desk.give_up()
    desk._receive([desk._order(name, E.CANCELLED, at=NOW + 10**7)])
    desk._receive([desk._order(name, E.PARTLY_SHIPPED, at=NOW + 10**6)])
    drain(desk.context, limit)
    state, _, note = desk.effect()
    assert (state, "the order is cancelled" in note, "partly_shipped" in note) == ("person", True, False)


@pytest.mark.parametrize("limit", [1, 100])
def test_what_was_told_before_a_word_is_told_of_no_more(desk, limit):
    (name,) = desk.orders()
    desk.push()
    desk._receive([desk._order(name, E.CANCELLED, at=NOW + 10**7)])
    desk._receive([ops.release(Release("shop-1", name, "stopped at the gate", "ann"), desk.clock())])
    drain(desk.context, limit)
    desk._receive([desk._order(name, E.CANCELLED, at=NOW + 10**6)])
    drain(desk.context, limit)
    assert desk.effect()[0] == "done"


def test_a_case_that_is_over_keeps_nothing_that_nothing_else_keeps(desk):
    (name,) = desk.orders()
    desk.say(name, E.AFTER_SALE_APPLIED)
    desk.say(name, E.AFTER_SALE_CLOSED)
    desk.push()
    assert desk.pushed == ["push:shop-1:A1"]


def test_the_next_case_of_an_order_of_which_some_was_refunded_is_told(desk):
    (name,) = desk.orders()
    desk.say(name, E.AFTER_SALE_APPLIED)
    desk.say(name, E.AFTER_SALE_REFUNDED, E.PARTLY_REFUNDED)
    desk.holds.release(name, reason="the rest goes", by="ann")
    desk.say(name, E.AFTER_SALE_APPLIED)
    desk.push()
    assert desk.pushed == []
    assert WANTED_BACK in desk.effect()[2]


def refund(number, about="1", minor=500):
    return {"cases": (Case(number, about, minor),)}


@pytest.mark.parametrize("done", [False, True], ids=["waiting", "handed over"])
def test_a_part_refund_of_another_case_is_told_and_a_repetition_is_not(desk, done):
    (name,) = desk.orders()
    if done:
        desk.push()
    desk.say(name, E.AFTER_SALE_REFUNDED, E.PARTLY_REFUNDED, **refund("C1"))
    end = desk.holds.close if done else desk.holds.release
    end(name, reason="the rest goes", by="ann")
    for said in (refund("C1"), refund("", minor=0), refund("C1", minor=None)):
        desk.say(name, E.AFTER_SALE_REFUNDED, E.PARTLY_REFUNDED, **said)
    assert desk.holds.kept() == []
    desk.say(name, E.AFTER_SALE_REFUNDED, **refund("C2"))
    (held,) = desk.holds.kept()
    assert "partly refunded: what is still to be sent?; before: " in held.note
    told = "SELECT event, detail FROM log WHERE event IN ('order.case_opened', 'order.case_refunded') ORDER BY seq"
    assert rows(desk.context, told) == [
        ("order.case_refunded", f'{{"about":"1","number":"{number}","refunded_minor":500}}') for number in ("C1", "C2")
    ]


def test_a_part_refund_of_another_line_is_told_where_no_case_is_named(desk):
    (name,) = desk.orders()
    desk.say(name, E.PARTLY_REFUNDED, **refund("", "1", 0))
    desk.holds.release(name, reason="the rest goes", by="ann")
    desk.say(name, E.PARTLY_REFUNDED, cases=(Case("", "1", 0), Case("", "2", 0)))
    desk.push()
    assert desk.pushed == []


def test_another_case_is_told_while_one_is_open(desk):
    (name,) = desk.orders()
    desk.say(name, E.AFTER_SALE_APPLIED, E.RETURN_AGREED, cases=(Case("C1", "1"),))
    desk.holds.release(name, reason="the other line goes", by="ann")
    desk.say(name, E.AFTER_SALE_APPLIED, cases=(Case("C1", "1"),))
    assert desk.holds.kept() == []
    desk.say(name, E.AFTER_SALE_APPLIED, cases=(Case("C2", "2"),))
    desk.push()
    assert (desk.pushed, desk.effect()[2].split("; before: ")[1]) == ([], WANTED_BACK)


def test_what_a_warehouse_has_stopped_itself_is_not_told_back(desk):
    (name,) = desk.orders()
    desk.push()
    desk.say(name, E.INTERCEPTED)
    assert desk.holds.kept() == []


def test_a_refunded_order_is_let_go_by_nobody(desk):
    (name,) = desk.orders()
    desk.give_up()
    desk.say(name, E.REFUNDED, E.CANCELLED)
    with pytest.raises(UserMistake, match="holds close A1"):
        desk.holds.release(name, reason="it is up again", by="ann", again=True)
    desk.holds.close(name, reason="it never arrived", by="ann")
    assert desk.holds.kept() == []


def test_other_goods_are_told_of_what_was_given_up(desk):
    (name,) = desk.orders()
    desk.give_up()
    desk.say(name, total=50_000, quantity=5)
    assert desk.effect()[2].startswith("its lines changed since; before: gave up")


@pytest.mark.parametrize("events", [(E.PLACED,), (E.PLACED, E.PAID, E.REFUNDED)], ids=["not paid", "refunded"])
def test_what_a_shop_did_not_answer_is_asked_again_also_of_what_is_not_to_be_sent(desk, events):
    desk._receive([desk._order("A1", *events, at=NOW, origin="live")])
    drain(desk.context, 100)
    desk.push(refused)
    desk.holds.release("A1", reason="it knows the order now", by="bob", again=True)
    desk.push()
    assert desk.pushed == ["fetch:shop-1:A1"]


@pytest.mark.parametrize(("act", "fate"), [("go", "waiting"), ("close", "withdrawn")])
def test_many_words_at_once_are_as_many_words(desk, act, fate):
    names = desk.orders(400)
    desk._receive([desk._order(name, E.AFTER_SALE_APPLIED, at=NOW + 10**6) for name in names])
    drain(desk.context, 1_000)
    assert len(desk.holds.kept()) == 400
    desk._receive([ops.release(Release("shop-1", name, "seen to", "ann", act=act), desk.clock()) for name in names])
    drain(desk.context, 1_000)
    assert rows(desk.context, "SELECT state, count(*) FROM outbox GROUP BY state") == [(fate, 400)]


def test_closing_ends_only_what_waits_for_a_person(context, order):
    desk = Desk(context, order, BASES, GIFT.replace("gift FREE-1", "work_order suzhou"))
    (name,) = desk.orders()

    def refused(effect, key):
        if key.startswith("push"):
            raise RefusedByTarget("no such SKU")
        raise Unreachable("no answer")

    desk.push(refused)
    desk.holds.close(name, reason="handed over by telephone", by="ann")
    assert [desk.effect(f"{kind}:shop-1:A1")[0] for kind in ("push", "work")] == ["withdrawn", "waiting"]


class Killed(BaseException):
    pass


def test_who_was_killed_while_performing_leaves_it_to_a_person(desk):
    (name,) = desk.orders()

    def killed(effect, key):
        raise Killed

    with pytest.raises(Killed):
        desk.push(killed)
    desk.say(name, E.REFUNDED, E.CANCELLED)
    desk.at += 10 * LEASE_S * 1_000_000
    desk.push()
    assert (desk.pushed, desk.effect()) == ([], ("person", 1, "the order is refunded"))


@pytest.mark.parametrize(("event", "state"), [(E.PARTLY_REFUNDED, "person"), (E.REFUNDED, "withdrawn")])
def test_what_was_leased_and_not_begun_was_not_tried(desk, event, state):
    names, others = desk.orders(2), []

    def meanwhile(effect, key):
        others.append(next(name for name in names if name != effect.order_no))
        desk.say(others[0], event)

    desk.push(meanwhile)
    (other,) = others
    assert desk.effect(f"push:shop-1:{other}")[:2] == (state, 0)
    if state == "person":
        desk.holds.release(other, reason="send all of it", by="ann")
        desk.push()
        assert desk.pushed == [f"push:shop-1:{other}"]


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (E.REFUNDED, "the order is refunded"),
        (E.CANCELLED, "the order is cancelled"),
        (E.PARTLY_REFUNDED, "partly refunded: what is still to be sent?"),
    ],
)
def test_what_was_given_up_is_told_of_what_is_learnt_since(desk, event, why):
    (name,) = desk.orders()
    desk.give_up()
    desk.say(name, event)
    assert desk.effect() == ("person", 3, f"{why}; before: gave up after 3 tries: no answer")


def test_what_was_given_up_goes_again_or_is_closed(desk):
    one, two = desk.orders(2)
    desk.give_up()
    with pytest.raises(UserMistake, match=r"--again.*holds close A1"):
        desk.holds.release(one, reason="it is up again", by="ann")
    desk.holds.release(one, reason="it is up again", by="ann", again=True)
    desk.holds.close(two, reason="handed over by telephone", by="ann")
    desk.push()
    assert desk.pushed == ["push:shop-1:A1"]
    assert [desk.effect(f"push:shop-1:{name}")[0] for name in (one, two)] == ["done", "withdrawn"]
    assert desk.holds.kept() == []
    said = rows(desk.context, "SELECT event, detail FROM log WHERE outcome = 'asked' ORDER BY seq")
    assert said == [
        ("order.released", '{"act":"again","by":"ann","reason":"it is up again"}'),
        ("order.closed", '{"act":"close","by":"ann","reason":"handed over by telephone"}'),
    ]


def test_what_goes_again_has_its_tries_again(desk):
    (name,) = desk.orders()
    desk.give_up()
    desk.holds.release(name, reason="it is up again", by="ann", again=True)
    desk.push(down)
    assert desk.effect()[:2] == ("waiting", 2)


def test_a_sign_in_that_is_refused_costs_no_order_its_way(desk):
    names = desk.orders(3)

    def refused(effect, key):
        raise BadCredentials("401")

    desk.push(refused)
    assert desk.holds.kept() == []
    assert ("hangzhou", "failing") in {one[:2] for one in flow.read(desk.store, desk.at).effects}
    desk.push()
    assert sorted(desk.pushed) == [f"push:shop-1:{name}" for name in names]


def nobody_listens(effect, key):
    raise Unconnected("nobody listens")


def test_what_met_nobody_and_was_held_meanwhile_goes_by_itself_as_if_it_had_not_been_looked_at(desk):
    (name,) = desk.orders()
    desk.push(nobody_listens)
    desk.say(name, E.AFTER_SALE_APPLIED)
    ((state, attempts, note),) = [desk.effect()]
    assert (state, attempts) == ("person", 0)
    assert "nobody listens" not in note, "it is no reason to hold it"
    desk.say(name, E.AFTER_SALE_CLOSED)
    desk.push()
    assert desk.pushed == [f"push:shop-1:{name}"]


def test_what_is_held_while_it_goes_to_a_place_where_nobody_was_met_is_held_for_its_own_reason(desk):
    (name,) = desk.orders()
    desk.push(nobody_listens)
    seen = []

    def meanwhile(effect, key):
        desk.say(name, E.AFTER_SALE_APPLIED)
        seen.append(desk.effect())

    desk.push(meanwhile)
    assert seen == [("person", 1, WANTED_BACK)]


def test_what_met_nobody_and_is_called_off_is_for_nobody_to_look_at(desk):
    (name,) = desk.orders()
    desk.push(nobody_listens)
    desk.say(name, E.CANCELLED)
    assert desk.effect()[:2] == ("withdrawn", 0)
    assert desk.holds.kept() == []


def test_what_met_nobody_a_person_lets_go_at_once(desk):
    (name,) = desk.orders()
    desk.push(nobody_listens)
    desk.say(name, E.AFTER_SALE_APPLIED)
    desk.holds.release(name, reason="they keep it", by="ann")
    assert desk.effect()[:2] == ("waiting", 0)


def test_work_orders_are_recalled_too(context, order):
    desk = Desk(context, order, BASES, GIFT.replace("gift FREE-1", "work_order suzhou"))
    (name,) = desk.orders()
    desk.push()
    desk.say(name, E.CANCELLED)
    assert {held.key for held in desk.holds.kept()} == {"push:shop-1:A1", "work:shop-1:A1"}
    desk.holds.close(name, reason="both are stopped", by="ann")
    assert desk.holds.kept() == []
