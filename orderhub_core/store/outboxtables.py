"""The table of effects on their way out: a part of the hub's schema, as in `tables`."""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy import text as sql

from orderhub_core.store.columns import instant, key, number, text
from orderhub_core.store.parts import HubPart
from orderhub_core.store.unmet import MET_NOBODY


class Outbox(HubPart, table=True):
    """Effects on their way out. The key is derived from the cause, so that a replay inserts nothing."""

    __tablename__ = "outbox"
    # By target: those of one that is down are in nobody's way. With the tries, which the flow tells apart.
    __table_args__ = (
        Index("ix_outbox_target", "state", "target", "next_at", "attempts"),
        Index(
            "ix_outbox_unmet", "state", "attempts", "target", "next_at", sqlite_where=sql(MET_NOBODY),
            postgresql_where=sql(MET_NOBODY),
        ),
    )  # fmt: skip
    key: str = key()
    order_id: int = number()
    target: str = text()
    payload: str = text()
    state: str = text("waiting")
    """waiting, leased, done, person or withdrawn."""
    generation: int = number()
    """Counts replacements of a `latest` effect: a result for an older one does not close the newer."""
    attempts: int = number()
    next_at: int = number()
    lease_until: int | None = instant()
    owner: str = text()
    intended_at: int = number()
    done_at: int | None = instant()
    note: str = text()
    released: int | None = instant()
    """The moment, among all that its lane has applied, when a person let it go."""
