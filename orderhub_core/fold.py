"""Folding an observation into an order: a join, so that news in any order, twice or in other batches ends in the
same order.

Facts join by their first instant (those that may happen again by their last), every field of the content by its
newest statement, parcels by tracking number, after-sale cases as `cases` has it. All that is derived is derived from
the joined whole: the state by `lifecycle`, the first tracking number, the time of the last news.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from hashlib import blake2b
from operator import attrgetter
from typing import Any, NamedTuple, cast

import msgspec

from orderhub_core.cases import OPENING, Cases, counts, joined
from orderhub_core.lifecycle import Given, axis_of, in_order
from orderhub_core.model import Axis, Case, Content, Event, Line, Observation, Parcel
from orderhub_core.standing import Standing, standing
from orderhub_core.stated import FIELDS, PLAIN, version_of

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
    stated: dict[int, int] = {}
    parcels: Parcels = {}
    lines_digest: bytes | None = None
    person_digest: bytes | None = None
    changed_version: int = 0
    deleted_at: int | None = None
    cases: Cases = {}

    @property
    def owed_at(self) -> int | None:
        """Since when the goods are owed: by then it takes its turn. None where nobody knows, or not yet."""
        return owed_at(self.paid_at, self.facts)


def owed_at(paid_at: int | None, facts: Mapping[str, int]) -> int | None:
    """`Head.owed_at`, of an order that was paid then. What was paid before it was to be paid later is owed since."""
    at = facts.get(DEFERRED, paid_at)
    return at if at is None or paid_at is None else min(at, paid_at)


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


as_entry = cast(Callable[[tuple[Any, ...]], Entry], partial(tuple.__new__, Entry))
"""Without the detour over the arguments' names, which takes longer than all that is in an entry."""


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Where an observation came from."""

    source: str
    message: int
    received_at: int


class Folded(msgspec.Struct, gc=False):
    """What an observation changed."""

    entries: list[Entry]
    changed: bool = False
    """The row must be written, even where nobody would call it news."""
    lines: tuple[Line, ...] | None = None
    """The order's lines, where they were stated anew."""
    person: bool = False
    """Whether the receiver was stated anew."""
    boxed: bool = False
    """Whether a parcel is new, or more is known of one."""
    paid: bool = False
    """Whether anything is new that the order says of its payment."""
    reopened: bool = False
    """Whether the buyer opened another case after one that was paid back, which no state of the order tells."""
    restated: bool = False
    """Whether anything that a content states of the order is another than before."""
    whole: bool = False
    """Whether all that is stated of the order now stands in this observation's content."""


class Pseudonymous(msgspec.Struct, frozen=True, gc=False):
    """The personal parts of a content, hashed under the installation's key."""

    buyer_key: str = ""
    person_digest: bytes | None = None


CASE_OPENED, CASE_REFUNDED = "order.case_opened", "order.case_refunded"
"""What is logged of an after-sale case that was not known, or of which no money was known to have gone back."""

PAYMENT = frozenset({"payment_method", "currency", "paid_minor"})

DIGESTS = {"lines": "lines_digest", "person": "person_digest"}
"""Where other fields stand, of which the order's own row holds only a digest."""

NAMELESS = {"buyer_key": "buyer", "lines": "lines", "person": "receiver"}
"""What is logged of a change without its value, and how."""

_OF_AXES = frozenset(event for event in Event if axis_of(event) in (Axis.AFTER_SALE, Axis.INVOICE, None))
REPEATABLE = frozenset(event.value for event in _OF_AXES - {Event.PLACED} | {Event.MOVED, Event.OUT_FOR_DELIVERY})
"""What may happen again counts when it happened last; everything else when it happened first."""

PAID, DEFERRED, PAID_BACK = Event.PAID.value, Event.DEFERRED.value, Event.AFTER_SALE_REFUNDED.value
FACT_COLUMNS = {
    Event.PLACED.value: "placed_at",
    PAID: "paid_at",
    Event.SHIPPED.value: "shipped_at",
    Event.COLLECTED.value: "collected_at",
    Event.DELIVERED.value: "delivered_at",
}

