"""Values as people write them, and as the frames hold them: 299.00 and 29900, 20:00 and 1200, 抖音 and douyin.

Law: what `written` writes, `read` reads as the same value.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import cast
from zoneinfo import ZoneInfo

from orderhub_core.rules.dictionary import Field, Kind, nearest
from orderhub_core.rules.language.operators import FITTING, NO, NO_WORDS, RESERVED, YES, YES_WORDS, Language, told
from orderhub_core.rules.language.vocabulary import Meanings, Vocabulary, choices
from orderhub_core.rules.tree import Leaf, Op, Scalar

LARGEST = 2**63 - 1
DAY = 24 * 60
YEARS = range(1970, 2200)
LISTED = 12
"""Values of a choice that a sentence lists."""
BARE = re.compile(r"[\w./:#%+@&¥-]+")
_NUMBER = re.compile(r"([+-]?)¥?(\d+(?:\.\d+)?)(?:元|块)?")
_INSTANT = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?(Z|[+-]\d\d:?\d\d(?::\d\d)?)?)?"
)
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")


class Misread(Exception):
    """A value or a condition that cannot be: a code of MISTAKES and its blanks."""

    def __init__(self, code: str, suggestion: str = "", **blanks: str) -> None:
        super().__init__(code)
        self.code, self.suggestion, self.blanks = code, suggestion, tuple(blanks.items())


def read(text: str, field: Field, speech: Vocabulary, *, quoted: bool = False, last: bool = False) -> Scalar:
    """The value that is written. `last`: it ends a range, where 24:00 is a time of day. Raises Misread."""
    match field.kind:
        case Kind.TEXT:
            return text if quoted else speech.of_field(field).of_word.get(text, text)
        case Kind.CHOICE:
            return _choice(text, field, speech)
        case Kind.NUMBER | Kind.MONEY:
            return _number(text, field, speech)
        case Kind.INSTANT:
            return _instant(narrow(text), speech.zone)
        case Kind.TIME_OF_DAY:
            return _clock(narrow(text), last)
        case Kind.FLAG:
            return _flag(text, field)


def narrow(text: str) -> str:
    """Full-width digits and signs as ASCII ones."""
    return unicodedata.normalize("NFKC", text)


def listed(values: Iterator[str] | list[str]) -> str:
    known = list(values)
    return ", ".join(known[:LISTED]) + (", …" if len(known) > LISTED else "")


def meant(text: str, meanings: Meanings) -> str | None:
    """The value of a closed set that a word stands for, capitals aside."""
    return meanings.of_word.get(text) or meanings.folded.get(text.casefold())


def _choice(text: str, field: Field, speech: Vocabulary) -> str:
    meanings = speech.of_field(field)
    value = meant(text, meanings)
    if value is None:
        known = choices(field, speech)
        words = meanings.written["zh"].values() if not text.isascii() else sorted(known)
        raise Misread(
            "unknown_value",
            nearest(text, [*meanings.of_word, *known]),
            word=text,
            name=named(field, text),
            known=listed(list(words)),
        )
    return value


def named(field: Field, beside: str) -> str:
    """The field's name in the language of the text that it is mentioned with."""
    return field.name if beside.isascii() else field.zh


def _number(text: str, field: Field, speech: Vocabulary) -> int:
    spelled = meant(text, speech.of_field(field))
    found = _NUMBER.fullmatch(spelled or narrow(text).removesuffix(field.unit))
    if found is None:
        if field.kind is Kind.MONEY:
            raise Misread("bad_amount", word=text)
        raise Misread("bad_number", nearest(text, speech.of_field(field).of_word), word=text, name=named(field, text))
    amount = Decimal(found[1] + found[2])
    if len(found[2]) > 24:
        raise Misread("too_large", word=text)
    scaled = amount.scaleb(field.decimals)
    if scaled != scaled.to_integral_value():
        raise Misread("too_many_decimals", word=text, name=named(field, text), most=str(field.decimals))
    if abs(scaled) > LARGEST:
        raise Misread("too_large", word=text)
    return int(scaled)


def _instant(text: str, zone: str) -> datetime:
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise Misread("bad_instant", word=text)
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    micros = int((found[7] or "").ljust(6, "0"))
    try:
        local = datetime(year, month, day, hour, minute, second, micros)
        if found[8]:
            instant = datetime.fromisoformat(f"{local.isoformat()}{found[8].replace('Z', '+00:00')}").astimezone(UTC)
        else:
            instant = _in_zone(local, zone, text)
    except (ValueError, OverflowError):
        raise Misread("bad_instant", word=text) from None
    if instant.year not in YEARS:
        raise Misread("bad_instant", word=text)
    return instant


def _in_zone(local: datetime, zone: str, text: str) -> datetime:
    early, late = (local.replace(tzinfo=ZoneInfo(zone), fold=fold) for fold in (0, 1))
    if early.utcoffset() != late.utcoffset():
        raise Misread("unclear_instant", word=text, zone=zone)
    return early.astimezone(UTC)


