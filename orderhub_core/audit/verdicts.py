"""What a touchpoint shows, judged beside what the others show: one verdict per touchpoint and field.

Every status word is a set of stages (`words`). A story that fits all words exists exactly when the sets have a stage
in common. `equal` and `compatible` must be proved; whatever is null, empty, unknown or alone is never consistent. An
order's verdict is the worst of its touchpoints and fields.

Arrays here are touchpoint × column, where a column is an order or a combination that many orders show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

VERDICTS = (
    "equal",  # it says the same as the others
    "compatible",  # in other words, or within the tolerance: some story makes all of them right
    "lagging",  # it is behind, and the news is younger than its own delay
    "not_comparable",  # it says nothing, or nobody else says anything
    "unknown_word",  # a word that stands in no table, a value that cannot be read
    "missing",  # it does not have the order
    "duplicate",  # it has the order more than once
    "conflict",  # no story makes all of them right
)
"""Mildest first."""

VERDICT = pl.Enum(VERDICTS)
CONSISTENT = ("equal", "compatible")
EQUAL, COMPATIBLE, LAGGING, NOT_COMPARABLE, UNKNOWN_WORD, MISSING, DUPLICATE, CONFLICT = range(len(VERDICTS))
NOTHING = -1
"""There is nothing to compare, and nothing need be said: no verdict."""

ABSENT, BLANK, STRANGE, KNOWN = range(4)
"""What a touchpoint says of a field: it has no row, an empty cell, one that cannot be understood, a value. Values of
which touchpoints tell the same have the same code from KNOWN on."""

Verdicts = npt.NDArray[np.int8]
Bits = npt.NDArray[np.uint32]
Flags = npt.NDArray[np.bool_]
Young = npt.NDArray[np.bool_]
"""[one, other, column]: has the other news that are younger than the one's delay?"""


@dataclass(frozen=True, eq=False)
class Story:
    """Status words, understood."""

    kind: npt.NDArray[np.int8]
    mask: Bits
    means: Bits
    later: Bits
    unclear: Flags
    need_not_know: Bits
    """Per touchpoint, the stages at which it need not have the order."""

    def take(self, columns: npt.NDArray[np.integer]) -> Story:
        """Some columns, in the order asked for."""
        pick = (slice(None), columns)
        return Story(
            self.kind[pick], self.mask[pick], self.means[pick], self.later[pick], self.unclear[pick], self.need_not_know
        )

    @property
    def known(self) -> Flags:
        known: Flags = self.kind == KNOWN
        return known

    def common(self) -> Bits:
        """The stages that make all words right; 0 also where nobody says anything."""
        everything = np.uint32(0xFFFF_FFFF)
        united = np.bitwise_and.reduce(np.where(self.known, self.mask, everything), axis=0)
        return np.where(self.known.any(axis=0), united, np.uint32(0))

    def excused(self) -> Flags:
        """Has no row, and need not have one: as if it said so."""
        flags: Flags = (self.kind == ABSENT) & ((self.need_not_know[:, None] & self.common()) != 0)
        return flags

    def apart(self, one: int, other: int) -> Flags:
        """Both speak, and no stage makes both right."""
        flags: Flags = self.known[one] & self.known[other] & ((self.mask[one] & self.mask[other]) == 0)
        return flags

    def behind(self, one: int, other: int) -> Flags:
        """Apart, and what the other says may still come for the one."""
        flags: Flags = self.apart(one, other) & ((self.later[one] & self.means[other]) != 0)
        return flags

    def pairs(self) -> list[tuple[int, int]]:
        places = range(len(self.kind))
        return [(one, other) for one in places for other in places if one != other]

    def alone(self) -> Flags:
        """Stands against at least two others who agree. Where some agree by clear words and what they mean first of
        all, those who agree only by what their words may still stand for are no majority."""
        firmly, loosely = self._alone(np.where(self.unclear, np.uint32(0), self.means)), self._alone(self.mask)
        return np.where(firmly.any(axis=0), firmly, loosely)

    def _alone(self, says: Bits) -> Flags:
        result = np.zeros(self.kind.shape, dtype=np.bool_)
        everything = np.uint32(0xFFFF_FFFF)
        for one in range(len(self.kind)):
            rest = [place for place in range(len(self.kind)) if place != one]
            agreed = np.bitwise_and.reduce(np.where(self.known, says, everything)[rest], axis=0)
            shared = np.bitwise_and.reduce(np.where(self.known, self.mask, everything)[rest], axis=0)
            several = self.known[rest].sum(axis=0) >= 2
            result[one] = self.known[one] & several & (agreed != 0) & ((shared & self.mask[one]) == 0)
        return result


