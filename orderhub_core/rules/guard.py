"""Whether a version on trial does worse than the one it shall replace: more of its orders end with a person."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

Z = 2.326
"""99 % sure, to one side: the trial is looked at often."""
MARGIN = 0.02
"""Worse by less than this is nobody's concern."""
FEWEST = 50
"""Orders of each version; of fewer nothing is said."""


class Fared(NamedTuple):
    """How the orders that a version decided have fared so far."""

    orders: int
    held: int
    """Those that waited for a person, whether by a rule or because something went wrong."""


def is_worse(trial: Fared, active: Fared) -> bool:
    """Whether the trial's share of held orders is certainly higher, by more than MARGIN: the lower bound of the
    difference, by Newcombe's hybrid score interval (Statistics in Medicine 17, 1998, method 10)."""
    if min(trial.orders, active.orders) < FEWEST:
        return False
    tried, known = trial.held / trial.orders, active.held / active.orders
    low, _ = _wilson(trial)
    _, high = _wilson(active)
    return tried - known - sqrt((tried - low) ** 2 + (high - known) ** 2) > MARGIN


def _wilson(fared: Fared) -> tuple[float, float]:
    """Wilson's score interval of a share (1927)."""
    n, p = fared.orders, fared.held / fared.orders
    middle, reach = p + Z * Z / (2 * n), Z * sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    return (middle - reach) / (1 + Z * Z / n), (middle + reach) / (1 + Z * Z / n)
