"""The credibility index of orders (订单可信度指数): how far what the hub says of orders can be relied on, 0 to 100.

    index = 100 × Σ weight × share,   the weights adding up to 1

over three parts, each a share of checks that went well:

    freshness     last words that came as soon as their source can give them (`freshness`)
    consistency   orders whose touchpoints agree: the verdict is equal or compatible (`report`)
    traceability  log entries and present states that can be traced (`traces`)

A part that nothing can be checked for (no touchpoints, say) is not taken for good or bad: it is left out, and the
others keep their proportions. Every failed check is known by its order, so the points that are lost lead to the orders
that lost them (`losses`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from orderhub_core.audit import report
from orderhub_core.audit.credibility import freshness, history, traces
from orderhub_core.audit.credibility.freshness import Judged
from orderhub_core.audit.credibility.log import FIELDS, Log, local_days, micros, read
from orderhub_core.errors import UserMistake
from orderhub_core.settings import Settings

Counts = npt.NDArray[np.signedinteger]
PARTS = ("freshness", "consistency", "traceability")
DIMENSIONS = ("shop", "warehouse", "carrier")
PART, FIELD = pl.Enum(PARTS), pl.Enum(FIELDS)
CONSISTENT = ("equal", "compatible")
EQUAL_WEIGHTS = dict.fromkeys(PARTS, 1.0)
ORDERS = ("shop", "order_no", *DIMENSIONS[1:], "placed_at", "headline")


class Share(msgspec.Struct, frozen=True):
    """Checks of one part: how many there were, and how many went well."""

    good: int
    of: int

    @property
    def rate(self) -> float | None:
        """None where there is nothing to have a share of."""
        return self.good / self.of if self.of else None


class Index(msgspec.Struct, frozen=True):
    as_of: int
    """Microseconds UTC."""
    parts: dict[str, Share]
    weights: dict[str, float]
    """Of the parts that could be checked; they add up to 1."""
    orders: pl.DataFrame
    """One row per order: `shop`, `order_no`, `warehouse`, `carrier` (empty where there is none), `placed_at`,
    `headline`, `day` (of placing), and for each part the checks `<part>_of` and the failed ones `<part>_lost`."""
    misses: pl.DataFrame
    """One row per failed check: `order` (its row in `orders`), `part`, `source`, `field`, `cause`, and `delay_s` where
    that is the cause."""
    by_source: pl.DataFrame
    """As `freshness.Judged` has it."""
    days: pl.DataFrame
    """As `history.per_day` has it."""
    history: int
    """Words that say nothing of freshness: older than the hub's acquaintance with their source."""

    @property
    def value(self) -> float | None:
        """0 to 100; None where nothing could be checked."""
        return score(self.parts, self.weights)


class Frames(Protocol):
    """What is read of a hub."""

    def as_of(self) -> int: ...
    def frame(self, name: str) -> pl.DataFrame: ...


def score(parts: Mapping[str, Share], weights: Mapping[str, float]) -> float | None:
    """The index of these parts; None where none of them could be checked."""
    rates = {name: rate for name in weights if (rate := parts[name].rate) is not None}
    return 100 * sum(weights[name] * rate for name, rate in rates.items()) if rates else None


class Hub(Frames, Protocol):
    @property
    def settings(self) -> Settings: ...


def of_hub(hub: Hub) -> Index:
    """The index of a hub as its settings want it. Raises UserMistake as `report.audit`."""
    own = hub.settings
    return measure(
        hub,
        weights=msgspec.structs.asdict(own.credibility.weights),
        targets=own.credibility.targets,
        polls={endpoint.id: endpoint.poll_every_s for endpoint in (*own.live_shops, *own.touchpoints)},
        zone=own.time_zone,
    )


def measure(
    known: Frames,
    *,
    weights: Mapping[str, float] = EQUAL_WEIGHTS,
    targets: Mapping[str, float] | None = None,
    polls: Mapping[str, float] | None = None,
    zone: str = "UTC",
) -> Index:
    """The index of a hub's orders as of now. `weights` by part, in any proportion; `targets` in seconds by `source` or
    `source.field`; `polls`: how many seconds pass between two polls of a source."""
    orders, sightings, as_of = known.frame("orders"), known.frame("sightings"), known.as_of()
    log = read(known.frame("events"), orders["order_id"])
    judged = freshness.judge(log, orders, sightings, as_of=as_of, zone=zone, targets=targets or {}, polls=polls or {})
    traced = traces.trace(log, orders)
    fresh, told, explained = _stale(judged), _inconsistent(orders, sightings, as_of), _untraced(log, traced)
    of: dict[str, Counts] = {
        "freshness": np.bincount(judged.words.order, minlength=orders.height),
        "consistency": np.full(orders.height, told is not None, np.int32),
        "traceability": traced.of,
    }
    misses = pl.concat([part for part in (fresh, told, explained) if part is not None])
    rows = _rows(orders, misses, of, zone)
    parts = {part: share_of(rows, part) for part in PARTS}
    return Index(
        as_of,
        parts,
        normalised({part: weights[part] for part in PARTS if parts[part].of}),
        rows,
        misses,
        judged.by_source,
        history.per_day(log, judged, traced.entries, zone),
        judged.history,
    )


