"""The lines of an order that earn what a rule gives: the one that a gift travels with, and how many were bought.

They are the lines that meet all that the rule asks of lines; where none of the order's does, those that meet some of
it; where it asks nothing of lines, all.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from orderhub_core.rules.actions import MOST_PIECES
from orderhub_core.rules.bits import Bools, Numbers
from orderhub_core.rules.compile import field_of
from orderhub_core.rules.dictionary import FIELDS
from orderhub_core.rules.index import NO_LINE, Index
from orderhub_core.rules.tree import ALWAYS, Action, Condition, Either, Every, Leaf, Lines


def parents(index: Index, rows: Numbers, when: Condition) -> Numbers:
    """Of these orders the number of the first line that earns it, else of the first one; NO_LINE where there is
    none."""
    found = np.full(len(rows), NO_LINE)
    for truth in _earning_lines(index, when):
        least = index.least_line(np.flatnonzero(truth))[rows]
        found = np.where(found == NO_LINE, least, found)
    return np.where(found == NO_LINE, index.first_line[rows], found)


def quantities(index: Index, rows: Numbers, when: Condition, action: Action) -> Numbers:
    """Pieces that a rule of this condition gives to each of these orders, MOST_PIECES at most."""
    if not action.per:
        return np.full(len(rows), action.quantity, np.int64)
    steps = np.minimum(_bought(index, when)[rows] // action.per, MOST_PIECES)
    given: Numbers = np.minimum(steps * action.quantity, MOST_PIECES)
    return given


def _bought(index: Index, when: Condition) -> Numbers:
    """Of every order the pieces of the lines that earn it. A quantity that is missing counts as none."""
    height = index.orders.height
    pieces = index.lines.column(FIELDS["quantity"]).fill_null(0).clip(0).to_numpy()
    found, known = np.zeros(height, np.int64), np.zeros(height, np.bool_)
    for truth in (*_earning_lines(index, when), np.ones(len(pieces), np.bool_)):
        lines = np.flatnonzero(truth)
        summed, there = np.zeros(height, np.int64), np.zeros(height, np.bool_)
        np.add.at(summed, index.place[lines], pieces[lines])
        there[index.place[lines]] = True
        found = np.where(known, found, summed)
        known |= there
    return found


def _earning_lines(index: Index, when: Condition) -> list[Bools]:
    """Which lines meet all that is asked of lines, and which some of it; none where nothing is."""
    wishes = tuple(_wishes(when))
    return index.of_lines((_earning(when) or ALWAYS, Either(wishes))) if wishes else []


def _earning(when: Condition) -> Condition | None:
    """What a condition asks of one line, as a condition on that line; None where it asks nothing."""
    match when:
        case Leaf():
            return when if field_of(when).level == "line" else None
        case Lines("some" | "every", part):
            return part
        case Every(parts):
            own = tuple(found for part in parts if (found := _earning(part)))
            return Every(own) if own else None
        case Either(parts):
            own = tuple(found for part in parts if (found := _earning(part)))
            return Either(own) if own else None
        case _:
            return None


def _wishes(when: Condition) -> Iterator[Condition]:
    """Each thing that it asks of some line."""
    match when:
        case Every(parts) | Either(parts):
            for part in parts:
                yield from _wishes(part)
        case _ if found := _earning(when):
            yield found
