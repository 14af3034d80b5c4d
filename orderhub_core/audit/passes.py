"""Auditing again what was touched since: the pass over everything, and later passes that cost what has changed.

    first = whole(report.audit(...))
    keys = touched ∪ due(first, as_of)                    # what changed, and what the clock alone may have turned
    second = refreshed(first, rows_of(frames, keys), keys, as_of=as_of)

is the pass over everything at `as_of` with the same calibration. A calibration is learned by a whole pass; make one
from time to time (nightly), for delays and records change slowly. Where a pass is kept in between is its caller's
matter.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from orderhub_core.audit.align import Keys, Names
from orderhub_core.audit.calibration import Calibration
from orderhub_core.audit.engine import Judged, judge
from orderhub_core.audit.fields import Dictionary
from orderhub_core.audit.merge import Marks
from orderhub_core.audit.report import Frame, Report, look
from orderhub_core.audit.sources import KEY
from orderhub_core.audit.words import Lexicon

_UNKNOWN = -1
_ALIKE = 8
"""A quarter to a half of so many fingerprints have the same upper bits, on average."""

Places = npt.NDArray[np.int64]
Entry = TypeVar("Entry", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Index:
    """Where an order stands among the judged, by fingerprint."""

    marks: Marks
    """Sorted."""
    checks: Marks
    """The second fingerprint of each, which proves that it is the order looked for."""
    places: Places
    starts: Places
    """Where the fingerprints begin that have the same upper bits: a power of two of them. They are as even as dice, so
    that few share those, and stand side by side in memory, where a search through all would be all over it."""

    def find(self, names: Names, among: Names) -> Places:
        """The place of each of the orders among those judged, _UNKNOWN where it does not stand there."""
        if not len(self.marks):
            return np.full(names.height, _UNKNOWN)
        at = np.minimum(self._at(names.marks), len(self.marks) - 1)
        hit = self.marks[at] == names.marks
        if (self.checks[at[hit]] == names.checks[hit]).all():
            return np.where(hit, self.places[at], _UNKNOWN)
        # Two orders with one fingerprint: compare them by name.
        joined = names.keys.join(among.keys.with_row_index("place"), on=KEY, how="left", maintain_order="left")
        return joined["place"].cast(pl.Int64).fill_null(_UNKNOWN).to_numpy()

    def _at(self, marks: Marks) -> Places:
        """`searchsorted`."""
        alike = _upper(marks, len(self.starts) - 1)
        low, high = self.starts[alike], self.starts[alike + 1]
        for _ in range(int((high - low).max(initial=0)).bit_length()):
            middle = (low + high) >> 1
            less = (self.marks.take(middle, mode="clip") < marks) & (low < high)
            low, high = np.where(less, middle + 1, low), np.where(less, high, middle)
        return low

    def with_new(self, names: Names, first: int) -> Index:
        """With orders that are appended from place `first` on."""
        order = np.argsort(names.marks)
        marks = names.marks[order]
        at = np.searchsorted(self.marks, marks)
        return Index(
            np.insert(self.marks, at, marks),
            np.insert(self.checks, at, names.checks[order]),
            np.insert(self.places, at, first + order),
            self.starts + _starts(marks, len(self.starts) - 1),
        )


@dataclass(frozen=True, eq=False)
class Pass:
    """A whole population, judged as of some instant."""

    touchpoints: tuple[str, ...]
    judged: Judged
    calibration: Calibration

    @cached_property
    def index(self) -> Index:
        return _index(self.judged.names)


def whole(report: Report) -> Pass:
    """What later passes begin with."""
    return Pass(tuple(report.touchpoints), report.judged, report.calibration)


def due(before: Pass, as_of: int) -> pl.DataFrame:
    """`shop`, `order_no` of the orders whose verdict the passing of time alone may have turned by `as_of`."""
    turns = before.judged.turns
    return before.judged.names.take(turns.places[turns.at <= as_of]).keys


def rows_of(frames: Mapping[str, Frame], keys: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """All rows of some orders, out of whole frames, in one piece. A store that can look rows up by key is quicker."""
    wanted = keys.lazy()
    return {name: _of(frame.lazy(), wanted).collect().rechunk() for name, frame in frames.items()}


def _of(frame: pl.LazyFrame, keys: pl.LazyFrame) -> pl.LazyFrame:
    on = KEY if "shop" in frame.collect_schema() else ["order_no"]
    return frame.join(keys, on=on, how="semi", maintain_order="left")


def refreshed(
    before: Pass,
    rows: Mapping[str, Frame],
    touched: pl.DataFrame,
    *,
    as_of: int | None,
    words: Lexicon | None = None,
    fields: Dictionary | None = None,
    scanning: Collection[str] | None = None,
    population: pl.DataFrame | None = None,
) -> Pass:
    """The pass once more, with the touched orders (`shop`, `order_no`) judged anew from `rows`: all that each
    touchpoint now shows of them. `population`: the rows of the population that are among them, where there is one.

    A touched order that none shows any more leaves the pass. Time moves on only for the orders given: name those
    that are `due`, too. Raises ValueError for other touchpoints or fields than before.
    """
    seen = look(rows, words=words, fields=fields, scanning=scanning, population=population)
    fresh = judge(seen, before.calibration, as_of)
    if tuple(rows) != before.touchpoints or list(fresh.fields) != list(before.judged.fields):
        raise ValueError(f"the pass before compared {before.touchpoints} in {list(before.judged.fields)}: begin anew")
    names = _alike(fresh.names, before.judged.names)
    places = before.index.find(names, before.judged.names)
    new, old = np.flatnonzero(places == _UNKNOWN), np.flatnonzero(places != _UNKNOWN)
    added = names.take(new)
    merged = _merged(before.judged, fresh, added, places[old], old, new)
    result = Pass(before.touchpoints, merged, before.calibration)
    index = before.index.with_new(added, len(before.judged.verdict)) if len(new) else before.index
    result.__dict__["index"] = index
    asked = _named(touched.select(KEY), names)
    gone = asked.take(np.flatnonzero(_index(names).find(asked, names) == _UNKNOWN))
    return _without(result, index.find(gone, merged.names)) if gone.height else result


def _index(names: Names) -> Index:
    order = np.argsort(names.marks)
    marks = names.marks[order]
    return Index(marks, names.checks[order], order, _starts(marks, 2 << (len(marks) // _ALIKE).bit_length()))


def _starts(marks: Marks, kinds: int) -> Places:
    """Index.starts of sorted fingerprints, and their end."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(_upper(marks, kinds), minlength=kinds))])


