"""Orders take what they need one after the other, each of what those before it have left: the pass itself, on numbers.

Written once, for the two speeds of `speeds`: plain Python over lists, and machine code over arrays, made of these very
functions. So it keeps to what both understand: whole numbers, indexing, loops; and to this one file, whose time stamp
tells whether machine code that was kept is still its own.

An order goes whole to the first of its candidates that has room and every piece. Where none has, and it may be split,
it goes to the fewest places that together have everything; of equally few to the first ones in the order's own
preference, and within them each group of lines to the first place that has it: in the order of the lines, or where
that does not do, those of the most pieces first. Where that fails too, an order that may go in part sends what is
there, a parcel short of its limit so that the rest can follow. Else it takes nothing.

That is quick, and not all that could be tried: of lines that share a SKU some deal may exist that neither order finds,
and of very many places only the first `MOST_CHOICES` choices are tried. The order is short then, or goes in part.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

CLOSED, FULL = -2, -1
"""In the place of a lack's line."""
SUPPLY, CAPACITY = -1, -1
"""In an entry, in the place of its order; of its line."""
NOWHERE = -1
MOST_CHOICES = 10_000
"""Of places for one order: all that there are of thirteen places, or of twenty for four parcels."""

Numbers = Any
"""An array of int64; in plain Python a list of int."""


class Asked(NamedTuple):
    """Orders in the order of their turns, as numbers. Of order `i`, the groups of lines are `groups[i]` up to
    `groups[i + 1]`; of group `g` the lines `lines[g]` up to `lines[g + 1]`; so with candidates and supplies."""

    groups: Numbers
    lines: Numbers
    candidates: Numbers
    supplies: Numbers
    """What has come in by the order's turn. One more entry than orders, as with the others; the last tells of all."""
    sku: Numbers
    """Of each line: a row of the stock."""
    need: Numbers
    """Of each line: pieces."""
    place: Numbers
    """Of each candidate: the warehouse, a column of the stock."""
    gate: Numbers
    """Of each candidate: its capacity counter, or CLOSED."""
    parcels: Numbers
    """Of each order: how many it may go in."""
    partly: Numbers
    """Of each order: 1 where a part may go before the rest."""
    cell: Numbers
    """Of each supply: the cell of the stock, `sku * places + place`."""
    supplied: Numbers
    """Of each supply: pieces; negative where they go."""


class Left(NamedTuple):
    """The counters; they change as orders take from them."""

    stock: Numbers
    """Pieces that may be taken, by cell: what is there less the safety stock, so it may be below zero."""
    floor: Numbers
    """By cell: what `stock` would be if nothing were there."""
    room: Numbers
    """Orders that may still be taken, by gate."""
    places: int


class Taken(NamedTuple):
    """What the pass writes down. Entries and lacks grow; `counts` has how many of each there are."""

    candidate: Numbers
    """Of each line: the candidate that has it, or NOWHERE."""
    parcel: Numbers
    """Of each line: the number of its parcel, from 1; 0 where it goes nowhere."""
    balance: Numbers
    """Of each line: what its cell had left after it."""
    entry_order: Numbers
    """The order, or SUPPLY."""
    entry_line: Numbers
    """The line, or CAPACITY; of a supply its number."""
    entry_counter: Numbers
    """Cell or gate."""
    entry_quantity: Numbers
    entry_left: Numbers
    lack_candidate: Numbers
    lack_line: Numbers
    """The line, FULL or CLOSED."""
    lack_left: Numbers
    counts: Numbers

    @classmethod
    def blank(cls, *, lines: int, entries: int, lacks: int) -> Taken:
        """Room for as many at most."""
        none = np.full(lines, NOWHERE, np.int64)
        sizes = (lines, lines, *[entries] * 5, *[lacks] * 3, 2)
        return cls._make([none, *(np.zeros(size, np.int64) for size in sizes)])


def run(asked: Asked, left: Left, taken: Taken) -> None:
    """Every order in its turn."""
    for order in range(len(asked.parcels)):
        _supply(asked, left, taken, order)
        candidate = _whole(asked, left, taken, order)
        if candidate != NOWHERE:
            _write(asked, left, taken, order, candidate, candidate + 1)
        elif _split(asked, left, taken, order) or _partly(asked, left, taken, order):
            _write(asked, left, taken, order, asked.candidates[order], asked.candidates[order + 1])
    _supply(asked, left, taken, len(asked.parcels))


def _supply(asked: Asked, left: Left, taken: Taken, order: int) -> None:
    """What came in since the turn before. A count never falls below nothing at all."""
    for number in range(asked.supplies[order - 1] if order > 0 else 0, asked.supplies[order]):
        cell = asked.cell[number]
        before = left.stock[cell]
        left.stock[cell] = max(before + asked.supplied[number], left.floor[cell])
        _enter(taken, SUPPLY, number, cell, left.stock[cell] - before, left.stock[cell])


