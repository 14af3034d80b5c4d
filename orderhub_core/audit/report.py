"""The one result of an audit, for the command line, the notebook and whoever reads its JSON."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
import polars as pl

from orderhub_core.audit import fields as dictionary
from orderhub_core.audit import presets, sampling
from orderhub_core.audit.align import align
from orderhub_core.audit.blocks import BLOCK, at_once
from orderhub_core.audit.calibration import Calibration
from orderhub_core.audit.engine import Judged, judge
from orderhub_core.audit.fields import Dictionary
from orderhub_core.audit.findings import findings, named
from orderhub_core.audit.lag import FACTS
from orderhub_core.audit.learning import learn
from orderhub_core.audit.meanings import meanings
from orderhub_core.audit.merge import ABSENT
from orderhub_core.audit.scene import Scene, scene
from orderhub_core.audit.sources import KEY, NEVER, RAW, STATUS, Instants, source
from orderhub_core.audit.verdicts import (
    CONSISTENT,
    LAGGING,
    MISSING,
    NOT_COMPARABLE,
    NOTHING,
    VERDICT,
    VERDICTS,
    Verdicts,
)
from orderhub_core.audit.words import Lexicon, default
from orderhub_core.errors import UserMistake
from orderhub_core.frames import INSTANT

MAX_TOUCHPOINTS = 16
_CONSISTENT = VERDICTS.index(CONSISTENT[-1])
_NOT_COMPARED = {*KEY, STATUS, "at", "seen_at", "touchpoint"}

Frame = pl.DataFrame | pl.LazyFrame


class Share(msgspec.Struct, frozen=True):
    consistent: int
    of: int

    @property
    def rate(self) -> float | None:
        """None where there is nothing to have a share of."""
        return self.consistent / self.of if self.of else None


@dataclass(frozen=True, eq=False)
class Report:
    """What an audit found. The orders are judged; what else is asked of them is worked out when it is."""

    seen: Scene
    judged: Judged
    calibration: Calibration
    as_of: int | None
    size: int
    """Orders to draw."""
    seed: int

    @property
    def touchpoints(self) -> list[str]:
        return [source.name for source in self.seen.sources]

    @property
    def fields(self) -> list[str]:
        return list(self.judged.fields)

    @cached_property
    def orders(self) -> pl.DataFrame:
        """One row per order of the population: `shop`, `order_no`, `verdict`."""
        keys, verdict = self.judged.names.beside(self.judged.verdict)
        return keys.with_columns(verdict=_verdicts(verdict))

    def cells(self) -> pl.DataFrame:
        """One row per order, field and touchpoint that has the field: `shop`, `order_no`, `field`, `touchpoint`,
        `verdict` and `counts`. An order that a touchpoint has twice is told so in every field of that touchpoint.

        What does not count weighs nothing in the order's verdict: a blank before the field is due or beside nobody who
        must say anything is `not_comparable`, and without a row a field is as its status is, `missing` or `lagging`.
        """
        parts = []
        for field, cells in self.judged.cells.items():
            for place, own in enumerate(self.seen.sources):
                if field == STATUS or field in own.values:
                    told = self.judged.keys.with_columns(field=pl.lit(field), touchpoint=pl.lit(own.name))
                    verdict = _verdicts(self._told_cells(place, cells[place]))
                    parts.append(told.with_columns(verdict=verdict, counts=pl.Series(cells[place] != NOTHING)))
        return pl.concat(parts)

    def _told_cells(self, place: int, own: Verdicts) -> Verdicts:
        status = self.judged.cells[STATUS][place]
        silent = np.where(np.isin(status, (LAGGING, MISSING)), status, NOT_COMPARABLE)
        absent = self.seen.aligned.rows[place] == ABSENT
        told = np.where(own != NOTHING, own, np.where(absent, silent, NOT_COMPARABLE))
        counted = (own != NOTHING) & self.judged.twice[place]
        return np.where(counted, np.maximum(told, VERDICTS.index("duplicate")), told).astype(np.int8)

    @cached_property
    def problems(self) -> pl.DataFrame:
        """One row per order and problem, see `findings.findings`."""
        places = np.flatnonzero(self.judged.verdict > _CONSISTENT)
        part = self.seen.take(places)
        return findings(part, self.judged.take(places), self.calibration)

    @cached_property
    def findings(self) -> pl.DataFrame:
        """One row per inconsistent order, its worst problem. Worst first."""
        return self.problems.unique(KEY, keep="first", maintain_order=True)

    @cached_property
    def sample(self) -> pl.DataFrame:
        """The drawn orders: `shop`, `order_no`, `verdict`."""
        drawn = sampling.draw(self.orders.select(KEY), self.size, self.seed)
        return drawn.join(self.orders, on=KEY, how="left", maintain_order="left")

    @cached_property
    def told(self) -> pl.DataFrame:
        """What the touchpoints show of the drawn orders: `shop`, `order_no`, `touchpoint`, `status`, `stage`, `at`."""
        numbered = self.judged.keys.with_row_index("place").join(self.sample.select(KEY), on=KEY, how="semi")
        part = self.seen.take(numbered["place"].to_numpy().astype(np.int64))
        return pl.concat(_told(part, place) for place in range(len(self.touchpoints))).sort(KEY, maintain_order=True)

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
        return Share(int((self.judged.verdict <= _CONSISTENT).sum()), len(self.judged.verdict))

    def sample_share(self) -> Share:
        return _share(self.sample)

    def interval(self) -> sampling.Interval:
        """What the sample proves of the population's rate."""
        share = self.sample_share()
        return sampling.interval(share.consistent, share.of, population=self.population_share().of)

    def by_verdict(self) -> dict[str, int]:
        """Every verdict, mildest first, with its number of orders, zeros included."""
        return _counts(self.judged.verdict)

    def by_field_and_verdict(self) -> dict[str, dict[str, int]]:
        """The same for each field, of the orders in which it was compared."""
        return {name: _counts(own) for name, own in self.judged.fields.items()}

    def _learned(self, name: str) -> dict[str, Any]:
        lag = self.calibration.lag(name)
        return {"allowed_lag_s": lag.allowed_s, "learned_from": lag.observed if lag.learned else 0}

    def to_json(self, limit: int | None = None, more: Mapping[str, Any] = MappingProxyType({})) -> str:
        """One line. `limit` cuts the findings listed, worst kept; `findings_total` always counts them all. `more`:
        what else the caller has to say."""
        population, sample = self.population_share(), self.sample_share()
        listed = self.problems if limit is None else self.problems.head(limit)
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
            "fields": self.by_field_and_verdict(),
            "touchpoints": {name: self._learned(name) for name in self.touchpoints},
            **more,
            "findings_total": self.problems.height,
            "findings": [_finding(row) for row in listed.to_dicts()],
        }
        return msgspec.json.encode(document).decode()


