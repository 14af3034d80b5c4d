"""The one result of an audit, for the command line, the notebook and whoever reads its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import polars as pl

from orderhub_core.audit import sampling
from orderhub_core.audit.blame import blame, values
from orderhub_core.audit.claims import KEY, MAX_TOUCHPOINTS, claims, newest
from orderhub_core.audit.verdicts import CONSISTENT, VERDICTS, verdicts
from orderhub_core.audit.words import Lexicon, default
from orderhub_core.errors import UserMistake

FIELD = "status"


class Share(msgspec.Struct, frozen=True):
    consistent: int
    of: int

    @property
    def rate(self) -> float | None:
        """None where there is nothing to have a share of."""
        return self.consistent / self.of if self.of else None


class Report(msgspec.Struct, frozen=True):
    touchpoints: list[str]
    orders: pl.DataFrame
    """One row per order of the population: `shop`, `order_no`, `verdict`."""
    findings: pl.DataFrame
    """One row per inconsistent order: `shop`, `order_no`, `verdict`, `probably_wrong`, `cause` and the struct
    `values`, each touchpoint's raw word. Worst first."""
    sample: pl.DataFrame
    """The drawn orders: `shop`, `order_no`, `verdict`."""
    told: pl.DataFrame
    """What the touchpoints show of the drawn orders: `shop`, `order_no`, `touchpoint`, `status`, `stage`, `at`."""
    seed: int

    def sheet(self) -> pl.DataFrame:
        """The drawn orders for people, worst first: `shop`, `order_no`, `verdict`, `probably_wrong`, `cause`, and the
        raw word of each touchpoint in a column `says <touchpoint>`."""
        said = self.told.with_columns(touchpoint="says " + pl.col("touchpoint")).pivot(
            on="touchpoint", on_columns=[f"says {name}" for name in self.touchpoints], index=KEY, values="status"
        )
        why = self.findings.select(*KEY, "probably_wrong", "cause")
        return (
            self.sample.join(why, on=KEY, how="left")
            .join(said, on=KEY, how="left")
            .sort([pl.col("verdict").to_physical(), *KEY], descending=[True, False, False])
        )

    def population_share(self) -> Share:
        return _share(self.orders)

    def sample_share(self) -> Share:
        return _share(self.sample)

    def interval(self) -> sampling.Interval:
        """What the sample proves of the population's rate."""
        share = self.sample_share()
        return sampling.interval(share.consistent, share.of)

    def by_verdict(self) -> dict[str, int]:
        return count_by_verdict(self.orders)

    def to_json(self, limit: int | None = None) -> str:
        """One line. `limit` cuts the findings listed, worst kept; `findings_total` always counts them all."""
        population, sample = self.population_share(), self.sample_share()
        listed = self.findings if limit is None else self.findings.head(limit)
        document = {
            "population": {
                "orders": population.of,
                "consistent": population.consistent,
                "rate": population.rate,
                "by_verdict": self.by_verdict(),
            },
            "sample": {
                "size": sample.of,
                "seed": self.seed,
                "consistent": sample.consistent,
                "rate": sample.rate,
                "interval": self.interval(),
            },
            "findings_total": self.findings.height,
            "findings": [_finding(row) for row in listed.to_dicts()],
        }
        return msgspec.json.encode(document).decode()


def _finding(row: Mapping[str, Any]) -> dict[str, Any]:
    shop = {"shop": row["shop"]} if row["shop"] else {}
    told = {name: row[name] for name in ("values", "probably_wrong", "cause")}
    return {**shop, "order_no": row["order_no"], "verdict": row["verdict"], "field": FIELD, **told}


def _share(orders: pl.DataFrame) -> Share:
    return Share(consistent=orders.filter(pl.col("verdict").is_in(CONSISTENT)).height, of=orders.height)


def count_by_verdict(orders: pl.DataFrame) -> dict[str, int]:
    """Every verdict, mildest first, with its number of orders, zeros included."""
    found = dict(orders.group_by("verdict").len().iter_rows())
    return {verdict: found.get(verdict, 0) for verdict in VERDICTS}


def audit(
    sightings: Mapping[str, pl.DataFrame],
    *,
    sample: int = 100,
    seed: int = 0,
    as_of: int | None = None,
    words: Lexicon | None = None,
    allowed_lag_s: Mapping[str, int] | None = None,
    population: pl.DataFrame | None = None,
) -> Report:
    """Compare what the touchpoints show of every order, and draw a sample for people.

    `sightings`: touchpoint name to frame `order_no`, `status`, and where known `at` (instant) and `shop`.
    `as_of` is microseconds UTC: without it nothing is excused as lagging. `allowed_lag_s` is per touchpoint, else
    `lag.DEFAULT_LAG_S`. `population` (`shop`, `order_no`, and where known
    `placed_at`) limits the audit to those orders, shown or not.
    Raises UserMistake for fewer than 2 or more than 16 touchpoints.
    """
    names = list(sightings)
    if not 2 <= len(names) <= MAX_TOUCHPOINTS:
        raise UserMistake(
            f"an audit compares 2 to {MAX_TOUCHPOINTS} touchpoints, not {len(names)}: name each with its file"
            " (`audit files`), or add [[touchpoints]] to the settings and let the worker read them (`audit orders`)"
        )
    lexicon = words or default()
    said = claims(sightings, lexicon)
    judged = verdicts(said, names, lexicon, as_of=as_of, allowed_lag_s=allowed_lag_s, population=population)
    blamed = blame(said, judged, names, as_of=as_of, allowed_lag_s=allowed_lag_s)
    findings = values(
        said, blamed.sort([pl.col("verdict").to_physical(), *KEY], descending=[True, False, False]), names
    )
    drawn = sampling.draw(judged.select(KEY), sample, seed)
    return Report(
        touchpoints=names,
        orders=judged.select(*KEY, "verdict"),
        findings=findings.select(*KEY, "verdict", "probably_wrong", "cause", "values"),
        sample=drawn.join(judged.select(*KEY, "verdict"), on=KEY, how="left", maintain_order="left"),
        told=_told(said, drawn, names),
        seed=seed,
    )


def _told(said: pl.DataFrame, drawn: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    touchpoint = pl.col("touchpoint").replace_strict(list(range(len(names))), names, return_dtype=pl.String)
    return newest(said.join(drawn, on=KEY, how="semi")).select(*KEY, touchpoint, "status", "stage", "at").sort(KEY)


def spot(
    orders: pl.DataFrame,
    sightings: pl.DataFrame,
    *,
    size: int,
    seed: int,
    as_of: int,
    words: Lexicon | None = None,
    allowed_lag_s: Mapping[str, int] | None = None,
) -> Report:
    """Draw first, compare only what was drawn: a spot check that costs the same over a hundred orders or a million.

    `orders` and `sightings` are frames of `frames.SCHEMAS`; orders placed after `as_of` are left out. Population and
    sample of the report are both the drawn orders.
    """
    placed = orders.lazy().filter(pl.col("placed_at").cast(pl.Int64) <= as_of).select(KEY).collect()
    drawn = sampling.draw(placed, size, seed)
    seen = sightings.filter(pl.col("order_no").is_in(drawn["order_no"].implode()))
    named = {name: seen.filter(pl.col("touchpoint") == name) for name in sightings["touchpoint"].unique().sort()}
    return audit(named, sample=size, seed=seed, as_of=as_of, words=words, allowed_lag_s=allowed_lag_s, population=drawn)
