"""What a rehearsal says: figures with their range over the runs, and frames for charts. Pure.

Hours are hours since the midnight that begins the rehearsed day: 20.0 is eight in the evening, 30.0 is six the
next morning. One run is one throw of the dice, so every figure is a `Band` over the runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import msgspec
import numpy as np
import polars as pl

from orderhub_core.sim import kernel
from orderhub_core.sim.kernel import Floats, Run
from orderhub_core.sim.scenario import Scenario

HOUR_S = 3600.0
STEPS_MINUTES = (5, 10, 15, 30, 60, 120, 360, 1440)
MAX_POINTS = 200
"""More points than this on a time axis cannot be told apart on a screen."""


class Band(msgspec.Struct, frozen=True):
    """Mean, lowest and highest of the runs."""

    mean: float
    low: float
    high: float


class Figures(msgspec.Struct, frozen=True):
    """The few numbers of one rehearsal. `_h` are hours (instants count from midnight); the rest counts orders."""

    orders: int
    runs: int
    peak_backlog: Band
    """Most unfinished orders at one instant."""
    peak_at_h: Band
    drained_at_h: Band
    """When the day's last order was handed over."""
    dwell_p50_h: Band
    dwell_p90_h: Band
    """From placing to handing over."""
    late: Band
    """Orders that took longer than the promise."""
    temporary_orders: Band
    bottleneck: str
    """The stage at which orders waited longest in open hours, all together."""
    bottleneck_share: float
    """Its part of all that waiting."""


@lru_cache(maxsize=8)
def rehearse(scenario: Scenario, seed: int) -> tuple[Run, ...]:
    """Independent repetitions; the same seed gives the same runs, and the same orders whatever the staffing.

    Remembered: every visitor of a board asks for the same day first. The runs are shared, so leave them as they are.
    """
    return tuple(kernel.run(scenario, child) for child in np.random.SeedSequence(seed).spawn(scenario.runs))


def figures(scenario: Scenario, runs: Sequence[Run]) -> Figures:
    peaks = [_most(run, 0, -1) for run in runs]
    quantiles = np.array([np.quantile(run.took, (0.5, 0.9)) for run in runs]) / HOUR_S
    waited = _waited(runs)
    worst = int(np.argmax(waited))
    return Figures(
        orders=scenario.orders,
        runs=len(runs),
        peak_backlog=_band([count for count, _ in peaks]),
        peak_at_h=_band([at for _, at in peaks]),
        drained_at_h=_band([float(run.ascending[-1, -1]) / HOUR_S for run in runs]),
        dwell_p50_h=_band(quantiles[:, 0]),
        dwell_p90_h=_band(quantiles[:, 1]),
        late=_band([int(np.count_nonzero(run.took > scenario.promise_hours * HOUR_S)) for run in runs]),
        temporary_orders=_band([int(np.count_nonzero(run.site == len(scenario.warehouses))) for run in runs]),
        bottleneck=scenario.stages[worst].name,
        bottleneck_share=float(waited[worst] / (waited.sum() or 1.0)),
    )


def stages(scenario: Scenario, runs: Sequence[Run]) -> pl.DataFrame:
    """One row per stage: `stage`, `people` (ordinary warehouses), `per_hour` (orders they can do), `peak` (most orders
    in it at one instant), `wait_min` (mean minutes waited in open hours), `share` (of all waiting)."""
    waited = _waited(runs)
    people = np.array([site.people for site in scenario.warehouses]).sum(axis=0)
    peaks = [float(np.mean([_most(run, index, index + 1)[0] for run in runs])) for index in range(len(scenario.stages))]
    return pl.DataFrame(
        {
            "stage": [stage.name for stage in scenario.stages],
            "people": people,
            "per_hour": people * HOUR_S / np.array([stage.seconds for stage in scenario.stages]),
            "peak": peaks,
            "wait_min": waited / 60,
            "share": waited / (waited.sum() or 1.0),
        }
    )


def step_minutes(*rehearsals: Sequence[Run]) -> int:
    """A step of the time axis that shows all of them on at most MAX_POINTS points."""
    last = max(run.ascending[-1, -1] for runs in rehearsals for run in runs) / 60
    return next((step for step in STEPS_MINUTES if last / step < MAX_POINTS - 1), math.ceil(last / (MAX_POINTS - 2)))


def backlog(scenario: Scenario, runs: Sequence[Run], step: int) -> pl.DataFrame:
    """`hour`, `stage`, `orders`: mean number of orders at each stage, waiting or in hand, every `step` minutes."""
    grid = _grid(runs, step)
    return pl.concat(
        pl.DataFrame(
            {
                "hour": grid / HOUR_S,
                "stage": [stage.name] * len(grid),
                "orders": np.mean([_inside(run, i, i + 1, grid) for run in runs], axis=0),
            }
        )
        for i, stage in enumerate(scenario.stages)
    )


def unfinished(runs: Sequence[Run], step: int) -> pl.DataFrame:
    """`hour`, `mean`, `low`, `high`: orders placed and not yet handed over, with the range over the runs."""
    grid = _grid(runs, step)
    counts = np.array([_inside(run, 0, -1, grid) for run in runs])
    return pl.DataFrame(
        {"hour": grid / HOUR_S, "mean": counts.mean(axis=0), "low": counts.min(axis=0), "high": counts.max(axis=0)}
    )


def dwell(runs: Sequence[Run], step: int) -> pl.DataFrame:
    """`hour` (of placing, a bin of `step` minutes), `p10`, `p50`, `p90`: hours until handed over, all runs together."""
    placed = np.concatenate([run.reached[:, 0] for run in runs])
    took = np.concatenate([run.took for run in runs]) / HOUR_S
    return (
        pl.DataFrame({"hour": np.floor(placed / 60 / step) * step / 60, "took": took})
        .group_by("hour")
        .agg(pl.col("took").quantile(q).alias(f"p{round(q * 100)}") for q in (0.1, 0.5, 0.9))
        .sort("hour")
    )


def _band(values: Floats | Sequence[float] | Sequence[int]) -> Band:
    over_runs = np.asarray(values, dtype=np.float64)
    return Band(float(over_runs.mean()), float(over_runs.min()), float(over_runs.max()))


def _waited(runs: Sequence[Run]) -> Floats:
    """Mean seconds an order waited at each stage."""
    mean: Floats = np.mean([run.waited.mean(axis=0) for run in runs], axis=0)
    return mean


def _most(run: Run, since: int, until: int) -> tuple[int, float]:
    """The most orders between two columns of `reached`, and the hour it first was so: always at an arrival."""
    came, went = run.ascending[since], run.ascending[until]
    present = np.arange(1, len(came) + 1) - np.searchsorted(went, came, side="right")
    top = int(np.argmax(present))
    return int(present[top]), float(came[top] / HOUR_S)


def _inside(run: Run, since: int, until: int, grid: Floats) -> Floats:
    came, went = run.ascending[since], run.ascending[until]
    present = np.searchsorted(came, grid, side="right") - np.searchsorted(went, grid, side="right")
    return present.astype(np.float64)


def _grid(runs: Sequence[Run], step: int) -> Floats:
    last = max(run.ascending[-1, -1] for run in runs)
    return np.arange(0.0, last + 2 * step * 60, step * 60)
