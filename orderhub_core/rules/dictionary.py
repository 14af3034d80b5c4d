"""What rules may speak of: every field with its names, its type, its unit and where its value lies.

The text, the TOML file, the form, the compiled expression and the explanation all read this one table.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal, NamedTuple

Level = Literal["order", "line", "buyer", "signal"]


class Kind(StrEnum):
    TEXT = "text"
    CHOICE = "choice"
    """One of the field's own words."""
    NUMBER = "number"
    MONEY = "money"
    INSTANT = "instant"
    TIME_OF_DAY = "time of day"
    FLAG = "flag"


class Field(NamedTuple):
    name: str
    """English: lower case, words joined by `_`."""
    zh: str
    kind: Kind
    level: Level
    column: str
    """Of the frame of its level, or of what `facts` adds to it."""
    doc: str
    decimals: int = 0
    """How many of them a person writes of a NUMBER that is kept as a whole one: 3 for kilograms kept in grams."""
    unit: str = ""
    words: Mapping[str, str] = {}
    """Values by their Chinese word: `抖音` is `douyin`."""
    aliases: tuple[str, ...] = ()
