"""Week by week: what changed, what did not, and what such samples could have shown."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, fisher_exact

from orderhub_core.audit.sampling import interval
from orderhub_core.audit.trend import by_week, change, rates


def weeks(*counts: tuple[int, int]) -> pl.DataFrame:
    """Consistent and judged of each week."""
    rows = [(number, judged, good) for number, (good, judged) in enumerate(counts)]
    return pl.DataFrame(rows, schema={"week": pl.Int64, "judged": pl.Int64, "consistent": pl.Int64}, orient="row")


@settings(deadline=None)
@given(last=st.tuples(st.integers(0, 60), st.integers(0, 60)), before=st.tuples(st.integers(0, 90), st.integers(0, 90)))
def test_the_chance_is_that_of_fishers_test(last, before):
    table = [list(last), list(before)]
    found = change(weeks((before[0], sum(before)), (last[0], sum(last))), looks=1)
    sides = [fisher_exact(table, alternative=side).pvalue for side in ("less", "greater")]
    assert found.p == pytest.approx(min(1, 2 * min(sides)), abs=1e-9)
    if found.p <= 0.05:
        assert found.state == ("better" if last[0] * sum(before) > before[0] * sum(last) else "worse")
    else:
        assert found.state == "no significant change"


def test_known_trends():
    steady = change(weeks((99, 100), (98, 100), (97, 100), (99, 100)))
    assert (steady.state, steady.looks, steady.last, steady.earlier) == ("no significant change", 3, 0.99, 0.98)
    assert 0.05 < steady.visible_drop < 0.12
    assert change(weeks((99, 100), (98, 100), (97, 100), (85, 100))).state == "worse"
    assert change(weeks((80, 100), (82, 100), (97, 100))).state == "better"


def test_who_asks_often_needs_clearer_evidence():
    once = change(weeks((297, 300), (92, 100)), looks=1)
    often = change(weeks((297, 300), (92, 100)), looks=52)
    assert (once.state, often.state) == ("worse", "no significant change")
    assert often.p == once.p
    assert often.visible_drop > once.visible_drop


@pytest.mark.parametrize(("earlier", "total"), [((180, 200), 100), ((196, 200), 50), ((150, 150), 80)])
def test_the_visible_drop_is_seen_as_often_as_said(earlier, total):
    """By another route: all outcomes of both samples, each tested by scipy's test."""
    found = change(weeks(earlier, (total // 2, total)), looks=1)
    rate, before = earlier[0] / earlier[1], earlier[1]
    likely = binom.pmf(np.arange(before + 1), before, rate)

    def seen(now: float) -> float:
        chances = binom.pmf(np.arange(total + 1), total, now)
        return sum(
            likely[y] * chances[x]
            for y in np.flatnonzero(likely > 1e-4)
            for x in np.flatnonzero(chances > 1e-4)
            if fisher_exact([[x, total - x], [y, before - y]], alternative="less").pvalue <= 0.025
        )

    assert seen(rate - found.visible_drop) == pytest.approx(0.8, abs=0.005)


@pytest.mark.parametrize("rate", [0.8, 0.95, 0.99])
def test_where_nothing_changes_no_alarm_is_raised_more_often_than_said(rate):
    dice, alarms = np.random.default_rng(4), 0
    for _ in range(40):
        shown = weeks(*((int(good), 40) for good in dice.binomial(40, rate, 6)))
        alarms += any(change(shown.head(n), 0.8, looks=5).state != "no significant change" for n in range(2, 7))
    assert alarms <= 8 + 7  # 20 % of 40, and 2.7 standard deviations


@pytest.mark.parametrize("shown", [(), ((5, 6),), ((5, 6), (0, 0)), ((0, 0), (5, 6)), ((0, 0), (0, 0))])
def test_with_nothing_to_compare_nothing_is_claimed(shown):
    found = change(weeks(*shown))
    assert (found.state, found.p, found.visible_drop) == ("no significant change", 1.0, None)


def test_rates_have_exact_intervals_and_an_empty_week_knows_nothing():
    shown = rates(weeks((99, 100), (0, 0)))
    exact = interval(99, 100)
    assert shown.select("rate", "low", "high").rows() == [(0.99, exact.low, exact.high), (None, 0.0, 1.0)]
    finite = interval(99, 100, population=300)
    of_few = rates(weeks((99, 100)).with_columns(orders=pl.lit(300)))
    assert of_few.select("low", "high").row(0) == (finite.low, finite.high)


def test_weeks_begin_on_monday_where_the_shop_is_and_gaps_are_weeks():
    def at(*parts: int) -> datetime:
        return datetime(*parts, tzinfo=UTC)

    judged = pl.DataFrame(
        {
            "at": [at(2026, 11, 1, 17), at(2026, 11, 1, 15), at(2026, 11, 17, 1), at(2026, 11, 17, 2)],
            "consistent": [True, False, True, None],
        },
        schema={"at": pl.Datetime("us", "UTC"), "consistent": pl.Boolean},
    )
    assert by_week(judged, "Asia/Shanghai").rows() == [
        (date(2026, 10, 26), 1, 0),
        (date(2026, 11, 2), 1, 1),
        (date(2026, 11, 9), 0, 0),
        (date(2026, 11, 16), 1, 1),
    ]
    assert by_week(judged)["week"].to_list()[0] == date(2026, 10, 26) and by_week(judged)["judged"][0] == 2
    assert by_week(judged.clear()).is_empty()
