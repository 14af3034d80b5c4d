"""One look at the patient: what the command line prints and the health board shows. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from orderhub_core.health import blockages, dwell
from orderhub_core.health.blockages import Blockage
from orderhub_core.health.thresholds import Threshold, preset

DAY_US = 86_400_000_000
STEP_DAYS = 30
"""Steps are judged by the orders of the last so many days."""


@dataclass(frozen=True)
class Diagnosis:
    as_of: int
    """Microseconds UTC."""
    orders: int
    """All orders the hub knows."""
    open_orders: pl.DataFrame
    """`dwell.watched`."""
    stages: pl.DataFrame
    """`dwell.stages`, per headline."""
    steps: pl.DataFrame
    """`dwell.steps` of the last STEP_DAYS days."""
    worst: list[Blockage]
    without_lines: pl.DataFrame
    """`dwell.without_lines`: no limit and no place of theirs tells why they stay."""
    limits: tuple[Threshold, ...]
    """How long is too long, per stage; the last row that fits an order decides."""
    limits_from: str
    """The file that they stand in; "" for the hub's own table."""

    @property
    def overdue(self) -> int:
        return int(self.stages["act"].sum())

    @property
    def at_risk(self) -> int:
        return int(self.stages["warn"].sum())


def diagnose(
    orders: pl.DataFrame,
    as_of: int,
    thresholds: Sequence[Threshold] | None = None,
    *,
    thresholds_from: str = "",
    count: int = 3,
) -> Diagnosis:
    """Dwell and the `count` worst blockages of the orders frame, as they stand at `as_of` (microseconds UTC)."""
    limits = preset() if thresholds is None else tuple(thresholds)
    open_orders = dwell.watched(orders, as_of, limits)
    return Diagnosis(
        as_of,
        orders.height,
        open_orders,
        dwell.stages(open_orders),
        dwell.steps(orders, as_of - STEP_DAYS * DAY_US),
        blockages.worst(open_orders, count),
        dwell.without_lines(orders),
        limits,
        thresholds_from,
    )
