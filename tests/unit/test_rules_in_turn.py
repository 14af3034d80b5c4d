"""Rows of orders in the order of their turns, in whatever order they come, held against sorting them in plain Python;
and the rows of orders that lines belong to, held against looking each of them up."""

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from orderhub_core.rules.facts import placed
from orderhub_core.rules.numbered import in_turn

ids = st.integers(0, 6)
rows = st.lists(st.tuples(ids | st.none(), st.integers(0, 3) | st.none(), st.integers(0, 3)), max_size=12)
maybe_sorted = st.tuples(rows, st.booleans()).map(
    lambda told: sorted(told[0], key=lambda row: tuple((x is not None, x or 0) for x in row)) if told[1] else told[0]
)


def frame_of(some):
    schema = {"order_id": pl.Int64, "group": pl.Int32, "line_no": pl.Int32, "came": pl.Int64}
    return pl.DataFrame([(*row, came) for came, row in enumerate(some)], schema=schema, orient="row")


@given(maybe_sorted, st.permutations(range(7)), st.integers(0, 7))
@settings(deadline=None)
def test_rows_come_in_the_order_of_turns_and_lie_in_runs(some, turns, count):
    asked = turns[:count]
    made = in_turn(frame_of(some), pl.Series(asked, dtype=pl.Int64), ["group", "line_no"])

    def key(row):
        (_, group, line_no), _ = row
        return (group is not None, group or 0, line_no)

    numbered = [(row, came) for came, row in enumerate(some)]
    expected = [
        (order, came)
        for order, order_id in enumerate(asked)
        for _, came in sorted((row for row in numbered if row[0][0] == order_id), key=key)
    ]
    assert list(zip(made.order.tolist(), made.frame["came"].to_list(), strict=True)) == expected
    owners = [order for order, _ in expected]
    assert made.runs.tolist() == [sum(owner < order for owner in owners) for order in range(len(asked) + 1)]


@given(st.lists(ids | st.none(), max_size=12), st.booleans(), st.permutations(range(7)), st.integers(0, 7),
       st.booleans())  # fmt: skip
@settings(deadline=None)
def test_lines_lie_with_their_orders(of, in_order, orders, count, ordered):
    of = sorted(of, key=lambda own: (own is not None, own or 0)) if in_order else of
    known = sorted(orders[:count]) if ordered else orders[:count]
    lines = pl.DataFrame({"order_id": pl.Series(of, dtype=pl.Int64), "came": range(len(of))})
    found, place = placed(lines, pl.Series("order_id", known, pl.Int64))
    expected = [(came, known.index(own)) for came, own in enumerate(of) if own in known]
    assert list(zip(found["came"].to_list(), place.tolist(), strict=True)) == expected
