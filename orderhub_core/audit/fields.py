"""What an audit compares of an order besides its status, as data: `fields.toml`, and a user's own tables over it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from importlib import resources
from typing import Any

import msgspec

from orderhub_core.audit.words import Stage
from orderhub_core.errors import UserMistake


class Kind(StrEnum):
    """How the cells of a field are read and compared."""

    WORD = "word"
    IDENTITY = "identity"
    MONEY = "money"
    QUANTITY = "quantity"
    INSTANT = "instant"


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A field as the file says it."""

    kind: Kind = Kind.IDENTITY
    tolerance: int = 0
    headings: tuple[str, ...] = ()
    due: Stage | None = None
    optional: bool = False
    aliases: dict[str, tuple[str, ...]] = {}


class Field(Entry, frozen=True):
    name: str = ""

    @property
    def reach(self) -> int:
        """The tolerance in the unit of the values: cents, pieces, microseconds."""
        return self.tolerance * 1_000_000 if self.kind is Kind.INSTANT else self.tolerance


class _Tables(msgspec.Struct, frozen=True):
    fields: dict[str, Entry] = {}
    skip: tuple[str, ...] = ()


class Dictionary(msgspec.Struct, frozen=True):
    fields: Mapping[str, Field]
    skip: frozenset[str]
    """Headings, as `plain` writes them, of columns that are never compared."""

    def field(self, name: str) -> Field:
        """A field by its name; one that stands nowhere is compared as identity."""
        return self.fields.get(name) or Field(name=name)

    def heading(self, text: str) -> Field | None:
        """The field that a column of a file is; None for one that is not compared."""
        if plain(text) in self.skip:
            return None
        return next(
            (field for field in self.fields.values() if plain(text) in map(plain, field.headings)), Field(name=text)
        )


def plain(heading: str) -> str:
    """Headings that are the same: blanks, letter case and a `*` or colon at the ends make no difference."""
    return "".join(heading.split()).strip("*:：").casefold()


@lru_cache
def default() -> Dictionary:
    """The fields this version knows."""
    return dictionary({})


def dictionary(mapping: Mapping[str, Any]) -> Dictionary:
    """The known fields, and a mapping's own (`[fields.<name>]`, `skip`), which replace those of their name.

    Raises UserMistake naming what is wrong; only `status` may be of the kind `word`, for only its words have tables.
    """
    ours = msgspec.toml.decode(resources.files(__package__).joinpath("fields.toml").read_bytes(), type=_Tables)
    try:
        theirs = msgspec.convert(dict(mapping), _Tables)
    except msgspec.ValidationError as error:
        raise UserMistake("fields: {error}; kinds are: {kinds}", error=error, kinds=tuple(Kind)) from None
    for name, entry in theirs.fields.items():
        if (entry.kind is Kind.WORD) != (name == "status"):
            raise UserMistake(
                "fields: {name} has the kind {kind}; status, and nothing else, is of the kind word",
                name=name,
                kind=entry.kind,
            )
        if entry.tolerance < 0:
            raise UserMistake(
                "fields: the tolerance of {name} is {tolerance}; write 0 or more", name=name, tolerance=entry.tolerance
            )
    entries = {**ours.fields, **theirs.fields}
    named = {name: Field(name=name, **msgspec.structs.asdict(entry)) for name, entry in entries.items()}
    claimed = {plain(heading) for entry in theirs.fields.values() for heading in entry.headings}
    skipped = {plain(heading) for heading in (*ours.skip, *theirs.skip)}
    return Dictionary(
        fields={**{name: named[name] for name in theirs.fields}, **named}, skip=frozenset(skipped - claimed)
    )
