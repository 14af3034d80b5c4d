"""Folding an observation into an order: a join, so that news in any order, twice or in other batches ends in the
same order.

Facts join by their first instant (those that may happen again by their last), every field of the content by its
newest statement, parcels by tracking number. All that is derived is derived from the joined whole: the state by
`lifecycle`, the first tracking number, the time of the last news.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from orderhub_core.lifecycle import Given, Settled, Step, axis_of, headline, in_order, settle
from orderhub_core.model import Axis, Content, Event, Line, Observation, Parcel

_json = msgspec.json.Encoder(order="deterministic").encode

Parcels = dict[str, tuple[str, bool]]
"""Tracking number to carrier and whether its label is printed."""


class Head(msgspec.Struct, gc=False):
    """An order as the hub knows it: the columns of its row, in order, with the JSON ones unpacked."""

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
    payment_method: str = ""
    item_count: int = 0
    warehouse: str | None = None
    warehouse_by: str = ""
    carrier: str | None = None
    tracking_no: str | None = None
    province: str = ""
    city: str = ""
    buyer_key: str = ""
    contradictions: int = 0
    decided: int = 0
    facts: dict[str, int] = {}
    stated: dict[str, int] = {}
    parcels: Parcels = {}
    lines_digest: bytes | None = None
    person_digest: bytes | None = None
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


class Folded(NamedTuple):
    """What an observation changed."""

    entries: list[Entry]
    changed: bool = False
    """The row must be written, even where nobody would call it news."""
    lines: tuple[Line, ...] | None = None
    """The order's lines, where they were stated anew."""
    person: bool = False
    """Whether the receiver was stated anew."""


class Pseudonymous(NamedTuple):
    """The personal parts of a content, hashed under the installation's key."""

    buyer_key: str = ""
    person_digest: bytes | None = None


PLAIN = (
    "currency", "total_minor", "paid_minor", "freight_minor", "discount_minor", "payment_method", "promised_at",
    "province", "city",
)  # fmt: skip
"""Fields of the content that stand in the order's own row as they are stated."""

REPEATABLE = frozenset(event.value for event in Event if axis_of(event) in (Axis.AFTER_SALE, Axis.INVOICE)) | {
    Event.MOVED.value,
    Event.OUT_FOR_DELIVERY.value,
}
"""What may happen again counts when it happened last; everything else when it happened first."""

FACT_COLUMNS = {
    Event.PLACED.value: "placed_at",
    Event.PAID.value: "paid_at",
    Event.SHIPPED.value: "shipped_at",
    Event.COLLECTED.value: "collected_at",
    Event.DELIVERED.value: "delivered_at",
}


def fold(head: Head, seen: Observation, origin: Origin, hidden: Pseudonymous = Pseudonymous()) -> Folded:  # noqa: B008
    """Take an observation in; `head` changes in place. Empty when the observation said nothing new."""
    at = origin.received_at if seen.at is None else seen.at
    entries: list[Entry] = []
    boxed = _take_parcels(head, seen.parcels, origin, at, entries)
    happened = _take_facts(head, seen.facts, boxed, origin, entries)
    lines, person, stated = None, False, False
    if seen.content is not None:
        lines, person, stated = _take_content(head, seen.content, at, origin, entries, hidden)
    changed = boxed or happened or stated
    if changed:
        head.updated_at = max((*head.facts.values(), *head.stated.values()), default=at)
    return Folded(entries, changed, lines, person)


def _take_parcels(head: Head, parcels: tuple[Parcel, ...], origin: Origin, at: int, entries: list[Entry]) -> bool:
    known = dict(head.parcels)
    for parcel in parcels:
        carrier, labelled = known.get(parcel.tracking_no, ("", False))
        joined = (max(carrier, parcel.carrier), labelled or parcel.labelled)
        if known.get(parcel.tracking_no) != joined:
            known[parcel.tracking_no] = joined
            detail = {"tracking_no": parcel.tracking_no, "carrier": joined[0], "labelled": joined[1]}
            entries.append(_entry(head, "order.parcel", at, "", "", "changed", origin, detail))
    if not entries:
        return False
    head.parcels = known
    head.tracking_no = min(known)
    head.carrier = known[head.tracking_no][0] or None
    return True


