"""Candidates: nearest, cheapest, named by rules, temporary last; open and closed by the instant; what freight costs."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderhub_core.rules.asking import Splitting, asking, wanted
from orderhub_core.rules.freight import PARCELS, TARIFFS, ZONES, costs
from orderhub_core.rules.provinces import located
from orderhub_core.rules.routing import (
    COSTS,
    DESTINATIONS,
    WAREHOUSES,
    WINDOWS,
    great_circle,
    limits,
    routes,
)  # fmt: skip

START = datetime(2026, 3, 1, tzinfo=UTC)
HANGZHOU, GUANGZHOU, CHENGDU = (30.3, 120.2), (23.1, 113.3), (30.7, 104.1)
HOUSES = pl.DataFrame(
    [
        ("hangzhou", *HANGZHOU, True, False, 5_000),
        ("guangzhou", *GUANGZHOU, True, False, None),
        ("chengdu", *CHENGDU, True, False, None),
        ("spare", *HANGZHOU, False, True, 800),
    ],
    schema=WAREHOUSES,
    orient="row",
)
NO_WINDOWS = pl.DataFrame(schema=WINDOWS)


def minute(number: int) -> datetime:
    return START + timedelta(minutes=number)


def to(*places: tuple[float | None, float | None], wished: list[str] | None = None) -> pl.DataFrame:
    rows = [(number, minute(number), *place, wished) for number, place in enumerate(places)]
    return pl.DataFrame(rows, schema=DESTINATIONS, orient="row")


def ranked(found: pl.DataFrame, order: int = 0) -> list[str]:
    return found.filter(pl.col("order_id") == order).sort("rank")["warehouse"].to_list()


def test_kilometres_are_those_of_the_atlas() -> None:
    """Beijing to Shanghai, Paris to New York; half around the Earth at the poles."""
    assert float(great_circle(39.904, 116.407, 31.230, 121.474)) == pytest.approx(1_068, abs=5)
    assert float(great_circle(48.857, 2.352, 40.713, -74.006)) == pytest.approx(5_837, abs=10)
    assert float(great_circle(90.0, 0.0, -90.0, 0.0)) == pytest.approx(math.pi * 6371.0088)


@given(*(st.floats(-90, 90), st.floats(-180, 180)) * 2)
def test_a_distance_is_the_angle_between_two_directions(
    north: float, east: float, to_north: float, to_east: float
) -> None:
    """By vectors from the middle of the Earth, where the code takes haversines."""

    def direction(north: float, east: float) -> tuple[float, float, float]:
        lift, turn = math.radians(north), math.radians(east)
        return math.cos(lift) * math.cos(turn), math.cos(lift) * math.sin(turn), math.sin(lift)

    chord = math.dist(direction(north, east), direction(to_north, to_east))
    expected = 2 * 6371.0088 * math.asin(min(1.0, chord / 2))
    assert float(great_circle(north, east, to_north, to_east)) == pytest.approx(expected, abs=1e-3)


def test_the_nearest_comes_first_and_the_temporary_one_last() -> None:
    found = routes(to((31.2, 121.5), (22.5, 114.1), (29.6, 106.6)), HOUSES, NO_WINDOWS)
    assert [ranked(found, order) for order in range(3)] == [
        ["hangzhou", "guangzhou", "chengdu", "spare"],
        ["guangzhou", "hangzhou", "chengdu", "spare"],
        ["chengdu", "guangzhou", "hangzhou", "spare"],
    ]


@pytest.mark.parametrize("nowhere", [(None, None), (91.0, 10.0), (10.0, 181.0)])
def test_where_no_place_is_known_the_list_decides(nowhere: tuple[float | None, float | None]) -> None:
    found = routes(to(nowhere), HOUSES, NO_WINDOWS)
    assert ranked(found) == ["hangzhou", "guangzhou", "chengdu", "spare"]
    assert found["distance_km"].null_count() == 4


def test_what_rules_name_comes_before_what_is_near() -> None:
    found = routes(to((31.2, 121.5), wished=["spare", "elsewhere", "chengdu", "spare"]), HOUSES, NO_WINDOWS)
    assert ranked(found) == ["spare", "chengdu", "hangzhou", "guangzhou"]


def test_the_cheapest_comes_first_and_of_equal_ones_the_nearest() -> None:
    told = [(0, "hangzhou", 900), (0, "guangzhou", 700), (0, "spare", 100), (0, "chengdu", 700)]
    prices = pl.DataFrame(told, schema=COSTS, orient="row")
    found = routes(to((31.2, 121.5)), HOUSES, NO_WINDOWS, by="cost", costs=prices)
    assert ranked(found) == ["guangzhou", "chengdu", "hangzhou", "spare"]
    assert found["cost_minor"].to_list() == [700, 700, 900, 100]
    without = prices.filter(pl.col("warehouse") != "guangzhou")
    assert ranked(routes(to((31.2, 121.5)), HOUSES, NO_WINDOWS, by="cost", costs=without))[2] == "guangzhou"


def test_by_list_nothing_else_counts() -> None:
    assert ranked(routes(to((29.6, 106.6)), HOUSES, NO_WINDOWS, by="list")) == HOUSES["warehouse"].to_list()


WINDOW = st.tuples(
    st.sampled_from(HOUSES["warehouse"].to_list()),
    st.none() | st.booleans(),
    st.none() | st.integers(0, 12),
    st.none() | st.integers(0, 14),
    st.sampled_from(["outage", "holiday", None]),
)


@given(st.lists(WINDOW, max_size=6, unique_by=lambda window: window[2]))
@settings(deadline=None, max_examples=80)
def test_a_warehouse_is_as_the_window_says_that_began_last(
    told: list[tuple[str, bool | None, int | None, int | None, str | None]],
) -> None:
    """Since ever, where it does not say since when; and closed, where it does not say whether it is open."""
    rows = [
        (name, is_open, None if since is None else minute(since), None if until is None else minute(until), why)
        for name, is_open, since, until, why in told
    ]
    found = routes(to(*[(31.2, 121.5)] * 13), HOUSES, pl.DataFrame(rows, schema=WINDOWS, orient="row"))
    for order, warehouse, closed in found.select("order_id", "warehouse", "closed").rows():
        holding = [
            (-1 if since is None else since, is_open, why)
            for name, is_open, since, until, why in told
            if name == warehouse and (since is None or since <= order) and (until is None or order < until)
        ]
        if holding:
            _, is_open, why = max(holding, key=lambda row: row[0])
            assert closed == (None if is_open else why or "closed")
        else:
            assert closed == ("disabled" if warehouse == "spare" else None)


def test_who_has_not_paid_has_no_candidates() -> None:
    unpaid = to((31.2, 121.5)).with_columns(paid_at=pl.lit(None, DESTINATIONS["paid_at"]))
    assert routes(unpaid, HOUSES, NO_WINDOWS).is_empty()


def test_limits_are_those_of_the_warehouses() -> None:
    assert limits(HOUSES).drop_nulls().rows() == [("hangzhou", 5_000), ("spare", 800)]


BANDS = pl.DataFrame(
    [
        ("hangzhou", "near", 0, 800, 0, 0),
        ("hangzhou", "near", 1_000, 800, 1_000, 200),
        ("hangzhou", "far", 100, 1_500, 500, 300),
    ],
    schema=TARIFFS,
    orient="row",
)


@pytest.mark.parametrize(
    ("province", "grams", "cents"),
    [
        ("浙江省", 1, 800),
        ("浙江省", 999, 800),
        ("浙江省", 1_000, 800),
        ("浙江省", 1_001, 1_000),
        ("浙江省", 3_000, 1_200),
        ("西藏自治区", 99, None),
        ("西藏自治区", 600, 1_800),
        ("西藏自治区", 601, 2_100),
        ("西藏自治区", None, None),
        ("海南省", 500, None),
        (None, 500, None),
    ],
)
def test_a_parcel_costs_its_band_and_each_begun_step(
    province: str | None, grams: int | None, cents: int | None
) -> None:
    seen = [("hangzhou", "浙江省", "near"), ("hangzhou", "西藏自治区", "far")]
    zones = pl.DataFrame(seen, schema=ZONES, orient="row")
    parcels = pl.DataFrame([(1, province, grams)], schema=PARCELS, orient="row")
    assert costs(parcels, zones, BANDS).rows() == [(1, "hangzhou", cents)]


def test_provinces_are_where_they_are_however_they_are_written() -> None:
    names = ["广东省", "广东", " 黑龙江省", "内蒙古自治区", "Guangdong", None]
    found = located(pl.DataFrame({"province": names}))
    assert found["latitude"].to_list() == [23.1, 23.1, 45.8, 40.8, None, None]
    assert found["longitude"].to_list() == [113.3, 113.3, 126.5, 111.7, None, None]


def test_only_dear_orders_are_split_and_sealed_ones_never() -> None:
    orders = pl.DataFrame(
        {
            "order_id": [1, 2, 3, 4],
            "paid_at": [START] * 4,
            "total_minor": [9_900, 10_000, 50_000, None],
            "sealed": [False, None, True, False],
        },
        schema_overrides={"paid_at": DESTINATIONS["paid_at"]},
    )
    found = asking(orders, Splitting(parcels=3, above_minor=9_900, partly=True))
    assert found.select("order_id", "parcels", "partly").rows() == [
        (1, 1, False), (2, 3, True), (3, 1, False), (4, 1, False),
    ]  # fmt: skip
    assert asking(orders, Splitting())["parcels"].to_list() == [1, 1, 1, 1]


def test_gifts_stay_with_their_parents_and_what_is_made_takes_no_stock() -> None:
    lines = pl.DataFrame(
        {
            "order_id": [1, 1, 1],
            "line_no": [1, 2, 3],
            "sku": ["ROMPER", "BIB", "CUSTOM"],
            "category": ["rompers", None, "made"],
            "quantity": [1, 1, 1],
            "gift_of": [None, 1, None],
        },
        schema_overrides={"line_no": pl.Int32, "quantity": pl.Int32, "gift_of": pl.Int32},
    )
    found = wanted(lines, made_to_order=["made"])
    assert found["together"].to_list() == [None, 1, None]
    assert found["stocked"].to_list() == [True, True, False]