def share_of(rows: pl.DataFrame, part: str) -> Share:
    """The checks of some rows of `Index.orders`, or of sums of them."""
    of, lost = int(rows[f"{part}_of"].sum()), int(rows[f"{part}_lost"].sum())
    return Share(of - lost, of)


def normalised(weights: Mapping[str, float]) -> dict[str, float]:
    """The same proportions, adding up to 1; nothing where nothing counts."""
    total = sum(weights.values())
    return {part: weight / total for part, weight in weights.items()} if total else {}


def _rows(orders: pl.DataFrame, misses: pl.DataFrame, of: Mapping[str, Counts], zone: str) -> pl.DataFrame:
    counts = {}
    for part in PARTS:
        lost = misses.filter(pl.col("part") == part)["order"].to_numpy()
        counts[f"{part}_of"] = of[part].astype(np.int32)
        counts[f"{part}_lost"] = np.bincount(lost, minlength=orders.height).astype(np.int32)
    day = pl.Series(local_days(micros(orders["placed_at"].fill_null(strategy="zero")), zone)).cast(pl.Date)
    return orders.select(ORDERS).with_columns(
        pl.col(DIMENSIONS).fill_null(""),
        day=pl.when(pl.col("placed_at").is_not_null()).then(day),
        **counts,
    )


def _misses(part: str, order: object, source: pl.Series, field: object, cause: pl.Series) -> pl.DataFrame:
    return pl.DataFrame(
        {"order": order, "source": source, "field": field, "cause": cause}, schema_overrides={"order": pl.Int32}
    ).select("order", pl.lit(part, PART).alias("part"), "source", "field", "cause")


def _stale(judged: Judged) -> pl.DataFrame:
    bad = np.flatnonzero(judged.cause >= 0)
    words, names = judged.words, [source.name for source in judged.sources]
    return _misses(
        "freshness",
        words.order[bad],
        _named(names, words.source[bad]),
        _named(FIELDS, words.field[bad]),
        _named(freshness.CAUSES, judged.cause[bad]),
    ).with_columns(delay_s=pl.Series(words.delay[bad] / 1e6))


def _untraced(log: Log, traced: traces.Traced) -> pl.DataFrame:
    return _misses(
        "traceability",
        traced.order,
        _named([*log.sources, ""], traced.source),
        _named(FIELDS, traced.field),
        _named(traces.CAUSES, traced.cause),
    ).with_columns(delay_s=pl.lit(None, pl.Float64))


def _named(names: list[str] | tuple[str, ...], places: Counts) -> pl.Series:
    """-1 is the last name."""
    return pl.Series(list(names), dtype=pl.String).gather(places)


def _inconsistent(orders: pl.DataFrame, sightings: pl.DataFrame, as_of: int) -> pl.DataFrame | None:
    """None where fewer than two touchpoints have shown anything: then nothing can be compared."""
    named = {str(name): frame for (name,), frame in sorted(sightings.partition_by("touchpoint", as_dict=True).items())}
    if len(named) < 2:
        return None
    population = orders.select("shop", "order_no", "placed_at")
    found = report.audit(named, sample=0, as_of=as_of, population=population)
    key = ["shop", "order_no"]
    bad = found.orders.filter(~pl.col("verdict").is_in(CONSISTENT))
    if found.orders.height != orders.height:
        raise UserMistake("two orders of one shop have the same number: `orderhub db check` names them")
    places = (
        bad.join(found.findings.select(*key, "probably_wrong"), on=key, how="left")
        .join(orders.select(key).with_row_index("order"), on=key, how="left")
        .sort("order")
    )
    source = places["probably_wrong"].fill_null("")
    return _misses(
        "consistency",
        places["order"],
        source,
        pl.repeat("status", places.height, eager=True),
        places["verdict"].cast(pl.String),
    ).with_columns(delay_s=pl.lit(None, pl.Float64))
