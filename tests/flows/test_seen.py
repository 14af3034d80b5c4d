"""A word on what is held is about what its speaker has seen of it, however far behind the hub is."""

from __future__ import annotations

import pytest
from held_desk import SPLIT, Desk, down
from versions import GIFT, NOW

from orderhub_core.errors import RefusedByTarget, UserMistake
from orderhub_core.flows import ops
from orderhub_core.flows.absorb import drain
from orderhub_core.flows.doubts import REFUNDED, WANTED_BACK
from orderhub_core.flows.holding import Holds
from orderhub_core.model import Event as E
from orderhub_core.people import Release
from orderhub_core.store.statements import HANDED_OVER

HELD = GIFT.replace("gift FREE-1", "hold risk")


@pytest.fixture
def desk(context, order):
    return Desk(context, order, more=HELD)


@pytest.fixture(params=["with the word", "before it"])
def meanwhile(request, desk):
    """Whoever speaks as the hub is behind: has news applied that came after the speaker has looked."""

    def looked(news):
        def say(words):
            desk._receive(news)
            if request.param == "before it":
                drain(desk.context, 100)
            desk._receive(words)
            drain(desk.context, 100)

        return Holds(desk.store, desk.clock, say, desk.settings)

    return looked


@pytest.mark.parametrize("event", [E.PARTLY_REFUNDED, E.AFTER_SALE_APPLIED, E.SHIPPED])
def test_nothing_is_let_go_for_what_was_not_seen(desk, meanwhile, event):
    (name,) = desk.orders()
    holds = meanwhile([desk._order(name, event, at=NOW + 1)])
    with pytest.raises(UserMistake, match="A1: there are other reasons"):
        holds.release(name, reason="known buyer", by="ann")
    desk.push()
    (held,) = desk.holds.kept()
    assert (desk.pushed, held.tries) == ([], 0)
    desk.holds.release(name, reason="known buyer, all the same", by="ann")
    desk.push()
    assert desk.pushed == ["push:shop-1:A1"]


def test_a_reason_that_was_answered_is_told_once_more(desk, meanwhile):
    """What a person has answered stands in the note of what is held now."""
    (name,) = desk.orders()
    for event in (E.AFTER_SALE_APPLIED, E.PARTLY_REFUNDED):
        desk.say(name, event)
        if event is E.AFTER_SALE_APPLIED:
            desk.holds.release(name, reason="they keep it", by="ann")
    holds = meanwhile([desk._order(name, E.REFUND_AGREED, at=NOW + 10**6)])
    with pytest.raises(UserMistake, match="A1: there are other reasons"):
        holds.release(name, reason="the rest goes", by="ann")
    desk.push()
    (held,) = desk.holds.kept()
    assert (desk.pushed, held.note.split("; before: ")[0]) == ([], WANTED_BACK)


def test_a_word_that_came_too_late_changes_nothing(desk):
    (name,) = desk.orders()
    desk.holds.release(name, reason="known buyer", by="ann")
    desk.give_up()
    (listed,) = desk.holds.kept()
    desk.say(name, E.PARTLY_REFUNDED)
    before = desk.effect()
    word = Release("shop-1", name, "it is up again", "ann", act="again", seen={listed.key: listed.note})
    desk._receive([ops.release(word, desk.clock())])
    drain(desk.context, 100)
    assert (desk.effect(), before[:2]) == (before, ("person", 3))


def test_nothing_is_seen_to_that_was_not_seen(desk, meanwhile):
    (name,) = desk.orders()
    desk.holds.release(name, reason="known buyer", by="ann")
    desk.push()
    desk.say(name, E.AFTER_SALE_APPLIED)
    holds = meanwhile([desk._order(name, E.PARTLY_REFUNDED, at=NOW + 10**6)])
    with pytest.raises(UserMistake, match="A1: there are other reasons"):
        holds.close(name, reason="they keep it", by="ann")
    (held,) = desk.holds.kept()
    assert REFUNDED in held.note and HANDED_OVER in held.note


def test_what_was_not_listed_is_not_closed(context, order):
    desk = Desk(context, order, more=SPLIT)
    desk.buy("S1", E.PLACED, E.PAID, SHIRT=1, CUP=1)
    refused = {1}

    def refuse(effect, key):
        if effect.parcel in refused:
            raise RefusedByTarget("no such SKU")
        down(effect, key)

    desk.push(refuse)
    (listed,) = desk.holds.kept()
    word = Release("shop-1", "S1", "by hand", "ann", act="close", seen={listed.key: listed.note})
    refused.add(2)
    desk.push(refuse)
    desk._receive([ops.release(word, desk.clock())])
    drain(desk.context, 100)
    (left,) = desk.holds.kept()
    assert left.key != listed.key


@pytest.mark.parametrize("later", ["go", "again"])
def test_of_two_words_at_once_each_is_heard_in_its_turn(desk, later):
    (name,) = desk.orders()
    words = [Release("shop-1", name, "said", by, act=act) for by, act in (("ann", "close"), ("bob", later))]
    desk._receive([ops.release(word, desk.clock()) for word in words])
    drain(desk.context, 100)
    desk.push()
    assert (desk.pushed, desk.effect()[0]) == ([], "withdrawn")


def test_many_that_have_left_or_are_closed_at_once_are_as_many(context, order):
    desk = Desk(context, order)
    names = desk.orders(400)
    desk._receive([desk._order(name, E.SHIPPED, at=NOW + 10**6) for name in names])
    drain(desk.context, 1_000)
    assert len(desk.holds.kept()) == 400
    seen = {one.order_no: {one.key: one.note} for one in desk.holds.kept()}
    words = [Release("shop-1", name, "once only", "ann", act="close", seen=seen[name]) for name in names]
    desk._receive([ops.release(word, desk.clock()) for word in words])
    drain(desk.context, 1_000)
    assert desk.holds.kept() == []