def _clock(text: str, last: bool) -> int:
    found = _CLOCK.fullmatch(text)
    minutes = int(found[1]) * 60 + int(found[2]) if found and int(found[2]) < 60 else -1
    if not 0 <= minutes < DAY + last:
        raise Misread("bad_time_of_day", word=text)
    return minutes


def _flag(text: str, field: Field) -> bool:
    if text.casefold() in YES_WORDS | NO_WORDS:
        return text.casefold() in YES_WORDS
    raise Misread("bad_flag", word=text, name=named(field, text))


def written(value: Scalar, field: Field, speech: Vocabulary, language: Language) -> str:
    """A value as `read` reads it, with quotation marks where it needs them."""
    match field.kind:
        case Kind.TEXT | Kind.CHOICE:
            return word(str(value), speech.of_field(field), language)
        case Kind.NUMBER | Kind.MONEY:
            return speech.of_field(field).written[language].get(str(value)) or _decimal(cast(int, value), field)
        case Kind.INSTANT:
            return moment(cast(datetime, value), speech.zone)
        case Kind.TIME_OF_DAY:
            return "{:02}:{:02}".format(*divmod(cast(int, value), 60))
        case Kind.FLAG:
            return (YES if value else NO).printed(language)


def word(value: str, meanings: Meanings, language: Language) -> str:
    """A text value: its word where it has one, else itself; in quotation marks where it would be read otherwise."""
    own = meanings.written[language].get(value)
    for candidate in (own, value):
        if candidate and meanings.of_word.get(candidate, candidate) == value and bare(candidate):
            return candidate
    return quoted(value)


def bare(text: str) -> bool:
    """Whether it can stand without quotation marks."""
    return bool(BARE.fullmatch(text)) and text.casefold() not in RESERVED


def quoted(text: str) -> str:
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        text = text.replace(plain, escaped)
    return f'"{text}"'


def _decimal(value: int, field: Field) -> str:
    whole, rest = divmod(abs(value), 10**field.decimals)
    sign = "-" if value < 0 else ""
    return f"{sign}{whole}.{rest:0{field.decimals}}" if rest else f"{sign}{whole}"


def moment(value: datetime, zone: str) -> str:
    """To the minute, or as exactly as it needs."""
    local = value.astimezone(ZoneInfo(zone))
    exactness = "microseconds" if local.microsecond else "seconds" if local.second else "minutes"
    return local.isoformat(timespec=exactness)


def fits(leaf: Leaf, field: Field, speech: Vocabulary, language: Language = "en") -> None:
    """Raises Misread for a condition that its field cannot be asked: another operator, a value of another kind, too
    many of them, or a range that holds nothing."""
    name = field.name if language == "en" else field.zh
    if leaf.op not in FITTING[field.kind]:
        raise Misread(
            "unfit_operator", name=name, kind=field.kind, word=leaf.op.value, known=told(field.kind, language)
        )
    counts = {Op.IS_KNOWN: (0, 0), Op.IS_MISSING: (0, 0), Op.WITHIN: (2, 2)}
    least, most = counts.get(leaf.op, (1, len(leaf.values) if leaf.op in (Op.AMONG, Op.NOT_AMONG) else 1))
    if not least <= len(leaf.values) <= max(least, most):
        raise Misread("wrong_count", name=name, count=str(least), given=str(len(leaf.values)))
    for number, value in enumerate(leaf.values):
        _holds(value, field, speech, name, last=leaf.op is Op.WITHIN and number == 1)
    if leaf.op is Op.WITHIN and _empty(leaf.values[0], leaf.values[1], field.kind):
        low, high = (written(value, field, speech, language) for value in leaf.values)
        raise Misread("empty_window", low=low, high=high)


def _empty(low: Scalar, high: Scalar, kind: Kind) -> bool:
    return low == high if kind is Kind.TIME_OF_DAY else low >= high  # type: ignore[operator]  # of one kind, checked


def _holds(value: Scalar, field: Field, speech: Vocabulary, name: str, *, last: bool) -> None:
    if field.kind is Kind.TEXT and value == "":
        raise Misread("empty_text")
    if field.kind is Kind.CHOICE and isinstance(value, str) and value not in choices(field, speech):
        known = sorted(choices(field, speech))
        raise Misread("unknown_value", nearest(value, known), word=value, name=name, known=listed(known))
    if field.kind is Kind.INSTANT and isinstance(value, datetime) and not (value.tzinfo and _in_years(value)):
        raise Misread("bad_instant", word=value.isoformat())
    if not _is_of(value, field.kind, last):
        raise Misread("bad_value", word=str(value), name=name, kind=field.kind)


def _is_of(value: Scalar, kind: Kind, last: bool) -> bool:
    match kind:
        case Kind.TEXT | Kind.CHOICE:
            return isinstance(value, str)
        case Kind.FLAG:
            return isinstance(value, bool)
        case Kind.INSTANT:
            return isinstance(value, datetime)
        case Kind.TIME_OF_DAY:
            return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < DAY + last
        case Kind.NUMBER | Kind.MONEY:
            return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST


def _in_years(value: datetime) -> bool:
    return datetime(YEARS.start, 1, 1, tzinfo=UTC) <= value < datetime(YEARS.stop, 1, 1, tzinfo=UTC) - timedelta(days=1)
