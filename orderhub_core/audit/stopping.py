"""When a reviewer may stop early without cheating: after every judgement, is the claim proven, refuted, or neither?

Looking at an ordinary interval after each judgement, and stopping once it pleases, is wrong far more often than the
interval says. This one may be looked at as often as one likes: the chance that it ever misses the true rate, at any
judgement of the whole audit, is at most 1 - level.

Of N orders M are consistent, drawn one by one without putting back. Let L(m) be the probability of what was judged if M
were m, and Q the mean of L under a distribution of M fixed beforehand, here a mixture of two beta-binomial ones. Under
the true M the ratio Q/L(M) is a martingale that starts at 1, so (Ville 1939) the chance that it ever reaches
1/(1 - level) is at most 1 - level. The interval holds every m whose ratio has not (Waudby-Smith and Ramdas, Confidence
sequences for sampling without replacement, NeurIPS 2020, section 2: there the ratio of prior and posterior). A claim is
a set of m: refuted when all of them are out, proven when all others are; either is false with a chance of at most
1 - level.

What it asks of its user: judge in the order of a random draw (`sampling.in_turn`), skipping none; fix population, claim
and level before the first judgement.
"""

from __future__ import annotations

from typing import Literal, get_args

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.special import betaln, gammaln

from orderhub_core.audit.sampling import Interval, fewest

State = Literal["go on", "proven", "refuted"]
STATES: tuple[State, ...] = get_args(State)

_SHAPE = 0.5
_HOPE = 0.25
"""The mean misfit rate of the narrow distribution behind Q, as a share of what the claim allows: best for a shop well
within its claim, where early stopping pays. It decides how soon a claim is proven, never whether rightly."""
_OPEN = 0.1
"""The weight of the wide distribution, which keeps the interval short where the shop is far from its claim."""

Numbers = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


class Standing(msgspec.Struct, frozen=True):
    state: State
    judged: int
    """How many of the judgements counted: those before the first gap."""
    consistent: int
    rate: float | None
    interval: Interval
    """Holds at every judgement at once; it never grows."""
    stopped_at: int | None
    """The judgement that decided it."""


def standing(judgements: pl.Series, population: int, claim: float, level: float = 0.95) -> Standing:
    """Where the audit of `population` orders stands: is the rate at least `claim`?

    `judgements` (boolean, consistent or not) stand in the order of drawing; what comes after the first null is not
    counted. Raises ValueError for more judgements than orders, or a claim or level that is none.
    """
    steps = course(judgements, population, claim, level)
    if steps.is_empty():
        nothing = Interval(0.0, 1.0, level)
        return Standing("proven" if claim == 0 else "go on", 0, 0, None, nothing, 0 if claim == 0 else None)
    last = steps.row(-1, named=True)
    decided = steps.filter(pl.col("state") != "go on")
    return Standing(
        state=last["state"],
        judged=last["judged"],
        consistent=last["consistent"],
        rate=last["consistent"] / last["judged"],
        interval=Interval(last["low"], last["high"], level),
        stopped_at=decided["judged"][0] if decided.height else None,
    )


def course(judgements: pl.Series, population: int, claim: float, level: float = 0.95) -> pl.DataFrame:
    """One row per judgement: `judged`, `consistent` (both so far), `low`, `high` and `state`, which once
    decided stays. Arguments as for `standing`."""
    _check(judgements, population, claim, level)
    gaps = judgements.is_null().arg_true()
    counted = judgements.head(gaps[0]) if gaps.len() else judgements
    good = counted.cast(pl.Int64).cum_sum().to_numpy().astype(np.int64)
    seen = _Seen(good, np.arange(1, good.size + 1, dtype=np.int64), population)
    fair = seen.log_mean(claim)
    least, most = _narrowing(*_bounds(seen, fair - np.log(1 / (1 - level))))
    lowest = fewest(claim, population)
    state = np.select([least >= lowest, most < lowest], [1, 2], 0)
    return pl.DataFrame(
        {
            "judged": seen.judged,
            "consistent": seen.good,
            "low": least / population,
            "high": most / population,
            "state": pl.Series([STATES[code] for code in state], dtype=pl.Enum(STATES)),
        }
    )


