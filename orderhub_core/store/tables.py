"""The schema, declared once. SQLModel classes give the columns; hot statements are built from them, never typed twice.

Two parts with a writer each: the inbox (append-only, written by whoever accepts) and the hub (written by whoever
applies). On SQLite they are two files, on PostgreSQL one database. Instants are BIGINT microseconds UTC, money is
BIGINT minor units, and of orders and lines `deleted_at` is the only deletion there is.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, Integer, MetaData, UniqueConstraint
from sqlalchemy import text as sql
from sqlmodel import Field

from orderhub_core.store import inboxtables, outboxtables, packtables, stocktables  # noqa: F401 — imported, a table is known
from orderhub_core.store.columns import BIG_KEY, CLUSTERED, blob, instant, key, number, text, word
from orderhub_core.store.parts import HubPart
from orderhub_core.store.shelves import BUYER, SHELF


class Order(HubPart, table=True):
    """One order. Axes and headline are derived from `facts`; `changed_version` is the commit that touched it last."""

    __tablename__ = "orders"
    __table_args__ = (
        UniqueConstraint("shop", "order_no"),
        Index("ix_orders_order_no", "order_no"),
        Index("ix_orders_changed_version", "changed_version"),
        Index("ix_orders_shelf", sql(SHELF), sql(BUYER)),
    )
    order_id: int = key(BIG_KEY)
    shop: str = text()
    platform: str = text()
    order_no: str = text()
    placed_at: int | None = instant()
    paid_at: int | None = instant()
    shipped_at: int | None = instant()
    collected_at: int | None = instant()
    delivered_at: int | None = instant()
    promised_at: int | None = instant()
    updated_at: int | None = instant()
    headline_at: int | None = instant()
    payment: str = text()
    fulfilment: str = text()
    logistics: str = text()
    after_sale: str = text()
    invoice: str = text()
    headline: str = text()
    currency: str = text()
    total_minor: int = number()
    paid_minor: int = number()
    freight_minor: int = number()
    discount_minor: int = number()
    payment_method: str = text()
    item_count: int = number()
    warehouse: str | None = word()
    warehouse_by: str = text()
    """Who named it: channel or rule."""
    carrier: str | None = word()
    tracking_no: str | None = word()
    province: str = text()
    city: str = text()
    buyer_key: str = text()
    contradictions: int = number()
    decided: int = number()
    """0 until the rulebook has spoken on it; then in how many parcels it goes."""
    facts: str = text("{}")
    """JSON: event to instant."""
    stated: str = text("[]")
    """JSON: versions of statements, each with the fields of the content (bits: `stated.FIELDS`) whose newest it is."""
    parcels: str = text("{}")
    """JSON: tracking number to carrier and whether its label is printed."""
    lines_digest: bytes | None = blob()
    person_digest: bytes | None = blob()
    """Keyed; says whether the receiver changed, and nothing else."""
    changed_version: int = number()
    deleted_at: int | None = instant()
    cases: str = text("{}")
    """JSON: as of `cases.Cases`."""


class Line(HubPart, table=True):
    """Positions; those below 1000 are the channel's, the others were added by a rule."""

    __tablename__ = "lines"
    __table_args__ = CLUSTERED
    order_id: int = key(BigInteger)
    line_no: int = key(Integer)
    sku: str = text()
    name: str = text()
    category: str = text()
    quantity: int = number(1)
    price_minor: int = number()
    gift_of: int | None = Field(default=None, sa_type=Integer, nullable=True)
    rule: str = text()
    deleted_at: int | None = instant()


class Parcel(HubPart, table=True):
    __tablename__ = "parcels"
    __table_args__ = CLUSTERED
    order_id: int = key(BigInteger)
    tracking_no: str = key()
    carrier: str = text()
    labelled: int = number()


class Payment(HubPart, table=True):
    __tablename__ = "payments"
    __table_args__ = CLUSTERED
    order_id: int = key(BigInteger)
    payment_no: int = key(Integer)
    method: str = text()
    currency: str = text()
    amount_minor: int = number()
    paid_at: int | None = instant()


class Person(HubPart, table=True):
    """The receiver, apart from the order: no view, frame, log entry or effect reads this table."""

    __tablename__ = "persons"
    order_id: int = key(BIG_KEY)
    name: str = text()
    phone: str = text()
    address: str = text()
    note: str = text()


class Log(HubPart, table=True):
    """The event log: append-only, each entry hashed together with the one before it."""

    __tablename__ = "log"
    __table_args__ = (Index("ix_log_order_id", "order_id"),)
    seq: int = key(BIG_KEY)
    order_id: int = number()
    event: str = text()
    occurred_at: int = number()
    recorded_at: int = number()
    before: str = text()
    after: str = text()
    outcome: str = text()
    source: str = text()
    message: int = number()
    """Inbox id of the message that caused it."""
    detail: str = text()
    hash: bytes = blob()


FOR_A_BATCH = sql("action = 'hold' AND argument = 'presale'")


class Decision(HubPart, table=True):
    """Why: the rule, its version, what it did, and the values that made it true."""

    __tablename__ = "decisions"
    __table_args__ = (
        Index("ix_decisions_presale", "order_id", sqlite_where=FOR_A_BATCH, postgresql_where=FOR_A_BATCH),
        CLUSTERED,
    )
    order_id: int = key(BigInteger)
    version: str = key()
    place: int = key(BigInteger)
    """From 0, in the order in which the rulebook spoke."""
    rule_group: str = text()
    rule: str = text()
    action: str = text()
    argument: str = text()
    quantity: int = number(1)
    reason: str = text()
    decided_at: int = number()
    shadow: int = number()
    """1 where it was only noted what a version on trial would have decided."""
    parcel: int = number()
    """The parcel that it is about, from 1; 0: the order."""


