"""Trees compiled and decided: as a plain reading of them decides, whatever is missing and however many there are."""

from unittest import mock

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rules_oracle import (
    DEAREST,
    MOST_PIECES,
    books,
    conditions,
    decisions,
    lines_frame,
    order_lists,
    orders_frame,
    truth,
)  # fmt: skip

from orderhub_core.rules import index as indexes
from orderhub_core.rules.bits import first, pack, unpack
from orderhub_core.rules.compile import Is
from orderhub_core.rules.decide import DECISIONS, decide, decided
from orderhub_core.rules.index import Index
from orderhub_core.rules.tree import Every, Leaf, Not, Op

MANY = settings(max_examples=60, deadline=None)


def index_of(orders, zone="Asia/Shanghai"):
    return Index(orders_frame(orders), lines_frame(orders), zone=zone)


@pytest.fixture(params=["plain", "encoded"])
def encoding(request):
    """Texts as they are, and as Enums, which large frames are made of."""
    with mock.patch.object(indexes, "ENCODED_FROM", 0 if request.param == "encoded" else 1_000_000):
        yield


@MANY
@given(order_lists, st.lists(conditions, max_size=4), st.sampled_from(["Asia/Shanghai", "UTC"]), st.booleans())
def test_truth_is_that_of_a_plain_reading(orders, asked, zone, encoded):
    with mock.patch.object(indexes, "ENCODED_FROM", 0 if encoded else 1_000_000):
        found = index_of(orders, zone).truths(tuple(asked))
    expected = [[truth(condition, order, zone) for order in orders] for condition in asked]
    assert [series.to_list() for series in found] == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (Leaf("total_quantity", Op.IS, (2 * MOST_PIECES,)), True),
        (Leaf("goods_amount", Op.IS_MISSING), True),
        (Leaf("goods_amount", Op.LESS, (0,)), None),
        (Leaf("line_amount", Op.LESS, (0,)), None),
    ],
)
def test_a_total_that_64_bits_do_not_hold_is_missing_and_a_lesser_one_is_whole(asked, expected):
    line = {"sku": "a", "category": None, "quantity": MOST_PIECES, "price_minor": DEAREST, "gift_of": None}
    order = {"order_id": 1, "platform": "a", "shop": "a", "province": None, "total_minor": 5, "paid_at": None}
    order["lines"] = [{"line_no": number, **line} for number in (1, 2)]
    assert index_of([order]).truths((asked,))[0].to_list() == [expected]


@MANY
@given(order_lists, books)
def test_decisions_are_those_of_a_plain_reading(orders, book):
    made = decide(orders_frame(orders), lines_frame(orders), book)
    assert made.schema == DECISIONS
    rows = made.select("order_id", "group", "rule", "action", "argument").sort("order_id", maintain_order=True).rows()
    assert rows == decisions(orders, book)


@MANY
@given(order_lists, books, st.data())
def test_decisions_and_reasons_do_not_depend_on_what_else_is_decided_at_once(orders, book, data):
    together = decide(orders_frame(orders), lines_frame(orders), book).sort("order_id", maintain_order=True)
    cut = data.draw(st.integers(0, len(orders)))
    parts = [decide(orders_frame(part), lines_frame(part), book) for part in (orders[:cut], orders[cut:])]
    assert pl.concat(parts).sort("order_id", maintain_order=True).equals(together)


@MANY
@given(order_lists, books, books)
def test_an_index_that_is_kept_decides_as_a_fresh_one(orders, earlier, book):
    kept = index_of(orders)
    decided(kept, earlier)
    assert decided(kept, book).equals(decided(index_of(orders), book))


@given(order_lists, conditions)
@settings(deadline=None)
def test_a_rule_and_its_negation_never_both_hold_and_neither_does_of_what_is_missing(orders, condition):
    holds, denied = (
        pl.Series(unpack(some, len(orders))) for some in index_of(orders).holds((condition, Not(condition)))
    )
    assert not (holds & denied).any()
    unknown = pl.Series([truth(condition, order) is None for order in orders], dtype=pl.Boolean)
    assert not ((holds | denied) & unknown).any()


def test_only_what_changed_is_computed_again(encoding):
    order = {"order_id": 1, "platform": "a", "shop": "a", "province": "浙江省", "total_minor": 5, "paid_at": None}
    index = index_of([order | {"lines": []}])
    same = Leaf("shop", Op.IS, ("a",))
    index.holds((Every((same, Leaf("total", Op.MORE, (1,)))),))
    known = set(index.orders.known)
    other = Leaf("total", Op.MORE, (2,))
    index.holds((Every((same, other)),))
    assert set(index.orders.known) - known == {Is(other, True)}


@given(st.integers(0, 40), st.sampled_from([0, 1, 3, 7, 255, 256, 300]), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=40)
def test_the_first_that_is_true_is_found_whatever_their_number(height, count, dice):
    truths = [[dice.random() < 0.02 for _ in range(height)] for _ in range(count)]
    expected = [next((n for n, truth in enumerate(truths, 1) if truth[row]), 0) for row in range(height)]
    assert first([pack(pl.Series(truth, dtype=pl.Boolean)) for truth in truths], height).tolist() == expected


@pytest.mark.parametrize("count", [65_535, 65_536, 70_000])
def test_the_last_of_very_many_is_found(count):
    nowhere, last = pack(pl.Series([False, False])), pack(pl.Series([False, True]))
    assert first([nowhere] * (count - 1) + [last], 2).tolist() == [0, count]
