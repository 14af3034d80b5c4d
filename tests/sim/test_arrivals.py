"""Arrivals follow the rate they were asked for, and a shop's own days are read from its own clock."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from scipy import stats

from orderhub_core.frames import INSTANT
from orderhub_core.sim import arrivals
from orderhub_core.sim.scenario import Arrivals

DAY_US = 86_400_000_000


def test_a_steady_day_is_uniform() -> None:
    drawn = arrivals.draw(Arrivals(curve="steady"), 50_000, np.random.default_rng(1))
    assert stats.kstest(drawn / 86_400, "uniform").pvalue > 0.001


def test_exactly_so_many_ascending_within_the_day() -> None:
    drawn = arrivals.draw(Arrivals(), 12_345, np.random.default_rng(2))
    assert len(drawn) == 12_345
    assert (np.diff(drawn) >= 0).all()
    assert drawn[0] >= 0 and drawn[-1] <= 86_400


def test_the_same_dice_give_the_same_day() -> None:
    one, two = (arrivals.draw(Arrivals(), 500, np.random.default_rng(3)) for _ in range(2))
    assert (one == two).all()


def test_a_flash_sale_starts_at_its_multiple_and_falls_to_37_percent_of_its_extra() -> None:
    flash = arrivals.intensity(Arrivals(start_hour=20, peak_multiple=12, decay_hours=1.5, base=(1.0,)))
    assert flash[19 * 60 + 59] == 1
    assert flash[20 * 60] == pytest.approx(12)
    assert flash[21 * 60 + 30] == pytest.approx(1 + 11 / np.e)


def test_drawn_orders_follow_the_rate() -> None:
    rate = arrivals.intensity(Arrivals()).reshape(24, 60).sum(axis=1)
    drawn = arrivals.draw(Arrivals(), 100_000, np.random.default_rng(4))
    counted = np.bincount((drawn // 3600).astype(int), minlength=24)
    assert stats.chisquare(counted, rate / rate.sum() * 100_000).pvalue > 0.001


def placed(*instants: dt.datetime) -> pl.DataFrame:
    return pl.DataFrame({"placed_at": pl.Series(list(instants), dtype=INSTANT)})


def at(*, day: int, hour: int, minute: int = 0) -> dt.datetime:
    """Shanghai time in November 2026."""
    return dt.datetime(2026, 11, day, hour, minute, tzinfo=dt.timezone(dt.timedelta(hours=8)))


def us(moment: dt.datetime) -> int:
    return round(moment.timestamp() * 1e6)


def test_a_learned_day_stands_on_the_shops_own_clock() -> None:
    orders = placed(*(at(day=day, hour=20, minute=40) for day in (3, 4, 5, 6)), at(day=6, hour=9))
    learned = arrivals.learn(orders, us(at(day=7, hour=0)), days=4, least=1)
    assert learned is not None
    assert (learned.orders_per_day, learned.days) == (1.25, 4)
    assert {index: rate for index, rate in enumerate(learned.base) if rate} == {41: 1.0, 18: 0.25}


def test_only_the_asked_days_count_and_never_the_future() -> None:
    orders = placed(at(day=1, hour=3), at(day=6, hour=12), at(day=8, hour=12))
    learned = arrivals.learn(orders, us(at(day=7, hour=0)), days=2, least=1)
    assert learned is not None
    assert sum(learned.base) * learned.days == 1


def test_a_shop_younger_than_the_span_is_not_diluted() -> None:
    learned = arrivals.learn(placed(at(day=6, hour=12), at(day=6, hour=13)), us(at(day=7, hour=0)), days=7, least=1)
    assert learned is not None
    assert (learned.days, learned.orders_per_day) == (1, 2.0)


def test_no_orders_no_curve() -> None:
    assert arrivals.learn(placed(), 0, least=0) is None
    few, enough = ([at(day=6, hour=12)] * count for count in (arrivals.ENOUGH - 1, arrivals.ENOUGH))
    assert [arrivals.learn(placed(*some), us(at(day=7, hour=0))) is None for some in (few, enough)] == [True, False]
    assert arrivals.learn(placed(at(day=1, hour=1)), us(at(day=30, hour=1))) is None
