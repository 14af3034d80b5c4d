"""What is known of a buyer when an order is decided, against a reading of it in plain Python."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderhub_core.rules.buyers import HISTORY, PURCHASES, history
from orderhub_core.rules.decide import decide
from orderhub_core.rules.tree import Action, Group, Leaf, Not, Op, Rule, Rulebook

START = datetime(2026, 11, 1, tzinfo=UTC)
LARGEST = 2**63 - 1


def at(hours):
    return None if hours is None else START + timedelta(hours=hours)


hours = st.none() | st.integers(0, 60) | st.sampled_from([720, 721, 760, 780, 1500])
purchases = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob", "", None]),
        hours,
        st.sampled_from([0, 1, 29_900, LARGEST, None]),
        st.sampled_from(["CNY", "USD"]),
        hours,
    ),
    max_size=9,
)


def read(buyer, paid, currency, others):
    """The columns of HISTORY of one order; `others` may hold the order itself."""
    if not buyer or paid is None:
        return (None,) * 7
    own = [one for one in others if one[0] == buyer and one[1] is not None]
    before = [one for one in own if one[1] < paid]
    amounts = [one[2] for one in before if one[3] == currency]
    spent = None if None in amounts or sum(amounts) > LARGEST else sum(amounts)
    gap = (paid - max(one[1] for one in before)) // 24 if before else None
    back = [one[4] for one in own if one[4] is not None and one[4] < paid]
    late = sum(one[1] >= paid - 720 for one in before), sum(at >= paid - 720 for at in back)
    return len(before), spent, not before, gap, len(back), *late


@settings(deadline=None, max_examples=300)
@given(purchases)
def test_every_order_is_told_of_what_its_buyer_paid_strictly_before_it(some):
    rows = [(buyer, at(paid), amount, currency, at(refunded)) for buyer, paid, amount, currency, refunded in some]
    frame = pl.DataFrame(rows, schema=PURCHASES, orient="row")
    found = history(frame, frame)
    assert found.schema == HISTORY
    assert found.rows() == [read(buyer, paid, currency, some) for buyer, paid, _, currency, _ in some]


def decided(when, **column):
    book = Rulebook("v", (Group("g", "all", (Rule("r", when, (Action("tag", "x"),)),)),))
    orders = pl.DataFrame(
        {"order_id": [1], **{name: pl.Series([value], dtype=HISTORY[name]) for name, value in column.items()}}
    )
    return decide(orders, pl.DataFrame(schema={"order_id": pl.Int64}), book)["reason"].to_list()


@pytest.mark.parametrize(
    ("leaf", "column"),
    [
        (Leaf("buyer_orders", Op.AT_LEAST, (1,)), "buyer_orders"),
        (Leaf("buyer_spent", Op.LESS, (100,)), "buyer_spent_minor"),
        (Leaf("buyer_first", Op.IS, (True,)), "buyer_first"),
        (Leaf("buyer_gap_days", Op.LESS, (3,)), "buyer_gap_days"),
        (Leaf("buyer_refunds", Op.IS, (0,)), "buyer_refunds"),
    ],
)
def test_what_is_not_known_of_a_buyer_is_neither_met_nor_unmet(leaf, column):
    assert decided(leaf, **{column: None}) == decided(Not(leaf), **{column: None}) == []
    assert decided(Leaf(leaf.field, Op.IS_MISSING), **{column: None}) != []


def test_the_reason_tells_what_was_known():
    (why,) = decided(Leaf("buyer_spent", Op.AT_LEAST, (29_900,)), buyer_spent_minor=30_050)
    assert "300.50" in why
