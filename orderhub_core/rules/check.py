"""What is doubtful about a rulebook that can be read: rules that never hold or are never reached, and rules that want
different things of one order. No order is needed to see it.

A warning says that the book does not do what it says; a note, that a reader may be misled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Literal, NamedTuple

from orderhub_core import i18n
from orderhub_core.rules.actions import NEVER, VERBS
from orderhub_core.rules.booktables import OTHERWISE
from orderhub_core.rules.dictionary import FIELDS, Kind, nearest
from orderhub_core.rules.language.operators import Language
from orderhub_core.rules.language.printing import print_condition
from orderhub_core.rules.language.vocabulary import Vocabulary
from orderhub_core.rules.of_parcels import on_parcels
from orderhub_core.rules.satisfying import Example, Want, Wish, example, holds, possible
from orderhub_core.rules.tree import (
    ALWAYS,
    Action,
    Condition,
    Either,
    Every,
    Group,
    Leaf,
    Lines,
    Not,
    Op,
    Rule,
    Rulebook,
    leaves,
)

FINDINGS: Mapping[str, str] = {
    "empty": "it has no rule: nothing is decided, and orders go nowhere",
    "unrouted": "it has no rule on orders: parcels are marked, and orders go nowhere",
    "never": "it can never hold: no order meets all of its conditions",
    "never_alone": "it can never hold: no order meets {first}",
    "never_both": "it can never hold: {first} and {second} contradict each other",
    "dead": "it is never reached: {other}, which stands before it, takes every order that it would take",
    "contradicts": "it holds for the same orders as {other}, which stands before it, and wants something else; only "
    "{other} acts",
    "conflict": "it and {other} can hold for the same order, and want different things of the action {verb}",
    "overruled": "it and {other} can hold for the same order; one of them says that it is never to be done, and that "
    "holds over the other's action {verb}",
    "torn": "it wants two different things of the action {verb}",
    "some_other_line": "{first} asks whether some line is different; to ask that none is, write {second}",
    "strange_value": "{first} asks for a value that is not known; the nearest is {second}",
    "gap": "an order for which none of its rules holds is left undecided: it has no `otherwise`",
    "unsent": "it may hold for an order that no rule assigns a warehouse; the hub sends that one nowhere, so that its "
    "action {verb} comes to nothing: assign a warehouse, too",
}
"""English; `locale/zh/rules.po` has the Chinese."""
_NOTES = ("overruled", "some_other_line", "strange_value", "gap", "unsent")
_KEEPS_BACK = ("hold", "approve")
_EXACT = (Op.IS, Op.IS_NOT, Op.AMONG, Op.NOT_AMONG)
_POSITIVE = {Op.IS_NOT: Op.IS, Op.NOT_AMONG: Op.AMONG}


class Finding(NamedTuple):
    code: str
    group: str
    rule: str = ""
    """Empty where the whole group is meant."""
    other: str = ""
    verb: str = ""
    conditions: tuple[Condition, ...] = ()

    @property
    def level(self) -> Literal["warning", "note"]:
        return "note" if self.code in _NOTES else "warning"


def check(book: Rulebook) -> list[Finding]:
    """In the order of groups and rules; those on parcels last."""
    found = _found(book)
    if not book.parcels:
        return found
    beside = [one for one in _found(on_parcels(book)) if one.code not in ("empty", "unsent")]
    return [one._replace(code="unrouted") if one.code == "empty" else one for one in found] + beside


def _found(book: Rulebook) -> list[Finding]:
    rules = [rule for group in book.groups for rule in group.rules]
    examples = {rule.name: example([Wish(rule.when, Want.TRUE)]) for rule in rules}
    found = [finding for group in book.groups for finding in _of_group(group, examples)]
    empty = [] if rules or any(group.otherwise for group in book.groups) else [Finding("empty", "")]
    return [*empty, *found, *_conflicts(book, examples), *_unsent(book)]


def sentence(finding: Finding, speech: Vocabulary, language: Language) -> str:
    """What is doubtful and how to mend it, without the place."""
    conditions = [print_condition(condition, speech, language) for condition in finding.conditions]
    first, second = (*conditions, "", "")[:2]
    verb = VERBS[finding.verb] if finding.verb else None
    name = "" if verb is None else verb.zh if language == "zh" else verb.en
    told = i18n.translator(language)(FINDINGS[finding.code])
    return told.format(first=first, second=second, other=finding.other, verb=name)


Examples = Mapping[str, Example | None]
"""Of each rule an order for which it holds; None where there is none."""


def _of_group(group: Group, examples: Examples) -> Iterator[Finding]:
    reached: list[tuple[Rule, frozenset[str]]] = []
    for rule in group.rules:
        one = examples[rule.name]
        if one is None:
            yield _never(group, rule)
        elif group.match == "first":
            # An order that this rule takes and one before it does not spares all further work on the two.
            one = one if holds(rule.when, one) else None
            asked = _asked(rule.when)
            # A field that this rule leaves open can fail one before it that asks for it.
            near = (
                before for before, fields in reached if fields <= asked and not (one and not holds(before.when, one))
            )
            taken = next((before for before in near if _takes(before.when, rule.when)), None)
            if taken:
                yield _unreached(group, taken, rule)
            else:
                reached.append((rule, asked))
        yield from _torn(group, rule)
        yield from _misleading(group, rule)
        yield from _strange(group, rule)
    if group.match == "first" and _routes(group) and not group.otherwise and not _covers(group):
        yield Finding("gap", group.name)


def _never(group: Group, rule: Rule) -> Finding:
    """With the condition that no order meets, or two that contradict each other, if it takes no more than two."""
    parts = rule.when.parts if isinstance(rule.when, Every) else ()
    for part in parts:
        if not possible([Wish(part, Want.TRUE)]):
            return Finding("never_alone", group.name, rule.name, conditions=(part,))
    for pair in combinations(parts, 2):
        if not possible([Wish(part, Want.TRUE) for part in pair]):
            return Finding("never_both", group.name, rule.name, conditions=pair)
    return Finding("never", group.name, rule.name)


def _takes(before: Condition, when: Condition) -> bool:
    """Whether every order that meets `when` meets `before`."""
    return not possible([Wish(when, Want.TRUE), Wish(before, Want.NOT_TRUE)])


def _asked(condition: Condition) -> frozenset[str]:
    return frozenset(leaf.field for leaf in leaves(condition))


def _unreached(group: Group, before: Rule, rule: Rule) -> Finding:
    opposed = any(_opposed(before.then, rule.then))
    code = "contradicts" if opposed and _takes(rule.when, before.when) else "dead"
    return Finding(code, group.name, rule.name, before.name)


def _opposed(some: Iterable[Action], others: Iterable[Action]) -> Iterator[str]:
    """Verbs that can be carried out once, and are wanted with different arguments."""
    wanted = {action.verb: action.argument for action in others}
    for action in some:
        if VERBS[action.verb].once and wanted.get(action.verb, action.argument) != action.argument:
            yield action.verb


def _torn(group: Group, rule: Rule) -> Iterator[Finding]:
    for one, other in combinations(rule.then, 2):
        for verb in _opposed([one], [other]):
            yield Finding("torn", group.name, rule.name, verb=verb)


def _misleading(group: Group, rule: Rule) -> Iterator[Finding]:
    for leaf in _outside_lines(rule.when):
        if leaf.op in _POSITIVE and FIELDS[leaf.field].level == "line":
            none = Lines("no", Leaf(leaf.field, _POSITIVE[leaf.op], leaf.values))
            yield Finding("some_other_line", group.name, rule.name, conditions=(leaf, none))


def _strange(group: Group, rule: Rule) -> Iterator[Finding]:
    """Values that are probably misspelt, of fields whose usual ones are known."""
    for leaf in leaves(rule.when):
        usual = {*FIELDS[leaf.field].spellings.values()} if FIELDS[leaf.field].kind is Kind.TEXT else set()
        strange = [str(value) for value in leaf.values if usual and leaf.op in _EXACT and value not in usual]
        for value in strange:
            if near := nearest(value, usual):
                asked, meant = (Leaf(leaf.field, Op.IS, (word,)) for word in (value, near))
                yield Finding("strange_value", group.name, rule.name, conditions=(asked, meant))


def _outside_lines(condition: Condition) -> Iterator[Leaf]:
    match condition:
        case Leaf():
            yield condition
        case Every(parts) | Either(parts):
            for part in parts:
                yield from _outside_lines(part)
        case Not(part):
            yield from _outside_lines(part)


def _routes(group: Group) -> bool:
    return any(_assigns(rule.then) for rule in group.rules)


def _assigns(then: Iterable[Action]) -> bool:
    return any(action.verb == "assign_warehouse" for action in then)


def _covers(group: Group) -> bool:
    return any(_takes(rule.when, ALWAYS) for rule in group.rules)


def _conflicts(book: Rulebook, examples: Examples) -> Iterator[Finding]:
    """Between rules that may both act: of different groups, or of one in which all do."""
    acting = [
        (group, rule)
        for group in book.groups
        for rule in group.rules
        if examples[rule.name] and any(VERBS[action.verb].once for action in rule.then)
    ]
    for (group, rule), (later_group, later) in combinations(acting, 2):
        if group is later_group and group.match == "first":
            continue
        verbs = list(_opposed(rule.then, later.then))
        if verbs and possible([Wish(rule.when, Want.TRUE), Wish(later.when, Want.TRUE)]):
            never = {action.verb for action in (*rule.then, *later.then) if action.argument == NEVER}
            torn = [verb for verb in verbs if verb not in never]
            code = "conflict" if torn else "overruled"
            yield Finding(code, later_group.name, later.name, rule.name, (torn or verbs)[0])


def _unsent(book: Rulebook) -> Iterator[Finding]:
    """Rules that keep back an order which is sent nowhere anyway, so that it is not kept back once it is."""
    nowhere = _unassigned(book)
    for group in book.groups:
        earlier: list[Wish] = []
        for rule in (*group.rules, Rule(OTHERWISE, ALWAYS, group.otherwise)):
            verb = next((action.verb for action in rule.then if action.verb in _KEEPS_BACK), "")
            if verb and not _assigns(rule.then) and _sure([Wish(rule.when, Want.TRUE), *earlier, *nowhere]):
                yield Finding("unsent", group.name, rule.name, verb=verb)
            if group.match == "first":
                earlier.append(Wish(rule.when, Want.NOT_TRUE))


def _unassigned(book: Rulebook) -> list[Wish]:
    """What is so of orders that no rule assigns a warehouse; not of all of them: of one that a rule would assign some,
    and another one comes before it, nothing is said."""
    wishes: list[Wish] = []
    for group in book.groups:
        wishes += [Wish(rule.when, Want.NOT_TRUE) for rule in group.rules if _assigns(rule.then)]
        if _assigns(group.otherwise):
            others = tuple(rule.when for rule in group.rules if not _assigns(rule.then))
            wishes.append(Wish(Either(others), Want.TRUE))
    return wishes


def _sure(wishes: Sequence[Wish]) -> bool:
    """Whether an order was found that meets them, and not only too much to be tried."""
    one = example(wishes)
    return one is not None and all((holds(wish.what, one) is True) == (wish.want is Want.TRUE) for wish in wishes)
