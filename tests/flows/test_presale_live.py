"""Presale orders of the hub: they wait for their batch, and go by themselves, strictly in turn, once it is there."""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime

import msgspec
import polars as pl
import pytest
from reading import rows
from test_stock_live import NOW, Place, shop, with_content
from versions import text

from orderhub_core.errors import NobodyThere, OrderHubError, UserMistake
from orderhub_core.flows import ops
from orderhub_core.flows.absorb import drain
from orderhub_core.flows.dispatch import dispatch
from orderhub_core.flows.gates import Gates
from orderhub_core.flows.preselling import Presale
from orderhub_core.model import Content, Line
from orderhub_core.model import Event as E
from orderhub_core.people import Release
from orderhub_core.presale import board, texts
from orderhub_core.presale.batches import BATCHES
from orderhub_core.store import presale

DAY_US = 86_400_000_000
COMES = """[[groups]]
name = "presale"
match = "all"
[[groups.rules]]
name = "coming"
when = "sku contains PRE"
then = "hold presale"
"""
BOOK = text("v1", "hangzhou", COMES)


def at(us):
    return datetime.fromtimestamp(us / 1e6, UTC)


def batch(sku, name, pieces, *, ready=None, delayed=None, promised=None, there=None):
    return (sku, name, pieces, *(one and at(one) for one in (ready, delayed, promised, there)))


class Shop(Place):
    def __init__(self, context, order, book=BOOK):
        super().__init__(context, order, shop(), book)
        self.presale = Presale(self.store, self.clock, self.said, self.stock)

    def said(self, messages):
        self._receive(messages)
        drain(self.context, 100)

    def planned(self, *batches):
        return self.presale.plan(pl.DataFrame(batches, schema=BATCHES, orient="row"), by="bob")

    def news(self, name, *events):
        """Of an order, in the lane of what is said of it after: two lanes know no before and after."""
        self._receive([msgspec.structs.replace(self._order(name, *events, at=next(self._ticks)), key=name)])

    def wants(self, name, wanted, *, paid=NOW, limit=100, owed=E.PAID):
        content = Content(
            total_minor=10_000,
            paid_minor=10_000,
            province="浙江省",
            lines=tuple(Line(number, sku, quantity=n) for number, (sku, n) in enumerate(wanted.items(), 1)),
        )
        self._receive([with_content(self._order(name, E.PLACED, owed, at=paid), content)])
        drain(self.context, limit)

    def goes(self, name):
        return "?" not in self.fate(name)


@pytest.fixture
def place(context, order):
    return Shop(context, order)


def test_who_paid_first_goes_first_and_the_log_says_who_let_it_go(place):
    for name, pieces, paid in (("A1", 2, 3), ("A2", 2, 1), ("A3", 1, 4), ("A4", 1, 2)):
        place.wants(name, {"PRE-1": pieces}, paid=NOW + paid)
    assert not any(place.goes(f"A{n}") for n in range(1, 5))
    assert place.planned(batch("PRE-1", "first", 4, ready=NOW + DAY_US), batch("PRE-1", "second", 9)) == []
    assert place.presale.let_go() == [], "what is planned is not there"
    assert place.presale.arrived("PRE-1", "first", by="bob") == ["A2", "A4"], "A1 needs two, and nobody overtakes it"
    assert [place.goes(f"A{n}") for n in range(1, 5)] == [False, True, False, True]
    ((detail,), _) = rows(place.context, "SELECT detail FROM log WHERE event = 'order.released' ORDER BY seq")
    assert '"by":"orderhub"' in detail
    assert "first is there" in detail
    assert place.presale.arrived("PRE-1", "second", by="bob", pieces=1) == ["A1"]
    assert place.presale.let_go() == []


def test_what_is_paid_later_has_its_turn_by_when_that_was_agreed(place):
    for name, owed, at in (("A1", E.PAID, 3), ("A2", E.DEFERRED, 2), ("A3", E.PAID, 1)):
        place.wants(name, {"PRE-1": 1}, paid=NOW + at, owed=owed)
    place.planned(batch("PRE-1", "first", 2), batch("PRE-1", "second", 1))
    assert place.presale.arrived("PRE-1", "first", by="bob") == ["A3", "A2"]
    assert place.presale.arrived("PRE-1", "second", by="bob") == ["A1"]


