"""The tables of what there is only so much of, and of who took it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, Integer
from sqlmodel import Field

from orderhub_core.store.columns import BIG_KEY, CLUSTERED, instant, key, number, text
from orderhub_core.store.parts import HubPart


class Resource(HubPart, table=True):
    """What there is only so much of, as the last entry of the ledger left it."""

    __tablename__ = "resources"
    __table_args__ = CLUSTERED
    kind: str = key()
    """stock; capacity; quota; told (of a warehouse: `balance` is as of when its stock was reported last); turn (one
    row, the sequence number of the ledger's last entry: who takes anything compares and sets it)."""
    subject: str = key()
    """The SKU, the day, or what a quota counts; empty where the kind says it all."""
    place: str = key()
    """The warehouse, or the gift that there are only so many of."""
    balance: int = number()
    """Pieces that are neither promised nor gone; orders that the day has; pieces of the gift that were granted."""
    safety: int = number()
    """Pieces that orders must leave."""


class Entry(HubPart, table=True):
    """The ledger of resources: append-only, in the order in which they were taken."""

    __tablename__ = "ledger"
    __table_args__ = (Index("ix_ledger_resource", "kind", "subject", "place"), Index("ix_ledger_order_id", "order_id"))
    seq: int = key(BIG_KEY)
    kind: str = text()
    """As of resources; told: that a warehouse has reported; turn: that it was an order's, which tells what it has seen
    (of `subject`: stock, gifts)."""
    subject: str = text()
    place: str = text()
    order_id: int = number()
    """0: of what a warehouse has reported."""
    line_no: int | None = Field(default=None, sa_type=Integer, nullable=True)
    quantity: int = number()
    balance: int = number()
    """After it."""
    safety: int = number()
    """Of what was reported."""
    message: int = number()
    """The one that caused it."""


class Batch(HubPart, table=True):
    """What is to come of goods that are sold before they are there, as it was said last."""

    __tablename__ = "batches"
    __table_args__ = CLUSTERED
    sku: str = key()
    batch: str = key()
    pieces: int = number()
    ready_at: int | None = instant()
    delayed_to: int | None = instant()
    promised_at: int | None = instant()
    arrived_at: int | None = instant()
    """Since when it is there; null: it is not."""
    message: int = number()
    """The one that changed it last."""


class Dealt(HubPart, table=True):
    """Orders that have their pieces of the batches that are there: nobody who pays later, or is heard of later, takes
    these from them."""

    __tablename__ = "dealt"
    __table_args__ = CLUSTERED
    order_id: int = key(BigInteger)
    batch: str = text()
    """The last one that a piece of it is in."""
    goods: str = text()
    """What it had been dealt: with more, or others, it does not go by itself."""
    message: int = number()
    """The one by which it was dealt."""