def _given(head: Head) -> Given:
    return Given(bool(head.parcels), any(labelled for _, labelled in head.parcels.values()))


def _is_news(known: Mapping[str, int], event: str, at: int) -> bool:
    before = known.get(event)
    return before is None or (at > before if event in REPEATABLE else at < before)


def _take_facts(head: Head, facts: Mapping[str, int], boxed: bool, origin: Origin, entries: list[Entry]) -> bool:
    news = [event for event, at in facts.items() if _is_news(head.facts, event, at)]
    if not news and not boxed:
        return False
    known, given = dict(head.facts), _given(head)
    head.facts = known
    settled = settle(in_order(known), given)
    for event in sorted(news, key=facts.__getitem__):
        corrected = event in known and event not in REPEATABLE
        known[event] = facts[event]
        before, settled = settled, settle(in_order(known), given)
        entries.append(_fact_entry(head, event, before, settled, corrected, origin))
    _take_state(head, settled, given)
    return True


def _fact_entry(head: Head, event: str, before: Settled, after: Settled, corrected: bool, origin: Origin) -> Entry:
    axis = axis_of(Event(event))
    step = _step(after, event)
    if axis is None:
        was, now = "", headline(after).value
    else:
        was, now = getattr(before, axis.value).value, getattr(after, axis.value).value
    detail: dict[str, Any] = {}
    if step.inferred:
        detail["inferred"] = [missed.value for missed in step.inferred]
    if step.reason:
        detail["reason"] = step.reason
    outcome = "late" if corrected else step.outcome
    return _entry(head, event, head.facts[event], was, now, outcome, origin, detail)


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


def _take_content(
    head: Head, content: Content, at: int, origin: Origin, entries: list[Entry], hidden: Pseudonymous
) -> tuple[tuple[Line, ...] | None, bool, bool]:
    """Returns the lines where they are new, whether the receiver is, and whether any field was taken."""
    versions = dict(head.stated)
    changes: dict[str, Any] = {}

    def wins(field: str, value: Any, known: Any) -> bool:
        """The newer statement; of two with one version, the greater value, so that both orders end alike."""
        before = versions.get(field)
        if before is not None and (at < before or (at == before and (known is None or value <= known))):
            return False
        versions[field] = at
        return bool(value != known)

    first = not versions
    for field in PLAIN:
        value = getattr(content, field)
        if value not in (None, ""):
            known = getattr(head, field)
            if wins(field, value, known):
                changes[field] = [known, value]
                setattr(head, field, value)
    if hidden.buyer_key and wins("buyer_key", hidden.buyer_key, head.buyer_key):
        head.buyer_key = hidden.buyer_key
        changes["buyer"] = []
    if content.warehouse and head.warehouse_by != "rule" and wins("warehouse", content.warehouse, head.warehouse):
        changes["warehouse"] = [head.warehouse, content.warehouse]
        head.warehouse, head.warehouse_by = content.warehouse, "channel"
    lines = content.lines
    if lines is not None:
        fresh = blake2b(_json(lines), digest_size=16).digest()
        if wins("lines", fresh, head.lines_digest):
            head.lines_digest, head.item_count = fresh, sum(line.quantity for line in lines)
            changes["lines"] = []
        else:
            lines = None
    person = hidden.person_digest is not None and wins("person", hidden.person_digest, head.person_digest)
    if person:
        head.person_digest = hidden.person_digest
        changes["receiver"] = []
    if changes and not first:
        entries.append(_entry(head, "order.content", at, "", "", "changed", origin, changes))
    taken = versions != head.stated
    head.stated = versions
    return lines, person, taken


def _entry(
    head: Head, event: str, at: int, before: str, after: str, outcome: str, origin: Origin, detail: Mapping[str, Any]
) -> Entry:
    return Entry(
        head.order_id,
        event,
        at,
        origin.received_at,
        before,
        after,
        outcome,
        origin.source,
        origin.message,
        _json(detail).decode() if detail else "",
    )
