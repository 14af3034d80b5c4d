"""The rule for stopping early: its errors are counted over every order in which orders could have been judged."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderhub_core.audit.sampling import fewest
from orderhub_core.audit.stopping import course, standing


def sequences(population: int, consistent: int) -> list[pl.Series]:
    found = []
    for places in combinations(range(population), consistent):
        turns = np.zeros(population, dtype=bool)
        turns[list(places)] = True
        found.append(pl.Series(turns))
    return found


@pytest.mark.parametrize(("claim", "level"), [(0.8, 0.7), (0.5, 0.6), (1.0, 0.7)])
def test_over_every_order_of_judging_it_errs_no_more_than_it_says(claim, level):
    """Stopping at the worst moment, after any judgement up to the last, in every shop of nine orders."""
    population, mistakes = 9, 0
    for consistent in range(population + 1):
        true = consistent / population >= claim
        missed = wrong = 0
        for turns in sequences(population, consistent):
            steps = course(turns, population, claim, level)
            outside = (steps["low"] > consistent / population) | (steps["high"] < consistent / population)
            missed += outside.any()
            wrong += (steps["state"] == ("refuted" if true else "proven")).any()
        ways = comb(population, consistent)
        mistakes += wrong
        assert missed / ways <= 1 - level
        assert wrong / ways <= 1 - level
    assert mistakes or claim == 1.0  # else the test could not tell


@pytest.mark.parametrize("claim", [0.95, 0.99])
def test_a_large_shop_just_short_of_its_claim_is_seldom_passed_and_one_just_within_seldom_failed(claim):
    dice, population = np.random.default_rng(4), 1000
    wrong = {"proven": 0, "refuted": 0}
    for state, consistent in (("proven", fewest(claim, population) - 1), ("refuted", fewest(claim, population))):
        for _ in range(200):
            turns = pl.Series(dice.permutation(population) < consistent)
            wrong[state] += standing(turns, population, claim, level=0.9).state == state
    assert max(wrong.values()) <= 200 * 0.1 + 13  # 3 standard deviations more than may be


@settings(deadline=None, max_examples=50)
@given(turns=st.lists(st.booleans(), min_size=1, max_size=40), rest=st.integers(0, 200), claim=st.floats(0, 1))
def test_the_interval_narrows_holds_the_state_and_what_is_decided_stays(turns, rest, claim):
    population = len(turns) + rest
    steps = course(pl.Series(turns), population, claim)
    assert steps["judged"].to_list() == list(range(1, len(turns) + 1))
    assert steps["consistent"].to_list() == np.cumsum(turns).tolist()
    for low, high, state in steps.select("low", "high", "state").iter_rows():
        assert 0 <= low <= high <= 1
        assert state == ("proven" if low >= claim else "refuted" if high < claim else "go on")
    assert (steps["low"].diff().drop_nulls() >= 0).all()
    assert (steps["high"].diff().drop_nulls() <= 0).all()
    if rest == 0:
        assert steps.row(-1, named=True)["low"] == steps.row(-1, named=True)["high"] == sum(turns) / population


def test_an_audit_from_start_to_finish():
    nothing = standing(pl.Series([], dtype=pl.Boolean), 10_000, 0.99)
    assert (nothing.state, nothing.rate, nothing.interval.low, nothing.interval.high) == ("go on", None, 0.0, 1.0)
    some = standing(pl.Series([True] * 100), 10_000, 0.99)
    assert (some.state, some.stopped_at, some.rate) == ("go on", None, 1.0)
    proven = standing(pl.Series([True] * 600), 10_000, 0.99)
    assert proven.state == "proven" and proven.interval.low >= 0.99
    assert 300 < proven.stopped_at < 368  # a fixed sample without misfits needs 357
    refuted = standing(pl.Series([False, True] * 10), 10_000, 0.99)
    assert refuted.state == "refuted" and refuted.stopped_at < 10


def test_what_follows_a_gap_does_not_count():
    turns = [True] * 5 + [None] + [False] * 20
    assert standing(pl.Series(turns), 100, 0.9) == standing(pl.Series(turns[:5]), 100, 0.9)
    assert standing(pl.Series([None, None], dtype=pl.Boolean), 100, 0.9).judged == 0


def test_certainty_needs_all_orders_but_one_misfit_refutes_it():
    whole = course(pl.Series([True] * 30), 30, 1.0)
    assert whole["state"][-1] == "proven"
    assert whole["state"][14] == "go on"
    assert standing(pl.Series([True] * 14 + [False]), 30, 1.0).stopped_at == 15


def test_claims_that_are_always_true_and_shops_without_orders():
    assert standing(pl.Series([False]), 5, 0.0).state == "proven"
    assert standing(pl.Series([], dtype=pl.Boolean), 5, 0.0).state == "proven"
    assert standing(pl.Series([], dtype=pl.Boolean), 0, 0.9).state == "go on"


@pytest.mark.parametrize(("turns", "claim", "level"), [(6, 0.9, 0.95), (1, 1.1, 0.95), (1, 0.9, 1.0)])
def test_what_cannot_be_is_said(turns, claim, level):
    with pytest.raises(ValueError, match=r"judged|shares"):
        standing(pl.Series([True] * turns), 5, claim, level)


@given(population=st.integers(1, 5000), wanted=st.integers(0, 5000))
def test_the_fewest_that_make_a_claim_true(population, wanted):
    claim = min(wanted, population) / population
    assert fewest(claim, population) == min(wanted, population)
    assert fewest(0.99, 1000) == 990 and fewest(0.9901, 1000) == 991