_plain = attrgetter(*PLAIN)
_AXIS_OF = {event.value: "" if (axis := axis_of(event)) is None else axis.value for event in Event}
"""As the order's row names it."""


def fold(
    head: Head,
    seen: Observation,
    origin: Origin,
    hidden: Pseudonymous = Pseudonymous(),  # noqa: B008 (a frozen struct)
    told: Content | None = None,
) -> Folded:
    """Take an observation in; `head` changes in place. Empty when the observation said nothing new.

    `told` is the content that was taken last, where it is at hand and stands `whole`: what is told once more is seen
    by comparing, at a tenth of the price.
    """
    at = origin.received_at if seen.at is None else seen.at
    folded = Folded([])
    folded.boxed = bool(seen.parcels) and _take_parcels(head, seen.parcels, origin, at, folded.entries)
    happened = _take_facts(head, seen.facts, origin, folded)
    if seen.cases:
        happened |= _take_cases(head, seen.cases, origin, at, folded.entries)
    stated = False
    if seen.content is not None:
        if seen.content is told or seen.content == told:
            stated, folded.whole = _restate(head, at), True
        else:
            stated = _take_content(head, seen.content, (at, seen.at_least), origin, folded, hidden, told)
    folded.changed = folded.boxed or happened or stated
    if folded.changed:
        # A parcel has no version: an order that is only a parcel has no time of its own.
        stated_at = max(head.stated) if head.stated else None
        happened_at = max(head.facts.values()) if head.facts else stated_at
        head.updated_at = happened_at if stated_at is None or (happened_at or 0) > stated_at else stated_at
    return folded


def _take_parcels(head: Head, parcels: tuple[Parcel, ...], origin: Origin, at: int, entries: list[Entry]) -> bool:
    known = head.parcels
    for parcel in parcels:
        before = known.get(parcel.tracking_no)
        carrier, labelled = before or ("", False)
        joined = (max(carrier, parcel.carrier), labelled or parcel.labelled)
        if before != joined:
            known = {**known, parcel.tracking_no: joined}
            detail = {"tracking_no": parcel.tracking_no, "carrier": joined[0], "labelled": joined[1]}
            entries.append(_entry(head, "order.parcel", at, "", "", "changed", origin, _json(detail).decode()))
    if known is head.parcels:
        return False
    head.parcels = known
    head.tracking_no = min(known)
    head.carrier = known[head.tracking_no][0] or None
    return True


def _take_cases(head: Head, cases: tuple[Case, ...], origin: Origin, at: int, entries: list[Entry]) -> bool:
    """Logged is only what makes one more case, or one more of which money went back."""
    before = head.cases
    for case in cases:
        had = counts(head.cases, case.about)
        head.cases = joined(head.cases, case)
        has = counts(head.cases, case.about)
        if had != has:
            event = CASE_REFUNDED if had[1] < has[1] else CASE_OPENED
            detail = msgspec.structs.asdict(case)
            entries.append(_entry(head, event, at, "", "", "changed", origin, _json(detail).decode()))
    return head.cases is not before


_NO_PARCEL, _NUMBERED, _LABELLED = Given(), Given(tracking_no=True), Given(tracking_no=True, label=True)


def _given(head: Head) -> Given:
    if not head.parcels:
        return _NO_PARCEL
    return _LABELLED if any(labelled for _, labelled in head.parcels.values()) else _NUMBERED


def _is_news(known: Mapping[str, int], event: str, at: int) -> bool:
    before = known.get(event)
    return before is None or (at > before if event in REPEATABLE else at < before)


def _take_facts(head: Head, facts: Mapping[str, int], origin: Origin, folded: Folded) -> bool:
    known = head.facts
    # Most facts of a message are those of the one before.
    news = [event for event, at in facts.items() if at != known.get(event) and _is_news(known, event, at)]
    if not news and not folded.boxed:
        return False
    given = _given(head)
    if folded.boxed:
        # A head is what follows from its facts: only what a new parcel changes must be asked for.
        _take_state(head, standing(in_order(known), given))
    for event in sorted(news, key=facts.__getitem__) if len(news) > 1 else news:
        at, axis = facts[event], _AXIS_OF[event]
        corrected = event in known and event not in REPEATABLE
        folded.reopened |= event in OPENING and known.get(event, 0) <= known.get(PAID_BACK, at) < at
        known[event] = at
        before = getattr(head, axis) if axis else ""
        now = standing(in_order(known), given)
        _take_state(head, now)
        outcome, detail = now.steps[event]
        after, outcome = getattr(head, axis or "headline"), "late" if corrected else outcome
        folded.entries.append(_entry(head, event, at, before, after, outcome, origin, detail))
        if column := FACT_COLUMNS.get(event):
            setattr(head, column, at)
    folded.paid = PAID in news
    return True


