"""Who speaks of orders, since when, and how long each has been silent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import polars as pl

from orderhub_core.audit.credibility.log import MINUTE_US, Flags, Log, Micros

SILENT_US = 60 * MINUTE_US
"""Nobody is called silent sooner."""


class Source(NamedTuple):
    name: str
    kind: str
    """shop, file or touchpoint."""
    first: int
    """When the hub first heard of it, in microseconds UTC; `last`: when last."""
    last: int
    longest: int
    """The longest silence in between, in whole minutes, as microseconds."""


def sources_of(log: Log, sightings: pl.DataFrame) -> list[Source]:
    """The sources of the log, in its order, then the touchpoints."""
    return [*_in_log(log), *_touchpoints(sightings)]


def _in_log(log: Log) -> Iterator[Source]:
    if not len(log.recorded):
        return
    minute = log.recorded // MINUTE_US
    begun = int(minute.min())
    heard = np.zeros((len(log.sources), int(minute.max()) - begun + 1), np.bool_)
    heard[log.source, minute - begun] = True
    first, last = (np.zeros(len(log.sources), np.int64) for _ in range(2))
    # Entries come as they were recorded, and numpy keeps the last value of a repeated position.
    first[log.source[::-1]], last[log.source] = log.recorded[::-1], log.recorded
    for place, name in enumerate(log.sources):
        kind = "file" if name.startswith("file/") else "shop"
        yield Source(name, kind, int(first[place]), int(last[place]), _longest(np.flatnonzero(heard[place])))


def _touchpoints(sightings: pl.DataFrame) -> Iterator[Source]:
    seen = pl.col("seen_at").cast(pl.Int64)
    heard = (
        sightings.lazy()
        .group_by("touchpoint", minute=seen // MINUTE_US)
        .agg(first=seen.min(), last=seen.max())
        .sort("touchpoint", "minute")
        .collect()
    )
    for (name,), part in heard.partition_by("touchpoint", as_dict=True, maintain_order=True).items():
        first, last = part["first"][0], part["last"][-1]
        yield Source(str(name), "touchpoint", first, last, _longest(part["minute"].to_numpy()))


def _longest(minutes: Micros) -> int:
    return int(np.diff(minutes).max(initial=0)) * MINUTE_US


def silent(sources: list[Source], targets_s: Mapping[str, float], as_of: int) -> Flags:
    """Whose silence is longer than any before it, than its greatest target, and than an hour."""
    patience = [
        max(source.longest + MINUTE_US, int(targets_s.get(source.name, 0) * 1_000_000), SILENT_US) for source in sources
    ]
    return np.array(
        [as_of - source.last > most for source, most in zip(sources, patience, strict=True)], dtype=np.bool_
    )
