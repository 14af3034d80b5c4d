"""What the human sample says of the machine: where they agree, and how far that can be trusted.

An order's human judgement is `consistent`, `inconsistent`, or `disputed` where reviewers differ. Disputes are shown and
never averaged away: rates are of the undisputed orders, and every interval goes from the worst case (the machine is
wrong in each dispute) to the best (it is right in each). As with any two-by-two table, Cohen's kappa (Educational and
Psychological Measurement 20, 1960) falls as misfits get rare, however good the agreement; read it beside the rates.

The sample is a simple random one. Of a stratified one these are figures of the orders judged, not of the shop: for the
shop, give `strata.estimate` a column that says whether they agree.
"""

from __future__ import annotations

from itertools import combinations

import msgspec
import polars as pl

from orderhub_core.audit.sampling import Interval, interval
from orderhub_core.audit.sources import KEY
from orderhub_core.audit.verdicts import CONSISTENT

HUMAN = pl.Enum(["consistent", "inconsistent", "disputed"])


class Figure(msgspec.Struct, frozen=True):
    """A share or a kappa; `value` is None where there is nothing to have one of."""

    value: float | None
    interval: Interval | None
    """None where there is none that may be looked at yet."""


class Agreement(msgspec.Struct, frozen=True):
    judged: int
    """Orders of the sample that somebody judged, disputed ones among them."""
    disputed: int
    agreed: Figure
    """Of the undisputed, those where machine and people say the same."""
    recall: Figure
    """Of those that people call inconsistent, those the machine found."""
    precision: Figure
    """Of those that the machine calls inconsistent, those where people agree."""
    kappa: Figure


class Table(msgspec.Struct, frozen=True):
    """A two-by-two table of orders, with "inconsistent" as what there is to find."""

    both: int
    first_only: int
    second_only: int
    neither: int

    @property
    def of(self) -> int:
        return self.both + self.first_only + self.second_only + self.neither

    def kappa(self) -> float | None:
        """None where both call all orders the same: chance alone would agree too."""
        first, second = self.both + self.first_only, self.both + self.second_only
        by_chance = first * (self.of - second) + second * (self.of - first)
        return 2 * (self.both * self.neither - self.first_only * self.second_only) / by_chance if by_chance else None

    def kappa_interval(self, level: float = 0.95) -> Interval:
        """Conservative: three shares within their exact intervals, all at once (Bonferroni), and kappa's extremes
        there. Good for few orders and rare misfits, where the usual normal approximation is not.

        The three: D, how many are judged differently; among these, how many only by the first; among the others, how
        many by both. kappa = 1 - 2 D / (1 - v (1 - D)^2 + w D^2), v and w being the squares of how far the last two are
        from even, (1 - 2 share)^2: it falls in D and v and rises in w.
        """
        each = 1 - (1 - level) / 3
        apart, same = self.first_only + self.second_only, self.both + self.neither
        differ = interval(apart, self.of, each)
        v_low, v_high = _unevenness(interval(self.both, same, each))
        w_low, w_high = _unevenness(interval(self.first_only, apart, each))
        return Interval(_kappa(differ.high, v_high, w_low), _kappa(differ.low, v_low, w_high), level)


def _kappa(differ: float, v: float, w: float) -> float:
    return 1 - 2 * differ / (1 - v * (1 - differ) ** 2 + w * differ**2) if differ else 1.0


def _unevenness(share: Interval) -> tuple[float, float]:
    ends = (1 - 2 * share.low) ** 2, (1 - 2 * share.high) ** 2
    return 0.0 if share.low <= 0.5 <= share.high else min(ends), max(ends)


def judgements(sample: pl.DataFrame, reviews: pl.DataFrame) -> pl.DataFrame:
    """One row per order of the sample: `shop`, `order_no`, `verdict`, `machine` (consistent?), `human` (HUMAN, null
    where nobody judged) and the lists of reviewers `consistent` and `inconsistent`.

    `sample`: `shop`, `order_no`, `verdict`. `reviews`: `shop`, `order_no`, `reviewer`, `consistent` (boolean), `at`;
    of a reviewer who judged an order again the last judgement counts.
    """
    good, bad = (_latest(reviews).filter(pl.col("consistent") == said) for said in (True, False))
    sides = [
        side.group_by(KEY).agg(pl.col("reviewer").sort().alias(name))
        for name, side in (("consistent", good), ("inconsistent", bad))
    ]
    for_it, against = (pl.col(name).list.len() > 0 for name in ("consistent", "inconsistent"))
    human = (
        pl.when(for_it & against)
        .then(pl.lit("disputed"))
        .when(against)
        .then(pl.lit("inconsistent"))
        .when(for_it)
        .then(pl.lit("consistent"))
    )
    return (
        sample.select(*KEY, "verdict", machine=pl.col("verdict").cast(pl.String).is_in(CONSISTENT))
        .join(sides[0], on=KEY, how="left", maintain_order="left")
        .join(sides[1], on=KEY, how="left", maintain_order="left")
        .with_columns(pl.col("consistent", "inconsistent").fill_null([]))
        .with_columns(human=human.cast(HUMAN))
        .select(*KEY, "verdict", "machine", "human", "consistent", "inconsistent")
    )