def _upper(marks: Marks, kinds: int) -> Places:
    """The upper bits that tell so many kinds apart, a power of two and no less."""
    return (marks >> np.uint64(65 - kinds.bit_length())).astype(np.int64)


def _alike(names: Names, others: Names) -> Names:
    """The same orders, with fingerprints made as the others' are."""
    return names if names.with_shops == others.with_shops else _named(names.keys, others)


def _named(keys: pl.DataFrame, others: Names) -> Names:
    return Names(Keys(keys, others.with_shops), np.arange(keys.height, dtype=np.int32))


def _without(kept: Pass, places: Places) -> Pass:
    gone = places[places != _UNKNOWN]
    if not len(gone):
        return kept
    stays = np.delete(np.arange(len(kept.judged.verdict)), gone)
    return Pass(kept.touchpoints, kept.judged.take(stays), kept.calibration)


def _merged(before: Judged, fresh: Judged, names: Names, places: Places, old: Places, new: Places) -> Judged:
    def put(known: npt.NDArray[Entry], now: npt.NDArray[Entry]) -> npt.NDArray[Entry]:
        if not len(new) and np.array_equal(known[..., places], now[..., old]):
            return known  # as good as a copy, and most orders are not there twice
        result: npt.NDArray[Entry] = np.concatenate([known, now[..., new]], axis=-1)
        result[..., places] = now[..., old]
        return result

    size = len(before.verdict) + len(new)
    to = np.empty(len(fresh.verdict), dtype=np.int64)
    to[old], to[new] = places, np.arange(len(before.verdict), size)
    return Judged(
        names=before.names.with_more(names) if names.height else before.names,
        verdict=put(before.verdict, fresh.verdict),
        fields={name: put(own, fresh.fields[name]) for name, own in before.fields.items()},
        cells={name: put(own, fresh.cells[name]) for name, own in before.cells.items()},
        twice=put(before.twice, fresh.twice),
        heals=before.heals.moved(places, fresh.heals, to, size),
        turns=before.turns.moved(places, fresh.turns, to, size),
    )
