"""An order number that two shops have, as where a file was imported before its shop was connected: of what may be one
order the second is held, in whatever batches both come."""

from __future__ import annotations

import itertools
import random

import msgspec
import pytest
from held_desk import Desk
from reading import rows
from small_shop import a_hub, decode
from test_deferred_live import Frames
from versions import GIFT, NOW, Bench, text

from orderhub_core.errors import UserMistake
from orderhub_core.flows import editions, ops, packing
from orderhub_core.flows.absorb import drain
from orderhub_core.flows.context import Source
from orderhub_core.flows.doubts import ELSEWHERE, KEPT, WANTED_BACK
from orderhub_core.flows.holding import Holds
from orderhub_core.flows.pipeline import Pipeline
from orderhub_core.flows.recent import Recent
from orderhub_core.model import Content, Line, Observation, RawMessage
from orderhub_core.model import Event as E
from orderhub_core.rules.inforce import InForce
from orderhub_core.settings import Endpoint, Settings
from orderhub_core.store.statements import HANDED_OVER

HOUR = 3_600_000_000
EXPORTS, LIVE, THIRD = "exports", "live-1", "third"
HELD = ("person", ELSEWHERE.format(shop=EXPORTS))
GOES = ("waiting", "")
PAID = (E.PLACED, E.PAID)
CONTENT = Content(total_minor=20_000, paid_minor=20_000, buyer_ref="b", lines=(Line(1, "SKU-1", "n", "c", 1, 20_000),))
_numbers = itertools.count(1)


def source(name):
    return Source("", "", ops.decode) if name == ops.OPS else Source(name, "douyin", decode)


@pytest.fixture
def desk(context, order):
    made = Desk(context, order)
    made.context = made.context._replace(source=source)
    return made


def told(shop, *events, no="A1", at=NOW, content=CONTENT, facts=None):
    facts = {event.value: at for event in events} if facts is None else facts
    body = msgspec.json.encode(Observation(no, facts, at, content))
    return RawMessage(shop, f"{no}:{next(_numbers)}", "order", body, no)


def take(desk, *messages, apart=True):
    for batch in [[one] for one in messages] if apart else [messages]:
        desk.store.accept(batch, NOW)
        drain(desk.context, 100)


def pushes(desk, no="A1"):
    """By shop: the state and the note."""
    asked = "SELECT shop, state, note FROM outbox JOIN orders USING (order_id) WHERE key LIKE 'push%' AND order_no = ?"
    return {shop: (state, note) for shop, state, note in rows(desk.context, asked, no)}


@pytest.mark.parametrize("apart", [True, False], ids=["one after the other", "in one batch"])
def test_the_second_is_held_and_names_the_other_shop(desk, apart):
    take(desk, told(EXPORTS, *PAID), told(LIVE, *PAID), apart=apart)
    assert pushes(desk) == {EXPORTS: GOES, LIVE: HELD}
    desk.push()
    assert desk.pushed == [f"push:{EXPORTS}:A1"]


def test_the_second_is_held_where_the_first_was_handed_over_long_ago(desk):
    take(desk, told(EXPORTS, *PAID))
    desk.push()
    take(desk, told(LIVE, *PAID))
    assert pushes(desk)[LIVE] == HELD


@pytest.mark.parametrize("act", ["release", "close"])
def test_a_persons_word_ends_it(desk, act):
    take(desk, told(EXPORTS, *PAID), told(LIVE, *PAID))
    getattr(desk.holds, act)("A1", reason="it is another one", by="ann")
    take(desk, told(LIVE, E.INVOICE_REQUESTED, at=NOW + 1, content=None))
    desk.push()
    assert (desk.holds.kept(), f"push:{LIVE}:A1" in desk.pushed) == ([], act == "release")


def test_each_other_shop_is_named(desk):
    take(desk, told(LIVE, *PAID), told(EXPORTS, *PAID), told(THIRD, *PAID))
    assert pushes(desk)[THIRD] == ("person", f"{HELD[1]}; {ELSEWHERE.format(shop=LIVE)}")


