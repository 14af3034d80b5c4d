"""The join: content is the newest statement, parcels and facts only grow, a routed order stays routed."""

import itertools

from orderhub_core.fold import Head, Origin, fold
from orderhub_core.model import Content, Event, Line, Observation, Parcel


def head():
    return Head(1, "shop", "douyin", "A1")


def origin(n=1):
    return Origin("shop", n, 1_000 + n)


def seen(at, total=0, warehouse="", parcels=(), **facts):
    content = Content(total_minor=total, warehouse=warehouse, lines=(Line(1, "S"),)) if total else None
    return Observation("A1", {Event[name].value: when for name, when in facts.items()}, at, content, parcels)


def test_the_newest_content_wins_in_any_order():
    claims = [seen(1, 100), seen(2, 200), seen(2, 150), seen(3, 300)]
    ends = set()
    for order in itertools.permutations(claims):
        one = head()
        for claim in order:
            fold(one, claim, origin())
        ends.add((one.total_minor, one.content_at, one.content_digest))
    assert len(ends) == 1
    assert ends.pop()[0] == 300


def test_saying_it_again_says_nothing_new():
    one = head()
    claim = seen(1, 100, parcels=(Parcel("SF1", "sf", True),), PLACED=1, PAID=2)
    assert fold(one, claim, origin())[0]
    for _ in range(2):
        assert fold(one, claim, origin()) == ([], None)


def test_a_change_is_logged_with_both_values():
    one = head()
    fold(one, seen(1, 100, PLACED=1), origin())
    (entry,), _ = fold(one, seen(2, 250), origin())
    assert entry.event == "order.content"
    assert entry.detail == '{"total_minor":[100,250]}'


def test_a_tracking_number_that_comes_later_lets_the_label_count():
    one = head()
    fold(one, seen(1, PLACED=1, PAID=2, LOCKED=3, LABELLED=4), origin())
    assert (one.fulfilment, one.contradictions) == ("locked", 1)
    fold(one, seen(5, parcels=(Parcel("SF1", "sf", True),)), origin())
    assert (one.fulfilment, one.contradictions, one.headline_at) == ("labelled", 0, 4)


def test_an_earlier_instant_of_a_known_fact_corrects_it():
    one = head()
    fold(one, seen(9, PLACED=1, PAID=9), origin())
    (entry,), _ = fold(one, seen(9, PAID=7), origin())
    assert (one.paid_at, entry.outcome) == (7, "late")


def test_the_headline_dwells_from_the_event_that_brought_it():
    one = head()
    fold(one, seen(9, PLACED=1, PAID=2, SHIPPED=5, COLLECTED=6, MOVED=8), origin())
    assert (one.headline, one.headline_at) == ("in_transit", 6)


def test_the_channels_warehouse_counts_only_for_an_order_nobody_routed():
    one = head()
    fold(one, seen(1, 100, warehouse="chengdu"), origin())
    assert one.warehouse == "chengdu"
    fold(one, seen(2, 200, warehouse="hangzhou"), origin())
    assert one.warehouse == "chengdu"
