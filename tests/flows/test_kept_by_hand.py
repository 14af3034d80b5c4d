"""What a person keeps back goes nowhere before a person lets it go, whatever rules say and whenever the word comes."""

from __future__ import annotations

import pytest
from held_desk import BASES, SETTINGS, SPLIT, Desk, refused
from reading import rows
from test_deferred_live import Frames
from test_failed_notices import NOTICES
from versions import NOW, Bench, text

from orderhub_core.errors import Unreadable, UserMistake
from orderhub_core.flows import ops, packing
from orderhub_core.flows.absorb import drain
from orderhub_core.flows.doubts import KEPT, WANTED_BACK
from orderhub_core.flows.holding import Holds
from orderhub_core.flows.reproduce import reproduce
from orderhub_core.model import Event as E
from orderhub_core.people import Keep, Release
from orderhub_core.store.statements import HANDED_OVER

SECOND = 1_000_000
BY_ANN = "kept back by ann: the buyer phoned"


@pytest.fixture
def desk(context, order):
    return Desk(context, order)


def keep(desk, name="A1", reason="the buyer phoned"):
    return desk.holds.place(name, reason=reason, by="ann")


def log(desk):
    return [event for (event,) in rows(desk.context, "SELECT event FROM log WHERE event LIKE 'order.%' ORDER BY seq")]


def test_what_waits_for_its_warehouse_waits_for_a_person(desk):
    name, other = desk.orders(2)
    (held,) = keep(desk, name).held
    desk.push()
    assert desk.pushed == [f"push:shop-1:{other}"]
    assert (held.note, desk.effect()) == (BY_ANN, ("person", 0, BY_ANN))
    desk.holds.release(name, reason="it may go", by="ann")
    desk.push()
    assert desk.pushed == [f"push:shop-1:{other}", f"push:shop-1:{name}"]
    assert log(desk)[-4:] == ["order.kept", "order.hold_requested", "order.released", "order.hold_ended"]


@pytest.mark.parametrize("limit", [1, 100])
def test_what_is_not_to_be_sent_yet_waits_once_it_is(desk, limit):
    desk.first_of("A1", E.PLACED)
    placed = keep(desk)
    assert (placed.held, placed.unsent) == ([], True)
    desk.news("A1", E.PAID)
    drain(desk.context, limit)
    desk.push()
    assert (desk.pushed, desk.effect()) == ([], ("person", 0, KEPT))
    desk.holds.release("A1", reason="it may go", by="ann")
    desk.push()
    assert desk.pushed == ["push:shop-1:A1"]


@pytest.mark.parametrize("limit", [1, 100])
def test_a_word_and_the_payment_may_come_in_one_batch(desk, limit):
    desk.first_of("A1", E.PLACED)
    desk._receive([ops.keep(Keep("shop-1", "A1", "the buyer phoned", "ann"), NOW)])
    desk.news("A1", E.PAID)
    drain(desk.context, limit)
    desk.push()
    assert (desk.pushed, desk.effect()) == ([], ("person", 0, KEPT))


def test_what_is_kept_back_no_more_goes_as_soon_as_it_is_to_be_sent(desk):
    desk.first_of("A1", E.PLACED)
    keep(desk)
    with pytest.raises(UserMistake, match="there is nothing to close"):
        desk.holds.close("A1", reason="seen to", by="ann")
    desk.holds.release("A1", reason="it may go", by="ann")
    with pytest.raises(UserMistake, match="is not kept from its warehouse"):
        desk.holds.release("A1", reason="once more", by="ann")
    desk.say("A1", E.PAID)
    desk.push()
    assert desk.pushed == ["push:shop-1:A1"]


def test_it_is_kept_back_as_often_as_somebody_says_so_by_whatever_clock(desk):
    """The seller's own system may speak by a clock that is ahead."""
    desk.first_of("A1", E.PLACED)
    desk._receive([desk._order("A1", E.HOLD_REQUESTED, at=NOW + 200 * SECOND)])
    drain(desk.context, 100)
    desk.holds.release("A1", reason="it may go", by="ann")
    keep(desk)
    desk.holds.release("A1", reason="it may go after all", by="ann")
    keep(desk)
    desk.say("A1", E.PAID)
    desk.push()
    assert (desk.pushed, desk.effect()) == ([], ("person", 0, KEPT))


