"""What was held for its stock goes by itself once its warehouse has reported that everything is there."""

from __future__ import annotations

import random

import pytest
from reading import rows
from test_stock_live import NOW, Place, shop
from versions import GIFT, HOLD, text

from orderhub_core.errors import Busy, UserMistake
from orderhub_core.flows.absorb import drain
from orderhub_core.flows.stocking import Stock
from orderhub_core.model import Event as E
from orderhub_core.rules.tree import Rulebook
from orderhub_core.settings import BaseSettings, Settings, WarehouseSettings

NAMED = text("v1", "hangzhou")


@pytest.fixture
def place(context, order):
    return Place(context, order, shop(), NAMED)


def waits(fate):
    return "?" in fate


def test_who_waited_goes_with_the_report_that_has_it_all_and_the_log_says_who_let_it_go(place):
    place.counted(("hangzhou", "SKU-1", 2))
    assert [waits(fate) for fate in place.bought(2) + place.bought(3) + place.bought(4)] == [False, True, True]
    assert place.counted(("hangzhou", "SKU-1", 5)).let_go == 1, "two of five are promised to the first"
    assert (place.fate("A2"), waits(place.fate("A3"))) == ("hangzhou", True)
    assert place.left("hangzhou") == -4, "A3's are kept, though they are not there"
    gone = place.counted(("hangzhou", "SKU-1", 9))
    assert (gone.let_go, gone.gone) == (1, ("A3",))
    assert place.left("hangzhou") == 0
    told = rows(place.context, "SELECT detail FROM log WHERE event = 'order.released' ORDER BY seq")
    assert len(told) == 2
    assert all('"by":"orderhub"' in detail and "hangzhou has reported" in detail for (detail,) in told)
    assert place.counted(("hangzhou", "SKU-1", 9)).let_go == 0


def test_who_does_not_fit_is_passed_over_and_keeps_nothing_from_those_behind(place):
    place.counted(("hangzhou", "SKU-1", 0))
    place.bought(5), place.bought(2), place.bought(1)
    assert place.counted(("hangzhou", "SKU-1", 4)).let_go == 2
    assert [waits(place.fate(f"A{n}")) for n in (1, 2, 3)] == [True, False, False]


def test_what_must_stay_stays_and_what_was_not_reported_is_nobody_s(place):
    place.counted(("hangzhou", "SKU-1", 0), ("hangzhou", "SKU-2", 9))
    place.bought(2)
    assert place.counted(("hangzhou", "SKU-2", 9)).let_go == 0, "the report does not name what it needs"
    assert place.counted(("hangzhou", "SKU-1", 3, 2)).let_go == 0, "two must stay"
    assert place.counted(("hangzhou", "SKU-1", 4, 2)).let_go == 1


@pytest.mark.parametrize("word", [E.SHIPPED, E.PARTLY_SHIPPED])
def test_what_is_said_to_be_shipped_by_another_hand_does_not_go_by_itself(place, word):
    place.counted(("hangzhou", "SKU-1", 0))
    place.bought(2)
    place.news("A1", word)
    drain(place.context, 100)
    assert place.counted(("hangzhou", "SKU-1", 9)).let_go == 0
    assert waits(place.fate("A1"))


def test_who_is_held_for_another_reason_too_waits_for_a_person(context, order):
    place = Place(context, order, shop(), text("v1", "hangzhou", HOLD))
    place.counted(("hangzhou", "SKU-1", 0))
    place.bought(1)
    assert place.counted(("hangzhou", "SKU-1", 9)).let_go == 0


@pytest.mark.parametrize(
    "news",
    [
        E.PARTLY_REFUNDED, E.CANCELLED, E.SHIPPED, E.PARTLY_SHIPPED, E.COLLECTED, E.AFTER_SALE_APPLIED, E.REFUND_AGREED,
        E.AFTER_SALE_REFUNDED, E.REFUNDED,
    ],
)  # fmt: skip
def test_what_is_no_more_to_be_sent_or_was_sent_by_hand_is_nobody_s_to_let_go(place, news):
    place.counted(("hangzhou", "SKU-1", 0))
    place.bought(1), place.bought(1)
    place.news("A1", news)
    drain(place.context, 100)
    # Of one piece there is one for A2, unless A1's is still promised: it must be there twice then.
    assert place.counted(("hangzhou", "SKU-1", 2)).let_go == 1
    assert (waits(place.fate("A2")), place.fate("A1") == "hangzhou") == (False, False)


def test_who_left_by_another_hand_gives_its_pieces_to_nobody(place):
    place.counted(("hangzhou", "SKU-1", 0))
    for number in range(1, 6):
        place.bought(1)
        place.news(f"A{number}", E.SHIPPED)
    place.bought(1)
    drain(place.context, 100)
    assert place.counted(("hangzhou", "SKU-1", 0)).let_go == 0
    assert place.counted(("hangzhou", "SKU-1", 1)).let_go == 1


