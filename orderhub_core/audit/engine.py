"""The pass over a whole population: every order × field × touchpoint, judged in one go.

What does not depend on time is judged once per combination of meanings; only orders whose contradiction time may
explain, or that a touchpoint may not have heard of yet, are looked at one by one (in arrays). Pure: the same frames,
calibration and instant give the same verdicts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from orderhub_core.audit import values
from orderhub_core.audit.align import Names, picked
from orderhub_core.audit.blocks import taken
from orderhub_core.audit.calibration import Calibration
from orderhub_core.audit.lag import SECOND
from orderhub_core.audit.scene import Scene
from orderhub_core.audit.sources import NEVER, STATUS, Instants
from orderhub_core.audit.verdicts import (
    ABSENT,
    DUPLICATE,
    LAGGING,
    Flags,
    Story,
    Verdicts,
    Young,
    may_mend,
    status_cells,
)
from orderhub_core.audit.window import NO_MOMENTS, Moments, Window, moments, sooner
from orderhub_core.audit.words import STAGES, bits

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Judged:
    """Per order, in the order of `names`: verdicts as positions in VERDICTS, instants in microseconds or NEVER."""

    names: Names
    verdict: Verdicts
    fields: dict[str, Verdicts]
    """Per field the worst of its touchpoints; NOTHING where it is not compared."""
    cells: dict[str, Verdicts]
    """Per field touchpoint × order."""
    twice: Flags
    """Touchpoint × order: it has the order more than once."""
    heals: Moments
    """Until when a lagging order should have mended itself."""
    turns: Moments
    """From when on the passing of time alone may change the verdict: judge the order again then."""

    @property
    def keys(self) -> pl.DataFrame:
        """`shop`, `order_no` of each order."""
        return self.names.keys

    def take(self, places: npt.NDArray[np.int64]) -> Judged:
        """Some of the orders, in the order asked for."""
        return Judged(
            names=self.names.take(places),
            verdict=self.verdict[places],
            fields={name: own[places] for name, own in self.fields.items()},
            cells={name: own[:, places] for name, own in self.cells.items()},
            twice=self.twice[:, places],
            heals=self.heals.taken(places, len(self.verdict)),
            turns=self.turns.taken(places, len(self.verdict)),
        )


def judge(seen: Scene, calibration: Calibration, as_of: int | None) -> Judged:
    """Every order of the scene. Without `as_of` (microseconds UTC) nothing is excused as lagging."""
    names = [source.name for source in seen.sources]
    lags = np.array([calibration.lag(name).allowed_s * SECOND for name in names], dtype=np.int64)
    by_combination = status_cells(seen.story)
    cells = taken(by_combination, seen.numbers)
    status = taken(by_combination.max(axis=0), seen.numbers)
    heals = turns = NO_MOMENTS
    if as_of is not None:
        places = _may_turn(seen, as_of - int(lags.max()))
        cells[:, places], heals, turns = _in_time(seen.take(places), places, lags, as_of)
        status[places] = cells[:, places].max(axis=0)
    judged, worst = {STATUS: cells}, {STATUS: status}
    for compared in seen.fields:
        others, turned = values.cells(seen, compared, lags, as_of)
        judged[compared.name], worst[compared.name] = others, others.max(axis=0)
        turns = turns.sooner(turned)
    verdict = np.maximum.reduce(list(worst.values())).astype(np.int8, copy=False)
    twice = np.flatnonzero(np.logical_or.reduce(seen.aligned.twice, axis=0))
    verdict[twice] = np.maximum(verdict[twice], DUPLICATE)
    return Judged(
        names=seen.aligned.names,
        verdict=verdict,
        fields=worst,
        cells=judged,
        twice=seen.aligned.twice,
        heals=heals.where(verdict[heals.places] == LAGGING),
        turns=turns,
    )


def _may_turn(seen: Scene, since: int) -> Places:
    """Orders whose contradiction time may explain, or that a touchpoint may not have heard of yet, and of which
    anything is as young as that."""
    waits = may_mend(seen.story) | ((seen.story.kind == ABSENT) & ~seen.story.excused()).any(axis=0)
    places = np.flatnonzero(taken(waits, seen.numbers))
    young = np.zeros(len(places), dtype=np.bool_)
    for source, rows in zip(seen.sources, seen.aligned.rows, strict=True):
        if source.at is not None:
            young |= picked(source.at, rows[places], NEVER) >= since
    if "placed_at" in seen.facts:
        young |= seen.facts["placed_at"][places] >= since
    return places[young]


def _in_time(part: Scene, places: Places, lags: Instants, as_of: int) -> tuple[Verdicts, Moments, Moments]:
    """Cells, the instants of healing and of the next turn, of orders that time may explain, at these places."""
    story, rank = part.stories(), range(len(part.sources))
    at = np.stack([part.at(place) for place in rank])
    window = Window(as_of, lags)
    young: Young = np.stack([window.young(at, lags[one]) for one in rank])
    placed = part.facts.get("placed_at", np.full(at.shape[1], NEVER))
    fresh = np.stack([_newborn(story, one, young[one], window.young(placed, lags[one])) for one in rank])
    cells = status_cells(story, young, fresh)
    late = cells == LAGGING
    heals, turns = np.full(at.shape[1], NEVER), np.full(at.shape[1], NEVER)
    for one, other in ((one, other) for one in rank for other in rank if one != other):
        waits = (late[one] & story.known[other]) & ~(late[other] & story.known[one])
        heals = np.where(waits & (at[other] != NEVER), np.maximum(heals, at[other] + lags[one]), heals)
        turns = sooner(turns, window.turn(at[other], lags[one]))
    for one in rank:
        lone = late[one] & ~story.known[one] & (placed != NEVER)
        heals = np.where(lone, np.maximum(heals, placed + lags[one]), heals)
        turns = sooner(turns, window.turn(placed, lags[one]))
    return cells, moments(heals, places), moments(turns, places)


def _newborn(story: Story, one: int, young: Flags, just_placed: Flags) -> Flags:
    """Orders of which a touchpoint without them may not have heard yet: just placed, or no more is said of them than
    what it need not know and what it hears first, and that is young."""
    unheard = (story.mask & story.need_not_know[one]) != 0
    heard_first = young & ((story.mask & _first_heard(int(story.need_not_know[one]))) != 0)
    new = (story.kind == ABSENT) | (story.known & (unheard | heard_first))
    flags: Flags = just_placed | (new.all(axis=0) & (story.known & heard_first).any(axis=0))
    return flags


def _first_heard(need_not_know: int) -> np.uint32:
    """The two stages from which on a touchpoint hears of an order: the first that it must know, and the next."""
    begins = next((place for place, stage in enumerate(STAGES) if not need_not_know & bits((stage,))), 0)
    return np.uint32(bits(STAGES[begins : begins + 2]))
