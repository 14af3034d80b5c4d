"""What a field is that rules may speak of."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal, NamedTuple

Level = Literal["order", "line", "buyer", "parcel", "signal"]


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
    """May be written after a NUMBER: `90%`."""
    words: Mapping[str, str] = {}
    """Values by their Chinese word: `抖音` is `douyin`. Of a CHOICE all that there are."""
    aliases: tuple[str, ...] = ()
    spellings: Mapping[str, str] = {}
    """Other ways to write a value: read, and not written. A NUMBER's are also the English words of its values."""
    about: str = ""
    """The field whose values it must be told of: `load` of a warehouse. Empty for one that is the order's own."""
    subject: str = ""
    """Which of them; empty where the line says it."""
    told: str = ""
    """Of a line's field whose value is a signal's: which, of the line's own value of `about`."""
    least: int | None = None
    """Of a NUMBER that counts: no order has fewer."""

    @property
    def signal(self) -> str:
        """Under which reports tell it: without the subject."""
        return self.told or (self.name.removesuffix(f"({self.subject})") if self.subject else self.name)

    @property
    def is_reported(self) -> bool:
        """Whether reports tell it, as of the instant at which an order is decided."""
        return self.level == "signal" or bool(self.told)
