"""English and Chinese. English text is the message id; `locale/zh/*.po` hold the Chinese, read as they are.

No build step: a catalogue edited on disk is what the next process shows. `_` in a notebook is
`i18n.translator(language)`.
"""

from __future__ import annotations

import gettext
import io
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from string import Formatter
from typing import Literal
from unicodedata import east_asian_width

from babel.messages import mofile, pofile
from babel.messages.catalog import Catalog

LANGUAGES = {"en": "English", "zh": "中文"}
LOCALE_DIR = Path(__file__).parent / "locale"
FAILURES = "refusals.po"
"""The catalogue of what failures say."""

Translate = Callable[[str], str]
Named = Callable[[str, str], str]
"""What people call a shop, touchpoint, warehouse or carrier, from that word and its id; see `names`."""
Tile = tuple[str, str, str, str]
"""A figure to show: its name, the value, a remark, and the tone (good, bad or plain)."""
Said = tuple[str, Literal["info", "good", "warn", "bad"]]
"""A remark, and how bad it is."""


@lru_cache
def catalogue(language: str) -> Catalog:
    """All messages of a language, gathered from its .po files: one per page, so that pages do not share a file."""
    merged = Catalog(locale=language)
    for path in sorted((LOCALE_DIR / language).glob("*.po")):
        with path.open("rb") as file:
            for message in pofile.read_po(file, locale=language):
                if message.id and message.string:
                    merged.add(message.id, message.string)
    return merged


@lru_cache
def translator(language: str) -> Translate:
    """A function from English text to the language's; English comes back as it is."""
    if language not in LANGUAGES or language == "en":
        return str
    compiled = io.BytesIO()
    mofile.write_mo(compiled, catalogue(language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled).gettext


def language_of(tr: Translate) -> str:
    """The language that a translator speaks: a catalogue's header is what it has for an empty text."""
    found = re.search(r"^Language: (\w+)", tr(""), re.MULTILINE)
    return found[1] if found else "en"


def by_id(kind: str, known_as: str) -> str:
    """Where ids are to be typed, as on a command line: no other name."""
    return known_as


def form(text: str) -> re.Pattern[str]:
    """Reads a sentence back that was made of this text: what stands in its blanks, up to the end of the sentence or the
    next of several."""
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+?)", re.escape(text)) + "(?=, |; |$)")


class _Kept(str):
    """What stood in a blank, written as it stood there."""

    def __format__(self, spec: str) -> str:
        return str(self)

    def __repr__(self) -> str:
        return str(self)


LONGEST_RETOLD = 1_000
"""Characters: what is longer is nobody's sentence, and takes long to be compared with all of them."""


def retold(said: str, tr: Translate) -> str:
    """What a failure said in English, which is how it is kept, in the reader's language: of what stands in its blanks,
    too, whatever is a failure's. What no failure says, a warehouse's own answer for example, comes back as it was."""
    language = language_of(tr)
    return said if language == "en" or len(said) > LONGEST_RETOLD else _retold(said, language)


@lru_cache(maxsize=4096)
def _retold(said: str, language: str) -> str:
    for text, pieces, meaning in _failures(language):
        if all(piece in said for piece in pieces) and (found := text.fullmatch(said)):
            return meaning.format(
                **{name: _Kept(_retold(given, language)) for name, given in found.groupdict().items()}
            )
    return said


@lru_cache
def _failures(language: str) -> list[tuple[re.Pattern[str], list[str], str]]:
    """Of every sentence of FAILURES what reads it back, what stands between its blanks, and what it means; which says
    most by itself comes first, and which says nothing by itself is none."""
    found = []
    with (LOCALE_DIR / language / FAILURES).open("rb") as file:
        for message in pofile.read_po(file, locale=language):
            text, meaning = str(message.id), str(message.string)
            pieces = [piece for piece, *_ in Formatter().parse(text) if piece]
            if any(map(str.isalpha, "".join(pieces))):
                found.append((_reader(text), pieces, meaning))
    return sorted(found, key=lambda one: -len("".join(one[1])))


def _reader(text: str) -> re.Pattern[str]:
    pattern, known = "", set()
    for piece, name, _, _ in Formatter().parse(text):
        pattern += re.escape(piece)
        if name is not None:
            pattern += f"(?P={name})" if name in known else f"(?P<{name}>.+?)"
            known.add(name)
    return re.compile(pattern, re.DOTALL)


def yuan(minor: int) -> str:
    """Cents as people write them."""
    sign, whole = "-" if minor < 0 else "", abs(minor)
    return f"{sign}{whole // 100:,}.{whole % 100:02d}"


def is_wide(letter: str) -> bool:
    """Whether it takes the room of two Latin letters, as Chinese ones do."""
    return east_asian_width(letter) in "WF"


def choose(asked: str | None, cookie: str | None, accept_language: str | None) -> str:
    """The language to show: what the address asks for, else the last choice, else the browser's, else English."""
    for wish in (asked, cookie):
        if wish in LANGUAGES:
            return wish
    for part in (accept_language or "").split(","):
        tag = part.split(";")[0].strip().lower()[:2]
        if tag in LANGUAGES:
            return tag
    return "en"
