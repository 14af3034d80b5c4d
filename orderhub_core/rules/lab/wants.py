"""What a rulebook wants of each of many orders, as bitmaps: one for each thing that can be wanted.

Which rule acts on which orders is decided by `decide.hits`, as it is live. Stock, room and quotas are not asked: what
orders want is compared here, not what they would get of each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from orderhub_core.rules import bits
from orderhub_core.rules.actions import MOST_PIECES, NEVER, VERBS
from orderhub_core.rules.bits import Bits, Bools, Numbers
from orderhub_core.rules.decide import hits
from orderhub_core.rules.earning import quantities
from orderhub_core.rules.index import Index
from orderhub_core.rules.tree import Action, Rule, Rulebook

COUNTED = frozenset({"add_gift", "priority"})
"""Of these every rule's share is summed up: pieces of a SKU, points."""
NOTHING = ""
"""The argument of an order of which nothing is wanted."""

Planes = tuple[Bits, ...]
"""One bitmap: the orders of which it is wanted. Several: how much, as binary digits, the lowest first; the highest one
is the sign."""


class Want(NamedTuple):
    """A verb of `actions.VERBS` and its argument; of `priority` the points are the amount, and this is empty."""

    verb: str
    argument: str


class Wanted(NamedTuple):
    version: str
    height: int
    """Orders."""
    planes: Mapping[Want, Planes]

    def arguments(self, verb: str) -> list[str]:
        return sorted(want.argument for want in self.planes if want.verb == verb)

    def of(self, want: Want) -> Planes:
        return self.planes.get(want, (bits.nowhere(self.height),))

    def somehow(self, want: Want) -> Bits:
        """The orders of which it is wanted at all."""
        return bits.joined(np.bitwise_or, self.of(want))


class Deed(NamedTuple):
    """An action, and the orders of which a rule wants it."""

    action: Action
    where: Bits


def wanted(index: Index, book: Rulebook) -> Wanted:
    """Of every order of the index. Times of day are meant in the index's zone, so the book's must be that one."""
    if book.zone != index.zone:
        raise ValueError(f"the rulebook's zone is {book.zone}, that of the orders {index.zone}")
    height = index.orders.height
    deeds = [
        deed
        for hit in hits(index, book)
        for deed in deeds_of(hit.rule, multiples(index, hit.rule), at(hit.rows, height))
    ]
    return Wanted(book.version, height, tallied(deeds, height))


def multiples(index: Index, rule: Rule) -> tuple[Planes, ...]:
    """Of each of its actions how many pieces every order would get of it, as binary digits; of one that always gives
    the same none."""
    rows = np.arange(index.orders.height)
    return tuple(
        _digits(quantities(index, rows, rule.when, action)) if action.per else () for action in rule.then
    )  # fmt: skip


def _digits(amounts: Numbers) -> Planes:
    return tuple(bits.pack((amounts >> place & 1).astype(np.bool_)) for place in range(MOST_PIECES.bit_length()))


def deeds_of(rule: Rule, multiples: Sequence[Planes], where: Bits) -> Iterator[Deed]:
    """What a rule does where it acts: a gift of different sizes is one of each power of two."""
    for action, planes in zip(rule.then, multiples, strict=True):
        if not action.per:
            yield Deed(action, where)
        for place, plane in enumerate(planes):
            yield Deed(Action(action.verb, action.argument, 1 << place), where & plane)


def tallied(deeds: Sequence[Deed], height: int) -> dict[Want, Planes]:
    """What follows from what the rules want, in the order of the book. Of what can be carried out once, the first one
    holds; but `never` splits or merges whatever others say."""
    counted = {want: _blank(want, deeds, height) for want in {_want(deed.action) for deed in deeds}}
    found: dict[Want, list[Bits]] = {want: planes for want, planes in counted.items() if want.verb in COUNTED}
    free: dict[str, Bits] = {}
    for action, where in _in_turn(deeds):
        want = _want(action)
        if want.verb in COUNTED:
            _add(found[want], _amount(action), where)
            continue
        if VERBS[want.verb].once:
            left = free.setdefault(want.verb, bits.everywhere(height))
            where, free[want.verb] = where & left, left & ~where
        found[want] = [where | found[want][0]] if want in found else [where]
    return {want: tuple(planes) for want, planes in found.items()}


