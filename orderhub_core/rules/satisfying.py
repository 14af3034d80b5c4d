"""Whether any order at all can meet some conditions together: found by trying the values that matter.

Each condition is wanted true, false, not true or not false: with missing values these are four different things. A
truth table over the fields' values would have no end, but the leaves of a field only tell apart finitely many of
them: those named in the leaves, their neighbours, one that no leaf names, and a missing one. Trying these is exact
for numbers, amounts, instants, times of day, flags and whole texts; of texts that contain or start with something, one
that is put together of all the pieces asked for is tried.

Of an order without lines nothing is known of its lines: what is to be true or false of them takes at least one.

Law: what is called impossible, no order meets. The converse holds unless more than `MOST_BRANCHES` ways were to be
tried, or a sum over the lines was asked for, which is tried as if it were told on its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from itertools import islice
from typing import Literal, NamedTuple, cast

from orderhub_core.rules.compile import EPOCH, MICROSECOND, compared
from orderhub_core.rules.dictionary import FIELDS, Field, Kind
from orderhub_core.rules.language.values import DAY, LARGEST
from orderhub_core.rules.tree import Condition, Either, Every, Leaf, Lines, Not, Op, Scalar

MOST_BRANCHES = 500
_APART = "\ue000"
"""Keeps pieces of a text apart; nobody writes it."""
_NEW = "\ue001"
"""A text that no leaf names."""


class Want(Enum):
    TRUE = "true"
    FALSE = "false"
    NOT_TRUE = "not true"
    NOT_FALSE = "not false"


_NEGATED = {
    Want.TRUE: Want.FALSE,
    Want.FALSE: Want.TRUE,
    Want.NOT_TRUE: Want.NOT_FALSE,
    Want.NOT_FALSE: Want.NOT_TRUE,
}
"""What is wanted of a part whose negation is wanted so."""
_ALL_NEEDED = (Want.TRUE, Want.NOT_FALSE)
"""Wanted of a conjunction, all its parts must be so; else one suffices. Of a disjunction the other way round."""
_MET_BY_UNKNOWN = (Want.NOT_TRUE, Want.NOT_FALSE)


class Wish(NamedTuple):
    what: Condition
    want: Want


class Demand(NamedTuple):
    """A leaf or a condition on lines, at the end of a branch."""

    what: Leaf | Lines
    want: Want


class Example(NamedTuple):
    """An order, or a line, that meets what was wished. Fields that do not matter are missing."""

    values: Mapping[str, Scalar | None]
    lines: tuple[Example, ...] = ()


def possible(wishes: Sequence[Wish]) -> bool:
    """Whether one order can meet all of them. True where too much would have to be tried."""
    return example(wishes) is not None


def example(wishes: Sequence[Wish], *, of_lines: bool = False) -> Example | None:
    """One that meets all of them; None if none does. Where too much would have to be tried, one that knows nothing."""
    tried = 0
    for branch in islice(_branches(wishes), MOST_BRANCHES):
        tried += 1
        found = _meeting(branch, of_lines)
        if found is not None:
            return found
    return Example({}) if tried == MOST_BRANCHES else None


def _branches(wishes: Sequence[Wish]) -> Iterator[list[Demand]]:
    """Every way to meet all wishes, as leaves and conditions on lines that must be met together."""
    open_ways: list[tuple[list[Wish], list[Demand]]] = [(list(reversed(wishes)), [])]
    while open_ways:
        pending, demands = open_ways.pop()
        while pending:
            what, want = pending.pop()
            match what:
                case Leaf() | Lines():
                    demands.append(Demand(what, want))
                case Not(part):
                    pending.append(Wish(part, _NEGATED[want]))
                case Every(parts) | Either(parts):
                    wanted = [Wish(part, want) for part in reversed(parts)]
                    if isinstance(what, Every) == (want in _ALL_NEEDED):
                        pending += wanted
                    else:
                        open_ways += [([*pending, wish], list(demands)) for wish in wanted]
                        break
        else:
            yield demands


def _meeting(branch: list[Demand], of_lines: bool) -> Example | None:
    of_fields: dict[str, list[Demand]] = {}
    on_lines: list[Demand] = []
    for demand in branch:
        if isinstance(demand.what, Leaf) and (of_lines or FIELDS[demand.what.field].level != "line"):
            of_fields.setdefault(demand.what.field, []).append(demand)
        else:
            on_lines.append(demand)
    values: dict[str, Scalar | None] = {}
    for name, demands in of_fields.items():
        fitting = _fitting(name, demands)
        if not fitting:
            return None
        values[name] = fitting[0]
    lines = _lines(on_lines)
    return None if lines is None else Example(values, lines)


def _lines(demands: Sequence[Demand]) -> tuple[Example, ...] | None:
    """Lines that together meet all demands: none at all where that is enough; None if there are no such."""
    if all(demand.want in _MET_BY_UNKNOWN for demand in demands):
        return ()
    some: list[Wish] = []
    every: list[Wish] = []
    for demand in demands:
        one_line, wish = _of_line(demand)
        (some if one_line else every).append(wish)
    # Any number of lines can meet what is wanted of all; each that is wanted of one line must meet that, too.
    wanted = [[wish, *every] for wish in some] or [every]
    found = [line for wishes in wanted if (line := example(wishes, of_lines=True)) is not None]
    return tuple(found) if len(found) == len(wanted) else None


def _of_line(demand: Demand) -> tuple[bool, Wish]:
    """What is wanted of one line (True), or of every one."""
    which: Literal["some", "every", "no"]
    if isinstance(demand.what, Leaf):
        which, part = "some", cast(Condition, demand.what)
    else:
        which, part = demand.what.which, demand.what.part
    want = demand.want if which != "no" else _NEGATED[demand.want]
    one_line = (which != "every") == (want in _ALL_NEEDED)
    return one_line, Wish(part, want)


def _fitting(name: str, demands: Sequence[Demand]) -> list[Scalar | None]:
    """A value that meets all demands, if there is one."""
    asked = [(cast(Leaf, demand.what), demand.want) for demand in demands]
    for value in _candidates(FIELDS[name], asked):
        if all(_met(truth(leaf, value), want) for leaf, want in asked):
            return [value]
    return []


def _met(truth: bool | None, want: Want) -> bool:
    match want:
        case Want.TRUE:
            return truth is True
        case Want.FALSE:
            return truth is False
        case Want.NOT_TRUE:
            return truth is not True
        case Want.NOT_FALSE:
            return truth is not False


def holds(condition: Condition, of: Example, *, of_line: bool = False) -> bool | None:
    """A condition of one example: true, false, or None where a missing value leaves it open."""
    match condition:
        case Leaf(field) if FIELDS[field].level == "line" and not of_line:
            return holds(Lines("some", condition), of)
        case Leaf(field):
            return truth(condition, of.values.get(field))
        case Every(parts):
            return _negated(_any(_negated(holds(part, of, of_line=of_line)) for part in parts))
        case Either(parts):
            return _any(holds(part, of, of_line=of_line) for part in parts)
        case Not(part):
            return _negated(holds(part, of, of_line=of_line))
        case Lines() if not of.lines:
            return None
        case Lines("every", part):
            return _negated(_any(_negated(holds(part, line, of_line=True)) for line in of.lines))
        case Lines(which, part):
            found = _any(holds(part, line, of_line=True) for line in of.lines)
            return found if which == "some" else _negated(found)


def _any(truths: Iterable[bool | None]) -> bool | None:
    known: bool | None = False
    for each in truths:
        if each:
            return True
        known = None if each is None else known
    return known


def _negated(truth: bool | None) -> bool | None:
    return None if truth is None else not truth


def truth(leaf: Leaf, value: Scalar | None) -> bool | None:
    """Of one condition on a value; None where the value is missing and the condition does not speak of that."""
    if leaf.op in (Op.IS_KNOWN, Op.IS_MISSING):
        return (value is None) == (leaf.op is Op.IS_MISSING)
    return None if value is None else _holds(leaf, value)


def _holds(leaf: Leaf, value: Scalar) -> bool:
    match leaf.op:
        case Op.CONTAINS:
            return str(leaf.values[0]) in str(value)
        case Op.STARTS_WITH:
            return str(value).startswith(str(leaf.values[0]))
        case _:
            return bool(compared(leaf, FIELDS[leaf.field].kind, value, leaf.values))


def _candidates(field: Field, asked: Sequence[tuple[Leaf, Want]]) -> Iterator[Scalar | None]:
    named = dict.fromkeys(value for leaf, _ in asked for value in leaf.values)
    match field.kind:
        case Kind.FLAG:
            yield from (True, False)
        case Kind.INSTANT:
            for moment in cast(Iterable[datetime], named or [EPOCH]):
                yield from (moment, moment - MICROSECOND, moment + MICROSECOND)
        case Kind.NUMBER | Kind.MONEY | Kind.TIME_OF_DAY:
            span = _span(field)
            for number in (*cast(Iterable[int], named), span.start, span.stop - 1):
                yield from (near for near in (number, number - 1, number + 1) if near in span)
        case Kind.TEXT | Kind.CHOICE:
            yield from (*named, _NEW, _put_together(asked))
    yield None


def _span(field: Field) -> range:
    """The numbers that there are: minutes of a day, days of a week, counts, or all."""
    if field.kind is Kind.TIME_OF_DAY:
        return range(DAY)
    numbers = [int(value) for value in field.words.values()]
    if numbers:
        return range(min(numbers), max(numbers) + 1)
    return range(-LARGEST - 1 if field.least is None else field.least, LARGEST + 1)


def _put_together(asked: Sequence[tuple[Leaf, Want]]) -> str:
    """A text that starts with and contains all that is wanted, if one can."""
    wanted = [leaf for leaf, want in asked if want in _ALL_NEEDED]
    starts = [str(leaf.values[0]) for leaf in wanted if leaf.op is Op.STARTS_WITH]
    pieces = [str(leaf.values[0]) for leaf in wanted if leaf.op is Op.CONTAINS]
    return _APART.join([max(starts, key=len, default=""), *pieces, _NEW])
