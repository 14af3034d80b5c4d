"""What a stranger said, made fit for a sentence that people and logs read."""

from __future__ import annotations

import re

LONGEST = 40
_WORD = re.compile(r"[\w .:,，/+-]+")
_LONG_NUMBER = re.compile(r"\d(?:[ .:-]?\d){6,}")


def echoed(said: object) -> str:
    """The word or number, at most 40 characters of it; a number of seven digits or more, however it is grouped, keeps
    only its shape, because it may be a telephone's. What is neither is not repeated."""
    text = str(said)
    if not _WORD.fullmatch(text):
        return "(not shown)"
    masked = _LONG_NUMBER.sub(lambda number: re.sub(r"\d", "*", number[0]), text)
    return masked if len(masked) <= LONGEST else f"{masked[: LONGEST - 1]}…"
