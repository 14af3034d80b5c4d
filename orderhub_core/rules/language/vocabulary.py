"""The words for values: those of the dictionary and the business's own, from word to value and back.

In quotation marks a text stands for itself; without them its word is looked up first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from orderhub_core.rules.actions import VERBS, Verb
from orderhub_core.rules.dictionary import FIELDS, Field, Kind
from orderhub_core.rules.language.operators import Language
from orderhub_core.rules.tree import Rulebook, Word

OWN_WORDS = frozenset(
    [field.name for field in FIELDS.values() if field.kind in (Kind.TEXT, Kind.CHOICE)]
    + [verb.of for verb in VERBS.values() if verb.takes == "name"]
)
"""What a business may have words of its own for."""


class Meanings(NamedTuple):
    """Of one field's values, or of one kind of argument."""

    of_word: Mapping[str, str]
    folded: Mapping[str, str]
    """The same with capitals aside; and every value stands for itself."""
    written: Mapping[Language, Mapping[str, str]]
    """The word of a value, where it has one."""


class Vocabulary(NamedTuple):
    """How values are read and written. Instants without an offset, and days, are meant in `zone`."""

    zone: str
    own: Mapping[str, Mapping[str, str]]
    meanings: dict[str, Meanings]
    """Of fields, and of verbs, that were asked for."""

    def of_field(self, field: Field) -> Meanings:
        if field.name not in self.meanings:
            english = {value: word for word, value in field.spellings.items() if word.isascii()}
            self.meanings[field.name] = _meanings(
                field.words,
                field.spellings,
                self.own.get(field.name, {}),
                english if field.kind is Kind.NUMBER else {},
            )
        return self.meanings[field.name]

    def of_verb(self, verb: Verb) -> Meanings:
        key = f"verb {verb.name}"
        if key not in self.meanings:
            known = FIELDS[verb.of].words if verb.of in FIELDS else {}
            self.meanings[key] = _meanings({**known, **verb.words}, {}, self.own.get(verb.of, {}), {})
        return self.meanings[key]


def vocabulary(words: Iterable[Word] = (), zone: str = Rulebook().zone) -> Vocabulary:
    own: dict[str, dict[str, str]] = {}
    for word in words:
        own.setdefault(word.of, {})[word.word] = word.value
    return Vocabulary(zone, MappingProxyType(own), {})


def of_book(book: Rulebook) -> Vocabulary:
    return vocabulary(book.words, book.zone)


def choices(field: Field, speech: Vocabulary) -> set[str]:
    """All values of a CHOICE."""
    return {*field.words.values(), *speech.own.get(field.name, {}).values()}


def _meanings(
    words: Mapping[str, str], spellings: Mapping[str, str], own: Mapping[str, str], english: Mapping[str, str]
) -> Meanings:
    of_word = {**spellings, **words, **own}
    folded = {value.casefold(): value for value in of_word.values()}
    folded.update((word.casefold(), value) for word, value in of_word.items())
    chinese: dict[str, str] = {}
    for word, value in (*own.items(), *words.items()):
        if of_word[word] == value:
            chinese.setdefault(value, word)
    return Meanings(of_word, folded, {"zh": chinese, "en": english})
