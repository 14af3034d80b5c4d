"""The tables of orders that are packed together."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index

from orderhub_core.store.columns import CLUSTERED, key, number, text
from orderhub_core.store.parts import HubPart


class Pack(HubPart, table=True):
    """Which orders are packed together, as their hand-overs say; and those that wait for others, until they are told
    that they go with some, or alone."""

    __tablename__ = "packs"
    __table_args__ = (Index("ix_packs_companion", "shop", "order_no"), CLUSTERED)
    order_id: int = key(BigInteger)
    shop: str = key()
    order_no: str = key()
    """Of the other order; both empty while it waits."""


class Pairing(HubPart, table=True):
    """What people have said last of two orders, as it was said of the one."""

    __tablename__ = "pairings"
    __table_args__ = CLUSTERED
    shop: str = key()
    order_no: str = key()
    other_shop: str = key()
    other: str = key()
    say: str = text()
    """apart or together."""
    by: str = text()
    reason: str = text()
    said_at: int = number()
