"""Who looks at a held order sees how many after-sale cases it has: a word is about those that were known then."""

from __future__ import annotations

import pytest
from held_desk import Desk
from versions import NOW

from orderhub_core.errors import UserMistake
from orderhub_core.flows import ops
from orderhub_core.flows.absorb import drain
from orderhub_core.flows.doubts import MANY, REFUNDED, WANTED_BACK
from orderhub_core.flows.holding import Holds
from orderhub_core.model import Case
from orderhub_core.model import Event as E
from orderhub_core.people import Release

ONE, TWO = Case("C1", "1"), Case("C2", "2")
OTHERS = [TWO, Case("C2", "1"), Case("", "2")]


@pytest.fixture
def desk(context, order):
    return Desk(context, order)


def told(desk):
    (held,) = desk.holds.kept()
    return [reason for reason in held.note.split("; before: ") if "let go" not in reason]


def many(cases, refunded=0):
    return MANY.format(cases=cases, refunded=refunded)


@pytest.mark.parametrize("done", [False, True], ids=["waiting", "handed over"])
@pytest.mark.parametrize("other", OTHERS, ids=str)
@pytest.mark.parametrize("limit", [1, 100])
def test_a_second_case_is_seen_while_nobody_has_answered_the_first(desk, done, other, limit):
    (name,) = desk.orders()
    if done:
        desk.push()
    for at, cases in ((1, (ONE,)), (2, (ONE, other)), (3, (other,))):
        desk._receive([desk._order(name, E.AFTER_SALE_APPLIED, at=NOW + at * 10**6, cases=cases)])
    drain(desk.context, limit)
    newest, first = told(desk)
    assert (newest, WANTED_BACK in first) == (many(2), True), "what is told again is no third"


@pytest.mark.parametrize("together", [True, False], ids=["with the word", "before it"])
@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_nothing_is_let_go_for_one_case_of_two(desk, together, other):
    (name,) = desk.orders()
    desk.say(name, E.AFTER_SALE_APPLIED, cases=(ONE,))

    def say(words):
        desk._receive([desk._order(name, E.AFTER_SALE_APPLIED, at=NOW + 10**7, cases=(other,))])
        if not together:
            drain(desk.context, 100)
        desk._receive(words)
        drain(desk.context, 100)

    holds = Holds(desk.store, desk.clock, say, desk.settings)
    with pytest.raises(UserMistake, match="A1: there are other reasons"):
        holds.release(name, reason="they keep it", by="ann")
    desk.push()
    assert (desk.pushed, told(desk)[0]) == ([], many(2))
    desk.holds.release(name, reason="they keep both", by="ann")
    desk.push()
    assert desk.pushed == ["push:shop-1:A1"]


@pytest.mark.parametrize("events", [(E.PARTLY_REFUNDED,), (E.AFTER_SALE_REFUNDED, E.PARTLY_REFUNDED)], ids=str)
def test_a_second_refund_is_seen_while_nobody_has_answered_the_first(desk, events):
    (name,) = desk.orders()
    for line in ("1", "2", "3"):
        desk.say(name, *events, cases=(Case("", line, 0),))
    assert told(desk)[:2] == [many(3, 3), many(2, 2)]
    assert REFUNDED in told(desk)


def test_that_one_of_two_is_over_frees_nothing(desk):
    """Of the cases of an order only the last is told apart as open or over."""
    (name,) = desk.orders()
    desk.say(name, E.AFTER_SALE_APPLIED, cases=(ONE,))
    desk.say(name, E.AFTER_SALE_APPLIED, cases=(TWO,))
    desk.say(name, E.AFTER_SALE_CLOSED, cases=(TWO,))
    desk.push()
    assert desk.pushed == []


def test_a_case_that_came_and_went_frees_nothing_that_another_holds(desk):
    (name,) = desk.orders()
    desk.say(name, E.AFTER_SALE_APPLIED, cases=(ONE,))
    desk.say(name, E.AFTER_SALE_CLOSED, cases=(TWO,))
    desk.push()
    assert (desk.pushed, told(desk)[0]) == ([], many(2))


def test_the_next_case_after_one_that_is_over_is_one(desk):
    (name,) = desk.orders()
    for case in (ONE, TWO):
        desk.say(name, E.AFTER_SALE_APPLIED, cases=(case,))
        assert told(desk) == [WANTED_BACK]
        desk.say(name, E.AFTER_SALE_CLOSED, cases=(case,))
        assert desk.holds.kept() == []


def test_an_order_that_is_first_heard_of_with_two_says_so(desk):
    desk._receive([desk._order("A1", E.PLACED, E.PAID, E.AFTER_SALE_APPLIED, at=NOW, total=20_000, cases=(ONE, TWO))])
    drain(desk.context, 100)
    assert desk.effect() == ("person", 0, f"{WANTED_BACK}; before: {many(2)}")


def test_that_the_later_of_two_is_over_says_nothing_of_the_first_where_both_came_before_the_payment(desk):
    for events, case in (
        ((E.PLACED, E.AFTER_SALE_APPLIED), ONE),
        ((E.AFTER_SALE_APPLIED,), TWO),
        ((E.AFTER_SALE_CLOSED,), TWO),
    ):
        desk.say("A1", *events, cases=(case,))
    desk.say("A1", E.PAID, total=20_000)
    desk.push()
    assert (desk.pushed, desk.effect()) == ([], ("person", 0, many(2)))


def test_a_word_on_fewer_cases_closes_nothing(desk):
    (name,) = desk.orders()
    desk.push()
    desk.say(name, E.AFTER_SALE_APPLIED, cases=(ONE,))
    (listed,) = desk.holds.kept()
    desk.say(name, E.AFTER_SALE_APPLIED, cases=(TWO,))
    word = Release("shop-1", name, "stopped", "ann", act="close", seen={listed.key: listed.note})
    desk._receive([ops.release(word, desk.clock())])
    drain(desk.context, 100)
    assert told(desk)[0] == many(2)
