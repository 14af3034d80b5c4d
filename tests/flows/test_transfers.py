"""Orders that wait for what lies elsewhere: what is to be brought, and that they go once it has come."""

from __future__ import annotations

import json

import msgspec
import polars as pl
import pytest
from reading import rows
from test_stock_live import NOW, Place, shop
from versions import text

from orderhub_core.errors import UserMistake
from orderhub_core.flows.absorb import drain
from orderhub_core.flows.transferring import transfers
from orderhub_core.i18n import translator
from orderhub_core.model import Event as E
from orderhub_core.packing import transfers as told
from orderhub_core.rules.transfers import MOVES, ORDERS, OWED, ROUTES, Planned
from orderhub_core.settings import TransferSettings, load

NAMED = text("v1", "hangzhou")


@pytest.fixture
def place(context, order):
    return Place(context, order, shop(), NAMED)


def planned(place):
    found = place.stock.transfers()
    return found.moves.drop("owed").rows(), dict(found.orders.select("order_no", "state").rows())


def test_what_is_brought_lets_go_whoever_waited_for_it(place):
    place.counted(("hangzhou", "SKU-1", 2), ("guangzhou", "SKU-1", 9, 1))
    assert [fate[-1:] for fate in place.bought(2)] == ["u"], "the first one takes both"
    place.bought(3), place.bought(4), place.bought(6)
    moves, states = planned(place)
    assert moves == [("guangzhou", "hangzhou", "SKU-1", 7, 2)], "one must stay there"
    assert states == {"A2": "brought", "A3": "brought", "A4": "nowhere"}
    assert place.left("guangzhou") == 9, "a plan takes nothing"
    place.counted(("hangzhou", "SKU-1", 2 + 7), ("guangzhou", "SKU-1", 9 - 7, 1))
    assert [place.fate(name)[:9] for name in ("A2", "A3", "A4")] == ["hangzhou", "hangzhou", "hangzhou?"]
    assert planned(place) == ([], {"A4": "nowhere"})


def test_who_waited_at_the_last_report_and_who_came_after_it_are_counted_alike(place):
    place.counted(("hangzhou", "SKU-1", 0), ("guangzhou", "SKU-1", 5))
    place.bought(2)
    before = planned(place)
    place.counted(("hangzhou", "SKU-1", 0))
    assert place.left("hangzhou") == -2, "kept for it"
    assert planned(place) == before == ([("guangzhou", "hangzhou", "SKU-1", 2, 1)], {"A1": "brought"})
    place.counted(("hangzhou", "SKU-1", 1))
    place.bought(3)
    assert planned(place) == ([("guangzhou", "hangzhou", "SKU-1", 4, 2)], {"A1": "brought", "A2": "brought"})


def test_what_the_giving_warehouse_has_promised_it_does_not_give(context, order):
    place = Place(context, order, shop(), text("v1", "nearest"))
    place.counted(("hangzhou", "SKU-1", 1), ("guangzhou", "SKU-1", 4), ("attic", "SKU-1", 0))
    assert place.bought(3, province="广东省") == ["guangzhou"]
    assert place.bought(2)[0].startswith("hangzhou? ")
    assert planned(place) == ([("guangzhou", "hangzhou", "SKU-1", 1, 1)], {"A2": "brought"})


def test_a_warehouse_that_counted_less_than_it_has_promised_is_brought_that(place):
    assert place.bought(4) == ["hangzhou"], "nobody reports: it has everything"
    place.counted(("hangzhou", "SKU-1", 1), ("guangzhou", "SKU-1", 2))
    place.bought(1)
    found = place.stock.transfers()
    assert found.moves.rows() == [("guangzhou", "hangzhou", "SKU-1", 2, 2, 0)]
    assert found.owed.rows() == [("hangzhou", "SKU-1", 1)]
    assert list(told.sentences(found, translator("en"))) == [
        "guangzhou → hangzhou, 1,053 km: 2 pieces; orders that go with it: 0",
        "    SKU-1 × 2 (orders: 0; for those that it was told of: 2 pieces)",
        "! SKU-1: no warehouse that may give it has enough; orders that wait for it: 1 (A2)",
        "! hangzhou was told of orders whose pieces it does not have, nor may anybody give them: SKU-1 × 1",
    ]