class _Seen:
    """Per judgement how many were consistent and how many judged so far, and what that says of the population."""

    def __init__(self, good: Counts, judged: Counts, population: int) -> None:
        self.good, self.judged, self.population = good, judged, population
        self.bad = judged - good

    def log_chance(self, consistent: Counts) -> Numbers:
        """Of just these judgements in this order, if so many orders of the population are consistent."""
        misfits = self.population - consistent
        possible = (consistent >= self.good) & (misfits >= self.bad)
        left_good, left_bad = np.where(possible, (consistent - self.good, misfits - self.bad), 0)
        logs = (
            _log_factorials(np.where(possible, consistent, 0), left_good)
            + _log_factorials(np.where(possible, misfits, 0), left_bad)
            - _log_factorials(np.full(self.judged.shape, self.population), self.population - self.judged)
        )
        return np.where(possible, logs, -np.inf)

    def log_mean(self, claim: float) -> Numbers:
        """Of just these judgements in this order, in the mean over both distributions: what log Q is."""
        allowed = max(1 - claim, 1 / max(self.population, 1))
        narrow = self._beta(_SHAPE / (_HOPE * allowed) - _SHAPE, _SHAPE)
        wide = self._beta(_SHAPE, _SHAPE)
        both: Numbers = np.logaddexp(np.log(1 - _OPEN) + narrow, np.log(_OPEN) + wide)
        return both

    def _beta(self, good: float, bad: float) -> Numbers:
        mean: Numbers = betaln(self.good + good, self.bad + bad) - betaln(good, bad)
        return mean

    def likeliest(self) -> Counts:
        """The number of consistent orders under which `log_chance` is greatest."""
        whole = (self.population + 1) * self.good // np.maximum(self.judged, 1)
        return np.clip(whole, self.good, self.population - self.bad)


def _log_factorials(above: npt.NDArray[np.int64], below: npt.NDArray[np.int64]) -> Numbers:
    """log(above! / below!)"""
    logs: Numbers = gammaln(above + 1.0) - gammaln(below + 1.0)
    return logs


def _bounds(seen: _Seen, threshold: Numbers) -> tuple[Counts, Counts]:
    """The smallest and largest m with log_chance(m) > threshold. There is one: Q is a mean of L, so below its peak."""
    peak = seen.likeliest()
    low, inside = seen.good - 1, peak
    for _ in range(int(seen.population).bit_length() + 1):
        middle = (low + inside + 1) // 2  # ends with low out and inside = low + 1 in
        holds = seen.log_chance(middle) > threshold
        low, inside = np.where(holds | (middle == inside), low, middle), np.where(holds, middle, inside)
    least = inside
    high, inside = seen.population - seen.bad + 1, peak
    for _ in range(int(seen.population).bit_length() + 1):
        middle = (high + inside) // 2
        holds = seen.log_chance(middle) > threshold
        high, inside = np.where(holds | (middle == inside), high, middle), np.where(holds, middle, inside)
    return least, inside


def _narrowing(least: Counts, most: Counts) -> tuple[Counts, Counts]:
    """What no judgement so far excludes. Should nothing be left (a chance below 1 - level), the last that was."""
    least, most = np.maximum.accumulate(least), np.minimum.accumulate(most)
    left = np.flatnonzero(least <= most)
    held = np.minimum(np.arange(least.size), left[-1]) if left.size else np.arange(least.size)
    return least[held], most[held]


def _check(judgements: pl.Series, population: int, claim: float, level: float) -> None:
    if judgements.len() > population:
        raise ValueError(f"{judgements.len()} orders cannot have been judged, each once, of {population}")
    if not (0 <= claim <= 1 and 0 < level < 1):
        raise ValueError(f"claim and level are shares: a claim from 0 to 1, a level between; not {claim} and {level}")