@pytest.mark.parametrize(
    "first",
    [
        (*PAID, E.SHIPPED),
        (*PAID, E.LOCKED),
        (*PAID, E.COLLECTED),
        (*PAID, E.SHIPPED, E.REFUNDED),
        (*PAID, E.COLLECTED, E.CANCELLED),
    ],
    ids=str,
)
@pytest.mark.parametrize("apart", [True, False])
def test_what_somebody_else_has_sent_or_is_about_to_is_not_sent_once_more(desk, first, apart):
    take(desk, told(EXPORTS, *first), told(LIVE, *PAID), apart=apart)
    assert pushes(desk)[LIVE] == HELD


@pytest.mark.parametrize(
    "first", [(E.PLACED,), (E.PLACED, E.VOIDED), (*PAID, E.CANCELLED), (*PAID, E.REFUNDED)], ids=str
)
@pytest.mark.parametrize("apart", [True, False])
def test_what_is_not_paid_or_came_to_nothing_holds_nobody(desk, first, apart):
    take(desk, told(EXPORTS, *first), told(LIVE, *PAID), apart=apart)
    assert pushes(desk)[LIVE] == GOES


def test_what_was_handed_over_and_cancelled_holds_nobody(desk):
    take(desk, told(EXPORTS, *PAID), told(EXPORTS, E.CANCELLED, at=NOW + 1), told(LIVE, *PAID))
    assert pushes(desk)[LIVE] == GOES


@pytest.mark.parametrize("apart", [True, False])
def test_the_one_that_is_paid_last_is_the_second(desk, apart):
    live = told(LIVE, *PAID)
    take(desk, told(EXPORTS, E.PLACED), live, told(EXPORTS, E.PAID, at=NOW + 1), apart=apart)
    assert pushes(desk) == {LIVE: GOES, EXPORTS: ("person", ELSEWHERE.format(shop=LIVE))}


@pytest.mark.parametrize("left", [(E.SHIPPED,), (E.COLLECTED,), (E.SHIPPED, E.COLLECTED)], ids=str)
@pytest.mark.parametrize("apart", [True, False])
def test_who_goes_first_is_held_when_the_other_leaves_by_another_hand(desk, left, apart):
    later = told(EXPORTS, E.PAID, *left, at=NOW + 1)
    take(desk, told(EXPORTS, E.PLACED), told(LIVE, *PAID), later, apart=apart)
    assert pushes(desk) == {LIVE: HELD}
    desk.push()
    assert desk.pushed == []


@pytest.mark.parametrize("apart", [True, False])
def test_that_the_other_has_left_stands_above_what_keeps_it_and_may_be_over(desk, apart):
    case = told(LIVE, E.AFTER_SALE_APPLIED, at=NOW + 1, content=None)
    sent = told(EXPORTS, E.PAID, E.SHIPPED, at=NOW + 2)
    take(desk, told(EXPORTS, E.PLACED), told(LIVE, *PAID), case, sent, apart=apart)
    take(desk, told(LIVE, E.AFTER_SALE_CLOSED, at=NOW + 3, content=None))
    (held,) = pushes(desk).values()
    assert held == ("person", f"{HELD[1]}; before: {WANTED_BACK}")


def test_who_has_it_already_is_told_once_that_the_other_left_where_nobody_was_asked(desk):
    take(desk, told(EXPORTS, E.PLACED), told(LIVE, *PAID))
    desk.push()
    take(desk, told(EXPORTS, E.PAID, E.SHIPPED, at=NOW + 1))
    assert pushes(desk)[LIVE] == ("person", f"{HANDED_OVER}; {HELD[1]}")
    desk.holds.close("A1", reason="they are two", by="ann")
    take(desk, told(EXPORTS, E.COLLECTED, at=NOW + 2, content=None))
    assert desk.holds.kept() == []


def test_nobody_is_asked_twice_as_what_was_handed_over_leaves(desk):
    take(desk, told(EXPORTS, *PAID))
    desk.push()
    take(desk, told(LIVE, *PAID), told(LIVE, E.SHIPPED, at=NOW + 1, content=None))
    assert pushes(desk)[EXPORTS] == ("done", "")