def test_what_was_paid_keeps_its_turn_though_it_is_said_to_be_paid_later(place):
    place.wants("A1", {"PRE-1": 1}, paid=NOW + 1)
    place.wants("A2", {"PRE-1": 1}, paid=NOW + 3)
    place.wants("A1", {"PRE-1": 1}, paid=NOW + 9, owed=E.DEFERRED)
    assert place.planned(batch("PRE-1", "first", 1, there=NOW)) == ["A1"]


def test_who_is_heard_of_late_takes_nothing_from_those_who_went(place):
    place.wants("A1", {"PRE-1": 2}, paid=NOW + 5)
    assert place.planned(batch("PRE-1", "first", 2, there=NOW)) == ["A1"]
    place.wants("A2", {"PRE-1": 2}, paid=NOW)
    assert place.presale.let_go() == []
    place.news("A2", E.CANCELLED)
    place.wants("A3", {"PRE-1": 1}, paid=NOW + 9)
    assert place.planned(batch("PRE-1", "second", 1, there=NOW)) == ["A3"], "A2 wants nothing any more"


def test_what_is_called_off_before_it_left_gives_its_pieces_back(place):
    place.wants("A1", {"PRE-1": 2}), place.wants("A2", {"PRE-1": 2}, paid=NOW + 1)
    assert place.planned(batch("PRE-1", "first", 2, there=NOW)) == ["A1"]
    place.news("A1", E.CANCELLED)
    drain(place.context, 100)
    assert place.presale.let_go() == ["A2"]


@pytest.mark.parametrize("news", [E.PARTLY_REFUNDED, E.AFTER_SALE_APPLIED, E.SHIPPED, E.COLLECTED, E.REFUNDED])
def test_what_a_person_must_decide_does_not_go_by_itself(place, news):
    place.wants("A1", {"PRE-1": 1})
    place.news("A1", news)
    drain(place.context, 100)
    assert place.planned(batch("PRE-1", "first", 1, there=NOW)) == []


def test_who_is_held_for_another_reason_too_waits_for_a_person_and_keeps_its_place(context, order):
    place = Shop(context, order, text("v1", "hangzhou", COMES.replace("hold presale", "hold presale; hold risk")))
    place.wants("A1", {"PRE-1": 1})
    assert place.planned(batch("PRE-1", "first", 1, there=NOW)) == []
    ((dealt,),) = rows(place.context, "SELECT batch FROM dealt")
    assert dealt == "first"


def test_news_that_are_not_yet_read_keep_an_order_that_was_to_go(place):
    """Between looking and letting go a refund comes in: it was not known, so the order does not go."""
    place.wants("A1", {"PRE-1": 1})
    say = place.presale._say

    def after_a_refund(messages):
        if any(message.kind == "release" for message in messages):
            place.news("A1", E.PARTLY_REFUNDED)
        say(messages)

    place.presale._say = after_a_refund
    place.planned(batch("PRE-1", "first", 1, there=NOW))
    assert not place.goes("A1")


def test_a_schedule_tells_when_an_order_goes_and_whose_promise_a_late_batch_breaks(place):
    day = [NOW + n * DAY_US for n in range(9)]
    for name in ("A1", "A2", "A3"):
        place.wants(name, {"PRE-1": 1}, paid=NOW + int(name[1]))
    place.wants("B1", {"PRE-2": 1})
    place.planned(
        batch("PRE-1", "first", 1, ready=day[0], there=NOW),
        batch("PRE-1", "second", 1, ready=day[2], delayed=day[6], promised=day[3]),
        batch("PRE-1", "third", 1, ready=day[4], promised=day[7]),
    )
    found = place.presale.schedule()
    told = found.orders.select("order_no", "batch", "at", "gone", "at_risk", "was_at_risk").rows()
    assert told == [
        ("A1", "first", at(NOW), True, False, False),
        ("A2", "third", at(day[4]), False, True, False),
        ("A3", "second", at(day[6]), False, False, False),
    ]
    assert found.unplanned.rows() == [("shop-1", "B1", "PRE-2", 1)]
    told = list(texts.schedule(*found, str))
    assert "! PRE-2: no batch is planned; orders that wait for it: 1, pieces: 1" in told
    assert any(line.startswith("orders with a batch: 3") for line in told)
    assert board.unplanned_said(found.unplanned, str).endswith("PRE-2: orders 1, pieces 1")
    place._ticks = iter(range(day[8], 1 << 62))
    late = place.presale.schedule()
    assert late.batches.select("batch", "is_there", "overdue").rows() == [
        ("first", True, False), ("second", False, True), ("third", False, True),
    ]  # fmt: skip
    assert late.orders["at_risk"].to_list() == [False, True, True]
    assert late.orders["at"].to_list() == [at(NOW), None, None], "a day that is over is none"