def _whole(asked: Asked, left: Left, taken: Taken, order: int) -> int:
    """The first candidate that takes it all. What those before it lacked is written down."""
    first, end = asked.lines[asked.groups[order]], asked.lines[asked.groups[order + 1]]
    for candidate in range(asked.candidates[order], asked.candidates[order + 1]):
        gate = asked.gate[candidate]
        if gate == CLOSED:
            _lack(taken, candidate, CLOSED, 0)
        elif left.room[gate] <= 0:
            _lack(taken, candidate, FULL, left.room[gate])
        elif _take(asked, left, taken, candidate, first, end):
            return candidate
        else:
            _tell(asked, left, taken, candidate, first, end)
    return NOWHERE


def _take(asked: Asked, left: Left, taken: Taken, candidate: int, first: int, end: int) -> bool:
    """All these lines from one place, or none of them."""
    place = asked.place[candidate]
    for line in range(first, end):
        cell = asked.sku[line] * left.places + place
        have = left.stock[cell] - asked.need[line]
        if have < 0 and asked.need[line] > 0:
            _return(asked, left, taken, first, line)
            return False
        left.stock[cell] = have
        taken.candidate[line] = candidate
        taken.balance[line] = have
    return True


def _return(asked: Asked, left: Left, taken: Taken, first: int, end: int) -> None:
    """What these lines have taken, if they have."""
    for line in range(first, end):
        if taken.candidate[line] != NOWHERE:
            left.stock[asked.sku[line] * left.places + asked.place[taken.candidate[line]]] += asked.need[line]
            taken.candidate[line] = NOWHERE


def _tell(asked: Asked, left: Left, taken: Taken, candidate: int, first: int, end: int) -> None:
    """The lines that a place does not have, each told of what the order's lines before it leave."""
    place = asked.place[candidate]
    for line in range(first, end):
        cell = asked.sku[line] * left.places + place
        have = left.stock[cell]
        for before in range(first, line):
            if asked.sku[before] == asked.sku[line]:
                have -= asked.need[before]
        if have < asked.need[line] and asked.need[line] > 0:
            _lack(taken, candidate, line, max(have, 0))


def _opened(asked: Asked, left: Left, order: int) -> list[int]:
    """The candidates that take anything."""
    return [
        candidate
        for candidate in range(asked.candidates[order], asked.candidates[order + 1])
        if _open(asked, left, candidate)
    ]


def _open(asked: Asked, left: Left, candidate: int) -> bool:
    gate = asked.gate[candidate]
    return bool(gate != CLOSED and left.room[gate] > 0)


def _split(asked: Asked, left: Left, taken: Taken, order: int) -> bool:
    """The fewest candidates that have it all between them: every choice of two in turn, then of three, and so on."""
    opened = _opened(asked, left, order)
    most = min(asked.parcels[order], len(opened), asked.groups[order + 1] - asked.groups[order])
    if most < 2 or not _anywhere(asked, left, taken, order, opened):
        return False
    in_line, by_need = list(range(asked.groups[order], asked.groups[order + 1])), _by_need(asked, order)
    tried = 0
    for size in range(2, most + 1):
        chosen = list(range(size))
        while chosen[0] >= 0 and tried < MOST_CHOICES:
            places = [opened[number] for number in chosen]
            for groups in (in_line, by_need):
                if _dealt(asked, left, taken, order, groups, places):
                    return True
            _next_choice(chosen, len(opened))
            tried += 1
    return False


def _next_choice(chosen: list[int], places: int) -> None:
    """The next choice in lexicographic order; the first number is -1 after the last one."""
    size = len(chosen)
    at = size - 1
    while at >= 0 and chosen[at] == places - size + at:
        at -= 1
    if at < 0:
        chosen[0] = -1
        return
    chosen[at] += 1
    for after in range(at + 1, size):
        chosen[after] = chosen[after - 1] + 1


def _anywhere(asked: Asked, left: Left, taken: Taken, order: int, places: list[int]) -> bool:
    """Whether each group alone is to be had somewhere: where not, no choice of places is worth trying."""
    for group in range(asked.groups[order], asked.groups[order + 1]):
        if not _one_of(asked, left, taken, group, places):
            return False
        _return(asked, left, taken, asked.lines[group], asked.lines[group + 1])
    return True


def _by_need(asked: Asked, order: int) -> list[int]:
    """Its groups, those first that need the most pieces; of equals in the order of the lines."""
    needs = []
    for group in range(asked.groups[order], asked.groups[order + 1]):
        first, end = asked.lines[group], asked.lines[group + 1]
        needs.append((-sum(asked.need[first:end]), group))
    needs.sort()
    return [group for _, group in needs]


def _dealt(asked: Asked, left: Left, taken: Taken, order: int, groups: list[int], places: list[int]) -> bool:
    """These groups, each in its turn, from the first of these candidates that has it; all of the order's, or none."""
    first, end = asked.lines[asked.groups[order]], asked.lines[asked.groups[order + 1]]
    for group in groups:
        if not _one_of(asked, left, taken, group, places):
            _return(asked, left, taken, first, end)
            return False
    _balance(asked, left, taken, first, end)
    return True


