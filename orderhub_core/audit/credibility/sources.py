"""Who speaks of orders, since when, and how long each has been silent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import polars as pl

from orderhub_core.audit.credibility.log import MINUTE_US, Flags, Log, Micros, Places, coded, micros

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
    kinds = ["file" if name.startswith("file/") else "shop" for name in log.sources]
    touchpoint, touchpoints = coded(sightings["touchpoint"])
    return [
        *_heard(log.sources, kinds, log.source, log.recorded),
        *_heard(touchpoints, ["touchpoint"] * len(touchpoints), touchpoint, micros(sightings["seen_at"])),
    ]


def _heard(names: list[str], kinds: list[str], place: Places, at: Micros) -> Iterator[Source]:
    """`place`: who of `names` was heard, `at`: when."""
    if not names:
        return
    longest = _longest(len(names), place, at // MINUTE_US)
    first, last = np.full(len(names), at.max()), np.full(len(names), at.min())
    np.minimum.at(first, place, at)
    np.maximum.at(last, place, at)
    for number, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        yield Source(name, kind, int(first[number]), int(last[number]), int(longest[number]) * MINUTE_US)


def _longest(sources: int, place: Places, minute: Micros) -> Micros:
    """The most minutes between two in which a source was heard, by source. Costs what there is to hear, and nothing for
    a clock that once stood at 1970."""
    order = np.lexsort((minute, place))
    whose, gap = place[order], np.diff(minute[order])
    longest = np.zeros(sources, np.int64)
    own = whose[1:] == whose[:-1]
    np.maximum.at(longest, whose[1:][own], gap[own])
    return longest


def silent(sources: list[Source], targets_s: Mapping[str, float], as_of: int) -> Flags:
    """Whose silence is longer than any before it, than its greatest target, and than an hour."""
    patience = [
        max(source.longest + MINUTE_US, int(targets_s.get(source.name, 0) * 1_000_000), SILENT_US) for source in sources
    ]
    return np.array(
        [as_of - source.last > most for source, most in zip(sources, patience, strict=True)], dtype=np.bool_
    )
