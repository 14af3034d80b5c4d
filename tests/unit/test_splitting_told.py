"""The lab counts parcels as the live hub makes them: of lines with gifts of every kind."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderhub_core.rules.index import Index
from orderhub_core.rules.lab import comparing, parcels
from orderhub_core.rules.splitting import BY_KIND, KINDS, parted
from orderhub_core.rules.tree import Action, Group, Rulebook
from orderhub_core.rules.ways import MOST_PARCELS

LINES = pl.Schema({
    "order_id": pl.Int64(), "line_no": pl.Int32(), "sku": pl.String(), "category": pl.String(), "quantity": pl.Int64(),
    "gift_of": pl.Int32(),
})  # fmt: skip
kinds = st.sampled_from(["cup", "shirt", "", None, *map(str, range(9))])
lines = st.lists(
    st.tuples(st.integers(1, 3), st.integers(1, 14), kinds, kinds, st.just(1), st.none() | st.integers(1, 14)),
    unique_by=lambda row: row[:2],
    max_size=24,
)


@pytest.mark.parametrize("limit", [None, 2, 3, 9])
@pytest.mark.parametrize("kind", BY_KIND)
@settings(max_examples=100)
@given(lines)
def test_an_order_goes_in_as_many_parcels_as_the_lab_has_told(kind, limit, rows):
    frame = pl.DataFrame(rows, schema=LINES, orient="row")
    orders = pl.DataFrame({"order_id": [1, 2, 3], "paid_at": [datetime(2026, 1, 1, tzinfo=UTC)] * 3})
    way = f"{kind} at most {limit}" if limit else kind
    book = Rulebook("v", (Group("g", "first", (), (Action("split", way),)),))
    told = parcels.splits(comparing.compare(Index(orders, frame, zone=book.zone), Rulebook(), book))
    (counted,) = told.filter(pl.col("how") == way)["parcels_after"]
    most = pl.lit(limit or MOST_PARCELS)
    live = parted(frame.select("order_id", "line_no", "gift_of", kind=BY_KIND[kind], most=most).cast(KINDS))
    made = live.group_by("order_id").agg(pl.col("parcel").max())
    assert counted == (made["parcel"].sum() + 3 - made.height if frame.height else None)
    assert counted is None or counted <= 3 * (limit or MOST_PARCELS)
