"""How long each touchpoint takes to show news, learned from the audited orders themselves.

A touchpoint's delay with one order is the time from the fact to its update. The fact's instant stands in the hub's
orders; without a hub, the first touchpoint that shows the same stage stands for it. What is allowed is the delay that
99 of 100 orders keep, read safely: rows that faults have made late must not teach the allowance away. Whatever lies
beyond a fence in the logarithm of the delay (the upper quartile and four times its distance from the median, or a
factor of three above the quartile, whichever is more) is left out before the quantile is taken; as many faulty rows
again may hide below the fence, so by their share the quantile is lowered, to 85 % at the least. That holds while fewer
than a quarter of the rows are faulty. Of the quantile the upper limit that few observations allow is taken (95 %, by
order statistics: David and Nagaraja, Order Statistics, 2003, section 7.1), and a quarter is added for hours busier than
those seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.special import bdtr

from orderhub_core.audit.sources import NEVER, Instants
from orderhub_core.audit.words import Stage

DEFAULT_LAG_S = 30 * 60
"""Where too little has been observed."""
LEAST_LAG_S = 60
"""Clocks differ, and stamps are whole minutes in some systems."""
LEAST_OBSERVED = 200
QUANTILE, CONFIDENCE, MARGIN = 0.99, 0.95, 1.25
LEAST_QUANTILE = 0.85
FENCE, LEAST_FACTOR = 4.0, 3.0

SECOND = 1_000_000
"""Microseconds."""

FACTS = {
    Stage.PENDING_PAYMENT: "placed_at",
    Stage.PAID: "paid_at",
    Stage.PARTLY_SHIPPED: "shipped_at",
    Stage.SHIPPED: "shipped_at",
    Stage.COLLECTED: "collected_at",
    Stage.DELIVERED: "delivered_at",
}
"""The column of the hub's orders that says when an order entered a stage."""


class Lag(msgspec.Struct, frozen=True):
    """How long a touchpoint may be behind."""

    allowed_s: int
    observed: int = 0
    """Delays that the allowance was learned from; 0 where it was given or is the default."""
    learned: bool = False


def allowance(delays_s: npt.NDArray[np.float64]) -> Lag:
    """What a touchpoint with these delays may take; the default where there are too few of them."""
    known = np.sort(np.maximum(delays_s[np.isfinite(delays_s)], 1.0))
    if len(known) < LEAST_OBSERVED:
        return Lag(DEFAULT_LAG_S, observed=len(known))
    median, upper = np.quantile(known, (0.5, 0.75))
    fence = upper * max((upper / median) ** FENCE, LEAST_FACTOR)
    bulk = known[known <= fence]
    level = max(LEAST_QUANTILE, QUANTILE - 1 + len(bulk) / len(known))
    chances = bdtr(np.arange(len(bulk)), len(bulk), level)  # that so many of them lie below the level's true delay
    place = min(int(np.searchsorted(chances, CONFIDENCE)), len(bulk) - 1)
    return Lag(max(LEAST_LAG_S, int(np.ceil(bulk[place] * MARGIN))), observed=len(bulk), learned=True)


def given(allowed_s: Mapping[str, int], names: Sequence[str]) -> dict[str, Lag]:
    """Allowances that somebody decided; the default for a touchpoint they do not name."""
    return {name: Lag(allowed_s.get(name, DEFAULT_LAG_S)) for name in names}


def delays(
    at: Sequence[Instants | None],
    entered: npt.NDArray[np.int8],
    facts: Mapping[str, Instants],
) -> list[npt.NDArray[np.float64]]:
    """Per touchpoint, its delays in seconds.

    `at` per touchpoint and order; `entered` touchpoint × order: the position in FACTS of the stage that its word
    begins with, negative for none. `facts`: instants of the hub's orders by column, empty where there is no hub.
    """
    known = [np.full(entered.shape[1], NEVER) if own is None else own for own in at]
    result = []
    for place, own in enumerate(known):
        usable = (own != NEVER) & (entered[place] >= 0)
        since = _fact(entered[place], facts) if facts else _first(known, entered, place)
        usable &= since != NEVER
        result.append((own[usable] - since[usable]) / SECOND)
    return result


def _fact(entered: npt.NDArray[np.int8], facts: Mapping[str, Instants]) -> Instants:
    since = np.full(len(entered), NEVER)
    for position, column in enumerate(FACTS.values()):
        if column in facts:
            since = np.where(entered == position, facts[column], since)
    return since


def _first(at: Sequence[Instants], entered: npt.NDArray[np.int8], place: int) -> Instants:
    """When the first of several touchpoints showed the stage; NEVER where no other shows it."""
    first = np.full(entered.shape[1], np.iinfo(np.int64).max)
    others = np.zeros(entered.shape[1], dtype=np.int64)
    for other, own in enumerate(at):
        same = (entered[other] == entered[place]) & (own != NEVER)
        first = np.where(same, np.minimum(first, own), first)
        others += same & (other != place)
    return np.where(others > 0, first, NEVER)
