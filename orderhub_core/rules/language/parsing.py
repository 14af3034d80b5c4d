"""From a readable line to the tree: `渠道 = 抖音 且 品类 = 连体衣`, and `分仓 杭州仓`; in English, or mixed.

    condition  parts joined by `or`, those of parts joined by `and`; `not` binds to the one part after it; brackets
    part       field operator value | flag | some/every/no line (condition) | always
    actions    verb argument [× pieces], divided by `;`

A wrong word does not stop the reading where what follows can still be understood: all that is wrong is told at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from orderhub_core.rules.language import deeds
from orderhub_core.rules.language import operators as said
from orderhub_core.rules.language.asking import leaf
from orderhub_core.rules.language.lexing import Sort, Token, Unclosed, tokens
from orderhub_core.rules.language.mistakes import Mistake
from orderhub_core.rules.language.reader import Halt, Reader
from orderhub_core.rules.language.vocabulary import Vocabulary
from orderhub_core.rules.tree import ALWAYS, Action, Condition, Either, Every, Lines, Not

DEEPEST = 60
"""Brackets and negations within each other."""
EXAMPLE = {"en": "channel = douyin", "zh": "渠道 = 抖音"}


class Parsed(NamedTuple):
    """What could be read. Where there are mistakes it is not to be used."""

    when: Condition
    then: tuple[Action, ...]
    mistakes: tuple[Mistake, ...]


def parse_condition(text: str, speech: Vocabulary) -> Parsed:
    return _parsed(text, speech, lambda reader: (_whole(reader), ()))


def parse_actions(text: str, speech: Vocabulary) -> Parsed:
    return _parsed(text, speech, lambda reader: (ALWAYS, deeds.actions(reader)))


def _parsed(text: str, speech: Vocabulary, part: Callable[[Reader], tuple[Condition, tuple[Action, ...]]]) -> Parsed:
    try:
        reader = Reader(text, tokens(text), speech)
    except Unclosed as mark:
        return Parsed(ALWAYS, (), (Mistake(mark.code, (), text, mark.start, mark.start + 1),))
    try:
        when, then = part(reader)
    except Halt:
        when, then = ALWAYS, ()
    return Parsed(when, then, tuple(reader.mistakes))


def _whole(reader: Reader) -> Condition:
    """A condition, and nothing after it."""
    if reader.ended():
        raise reader.halt("empty", reader.here)
    when = _either(reader, 0)
    if not reader.ended():
        raise _stray(reader)
    return when


def _stray(reader: Reader) -> Halt:
    """Something stands where a condition ends."""
    code = {Sort.CLOSE: "stray_bracket", Sort.ARROW: "stray_arrow"}.get(reader.here.sort)
    if code:
        return reader.halt(code, reader.here)
    return reader.halt("expected_more", reader.here, word=reader.here.text)


def _either(reader: Reader, depth: int, of_lines: bool = False) -> Condition:
    parts = [_every(reader, depth, of_lines)]
    while reader.says(said.OR_WORDS):
        parts.append(_every(reader, depth, of_lines))
    return parts[0] if len(parts) == 1 else Either(tuple(parts))


def _every(reader: Reader, depth: int, of_lines: bool) -> Condition:
    parts = [_part(reader, depth, of_lines)]
    while reader.says(said.AND_WORDS):
        parts.append(_part(reader, depth, of_lines))
    return parts[0] if len(parts) == 1 else Every(tuple(parts))


def _part(reader: Reader, depth: int, of_lines: bool) -> Condition:
    first = reader.here
    if depth > DEEPEST:
        raise reader.halt("too_deep", first, most=str(DEEPEST))
    if reader.says(said.NOT_WORDS):
        return Not(_part(reader, depth + 1, of_lines))
    if reader.says(said.ALWAYS_WORDS):
        return ALWAYS
    if reader.takes(Sort.OPEN):
        return _bracketed(reader, depth, of_lines, first)
    which = reader.phrase(said.LINE_PHRASES)
    if which is not None:
        last, opening = reader.before, reader.here
        if of_lines:
            raise reader.halt("lines_in_lines", first, last)
        if not reader.takes(Sort.OPEN):
            raise reader.halt("expected_lines", opening, name=reader.text[first.start : last.end])
        return Lines(which, _bracketed(reader, depth, True, opening))
    if first.sort is Sort.CLOSE and not depth:
        raise reader.halt("stray_bracket", first)
    if first.sort is not Sort.WORD or first.text.lower() in said.RESERVED:
        raise reader.halt("expected_condition", first, example=EXAMPLE[reader.language])
    return leaf(reader, of_lines)


def _bracketed(reader: Reader, depth: int, of_lines: bool, opening: Token) -> Condition:
    inside = _either(reader, depth + 1, of_lines)
    if reader.takes(Sort.CLOSE):
        return inside
    if reader.here.sort in (Sort.END, Sort.ARROW):
        raise reader.halt("unclosed_bracket", opening)
    raise reader.halt("expected_more", reader.here, word=reader.here.text)
