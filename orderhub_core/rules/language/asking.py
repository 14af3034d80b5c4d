"""Reading one condition on one field: `订单金额 >= 299`, `province in (广东省, 湖南省)`, `时刻 在 20:00 到 02:00`."""

from __future__ import annotations

import re
from typing import NamedTuple

from orderhub_core.rules.dictionary import (
    FIELDS,
    Field,
    Kind,
    chinese_prefix,
    lookup,
    measured,
    nearest,
    nearest_field,
    of_subject,
    of_the_line,
)
from orderhub_core.rules.language import operators as said
from orderhub_core.rules.language.lexing import Sort, Token
from orderhub_core.rules.language.reader import Halt, Reader
from orderhub_core.rules.language.values import Misread, fits, read
from orderhub_core.rules.tree import ALWAYS, Condition, Leaf, Not, Op, Scalar

EXAMPLES = {"warehouse": "hangzhou", "sku": "SKU-1"}
RANGES = {Kind.INSTANT: ("2026-11-01", "2026-12-01"), Kind.TIME_OF_DAY: ("20:00", "02:00")}
_WORDED = (Kind.TEXT, Kind.CHOICE)
_ENDS = (Sort.END, Sort.CLOSE, Sort.ARROW)
_LISTS = (Op.AMONG, Op.NOT_AMONG)
_ALONE = (Op.IS_KNOWN, Op.IS_MISSING)
_JOINT = re.compile("并且|而且|或者|且|或")
_HALVES = re.compile("(.+?)(到|至|~)(.+)")


class Asked(NamedTuple):
    op: Op
    negated: bool
    first: Token
    last: Token


_CONTAINS_NOT = {tuple(phrase.split()): True for phrase in (*said.NOT_CONTAINS.en, *said.NOT_CONTAINS.zh)}
_GLUED = sorted((*said.CHINESE, *said.NOT_CONTAINS.zh), key=len, reverse=True)
"""Chinese operators: people write them without a blank before the value, `满299`."""


def leaf(reader: Reader, of_lines: bool) -> Condition:
    """Notes a wrong word and reads on; ALWAYS stands in for what cannot be used. Raises Halt where it cannot go on."""
    _unglue_name(reader)
    name = reader.take()
    field = _measured(reader, name) or _field(reader, name)
    if field and of_lines and field.level != "line":
        reader.note("order_field_in_lines", name, name=name.text)
    if field and field.kind is Kind.FLAG and _ends(reader):
        return Leaf(field.name, Op.IS, (True,))
    if field is None and _ends(reader):
        return ALWAYS
    asked = _operator(reader, field, name)
    known = _fitting(reader, field, asked, name)
    first = reader.here
    op, values = _asked_for(reader, known, asked, name)
    reader.asked = (name.text, reader.before.text) if op is Op.IS else ("", "")
    read_values = tuple(value for value in values if value is not None)
    if known is None or len(read_values) < len(values):
        return ALWAYS
    found = Leaf(known.name, op, read_values)
    try:
        fits(found, known, reader.speech, reader.language)
    except Misread as misread:
        reader.note_misread(misread, first, reader.before)
    return Not(found) if asked.negated else found


def _measured(reader: Reader, name: Token) -> Field | None:
    """`负荷(杭州仓)`; None where the name is none that must be told of what."""
    field = measured(name.text)
    if field is None:
        return None
    opening = reader.here
    if not reader.takes(Sort.OPEN):
        raise _of_what(reader, field, name)
    token = reader.value(name.text)
    subject = read(token.text, FIELDS[field.about], reader.speech, quoted=token.sort is Sort.QUOTED)
    if not reader.takes(Sort.CLOSE):
        raise reader.halt("unclosed_bracket", opening)
    if not subject:
        raise reader.halt("empty_text", token)
    return of_subject(field, str(subject))


def _of_what(reader: Reader, field: Field, name: Token) -> Halt:
    example, own = f"{name.text}({EXAMPLES[field.about]})", of_the_line(field)
    if own is None:
        return reader.halt("needs_subject", name, name=name.text, example=example)
    called = own.zh if reader.language == "zh" else own.name
    return reader.halt("needs_subject_or_line", name, name=name.text, example=example, own=called)


def _ends(reader: Reader) -> bool:
    return reader.here.sort in _ENDS or reader.here.text.lower() in said.JOINERS


def _is_flag(name: str) -> bool:
    field = lookup(name)
    return field is not None and field.kind is Kind.FLAG


def _listed(reader: Reader, word: str) -> str:
    """What `省份 = 广东 或 湖南` should have been."""
    name, value = reader.asked
    return f"{name} {said.OPERATORS[Op.AMONG].printed(reader.language)} ({value}, {word})"


def _field(reader: Reader, name: Token) -> Field | None:
    field = lookup(name.text)
    if field is not None:
        return field
    if joint := chinese_prefix(name.text):
        raise reader.halt("unspaced", name, word=name.text, joint=joint)
    near = nearest_field(name.text)
    if reader.asked[0] and _ends(reader) and not _is_flag(near):
        raise reader.halt("one_of_several", name, word=name.text, example=_listed(reader, name.text))
    reader.note("unknown_field", name, suggestion=near, word=name.text)
    return None


def _operator(reader: Reader, field: Field | None, name: Token) -> Asked:
    _unglue(reader)
    first = reader.here
    if first.sort is Sort.SIGN:
        reader.take()
        return Asked(said.SIGNS[first.text], False, first, first)
    if reader.phrase(_CONTAINS_NOT):
        return Asked(Op.CONTAINS, True, first, reader.before)
    op = reader.phrase(said.PHRASES)
    if op is not None:
        return Asked(op, False, first, reader.before)
    if first.sort is Sort.WORD and first.text.lower() not in said.RESERVED:
        raise reader.halt("unknown_operator", first, suggestion=_nearest_operator(first.text, field), word=first.text)
    example = said.OPERATORS[said.FITTING[field.kind][-1] if field else Op.AMONG].printed(reader.language)
    raise reader.halt("expected_operator", first, name=name.text, example=example)


