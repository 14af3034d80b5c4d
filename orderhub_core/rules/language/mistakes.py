"""What can be wrong with a rule, as data: a code, the words to fill in, and the place in the line; and the sentences
for it in the reader's language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from orderhub_core.i18n import Translate, is_wide

MISTAKES: Mapping[str, str] = {
    "empty": "nothing is written here; write a condition, or `always`",
    "unclosed_quote": "this quotation mark is never closed",
    "unclosed_bracket": "this bracket is never closed",
    "stray_bracket": "this bracket was never opened",
    "too_deep": "more than {most} brackets within each other; break the rule up into several",
    "expected_condition": "a condition is expected here, such as `{example}`",
    "expected_operator": "after the field {name} an operator is expected, such as = or {example}",
    "expected_value": "a value is expected after {name}",
    "expected_list": "after {name} a list in brackets is expected, such as (a, b)",
    "expected_to": "a range needs both ends: {example}",
    "expected_lines": "after {name} a condition on lines is expected, in brackets",
    "expected_more": "{word} cannot stand here; join conditions by `and` or `or`, and put a value of several words in "
    "quotation marks",
    "one_of_several": "{word} is no condition; to ask for one of several values write {example}",
    "stray_arrow": "the action stands in a place of its own; only a condition is expected here",
    "expected_action": "an action is expected here, such as `{example}`",
    "unspaced": "{word} seems to hold several words; put blanks around {joint}",
    "unknown_field": "there is no field {word}",
    "unknown_operator": "there is no operator {word}",
    "unknown_verb": "there is no action {word}",
    "unknown_value": "{name} has no value {word}; it has: {known}",
    "unfit_operator": "{name} is {kind}: it cannot be asked for by {word}; what it can: {known}",
    "bad_number": "{word} is no number, which {name} needs",
    "bad_amount": "{word} is no amount; write it like 299 or 299.00",
    "thousands": "{word} seems to be split by a comma; write amounts without one, like 1299.00",
    "too_many_decimals": "{word} has more decimals than {name} has: {most}",
    "too_large": "{word} is too large",
    "bad_instant": "{word} is no time; write it like 2026-11-01T20:00+08:00, or 2026-11-01",
    "unclear_instant": "{word} comes twice or never in the zone {zone}; add the offset, like {word}+08:00",
    "bad_time_of_day": "{word} is no time of day; write it like 20:00",
    "bad_flag": "{word} is neither yes nor no, which {name} needs",
    "bad_value": "{word} is not what {name} holds: {kind}",
    "empty_text": "an empty text cannot be asked for; write `is missing`",
    "empty_window": "no value lies in the range from {low} up to {high}",
    "wrong_count": "{name} takes {count} here, not {given}",
    "needs_subject": "{name} must be told of what: write {example}",
    "needs_subject_or_line": "{name} must be told of what: write {example}, or {own} for that of each line's own",
    "order_field_in_lines": "{name} belongs to the whole order and cannot stand in a condition on lines",
    "lines_in_lines": "a condition on lines cannot stand within another one",
    "no_argument": "the action {name} needs to know what: write it after {name}",
    "no_quantity": "the action {name} takes no number of pieces",
    "bad_quantity": "{word} is no number of pieces; write a whole number from 1 to {most}",
    "bad_limit": "{word} is no such number; write a whole number from 1 to {most}",
    "clause_twice": "{word} is said twice of one gift",
    "bad_parcels": "{word}: a rule may allow {least} to {most} parcels; to keep the order in one, write `split never`",
    "never_several": "an order that is never split goes in one parcel; leave the number of parcels out",
    "bad_priority": "{word} is no number of points; write a whole number from -{most} to {most}",
    "too_few_parts": "`either` joins no condition here, and would never hold",
    "not_toml": "this is not TOML: {reason}",
    "unknown_key": "there is no key {word}; docs/rules.md shows how it is written, and the keys are: {known}",
    "missing_key": "the key {word} is missing",
    "wrong_type": "{word} must be {kind}",
    "unknown_sort": "{word} is none of: {known}",
    "bad_action": "an action is a table with a verb, an argument (both text) and, if need be, a whole quantity",
    "unknown_zone": "there is no time zone {word}; write one like Asia/Shanghai",
    "unknown_match": "match is {word}; it must be first or all",
    "otherwise_of_all": "`otherwise` belongs to a group in which the first rule decides; this one has match = all",
    "of_parcels": "{word} is known of parcels only: put the rule in a group `[[parcels]]`",
    "not_of_parcels": "{word} cannot be done to one parcel of an order; what can: {known}. For all else the order is "
    "asked, in `[[groups]]`",
    "no_action": "it wants nothing done: write an action in `then`",
    "twice": "the name {word} stands twice; decisions are kept by name",
    "reserved": "the name {word} is the hub's own; choose another one",
    "bad_name": "{word} is no good name",
    "name_empty": "a name is empty",
    "unknown_word_of": "words cannot be given for {word}",
    "word_taken": "the word {word} stands for {value} already",
    "unspeakable": "the word {word} needs quotation marks, and would stand for itself then; choose one without blanks",
}
"""English; `locale/zh/rules.po` has the Chinese."""

KINDS: Mapping[str, str] = {
    "text": "a text",
    "choice": "one of its words",
    "number": "a number",
    "money": "an amount",
    "instant": "a time",
    "time of day": "a time of day",
    "flag": "yes or no",
    "list": "a list",
    "table": "a table",
    "groups": "tables `[[groups]]`, each with name, match and rules",
    "parcels": "tables `[[parcels]]`, each with name, match and rules",
    "group": "a table `[[groups]]` (of parcels `[[parcels]]`) with name, match and rules",
    "rules": "tables `[[groups.rules]]` (of parcels `[[parcels.rules]]`), each with name, when and then",
    "rule": "a table `[[groups.rules]]` (of parcels `[[parcels.rules]]`) with name, when and then",
    "list of values": "a list of texts, numbers, times, and true or false",
    "line": "a rule's text or a table",
    "colloquial": "it is written as people talk; write a term",
    "spaces": "it has blanks in it",
    "capitals": "it has capitals in it; names are told apart by them",
    "signs": "it may only hold letters, digits, - and _",
    "digits": "it must begin with a letter",
    "long": "it is longer than 64 characters",
}
"""What stands in the blanks `kind` and `why`, translated as well."""

NEAREST = "the nearest is {word}"
_TRANSLATED = ("kind", "why")


class Mistake(NamedTuple):
    """One thing that is wrong. `place` names the rule and the part of it, `text` is what was written there, in which
    the characters from `start` up to `end` are meant."""

    code: str
    blanks: tuple[tuple[str, str], ...] = ()
    text: str = ""
    start: int = 0
    end: int = 0
    suggestion: str = ""
    """What might have been meant."""
    place: tuple[str, ...] = ()

    @property
    def column(self) -> int:
        """Counted from 1; 0 where no line is at fault."""
        return self.start + 1 if self.text else 0


def sentence(mistake: Mistake, tr: Translate) -> str:
    """What is wrong and how to mend it, without the place."""
    blanks = {name: tr(KINDS[word]) if name in _TRANSLATED else word for name, word in mistake.blanks}
    told = tr(MISTAKES[mistake.code]).format(**blanks)
    if "why" in blanks:
        told += tr(": ") + blanks["why"]
    if mistake.suggestion:
        told += tr("; ") + tr(NEAREST).format(word=mistake.suggestion)
    return told


def lines(mistake: Mistake, tr: Translate) -> list[str]:
    """The sentence with its place, and below it the line and a mark under the word."""
    place = tr(", ").join([*mistake.place, *([tr("column {n}").format(n=mistake.column)] if mistake.column else [])])
    told = [f"{place}{tr(': ') if place else ''}{sentence(mistake, tr)}"]
    if mistake.text:
        text = "".join(" " if char.isspace() else char for char in mistake.text)
        before, marked = text[: mistake.start], text[mistake.start : mistake.end]
        told += [f"  {text}", f"  {' ' * _width(before)}{'^' * max(1, _width(marked))}"]
    return told


def told(mistakes: Iterable[Mistake], tr: Translate) -> str:
    return "\n".join(line for mistake in mistakes for line in lines(mistake, tr))


def _width(text: str) -> int:
    """Columns that a terminal needs for it: a Chinese character takes two."""
    return sum(2 if is_wide(char) else 1 for char in text)
