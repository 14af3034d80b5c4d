"""Who is probably wrong, and why: only as much as what was shown supports, else an empty name.

A carrier's missing scan unmasks whoever says that the parcel has left. A majority names the one that stands alone
against others who agree. Where there is none, the touchpoint that is behind *and* has the older update has probably
not heard. Last comes the record: who was wrong in other, clear orders, if that speaks with nine to one.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from orderhub_core.audit.align import picked
from orderhub_core.audit.calibration import SURE, Calibration
from orderhub_core.audit.fields import Field, Kind
from orderhub_core.audit.lag import SECOND
from orderhub_core.audit.scene import Scene
from orderhub_core.audit.sources import NEVER, Instants
from orderhub_core.audit.verdicts import ABSENT, CONFLICT, LAGGING, MISSING, UNKNOWN_WORD, Flags, Story, Verdicts
from orderhub_core.audit.words import STAGES, Stage, bits

CAUSES = (
    "unknown",
    "late_poll",  # behind, and the news is young
    "lost_event",  # behind, and not updated since the others moved on
    "illegal_regression",  # updated after the others, to a stage they had already left
    "forged_progress",  # says the parcel has left while nobody has scanned it, or the others still have it
    "mapping_error",  # a word nobody has mapped; amounts in another unit, times in another zone
    "missing_row",
    "duplicate",
)
CAUSE = pl.Enum(CAUSES)
UNKNOWN, LATE_POLL, LOST_EVENT, ILLEGAL_REGRESSION, FORGED_PROGRESS, MAPPING_ERROR, MISSING_ROW, DUPLICATED = range(8)

NOBODY = -1

Entry = TypeVar("Entry", bound=np.generic)
_BEFORE_SHIPPING = np.uint32(bits(STAGES[: STAGES.index(Stage.PARTLY_SHIPPED)]))
_ON_THE_WAY = np.uint32(bits(STAGES[STAGES.index(Stage.PARTLY_SHIPPED) : STAGES.index(Stage.COMPLETED) + 1]))
_SCANNED = np.uint32(
    bits((Stage.COLLECTED, Stage.IN_TRANSIT, Stage.OUT_FOR_DELIVERY, Stage.DELIVERED, Stage.COMPLETED))
)
_LATEST = np.iinfo(np.int64).max

Places = npt.NDArray[np.int64]


class Suspects(NamedTuple):
    who: Places
    """Per order the touchpoint that is probably wrong, NOBODY where nothing tells."""
    cause: Places


class _Times(NamedTuple):
    """Per touchpoint × order."""

    at: Instants
    news_from: Instants
    """The oldest update of those who contradict it; NEVER where one of them has none."""
    news_to: Instants


def status(seen: Scene, cells: Verdicts, calibration: Calibration) -> Suspects:
    """Of orders whose status is lagging or a conflict."""
    story = seen.stories()
    at = np.stack([seen.at(place) for place in range(len(seen.sources))])
    late = cells == LAGGING
    conflict = (cells == CONFLICT).any(axis=0)
    who, by_time, forged = _by_evidence(seen, story, at)
    who = np.where(conflict, who, single(late & story.known))
    who = np.where(conflict & (who == NOBODY), _by_record(seen, cells == CONFLICT, calibration), who)
    cause = np.where(who == NOBODY, UNKNOWN, _picked(by_time, who))
    cause = np.where((who != NOBODY) & _picked(forged, who), FORGED_PROGRESS, cause)
    return Suspects(who, np.where(conflict, cause, LATE_POLL))


def singled_out(disputed: Scene) -> Places:
    """Who is wrong by what was shown alone, without the record."""
    at = np.stack([disputed.at(place) for place in range(len(disputed.sources))])
    return _by_evidence(disputed, disputed.stories(), at)[0]


def _by_evidence(seen: Scene, story: Story, at: Instants) -> tuple[Places, Places, Flags]:
    """The first test that singles out exactly one touchpoint names it; per touchpoint the cause that times tell, and
    whether it forges progress."""
    times = _times(story, at)
    stale = np.zeros(story.kind.shape, dtype=np.bool_)
    for one, other in story.pairs():
        older = (at[one] != NEVER) & (at[other] != NEVER) & (at[one] < at[other])
        stale[one] |= story.behind(one, other) & older
    unmasked = _without_scan(seen, story)
    who = np.full(story.kind.shape[1], NOBODY, dtype=np.int64)
    for test in (unmasked, story.alone(), stale):
        who = np.where(who == NOBODY, single(test), who)
    behind = _behind_all(story)
    known_times = (times.at != NEVER) & (times.news_from != NEVER)
    causes = np.where(
        behind & known_times & (times.at < times.news_from),
        LOST_EVENT,
        np.where(behind & known_times & (times.at > times.news_to), ILLEGAL_REGRESSION, UNKNOWN),
    )
    ahead = _left(story) & _others_have_it(story) & known_times & (times.at < times.news_from)
    return who, causes, unmasked | ahead


def _times(story: Story, at: Instants) -> _Times:
    oldest = np.full(at.shape, _LATEST)
    newest = np.full(at.shape, NEVER)
    for one, other in story.pairs():
        apart = story.apart(one, other) & (at[other] != NEVER)
        oldest[one] = np.where(apart, np.minimum(oldest[one], at[other]), oldest[one])
        newest[one] = np.where(apart, np.maximum(newest[one], at[other]), newest[one])
    return _Times(at, np.where(oldest == _LATEST, NEVER, oldest), newest)


def _others(story: Story, one: int) -> list[int]:
    return [place for place in range(len(story.kind)) if place != one]


def _behind_all(story: Story) -> Flags:
    """What the others agree on may still come for this one."""
    result = np.zeros(story.kind.shape, dtype=np.bool_)
    for one in range(len(story.kind)):
        rest = np.where(story.known, story.mask, np.uint32(0xFFFF_FFFF))[_others(story, one)]
        result[one] = story.known[one] & ((story.later[one] & np.bitwise_and.reduce(rest, axis=0)) != 0)
    return result


def _left(story: Story) -> Flags:
    flags: Flags = story.known & ((story.mask & _BEFORE_SHIPPING) == 0) & ((story.means & ~_ON_THE_WAY) == 0)
    return flags


def _others_have_it(story: Story) -> Flags:
    """All who speak besides say that the parcel has not left."""
    result = np.zeros(story.kind.shape, dtype=np.bool_)
    before = story.known & ((story.means & _BEFORE_SHIPPING) == story.means)
    for one in range(len(story.kind)):
        rest = _others(story, one)
        result[one] = (before | ~story.known)[rest].all(axis=0) & story.known[rest].any(axis=0)
    return result


def _without_scan(seen: Scene, story: Story) -> Flags:
    """Says that the parcel has left, alone, while a carrier or the hub's own facts know of no scan."""
    couriers = [place for place, source in enumerate(seen.sources) if source.scans]
    no_scan = np.zeros(story.kind.shape[1], dtype=np.bool_)
    for place in couriers:
        no_scan |= (story.kind[place] == ABSENT) | (story.known[place] & ((story.mask[place] & _SCANNED) == 0))
    if "collected_at" in seen.facts:
        no_scan |= (seen.facts["collected_at"] == NEVER) & (seen.facts["shipped_at"] == NEVER)
    return _left(story) & _others_have_it(story) & no_scan


