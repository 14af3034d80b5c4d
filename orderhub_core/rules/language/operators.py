"""The language's own words: operators, joiners and signs in English and Chinese, and which kind of field can be asked
by which operator. What is written first is what is printed; everything else is read as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from orderhub_core.rules.dictionary import Kind
from orderhub_core.rules.tree import Op

Language = Literal["en", "zh"]


class Spoken(NamedTuple):
    en: tuple[str, ...]
    zh: tuple[str, ...]

    def printed(self, language: Language) -> str:
        return self.zh[0] if language == "zh" else self.en[0]


OPERATORS: Mapping[Op, Spoken] = {
    Op.IS: Spoken(("=", "is", "equals"), ("=", "等于", "是", "为")),
    Op.IS_NOT: Spoken(("!=", "is not"), ("!=", "不等于", "不是", "不为")),
    Op.LESS: Spoken(("<", "less than", "under", "before"), ("<", "小于", "少于", "低于", "早于")),
    Op.AT_MOST: Spoken(("<=", "at most"), ("<=", "不超过", "小于等于", "不大于", "不晚于", "至多", "最多")),
    Op.MORE: Spoken((">", "more than", "over", "after"), (">", "大于", "多于", "高于", "超过", "晚于")),
    Op.AT_LEAST: Spoken(
        (">=", "at least", "since"), (">=", "不低于", "大于等于", "不小于", "不少于", "不早于", "至少", "最少", "满")
    ),
    Op.AMONG: Spoken(("in", "is in", "among"), ("属于",)),
    Op.NOT_AMONG: Spoken(("not in", "is not in"), ("不属于", "不在")),
    Op.WITHIN: Spoken(("within", "from"), ("在", "从")),
    Op.CONTAINS: Spoken(("contains",), ("含", "包含", "含有")),
    Op.STARTS_WITH: Spoken(("starts with",), ("开头是", "开头为")),
    Op.IS_KNOWN: Spoken(("is known",), ("已知", "有值", "不为空")),
    Op.IS_MISSING: Spoken(("is missing", "is unknown"), ("缺失", "无值", "未知", "为空")),
}
SIGNS: Mapping[str, Op] = {
    "=": Op.IS,
    "==": Op.IS,
    "!=": Op.IS_NOT,
    "<>": Op.IS_NOT,
    "≠": Op.IS_NOT,
    "<": Op.LESS,
    "<=": Op.AT_MOST,
    "≤": Op.AT_MOST,
    ">": Op.MORE,
    ">=": Op.AT_LEAST,
    "≥": Op.AT_LEAST,
}
"""After full-width signs were made narrow."""
NOT_CONTAINS = Spoken(("does not contain",), ("不含", "不包含"))
"""Read as the negation of CONTAINS."""

PHRASES: Mapping[tuple[str, ...], Op] = {
    tuple(phrase.split()): op for op, spoken in OPERATORS.items() for phrase in (*spoken.en, *spoken.zh)
}
CHINESE = {phrase: op for op, spoken in OPERATORS.items() for phrase in spoken.zh if phrase not in SIGNS}

AND = Spoken(("and", "&&"), ("且", "并且", "而且"))
OR = Spoken(("or", "||"), ("或", "或者"))
NOT = Spoken(("not",), ("非", "并非"))
ALWAYS = Spoken(("always",), ("总是", "所有订单"))
TO = Spoken(("to",), ("到", "至", "~"))
YES = Spoken(("yes", "true"), ("是", "真"))
NO = Spoken(("no", "false"), ("否", "假"))
SOME = Spoken(("some line", "any line"), ("有一行", "任一行", "某行"))
EVERY = Spoken(("every line", "all lines", "each line"), ("每一行", "每行", "所有行"))
NONE = Spoken(("no line",), ("没有一行", "无一行"))
LINES: Mapping[Literal["some", "every", "no"], Spoken] = {"some": SOME, "every": EVERY, "no": NONE}
ARROW = Spoken(("->",), ("→",))
CLAUSES: Mapping[str, Spoken] = {
    "per": Spoken(("per",), ("每",)),
    "total": Spoken(("limit", "total"), ("限量", "共", "总限")),
    "per_day": Spoken(("daily",), ("每日", "每天", "日限")),
    "per_buyer": Spoken(("buyer",), ("每人", "每位买家", "人限")),
}
"""What may stand after a gift's pieces, each with a number: fields of `tree.Action`."""
PARCELS = Spoken(("at most",), ("最多", "至多", "不超过"))
"""What may stand after the way of a split, with a number of parcels: a part of its argument, see `ways`."""

LINE_PHRASES: Mapping[tuple[str, ...], Literal["some", "every", "no"]] = {
    tuple(phrase.split()): which for which, spoken in LINES.items() for phrase in (*spoken.en, *spoken.zh)
}
LONGEST_PHRASE = max(map(len, (*PHRASES, *LINE_PHRASES)))
"""In words."""


def words(*spoken: Spoken) -> frozenset[str]:
    return frozenset(word for one in spoken for word in (*one.en, *one.zh))


AND_WORDS, OR_WORDS, NOT_WORDS = words(AND), words(OR), words(NOT)
ALWAYS_WORDS, TO_WORDS, YES_WORDS, NO_WORDS = words(ALWAYS), words(TO), words(YES), words(NO)
JOINERS = AND_WORDS | OR_WORDS
RESERVED = JOINERS | NOT_WORDS | ALWAYS_WORDS | TO_WORDS
"""Words that stand for themselves only in quotation marks."""

_ORDERED = (Op.LESS, Op.AT_MOST, Op.MORE, Op.AT_LEAST, Op.WITHIN)
_EXACT = (Op.IS, Op.IS_NOT, Op.AMONG, Op.NOT_AMONG)
_KNOWN = (Op.IS_KNOWN, Op.IS_MISSING)
FITTING: Mapping[Kind, tuple[Op, ...]] = {
    Kind.TEXT: (*_EXACT, Op.CONTAINS, Op.STARTS_WITH, *_KNOWN),
    Kind.CHOICE: (*_EXACT, *_KNOWN),
    Kind.NUMBER: (*_EXACT, *_ORDERED, *_KNOWN),
    Kind.MONEY: (*_EXACT, *_ORDERED, *_KNOWN),
    Kind.INSTANT: (*_ORDERED, *_KNOWN),
    Kind.TIME_OF_DAY: (*_ORDERED, *_KNOWN),
    Kind.FLAG: (Op.IS, Op.IS_NOT, *_KNOWN),
}
"""What each kind of field can be asked. An instant is never exactly a given one: a range says what is meant."""


def told(kind: Kind, language: Language) -> str:
    """The operators of a kind, for people."""
    return " ".join(OPERATORS[op].printed(language) for op in FITTING[kind])
