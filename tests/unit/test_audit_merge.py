"""Rows with the same fingerprint are one order, whatever else collides: held against plain dictionaries."""

from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderhub_core.audit import blocks, merge
from orderhub_core.audit.blocks import taken
from orderhub_core.audit.combos import combinations
from orderhub_core.audit.merge import ABSENT, merged

touchpoints = st.lists(st.lists(st.integers(0, 40), max_size=30), min_size=2, max_size=5)
"""Per touchpoint the orders of its rows."""


def scattered(order):
    """Sums of these are as good as never the same by chance; those of numbers in a row would be."""
    return int.from_bytes(sha256(bytes([order])).digest()[:8])


def merge_orders(shown, mark_of):
    """Orders with a fingerprint that `mark_of` gives and a second one that is theirs alone."""
    checks = [np.array([scattered(order) for order in rows], dtype=np.uint64) for rows in shown]
    marks = [np.array([mark_of(order) for order in rows], dtype=np.uint64) for rows in shown]
    return merged([[own[:7], own[7:]] for own in marks], checks)


def told(shown, found):
    """The orders found, each with its rows."""
    orders = {}
    for rows in found.rows.T:
        source = next(place for place, row in enumerate(rows) if row != ABSENT)
        assert shown[source][rows[source]] not in orders
        orders[shown[source][rows[source]]] = rows.tolist()
    return orders


def expected(shown):
    known = {order for rows in shown for order in rows}
    return {order: [rows.index(order) if order in rows else ABSENT for rows in shown] for order in known}


@pytest.mark.parametrize("block", [2, 1 << 16])
@given(shown=touchpoints, different=st.sampled_from([1, 2, 5, 2**13]))
def test_orders_are_told_apart_however_few_their_fingerprints(shown, different, block):
    """`different`: so many fingerprints there are; orders that no touchpoint shares collide, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merge, "BLOCK", block)
        found = merge_orders(shown, lambda order: order * 7_919 % different << 50)
    assert told(shown, found) == expected(shown)


@given(touchpoints)
def test_every_row_of_an_order_shown_twice_is_told(shown):
    found = merge_orders(shown, lambda order: order << 55)
    twice = {(int(s), shown[s][r], int(r)) for s, r in zip(found.twice.source, found.twice.row, strict=True)}
    assert twice == {
        (place, order, row)
        for place, rows in enumerate(shown)
        for row, order in enumerate(rows)
        if rows.count(order) > 1
    }
    for source, order, row in zip(*found.twice, strict=True):
        assert shown[source][found.rows[source, order]] == shown[source][row]


def test_two_orders_that_no_touchpoint_shares_are_not_one_because_their_fingerprints_are():
    found = merge_orders([[1], [2]], lambda order: 7)
    assert sorted(found.rows.T.tolist()) == [[ABSENT, 0], [0, ABSENT]]


@given(st.lists(st.integers(-1, 4)))
def test_what_is_taken_in_blocks_is_what_numpy_takes(places):
    table = np.arange(10, dtype=np.int8).reshape(2, 5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK", 3)
        assert (taken(table, np.array(places, dtype=np.int32)) == table[:, np.array(places, dtype=np.int64)]).all()


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 254), st.integers(0, 4)), min_size=1))
def test_combinations_are_numbered_so_that_each_gives_its_codes_back(shown):
    codes = [np.array(own, dtype=np.uint8) for own in zip(*shown, strict=True)]
    numbers, table = combinations(codes, [3, 255, 5])
    assert table[:, numbers].T.tolist() == [list(own) for own in shown]
    assert table.shape[1] == len(set(shown))
