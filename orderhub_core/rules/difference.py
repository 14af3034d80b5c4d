"""What differs between two versions of a rulebook: rules that came, went, changed or stand elsewhere."""

from __future__ import annotations

from typing import Literal, NamedTuple

from orderhub_core.rules.actions import VERBS
from orderhub_core.rules.booktables import OTHERWISE
from orderhub_core.rules.language.operators import Language
from orderhub_core.rules.language.printing import print_actions, print_rule
from orderhub_core.rules.language.vocabulary import of_book
from orderhub_core.rules.tree import Group, Rule, Rulebook


class Difference(NamedTuple):
    kind: Literal["added", "removed", "changed", "moved", "settings"]
    """`moved`: it says the same, but other rules of its group come before it now.
    `settings`: the zone, the order of the groups, or how a group's rules are matched."""
    group: str
    rule: str
    before: str
    after: str
    """In words; empty where it is not there."""


def differences(before: Rulebook, after: Rulebook, language: Language = "en") -> list[Difference]:
    """In the order of the later book; what went comes last. Empty for books that ask and want the same, and for no
    others: two words of a book that look alike may mean different things."""
    then, now = _rules(before, language), _rules(after, language)
    nothing = _Told((), "")
    found = [
        _difference(key, then.get(key, nothing), rule)
        for key, rule in now.items()
        if then.get(key, nothing).means != rule.means
    ]
    found += [Difference("removed", *key, rule.line, "") for key, rule in then.items() if key not in now]
    return [*_settings(before, after), *found, *_moved(before, after, language)]


class _Told(NamedTuple):
    means: tuple[object, ...]
    line: str


def _difference(key: tuple[str, str], before: _Told, after: _Told) -> Difference:
    return Difference("changed" if before.line else "added", *key, before.line, after.line)


def _rules(book: Rulebook, language: Language) -> dict[tuple[str, str], _Told]:
    speech = of_book(book)
    told = {
        (group.name, rule.name): _Told((rule.when, rule.then), print_rule(rule, speech, language))
        for group in book.every_group
        for rule in group.rules
    }
    for group in book.every_group:
        if group.otherwise:
            line = print_actions(group.otherwise, speech, language)
            told[group.name, OTHERWISE] = _Told(group.otherwise, line)
    return told


def _settings(before: Rulebook, after: Rulebook) -> list[Difference]:
    found = [] if before.zone == after.zone else [Difference("settings", "", "zone", before.zone, after.zone)]
    then, now = ({group.name: _how(group, book) for group in book.every_group} for book in (before, after))
    orders = [", ".join(name for name in names if name in then and name in now) for names in (then, now)]
    if orders[0] != orders[1]:
        found.append(Difference("settings", "", "groups", *orders))
    return found + [
        Difference("settings", name, "match", then[name], match)
        for name, match in now.items()
        if then.get(name, match) != match
    ]


def _how(group: Group, book: Rulebook) -> str:
    """How its rules are matched, and with what, as the file says it."""
    return f"[[parcels]] {group.match}" if group in book.parcels else group.match


def _moved(before: Rulebook, after: Rulebook, language: Language) -> list[Difference]:
    """Rules that stand in another order among those of their group that stayed, where that decides: of rules that all
    act only those want different things of which an order can have one."""
    groups = {group.name: group for group in before.every_group}
    found = []
    for group in after.every_group:
        then = groups.get(group.name)
        if then is None:
            continue
        speech = of_book(after)
        found += [
            Difference("moved", group.name, rule.name, "", print_rule(rule, speech, language))
            for rule in _out_of_order(then, group)
            if group.match == "first" or any(VERBS[action.verb].once for action in rule.then)
        ]
    return found


def _out_of_order(before: Group, after: Group) -> list[Rule]:
    """Rules that an earlier rule of before now comes after."""
    place = {rule.name: number for number, rule in enumerate(before.rules)}
    stayed = [rule for rule in after.rules if rule.name in place]
    return [
        rule
        for number, rule in enumerate(stayed)
        if any(place[later.name] < place[rule.name] for later in stayed[number + 1 :])
    ]
