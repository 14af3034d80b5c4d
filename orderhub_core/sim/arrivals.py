"""When the orders of a rehearsed day come in. Pure: chance is a numpy Generator; instants count from midnight."""

from __future__ import annotations

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from orderhub_core.sim.scenario import DAY_S, Arrivals

Floats = NDArray[np.float64]

MINUTES = 1_440
DAY_US = 86_400_000_000
SLICES = 48
"""A learned curve has half-hour slices: fine enough for a lunch peak, coarse enough for a small shop."""
ORDINARY_DAY = (
    *(1.6, 0.9, 0.5, 0.3, 0.3, 0.4, 0.9, 1.8, 3.0, 4.2, 5.2, 5.4),
    *(5.2, 4.8, 4.8, 4.9, 4.8, 4.6, 4.7, 5.6, 7.0, 7.6, 6.4, 3.6),
)
"""Hourly weights of a day without a sale: quiet night, late-morning rise, evening peak."""


def intensity(arrivals: Arrivals) -> Floats:
    """Relative rate of each minute of the day."""
    minute = np.arange(MINUTES)
    ordinary = np.asarray(arrivals.base or ORDINARY_DAY, dtype=np.float64)
    base: Floats = ordinary[minute * len(ordinary) // MINUTES]
    if arrivals.curve == "steady":
        return np.ones(MINUTES)
    if arrivals.curve == "day":
        return base
    since = minute / 60 - arrivals.start_hour
    extra = np.where(since >= 0, np.exp(-np.maximum(since, 0) / arrivals.decay_hours), 0.0)
    at_start = base[int(arrivals.start_hour * 60)] or base.mean()
    rate: Floats = base + (arrivals.peak_multiple - 1) * at_start * extra
    return rate


def draw(arrivals: Arrivals, orders: int, rng: np.random.Generator) -> Floats:
    """Ascending instants of exactly `orders` arrivals.

    Given their number, the arrivals of a Poisson process of rate r(t) are independent draws from the density
    r(t) / integral of r; they are drawn by inverting its distribution, linear within a minute.
    """
    mass = np.concatenate(([0.0], np.cumsum(intensity(arrivals))))
    edges = np.linspace(0.0, DAY_S, MINUTES + 1)
    instants: Floats = np.interp(np.sort(rng.random(orders)) * mass[-1], mass, edges)
    return instants


ENOUGH = 10 * SLICES
"""Orders. Of fewer, chance alone makes one half hour twice the next."""


class Learned(msgspec.Struct, frozen=True):
    """What a shop's own last days say."""

    base: tuple[float, ...]
    orders_per_day: float
    days: int


def learn(
    orders: pl.DataFrame, as_of: int, *, days: int = 7, zone: str = "Asia/Shanghai", least: int = ENOUGH
) -> Learned | None:
    """The mean day of the `days` x 24 h before `as_of` (microseconds UTC), or None when fewer than `least` orders were
    placed in them.

    `orders` needs `placed_at`. Days before the first order do not count.
    """
    span = pl.duration(days=days)
    end = pl.lit(as_of).cast(pl.Datetime("us", "UTC"))
    local = pl.col("placed_at").dt.convert_time_zone(zone)
    recent = orders.lazy().filter(pl.col("placed_at") > end - span, pl.col("placed_at") <= end)
    counts = (
        recent.group_by(slice=local.dt.hour().cast(pl.Int64) * 2 + local.dt.minute() // 30)
        .agg(pl.len().alias("n"), first=pl.col("placed_at").min())
        .collect()
    )
    if counts["n"].sum() < max(1, least):
        return None
    weights = np.zeros(SLICES)
    weights[counts["slice"].to_numpy()] = counts["n"].to_numpy()
    first = counts.select(pl.col("first").min().dt.epoch("us")).item()
    covered = max(1, min(days, -(-(as_of - first) // DAY_US)))
    return Learned(tuple((weights / covered).tolist()), float(weights.sum()) / covered, covered)
