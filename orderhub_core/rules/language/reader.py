"""Walking along the tokens of a line, and noting what is wrong with it where it stands."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeVar

from orderhub_core.rules.language.lexing import Sort, Token
from orderhub_core.rules.language.mistakes import Mistake
from orderhub_core.rules.language.operators import LONGEST_PHRASE, RESERVED, Language
from orderhub_core.rules.language.values import Misread
from orderhub_core.rules.language.vocabulary import Vocabulary

Meaning = TypeVar("Meaning")


class Halt(Exception):
    """What follows cannot be understood; why is noted."""


class Reader:
    def __init__(self, text: str, found: list[Token], speech: Vocabulary) -> None:
        self.text, self.tokens, self.speech = text, found, speech
        self.at = 0
        self.mistakes: list[Mistake] = []
        self.asked = ("", "")
        """The field and the value of the condition before."""
        self.language: Language = "en" if text.isascii() else "zh"
        """Of what is suggested."""

    def note(self, code: str, first: Token, last: Token | None = None, suggestion: str = "", **blanks: str) -> None:
        end = (last or first).end
        self.mistakes.append(Mistake(code, tuple(blanks.items()), self.text, first.start, end, suggestion))

    def note_misread(self, misread: Misread, first: Token, last: Token | None = None) -> None:
        end = (last or first).end
        self.mistakes.append(Mistake(misread.code, misread.blanks, self.text, first.start, end, misread.suggestion))

    def halt(self, code: str, first: Token, last: Token | None = None, suggestion: str = "", **blanks: str) -> Halt:
        """Note it; the caller raises what comes back."""
        self.note(code, first, last, suggestion, **blanks)
        return Halt()

    @property
    def here(self) -> Token:
        return self.tokens[self.at]

    def ended(self) -> bool:
        return self.here.sort is Sort.END

    @property
    def before(self) -> Token:
        """The token that was taken last."""
        return self.tokens[max(0, self.at - 1)]

    def peek(self, ahead: int = 1) -> Token:
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def take(self) -> Token:
        token = self.here
        if token.sort is not Sort.END:
            self.at += 1
        return token

    def takes(self, sort: Sort) -> bool:
        """Take the next token if it is of this sort."""
        if self.here.sort is not sort:
            return False
        self.take()
        return True

    def says(self, words: Collection[str]) -> bool:
        """Take the next token if it is one of these words."""
        if self.here.sort is not Sort.WORD or self.here.text.lower() not in words:
            return False
        self.at += 1
        return True

    def phrase(self, phrases: Mapping[tuple[str, ...], Meaning]) -> Meaning | None:
        """Take the longest of these that comes next."""
        ahead: list[str] = []
        for token in self.tokens[self.at : self.at + LONGEST_PHRASE]:
            if token.sort is not Sort.WORD:
                break
            ahead.append(token.text.lower())
        for count in range(len(ahead), 0, -1):
            meaning = phrases.get(tuple(ahead[:count]))
            if meaning is not None:
                self.at += count
                return meaning
        return None

    def replace(self, *tokens: Token) -> None:
        """Put others in the place of the next token."""
        self.tokens[self.at : self.at + 1] = tokens

    def value(self, after: str) -> Token:
        """Take a value; a word that means something to the language is none."""
        token = self.here
        plain = token.sort is Sort.WORD and token.text.lower() not in RESERVED
        if not (plain or token.sort is Sort.QUOTED):
            raise self.halt("expected_value", token, name=after)
        return self.take()
