"""What a stranger said, made fit for a sentence that people and logs read."""

from __future__ import annotations

import re

import msgspec

LONGEST, LONGEST_SENTENCE = 40, 200
_WORD = re.compile(r"[\w .:,，/+-]+")
_LONG_NUMBER = re.compile(r"\d(?:[ .:-]?\d){6,}")


def echoed(said: object) -> str:
    """The word or number, at most 40 characters of it; a number of seven digits or more, however it is grouped, keeps
    only its shape, because it may be a telephone's. What is neither is not repeated."""
    text = str(said)
    if not _WORD.fullmatch(text):
        return "(not shown)"
    return _shaped(text, LONGEST)


def sentence(said: str) -> str:
    """What a platform says of a failure, on one line: at most 200 characters of it, and long numbers as in `echoed`."""
    return _shaped(" ".join(said.split()), LONGEST_SENTENCE)


def _shaped(text: str, longest: int) -> str:
    masked = _LONG_NUMBER.sub(lambda number: re.sub(r"\d", "*", number[0]), text)
    return masked if len(masked) <= longest else f"{masked[: longest - 1]}…"


_UNKNOWN = re.compile(
    r"(?s)(?P<what>Object contains unknown field )`(?P<name>.*?)`(?P<where> - at `\$(?:[.][a-z_]+|\[[.\d]+\])*`)?$"
)
"""How the parser tells of a name that is none of ours; where that stands it says in our own words."""


def refusal(error: msgspec.DecodeError | UnicodeDecodeError) -> str:
    """Why a body cannot be read. All that this says is the parser's own, but for names that somebody gave to a field:
    those that are no plain word are not repeated."""
    told = _UNKNOWN.match(text := str(error))
    if told is None:
        return text
    name = told["name"]
    plain = name.isascii() and name.isidentifier() and len(name) <= LONGEST and not _LONG_NUMBER.search(name)
    return f"{told['what']}{f'`{name}`' if plain else '(not shown)'}{told['where'] or ''}"