def test_a_plan_that_cannot_be_meant_is_refused(place):
    with pytest.raises(UserMistake, match="in the future"):
        place.planned(batch("PRE-1", "first", 1, there=NOW + DAY_US))
    with pytest.raises(UserMistake, match="0"):
        place.planned()
    with pytest.raises(UserMistake, match="no batch second of PRE-1 is planned; there are none"):
        place.presale.arrived("PRE-1", "second", by="bob")
    assert place.presale.kept() == []
    place.planned(batch("PRE-1", "first", 1))
    place.planned(batch("PRE-1", "first", 0))
    assert place.presale.kept() == []


def test_what_was_never_planned_is_in_stock_and_what_was_taken_back_is_not(place):
    place.wants("A1", {"PRE-1": 1, "SOCKS": 2}), place.wants("A2", {"PRE-1": 1, "PRE-2": 1})
    place.planned(batch("PRE-2", "first", 5))
    place.planned(batch("PRE-2", "first", 0))
    assert place.planned(batch("PRE-1", "first", 5, there=NOW)) == ["A1"]


def test_whoever_is_killed_half_way_is_followed_by_another(place):
    """After each message that the one had said, another comes and does the same."""
    for n in range(4):
        place.wants(f"A{n}", {"PRE-1": 1}, paid=NOW + n)
    say = place.presale._say
    for survives in range(3):
        left = iter(range(survives))

        def killed(messages, left=left):
            if next(left, None) is None:
                raise KeyboardInterrupt
            say(messages)

        place.presale._say = killed
        with pytest.raises(KeyboardInterrupt):
            place.planned(batch("PRE-1", f"b{survives}", 1, there=NOW))
    place.presale._say = say
    place.presale.let_go()
    assert [place.goes(f"A{n}") for n in range(4)] == [True, True, False, False]


def test_who_lacks_stock_too_goes_when_its_batch_and_its_stock_are_there(place):
    place.counted(("hangzhou", "PRE-1", 0), ("hangzhou", "SOCKS", 0))
    place.wants("A1", {"PRE-1": 1, "SOCKS": 1}), place.wants("A2", {"PRE-1": 1}, paid=NOW + 1)
    assert place.planned(batch("PRE-1", "first", 2, there=NOW)) == [], "nobody has counted it yet"
    assert place.presale.let_go() == []
    assert place.counted(("hangzhou", "PRE-1", 2)).gone == ("A2",), "the socks are still missing"
    assert place.counted(("hangzhou", "PRE-1", 2), ("hangzhou", "SOCKS", 1)).gone == ("A1",)
    place.wants("A3", {"PRE-1": 1}, paid=NOW + 2)
    assert place.counted(("hangzhou", "PRE-1", 9)).let_go == 0, "its batch is still to come"


def test_a_closed_warehouse_lets_nobody_go(place):
    place.wants("A1", {"PRE-1": 1})
    closed = place.signals.report("warehouse_closed", "yes", about="warehouse=hangzhou", by="ann")
    assert place.planned(batch("PRE-1", "first", 2, there=NOW)) == []
    place.signals.end(closed.name, by="ann")
    assert place.presale.let_go() == ["A1"]


def test_two_workers_deal_each_piece_once(context, order):
    place = Shop(context, order)
    for n in range(30):
        place.wants(f"A{n}", {"PRE-1": 1}, paid=NOW + n)
    troubles = []

    def work():
        own = Presale(place.store, place.clock, place.said, place.stock)
        for _ in range(4):
            try:
                own.let_go()
            except OrderHubError as trouble:  # another was faster, time and again
                troubles.append(trouble)

    threads = [threading.Thread(target=work) for _ in range(2)]
    place.planned(batch("PRE-1", "first", 1))
    for thread in threads:
        thread.start()
    for n in range(5):
        place.presale.arrived("PRE-1", "first", by="bob", pieces=4 * (n + 1))
    for thread in threads:
        thread.join()
    place.presale.let_go()
    assert [place.goes(f"A{n}") for n in range(30)] == [n < 20 for n in range(30)]
    ((logged,),) = rows(context, "SELECT count(*) FROM log WHERE event = 'order.released'")
    assert logged == 20, "nobody was let go twice"