@pytest.mark.parametrize("limit", [1, 100])
def test_a_system_s_word_keeps_it_back_as_a_person_s_does(desk, limit):
    (name,) = desk.orders()
    desk.news(name, E.HOLD_REQUESTED)
    drain(desk.context, limit)
    desk.news(name, E.HOLD_ENDED)
    drain(desk.context, limit)
    desk.push()
    assert (desk.pushed, desk.effect()) == ([], ("person", 0, KEPT)), "what waits for a person goes by a person's word"


def test_of_what_was_handed_over_a_person_is_told_to_have_it_stopped(desk):
    (name,) = desk.orders()
    desk.push()
    (held,) = keep(desk).held
    assert (held.done, held.note) == (True, f"{HANDED_OVER}; {BY_ANN}")
    desk.holds.close(name, reason="stopped by phone", by="ann")
    assert desk.holds.kept() == []
    desk.push()
    assert desk.pushed == [f"push:shop-1:{name}"]


def test_the_rest_of_what_left_in_part_is_kept_back_at_its_warehouse(desk):
    (name,) = desk.orders()
    desk.push()
    desk.say(name, E.LOCKED, E.PARTLY_SHIPPED)
    (held,) = keep(desk).held
    assert (held.done, held.note) == (True, f"{HANDED_OVER}; {BY_ANN}")


def test_another_reason_is_told_beside_those_that_hold_it_already(desk):
    (name,) = desk.orders()
    desk.say(name, E.AFTER_SALE_APPLIED)
    keep(desk)
    keep(desk, reason="wrong size")
    assert desk.effect()[2].split("; before: ") == ["kept back by ann: wrong size", BY_ANN, WANTED_BACK]
    desk.say(name, E.AFTER_SALE_CLOSED)
    desk.push()
    assert desk.pushed == [], "that the buyer's case is over is no word on what a person wants"


def test_nobody_lets_go_what_was_kept_back_after_they_had_looked(desk):
    (name,) = desk.orders()
    desk.say(name, E.AFTER_SALE_APPLIED)
    (seen,) = desk.holds.kept()
    keep(desk)
    said = Release("shop-1", name, "they keep it", "bob", seen={seen.key: seen.note})
    desk._receive([ops.release(said, desk.clock())])
    drain(desk.context, 100)
    desk.push()
    assert (desk.pushed, desk.effect()[0]) == ([], "person")
    assert "order.hold_ended" not in log(desk)


def test_who_has_its_shop_asked_once_more_lets_nothing_go_that_somebody_keeps_back(desk):
    """Of an order that nobody has told the lines of, only the question to its shop is listed."""
    desk._receive([desk._order("A1", E.PLACED, E.PAID, at=NOW, origin="live")])
    drain(desk.context, 100)
    desk.push(refused)
    keep(desk)
    desk.holds.release("A1", reason="the platform is back", by="bob", again=True)
    desk.buy("A1", HOODIE=1)
    desk.push()
    assert (desk.pushed, desk.effect()) == (["fetch:shop-1:A1"], ("person", 0, KEPT))


def test_who_keeps_an_order_back_is_not_told_to_have_a_notice_or_a_question_stopped(context, order):
    desk = Desk(context, order, NOTICES)
    desk.editions.save(text("v2", "hangzhou").replace("assign hangzhou", "tag far; notify ops"), by="ann")
    desk.published("v2")
    desk.first_of("A1", E.PLACED)
    desk.say("A1", E.PAID)
    desk._receive([desk._order("A2", E.PLACED, E.PAID, at=NOW, origin="live")])
    drain(desk.context, 100)
    desk.push(refused)
    desk.give_up()
    assert {one.key.split(":")[0] for one in desk.holds.kept()} == {"notify", "fetch"}
    for name in ("A1", "A2"):
        placed = keep(desk, name)
        assert (placed.held, placed.unsent) == ([], True)


def test_all_parcels_and_what_is_made_for_it_are_kept_back(context, order):
    desk = Desk(context, order, BASES, SPLIT.replace("split sku", "split sku; work_order suzhou"))
    desk.buy("A1", E.PLACED, E.PAID, HOODIE=1, SOCKS=1)
    held = keep(desk).held
    assert {one.key for one in held} == {"push:shop-1:A1", "push-2:shop-1:A1", "work:shop-1:A1"}
    assert {one.note for one in held} == {BY_ANN}


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ((E.CANCELLED,), "is cancelled or refunded"),
        ((E.REFUNDED,), "is cancelled or refunded"),
        ((E.LOCKED, E.LABELLED, E.SHIPPED), "has left already"),
        ((E.COLLECTED,), "has left already"),
    ],
)
def test_what_goes_nowhere_and_what_has_left_is_refused_with_what_to_do(desk, events, why):
    (name,) = desk.orders()
    desk.say(name, *events)
    with pytest.raises(UserMistake, match=why):
        keep(desk, name)
    assert "order.kept" not in log(desk)


