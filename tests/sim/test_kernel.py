"""The queue against what is known of queues: Erlang's formula, Lindley's recursion, Little's law, conservation."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderhub_core.sim import kernel, results
from orderhub_core.sim.kernel import Line, Shift, serve
from orderhub_core.sim.scenario import Arrivals, Scenario, Site, Stage, Temporary

SEED = 20261111
seconds = st.floats(0, 5_000, allow_nan=False)


def erlang_c_wait(rate: float, service: float, servers: int) -> float:
    """Mean wait of an M/M/c queue (Erlang 1917): C(c, a) / (c/service - rate)."""
    load = rate * service
    tail = load**servers / math.factorial(servers) * servers / (servers - load)
    head = sum(load**k / math.factorial(k) for k in range(servers))
    return tail / (head + tail) / (servers / service - rate)


@pytest.mark.parametrize(("servers", "utilisation"), [(1, 0.7), (5, 0.8), (20, 0.9)])
def test_mean_wait_is_erlangs(servers: int, utilisation: float) -> None:
    waits = []
    for child in np.random.SeedSequence(SEED).spawn(20):
        rng = np.random.default_rng(child)
        came = np.cumsum(rng.exponential(1 / (servers * utilisation), 40_000))
        work = rng.exponential(1.0, 40_000)
        waits.append((serve(came, work, [0.0] * servers) - work - came).mean())
    expected = erlang_c_wait(servers * utilisation, 1.0, servers)
    error = np.std(waits, ddof=1) / math.sqrt(len(waits))
    assert abs(np.mean(waits) - expected) < 4 * error
    assert error < 0.05 * expected, "the runs must be able to tell"


@settings(deadline=None)
@given(st.lists(st.tuples(seconds, seconds), min_size=1, max_size=60))
def test_one_person_is_lindleys_recursion(orders: list[tuple[float, float]]) -> None:
    came = np.cumsum([gap for gap, _ in orders])
    work = np.array([work for _, work in orders])
    wait, waits = 0.0, [0.0]
    for gap, before in zip(np.diff(came), work[:-1], strict=True):
        wait = max(0.0, wait + before - gap)
        waits.append(wait)
    assert serve(came, work, [0.0]) == pytest.approx(came + waits + work)


@settings(deadline=None)
@given(st.lists(st.tuples(seconds, seconds), min_size=1, max_size=60), st.integers(1, 8))
def test_never_more_in_hand_than_people_and_nobody_idles_while_orders_wait(
    orders: list[tuple[float, float]], people: int
) -> None:
    came = np.cumsum([gap for gap, _ in orders])
    work = np.array([work for _, work in orders])
    done = serve(came, work, [0.0] * people)
    start = done - work
    assert (start >= came - 1e-6).all()
    assert (np.diff(start) >= -1e-6).all(), "first come, first served"
    for at, began, index in zip(came, start, range(len(came)), strict=True):
        busy = np.count_nonzero((start[:index] <= at) & (done[:index] > at))
        assert busy <= people
        if began > at + 1e-6:
            still = np.count_nonzero((start[:index] < began - 1e-6) & (done[:index] >= began - 1e-6))
            assert still >= people, "an order waits only while everyone is busy"


def test_fixed_times_leave_like_clockwork() -> None:
    done = serve(np.zeros(7), np.full(7, 10.0), [0.0] * 3)
    assert done.tolist() == [10, 10, 10, 20, 20, 20, 30]


@settings(deadline=None)
@given(st.lists(st.tuples(seconds, seconds, seconds), min_size=1, max_size=40), st.lists(seconds, max_size=6))
def test_a_line_may_be_advanced_in_any_steps(orders: list[tuple[float, float, float]], stops: list[float]) -> None:
    came = np.cumsum([gap for gap, _, _ in orders])
    work = np.array([times for _, *times in orders])

    def walk(instants: list[float]) -> np.ndarray:
        passage = np.full((len(came), 3), np.inf)
        passage[:, 0] = came
        line, low = Line((2, 1), passage, work), 0
        for until in [*sorted(instants), np.inf]:
            high = int(np.searchsorted(came, until, side="right"))
            line.advance(np.arange(low, high), until)
            assert line.inside == high - np.count_nonzero(passage[:high, 2] <= until), "in = out + inside"
            low = high
        return passage

    assert walk(stops) == pytest.approx(walk([]))


@settings(deadline=None)
@given(st.floats(0, 400_000), st.floats(0, 23), st.floats(0.5, 24))
def test_the_working_clock_is_undone_by_the_wall_clock(at: float, opens: float, hours: float) -> None:
    shift = Shift(opens * 3600, min(24.0, opens + hours) * 3600)
    worked = shift.worked(np.array([at]))
    back = shift.clock(worked)
    assert shift.worked(back) == pytest.approx(worked, abs=1e-3)
    within = at % 86_400
    if shift.opens < within <= shift.closes:
        assert back == pytest.approx(at, abs=1e-3)


def test_work_is_put_down_at_closing_time_and_taken_up_in_the_morning() -> None:
    stage = Stage("pick", 3_600.0, 0.0)
    site = Site(id="only", people=(1,), opens=8, closes=18)
    scenario = Scenario(orders=1, stages=(stage,), warehouses=(site,), temporary=Temporary(people=(1,)))
    run = kernel._walk(scenario, np.array([17.5 * 3600]), np.array([0]), np.array([[3_600.0]]))
    assert run.reached[0, 1] == pytest.approx((24 + 8.5) * 3600)
    assert run.waited[0, 0] == 0


def small(**changes: object) -> Scenario:
    return msgspec.structs.replace(Scenario(orders=4_000, runs=2), **changes)


def test_every_order_that_comes_in_goes_out_stage_after_stage() -> None:
    for run in results.rehearse(small(), 7):
        assert np.isfinite(run.reached).all()
        assert (np.diff(run.reached, axis=1) > 0).all()
        assert len(run.reached) == 4_000


def test_littles_law() -> None:
    """Time-average number inside = arrival rate x mean time inside, over any span that begins and ends empty."""
    scenario = small(temporary=Temporary(enabled=False))
    runs = results.rehearse(scenario, 3)
    inside = results.unfinished(runs, 1)
    area = float(np.trapezoid(inside["mean"].to_numpy(), inside["hour"].to_numpy()))
    mean_hours = float(np.mean([run.took.mean() for run in runs])) / 3600
    assert area == pytest.approx(scenario.orders * mean_hours, rel=0.01)


def full_early(**changes: object) -> Scenario:
    sites = tuple(msgspec.structs.replace(site, overload=50) for site in Scenario().warehouses)
    spare = msgspec.structs.replace(Temporary(orders_per_day=300), **changes)
    return Scenario(orders=8_000, arrivals=Arrivals(peak_multiple=30), warehouses=sites, temporary=spare, runs=1)


def test_the_temporary_warehouse_takes_its_cap_and_only_while_all_others_are_full() -> None:
    scenario = full_early()
    (run,) = results.rehearse(scenario, 5)
    moved = np.flatnonzero(run.site == 3)
    assert len(moved) == 300
    step = scenario.temporary.check_minutes * 60
    for row in moved:
        look = np.ceil(run.reached[row, 0] / step) * step - step
        for index, site in enumerate(scenario.warehouses):
            own = run.reached[run.site == index]
            inside = np.count_nonzero(own[:, 0] <= look) - np.count_nonzero(own[:, -1] <= look)
            assert inside > site.overload


def test_no_decision_is_missed_by_looking_only_when_it_could_matter() -> None:
    scenario = full_early(orders_per_day=10**6)
    (run,) = results.rehearse(scenario, 5)
    step = scenario.temporary.check_minutes * 60
    placed = run.reached[:, 0]
    for look in np.arange(0, 86_400, step):
        full = all(
            np.count_nonzero((run.site == index) & (placed <= look) & (run.reached[:, -1] > look)) > site.overload
            for index, site in enumerate(scenario.warehouses)
        )
        sent = run.site[(placed > look) & (placed <= look + step)]
        assert ((sent == 3) == full).all()


def test_switched_off_or_never_needed_it_changes_nothing() -> None:
    quiet = small(arrivals=Arrivals(curve="steady"))
    off = small(arrivals=Arrivals(curve="steady"), temporary=Temporary(enabled=False))
    for with_it, without in zip(results.rehearse(quiet, 1), results.rehearse(off, 1), strict=True):
        assert (with_it.reached == without.reached).all()


def test_the_same_seed_is_the_same_day_whatever_the_staffing() -> None:
    more = tuple(
        msgspec.structs.replace(site, people=tuple(2 * n for n in site.people)) for site in Scenario().warehouses
    )
    few, many = results.rehearse(small(), 9)[0], results.rehearse(small(warehouses=more), 9)[0]
    assert (few.reached[:, 0] == many.reached[:, 0]).all()
    assert many.took.mean() < few.took.mean()


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3), st.integers(0, 2**32))
def test_figures_agree_with_counting_by_hand(runs: int, seed: int) -> None:
    scenario = small(orders=300, runs=runs, promise_hours=10.0)
    days = results.rehearse(scenario, seed)
    figures = results.figures(scenario, days)
    tops = [
        max(np.sum((day.reached[:, 0] <= at) & (day.reached[:, -1] > at)) for at in day.reached[:, 0]) for day in days
    ]
    assert (figures.peak_backlog.low, figures.peak_backlog.high) == (min(tops), max(tops))
    assert figures.late.mean == np.mean([np.count_nonzero(run.took > 36_000) for run in days])
    assert figures.drained_at_h.high == max(run.reached.max() for run in days) / 3600


def test_the_stages_backlogs_add_up_to_the_unfinished() -> None:
    days = results.rehearse(small(), 4)
    whole = results.unfinished(days, 15)["mean"].to_numpy()
    parts = results.backlog(small(), days, 15)["orders"].to_numpy().reshape(4, -1).sum(axis=0)
    assert parts == pytest.approx(whole)


def test_the_time_axis_stays_drawable() -> None:
    slow = small(stages=(*Scenario().stages[:3], Stage("hand_over", 3_000.0)), runs=1)
    days = results.rehearse(slow, 4)
    step = results.step_minutes(days)
    assert results.unfinished(days, step).height <= results.MAX_POINTS
