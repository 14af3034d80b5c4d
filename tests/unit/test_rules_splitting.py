"""In how many parcels an order goes: against a plain count, line by line."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderhub_core.rules.decide import DECISIONS
from orderhub_core.rules.splitting import KINDS, asked, counts, most, parted, partly, way, ways
from orderhub_core.rules.ways import MOST_PARCELS

_lines = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from(["a", "b", "c", "", None]), st.none() | st.integers(0, 13)),
    max_size=14,
)


_mosts = st.fixed_dictionaries({order: st.integers(2, MOST_PARCELS) for order in (1, 2, 3)})


def by_hand(rows):
    """Line to parcel, of each order."""
    found = {}
    for order in {row[0] for row in rows}:
        own = sorted(row for row in rows if row[0] == order)
        kinds = []
        for _, line_no, parent, kind, limit in own:
            if parent is None and (kind or "") not in kinds:
                kinds.append(kind or "")
            if parent is None:
                found[order, line_no] = min(kinds.index(kind or "") + 1, limit)
        for _, line_no, parent, _, _ in own:
            if parent is not None:
                sold = any(row[1] == parent and row[2] is None for row in own)
                found[order, line_no] = found[order, parent] if sold else 1
    return found


@given(_lines, _mosts, st.randoms())
def test_lines_part_by_kind_and_what_is_given_with_a_line_stays_with_it(lines, mosts, dice):
    """Into as many parcels as each order may go in: beside each other they may go in different numbers of them."""
    rows = [(order, number, parent, kind, mosts[order]) for number, (order, kind, parent) in enumerate(lines)]
    # In whatever order they are told; None and text do not sort.
    expected = by_hand([(order, number, parent, kind or "", limit) for order, number, parent, kind, limit in rows])
    dice.shuffle(rows)
    told = parted(pl.DataFrame(rows, schema=KINDS, orient="row"))
    assert {(order, line): parcel for order, line, parcel in told.iter_rows()} == expected
    assert told.height == len(rows)
    assert all(parcel <= mosts[order] for order, _, parcel in told.iter_rows())


@given(_lines, st.integers(2, MOST_PARCELS))
def test_how_many_parcels_there_are_is_counted_as_they_are_made(lines, limit):
    rows = [(order, number, None, kind, limit) for number, (order, kind, _) in enumerate(lines)]
    frame = pl.DataFrame(rows, schema=KINDS, orient="row")
    made = dict(parted(frame).group_by("order_id").agg(pl.col("parcel").max()).iter_rows())
    told = counts(frame["order_id"].to_numpy(), frame["kind"], 4, limit).tolist()
    assert told == [made.get(order, 1) for order in range(4)]


@pytest.mark.parametrize("limit", [2, 3, MOST_PARCELS])
def test_of_very_many_kinds_the_last_parcel_has_the_rest(limit):
    rows = [(1, number, None, f"k{number}", limit) for number in range(MOST_PARCELS + 5)]
    told = parted(pl.DataFrame(rows, schema=KINDS, orient="row"))
    kinds = pl.Series([row[3] for row in rows])
    assert counts(np.ones(len(rows), np.int64), kinds, 2, limit).tolist() == [1, limit]
    in_each = told["parcel"].value_counts().sort("parcel")["count"].to_list()
    assert in_each == [1] * (limit - 1) + [MOST_PARCELS + 6 - limit]


_said = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from(["category", "stock", "stock at most 2", "never"])), max_size=8
)


@given(_said)
def test_a_batch_and_a_history_are_split_in_the_same_ways(said):
    frame = pl.DataFrame({"order_id": [n for n, _ in said], "argument": [how for _, how in said]}, strict=False)
    frame = frame.cast({"order_id": pl.Int64, "argument": pl.String}).with_columns(action=pl.lit("split"))
    told = dict(ways(frame.match_to_schema(DECISIONS, missing_columns="insert")).iter_rows())
    one_by_one = {n: way(("split", how) for of, how in said if of == n) for n, _ in said}
    assert told == {n: how for n, how in one_by_one.items() if how}


@pytest.mark.parametrize(("how", "places", "parcels"), [
    ("", 5, 1), ("category", 5, 1), ("warehouse", 5, 5), ("warehouse", 1, 1), ("warehouse", 99, MOST_PARCELS),
    ("stock", 1, 2), ("stock", 5, 6), ("stock", 0, 2), ("category at most 3", 5, 1), ("warehouse at most 3", 5, 3),
    ("warehouse at most 3", 2, 2), ("warehouse at most 10", 99, 10), ("stock at most 2", 5, 2),
    ("stock at most 3", 1, 2),
])  # fmt: skip
def test_an_order_goes_from_as_many_places_as_there_are(how, places, parcels):
    assert most(how, places) == parcels
    assert pl.select(asked(pl.lit(how), places)).item() == parcels
    assert pl.select(partly(pl.lit(how))).item() == how.startswith("stock")