def _finding(row: Mapping[str, Any]) -> dict[str, Any]:
    shop = {"shop": row["shop"]} if row["shop"] else {}
    told = {name: row[name] for name in ("order_no", "verdict", "field", "values", "probably_wrong", "cause")}
    return {**shop, **told, **({"heals_at": row["heals_at"]} if row["heals_at"] else {})}


def _share(orders: pl.DataFrame) -> Share:
    return Share(consistent=orders.filter(pl.col("verdict").is_in(CONSISTENT)).height, of=orders.height)


def _counts(verdicts: Verdicts) -> dict[str, int]:
    return {name: int(np.count_nonzero(verdicts == place)) for place, name in enumerate(VERDICTS)}


def _verdicts(codes: Verdicts) -> pl.Series:
    return named(np.where(codes == NOTHING, len(VERDICTS), codes), VERDICT)


def _instants(micros: Instants) -> pl.Series:
    return pl.Series(micros).set(pl.Series(micros == NEVER), None).cast(INSTANT)


def _told(part: Scene, place: int) -> pl.DataFrame:
    own, rows = part.sources[place], part.aligned.rows[place]
    there = np.flatnonzero(rows >= 0)
    words = own.status.texts(rows[there])
    stages = part.meanings.stages(place)
    return part.aligned.names.keys[there].with_columns(
        touchpoint=pl.lit(own.name),
        status=words,
        stage=stages.gather(own.status.codes[rows[there]]),
        at=_instants(part.at(place)[there]),
    )


