"""How many marked orders a draw without replacement holds: the law behind samples from a known number of orders.

Of `population` orders `marked` have a property; `drawn` of them are taken, each set equally likely. The chance that
exactly k of them are marked is C(marked, k) C(population - marked, drawn - k) / C(population, drawn).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import betaln

Floats = npt.NDArray[np.float64]


def chances(counts: npt.ArrayLike, population: int, marked: npt.ArrayLike, drawn: int) -> Floats:
    """The chance of each of `counts` marked orders in the draw; 0 where it cannot be."""
    k, m = np.broadcast_arrays(np.asarray(counts, np.float64), np.asarray(marked, np.float64))
    possible = (k >= np.maximum(0, drawn - (population - m))) & (k <= np.minimum(drawn, m))
    k, m = k[possible], m[possible]
    every = _log_choose(np.array([float(population)]), np.array([float(drawn)]))
    logs = _log_choose(m, k) + _log_choose(population - m, drawn - k) - every
    found = np.zeros(possible.shape)
    found[possible] = np.exp(logs)
    return found


def at_most(count: int, population: int, marked: int, drawn: int) -> float:
    """The chance of `count` marked orders in the draw, or fewer."""
    least, most = max(0, drawn - (population - marked)), min(drawn, marked)
    if count >= most:
        return 1.0
    if count * population < marked * drawn:  # sum the tail that is small: what is taken from 1 loses its digits
        return float(chances(np.arange(least, count + 1), population, marked, drawn).sum())
    return 1.0 - float(chances(np.arange(count + 1, most + 1), population, marked, drawn).sum())


def fewest_marked(count: int, population: int, drawn: int, tail: float) -> int:
    """The smallest number of marked orders under which `count` of them or more are drawn with a chance above `tail`."""
    low, high = count, population - (drawn - count)
    while low < high:
        middle = (low + high) // 2
        if 1.0 - at_most(count - 1, population, middle, drawn) > tail:
            high = middle
        else:
            low = middle + 1
    return low


def _log_choose(n: Floats, k: Floats) -> Floats:
    chosen: Floats = -np.log1p(n) - betaln(n - k + 1, k + 1)
    return chosen
