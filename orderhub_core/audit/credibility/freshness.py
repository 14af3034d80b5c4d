"""Freshness: of the last words of all sources on all fields of all orders, the share that came as soon as their source
can give them (`targets`). The raw share within 90 s stands beside it.

The delay of a word is the span from the source's own time of it to the moment at which the hub had it. A word is not
fresh when it came later than its target (`late`), claims to be from the future by more than that (`ahead`), has no time
of its own (`untimed`), or stands on an open order while its source is silent (`silent`). What happened before the hub
first heard of a source says nothing of its speed, and is not counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from orderhub_core.audit.credibility.log import (
    FIELDS,
    UNKNOWN,
    Codes,
    Flags,
    Log,
    Micros,
    Places,
    coded,
    micros,
)
from orderhub_core.audit.credibility.sources import Source, silent, sources_of
from orderhub_core.audit.credibility.targets import medians, targets_of

RAW_S = 90
CAUSES = ("late", "ahead", "untimed", "silent")
CLOSED = ("completed", "refunded", "cancelled")
"""Headlines of orders of which no more news is expected."""
_SECOND = 1_000_000
_STATUS = FIELDS.index("status")


class Words(NamedTuple):
    """Last words, one position each: of which order, by which source, on which field, when, how late (microseconds)."""

    order: Places
    source: Places
    field: Codes
    at: Micros
    delay: Micros
    timed: Flags

    def where(self, kept: Flags) -> Words:
        return Words._make(column[kept] for column in self)

    def and_then(self, others: Words) -> Words:
        pairs: Iterable[tuple[Any, Any]] = zip(self, others, strict=True)
        return Words._make(np.concatenate(pair) for pair in pairs)


class Judged(NamedTuple):
    words: Words
    """Those that count."""
    cause: Codes
    """Which of `CAUSES` is wrong with each; -1 where it is fresh."""
    history: int
    """Words that are older than the hub's acquaintance with their source."""
    sources: list[Source]
    by_source: pl.DataFrame
    """Per source and field that has a word: `source`, `field`, `words`, `fresh`, `raw` (within 90 s), `target_s`,
    `basis`, `median_s`, `silent`."""
    target_us: Micros
    """By source and field."""


def judge(
    log: Log,
    orders: pl.DataFrame,
    sightings: pl.DataFrame,
    *,
    as_of: int,
    zone: str,
    targets: Mapping[str, float],
    polls: Mapping[str, float],
) -> Judged:
    """Judge the last words. `targets` in seconds by `source` or `source.field`; `polls`: seconds between two polls."""
    known = orders.select("shop", "order_no").with_row_index("order")
    shown = (
        sightings.lazy()
        .join(known.lazy(), on=["shop", "order_no"], how="inner")
        .select("order", "touchpoint", "at", "seen_at")
        .collect()
    )
    sources = sources_of(log, shown)
    words = _logged(log, orders.height).and_then(_shown(shown, [source.name for source in sources]))
    first = np.array([source.first for source in sources], np.int64)
    counted = (words.at >= first[words.source]) | ~words.timed
    kept = words.where(counted)
    cell = kept.source.astype(np.int64) * len(FIELDS) + kept.field
    table = targets_of(sources, medians(cell, kept.delay, kept.at, kept.timed, zone), targets, polls)
    target_us = (table["target_s"] * _SECOND).cast(pl.Int64).to_numpy()
    spoken = table.filter(pl.col("median_s").is_not_null())
    quiet = silent(sources, dict(spoken.group_by("source").agg(pl.col("target_s").max()).iter_rows()), as_of)
    is_open = (~orders["headline"].cast(pl.String).is_in(CLOSED)).to_numpy()
    cause = _causes(kept, target_us[cell], quiet[kept.source] & is_open[kept.order])
    raw = kept.timed & (np.abs(kept.delay) <= RAW_S * _SECOND)
    counts = {
        name: np.bincount(rows, minlength=table.height)
        for name, rows in (("words", cell), ("fresh", cell[cause < 0]), ("raw", cell[raw]))
    }
    told = table.with_columns(**counts, silent=np.repeat(quiet, len(FIELDS))).filter(pl.col("words") > 0)
    columns = ("source", "field", "words", "fresh", "raw", "target_s", "basis", "median_s", "silent")
    return Judged(kept, cause, int((~counted).sum()), sources, told.select(columns), target_us)


def _logged(log: Log, orders: int) -> Words:
    last = log.last_of(orders)
    order, field = np.nonzero(last >= 0)
    at = last[order, field]
    occurred, timed = log.occurred[at], np.ones(len(at), np.bool_)
    delay = log.recorded[at] - occurred
    return Words(order.astype(np.int32), log.source[at], field.astype(np.int8), occurred, delay, timed)


def _shown(shown: pl.DataFrame, names: list[str]) -> Words:
    at, seen = micros(shown["at"]), micros(shown["seen_at"])
    # Where a touchpoint states no time, the hub's own stands in; no source's clock ticks with our microseconds.
    timed = (at != UNKNOWN) & ((at != seen) | (at % _SECOND == 0))
    touchpoint, met = coded(shown["touchpoint"])
    return Words(
        shown["order"].cast(pl.Int32).to_numpy(),
        np.array([names.index(name) for name in met], np.int32)[touchpoint],
        np.full(shown.height, _STATUS, np.int8),
        at,
        np.where(timed, seen - at, 0),
        timed,
    )


def _causes(words: Words, target_us: Micros, quiet: Flags) -> Codes:
    cause = np.full(len(words.order), -1, np.int8)
    cause[quiet] = CAUSES.index("silent")
    cause[words.delay > target_us] = CAUSES.index("late")
    cause[words.delay < -target_us] = CAUSES.index("ahead")
    cause[~words.timed] = CAUSES.index("untimed")
    return cause