@pytest.mark.parametrize("seed", range(8))
def test_it_is_as_dealing_by_hand_says(place, seed):
    """Orders, cancellations and batches in any order, against a pile from which pieces are handed out in turn."""
    dice = random.Random(seed)
    wants: dict[str, tuple[int, dict[str, int]]] = {}
    gone: set[str] = set()
    there = {"PRE-1": 0, "PRE-2": 0}
    place.planned(*(batch(sku, "some time", 0) for sku in there))
    for step in range(40):
        chance = dice.random()
        if chance < 0.6:
            name, paid = f"B{step}", NOW + dice.randrange(1000)
            wanted = {sku: dice.choice([1, 2, 3]) for sku in dice.sample(list(there), dice.choice([1, 1, 2]))}
            place.wants(name, wanted, paid=paid, limit=dice.choice([1, 100]))
            wants[name] = (paid, wanted)
        elif chance < 0.75 and wants:
            name = dice.choice(sorted(wants))
            place.news(name, E.CANCELLED)
            drain(place.context, 100)
            gone.discard(name)
            del wants[name]
        else:
            sku, pieces = dice.choice(list(there)), dice.randrange(1, 6)
            there[sku] += pieces
            place.planned(batch(sku, f"b{step}", pieces, there=NOW))
            pile = dict(there)
            # Who went keeps its pieces; the others in turn, each keeping what it waits for from those behind it.
            order_of = lambda one: (one not in gone, wants[one][0], int(one[1:]))  # noqa: E731
            for one in sorted(wants, key=order_of):
                enough = [pile[sku] >= n for sku, n in wants[one][1].items()]
                for sku, n in wants[one][1].items():
                    pile[sku] -= n
                if all(enough):
                    gone.add(one)
            assert {name for name in wants if place.goes(name)} == gone


@pytest.mark.parametrize("late", [True, False], ids=["between look and word", "before the look"])
def test_a_request_that_comes_to_nothing_keeps_an_order_only_while_it_is_open(place, late):
    place.wants("A1", {"PRE-1": 1})
    say = place.presale._say

    def and_it_is_heard(messages):
        if late and any(message.kind == "release" for message in messages):
            place.news("A1", E.AFTER_SALE_APPLIED)
        say(messages)

    if not late:
        place.news("A1", E.AFTER_SALE_APPLIED)
        drain(place.context, 100)
    place.presale._say = and_it_is_heard
    assert place.planned(batch("PRE-1", "first", 1, there=NOW)) == []
    place.presale._say = say
    assert not place.goes("A1")
    place.news("A1", E.AFTER_SALE_REJECTED)
    drain(place.context, 100)
    assert (place.presale.let_go(), place.presale.let_go()) == (["A1"], [])
    assert place.goes("A1")


@pytest.mark.parametrize("then", ["approve presale", "hold presale; approve presale"])
def test_an_approval_is_a_person_s_whatever_the_role_is_called(context, order, then):
    place = Shop(context, order, text("v1", "hangzhou", COMES.replace("hold presale", then)))
    place.wants("A1", {"PRE-1": 1})
    assert place.planned(batch("PRE-1", "first", 1, there=NOW)) == []
    assert not place.goes("A1")


def test_an_order_that_has_grown_since_it_was_dealt_its_pieces_is_a_person_s(place):
    place.wants("A1", {"PRE-1": 1})
    place.wants("A2", {"PRE-1": 1}, paid=NOW + 1)
    closed = place.signals.report("warehouse_closed", "yes", about="warehouse=hangzhou", by="ann")
    place.planned(batch("PRE-1", "first", 2, there=NOW))
    content = Content(total_minor=10_000, paid_minor=10_000, province="浙江省", lines=(Line(1, "PRE-1", quantity=5),))
    place._receive([with_content(place._order("A1", at=NOW + 50), content)])
    drain(place.context, 100)
    place.signals.end(closed.name, by="ann")
    assert place.presale.let_go() == ["A2"]
    assert not place.goes("A1")