def test_what_no_rule_sends_anywhere_holds_nobody(desk):
    rule = '[[groups.rules]]\nname = "live"\nwhen = "shop is live-1"\nthen = "assign hangzhou"'
    desk.editions.save(text("v2", "hangzhou").replace('otherwise = "assign hangzhou"', rule), by="ann")
    desk.published("v2")
    take(desk, told(EXPORTS, *PAID), told(LIVE, *PAID))
    assert pushes(desk) == {LIVE: GOES}


@pytest.mark.parametrize("apart", [True, False])
def test_who_is_owed_again_is_asked_of_the_other_shop_too(desk, apart):
    facts = {E.PLACED.value: NOW, E.DEFERRED.value: NOW}
    void, paid = told(EXPORTS, E.VOIDED, at=NOW + 1, content=None), told(EXPORTS, E.PAID, at=NOW + 2, content=None)
    take(desk, told(EXPORTS, facts=facts), void, told(LIVE, *PAID), paid, apart=apart)
    state, note = pushes(desk)[EXPORTS]
    assert (state, ELSEWHERE.format(shop=LIVE) in note) == ("person", True)


@pytest.mark.parametrize(
    ("first", "second", "fate"),
    [
        ({"order.placed": 0}, {"order.placed": 47 * HOUR}, HELD),
        ({"order.placed": 0}, {"order.placed": 48 * HOUR}, GOES),
        ({"order.placed": 48 * HOUR}, {"order.placed": 0}, GOES),
        ({}, {"order.placed": 48 * HOUR}, HELD),
        ({"payment.paid": 0}, {"payment.paid": 500 * HOUR, "order.placed": 0}, GOES),
        ({"payment.paid": 0, "order.placed": 0}, {"payment.paid": 500 * HOUR, "order.placed": HOUR}, HELD),
    ],
)
def test_orders_that_were_placed_on_other_days_are_two(desk, first, second, fate):
    """As of shops that number their orders themselves; of the same order an export may tell the day alone."""
    facts = [{"payment.paid": 100 * HOUR, **one} for one in (first, second)]
    dated = [{event: NOW + at for event, at in one.items()} for one in facts]
    take(desk, told(EXPORTS, facts=dated[0]), told(LIVE, facts=dated[1]))
    assert pushes(desk)[LIVE] == fate


def test_a_case_that_comes_to_nothing_lets_nothing_go_that_is_elsewhere(desk):
    live = told(LIVE, *PAID, E.AFTER_SALE_APPLIED)
    take(desk, told(EXPORTS, *PAID), live)
    assert pushes(desk)[LIVE] == ("person", f"{WANTED_BACK}; before: {HELD[1]}")
    take(desk, told(LIVE, E.AFTER_SALE_CLOSED, at=NOW + 1, content=None))
    assert pushes(desk)[LIVE] == HELD


def test_a_backlog_that_is_planned_ahead_holds_the_second_of_each_number(desk):
    """Nothing is remembered of some when the second comes, and of others the first is being written just then."""
    sold = [(shop, f"N{number}") for number in range(120) for shop in (EXPORTS, LIVE)]
    random.Random(1).shuffle(sold)
    desk.store.accept([told(shop, *PAID, no=no) for shop, no in sold], NOW)
    pipeline = Pipeline(desk.context._replace(recent=Recent(desk.store, 20)), 7)
    while pipeline.step() is not None:
        pass
    pipeline.close()
    for no, first in {no: shop for shop, no in reversed(sold)}.items():
        other = LIVE if first == EXPORTS else EXPORTS
        assert pushes(desk, no) == {first: GOES, other: ("person", ELSEWHERE.format(shop=first))}


