"""A line of the language as tokens. Full-width punctuation counts as its ASCII twin."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import NamedTuple

from orderhub_core.rules.language.values import Misread


class Sort(Enum):
    WORD = auto()
    QUOTED = auto()
    SIGN = auto()
    OPEN = auto()
    CLOSE = auto()
    COMMA = auto()
    SEMICOLON = auto()
    ARROW = auto()
    TIMES = auto()
    END = auto()


class Token(NamedTuple):
    sort: Sort
    text: str
    """What it says: of a quoted one without the marks; a sign made narrow."""
    start: int
    end: int


class Unclosed(Misread):
    """A quotation mark without its twin, at `start`."""

    def __init__(self, start: int) -> None:
        super().__init__("unclosed_quote")
        self.start = start


_DATED = r"\d{4}-\d{1,2}-\d{1,2} +\d{1,2}[:：]\d{2}[^\s，,；;()（）]*"
"""A day and a time with a blank between them are one word."""
_TOKEN = re.compile(
    r"(?P<SKIP>\s+)"
    r"|(?P<ARROW>->|=>|→|⇒|－＞|＝＞)"
    r"|(?P<SIGN>[!！][=＝]|[<＜][>＞]|[<>＜＞][=＝]|[=＝]{1,2}|[<>＜＞≤≥≠])"
    r'|"(?P<ASCII>(?:[^"\\]|\\.)*)"|“(?P<CURLY>[^”]*)”|「(?P<CORNER>[^」]*)」'
    r'|(?P<MARK>["“「])'
    r"|(?P<OPEN>[(（])|(?P<CLOSE>[)）])|(?P<COMMA>[,，、])|(?P<SEMICOLON>[;；])|(?P<TIMES>[×*＊])"
    rf"|(?P<DATED>{_DATED})"
    r"|(?P<WORD>(?:(?!->|=>|－＞|＝＞)[^\s=＝<>＜＞≤≥≠→⇒\"“「(（)）,，、;；×*＊])+)",
    re.DOTALL,
)
_NARROW = str.maketrans("！＝＜＞", "!=<>")
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}


def tokens(text: str) -> list[Token]:
    """With an END after the last. Raises Unclosed."""
    found: list[Token] = []
    for match in _TOKEN.finditer(text):
        sort, start, end = match.lastgroup or "", match.start(), match.end()
        if sort == "SKIP":
            continue
        if sort == "MARK":
            raise Unclosed(start)
        if sort == "ASCII":
            inside = re.sub(r"\\(.)", lambda escape: _ESCAPED.get(escape[1], escape[1]), match[sort], flags=re.DOTALL)
            found.append(Token(Sort.QUOTED, inside, start, end))
        elif sort in ("CURLY", "CORNER"):
            found.append(Token(Sort.QUOTED, match[sort], start, end))
        elif sort == "SIGN":
            found.append(Token(Sort.SIGN, match[sort].translate(_NARROW), start, end))
        else:
            found.append(Token(Sort.WORD if sort == "DATED" else Sort[sort], match[sort], start, end))
    return [*found, Token(Sort.END, "", len(text), len(text))]