@pytest.mark.parametrize("by_hand", [True, False])
def test_what_a_person_let_go_keeps_its_pieces_however_it_is_handed_over(place, by_hand):
    def perform(effect, key):
        if by_hand:
            raise NobodyThere("warehouse hangzhou has no connector in the settings: hand the order over by hand")

    place.wants("A1", {"PRE-1": 1}, paid=NOW + 5)
    place.said([ops.release(Release("shop-1", "A1", "the buyer fetches it", "ann"), NOW + 100)])
    dispatch(
        place.store, perform, gates=Gates({}, lambda: 0.0), clock=lambda: NOW + DAY_US,
        leases=lambda: NOW + DAY_US, owner="me",
        dice=random.Random(1), limit=9, attempts=8,
    )  # fmt: skip
    place.wants("A2", {"PRE-1": 1}, paid=NOW)
    assert place.planned(batch("PRE-1", "first", 1, there=NOW)) == []


def test_a_plan_that_is_told_again_takes_neither_an_arrival_nor_a_count_back(place):
    place.planned(batch("PRE-1", "first", 200, ready=NOW + DAY_US))
    place.presale.arrived("PRE-1", "first", by="bob", pieces=180)
    (there,) = place.presale.kept()
    place.planned(batch("PRE-1", "first", 200, ready=NOW + 2 * DAY_US))
    assert place.presale.kept() == [there._replace(ready_at=NOW + 2 * DAY_US)]
    place.planned(batch("PRE-1", "first", 190, there=NOW))
    assert [(one.pieces, one.arrived_at) for one in place.presale.kept()] == [(190, NOW)], (
        "who speaks of it is believed"
    )
    place.planned(batch("PRE-1", "first", 0))
    assert place.presale.kept() == []
    place.planned(batch("PRE-1", "first", 200))
    assert [(one.pieces, one.arrived_at) for one in place.presale.kept()] == [(200, None)]


def test_that_a_batch_is_there_changes_nothing_that_another_has_said_of_it_meanwhile(place):
    place.planned(batch("PRE-1", "first", 200, ready=NOW + DAY_US))
    say = place.presale._say

    def another_plans(messages):
        place.presale._say = say
        place.planned(batch("PRE-1", "first", 150, ready=NOW + DAY_US, delayed=NOW + 3 * DAY_US))
        say(messages)

    place.presale._say = another_plans
    place.presale.arrived("PRE-1", "first", by="bob", at=NOW)
    (there,) = place.presale.kept()
    assert (there.pieces, there.delayed_to, there.arrived_at) == (150, NOW + 3 * DAY_US, NOW)
    ((detail,),) = rows(place.context, "SELECT detail FROM log WHERE event = 'presale.arrived'")
    assert '"by":"bob"' in detail
    with pytest.raises(UserMistake, match="in the future"):
        place.presale.arrived("PRE-1", "first", by="bob", at=NOW + DAY_US)


def test_that_a_batch_is_there_which_another_takes_back_is_told(place):
    place.planned(batch("PRE-1", "first", 200))
    say = place.presale._say

    def another_takes_it_back(messages):
        place.presale._say = say
        place.planned(batch("PRE-1", "first", 0))
        say(messages)

    place.presale._say = another_takes_it_back
    with pytest.raises(UserMistake, match="no batch first of PRE-1 is planned"):
        place.presale.arrived("PRE-1", "first", by="bob")


@pytest.mark.parametrize("word", ["plan", "arrival"])
def test_what_was_set_aside_is_not_told_as_taken_in(place, monkeypatch, word):
    place.planned(batch("PRE-1", "first", 5))

    def breaks(*_):
        raise ValueError

    monkeypatch.setattr(presale, {"plan": "steps", "arrival": "arrival"}[word], breaks)
    with pytest.raises(UserMistake, match="set aside: internal: ValueError"):
        if word == "plan":
            place.planned(batch("PRE-1", "first", 9))
        else:
            place.presale.arrived("PRE-1", "first", by="bob")
    assert [(one.pieces, one.arrived_at) for one in place.presale.kept()] == [(5, None)]