class Split(HubPart, table=True):
    """Of an order that goes in several parcels, where each of its lines goes: as it was decided, whatever becomes of
    the lines. What comes later goes in one more parcel."""

    __tablename__ = "splits"
    __table_args__ = CLUSTERED
    order_id: int = key(BigInteger)
    line_no: int = key(Integer)
    parcel: int = number()
    """From 1."""
    warehouse: str = text()


class Book(HubPart, table=True):
    """Versions of the rulebook, and how far each has come. At most one is active, and one on trial."""

    __tablename__ = "rulebooks"
    __table_args__ = (Index("ix_rulebooks_state", "state"),)
    version: str = key()
    body: str = text()
    """As a file would hold it."""
    state: str = text("draft")
    """draft, reviewed, shadow, rollout, paused, active or archived."""
    share: int = number()
    """Of 10,000 orders those on which one in `rollout` speaks."""
    author: str = text()
    comment: str = text()
    """The newest."""
    saved_at: int = number()
    reviewed_by: str = text()
    tried_at: int | None = instant()
    """Since when it is on trial."""
    published_at: int | None = instant()
    message: int = number()
    """The one that changed it last."""


class Signal(HubPart, table=True):
    """What people report of the world outside, and the hub of its warehouses, for rules that ask for it."""

    __tablename__ = "signals"
    # What lasts is asked for, of some fields or of some of their subjects, and seldom what is over.
    __table_args__ = (
        Index("ix_signals_field", "field", "until"),
        Index("ix_signals_subject", "field", "subject", "until"),
    )
    name: str = key()
    """The id of the message that reported it; of what was measured with the subject after it."""
    field: str = text()
    subject_of: str = text()
    """The column of orders that `subject` is a value of; empty where it holds for all."""
    subject: str = text()
    amount: int = number()
    """Of a flag 1 or 0."""
    since: int = number()
    until: int | None = instant()
    by: str = text()
    comment: str = text()
    message: int = number()
    """The one that changed it last."""


NOT_DISMISSED = sql("dismissed_at IS NULL")


class Parked(HubPart, table=True):
    """Messages nobody could read. They stay here with the reason until they are replayed, and wait for a person until
    one has said that nobody needs to read them, and why."""

    __tablename__ = "parked"
    __table_args__ = (
        Index("ix_parked_message_id", "source", "message_id"),
        Index("ix_parked_open", "id", "dismissed_at", sqlite_where=NOT_DISMISSED, postgresql_where=NOT_DISMISSED),
    )
    id: int = key(BIG_KEY)
    source: str = text()
    message_id: str = text()
    reason: str = text()
    parked_at: int = number()
    dismissal: str | None = word()
    dismissed_by: str | None = word()
    dismissed_at: int | None = instant()
    """None of the three while it waits for a person."""


class Sighting(HubPart, table=True):
    """What each touchpoint showed last of each order, in its own words."""

    __tablename__ = "sightings"
    __table_args__ = (Index("ix_sightings_changed_version", "changed_version"), CLUSTERED)
    touchpoint: str = key()
    shop: str = key()
    order_no: str = key()
    status: str = text()
    at: int | None = instant()
    seen_at: int = number()
    changed_version: int = number()


class Review(HubPart, table=True):
    __tablename__ = "reviews"
    __table_args__ = CLUSTERED
    audit: str = key()
    shop: str = key()
    order_no: str = key()
    reviewer: str = key()
    consistent: int = number()
    note: str = text()
    at: int = number()


class Lane(HubPart, table=True):
    """A share of the orders, applied by one worker at a time: how far it has come, and the head of its log's chain.

    Commits compare and set `version`. An order belongs to the lane that its number falls into; with n lanes, the
    order ids and log sequence numbers of one lane lie n apart. `applied_upto` is the inbox's watermark where there
    is a single lane (SQLite), and 0 where the queue is `todo`.
    """

    __tablename__ = "lanes"
    __table_args__ = CLUSTERED
    lane: int = key(Integer)
    version: int = number()
    applied_upto: int = number()
    next_order_id: int = number(1)
    log_seq: int = number()
    log_hash: bytes | None = blob()


class Todo(HubPart, table=True):
    """Messages to be applied that no watermark tells of: all of them where workers share a database (ids commit out
    of order there), elsewhere those that come again: replayed, or put off."""

    __tablename__ = "todo"
    __table_args__ = CLUSTERED
    lane: int = key(Integer)
    id: int = key(BigInteger)
    attempts: int = number()
    """Tries that failed for a passing reason."""
    next_at: int = number()


class Cursor(HubPart, table=True):
    """Where each poller goes on: everything updated before `upto` has been received."""

    __tablename__ = "cursor"
    __table_args__ = CLUSTERED
    name: str = key()
    upto: int = number()


class Key(HubPart, table=True):
    """Which key is in use for what: not the key, what tells it from another."""

    __tablename__ = "keys"
    __table_args__ = CLUSTERED
    purpose: str = key()
    fingerprint: str = text()


PARTS: dict[str, MetaData] = {"inbox": inboxtables.Inbox.metadata, "hub": stocktables.Resource.metadata}