def audit(
    sightings: Mapping[str, Frame],
    *,
    sample: int = 100,
    seed: int = 0,
    as_of: int | None = None,
    words: Lexicon | None = None,
    fields: Dictionary | None = None,
    scanning: Collection[str] | None = None,
    allowed_lag_s: Mapping[str, int] | None = None,
    calibration: Calibration | None = None,
    population: pl.DataFrame | None = None,
) -> Report:
    """Compare what the touchpoints show of every order, and draw a sample for people.

    `sightings`: touchpoint name to frame `order_no`, `status`, and where known `at` (instant) and `shop`; any other
    column that two of them have is compared too, as `fields` says (else as text). `as_of` is microseconds UTC: without
    it nothing is excused as lagging. `allowed_lag_s` is per touchpoint; else it is learned (see `lag`), or taken from
    a `calibration` of an earlier pass. `population` (`shop`, `order_no`, and where known the instants of the hub's
    orders) limits the audit to those orders, shown or not. `scanning`: the touchpoints that know the carrier's scans.
    Raises UserMistake for fewer than 2 or more than 16 touchpoints.
    """
    seen = look(sightings, words=words, fields=fields, scanning=scanning, population=population)
    known = calibration or learn(seen, as_of, allowed_lag_s)
    return Report(seen, judge(seen, known, as_of), known, as_of, sample, seed)


def look(
    sightings: Mapping[str, Frame],
    *,
    words: Lexicon | None = None,
    fields: Dictionary | None = None,
    scanning: Collection[str] | None = None,
    population: pl.DataFrame | None = None,
) -> Scene:
    """The frames, aligned and understood, before anything is judged: see `audit`."""
    if not 2 <= len(sightings) <= MAX_TOUCHPOINTS:
        raise UserMistake(
            "an audit compares 2 to {most} touchpoints, not {n}: name each with its file (`audit files`), or add"
            " [[touchpoints]] to the settings and let the worker read them (`audit orders`)",
            most=MAX_TOUCHPOINTS,
            n=len(sightings),
        )
    compared = [(fields or dictionary.default()).field(name) for name in shared_columns(sightings)]
    couriers = presets.default().scanning() if scanning is None else scanning
    rows = sum(frame.height if isinstance(frame, pl.DataFrame) else BLOCK for frame in sightings.values())
    sources = at_once(lambda shown: source(*shown, compared, scans=shown[0] in couriers), sightings.items(), rows)
    aligned = align(sources, population)
    return scene(sources, aligned, meanings(sources, words or default()), compared, _facts(population))


def shared_columns(sightings: Mapping[str, Frame]) -> list[str]:
    """The columns, besides the status, that two or more of the frames have."""
    columns = [name for frame in sightings.values() for name in _comparable(frame)]
    return [name for name in dict.fromkeys(columns) if columns.count(name) > 1]


def columns_alone(sightings: Mapping[str, Frame]) -> dict[str, list[str]]:
    """By touchpoint the columns that no other one has: they are compared with nothing."""
    shared = shared_columns(sightings)
    found = {name: [own for own in _comparable(frame) if own not in shared] for name, frame in sightings.items()}
    return {name: columns for name, columns in found.items() if columns}


def _comparable(frame: Frame) -> list[str]:
    names = frame.collect_schema().names()
    return [name for name in names if name not in _NOT_COMPARED and not name.startswith(RAW)]


def _facts(population: pl.DataFrame | None) -> dict[str, Instants]:
    known = [] if population is None else [name for name in set(FACTS.values()) if name in population.columns]
    return (
        {}
        if population is None
        else {name: population[name].cast(INSTANT).cast(pl.Int64).fill_null(NEVER).to_numpy() for name in known}
    )


def spot(
    orders: pl.DataFrame,
    sightings: pl.DataFrame,
    *,
    size: int,
    seed: int,
    as_of: int,
    words: Lexicon | None = None,
    allowed_lag_s: Mapping[str, int] | None = None,
    calibration: Calibration | None = None,
) -> Report:
    """Draw first, compare only what was drawn: a spot check that costs the same over a hundred orders or a million.

    `orders` and `sightings` are frames of `frames.SCHEMAS`; orders placed after `as_of` are left out. Population and
    sample of the report are both the drawn orders.
    """
    placed = orders.lazy().filter(pl.col("placed_at").cast(pl.Int64) <= as_of).select(KEY).collect()
    drawn = sampling.draw(placed, size, seed)
    facts = [name for name in sorted(set(FACTS.values())) if name in orders.columns]
    known = orders.select(*KEY, *facts).join(drawn, on=KEY, how="semi")
    seen = sightings.filter(pl.col("order_no").is_in(drawn["order_no"].implode()))
    named = {name: seen.filter(pl.col("touchpoint") == name) for name in sightings["touchpoint"].unique().sort()}
    return audit(
        named,
        sample=size,
        seed=seed,
        as_of=as_of,
        words=words,
        allowed_lag_s=allowed_lag_s,
        calibration=calibration,
        population=known,
    )
