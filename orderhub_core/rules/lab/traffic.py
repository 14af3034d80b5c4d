"""The rules of a book with the traffic of real orders: which are never met, which another one takes the orders of,
which want different things, what each is worth, and whom none of them covers.

Which rules hold of which orders is asked of the index as a decision asks it; every figure is a count of bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from orderhub_core.rules import bits
from orderhub_core.rules.actions import VERBS
from orderhub_core.rules.bits import Bits, Numbers
from orderhub_core.rules.booktables import OTHERWISE
from orderhub_core.rules.compile import conditions
from orderhub_core.rules.index import Index
from orderhub_core.rules.lab.wants import Deed, Planes, Wanted, changed, count, deeds_of, multiples, tallied
from orderhub_core.rules.tree import ALWAYS, Group, Rule, Rulebook

RULES = pl.Schema(
    {
        "group": pl.String(),
        "rule": pl.String(),
        "holds": pl.Int64(),
        "acts": pl.Int64(),
        "worth": pl.Int64(),
        "finding": pl.String(),
        "other": pl.String(),
    }
)
"""One row per rule, and one for each `otherwise`. `holds`: orders that meet its condition; `acts`: those it decides on.
`worth`: orders of which something else would be wanted, were it left out. `finding`: `never_hit`, no order meets it;
`shadowed`, others take every order that it meets, and `other` most of them; `worthless`, it acts and changes nothing;
else empty."""
SHADOWS = pl.Schema({"group": pl.String(), "rule": pl.String(), "other": pl.String(), "orders": pl.Int64()})
"""Orders that a rule of a `first` group meets and that another one, which stands before it, takes."""
OVERLAPS = pl.Schema(
    {
        "group": pl.String(),
        "rule": pl.String(),
        "other_group": pl.String(),
        "other": pl.String(),
        "verb": pl.String(),
        "orders": pl.Int64(),
        "wins": pl.String(),
    }
)
"""Two rules that both hold for orders, and want different things of a verb that can be carried out once. `other` stands
before `rule` in the book. `wins`: what the first of them wants, which holds: in a `first` group only that one acts."""
UNCOVERED = pl.Schema({"group": pl.String(), "orders": pl.Int64(), "otherwise": pl.Boolean()})
"""Orders for which no rule of a `first` group holds, and whether it has an `otherwise` for them. The last row, whose
group is empty: of how many the whole book says nothing."""
NEVER_HIT, SHADOWED, WORTHLESS = "never_hit", "shadowed", "worthless"


class Traffic(NamedTuple):
    rules: pl.DataFrame
    shadows: pl.DataFrame
    overlaps: pl.DataFrame
    uncovered: pl.DataFrame


class Part(NamedTuple):
    """A rule and the orders that it is true of and acts on; of an `otherwise` both are the same."""

    group: Group
    rule: Rule
    holds: Bits
    acts: Bits
    multiples: tuple[Planes, ...]

    @property
    def deeds(self) -> list[Deed]:
        return list(deeds_of(self.rule, self.multiples, self.acts))

    def near(self, some: Numbers) -> Part:
        """Only these bytes of every bitmap."""
        multiples = tuple(tuple(plane[some] for plane in planes) for planes in self.multiples)
        return self._replace(holds=self.holds[some], acts=self.acts[some], multiples=multiples)


def traffic(index: Index, book: Rulebook) -> Traffic:
    """Of all orders of the index, in the order of the book."""
    height = index.orders.height
    parts = _parts(index, book)
    shadows = [row for group in book.groups if group.match == "first" for row in _shadows(group, parts)]
    worths = _worths(parts, height)
    most: dict[str, str] = {}
    for _, rule, other, _ in sorted(shadows, key=lambda row: row[3]):
        most[rule] = other
    rows = [_row(part, worth, most.get(part.rule.name, "")) for part, worth in zip(parts, worths, strict=True)]
    return Traffic(
        pl.DataFrame(rows, schema=RULES, orient="row"),
        pl.DataFrame(shadows, schema=SHADOWS, orient="row"),
        pl.DataFrame(list(_overlaps(parts)), schema=OVERLAPS, orient="row"),
        pl.DataFrame(list(_uncovered(book, parts, height)), schema=UNCOVERED, orient="row"),
    )


def hit_rows(index: Index, book: Rulebook, group: str, rule: str) -> Bits:
    """The orders on which a rule (or the `otherwise` of a group) acts."""
    found = [part.acts for part in _parts(index, book) if (part.group.name, part.rule.name) == (group, rule)]
    return found[0] if found else bits.nowhere(index.orders.height)


def together(index: Index, book: Rulebook, rule: Sequence[str], before: Sequence[str]) -> Bits:
    """The orders of an overlap of two rules, each named by its group and its name."""
    found = [part for name in (before, rule) for part in _parts(index, book)
             if [part.group.name, part.rule.name] == [*name]]  # fmt: skip
    return _meeting(*found) if len(found) == 2 else bits.nowhere(index.orders.height)


def _meeting(before: Part, part: Part) -> Bits:
    """Where both hold, if only the first one acts; else where both act."""
    together = part.group is before.group and part.group.match == "first"
    return part.holds & before.holds if together else part.acts & before.acts


def uncovered_rows(index: Index, book: Rulebook, group: str = "") -> Bits:
    """The orders for which no rule of a group holds; of the whole book, those of which it says nothing."""
    own = [part for part in _parts(index, book) if not group or part.group.name == group]
    covering = [part.acts if not group else part.holds for part in own if not group or part.rule.name != OTHERWISE]
    return _outside(covering, index.orders.height)


def _parts(index: Index, book: Rulebook) -> list[Part]:
    truths, height = iter(index.holds(conditions(book))), index.orders.height
    found: list[Part] = []
    for group in book.groups:
        free = bits.everywhere(height)
        for rule in group.rules:
            holds = next(truths)
            acts = holds & free if group.match == "first" else holds
            found.append(Part(group, rule, holds, acts, multiples(index, rule)))
            free &= ~holds
        if group.match == "first" and group.otherwise:
            last = Rule(OTHERWISE, ALWAYS, group.otherwise)
            found.append(Part(group, last, free, free, multiples(index, last)))
    return found


def _row(part: Part, worth: int, other: str) -> tuple[str, str, int, int, int, str, str]:
    holds, acts = count(part.holds), count(part.acts)
    finding = ""
    if part.rule.name != OTHERWISE:
        finding = NEVER_HIT if not holds else SHADOWED if not acts else "" if worth else WORTHLESS
    return (part.group.name, part.rule.name, holds, acts, worth, finding, other if finding == SHADOWED else "")


def _shadows(group: Group, parts: list[Part]) -> Iterator[tuple[str, str, str, int]]:
    own = [part for part in parts if part.group is group and part.rule.name != OTHERWISE]
    for place, part in enumerate(own):
        for before in own[:place]:
            if orders := count(part.holds & before.acts):
                yield group.name, part.rule.name, before.rule.name, orders


def _overlaps(parts: list[Part]) -> Iterator[tuple[str, str, str, str, str, int, str]]:
    # What stands for the rules that do not hold meets no order that they meet.
    rules = [part for part in parts if any(VERBS[action.verb].once for action in part.rule.then)]
    for place, part in enumerate(rules):
        for before in rules[:place]:
            for verb, wins in _opposed(before.rule, part.rule):
                if orders := count(_meeting(before, part)):
                    yield (part.group.name, part.rule.name, before.group.name, before.rule.name, verb, orders, wins)


def _opposed(before: Rule, rule: Rule) -> Iterator[tuple[str, str]]:
    """Verbs that can be carried out once and are wanted with different arguments, with the argument that stands
    first."""
    wanted = {action.verb: action.argument for action in reversed(before.then) if VERBS[action.verb].once}
    for verb in dict.fromkeys(action.verb for action in rule.then if action.verb in wanted):
        own = next(action.argument for action in rule.then if action.verb == verb)
        if own != wanted[verb]:
            yield verb, wanted[verb]


def _uncovered(book: Rulebook, parts: list[Part], height: int) -> Iterator[tuple[str, int, bool]]:
    for group in book.groups:
        if group.match == "first":
            covering = [part.holds for part in parts if part.group is group and part.rule.name != OTHERWISE]
            yield group.name, count(_outside(covering, height)), bool(group.otherwise)
    yield "", count(_outside([part.acts for part in parts], height)), False


def _outside(covering: list[Bits], height: int) -> Bits:
    everywhere = bits.everywhere(height)
    return everywhere & ~bits.joined(np.bitwise_or, covering) if covering else everywhere


def _worths(parts: list[Part], height: int) -> list[int]:
    """Of each part the orders of which something else is wanted without it."""
    deeds = [deed for part in parts for deed in part.deeds]
    whole = Wanted("", height, tallied(deeds, height))
    return [_worth(parts, place, whole) for place in range(len(parts))]


def _worth(parts: list[Part], place: int, whole: Wanted) -> int:
    """Only the orders on which it acts can change: the others are left out, eight at a time, as they lie in a byte."""
    near = np.flatnonzero(parts[place].acts)
    if not len(near):
        return 0
    fewer = [part.near(near) for part in parts]
    deeds = [deed for part in _without(fewer, place) for deed in part.deeds]
    before = Wanted("", 8 * len(near), {want: tuple(p[near] for p in planes) for want, planes in whole.planes.items()})
    return count(changed(before, Wanted("", before.height, tallied(deeds, before.height))))


def _without(parts: list[Part], place: int) -> Iterator[Part]:
    """The others, as they act without it: in a `first` group the next one that holds takes its orders."""
    left_out = parts[place]
    orphans = left_out.acts
    for number, part in enumerate(parts):
        if number == place:
            continue
        if number > place and part.group is left_out.group and part.group.match == "first":
            # An `otherwise` takes whoever is left.
            heirs = orphans if part.rule.name == OTHERWISE else orphans & part.holds
            part, orphans = part._replace(acts=part.acts | heirs), orphans & ~heirs
        yield part