def test_what_was_called_off_or_is_held_for_a_person_is_owed_to_nobody(context, order):
    book = (
        NAMED
        + """
[[groups]]
name = "holds"
match = "all"
[[groups.rules]]
name = "big"
when = "total_quantity >= 4"
then = "hold risk"
"""
    )
    place = Place(context, order, shop(), book)
    place.bought(4)
    place.counted(("hangzhou", "SKU-1", 0), ("guangzhou", "SKU-1", 5))
    assert place.left("hangzhou") == -4, "kept for who is held"
    place.bought(2), place.bought(3)
    place.counted(("hangzhou", "SKU-1", 0))
    assert planned(place) == ([("guangzhou", "hangzhou", "SKU-1", 5, 2)], {"A2": "brought", "A3": "brought"})
    place.news("A2", E.CANCELLED)
    drain(place.context, 100)
    found = place.stock.transfers()
    assert found.moves.rows() == [("guangzhou", "hangzhou", "SKU-1", 3, 0, 1)] and found.owed.is_empty()


def test_what_is_paid_later_is_brought_its_pieces_by_when_that_was_agreed(place):
    place.counted(("hangzhou", "SKU-1", 0), ("guangzhou", "SKU-1", 2))
    for name, event, at in (("B1", E.PAID, 3), ("B2", E.DEFERRED, 2), ("B3", E.PAID, 1)):
        place._receive([place.order(name, 1, "浙江省", E.PLACED, event, at=NOW + at)])
        drain(place.context, 100)
    assert planned(place)[1] == {"B3": "brought", "B2": "brought", "B1": "nowhere"}


def test_who_waits_for_room_is_promised_nothing(context, order):
    place = Place(context, order, shop(hangzhou=1), NAMED)
    place.counted(("hangzhou", "SKU-1", 5), ("guangzhou", "SKU-1", 5))
    place.bought(1), place.bought(2)
    assert "full, 1 of 1" in place.fate("A2")
    assert planned(place) == ([], {})


@pytest.mark.parametrize(
    ("cost", "piece", "pieces", "minor"),
    [(120, 0.125, 1_000, 24_500), (None, 0.004, 1_000, 400), (None, 2.0, 3, 600), (1.5, 0, 7, 150), (None, 0, 7, None)],
)
def test_a_route_costs_what_the_journey_and_its_pieces_cost_rounded_once(place, cost, piece, pieces, minor):
    place.counted(("hangzhou", "SKU-1", 0), ("guangzhou", "SKU-1", pieces))
    place.bought(pieces)
    route = TransferSettings("guangzhou", "hangzhou", cost=cost, cost_per_piece=piece)
    settings = msgspec.structs.replace(shop(), transfers=(route,))
    found = transfers(place.store, settings, place.clock(), lambda _: True, lambda *_: True)
    assert found.routes["cost_minor"].to_list() == [minor]


def test_the_cost_of_a_route_stands_once_however_many_skus_it_carries(place):
    moves = [("guangzhou", "hangzhou", "A", 2, 0, 1), ("guangzhou", "hangzhou", "B", 1, 0, 1)]
    routes = [("guangzhou", "hangzhou", 3, 1, 1053.2, 12_000)]
    made = Planned(
        pl.DataFrame(routes, schema=ROUTES, orient="row"), pl.DataFrame(moves, schema=MOVES, orient="row"),
        pl.DataFrame(schema=ORDERS), pl.DataFrame(schema=OWED),
    )  # fmt: skip
    assert told.table(made, translator("en"))["Cost of the whole route"].to_list() == [120.0, None]


def test_a_warehouse_that_is_closed_gives_nothing_and_nobody_is_seen_to_there(place):
    place.counted(("hangzhou", "SKU-1", 0), ("guangzhou", "SKU-1", 5), ("attic", "SKU-1", 5))
    place.bought(2)
    shut = place.signals.report("warehouse_closed", "yes", about="warehouse=guangzhou", by="ann", comment="blackout")
    assert planned(place)[0] == [("attic", "hangzhou", "SKU-1", 2, 1)]
    place.signals.report("warehouse_closed", "yes", about="warehouse=hangzhou", by="ann", comment="blackout")
    assert planned(place) == ([], {})
    place.signals.end(shut.name, by="ann")