FEW = GIFT.replace("gift FREE-1", "gift FREE-1 limit 9")
ASKING = FEW + FEW.replace("gifts", "again").replace("welcome", "back").replace(
    "total >= 1", "buyer_orders >= 1"
).replace("FREE-1", "FREE-2")
BOOKS = [editions.read(text(version, "hangzhou", more)) for version, more in (("v1", FEW), ("v2", ASKING))]
FOUND = [
    f"SELECT shop, order_no, {columns} FROM {table} JOIN orders USING (order_id) ORDER BY shop, order_no, {turn}"
    for table, columns, turn in (
        ("log", "event, before, after, outcome, detail", "seq"),
        ("decisions", "rule, action, argument, quantity, reason", "place"),
        ("outbox", "key, target, payload, state, note LIKE '%also in the hub%'", "key"),
    )
]


def stream(dice):
    """News of few numbers that two shops have, and of few buyers."""
    for _ in range(90):
        no, shop, at = f"N{dice.randrange(15)}", dice.choice([EXPORTS, LIVE]), NOW + dice.choice([0, 1, 2, 60 * HOUR])
        events = dice.choice([PAID, PAID, PAID, (E.PLACED,), (E.SHIPPED,), (E.CANCELLED,), (E.REFUNDED,), (E.LOCKED,)])
        content = msgspec.structs.replace(CONTENT, buyer_ref=f"buyer {dice.randrange(3)}")
        yield told(shop, *events, no=no, at=at, content=dice.choice([content, content, None]))


@pytest.mark.parametrize(
    "books", [InForce(BOOKS[0]), InForce(BOOKS[1]), InForce(*BOOKS, 5_000)], ids=["few", "asking", "some asking"]
)
@pytest.mark.parametrize("seed", [*range(5), 33])
def test_any_batches_hold_and_decide_the_same(tmp_path, seed, books):
    """Also where rules ask for a buyer's other orders, some or all of them, and where gifts are limited."""
    news, found = list(stream(random.Random(seed))), []
    for size, most in ((1, None), (90, None), (7, 0), (3, 2), (11, 5_000)):
        with a_hub(tmp_path / str(size)) as context:
            recent = None if most is None else Recent(context.store, most)
            known = context._replace(source=source, in_force=lambda *_: books, recent=recent)
            known.store.accept(news, NOW)
            assert "parked" not in drain(known, size).values()
            found.append([rows(known, sql) for sql in FOUND])
    assert [one for one in found if one != found[0]] == []
    assert any(row[-1] for row in found[0][-1])


def test_of_one_that_is_kept_back_and_one_that_will_be_it_must_be_said_which_may_go(desk):
    take(desk, told(EXPORTS, *PAID), told(LIVE, E.PLACED))
    for shop in (EXPORTS, LIVE):
        desk.holds.place("A1", shop=shop, reason="the buyer phoned", by="ann")
    for word in (desk.holds.release, desk.holds.close):
        with pytest.raises(UserMistake, match=rf"several shops have an order A1 \({EXPORTS}, {LIVE}\)"):
            word("A1", reason="seen to", by="ann")
    assert [one.shop for one in desk.holds.kept()] == [EXPORTS]
    for shop in (LIVE, EXPORTS):
        assert desk.holds.release("A1", shop=shop, reason="it may go", by="ann").shop == shop
    assert desk.holds.kept() == []


def test_before_any_rulebook_only_that_which_is_kept_back_stays_off_the_packing_floor(context, order):
    bench = Bench(context, order)
    bench.context = bench.context._replace(source=source)
    shops = Settings(shops=(Endpoint(EXPORTS, ""), Endpoint(LIVE, "douyin")))
    holds = Holds(bench.store, bench.clock, lambda said: bench._receive(said) or drain(bench.context, 100), shops)
    take(bench, told(EXPORTS, *PAID), told(LIVE, *PAID))
    for shop in (EXPORTS, LIVE):
        holds.place("A1", shop=shop, reason="the buyer phoned", by="ann")
    holds.release("A1", shop=LIVE, reason="it may go", by="ann")
    hub = Frames(bench.store)
    assert packing.known(hub, bench.store, NOW).orders["shop"].to_list() == [LIVE]
    assert {one.shop: one.held for one in packing.off(hub, bench.store, "A1")} == {EXPORTS: KEPT, LIVE: ""}
