"""The tables of the inbox, which is append-only and written by whoever accepts messages."""

from __future__ import annotations

from sqlalchemy import Index, LargeBinary, UniqueConstraint
from sqlalchemy import text as sql
from sqlmodel import Field

from orderhub_core.store.columns import BIG_KEY, CLUSTERED, blob, key, number, text
from orderhub_core.store.parts import InboxPart


class Inbox(InboxPart, table=True):
    """Every message as it came. There is no state column: what is applied is what lies below the cursor."""

    __tablename__ = "inbox"
    __table_args__ = (UniqueConstraint("source", "message_id"), Index("ix_inbox_source_id", "source", "id"))
    id: int = Field(default=None, sa_type=BIG_KEY, primary_key=True)
    source: str = text()
    message_id: str = text()
    kind: str = text()
    received_at: int = number()
    digest: bytes = blob()
    body: bytes = blob()


WITH_BODY = sql("body IS NOT NULL")


class Conflict(InboxPart, table=True):
    """A message that came again under the same id with another body: recorded, never overwritten."""

    __tablename__ = "conflict"
    __table_args__ = (
        Index("ix_conflict_body", "received_at", sqlite_where=WITH_BODY, postgresql_where=WITH_BODY),
        CLUSTERED,
    )
    source: str = key()
    message_id: str = key()
    digest: bytes = key(LargeBinary)
    received_at: int = number()
    body: bytes = blob()


class Counter(InboxPart, table=True):
    """What was turned away at the door, per source and reason. Nothing of the message itself is kept."""

    __tablename__ = "counter"
    __table_args__ = CLUSTERED
    source: str = key()
    name: str = key()
    count: int = number()