def value(seen: Scene, field: Field, cells: Verdicts, calibration: Calibration) -> Suspects:
    """Of orders whose values of a field contradict each other."""
    against = cells == CONFLICT
    late = cells == LAGGING
    conflict = against.any(axis=0)
    who = np.where(conflict, single(against), single(late))
    who = np.where(conflict & (who == NOBODY), _by_record(seen, against, calibration), who)
    at = np.stack([seen.at(place) for place in range(len(seen.sources))])
    rest = np.where(at == NEVER, _LATEST, at)
    older = np.stack(
        [(at[one] != NEVER) & (rest[one] < np.delete(rest, one, axis=0).min(axis=0)) for one in range(len(at))]
    )
    cause = np.where((who != NOBODY) & _picked(older, who), LOST_EVENT, UNKNOWN)
    cause = np.where(_other_unit(seen, field, cells), MAPPING_ERROR, cause)
    return Suspects(who, np.where(conflict, cause, LATE_POLL))


def _other_unit(seen: Scene, field: Field, cells: Verdicts) -> Flags:
    """Amounts a hundred times as large, or instants whole time zones apart: read in another convention."""
    result = np.zeros(cells.shape[1], dtype=np.bool_)
    if field.kind not in (Kind.MONEY, Kind.INSTANT):
        return result
    shown = {}
    for place, source in enumerate(seen.sources):
        if field.name in source.values:
            values = source.values[field.name].fill_null(NEVER).to_numpy()
            shown[place] = picked(values, seen.aligned.rows[place], NEVER)
    for one in shown:
        for other in shown:
            known = (shown[one] != NEVER) & (shown[other] != NEVER) & (one != other) & (cells[one] == CONFLICT)
            result |= known & _convention(shown[one], shown[other], field)
    return result


def _convention(one: Instants, other: Instants, field: Field) -> Flags:
    if field.kind is Kind.MONEY:
        hundredfold: Flags = (one != 0) & ((one == other * 100) | (other == one * 100))
        return hundredfold
    apart = np.abs(np.where(one == NEVER, 0, one) - np.where(other == NEVER, 0, other))
    zone, odd = np.divmod(apart + 60 * SECOND, 30 * 60 * SECOND)
    zoned: Flags = (zone >= 2) & (zone <= 28) & (odd <= 120 * SECOND)
    return zoned


def rows(cells: Verdicts, verdict: int) -> Suspects:
    """Of orders that a touchpoint lacks, has twice, or tells in a word that nobody knows."""
    causes = {MISSING: MISSING_ROW, UNKNOWN_WORD: MAPPING_ERROR}
    who = single(cells == verdict)
    return Suspects(who, np.full(cells.shape[1], causes.get(verdict, UNKNOWN), dtype=np.int64))


def _by_record(seen: Scene, among: Flags, calibration: Calibration) -> Places:
    """If exactly one of them is wrong: the one whose record says so (Bayes, one record independent of the other)."""
    if not calibration.speaks():
        return np.full(among.shape[1], NOBODY, dtype=np.int64)
    odds = np.array([calibration.odds(source.name) for source in seen.sources])
    weights = np.where(among, odds[:, None], 0.0)
    total = weights.sum(axis=0)
    sure = (total > 0) & (weights.max(axis=0) >= SURE * np.where(total > 0, total, 1.0))
    return np.where(sure & (among.sum(axis=0) >= 2), weights.argmax(axis=0), NOBODY)


def single(flags: Flags) -> Places:
    """The one touchpoint for which it holds; NOBODY for several or none."""
    return np.where(flags.sum(axis=0) == 1, flags.argmax(axis=0), NOBODY)


def _picked(table: npt.NDArray[Entry], who: Places) -> npt.NDArray[Entry]:
    """Of each order the entry of the touchpoint named; that of the first where nobody is."""
    picked: npt.NDArray[Entry] = np.take_along_axis(table, np.maximum(who, 0)[None, :], axis=0)[0]
    return picked
