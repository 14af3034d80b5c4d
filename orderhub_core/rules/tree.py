"""A rule as data: the one tree behind the readable line, the TOML file and the form.

What a field means, its type and its unit stand in `dictionary`. Values are kept as the frames hold them: money and
measures as whole numbers of the field's smallest unit (cents, grams), a time of day as minutes since midnight, an
instant with its zone. A condition on a value that is missing is neither true nor false, and so is its negation; a rule
holds only where its condition is true.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Literal

import msgspec

Scalar = str | int | bool | datetime


class Op(StrEnum):
    """What a condition asks of one field."""

    IS = "="
    IS_NOT = "!="
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="
    AMONG = "in"
    """One of a list."""
    NOT_AMONG = "not in"
    WITHIN = "within"
    """From the first value up to, not including, the second. A time of day may wrap around midnight."""
    CONTAINS = "contains"
    STARTS_WITH = "starts with"
    IS_KNOWN = "is known"
    IS_MISSING = "is missing"
    """The two that speak of missing values, and are true or false of them."""


class Leaf(msgspec.Struct, frozen=True, cache_hash=True, tag="leaf", forbid_unknown_fields=True):
    """One condition. Of a line's field, outside of `Lines`, it asks whether some line has it."""

    field: str
    """Its English name in the dictionary."""
    op: Op
    values: tuple[Scalar, ...] = ()
    """One, two for WITHIN, one or more for the lists, none for IS_KNOWN and IS_MISSING."""


class Every(msgspec.Struct, frozen=True, cache_hash=True, tag="every", forbid_unknown_fields=True):
    """All parts hold; with none it always does."""

    parts: tuple[Condition, ...] = ()


class Either(msgspec.Struct, frozen=True, cache_hash=True, tag="either", forbid_unknown_fields=True):
    """At least one part holds."""

    parts: tuple[Condition, ...]


class Not(msgspec.Struct, frozen=True, cache_hash=True, tag="not", forbid_unknown_fields=True):
    part: Condition


class Lines(msgspec.Struct, frozen=True, cache_hash=True, tag="lines", forbid_unknown_fields=True):
    """A condition on one and the same line: that some line, every line or no line meets it. Gift lines that the hub
    added itself do not count."""

    which: Literal["some", "every", "no"]
    part: Condition
    """Of line fields only."""


Condition = Leaf | Every | Either | Not | Lines

ALWAYS = Every()


def leaves(condition: Condition) -> Iterator[Leaf]:
    """Every leaf of a condition, from left to right."""
    match condition:
        case Leaf():
            yield condition
        case Every(parts) | Either(parts):
            for part in parts:
                yield from leaves(part)
        case Not(part) | Lines(part=part):
            yield from leaves(part)


class Action(msgspec.Struct, frozen=True, cache_hash=True, forbid_unknown_fields=True):
    """What a rule wants done: a verb of `actions.VERBS`, and its argument."""

    verb: str
    argument: str = ""
    quantity: int = 1
    per: int = 0
    """Of a gift: its pieces are given for every so many bought of what earns it. 0: once an order."""
    total: int = 0
    """Of a gift: pieces that there are of it; 0: any number. So with the next two: what is granted in the order of
    payments, whole or not at all, see `quotas`."""
    per_day: int = 0
    """On one day of payment."""
    per_buyer: int = 0

    @property
    def is_limited(self) -> bool:
        return bool(self.total or self.per_day or self.per_buyer)


class Rule(msgspec.Struct, frozen=True, cache_hash=True, forbid_unknown_fields=True):
    name: str
    when: Condition
    then: tuple[Action, ...]
    note: str = ""
    """Why the rule is there, for whoever reads it next."""


class Group(msgspec.Struct, frozen=True, cache_hash=True, forbid_unknown_fields=True):
    """Rules that belong together. `first`: of the rules that hold the first one acts; `all`: each that holds acts."""

    name: str
    match: Literal["first", "all"]
    rules: tuple[Rule, ...] = ()
    otherwise: tuple[Action, ...] = ()
    """Of a `first` group, where no rule holds."""


class Word(msgspec.Struct, frozen=True, cache_hash=True, forbid_unknown_fields=True):
    """A word that a business has for a value: `杭州仓` for the warehouse `hangzhou`."""

    of: str
    """The field or the kind of argument whose value it is, e.g. `warehouse`."""
    word: str
    value: str


class Rulebook(msgspec.Struct, frozen=True, cache_hash=True, forbid_unknown_fields=True):
    version: str = "none"
    groups: tuple[Group, ...] = ()
    zone: str = "Asia/Shanghai"
    """In which times of day and days of the week are meant."""
    words: tuple[Word, ...] = ()
    """The tree holds values; words are for reading and writing."""
    parcels: tuple[Group, ...] = ()
    """Those asked of each parcel, once it is known what goes in which and from where: see `of_parcels`."""

    @property
    def every_group(self) -> tuple[Group, ...]:
        return self.groups + self.parcels
