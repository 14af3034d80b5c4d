"""After-sale cases of an order, joined: news of them in any order, twice or in other batches end in the same ones.

What is known is by what a case is about (the channel's id of a line, "" where it says none) and by its number ("" where
that is not told): how much went back, or OPEN. The number is often told by one message and left out by the next; so of
one line a case without a number is one of those that have one.
"""

from __future__ import annotations

from collections.abc import Mapping

from orderhub_core.lifecycle import OPEN_AFTER_SALE, TRANSITIONS
from orderhub_core.model import Axis, Case

OPENING = frozenset(
    event.value
    for edges in TRANSITIONS[Axis.AFTER_SALE].values() for event, after in edges.items() if after in OPEN_AFTER_SALE
)  # fmt: skip
"""What says that a case is open."""
Cases = dict[str, dict[str, int]]
OPEN = -1
"""Nothing went back yet, as far as is known."""


def joined(known: Cases, said: Case) -> Cases:
    """`known` itself, where that says nothing new."""
    there = known.get(said.about, {})
    back = OPEN if said.refunded_minor is None else said.refunded_minor
    if there.get(said.number, OPEN - 1) >= back:
        return known
    return {**known, said.about: {**there, said.number: back}}


def counts(known: Cases, about: str) -> tuple[int, int]:
    """How many cases there are at least, and in how many of them money went back."""
    there = known.get(about, {})
    return _at_least(there), _at_least({number: back for number, back in there.items() if back != OPEN})


def in_all(known: Cases) -> tuple[int, int]:
    """Of a whole order, as of `counts`: a case that is told of no line may be any line's that tells no number."""
    back = {about: {number: back for number, back in some.items() if back != OPEN} for about, some in known.items()}
    return _altogether(known), _altogether(back)


def _altogether(known: Cases) -> int:
    lines = {about: some for about, some in known.items() if about and some}
    numbered = {number for some in lines.values() for number in some}
    unplaced = len(known.get("", {}).keys() - numbered - {""}) - sum(set(some) == {""} for some in lines.values())
    return max(sum(map(_at_least, lines.values())) + max(0, unplaced), min(1, len(known.get("", {}))))


def _at_least(some: Mapping[str, int]) -> int:
    return max(len(some) - ("" in some), min(1, len(some)))