def _nearest_operator(word: str, field: Field | None) -> str:
    fitting = said.FITTING[field.kind] if field else tuple(Op)
    return nearest(word, [phrase for op in fitting for phrase in (*said.OPERATORS[op].en, *said.OPERATORS[op].zh)])


def _unglue_name(reader: Reader) -> None:
    """`渠道是抖音` as `渠道` and `是抖音`."""
    token = reader.here
    name = "" if lookup(token.text) else chinese_prefix(token.text)
    if name and token.text[len(name) :].startswith(tuple(_GLUED)):
        middle = token.start + len(name)
        rest = Token(Sort.WORD, token.text[len(name) :], middle, token.end)
        reader.replace(Token(Sort.WORD, name, token.start, middle), rest)


def _unglue(reader: Reader) -> None:
    """`满299` as `满` and `299`."""
    token = reader.here
    if token.sort is not Sort.WORD or token.text in said.CHINESE or token.text in said.NOT_CONTAINS.zh:
        return
    for phrase in _GLUED:
        if token.text.startswith(phrase):
            middle = token.start + len(phrase)
            rest = Token(Sort.WORD, token.text[len(phrase) :], middle, token.end)
            reader.replace(Token(Sort.WORD, phrase, token.start, middle), rest)
            return


def _fitting(reader: Reader, field: Field | None, asked: Asked, name: Token) -> Field | None:
    """The field, if it can be asked this."""
    if field is None:
        return None
    fitting = said.FITTING[field.kind]
    listed = asked.op is Op.WITHIN and reader.here.sort is Sort.OPEN
    ranged = asked.op is Op.AMONG and Op.WITHIN in fitting
    if asked.op in fitting or listed or ranged:
        return field
    word = reader.text[asked.first.start : asked.last.end]
    known = said.told(field.kind, reader.language)
    reader.note("unfit_operator", asked.first, asked.last, name=name.text, kind=field.kind, word=word, known=known)
    return None


def _asked_for(reader: Reader, field: Field | None, asked: Asked, name: Token) -> tuple[Op, list[Scalar | None]]:
    """The operator, now that one sees what comes after it, and the values; None for one that is wrong."""
    if asked.op in _ALONE:
        return asked.op, []
    if asked.op in (*_LISTS, Op.WITHIN):
        if reader.here.sort is Sort.OPEN:
            op = Op.NOT_AMONG if asked.op is Op.NOT_AMONG else Op.AMONG
            return op, _list(reader, field, name)
        if asked.op is Op.NOT_AMONG or (field and Op.WITHIN not in said.FITTING[field.kind]):
            raise reader.halt("expected_list", reader.here, name=reader.text[asked.first.start : asked.last.end])
        return Op.WITHIN, _range(reader, field, name)
    return asked.op, [_one(reader, field, name)]


def _list(reader: Reader, field: Field | None, name: Token) -> list[Scalar | None]:
    opening = reader.take()
    values = [_read(reader, field, reader.value(name.text))]
    while reader.takes(Sort.COMMA) or reader.takes(Sort.SEMICOLON) or reader.says(said.OR_WORDS):
        values.append(_read(reader, field, reader.value(name.text)))
    if reader.takes(Sort.CLOSE):
        return values
    if reader.here.sort in (Sort.END, Sort.ARROW):
        raise reader.halt("unclosed_bracket", opening)
    raise reader.halt("expected_more", reader.here, word=reader.here.text)


def _range(reader: Reader, field: Field | None, name: Token) -> list[Scalar | None]:
    token = reader.here
    halves = _HALVES.fullmatch(token.text) if token.sort is Sort.WORD else None
    if halves and not (field and field.kind in _WORDED):
        places = [(token.start + halves.start(part), token.start + halves.end(part)) for part in (1, 2, 3)]
        reader.replace(*(Token(Sort.WORD, halves[part], *places[part - 1]) for part in (1, 2, 3)))
    low = reader.value(name.text)
    if not reader.says(said.TO_WORDS):
        ends = RANGES.get(field.kind if field else Kind.NUMBER, ("100", "300"))
        raise reader.halt("expected_to", low, example=f" {said.TO.printed(reader.language)} ".join(ends))
    high = reader.value(said.TO.printed(reader.language))
    return [_read(reader, field, low), _read(reader, field, high, last=True)]


def _one(reader: Reader, field: Field | None, name: Token) -> Scalar | None:
    token = reader.value(name.text)
    after = reader.here
    if token.sort is Sort.WORD and after.sort is Sort.SIGN and (joint := _JOINT.search(token.text)):
        raise reader.halt("unspaced", token, word=token.text, joint=joint[0])
    numeric = field is not None and field.kind in (Kind.NUMBER, Kind.MONEY)
    if numeric and after.sort is Sort.COMMA and re.match(r"\d{3}", reader.peek().text):
        last = reader.peek()
        raise reader.halt("thousands", token, last, word=reader.text[token.start : last.end])
    return _read(reader, field, token)


def _read(reader: Reader, field: Field | None, token: Token, *, last: bool = False) -> Scalar | None:
    if field is None:
        return None
    try:
        return read(token.text, field, reader.speech, quoted=token.sort is Sort.QUOTED, last=last)
    except Misread as misread:
        reader.note_misread(misread, token)
        return None