def _balance(asked: Asked, left: Left, taken: Taken, first: int, end: int) -> None:
    """What these lines leave where each is taken after those before it, as they are entered."""
    for line in range(first, end):
        left.stock[asked.sku[line] * left.places + asked.place[taken.candidate[line]]] += asked.need[line]
    for line in range(first, end):
        cell = asked.sku[line] * left.places + asked.place[taken.candidate[line]]
        left.stock[cell] -= asked.need[line]
        taken.balance[line] = left.stock[cell]


def _one_of(asked: Asked, left: Left, taken: Taken, group: int, places: list[int]) -> bool:
    """The group from the first of these candidates that has it."""
    first, end = asked.lines[group], asked.lines[group + 1]
    for candidate in places:  # noqa: SIM110  # machine code knows no generators
        if _take(asked, left, taken, candidate, first, end):
            return True
    return False


def _partly(asked: Asked, left: Left, taken: Taken, order: int) -> bool:
    """What is there, from as many places as leave one parcel for the rest: from one after the other, or, where more are
    open than may be used, from that which has the most of it. Whether anything goes."""
    if asked.partly[order] == 0:
        return False
    places, allowed, used = _opened(asked, left, order), asked.parcels[order] - 1, 0
    while len(places) > 0 and used < allowed:
        number = _richest(asked, left, taken, order, places) if len(places) > allowed - used else 0
        if _fill(asked, left, taken, order, places.pop(number)) > 0:
            used += 1
    return used > 0


def _richest(asked: Asked, left: Left, taken: Taken, order: int, places: list[int]) -> int:
    """Which of these candidates has the most pieces of what lies nowhere yet: of equals the first."""
    richest, most = 0, 0
    for number in range(len(places)):
        pieces = _fill(asked, left, taken, order, places[number])
        _empty(asked, left, taken, order, places[number])
        if pieces > most:
            richest, most = number, pieces
    return richest


def _fill(asked: Asked, left: Left, taken: Taken, order: int, candidate: int) -> int:
    """Whatever groups lie nowhere yet and are to be had here. How many pieces: of none nothing goes, as what lies in no
    stock goes with what does, and never alone."""
    pieces = 0
    for group in range(asked.groups[order], asked.groups[order + 1]):
        first, end = asked.lines[group], asked.lines[group + 1]
        if taken.candidate[first] == NOWHERE and _take(asked, left, taken, candidate, first, end):
            pieces += sum(asked.need[first:end])
    if pieces == 0:
        _empty(asked, left, taken, order, candidate)
    return pieces


def _empty(asked: Asked, left: Left, taken: Taken, order: int, candidate: int) -> None:
    """What `_fill` has taken."""
    for group in range(asked.groups[order], asked.groups[order + 1]):
        if taken.candidate[asked.lines[group]] == candidate:
            _return(asked, left, taken, asked.lines[group], asked.lines[group + 1])


def _write(asked: Asked, left: Left, taken: Taken, order: int, first: int, end: int) -> None:
    """The parcels of these candidates, and the entries of what they take."""
    parcel = 0
    from_line, to_line = asked.lines[asked.groups[order]], asked.lines[asked.groups[order + 1]]
    for candidate in range(first, end):
        used = first + 1 == end
        for line in range(from_line, to_line):
            used = used or taken.candidate[line] == candidate
        if not used:
            continue
        parcel += 1
        gate = asked.gate[candidate]
        left.room[gate] -= 1
        _enter(taken, order, CAPACITY, gate, -1, left.room[gate])
        for line in range(from_line, to_line):
            if taken.candidate[line] == candidate:
                taken.parcel[line] = parcel
                if asked.need[line] > 0:
                    cell = asked.sku[line] * left.places + asked.place[candidate]
                    _enter(taken, order, line, cell, -asked.need[line], taken.balance[line])


def _enter(taken: Taken, order: int, line: int, counter: int, quantity: int, left: int) -> None:
    number = taken.counts[0]
    taken.entry_order[number] = order
    taken.entry_line[number] = line
    taken.entry_counter[number] = counter
    taken.entry_quantity[number] = quantity
    taken.entry_left[number] = left
    taken.counts[0] = number + 1


def _lack(taken: Taken, candidate: int, line: int, left: int) -> None:
    number = taken.counts[1]
    taken.lack_candidate[number] = candidate
    taken.lack_line[number] = line
    taken.lack_left[number] = left
    taken.counts[1] = number + 1


PARTS = (
    _enter, _lack, _open, _opened, _return, _take, _tell, _supply, _whole, _next_choice, _one_of, _anywhere, _by_need,
    _balance, _dealt, _split, _empty, _fill, _richest, _partly, _write,
)  # fmt: skip
"""What `run` is made of, from the inside out."""
