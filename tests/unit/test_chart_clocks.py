"""What a picture shows of instants is what clocks show where the business is, whatever the visitor's browser thinks."""

from __future__ import annotations

import datetime as dt

import polars as pl

from orderhub_core.charts import examples
from orderhub_core.rules.lab.board import words
from orderhub_core.rules.tree import Rulebook


def test_orders_stand_at_the_time_of_the_rulebooks_zone():
    paid = dt.datetime(2026, 11, 30, 6, 55, tzinfo=dt.UTC)
    rows = pl.DataFrame(
        {
            "order_id": [1], "order_no": ["A1"], "province": ["浙江省"], "platform": ["douyin"],
            "total_minor": [100], "paid_at": [paid],
        },
        schema_overrides={"paid_at": pl.Datetime("us", "UTC")},
    )  # fmt: skip
    chart = examples.orders(rows, words(Rulebook(zone="Asia/Shanghai"), "en"))
    (drawn,) = chart.data["paid"].to_list()
    assert dt.datetime.fromtimestamp(drawn / 1_000, dt.UTC) == dt.datetime(2026, 11, 30, 14, 55, tzinfo=dt.UTC)
    assert chart.encoding.x["scale"]["type"] == "utc", "digits are shown as they are"