def _want(action: Action) -> Want:
    return Want(action.verb, "" if action.verb == "priority" else action.argument)


def _amount(action: Action) -> int:
    return int(action.argument) if action.verb == "priority" else action.quantity


def _in_turn(deeds: Iterable[Deed]) -> list[Deed]:
    def late(deed: Deed) -> bool:
        return NEVER in VERBS[deed.action.verb].words.values() and deed.action.argument != NEVER

    return sorted(deeds, key=late)


def _blank(want: Want, deeds: Iterable[Deed], height: int) -> list[Bits]:
    """Room for the largest sum that there may be, and its sign."""
    if want.verb not in COUNTED:
        return []
    most = sum(abs(_amount(action)) for action, _ in deeds if _want(action) == want)
    return [bits.nowhere(height) for _ in range(most.bit_length() + 1)]


def _add(planes: list[Bits], amount: int, where: Bits) -> None:
    """To the orders at these bits, as an adder of binary digits does it; a negative amount is its two's complement."""
    carry = np.zeros_like(where)
    for place, digit in enumerate(planes):
        other = where if amount >> place & 1 else np.zeros_like(where)
        planes[place] = digit ^ other ^ carry
        carry = (digit & other) | (carry & (digit ^ other))


def at(rows: Numbers, height: int) -> Bits:
    """These rows as a bitmap."""
    there = np.zeros(height, np.bool_)
    there[rows] = True
    return bits.pack(there)


def count(where: Bits) -> int:
    return int(np.bitwise_count(where).sum(dtype=np.int64))


def unlike(some: Planes, others: Planes) -> Bits:
    """The orders at which two amounts differ. The shorter one goes on with its sign."""
    longest = max(len(some), len(others))
    apart = [_digit(some, place) ^ _digit(others, place) for place in range(longest)]
    return bits.joined(np.bitwise_or, apart)


def _digit(planes: Planes, place: int) -> Bits:
    if place < len(planes):
        return planes[place]
    return planes[-1] if len(planes) > 1 else np.zeros_like(planes[0])


def amounts(planes: Planes, height: int) -> Numbers:
    """How much is wanted, per order; of what is not counted 1 or 0."""
    found = np.zeros(height, np.int64)
    for place, digit in enumerate(planes):
        sign = -1 if place == len(planes) - 1 and place else 1
        found += sign * (bits.unpack(digit, height).astype(np.int64) << place)
    return found


def total(planes: Planes) -> int:
    """The sum over all orders."""
    last = len(planes) - 1
    return sum((-1 if place == last and place else 1) * (count(digit) << place) for place, digit in enumerate(planes))


def changed(before: Wanted, after: Wanted, verb: str | None = None) -> Bits:
    """The orders of which something else is wanted; of this verb, or at all."""
    wants = [want for want in before.planes.keys() | after.planes.keys() if verb in (None, want.verb)]
    apart = [unlike(before.of(want), after.of(want)) for want in wants]
    return bits.joined(np.bitwise_or, apart) if apart else bits.nowhere(before.height)


class Choice(NamedTuple):
    """Of each order the one thing that is wanted of a verb."""

    words: list[str]
    """NOTHING, then the arguments."""
    codes: Numbers
    """The place of its word."""


def choice(wanted: Wanted, verb: str, words: Sequence[str] | None = None) -> Choice:
    """Of a verb that can be carried out once. `words`: so that two books have the same codes."""
    known = [NOTHING, *(wanted.arguments(verb) if words is None else words)]
    codes = np.zeros(wanted.height, np.int64)
    for code, argument in enumerate(known[1:], 1):
        codes[unpacked(wanted.of(Want(verb, argument))[0], wanted.height)] = code
    return Choice(known, codes)


def unpacked(where: Bits, height: int) -> Bools:
    return bits.unpack(where, height)
