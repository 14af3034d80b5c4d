"""Gifts of a rulebook: for every so many bought, only so many of them, the first ones paid first; and the pretend
brand's campaign against its terms as plain Python reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import gift_oracle
import polars as pl
import pytest
from gift_oracle import tally
from hypothesis import given, settings
from hypothesis import strategies as st

from orderhub_core.errors import UserMistake
from orderhub_core.frames import LINES, ORDERS
from orderhub_core.rules import gifts, needs, rulebook, speeds
from orderhub_core.rules.decide import decide
from orderhub_core.rules.index import Index
from orderhub_core.rules.lab.missed import missed_gifts
from orderhub_core.rules.lab.traffic import traffic
from orderhub_core.rules.lab.wants import Want, amounts, wanted
from orderhub_core.sim.world import campaign as world

START = datetime(2026, 11, 10, 12, tzinfo=UTC)


def book(then, when="总是", match="all"):
    draft = rulebook.read(
        f'version = "v"\n[[groups]]\nname = "g"\nmatch = "{match}"\n[[groups.rules]]\nname = "r"\n'
        f'when = "{when}"\nthen = "{then}"\n'
    )
    assert not draft.mistakes, draft.mistakes
    return draft.book


def frames(*baskets, paid=None, buyers=None):
    """Orders of lines (category, pieces), paid a second after each other."""
    orders = pl.DataFrame(
        {
            "order_id": range(1, len(baskets) + 1),
            "paid_at": paid or [START + timedelta(seconds=place) for place in range(len(baskets))],
            "buyer": buyers or [f"b{place}" for place in range(len(baskets))],
        },
        schema_overrides={"paid_at": ORDERS["paid_at"]},
    )
    rows = [
        (order, number, f"S{number}", "", category, pieces, 100, None)
        for order, basket in enumerate(baskets, 1)
        for number, (category, pieces) in enumerate(basket, 1)
    ]
    return orders, pl.DataFrame(rows, schema=LINES, orient="row")


def given_to(one, orders, lines):
    found = gifts.given(decide(orders, lines, one), orders, one)
    return dict(found.decisions.select("order_id", "quantity").rows()), found


# --- for every so many bought -----------------------------------------------------------------------------------------

MASKS = [("面膜", 3), ("面霜", 1), ("面膜", 2)]


@pytest.mark.parametrize(
    ("then", "when", "pieces"),
    [
        ("赠品 A 每 2", "有一行 (品类 = 面膜)", 2),
        ("赠品 A × 3 每 2", "品类 = 面膜", 6),
        ("gift A per 6", "category = 面膜", 0),
        ("赠品 A 每2件", "总是", 3),
        ("赠品 A 每 1", "有一行 (品类 = 面膜 且 数量 >= 3)", 3),
        ("赠品 A 每 1", "品类 = 面膜 且 数量 >= 3", 3),
        ("赠品 A 每 1", "有一行 (品类 = 面霜) 且 有一行 (品类 = 面膜)", 6),
        ("赠品 A 每 1", "没有一行 (品类 = 卫衣)", 6),
    ],
)
def test_a_gift_is_given_for_every_so_many_pieces_of_the_lines_that_earn_it(then, when, pieces):
    orders, lines = frames(MASKS)
    assert given_to(book(then, when), orders, lines)[0] == ({1: pieces} if pieces else {})


def test_gifts_and_missing_quantities_do_not_count():
    orders, lines = frames([("面膜", 3), ("面膜", 5), ("面膜", 4)])
    number = pl.col("line_no")
    lines = lines.with_columns(
        gift_of=pl.when(number == 2).then(1).cast(pl.Int32), quantity=pl.when(number < 3).then("quantity")
    )
    assert given_to(book("赠品 A 每 1", "品类 = 面膜"), orders, lines)[0] == {1: 3}


def test_an_order_gets_ten_thousand_pieces_at_most():
    orders, lines = frames([("面膜", 2**31 - 1)])
    assert given_to(book("赠品 A × 9 每 1", "品类 = 面膜"), orders, lines)[0] == {1: 10_000}


@settings(max_examples=60)
@given(st.lists(st.lists(st.tuples(st.sampled_from(["面膜", "面霜"]), st.integers(0, 9)), max_size=3), min_size=1,
                max_size=6), st.integers(1, 4), st.integers(1, 3))  # fmt: skip
def test_the_rule_lab_counts_the_pieces_that_are_decided(baskets, per, quantity):
    orders, lines = frames(*baskets)
    one = book(f"赠品 A × {quantity} 每 {per}; 赠品 A", "品类 = 面膜")
    decided = decide(orders, lines, one).group_by("order_id").agg(pl.col("quantity").sum())
    index = Index(orders, lines, zone=one.zone)
    counted = amounts(wanted(index, one).of(Want("add_gift", "A")), len(baskets))
    masks = [sum(pieces for category, pieces in basket if category == "面膜") for basket in baskets]
    there = [any(category == "面膜" for category, _ in basket) for basket in baskets]
    expected = [quantity * (count // per) + 1 if has else 0 for count, has in zip(masks, there, strict=True)]
    assert counted.tolist() == expected
    assert dict(decided.rows()) == {place: n for place, n in enumerate(expected, 1) if n}
    assert traffic(index, one).rules["worth"].to_list() == [sum(there)]


# --- only so many of them ---------------------------------------------------------------------------------------------


def test_limits_are_counted_in_the_order_of_payments_and_told():
    orders, lines = frames([("面膜", 2)], [("面膜", 2)], [("面膜", 2)], buyers=["x", "y", "z"])
    late_first = orders.with_columns(paid_at=pl.col("paid_at").reverse())
    had, found = given_to(book("赠品 A × 2 限量 5", "品类 = 面膜"), late_first, lines)
    assert had == {3: 2, 2: 2}
    assert found.refusals.rows() == [(1, "g / r / A", "total", 1, 2, 5)]


def test_a_limit_a_day_counts_days_of_the_books_zone_and_one_a_buyer_people():
    day = timedelta(hours=1)
    paid = [datetime(2026, 11, 10, 15, 59, 59, tzinfo=UTC) + day * step for step in (0, 0, 1)]
    orders, lines = frames(*[[("面膜", 1)]] * 3, paid=paid, buyers=["x", "y", "x"])
    assert given_to(book("赠品 A 每日 1"), orders, lines)[0] == {1: 1, 3: 1}
    assert given_to(book("赠品 A 每人 1"), orders, lines)[0] == {1: 1, 2: 1}


def test_what_is_refused_gets_no_other_gift_and_everything_else_stays():
    one = book("赠品 A 限量 1; 标记 甲; 赠品 B")
    orders, lines = frames([("面膜", 1)], [("面膜", 1)])
    found = gifts.given(decide(orders, lines, one), orders, one)
    assert found.decisions.select("order_id", "argument").rows() == [(1, "A"), (1, "甲"), (2, "甲"), (1, "B"), (2, "B")]


def test_an_order_that_is_not_paid_gets_no_limited_gift():
    orders, lines = frames([("面膜", 1)], paid=[None])
    had, found = given_to(book("赠品 A 限量 1"), orders, lines)
    assert had == {} and found.findings["finding"].to_list() == ["not_paid"]


def test_a_book_with_limits_is_refused_where_nobody_counts_them():
    with pytest.raises(UserMistake, match="limits its gift A, and nobody counts it here"):
        needs.check(book("赠品 A 限量 1"), ORDERS, LINES)
    with pytest.raises(UserMistake, match="tells buyers apart"):
        gifts.check(book("赠品 A 每人 1"), ORDERS)


def test_a_sweep_asks_for_no_gift_that_had_run_out():
    one = book("赠品 A 限量 1")
    orders, lines = frames([("面膜", 1)], [("面膜", 1)], [("面膜", 1)], paid=[START, START, None])
    swept = missed_gifts(Index(orders, lines, zone=one.zone), one)
    assert swept.select("order_id", "sku", "due").rows() == [(1, "A", 1)]


# --- the campaign -----------------------------------------------------------------------------------------------------

KINDS = {
    " + ".join(["sticker", *filter(None, (sample, box, early))])
    for sample in ("", "sample")
    for box in ("", "box 299", "box 599")
    for early in ("", "first hour")
}


def campaign_tally(seed, orders, run=speeds.plain):
    made, one = world.campaign(seed, orders), rulebook.read(world.rulebook()).book
    found = gifts.given(decide(made.orders, made.lines, one), made.orders, one, run=run)
    had = found.decisions.filter(pl.col("action") == "add_gift").select("order_id", "argument", "quantity")
    return made, found, tally(made.orders.to_dicts(), made.lines.to_dicts(), had.rows())


def test_all_twelve_combinations_of_the_campaign_are_given_without_a_mistake():
    made, found, told = campaign_tally(7, 6_000)
    assert {row.kind for row in told} == KINDS | {gift_oracle.NOTHING} and len(KINDS) == 12
    assert min(row.orders for row in told) >= 5
    assert [row for row in told if row.wrong or row.due != row.given] == []
    assert sum(row.due for row in told) > 8_000
    quotas = found.refusals["quota"].cast(pl.String).value_counts()
    assert dict(quotas.rows()).keys() == {"total", "day", "buyer"}
    assert made.planted.height == len(world.CASES)


@pytest.mark.parametrize("seed", range(3))
def test_other_streams_of_it_are_given_without_a_mistake_too(seed):
    assert [row for row in campaign_tally(seed, 900)[2] if row.wrong] == []


def test_the_cases_at_the_edges_are_what_they_are_called():
    made, found, _ = campaign_tally(7, 3_000)
    had = found.decisions.group_by("order_id").agg(skus=pl.col("argument"), pieces=pl.col("quantity"))
    told = {
        case: dict(zip(skus or (), pieces or (), strict=True))
        for case, skus, pieces in made.planted.join(had, on="order_id", how="left")
        .select("case", "skus", "pieces")
        .rows()
    }
    for case in ("second_before_start", "at_end", "never_paid", "refunded", "partly_refunded"):
        assert told[case] == {}, case
    assert {"FREE-04", "BOX-299", "FREE-02"} <= told["at_start"].keys()
    assert "FREE-06" in told["last_second"] and "FREE-02" not in told["at_end_of_first_hour"]
    assert "BOX-299" in told["exactly_299"] and "BOX-299" not in told["a_cent_below_299"]
    assert "BOX-299" in told["a_cent_below_599"] and "FREE-06" in told["exactly_599"]
    assert [told[name].get("FREE-01") for name in ("one_mask", "two_masks_in_two_lines", "five_masks")] == [None, 1, 2]
    assert told["three_full_size"]["FREE-07"] == 3
    assert told["everything_at_once"].keys() == {"FREE-02", "FREE-04", "FREE-06", "FREE-07", "BOX-599"}
    assert "FREE-02" in told["once_in_the_first_hour"] and "FREE-02" not in told["again_in_the_first_hour"]


@pytest.mark.parametrize(
    ("before", "after"),
    [("满 599", "> 599"), ("满 299", "满 298"), ("限量 300", "限量 301"), ("每日 250", ""), ("每人 1", ""),
     ("每 2", "每 3"), ("21:00", "21:01"), ('match = "first"', 'match = "all"'), ("精华, 面霜", "精华")],
)  # fmt: skip
def test_a_slip_in_the_rulebook_would_be_seen(monkeypatch, before, after):
    text = world.rulebook()
    assert before in text
    monkeypatch.setattr(world, "rulebook", lambda: text.replace(before, after))
    # In the small stream the pouches last until the hour is over, in the large one they and the boxes run out.
    assert sum(row.wrong for orders in (900, 6_000) for row in campaign_tally(7, orders)[2]) > 0