def _take_state(head: Head, now: Standing) -> None:
    head.payment, head.fulfilment, head.logistics, head.after_sale, head.invoice = now.states
    head.headline, head.contradictions = now.headline, now.contradictions
    head.headline_at = head.facts.get(now.turning)


def _restate(head: Head, at: int) -> bool:
    """All that stands was said by one content, which says it again: equal values, so the newer version wins."""
    if not head.stated:
        return False
    ((known, fields),) = head.stated.items()
    if at <= known:
        return False
    head.stated = {at: fields}
    return True


def _take_content(
    head: Head, content: Content, version: tuple[int, bool], origin: Origin, folded: Folded, hidden: Pseudonymous,
    told: Content | None,
) -> bool:  # fmt: skip
    """Whether any field was taken, if only because it was stated anew. `version`: `at` and `at_least`."""
    at, before, said = version[0], head.stated, _said(head, content, hidden, told)
    if before and at <= max(before):
        said = {field: both for field, both in said.items() if _wins(*both, version, version_of(field, before))}
    fresh = {field: value for field, (value, known) in said.items() if value != known}
    if fresh and (before or not folded.entries):  # every message that an order has heard is in the log
        changes = {NAMELESS.get(field, field): [] if field in NAMELESS else said[field][::-1] for field in fresh}
        folded.entries.append(_entry(head, "order.content", at, "", "", "changed", origin, _json(changes).decode()))
    for field, value in fresh.items():
        setattr(head, DIGESTS.get(field, field), value)
    if "warehouse" in fresh:
        head.warehouse_by = "channel"
    if "lines" in fresh and content.lines is not None:
        head.item_count, folded.lines = sum([line.quantity for line in content.lines]), content.lines
    taken = sum([FIELDS[field] for field in said])
    if taken:
        head.stated = {version: left for version, fields in before.items() if (left := fields & ~taken)}
        head.stated[at] = head.stated.get(at, 0) | taken
    folded.person, folded.restated = "person" in fresh, bool(fresh)
    folded.whole = taken == sum(head.stated.values())
    folded.paid |= not PAYMENT.isdisjoint(fresh)
    return bool(said)


def _said(head: Head, content: Content, hidden: Pseudonymous, told: Content | None) -> dict[str, tuple[Any, Any]]:
    """What a content states, by field: the value, and the one that is known."""
    said = {
        field: (value, known)
        for field, value, known in zip(PLAIN, _plain(content), _plain(head), strict=True)
        if value is not None and value != ""
    }
    if hidden.buyer_key:
        said["buyer_key"] = hidden.buyer_key, head.buyer_key
    if content.warehouse and head.warehouse_by != "rule":
        said["warehouse"] = content.warehouse, head.warehouse
    if content.lines is not None:
        same = told is not None and content.lines == told.lines and head.lines_digest
        said["lines"] = same or blake2b(_json(content.lines), digest_size=16).digest(), head.lines_digest
    if hidden.person_digest is not None:
        said["person"] = hidden.person_digest, head.person_digest
    return said


def _wins(value: Any, known: Any, version: tuple[int, bool], before: int | None) -> bool:
    """The newer statement; of two with one version, the greater value, so that both orders end alike. Where that is
    only the least that it can be, what came later was stated later."""
    at, at_least = version
    if at != before or known is None:
        return before is None or at > before
    return bool(value != known if at_least else value > known)


def _entry(
    head: Head, event: str, at: int, before: str, after: str, outcome: str, origin: Origin, detail: str
) -> Entry:
    recorded_at, source, message = origin.received_at, origin.source, origin.message
    return as_entry((head.order_id, event, at, recorded_at, before, after, outcome, source, message, detail))