def test_orders_whose_numbers_look_like_parcels_all_go(place):
    place.counted(("hangzhou", "SKU-1", 0))
    for name in ("X", "X:0", "X:2"):
        place._receive([place.order(name, 1, "浙江省")])
    drain(place.context, 100)
    assert place.counted(("hangzhou", "SKU-1", 3)).let_go == 3
    assert [place.fate(name) for name in ("X", "X:0", "X:2")] == ["hangzhou"] * 3


def test_what_is_made_for_an_order_is_a_person_s(context, order):
    bases = Settings(warehouses=shop().warehouses, bases=(BaseSettings("south", "dock"),), time_zone="UTC")
    work = GIFT.replace("gift FREE-1", "gift FREE-1; work_order south")
    place = Place(context, order, bases, text("v1", "hangzhou", work))
    place.counted(("hangzhou", "FREE-1", 0))
    assert waits(place.bought(1)[0])
    assert place.counted(("hangzhou", "FREE-1", 9)).let_go == 0


def test_a_closed_warehouse_and_a_full_day_let_nobody_go(context, order):
    place = Place(context, order, shop(hangzhou=3), NAMED)
    place.counted(("hangzhou", "SKU-1", 1))
    place.bought(1), place.bought(1)
    assert place.counted(("hangzhou", "SKU-1", 9)).let_go == 0, "nobody has kept room of the day for it"
    place._ticks = iter(range(NOW + 2 * 86_400_000_000, 1 << 62))
    closed = place.signals.report("warehouse_closed", "yes", about="warehouse=hangzhou", by="ann")
    assert place.counted(("hangzhou", "SKU-1", 9)).let_go == 0
    place.signals.end(closed.name, by="ann")
    assert place.counted(("hangzhou", "SKU-1", 9)).let_go == 1, "the day is over"


def test_what_is_paid_later_waits_for_the_room_of_the_day_that_it_is_owed_from(context, order):
    place = Place(context, order, shop(hangzhou=3), NAMED)
    place.counted(("hangzhou", "SKU-1", 0))
    place._receive([place.order("B1", 1, "浙江省", E.PLACED, E.DEFERRED)])
    drain(place.context, 100)
    assert waits(place.fate("B1"))
    assert place.counted(("hangzhou", "SKU-1", 9)).let_go == 0, "nobody has kept room of the day for it"
    place._ticks = iter(range(NOW + 2 * 86_400_000_000, 1 << 62))
    assert place.counted(("hangzhou", "SKU-1", 9)).let_go == 1, "the day is over"


def test_a_disabled_warehouse_lets_nobody_go(context, order):
    place = Place(context, order, shop(), NAMED)
    place.counted(("hangzhou", "SKU-1", 0))
    place.bought(1)
    disabled = Settings(warehouses=(WarehouseSettings("hangzhou", "dock", enabled=False),), time_zone="UTC")
    place.stock = Stock(place.store, place.clock, place.stock._say, disabled, Rulebook())
    assert place.counted(("hangzhou", "SKU-1", 9)).let_go == 0


def test_who_comes_after_the_report_is_no_part_of_what_it_promises(place):
    """Its pieces were not subtracted, so they must not be given back either."""
    place.counted(("hangzhou", "SKU-1", 0))
    say, late = place.stock._say, iter([7])

    def and_then_somebody_buys(said):
        say(said)
        for pieces in late:
            assert waits(place.bought(pieces)[0])

    place.stock._say = and_then_somebody_buys
    assert place.counted(("hangzhou", "SKU-1", 5)).let_go == 0
    assert waits(place.fate("A1"))


class Killed(Exception):
    pass


def test_a_hub_that_dies_after_a_report_sees_to_what_follows_when_it_is_back(place):
    place.counted(("hangzhou", "SKU-1", 0))
    place.bought(2), place.bought(3)
    say, words = place.stock._say, []

    def killed_after_one(said):
        words.extend(said)
        if said[0].kind == "stock":
            say(said)
            return
        say(said[:1])
        raise Killed

    place.stock._say = killed_after_one
    with pytest.raises(Killed):
        place.counted(("hangzhou", "SKU-1", 5))
    assert waits(place.fate("A1")) + waits(place.fate("A2")) == 1
    place.bought(1)  # comes after the report, which had nothing for it
    place.stock._say = say
    assert (place.stock.catch_up(), place.stock.catch_up()) == (1, 0)
    assert [place.fate("A1"), place.fate("A2"), waits(place.fate("A3"))] == ["hangzhou", "hangzhou", True]


def test_each_report_is_seen_to_though_another_came_of_other_things(context, order):
    """While the warehouse is closed, and where whoever took the first was killed."""
    place = Place(context, order, shop(), NAMED)
    place.counted(("hangzhou", "SKU-1", 0), ("hangzhou", "SKU-2", 0))
    place.bought(1)
    closed = place.signals.report("warehouse_closed", "yes", about="warehouse=hangzhou", by="ann")
    place.counted(("hangzhou", "SKU-1", 1))
    place.bought(1)  # after it: nothing of that report is kept for it
    place.counted(("hangzhou", "SKU-2", 9))
    place.signals.end(closed.name, by="ann")
    assert place.stock.catch_up() == 1
    assert (place.fate("A1"), waits(place.fate("A2"))) == ("hangzhou", True)
    say = place.stock._say

    def killed(said):
        say(said)
        raise Killed

    place.stock._say = killed
    with pytest.raises(Killed):
        place.counted(("hangzhou", "SKU-1", 9))
    place.stock._say = say
    assert place.counted(("hangzhou", "SKU-2", 9)).let_go == 1
    assert place.fate("A2") == "hangzhou"