def test_the_rules_points_say_who_comes_first(context, order):
    book = (
        NAMED
        + """
[[groups]]
name = "points"
match = "all"
[[groups.rules]]
name = "big"
when = "total_quantity >= 3"
then = "priority 10"
"""
    )
    place = Place(context, order, shop(), book)
    place.counted(("hangzhou", "SKU-1", 0), ("guangzhou", "SKU-1", 3))
    place.bought(2), place.bought(3)
    assert planned(place)[1] == {"A2": "brought", "A1": "nowhere"}


def test_routes_of_the_settings_say_what_it_costs_and_whom_nobody_asks(place):
    place.counted(("hangzhou", "SKU-1", 0), ("guangzhou", "SKU-1", 5), ("attic", "SKU-1", 5))
    place.bought(2)
    assert planned(place)[0][0][0] == "attic", "the nearer"
    settings = msgspec.structs.replace(
        shop(),
        transfers=(
            TransferSettings("attic", "hangzhou", rank=0), TransferSettings("guangzhou", "hangzhou", 1, 120, 0.5)
        ),
    )  # fmt: skip
    found = transfers(place.store, settings, place.clock(), lambda _: True, lambda *_: True)
    assert found.routes.select("source", "pieces", "orders", "cost_minor").rows() == [("guangzhou", 2, 1, 12_100)]
    (route, move) = told.sentences(found, translator("en"))
    assert route == "guangzhou → hangzhou, 1,053 km: 2 pieces, cost 121.00; orders that go with it: 1"
    assert move.strip() == "SKU-1 × 2 (orders: 1)"
    assert "费用 121.00" in next(told.sentences(found, translator("zh")))
    assert told.table(found, translator("zh")).rows() == [("guangzhou", "hangzhou", "SKU-1", 2, 0, 1, 1053.0, 121.0)]


def test_it_is_told_for_whom_there_is_nothing_anywhere(place):
    place.counted(("hangzhou", "SKU-1", 0), ("guangzhou", "SKU-1", 1))
    place.bought(2), place.bought(5)
    (said,) = told.sentences(place.stock.transfers(), translator("en"))
    assert said == ("! SKU-1: no warehouse that may give it has enough; orders that wait for it: 2 (A1, A2)")
    assert rows(place.context, "SELECT count(*) FROM outbox WHERE state = 'waiting'") == [(0,)]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"from": "mars", "to": "hangzhou"}, "there is no warehouse 'mars'; there are hangzhou, guangzhou"),
        ({"from": "hangzhou", "to": "hangzhou"}, "it is there already"),
        ({"from": "hangzhou", "to": "guangzhou", "rank": -1}, "rank is -1; write 1 or more, or 0 for never"),
        ({"from": "hangzhou", "to": "guangzhou", "cost": -0.5}, "cost is -0.5; write 0 or more"),
        ({"from": "hangzhou"}, "missing required field `to`"),
    ],
)
def test_a_route_that_cannot_be_meant_is_refused(tmp_path, said, why):
    route = "\n".join(f"{name} = {json.dumps(value)}" for name, value in said.items())
    places = "".join(f'[[warehouses]]\nid = "{name}"\nconnector = "dock"\n' for name in ("hangzhou", "guangzhou"))
    (tmp_path / "orderhub.toml").write_text(f"{places}[[transfers]]\n{route}\n")
    with pytest.raises(UserMistake) as refused:
        load(tmp_path)
    assert why in str(refused.value)


def test_a_route_that_stands_twice_is_refused(tmp_path):
    places = "".join(f'[[warehouses]]\nid = "{name}"\nconnector = "dock"\n' for name in ("hangzhou", "guangzhou"))
    (tmp_path / "orderhub.toml").write_text(places + '[[transfers]]\nfrom = "hangzhou"\nto = "guangzhou"\n' * 2)
    with pytest.raises(UserMistake, match="stands twice; keep one"):
        load(tmp_path)
