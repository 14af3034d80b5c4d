"""Stratified draws and what they prove: coverage is counted over every sample that could have been drawn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from math import comb

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderhub_core.audit import hypergeometric, sampling, strata

KEY = ["shop", "order_no"]


def orders(sizes: dict[str, int]) -> pl.DataFrame:
    channels = [channel for channel, size in sizes.items() for _ in range(size)]
    numbers = [f"{number:05}" for number in range(len(channels))]
    return pl.DataFrame(
        {"shop": "shop", "order_no": numbers, "channel": channels},
        schema={"shop": pl.String, "order_no": pl.String, "channel": pl.String},
    )


def table(sizes: list[int]) -> pl.DataFrame:
    return pl.DataFrame(
        {"stratum": range(len(sizes)), "orders": sizes}, schema={"stratum": pl.UInt32, "orders": pl.Int64}
    )


def judged(counts: list[tuple[int, int]]) -> pl.DataFrame:
    """Per stratum: how many were judged, how many of them consistent."""
    rows = [(at, place < good) for at, (total, good) in enumerate(counts) for place in range(total)]
    return pl.DataFrame(rows, schema={"stratum": pl.UInt32, "consistent": pl.Boolean}, orient="row")


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(1, 400), max_size=12),
    size=st.integers(0, 500),
    at_least=st.integers(0, 6),
)
def test_an_allocation_adds_up_and_keeps_to_minimum_and_proportion(sizes, size, at_least):
    shares = strata.allocation(sizes, size, at_least).tolist()
    assert sum(shares) == min(size, sum(sizes))
    assert all(0 <= share <= have for share, have in zip(shares, sizes, strict=True))
    if sum(min(at_least, have) for have in sizes) <= size:
        assert all(share >= min(at_least, have) for share, have in zip(shares, sizes, strict=True))
    if at_least == 0 and sizes:
        whole = min(size, sum(sizes)) / sum(sizes)
        assert all(abs(share - have * whole) < 1 for share, have in zip(shares, sizes, strict=True))


def test_known_allocations():
    assert strata.allocation([600, 300, 100], 10).tolist() == [6, 3, 1]
    assert strata.allocation([1000, 500, 3, 1], 100, at_least=3).tolist() == [64, 32, 3, 1]
    assert strata.allocation([1000, 500, 3, 1], 2, at_least=3).tolist() == [1, 1, 0, 0]  # fewer than strata
    assert strata.allocation([10, 5], 100).tolist() == [10, 5]


def test_a_draw_has_the_size_asked_from_every_stratum_its_share_and_can_be_repeated_from_rows_in_any_order():
    shop = orders({"douyin": 700, "taobao": 290, "mini": 10})
    drawn = strata.draw(shop, ["channel"], 50, seed=7, at_least=4)
    assert drawn.sample.height == drawn.sample.n_unique(KEY) == 50
    assert drawn.strata.rows() == [(0, "douyin", 700, 33), (1, "taobao", 290, 13), (2, "mini", 10, 4)]
    again = strata.draw(shop.sample(fraction=1, shuffle=True, seed=1), ["channel"], 50, seed=7, at_least=4)
    assert again.sample.equals(drawn.sample)
    assert not strata.draw(shop, ["channel"], 50, seed=8, at_least=4).sample.equals(drawn.sample)


def test_within_a_stratum_every_order_is_drawn_equally_often():
    shop = orders({"douyin": 60, "mini": 20})
    drawn = pl.concat(strata.draw(shop, ["channel"], 20, seed).sample for seed in range(200))
    counts = drawn.group_by("order_no").len()["len"]
    assert counts.len() == 80
    assert counts.is_between(23, 77).all()  # 50 each; 4.4 standard deviations are 27


def test_one_stratum_or_none_is_the_simple_draw():
    shop = orders({"douyin": 500})
    simple = sampling.draw(shop.select(KEY), 30, 7)
    for by in ([], ["channel"]):
        assert strata.draw(shop, by, 30, 7).sample.select(KEY).sort(KEY).equals(simple)


def test_missing_values_repeated_orders_and_empty_shops():
    shop = orders({"douyin": 5, "mini": 5}).with_columns(warehouse=pl.lit(None, dtype=pl.String))
    drawn = strata.draw(pl.concat([shop, shop.with_columns(warehouse=pl.lit("north"))]), ["warehouse"], 20, 1)
    assert drawn.sample.height == drawn.strata["orders"].sum() == 10
    empty = strata.draw(shop.clear(), ["channel", "warehouse"], 20, 1)
    assert empty.sample.is_empty() and empty.strata.is_empty()
    assert strata.estimate(judged([]), empty.strata.select("stratum", "orders")).rate is None


def test_ages_have_classes():
    now = datetime(2026, 11, 28, 12, tzinfo=UTC)
    placed = pl.Series([now - timedelta(days=days) for days in (-0.1, 0.9, 1.0, 2.99, 3.0, 6.9, 7.0, 400)] + [None])
    frame = pl.DataFrame({"at": placed.cast(pl.Datetime("us", "UTC"))})
    found = frame.select(strata.age_class(pl.col("at"), int(now.timestamp() * 1e6))).to_series().to_list()
    assert found == ["<1", "<1", "1-3", "1-3", "3-7", "3-7", ">=7", ">=7", None]


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize("design", [[(6, 3), (10, 4), (3, 2)], [(12, 6), (4, 1), (2, 2)], [(40, 3), (3, 3), (2, 0)]])
def test_the_interval_covers_whatever_the_misfits_lie_in(design, level):
    """Every way of placing misfits, and of each every sample with its chance: no share of them escapes by more."""
    parts = table([size for size, _ in design])
    total = sum(size for size, _ in design)
    outcomes = list(product(*(range(drawn + 1) for _, drawn in design)))
    seen = [
        strata.estimate(judged([(n, k) for (_, n), k in zip(design, ks, strict=True)]), parts, level) for ks in outcomes
    ]
    for placed in product(*(range(size + 1) for size, _ in design)):
        truth = sum(placed) / total
        covered = 0.0
        for ks, one in zip(outcomes, seen, strict=True):
            if one.interval.low - 1e-9 <= truth <= one.interval.high + 1e-9:
                ways = (
                    comb(good, k) * comb(size - good, n - k) / comb(size, n)
                    for k, good, (size, n) in zip(ks, placed, design, strict=True)
                )
                covered += np.prod(list(ways))
        assert covered >= level


def test_the_rate_is_weighted_and_unseen_strata_widen_the_interval():
    parts = table([900, 90, 10])
    whole = strata.estimate(judged([(30, 30), (10, 5), (10, 0)]), parts)
    assert whole.rate == pytest.approx((900 + 45 + 0) / 1000)
    assert whole.interval.high == pytest.approx(1 - 15 / 1000, abs=0.012)
    unseen = strata.estimate(judged([(30, 30), (10, 5)]), parts)
    assert unseen.rate == pytest.approx(945 / 990)
    assert unseen.interval.high >= whole.interval.high + 0.0099


def test_many_strata_of_which_much_was_judged_are_no_burden(monkeypatch):
    """Tables of exact chances for all of 40 strata would be 1.8 million numbers, walked through 300 times."""
    made = []
    chances = hypergeometric.chances
    monkeypatch.setattr(hypergeometric, "chances", lambda *law: [found := chances(*law), made.append(found.size)][0])
    seen = judged([(50, 49)] * 40)
    found = strata.estimate(seen, table([900] * 40))
    assert sum(made) <= 2 * strata.CELLS
    assert found.interval.low <= 0.98 <= found.interval.high < found.interval.low + 0.025


def test_judged_whole_means_known_and_one_open_stratum_means_exact():
    parts = table([40, 10])
    known = strata.estimate(judged([(40, 38), (10, 9)]), parts)
    assert (known.interval.low, known.interval.high) == pytest.approx((0.94, 0.94))
    exact = sampling.interval(19, 20, population=40)
    half = strata.estimate(judged([(20, 19), (10, 10)]), parts)
    assert half.interval.low == pytest.approx((exact.low * 40 + 10) / 50)
    assert half.interval.high == pytest.approx((exact.high * 40 + 10) / 50)


def test_nothing_judged_proves_nothing_and_orders_not_yet_judged_do_not_count():
    parts = table([40, 10])
    nothing = strata.estimate(judged([]), parts)
    assert (nothing.rate, nothing.interval.low, nothing.interval.high) == (None, 0.0, 1.0)
    some = judged([(5, 4), (2, 2)])
    waiting = pl.concat([some, some.with_columns(consistent=pl.lit(None, dtype=pl.Boolean))])
    assert strata.estimate(waiting, parts) == strata.estimate(some, parts)
    with pytest.raises(ValueError, match="cannot have been drawn"):
        strata.estimate(judged([(41, 41)]), parts)


def test_each_stratum_has_its_own_rate_and_interval():
    rows = strata.by_stratum(judged([(20, 19)]), table([40, 10]))
    exact = sampling.interval(19, 20, population=40)
    assert rows.select("judged", "consistent", "rate", "low", "high").rows() == [
        (20, 19, 0.95, exact.low, exact.high),
        (0, 0, None, 0.0, 1.0),
    ]


def test_without_misfits_the_bound_is_the_exact_one_of_the_worst_placing():
    """With no misfit seen the largest chance of that is a product that can be maximised by hand."""
    worst = max(p for p in np.linspace(0, 0.2, 20_001) if (1 - p) ** 100 > 0.025)
    found = strata.estimate(judged([(50, 50), (50, 50)]), table([1_000_000, 1_000_000]))
    assert found.interval.low == pytest.approx(1 - worst, abs=3e-4)


@settings(deadline=None, max_examples=40)
@given(
    counts=st.lists(
        st.tuples(st.integers(1, 60), st.integers(0, 40), st.floats(0, 1)).map(
            lambda one: (one[0] + one[1], one[0], round(one[0] * one[2]))
        ),
        min_size=1,
        max_size=6,
    )
)
def test_the_interval_holds_the_weighted_rate(counts):
    """Per stratum: orders, judged, consistent."""
    found = strata.estimate(judged([(n, good) for _, n, good in counts]), table([orders_ for orders_, _, _ in counts]))
    assert found.interval.low - 1e-9 <= found.rate <= found.interval.high + 1e-9


def test_known_figures():
    """Near the simple sample's 94.6 to 100.0 % (of 10,000), 95.7 to 99.7 % (of 300); what ignorance of where the
    misfits lie costs is seen."""
    large = strata.estimate(judged([(50, 49), (50, 50)]), table([5000, 5000])).interval
    assert (round(large.low, 3), round(large.high, 4)) == (0.936, 0.9999)
    small = strata.estimate(judged([(50, 49), (50, 50)]), table([150, 150])).interval
    assert (round(small.low, 3), round(small.high, 4)) == (0.946, 0.9967)
    # A bad little warehouse, looked at closely, says little of the whole.
    uneven = strata.estimate(judged([(80, 80), (20, 0)]), table([9900, 100])).interval
    assert uneven.low > 0.92 and 0.99 <= uneven.high <= 0.998  # twenty misfits are there for certain