def confusion(sample: pl.DataFrame, reviews: pl.DataFrame) -> pl.DataFrame:
    """The table of `machine` (`consistent`, `inconsistent`) by `human` (also `disputed`): `orders`, zeros included."""
    words = pl.when("machine").then(pl.lit("consistent")).otherwise(pl.lit("inconsistent"))
    found = judgements(sample, reviews).with_columns(machine=words.cast(HUMAN)).group_by("machine", "human").len()
    every = pl.DataFrame({"machine": ["consistent", "inconsistent"]}, schema={"machine": HUMAN}).join(
        pl.DataFrame({"human": HUMAN.categories}, schema={"human": HUMAN}), how="cross"
    )
    counted = every.join(found, on=["machine", "human"], how="left", maintain_order="left")
    return counted.select("machine", "human", orders=pl.col("len").fill_null(0).cast(pl.Int64))


def agreement(sample: pl.DataFrame, reviews: pl.DataFrame, level: float = 0.95) -> Agreement:
    """How the machine does, as far as people have judged. Frames as for `judgements`."""
    counts = {(machine, human): orders for machine, human, orders in confusion(sample, reviews).iter_rows()}
    found_wrong, passed_wrong = counts["inconsistent", "disputed"], counts["consistent", "disputed"]
    plain = Table(
        both=counts["inconsistent", "inconsistent"],
        first_only=counts["inconsistent", "consistent"],
        second_only=counts["consistent", "inconsistent"],
        neither=counts["consistent", "consistent"],
    )
    worst = msgspec.structs.replace(
        plain, first_only=plain.first_only + found_wrong, second_only=plain.second_only + passed_wrong
    )
    best = msgspec.structs.replace(plain, both=plain.both + found_wrong, neither=plain.neither + passed_wrong)
    return Agreement(
        judged=worst.of,
        disputed=found_wrong + passed_wrong,
        agreed=_figure(*((one.both + one.neither, one.of) for one in (plain, worst, best)), level=level),
        recall=_figure(*((one.both, one.both + one.second_only) for one in (plain, worst, best)), level=level),
        precision=_figure(*((one.both, one.both + one.first_only) for one in (plain, worst, best)), level=level),
        kappa=Figure(
            plain.kappa(),
            Interval(worst.kappa_interval(level).low, best.kappa_interval(level).high, level),
        ),
    )


def disagreements(sample: pl.DataFrame, reviews: pl.DataFrame) -> pl.DataFrame:
    """The rows of `judgements` where people say otherwise than the machine, or otherwise than each other."""
    otherwise = pl.col("machine") != (pl.col("human") == "consistent")
    return judgements(sample, reviews).filter((pl.col("human") == "disputed") | otherwise)


def between_reviewers(reviews: pl.DataFrame, level: float = 0.95) -> pl.DataFrame:
    """Every pair of reviewers with orders in common: `reviewer`, `other`, `orders`, `agreed`, `rate` with its exact
    interval `low` to `high`, and `kappa` (null where undefined) with `kappa_low`, `kappa_high`."""
    latest = _latest(reviews)
    rows = [_pair(latest, *pair, level) for pair in combinations(latest["reviewer"].unique().sort(), 2)]
    numbers = dict.fromkeys(("rate", "low", "high", "kappa", "kappa_low", "kappa_high"), pl.Float64())
    schema = {"reviewer": pl.String(), "other": pl.String(), "orders": pl.Int64(), "agreed": pl.Int64(), **numbers}
    return pl.DataFrame([row for row in rows if row[2]], schema=schema, orient="row")


def _pair(latest: pl.DataFrame, one: str, other: str, level: float) -> tuple[object, ...]:
    sides = [latest.filter(pl.col("reviewer") == name).select(*KEY, "consistent") for name in (one, other)]
    common = sides[0].join(sides[1], on=KEY, suffix="_other")
    first, second = ~common["consistent"], ~common["consistent_other"]
    table = Table(*(int(part.sum()) for part in (first & second, first & ~second, ~first & second, ~first & ~second)))
    agreed = table.both + table.neither
    rate, kappa = interval(agreed, table.of, level), table.kappa_interval(level)
    share = agreed / table.of if table.of else None
    return one, other, table.of, agreed, share, rate.low, rate.high, table.kappa(), kappa.low, kappa.high


def _latest(reviews: pl.DataFrame) -> pl.DataFrame:
    return (
        reviews.filter(pl.col("consistent").is_not_null())
        .sort("at", nulls_last=False, maintain_order=True)
        .unique([*KEY, "reviewer"], keep="last", maintain_order=True)
    )


def _figure(plain: tuple[int, int], worst: tuple[int, int], best: tuple[int, int], *, level: float) -> Figure:
    low, high = interval(*worst, level).low, interval(*best, level).high
    return Figure(plain[0] / plain[1] if plain[1] else None, Interval(low, high, level))