def status_cells(story: Story, young: Young | None = None, newborn: Flags | None = None) -> Verdicts:
    """The verdict of each touchpoint. `newborn`: it lacks the order, and all that is said of the order is so young
    that it may not have heard of it. Without times (None) nothing is excused."""
    known, absent, excused = story.known, story.kind == ABSENT, story.excused()
    waiting = np.zeros_like(absent) if newborn is None else newborn & absent & ~excused
    lacking = absent & ~excused & ~waiting
    speaking = known.sum(axis=0) + excused.sum(axis=0)
    torn = (speaking >= 2) & (story.common() == 0)
    late = lagging(story, young) if young is not None else np.zeros_like(known)
    mends = torn & late.any(axis=0)
    wrong = known & torn & ~mends & _at_odds(story)
    cells = np.full(known.shape, NOT_COMPARABLE, dtype=np.int8)
    cells[story.kind == STRANGE] = UNKNOWN_WORD
    cells[lacking] = MISSING
    cells[waiting] = LAGGING
    cells[excused] = COMPATIBLE
    good = known & ~wrong & ~(late & mends)
    cells = np.where(good & (speaking >= 2), np.where(_same_as_most(story, good), EQUAL, COMPATIBLE), cells)
    only_waiting = (speaking < 2) & waiting.any(axis=0) & ~lacking.any(axis=0)
    cells = np.where(known & only_waiting, LAGGING, cells)
    cells[late & mends] = LAGGING
    cells[wrong] = CONFLICT
    return cells.astype(np.int8)


def lagging(story: Story, young: Young) -> Flags:
    """Which touchpoints are behind young news, where that explains every contradiction of the order; else none."""
    late = np.zeros(story.kind.shape, dtype=np.bool_)
    explained = np.ones(story.kind.shape[1], dtype=np.bool_)
    for one, other in story.pairs():
        hears = story.behind(one, other) & young[one, other]
        late[one] |= hears
        explained &= ~story.apart(one, other) | hears | (story.behind(other, one) & young[other, one])
    return late & explained


def may_mend(story: Story) -> Flags:
    """Contradictions that time may explain: of every two that are apart, one is behind."""
    everywhere = np.ones((len(story.kind), len(story.kind), 1), dtype=np.bool_)
    flags: Flags = np.logical_or.reduce(lagging(story, everywhere), axis=0)
    return flags


def _at_odds(story: Story) -> Flags:
    """Whom a contradiction concerns: the one that stands alone; else all who are apart; else all who speak."""
    alone = story.alone()
    single = alone.sum(axis=0) == 1
    apart = np.zeros_like(alone)
    for one, other in story.pairs():
        apart[one] |= story.apart(one, other)
    return np.where(single, alone, np.where(apart.any(axis=0), apart, story.known))


def _same_as_most(story: Story, good: Flags) -> Flags:
    """Means exactly what the most of `good` mean, at least two of them and clearly."""
    alike = np.zeros(good.shape, dtype=np.int64)
    for one in range(len(good)):
        alike[one] = (good & good[one] & (story.means == story.means[one])).sum(axis=0)
    return good & ~story.unclear & _in_largest(alike, good)


def _in_largest(alike: npt.NDArray[np.int64], among: Flags) -> Flags:
    """Belongs to the one largest group, of two or more. `alike`: how many of `among` are as this one."""
    sizes = np.where(among, alike, 0)
    most = sizes.max(axis=0)
    flags: Flags = among & (sizes == most) & (most >= 2) & ((among & (sizes == most)).sum(axis=0) == most)
    return flags


def value_cells(
    codes: npt.NDArray[np.int8],
    exact: Flags,
    *,
    may_be_blank: Flags,
    late: Flags | None = None,
) -> Verdicts:
    """The verdict of each touchpoint on a field whose values are compared as such.

    `codes` as above, `exact`: all values are the same to the last digit. `may_be_blank`: the touchpoint need not say
    anything. `late`: its row is older than young news of another. A touchpoint without a row is told of by its status,
    not here.
    """
    there = (codes != ABSENT) & ~((codes == BLANK) & may_be_blank)
    speaking = codes >= KNOWN
    heard = speaking.sum(axis=0)
    silent = there.sum(axis=0) < 2
    alike = np.stack([(speaking & (codes == code)).sum(axis=0) for code in codes]).astype(np.int64)
    united = speaking & (alike == heard)
    most = _in_largest(alike, speaking)
    wrong = speaking & ~united & ~most
    cells = np.full(codes.shape, NOT_COMPARABLE, dtype=np.int8)
    cells[codes == STRANGE] = UNKNOWN_WORD
    cells = np.where(speaking & (heard >= 2), np.where(exact, EQUAL, COMPATIBLE), cells)
    cells = np.where(wrong & (heard >= 2), CONFLICT, cells)
    if late is not None:
        fresh = (wrong & ~late).sum(axis=0)
        mends = (wrong & late).any(axis=0) & (fresh <= np.where(most.any(axis=0), 0, 1)) & (heard >= 2)
        cells = np.where(wrong & mends, np.where(late, LAGGING, COMPATIBLE), cells)
    return np.where(~there | silent, NOTHING, cells).astype(np.int8)
