"""The two parts of a store, each with a writer of its own."""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import MetaData
from sqlmodel import SQLModel


class InboxPart(SQLModel):
    """Append-only, written by whoever accepts messages."""

    metadata: ClassVar[MetaData] = MetaData()


class HubPart(SQLModel):
    """Written by whoever applies them."""

    metadata: ClassVar[MetaData] = MetaData()