def test_an_order_is_named_by_its_shop_where_several_have_one(desk):
    with pytest.raises(UserMistake, match="the hub knows no order A1"):
        keep(desk)
    desk.first_of("A1", E.PLACED)
    with pytest.raises(UserMistake, match="needs a reason"):
        keep(desk, reason=" ")


def test_a_word_that_could_not_be_applied_is_told_as_that(desk):
    (name,) = desk.orders()
    known = desk.context.source

    def source(name):
        if name == ops.OPS:
            raise Unreadable("its decoder is of another version")
        return known(name)

    desk.context = desk.context._replace(source=source)
    with pytest.raises(UserMistake, match="it was set aside"):
        keep(desk, name)


def test_decisions_on_what_was_kept_back_follow_from_what_was_known(desk):
    desk.first_of("A1", E.PLACED)
    keep(desk)
    desk.say("A1", E.PAID)
    told = reproduce(desk.context, 0, 2 * NOW)
    assert (told.orders, told.same) == (1, 1)


def test_before_any_rulebook_it_is_not_packed_either(context, order):
    bench = Bench(context, order)
    holds = Holds(bench.store, bench.clock, lambda said: bench._receive(said) or drain(bench.context, 100), SETTINGS)
    for name in ("A1", "A2"):
        bench._receive([order(name, E.PLACED, E.PAID, at=NOW)])
    drain(bench.context, 100)
    hub = Frames(bench.store)
    assert packing.known(hub, bench.store, NOW).orders["order_no"].to_list() == ["A1", "A2"]
    holds.place("A1", shop="shop-1", reason="the buyer phoned", by="ann")
    assert packing.known(hub, bench.store, NOW).orders["order_no"].to_list() == ["A2"]
    assert [(one.held, one.shop) for one in packing.off(hub, bench.store, "A1")] == [(KEPT, "shop-1")]
    assert [one.held for one in packing.off(hub, bench.store, "A2")] == [""]
    holds.release("A1", reason="it may go", by="ann")
    assert packing.known(hub, bench.store, NOW).orders["order_no"].to_list() == ["A1", "A2"]
    assert [one.held for one in packing.off(hub, bench.store, "A1")] == [""]


def test_what_no_rule_sends_anywhere_is_not_packed_before_a_person_lets_it_go(desk):
    desk.editions.save(text("v2", "hangzhou").replace("assign hangzhou", "tag far"), by="ann")
    desk.published("v2")
    desk.first_of("A1", E.PLACED)
    desk.say("A1", E.PAID)
    hub = Frames(desk.store)
    assert rows(desk.context, "SELECT decided FROM orders") == [(1,)]
    assert packing.known(hub, desk.store, NOW).orders["order_no"].to_list() == ["A1"]
    keep(desk)
    assert packing.known(hub, desk.store, NOW).orders["order_no"].to_list() == []
    assert [one.held for one in packing.off(hub, desk.store, "A1")] == [KEPT]
    assert [(one.order_no, one.note) for one in desk.holds.unsent(shop="shop-1")] == [("A1", KEPT)]
    assert desk.holds.unsent(shop="shop-2") == desk.holds.kept() == []
    desk.holds.release("A1", reason="it may go", by="ann")
    assert desk.holds.unsent() == []
    assert packing.known(hub, desk.store, NOW).orders["order_no"].to_list() == ["A1"]
    with pytest.raises(UserMistake, match="is not kept from its warehouse"):
        desk.holds.release("A1", reason="once more", by="ann")


def test_before_any_rulebook_what_has_left_or_is_called_off_is_not_asked_about(context, order):
    bench = Bench(context, order)
    holds = Holds(bench.store, bench.clock, lambda said: bench._receive(said) or drain(bench.context, 100), SETTINGS)
    hub = Frames(bench.store)
    for name, end in (("A1", E.CANCELLED), ("A2", E.SHIPPED)):
        bench._receive([order(name, E.PLACED, E.PAID, at=NOW)])
        drain(bench.context, 100)
        holds.place(name, shop="shop-1", reason="the buyer phoned", by="ann")
        assert [one.held for one in packing.off(hub, bench.store, name)] == [KEPT]
        bench.news(name, end)
        drain(bench.context, 100)
        assert [one.held for one in packing.off(hub, bench.store, name)] == [""]
