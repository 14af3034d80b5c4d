"""Draws that anyone can repeat, and intervals against an independent implementation."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, chisquare, hypergeom

from orderhub_core.audit import hypergeometric
from orderhub_core.audit.sampling import draw, in_turn, interval, needed, planned, tickets

MASK = (1 << 64) - 1


def keys(count: int, start: int = 0) -> pl.DataFrame:
    numbers = range(start, start + count)
    return pl.DataFrame(
        {"shop": [f"shop-{n % 3}" for n in numbers], "order_no": [str(69_000_000 + n) for n in numbers]}
    )


def splitmix(value: int) -> int:
    value = (value + 0x9E3779B97F4A7C15) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def ticket(row: tuple[str, ...], seed: int) -> int:
    number = splitmix(seed)
    for text in row:
        data = text.encode()
        for at in range(0, len(data), 8):
            number = splitmix(number ^ int.from_bytes(data[at : at + 8].ljust(8, b"\0"), "little"))
        number = splitmix(number ^ len(data))
    return number


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(st.tuples(st.text("ab单号9-", max_size=20), st.text("0123456789", max_size=20)), max_size=30),
    seed=st.integers(0, MASK),
    size=st.integers(0, 12),
)
def test_the_smallest_tickets_are_drawn_whatever_order_the_rows_stand_in(rows, seed, size):
    frame = pl.DataFrame(rows, schema={"shop": pl.String, "order_no": pl.String}, orient="row")
    assert tickets(frame, seed).tolist() == [ticket(row, seed) for row in rows]
    expected = sorted(sorted(set(rows), key=lambda row: (ticket(row, seed), row))[:size])
    assert draw(frame, size, seed).rows() == expected
    assert draw(pl.concat([frame.reverse(), frame]), size, seed).rows() == expected


def test_this_draw_is_the_same_for_ever():
    assert draw(keys(1000), 4, 7)["order_no"].to_list() == ["69000597", "69000636", "69000742", "69000428"]


def test_another_seed_draws_others_and_a_new_order_hardly_moves_the_draw():
    before, after = draw(keys(10_000), 100, 7), draw(keys(10_100), 100, 7)
    assert draw(keys(10_000), 100, 8).join(before, on=["shop", "order_no"]).height < 10
    assert before.join(after, on=["shop", "order_no"]).height >= 95


def test_every_order_is_drawn_equally_often():
    drawn = pl.concat(draw(keys(200), 20, seed) for seed in range(400))
    counts = drawn.group_by("order_no").len()["len"].to_list()
    assert len(counts) == 200
    assert chisquare(counts).pvalue > 1e-4


@settings(deadline=None)
@given(trials=st.integers(1, 3000), share=st.floats(0, 1), level=st.sampled_from([0.8, 0.95, 0.99]))
def test_intervals_are_the_exact_ones(trials, share, level):
    successes = round(trials * share)
    exact = binomtest(successes, trials).proportion_ci(confidence_level=level, method="exact")
    ours = interval(successes, trials, level)
    assert (ours.low, ours.high) == pytest.approx((exact.low, exact.high), abs=1e-9)


def test_known_figures():
    hundred = interval(99, 100)
    assert (round(hundred.low, 4), round(hundred.high, 4)) == (0.9455, 0.9997)  # 94.6 to 99.8 would be Wilson's
    assert interval(100, 100).high == 1.0
    assert interval(0, 100).low == 0.0
    assert (interval(0, 0).low, interval(0, 0).high) == (0.0, 1.0)
    assert interval(0, 100).high == pytest.approx(1 - 0.025 ** (1 / 100))


def test_sample_sizes():
    assert needed(0.99) == 368  # 0.99**368 is the first power below 0.025
    assert needed(0.99, level=0.9) == 299  # one-sided 95 %: the auditors' table
    for misfits in (0, 1, 5):
        size = needed(0.95, misfits)
        assert interval(size - misfits, size).low >= 0.95 > interval(size - 1 - misfits, size - 1).low
    assert needed(0.0) == 1


@pytest.mark.parametrize("claim", [1.0, 1.2, -0.1])
def test_no_sample_proves_certainty(claim):
    with pytest.raises(ValueError, match="not including, 1"):
        needed(claim)


def test_the_order_of_judging_is_that_of_the_tickets_so_that_every_first_part_is_a_draw():
    turns = in_turn(draw(keys(500), 100, 7), 7)
    assert turns.height == 100
    for size in (1, 30, 100):
        assert turns.head(size).sort("shop", "order_no").equals(draw(keys(500), size, 7))


@settings(deadline=None)
@given(data=st.data(), population=st.integers(1, 120), level=st.sampled_from([0.8, 0.95, 0.99]))
def test_of_a_known_population_the_interval_holds_what_no_tail_excludes(data, population, level):
    trials = data.draw(st.integers(1, population))
    good = data.draw(st.integers(0, trials))
    tail = (1 - level) / 2

    def left(above: float) -> list[int]:
        return [
            m
            for m in range(good, population - (trials - good) + 1)
            if hypergeom.sf(good - 1, population, m, trials) > above
            and hypergeom.cdf(good, population, m, trials) > above
        ]

    surely, perhaps = left(tail + 1e-9), left(tail - 1e-9)  # a chance may equal the tail
    ours = interval(good, trials, level, population)
    assert perhaps[0] <= round(ours.low * population) <= surely[0]
    assert surely[-1] <= round(ours.high * population) <= perhaps[-1]


def test_it_is_no_wider_than_the_binomial_one_and_certain_once_all_are_judged():
    assert interval(99, 100).low < interval(99, 100, population=10_000).low < interval(99, 100, population=300).low
    endless, large = interval(99, 100), interval(99, 100, population=10**8)
    assert (endless.low, endless.high) == pytest.approx((large.low, large.high), abs=1e-6)
    whole = interval(297, 300, population=300)
    assert (whole.low, whole.high) == (0.99, 0.99)
    assert interval(0, 0, population=0).low == interval(0, 0, population=9).low == 0.0
    assert interval(0, 0, population=0).high == interval(0, 0, population=9).high == 1.0
    with pytest.raises(ValueError, match="from 99"):
        interval(99, 100, population=99)


@pytest.mark.parametrize("population", [1, 7, 50, 300])
@pytest.mark.parametrize("claim", [0.0, 0.9, 0.99, 1.0])
def test_sample_sizes_of_a_known_population(population, claim):
    allowed = max(k for k in range(population + 1) if (population - k) / population >= claim)
    for misfits in {0, allowed // 2 * (claim > 0), allowed * (claim > 0)} - {population}:
        size = needed(claim, misfits, population=population)
        assert interval(size - misfits, size, population=population).low >= claim
        smaller = range(max(misfits, 1), size)
        assert not any(interval(n - misfits, n, population=population).low >= claim for n in smaller[-3:])
    if allowed < population:
        with pytest.raises(ValueError, match="no sample"):
            needed(claim, allowed + 1, population=population)


@pytest.mark.parametrize("population", [None, 600])
def test_a_planned_sample_proves_its_claim_as_often_as_said(population):
    claim, rate = 0.95, 0.99
    law = binom if population is None else hypergeom

    def chance(size: int) -> float:
        allowed = [k for k in range(min(size, 20)) if interval(size - k, size, population=population).low >= claim]
        parts = (size, 1 - rate) if population is None else (population, 6, size)
        return float(law.cdf(max(allowed), *parts)) if allowed else 0.0

    size = planned(claim, rate, 0.8, population=population)
    assert chance(size) >= 0.8
    assert all(chance(smaller) < 0.8 for smaller in range(40, size))


@pytest.mark.parametrize("population", [None, 400, 50_000])
@pytest.mark.parametrize("rate", [0.95, 0.96, 0.98, 1.0])
def test_with_a_limit_the_plan_is_the_same_or_said_to_be_beyond_it(population, rate):
    claim = 0.95
    if population is None and rate == claim:
        return
    free = planned(claim, rate, population=population)
    for most in (free, free + 1, 10**6):
        assert planned(claim, rate, population=population, most=most) == free
    with pytest.raises(ValueError, match=f"up to {free - 1} orders"):
        planned(claim, rate, population=population, most=free - 1)
    least = needed(claim, 3, population=population)
    assert needed(claim, 3, population=population, most=least) == least
    with pytest.raises(ValueError, match=f"up to {least - 1} orders"):
        needed(claim, 3, population=population, most=least - 1)


def test_a_plan_that_nobody_can_use_is_not_searched_to_its_end(monkeypatch):
    """Of a million orders at the very claim it would be all but two, found after hundreds of long sums."""
    added = []
    chances = hypergeometric.chances
    monkeypatch.setattr(
        hypergeometric, "chances", lambda counts, *rest: [added.append(len(counts)), chances(counts, *rest)][1]
    )
    with pytest.raises(ValueError, match="up to 2000 orders"):
        planned(0.99, 0.99, population=1_000_000, most=2_000)
    assert sum(added) < 100_000


def test_plans_at_the_edges():
    assert planned(0.99, 1.0) == needed(0.99)
    assert planned(0.99, 0.99, population=500) <= 500  # judging nearly all can prove just that
    assert planned(1.0, 1.0, population=20) == needed(1.0, population=20) == 20
    for claim, rate in ((0.99, 0.99), (0.99, 0.98)):
        with pytest.raises(ValueError, match="must be higher"):
            planned(claim, rate)
    with pytest.raises(ValueError, match="must be higher"):
        planned(0.99, 0.98, population=500)
    with pytest.raises(ValueError, match="must be some"):
        needed(0.9, population=0)
