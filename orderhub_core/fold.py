"""Folding an observation into an order: a join of facts, so that news in any order, twice or in other batches
ends in the same order.

Facts join by the earliest instant; content is whatever its channel stated last (by version, then digest);
parcels join by tracking number. The state is then settled by `lifecycle` from the whole set.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from orderhub_core.lifecycle import Given, Settled, Step, axis_of, headline, in_order, settle
from orderhub_core.model import Content, Event, Observation, Parcel

_json = msgspec.json.Encoder(order="deterministic").encode


class Head(msgspec.Struct, gc=False):
    """An order as the hub knows it: the columns of its row, in order, with `facts` unpacked."""

    order_id: int
    shop: str
    platform: str
    order_no: str
    placed_at: int | None = None
    paid_at: int | None = None
    shipped_at: int | None = None
    collected_at: int | None = None
    delivered_at: int | None = None
    promised_at: int | None = None
    updated_at: int | None = None
    headline_at: int | None = None
    payment: str = "unpaid"
    fulfilment: str = "waiting"
    logistics: str = "none"
    after_sale: str = "none"
    invoice: str = "none"
    headline: str = "pending_payment"
    currency: str = ""
    total_minor: int = 0
    paid_minor: int = 0
    freight_minor: int = 0
    discount_minor: int = 0
    item_count: int = 0
    warehouse: str | None = None
    carrier: str | None = None
    tracking_no: str | None = None
    labelled: int = 0
    province: str = ""
    city: str = ""
    buyer_key: str = ""
    contradictions: int = 0
    facts: dict[str, int] = {}
    content_at: int | None = None
    content_digest: bytes | None = None
    changed_version: int = 0
    deleted_at: int | None = None


class Entry(NamedTuple):
    """One line for the log, before it has its place in the chain."""

    order_id: int
    event: str
    occurred_at: int
    recorded_at: int
    before: str
    after: str
    outcome: str
    source: str
    message: int
    detail: str


class Origin(NamedTuple):
    """Where an observation came from."""

    source: str
    message: int
    received_at: int


STATED = ("currency", "total_minor", "paid_minor", "freight_minor", "discount_minor", "promised_at", "province", "city")
"""Fields of the content that stand in the order's own row. A change of one is logged with both values."""

FACT_COLUMNS = {
    Event.PLACED.value: "placed_at",
    Event.PAID.value: "paid_at",
    Event.SHIPPED.value: "shipped_at",
    Event.COLLECTED.value: "collected_at",
    Event.DELIVERED.value: "delivered_at",
}


def digest(content: Content) -> bytes:
    return blake2b(_json(content), digest_size=16).digest()


def fold(head: Head, seen: Observation, origin: Origin, buyer_key: str = "") -> tuple[list[Entry], Content | None]:
    """Take an observation in. Returns the log entries it earns, and the content if it is a newer one.

    No entry and no content means that the observation said nothing new; `head` is then as it was.
    """
    at = origin.received_at if seen.at is None else seen.at
    entries: list[Entry] = []
    given = _take_parcels(head, seen.parcels, origin, at, entries)
    _take_facts(head, seen.facts, given, origin, entries)
    content = seen.content
    if content is not None and not _take_content(head, content, at, origin, entries, buyer_key):
        content = None
    if entries or content is not None:
        head.updated_at = max(at, head.updated_at or at)
    return entries, content


def _take_parcels(head: Head, parcels: tuple[Parcel, ...], origin: Origin, at: int, entries: list[Entry]) -> Given:
    for parcel in parcels:
        new = head.tracking_no is None or parcel.tracking_no < head.tracking_no
        if new or parcel.labelled > head.labelled:
            detail = _json({"tracking_no": parcel.tracking_no, "labelled": parcel.labelled}).decode()
            entries.append(_entry(head, "order.parcel", at, "", "", "changed", origin, detail))
        if new:
            head.tracking_no, head.carrier = parcel.tracking_no, parcel.carrier
        head.labelled |= parcel.labelled
    return Given(head.tracking_no is not None, bool(head.labelled))


def _take_facts(head: Head, facts: dict[str, int], given: Given, origin: Origin, entries: list[Entry]) -> None:
    known = head.facts
    news = [event for event, at in facts.items() if event not in known or at < known[event]]
    if not news and not entries:
        return
    head.facts = known = dict(known)
    settled = settle(in_order(known), given)
    for event in sorted(news, key=facts.__getitem__):
        corrected = event in known
        known[event] = facts[event]
        before, settled = settled, settle(in_order(known), given)
        entries.append(_fact_entry(head, event, before, settled, corrected, origin))
    _take_state(head, settled, given)


def _fact_entry(head: Head, event: str, before: Settled, after: Settled, corrected: bool, origin: Origin) -> Entry:
    axis = axis_of(Event(event))
    step = _step(after, event)
    if axis is None:
        was, now = "", headline(after).value
    else:
        was, now = getattr(before, axis.value).value, getattr(after, axis.value).value
    detail = {}
    if step.inferred:
        detail["inferred"] = [missed.value for missed in step.inferred]
    if step.reason:
        detail["reason"] = [step.reason]
    return _entry(
        head,
        event,
        head.facts[event],
        was,
        now,
        "late" if corrected else step.outcome,
        origin,
        _json(detail).decode() if detail else "",
    )


@lru_cache(maxsize=65_536)
def _step(settled: Settled, event: str) -> Step:
    return next(step for step in settled.steps if step.event.value == event)


def _take_state(head: Head, settled: Settled, given: Given) -> None:
    head.payment, head.fulfilment, head.logistics = settled.payment, settled.fulfilment, settled.logistics
    head.after_sale, head.invoice = settled.after_sale, settled.invoice
    head.headline = headline(settled)
    head.contradictions = settled.contradictions
    head.headline_at = head.facts.get(turning_event(in_order(head.facts), given))
    for event, column in FACT_COLUMNS.items():
        setattr(head, column, head.facts.get(event))


@lru_cache(maxsize=65_536)
def turning_event(events: tuple[str, ...], given: Given) -> str:
    """The event that brought the present headline: from then on the order dwells there."""
    turning, word = "", None
    for count in range(1, len(events) + 1):
        now = headline(settle(events[:count], given))
        if now is not word:
            turning, word = events[count - 1], now
    return turning


def _take_content(head: Head, content: Content, at: int, origin: Origin, entries: list[Entry], buyer_key: str) -> bool:
    fresh = digest(content)
    if fresh == head.content_digest:
        head.content_at = max(at, head.content_at or at)
        return False
    if head.content_at is not None and (at, fresh) < (head.content_at, head.content_digest or b""):
        return False
    changes = {
        name: [getattr(head, name), getattr(content, name)]
        for name in STATED
        if getattr(head, name) != getattr(content, name)
    }
    if head.content_digest is not None:
        detail = _json(changes or {"lines_or_receiver": []}).decode()
        entries.append(_entry(head, "order.content", at, "", "", "changed", origin, detail))
    for name in STATED:
        setattr(head, name, getattr(content, name))
    head.warehouse = head.warehouse or content.warehouse or None
    head.item_count = sum(line.quantity for line in content.lines)
    head.buyer_key = buyer_key
    head.content_at, head.content_digest = at, fresh
    return True


def _entry(
    head: Head, event: str, at: int, before: str, after: str, outcome: str, origin: Origin, detail: str
) -> Entry:
    return Entry(
        head.order_id, event, at, origin.received_at, before, after, outcome, origin.source, origin.message, detail
    )
