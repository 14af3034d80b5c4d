"""The kinds of columns that tables are made of."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Integer, LargeBinary, Text
from sqlmodel import Field

BIG_KEY = BigInteger().with_variant(Integer, "sqlite")
"""SQLite gives a rowid only to a column that is declared INTEGER."""


CLUSTERED = {"sqlite_with_rowid": False}
"""Small rows that are only ever reached by their key: on SQLite the key is the table."""


def text(default: str = "") -> Any:
    return Field(default=default, sa_type=Text, nullable=False)


def word() -> Any:
    """A text that may be unknown."""
    return Field(default=None, sa_type=Text, nullable=True)


def number(default: int = 0) -> Any:
    return Field(default=default, sa_type=BigInteger, nullable=False)


def instant() -> Any:
    """Microseconds UTC, or not known."""
    return Field(default=None, sa_type=BigInteger, nullable=True)


def blob() -> Any:
    return Field(default=None, sa_type=LargeBinary, nullable=True)


def key(kind: Any = Text) -> Any:
    return Field(sa_type=kind, primary_key=True, nullable=False, sa_column_kwargs={"autoincrement": False})
