"""Reasons of decisions in another language than that in which they are kept, which is English, and without a book's own
words: what is kept must be understood when they have changed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orderhub_core.errors import UserMistake
from orderhub_core.i18n import Translate, language_of
from orderhub_core.rules.compile import field_of
from orderhub_core.rules.decide import NO_RULE
from orderhub_core.rules.dictionary import Field, Kind
from orderhub_core.rules.language.operators import NO, NOT, OPERATORS, TO, YES
from orderhub_core.rules.language.parsing import parse_condition
from orderhub_core.rules.language.printing import name_of, print_condition
from orderhub_core.rules.reason import BETWEEN, NO_CONDITION
from orderhub_core.rules.spoken import NONE
from orderhub_core.rules.tree import Leaf, Lines, Not, Op
from orderhub_core.rules.wording import speech

_OF_LINES = re.compile(r"(?P<which>some|no|not every|every) line: (?P<asked>.+?)(?: \((?P<told>[a-z_]+: .*)\))?")
_KNOWN = re.compile(r"(?P<name>\w+(?:\([^()]*\))?) is known: (?P<own>.*)")
_BARE = re.compile(r"(?P<name>\w+(?:\([^()]*\))?) (?P<op>is missing|=)(?: (?P<own>.*))?")
_COMPARED = re.compile(
    r"(?P<name>\w+(?:\([^()]*\))?) (?P<own>.*?) (?P<negated>not )?"
    r"(?P<op>not in|in|within|contains|starts with|!=|<=|>=|<|>) (?P<wanted>.*)"
)
_MORE = re.compile(r", and (\d+) more$")


def parts(reason: str, tr: Translate) -> list[str]:
    """What a reason consists of; what is no condition comes back as it was."""
    return list(_parts(reason)) if language_of(tr) == "en" else [_reworded(part, tr) for part in _parts(reason)]


def _parts(reason: str) -> Iterator[str]:
    """What lines have stands in brackets, with the same sign between as between conditions."""
    whole = ""
    for part in reason.split(BETWEEN):
        whole = f"{whole}{BETWEEN}{part}" if whole else part
        opened = " line: " in whole and re.search(r" \([a-z_]+: ", whole)
        if not opened or whole.endswith(")"):
            yield whole
            whole = ""
    if whole:
        yield whole


def _reworded(part: str, tr: Translate) -> str:
    if part in (NO_RULE, NO_CONDITION):
        return tr(part)
    if found := _OF_LINES.fullmatch(part):
        return _of_lines(found["which"], found["asked"], found["told"] or "", tr) or part
    for form in (_KNOWN, _BARE, _COMPARED):
        found = form.fullmatch(part)
        field = _field(found["name"]) if found else None
        if found and field:
            return _of_order(field, found.groupdict(), tr)
    return part


def _of_lines(which: str, asked: str, told: str, tr: Translate) -> str:
    """Empty where the condition cannot be read any more."""
    read = parse_condition(asked, speech("UTC"))
    if read.mistakes:
        return ""
    negated = which.startswith("not ")
    about = Lines(which.removeprefix("not "), read.when)  # type: ignore[arg-type]
    said = print_condition(Not(about) if negated else about, speech("UTC"), "zh")
    values = [_value(one, tr) for one in told.split(BETWEEN)] if told else []
    return tr("{what} ({remark})").format(what=said, remark=tr("; ").join(values)) if values else said


def _value(told: str, tr: Translate) -> str:
    name, _, values = told.partition(": ")
    field = _field(name)
    return f"{_called(field)}{tr(': ')}{_own(field, values, tr)}" if field else told


def _of_order(field: Field, found: dict[str, str | None], tr: Translate) -> str:
    name, own, op = _called(field), _own(field, found.get("own") or "", tr), found.get("op")
    if op is None:
        return f"{name} {OPERATORS[Op.IS_KNOWN].printed('zh')}{tr(': ')}{own}"
    verb = OPERATORS[Op(op)].printed("zh")
    if found.get("wanted") is None:
        return f"{name} {verb} {own}".rstrip()
    wanted, more = _MORE.sub("", found["wanted"] or ""), _MORE.search(found["wanted"] or "")
    if op == Op.WITHIN:
        wanted = wanted.replace(f" {TO.printed('en')} ", f" {TO.printed('zh')} ")
    wanted = _own(field, wanted, tr)
    if more:
        wanted = tr("{listed}, and {n} more").format(listed=wanted, n=more[1])
    return f"{name} {own} {NOT.printed('zh') if found.get('negated') else ''}{verb} {wanted}"


def _own(field: Field, values: str, tr: Translate) -> str:
    """Values as a reader calls them."""
    if field.kind is Kind.FLAG:
        words = {YES.printed("en"): YES.printed("zh"), NO.printed("en"): NO.printed("zh")}
    else:
        english, chinese = (speech("UTC").of_field(field).written[language] for language in ("en", "zh"))
        words = {english.get(value, str(value)): word for value, word in chinese.items()}
    return tr(", ").join(tr(one) if one == NONE else words.get(one, one) for one in values.split(", "))


def _field(name: str) -> Field | None:
    try:
        return field_of(Leaf(name, Op.IS_KNOWN))
    except UserMistake:
        return None


def _called(field: Field) -> str:
    return name_of(field, speech("UTC"), "zh")