def test_a_warehouse_that_fails_keeps_nobody_from_the_others(context, order, monkeypatch):
    place = Place(context, order, shop(), NAMED)
    place.counted(("hangzhou", "SKU-1", 0))
    place.bought(1)
    closed = place.signals.report("warehouse_closed", "yes", about="warehouse=hangzhou", by="ann")
    place.counted(("hangzhou", "SKU-1", 9))
    place.counted(("guangzhou", "SKU-1", 9), ("attic", "SKU-1", 9))
    place.signals.end(closed.name, by="ann")
    followed = place.stock._followed

    def fails(warehouse):
        if warehouse != "hangzhou":
            raise Busy("the hub database is busy")
        return followed(warehouse)

    monkeypatch.setattr(place.stock, "_followed", fails)
    with pytest.raises(Busy):
        place.stock.catch_up()
    assert place.fate("A1") == "hangzhou"


def test_what_waits_goes_once_its_warehouse_is_open_again(context, order):
    place = Place(context, order, shop(), NAMED)
    place.counted(("hangzhou", "SKU-1", 0))
    place.bought(1)
    closed = place.signals.report("warehouse_closed", "yes", about="warehouse=hangzhou", by="ann")
    assert (place.counted(("hangzhou", "SKU-1", 9)).let_go, place.stock.catch_up()) == (0, 0)
    place.signals.end(closed.name, by="ann")
    assert place.stock.catch_up() == 1
    assert place.fate("A1") == "hangzhou"


@pytest.mark.parametrize("word", [E.PARTLY_REFUNDED, E.CANCELLED, E.SHIPPED])
@pytest.mark.parametrize("limit", [1, 100], ids=["one by one", "in one batch"])
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_what_is_heard_while_the_hub_lets_an_order_go_holds_it(place, word, limit, before):
    """The hub had looked before it was heard, and knew nothing of it."""
    place.counted(("hangzhou", "SKU-1", 0))
    place.bought(1)
    say = place.stock._say

    def and_it_is_heard(said):
        if said[0].kind == "stock":
            say(said)
            return
        news = [place._order("A1", word, at=NOW + 9)]
        place._receive([*news, *said] if before else [*said, *news])
        drain(place.context, limit)

    place.stock._say = and_it_is_heard
    place.counted(("hangzhou", "SKU-1", 9))
    assert place.fate("A1") == "withdrawn" if word == E.CANCELLED else waits(place.fate("A1"))


@pytest.mark.parametrize("seed", range(8))
def test_it_is_as_a_plain_count_says(place, seed):
    """Orders and reports in any order: an order goes if the last report, less all that was promised then and all that
    went since, has it; held ones in turn at each report."""
    dice = random.Random(seed)
    wants: dict[str, dict[str, int]] = {}
    going: dict[str, bool] = {}
    free = {"SKU-1": 0, "SKU-2": 0}
    place.counted(("hangzhou", "SKU-1", 0), ("hangzhou", "SKU-2", 0))
    for step in range(60):
        if dice.random() < 0.7:
            name, sku, pieces = f"B{step}", dice.choice(list(free)), dice.choice([1, 2, 5])
            place._receive([place.order(name, pieces, "浙江省", sku=sku)])
            drain(place.context, dice.choice([1, 100]))
            wants[name], going[name] = {sku: pieces}, free[sku] >= pieces
            free[sku] -= pieces * going[name]
        else:
            there = {sku: dice.randrange(30) for sku in free}
            gone = {name for name in going if going[name] and dice.random() < 0.5}
            for name in gone:  # they have left: what is there now is there without them
                place.news(name, E.SHIPPED)
                del going[name]
            drain(place.context, 100)
            free = {sku: n - sum(wants[name].get(sku, 0) for name, goes in going.items() if goes)
                    for sku, n in there.items()}  # fmt: skip
            let_go = 0
            for name in [name for name, goes in going.items() if not goes]:
                ((sku, pieces),) = wants[name].items()
                if free[sku] >= pieces:
                    going[name], let_go = True, let_go + 1
                free[sku] -= pieces * going[name]
            assert place.counted(*(("hangzhou", sku, n) for sku, n in there.items())).let_go == let_go
            held = {sku: sum(wants[name].get(sku, 0) for name, goes in going.items() if not goes) for sku in free}
            free = {sku: n - held[sku] for sku, n in free.items()}
        assert {name: not waits(place.fate(name)) for name in going} == going


def test_who_asks_for_the_history_of_a_warehouse_of_nobody_is_told(place):
    with pytest.raises(UserMistake, match=r"no warehouse hangzou \(hangzhou\?\); they have hangzhou"):
        place.stock.history("hangzou", "SKU-1", 9)
