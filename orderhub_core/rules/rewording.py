"""Reasons of decisions in another language than that in which they are kept, which is English, and without a book's own
words: what is kept must be understood when they have changed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orderhub_core.errors import UserMistake
from orderhub_core.rules.compile import field_of
from orderhub_core.rules.decide import NO_RULE
from orderhub_core.rules.dictionary import Field, Kind
from orderhub_core.rules.language.operators import NO, OPERATORS, TO, YES, Language
from orderhub_core.rules.language.parsing import parse_condition
from orderhub_core.rules.language.printing import name_of, print_condition
from orderhub_core.rules.reason import BETWEEN, NO_CONDITION
from orderhub_core.rules.tree import Leaf, Lines, Not, Op
from orderhub_core.rules.wording import speech

_WHICH = {"some": "some", "no": "no", "every": "every", "not every": "every"}
_OF_LINES = re.compile(r"(?P<which>some|no|not every|every) line: (?P<asked>.+?)(?: \((?P<told>[a-z_]+: .*)\))?")
_KNOWN = re.compile(r"(?P<name>\w+(?:\([^()]*\))?) is known: (?P<own>.*)")
_BARE = re.compile(r"(?P<name>\w+(?:\([^()]*\))?) (?P<op>is missing|=)(?: (?P<own>.*))?")
_COMPARED = re.compile(
    r"(?P<name>\w+(?:\([^()]*\))?) (?P<own>.*?) (?P<negated>not )?"
    r"(?P<op>not in|in|within|contains|starts with|!=|<=|>=|<|>) (?P<wanted>.*)"
)
_MORE = re.compile(r", and (\d+) more$")
_NOT = "并非"


def parts(reason: str, language: Language) -> list[str]:
    """What a reason consists of; what is no condition comes back as it was."""
    return [part if language == "en" else _reworded(part) for part in _parts(reason)]


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


def _reworded(part: str) -> str:
    if part in (NO_RULE, NO_CONDITION):
        return {NO_RULE: "前面的规则都不成立", NO_CONDITION: "没有条件"}[part]
    if found := _OF_LINES.fullmatch(part):
        return _of_lines(found["which"], found["asked"], found["told"] or "") or part
    for form in (_KNOWN, _BARE, _COMPARED):
        found = form.fullmatch(part)
        field = _field(found["name"]) if found else None
        if found and field:
            return _of_order(field, found.groupdict())
    return part


def _of_lines(which: str, asked: str, told: str) -> str:
    """Empty where the condition cannot be read any more."""
    read = parse_condition(asked, speech("UTC"))
    if read.mistakes:
        return ""
    about = Lines(_WHICH[which], read.when)  # type: ignore[arg-type]
    said = print_condition(Not(about) if which == "not every" else about, speech("UTC"), "zh")
    values = [_value(one) for one in told.split(BETWEEN)] if told else []
    return f"{said}（{'；'.join(values)}）" if values else said


def _value(told: str) -> str:
    name, _, values = told.partition(": ")
    field = _field(name)
    return f"{_called(field)}：{_own(field, values)}" if field else told


def _of_order(field: Field, found: dict[str, str | None]) -> str:
    name, own, op = _called(field), _own(field, found.get("own") or ""), found.get("op")
    if op is None:
        return f"{name} {OPERATORS[Op.IS_KNOWN].printed('zh')}：{own}"
    verb = OPERATORS[Op(op)].printed("zh")
    if found.get("wanted") is None:
        return f"{name} {verb} {own}".rstrip()
    wanted, more = _MORE.sub("", found["wanted"] or ""), _MORE.search(found["wanted"] or "")
    if op == Op.WITHIN:
        wanted = wanted.replace(f" {TO.printed('en')} ", f" {TO.printed('zh')} ")
    wanted = _own(field, wanted) + (f"等，另有 {more[1]} 个" if more else "")
    return f"{name} {own} {_NOT if found.get('negated') else ''}{verb} {wanted}"


def _own(field: Field, values: str) -> str:
    """Values as a reader calls them."""
    if field.kind is Kind.FLAG:
        words = {YES.printed("en"): YES.printed("zh"), NO.printed("en"): NO.printed("zh")}
    else:
        english, chinese = (speech("UTC").of_field(field).written[language] for language in ("en", "zh"))
        words = {english.get(value, str(value)): word for value, word in chinese.items()}
    return "、".join("无" if one == "none" else words.get(one, one) for one in values.split(", "))


def _field(name: str) -> Field | None:
    try:
        return field_of(Leaf(name, Op.IS_KNOWN))
    except UserMistake:
        return None


def _called(field: Field) -> str:
    return name_of(field, speech("UTC"), "zh")
