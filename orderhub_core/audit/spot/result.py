"""What the judgements of a spot audit prove so far, of the shop and of the machine.

An order on which reviewers differ counts as not consistent until they agree: the rate never profits from a dispute.
While cards are still waiting, every interval is one that may be looked at after every judgement (`stopping`): the
exact ones hold only for a sample whose size nobody chose after looking at it. Within a stratum, too, any first part of
the cards is a random one; all strata together are bounded by what each is at a level that allows for their number
(Bonferroni). Of the machine's figures only "agrees with people" has such an interval, and only in a simple draw; the
others are for reading once all cards are judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec
import polars as pl

from orderhub_core.audit import agreement, sampling, stopping, strata, trend
from orderhub_core.audit.agreement import Agreement
from orderhub_core.audit.sources import KEY
from orderhub_core.audit.spot.sheet import LEVEL, MOST_ORDERS, Sheet, design
from orderhub_core.audit.stopping import Standing
from orderhub_core.frames import INSTANT

Kind = Literal["exact", "sequential", "stratified", "stratified part"]


class Result(msgspec.Struct, frozen=True):
    judged: int
    consistent: int
    disputed: int
    of: int
    """Cards of the audit."""
    rate: float | None
    interval: sampling.Interval
    kind: Kind
    """Which law the interval is by."""
    standing: Standing | None
    """What the rule for stopping early says; None for a stratified draw, for which it does not hold."""
    needed: int | None
    """The sample that would prove the claim with as many misfits; None where none would that one audit may draw, and
    where what was judged refutes the claim."""
    planned: int | None
    """The sample that would prove it in 8 of 10 weeks if the rate is what was found; None as above. Before
    anything is judged, the least that could prove it: all of them consistent."""
    agreement: Agreement


class Past(NamedTuple):
    """An audit, and what was said of it."""

    sheet: Sheet
    reviews: pl.DataFrame


def result(sheet: Sheet, sample: pl.DataFrame, reviews: pl.DataFrame) -> Result:
    """`sample`: `shop`, `order_no`, `verdict` of the machine. `reviews` as `agreement.judgements` takes them."""
    said = spoken(sheet, reviews)
    judged, good = said["consistent"].count(), int(said["consistent"].sum() or 0)
    standing = None if sheet.spec.by else stands(sheet, said)
    rate, interval, kind = _proved(sheet, said, standing)
    return Result(
        judged=judged,
        consistent=good,
        disputed=int(said["disputed"].sum() or 0),
        of=len(sheet.cards),
        rate=rate,
        interval=interval,
        kind=kind,
        standing=standing,
        needed=None if interval.high < sheet.spec.claim else needed(sheet.spec.claim, judged - good, sheet.population),
        planned=_planned(sheet, rate),
        agreement=_machine(sheet, sample, reviews),
    )


def spoken(sheet: Sheet, reviews: pl.DataFrame) -> pl.DataFrame:
    """One row per card in the order of judging: `shop`, `order_no`, `stratum`, `consistent` (null while nobody judged
    it, false where reviewers differ) and `disputed`."""
    sides = reviews.group_by(KEY).agg(
        consistent=pl.col("consistent").all(), disputed=pl.col("consistent").n_unique() > 1
    )
    return sheet.cards_frame().join(sides, on=KEY, how="left", maintain_order="left")


def stands(sheet: Sheet, said: pl.DataFrame) -> Standing:
    """Where the rule for stopping early stands; it counts the judgements before the first card that was passed over."""
    return stopping.standing(said["consistent"], sheet.population, sheet.spec.claim, LEVEL)


def by_stratum(sheet: Sheet, said: pl.DataFrame) -> pl.DataFrame:
    """As `strata.by_stratum`, of `spoken` cards; `low` to `high` of a stratum with cards waiting may be looked at after
    every judgement."""
    rows = strata.by_stratum(said.select("stratum", "consistent"), sheet.strata_frame(), LEVEL)
    waiting = pl.col("judged") < pl.col("drawn")
    found = rows.join(_any_time(sheet, said, LEVEL), on="stratum", maintain_order="left", suffix="_any_time")
    ends = [pl.when(waiting).then(f"{name}_any_time").otherwise(name).alias(name) for name in ("low", "high")]
    return found.with_columns(ends).select(rows.columns)


def _any_time(sheet: Sheet, said: pl.DataFrame, level: float) -> pl.DataFrame:
    """`stratum`, `low`, `high`: each interval by itself holds at `level`, whenever one looks."""
    series = {number: rows["consistent"] for (number,), rows in said.partition_by("stratum", as_dict=True).items()}
    found = [
        stopping.standing(series.get(number, _NOTHING), one.orders, sheet.spec.claim, level).interval
        for number, one in enumerate(sheet.strata)
    ]
    rows = [(number, one.low, one.high) for number, one in enumerate(found)]
    return pl.DataFrame(rows, schema={"stratum": pl.UInt32, "low": pl.Float64, "high": pl.Float64}, orient="row")


_NOTHING = pl.Series(dtype=pl.Boolean)


def _machine(sheet: Sheet, sample: pl.DataFrame, reviews: pl.DataFrame) -> Agreement:
    """How good the machine is, without the intervals that must not be looked at yet."""
    found = agreement.agreement(sample, reviews, LEVEL)
    if found.judged == len(sheet.cards):
        return found
    later = agreement.Figure(None, None)
    agreed = later if sheet.spec.by else agreement.Figure(found.agreed.value, _agreed(sheet, sample, reviews))
    return msgspec.structs.replace(found, agreed=agreed, recall=later, precision=later, kappa=later)


def _agreed(sheet: Sheet, sample: pl.DataFrame, reviews: pl.DataFrame) -> sampling.Interval:
    """Of how many orders machine and people say the same: from the worst case of disputes to the best, as in
    `agreement`."""
    said = agreement.judgements(sample, reviews)
    disputed, same = pl.col("human") == "disputed", pl.col("machine") == (pl.col("human") == "consistent")
    cases = said.select(worst=same & ~disputed, best=same | disputed)
    worst, best = (
        stopping.standing(cases[name], sheet.population, sheet.spec.claim, LEVEL).interval for name in cases.columns
    )
    return sampling.Interval(worst.low, best.high, LEVEL)


def weeks(history: Sequence[Past], sheet: Sheet, zone: str) -> pl.DataFrame:
    """`trend.rates` of the weeks in which audits of the same design were judged; weighted where that is stratified.

    Everything counts in the week in which its audit was opened, whenever it was judged. An order counts once a week,
    however many audits of that week hold it: a larger draw by one seed holds the smaller one.
    """
    alike = [past for past in history if design(past.sheet.spec) == design(sheet.spec)]
    if sheet.spec.by:
        return _weighted([past for past in alike if past.reviews.height], zone)
    opened = pl.col("at").cast(INSTANT)
    judged = [spoken(past.sheet, past.reviews).with_columns(at=pl.lit(past.sheet.opened_at)) for past in alike]
    every = pl.concat([_JUDGED, *(rows.drop_nulls("consistent").select(*_JUDGED.columns) for rows in judged)])
    orders = (
        every.with_columns(opened)
        .group_by(*KEY, trend.monday(pl.col("at"), zone).alias("week"))
        .agg(pl.col("at").min(), pl.col("consistent").all())
    )
    return trend.rates(trend.by_week(orders, zone), LEVEL)


_JUDGED = pl.DataFrame(schema={**dict.fromkeys(KEY, pl.String), "consistent": pl.Boolean, "at": pl.Int64})


def _weighted(audits: Sequence[Past], zone: str) -> pl.DataFrame:
    """At `LEVEL` hold the intervals `low` to `high` of a week together, and `surely_low` to `surely_high` those of all
    weeks (Bonferroni)."""
    opened = pl.Series("at", [past.sheet.opened_at for past in audits], dtype=pl.Int64).cast(INSTANT).to_frame()
    weeks = opened.select(week=trend.monday(pl.col("at"), zone))["week"].to_list()
    parts = []
    for past, week in zip(audits, weeks, strict=True):
        said = spoken(past.sheet, past.reviews)
        row: dict[str, Any] = {"week": week, "judged": said["consistent"].count()}
        for name, together in (("", weeks.count(week)), ("surely_", len(audits))):
            level = 1 - (1 - LEVEL) / together
            found = strata.estimate(said.select("stratum", "consistent"), past.sheet.strata_frame(), level)
            row |= {"rate": found.rate, f"{name}low": found.interval.low, f"{name}high": found.interval.high}
        parts.append(row)
    return trend.weighted(pl.DataFrame(parts, schema=trend.WEIGHTED))


def _proved(
    sheet: Sheet, said: pl.DataFrame, standing: Standing | None
) -> tuple[float | None, sampling.Interval, Kind]:
    judged, good = said["consistent"].count(), int(said["consistent"].sum() or 0)
    if standing is None:
        found = strata.estimate(said.select("stratum", "consistent"), sheet.strata_frame(), LEVEL)
        if judged == said.height:
            return found.rate, found.interval, "stratified"
        return found.rate, _part(sheet, said), "stratified part"
    rate = good / judged if judged else None
    if judged == said.height:
        return rate, sampling.interval(good, judged, LEVEL, sheet.population), "exact"
    return rate, standing.interval, "sequential"


def _part(sheet: Sheet, said: pl.DataFrame) -> sampling.Interval:
    """Of all orders, while cards of a stratified draw wait; it may be looked at after every judgement."""
    each = _any_time(sheet, said, 1 - (1 - LEVEL) / max(len(sheet.strata), 1))
    share = sheet.strata_frame()["orders"] / max(sheet.population, 1)
    return sampling.Interval(float((share * each["low"]).sum()), min(1.0, float((share * each["high"]).sum())), LEVEL)


def needed(claim: float, misfits: int, population: int) -> int | None:
    """The smallest simple draw that proves the claim with so many misfits; None where none does that may be drawn."""
    try:
        return sampling.needed(claim, misfits, LEVEL, population, MOST_ORDERS)
    except ValueError:
        return None


def _planned(sheet: Sheet, rate: float | None) -> int | None:
    if rate is None:
        return needed(sheet.spec.claim, 0, sheet.population)
    try:
        return sampling.planned(sheet.spec.claim, rate, level=LEVEL, population=sheet.population, most=MOST_ORDERS)
    except ValueError:
        return None
