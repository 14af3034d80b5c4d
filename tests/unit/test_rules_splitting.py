"""In how many parcels an order goes: against a plain count, line by line."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderhub_core.rules.decide import DECISIONS
from orderhub_core.rules.splitting import KINDS, MOST_PARCELS, asked, counts, most, parted, way, ways

_lines = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from(["a", "b", "c", "", None]), st.none() | st.integers(0, 13)),
    max_size=14,
)


def by_hand(rows):
    """Line to parcel, of each order."""
    found = {}
    for order in {row[0] for row in rows}:
        own = sorted(row for row in rows if row[0] == order)
        kinds = []
        for _, line_no, parent, kind in own:
            if parent is None and (kind or "") not in kinds:
                kinds.append(kind or "")
            if parent is None:
                found[order, line_no] = min(kinds.index(kind or "") + 1, MOST_PARCELS)
        for _, line_no, parent, _ in own:
            if parent is not None:
                sold = any(row[1] == parent and row[2] is None for row in own)
                found[order, line_no] = found[order, parent] if sold else 1
    return found


@given(_lines, st.randoms())
def test_lines_part_by_kind_and_what_is_given_with_a_line_stays_with_it(lines, dice):
    rows = [(order, number, parent, kind) for number, (order, kind, parent) in enumerate(lines)]
    # In whatever order they are told; None and text do not sort.
    expected = by_hand([(order, number, parent, kind or "") for order, number, parent, kind in rows])
    dice.shuffle(rows)
    told = parted(pl.DataFrame(rows, schema=KINDS, orient="row"))
    assert {(order, line): parcel for order, line, parcel in told.iter_rows()} == expected
    assert told.height == len(rows)


@given(_lines)
def test_how_many_parcels_there_are_is_counted_as_they_are_made(lines):
    rows = [(order, number, None, kind) for number, (order, kind, _) in enumerate(lines)]
    frame = pl.DataFrame(rows, schema=KINDS, orient="row")
    made = dict(parted(frame).group_by("order_id").agg(pl.col("parcel").max()).iter_rows())
    told = counts(frame["order_id"].to_numpy(), frame["kind"], 4).tolist()
    assert told == [made.get(order, 1) for order in range(4)]


def test_of_very_many_kinds_the_last_parcel_has_the_rest():
    rows = [(1, number, None, f"k{number}") for number in range(MOST_PARCELS + 5)]
    told = parted(pl.DataFrame(rows, schema=KINDS, orient="row"))
    assert counts(np.ones(len(rows), np.int64), pl.Series([row[3] for row in rows]), 2).tolist() == [1, MOST_PARCELS]
    assert told["parcel"].value_counts().sort("parcel")["count"].to_list() == [1] * (MOST_PARCELS - 1) + [6]


_said = st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["category", "stock", "warehouse", "never"])), max_size=8)


@given(_said)
def test_a_batch_and_a_history_are_split_in_the_same_ways(said):
    frame = pl.DataFrame({"order_id": [n for n, _ in said], "argument": [how for _, how in said]}, strict=False)
    frame = frame.cast({"order_id": pl.Int64, "argument": pl.String}).with_columns(action=pl.lit("split"))
    told = dict(ways(frame.match_to_schema(DECISIONS, missing_columns="insert")).iter_rows())
    one_by_one = {n: way(("split", how) for of, how in said if of == n) for n, _ in said}
    assert told == {n: how for n, how in one_by_one.items() if how}


@pytest.mark.parametrize(("how", "places", "parcels"), [
    ("", 5, 1), ("category", 5, 1), ("warehouse", 5, 5), ("warehouse", 1, 1), ("warehouse", 99, MOST_PARCELS),
    ("stock", 1, 2), ("stock", 5, 6), ("stock", 0, 2),
])  # fmt: skip
def test_an_order_goes_from_as_many_places_as_there_are(how, places, parcels):
    assert most(how, places) == parcels
    assert pl.select(asked(pl.lit(how), places)).item() == parcels
