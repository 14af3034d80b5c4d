"""Is it getting better? Rates week by week, and an honest answer about the last week.

The last week is compared with all earlier ones together by Fisher's exact test (twice the smaller one-sided chance, so
that "better" and "worse" are each false with at most half of what is allowed; Fay, Biostatistics 11, 2010). Who asks
every week will sooner or later see a change that is none: the chance found is multiplied by the number of times one has
asked (Bonferroni), so that `1 - level` bounds the chance of any false alarm in all the weeks shown.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.special import gammaln, xlog1py, xlogy

from orderhub_core.audit import hypergeometric
from orderhub_core.audit.sampling import interval

State = Literal["no significant change", "better", "worse"]

_STEP = 1e-4
"""To this share the smallest visible change is found."""
_FAR = 1e-9
"""Outcomes rarer than this in either tail are left out of a chance."""

Numbers = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


class Change(msgspec.Struct, frozen=True):
    state: State
    p: float
    """The chance of a difference at least as clear if nothing had changed, for this one comparison. 1 where there is
    nothing to compare."""
    looks: int
    """The number of comparisons that the statement allows for."""
    level: float
    last: float | None
    """The rate of the last week; None where nothing was judged in it."""
    earlier: float | None
    """The rate of all weeks before."""
    visible_drop: float | None
    """The smallest drop from `earlier` that samples of these sizes would have shown with a chance of `chance`; None
    where they could have shown none."""
    chance: float


class Apart(msgspec.Struct, frozen=True):
    """What weighted weeks tell of a change."""

    state: State
    last: float | None
    earlier: float | None
    visible_drop: None = None
    """Not known: it depends on how the misfits lie among the strata."""


WEIGHTED = pl.Schema(
    {"week": pl.Date(), "judged": pl.Int64()}
    | dict.fromkeys(("rate", "low", "high", "surely_low", "surely_high"), pl.Float64())
)
"""Of audits, or weeks, whose rates are weighted: with the bounds of the rate by itself, and those that hold together
with the bounds of all other rows."""


def monday(at: pl.Expr, zone: str) -> pl.Expr:
    """Of the week in which an instant lies there."""
    return at.dt.convert_time_zone(zone).dt.date().dt.truncate("1w")


def weighted(audits: pl.DataFrame) -> pl.DataFrame:
    """One row per week of what has one row per audit (`WEIGHTED`): audits of one week by the number judged. Weeks
    without any in between are there with zeros."""
    figures = [name for name in WEIGHTED if name not in ("week", "judged")]
    means = [(pl.col(name) * pl.col("judged")).sum() / pl.col("judged").sum() for name in figures]
    weeks = audits.group_by("week").agg(judged=pl.col("judged").sum(), **dict(zip(figures, means, strict=True)))
    whole = weeks.sort("week").upsample("week", every="1w") if weeks.height else weeks
    return whole.with_columns(pl.col("judged").fill_null(0)).select(WEIGHTED.names())


def apart(weeks: pl.DataFrame) -> Apart:
    """The last week against the earlier ones, of `weighted`: a change is one where the bounds that hold together do not
    meet. If nothing has changed that happens, in any of the weeks shown, with a chance of at most 1 - level: then one
    of the bounds must have missed. Weeks before are taken together by the number judged; their bounds, too, for what
    lies between bounds lies between them on average."""
    judged = weeks.filter(pl.col("judged") > 0)
    if judged.height < 2 or weeks["judged"][-1] == 0:
        return Apart("no significant change", judged["rate"][-1] if weeks["judged"].tail(1).sum() else None, None)
    last, earlier = (_together(part) for part in (judged.tail(1), judged.head(-1)))
    state: State = "no significant change"
    if last["surely_low"] > earlier["surely_high"]:
        state = "better"
    elif last["surely_high"] < earlier["surely_low"]:
        state = "worse"
    return Apart(state, last["rate"], earlier["rate"])


def _together(weeks: pl.DataFrame) -> dict[str, float]:
    return weighted(weeks.with_columns(week=pl.lit(weeks["week"][0]))).row(0, named=True)


def by_week(judged: pl.DataFrame, zone: str = "UTC") -> pl.DataFrame:
    """`week` (its Monday, as a date in `zone`), `judged` and `consistent`; weeks without judgements in between are
    there with zeros. In: `at` (instant) and `consistent` (boolean) per judged order."""
    counts = (
        judged.filter(pl.col("consistent").is_not_null())
        .group_by(week=monday(pl.col("at"), zone))
        .agg(judged=pl.len().cast(pl.Int64), consistent=pl.col("consistent").sum().cast(pl.Int64))
        .sort("week")
    )
    whole = counts.upsample("week", every="1w") if counts.height else counts
    return whole.with_columns(pl.col("judged", "consistent").fill_null(0))


def rates(weeks: pl.DataFrame, level: float = 0.95) -> pl.DataFrame:
    """`weeks` with `rate` (null where nothing was judged) and its exact interval `low` to `high`, each by itself.

    `weeks`: `week`, `judged`, `consistent`, and where known `orders`, of how many they were drawn.
    """
    sizes = weeks["orders"] if "orders" in weeks.columns else [None] * weeks.height
    found = [
        interval(good, total, level, size)
        for (good, total), size in zip(weeks.select("consistent", "judged").iter_rows(), sizes, strict=True)
    ]
    return weeks.with_columns(
        rate=pl.when(pl.col("judged") > 0).then(pl.col("consistent") / pl.col("judged")),
        low=pl.Series([one.low for one in found], dtype=pl.Float64),
        high=pl.Series([one.high for one in found], dtype=pl.Float64),
    )


def change(weeks: pl.DataFrame, level: float = 0.95, looks: int | None = None, chance: float = 0.8) -> Change:
    """The last week against the earlier ones; `weeks` in order, as for `rates`.

    `looks`: how often one has asked, or will have; without it once for every week shown but the first.
    """
    counts = weeks.select("consistent", "judged").rows()
    good, total = counts[-1] if counts else (0, 0)
    before_good, before = (sum(column) for column in zip(*counts[:-1], strict=True)) if counts[1:] else (0, 0)
    times = max(1, weeks.filter(pl.col("judged") > 0).height - 1) if looks is None else looks
    alpha = (1 - level) / times
    p = _two_sided(good, total, before_good, before)
    last, earlier = (part / whole if whole else None for part, whole in ((good, total), (before_good, before)))
    state: State = "no significant change"
    if last is not None and earlier is not None and p <= alpha:
        state = "better" if last > earlier else "worse"
    drop = None
    if total and earlier is not None:
        drop = _visible(earlier, total, before, alpha, chance)
    return Change(state, p, times, level, last, earlier, drop, chance)


def _two_sided(good: int, total: int, before_good: int, before: int) -> float:
    everything, marked = total + before, good + before_good
    below = hypergeometric.at_most(good, everything, marked, total)
    above = hypergeometric.at_most(total - good, everything, everything - marked, total)
    return min(1.0, 2 * below, 2 * above)


def _visible(rate: float, total: int, before: int, alpha: float, chance: float) -> float | None:
    """The smallest fall below `rate` that is found significant with this chance, the earlier weeks being at `rate`."""
    earlier = np.arange(before + 1)
    likely = _binomial(earlier, before, rate)
    kept = likely > _FAR
    limits = _limits(earlier[kept], total, before, alpha)

    def seen(fallen: float) -> bool:
        at_most = np.append(0.0, np.cumsum(_binomial(np.arange(total + 1), total, fallen)))
        return float((likely[kept] * at_most[limits + 1]).sum()) >= chance

    if not seen(0.0):
        return None
    low, high = 0.0, rate
    while high - low > _STEP:
        middle = (low + high) / 2
        low, high = (middle, high) if seen(middle) else (low, middle)
    return rate - low


def _limits(earlier: Counts, total: int, before: int, alpha: float) -> Counts:
    """For each number of consistent orders before, the largest number in the last week that is significantly less; -1
    where none is. It never falls as `earlier` grows."""
    found = np.empty(earlier.size, dtype=np.int64)
    limit = -1
    for place, count in enumerate(earlier.tolist()):
        while limit < total and 2 * _less(limit + 1, total, count, before) <= alpha:
            limit += 1
        found[place] = limit
    return found


def _less(good: int, total: int, before_good: int, before: int) -> float:
    return hypergeometric.at_most(good, total + before, good + before_good, total)


def _binomial(counts: Counts, size: int, rate: float) -> Numbers:
    ways = gammaln(size + 1) - gammaln(counts + 1.0) - gammaln(size - counts + 1.0)
    chances: Numbers = np.exp(ways + xlogy(counts, rate) + xlog1py(size - counts, -rate))
    return chances
