"""One event of the direct channel becomes one Observation. Pure, and the hot path of a flash sale.

Types carry the limits, so that the parser checks them while it reads; only instants are converted.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from connectors._kit.bounds import (
    AMOUNT_MAX,
    FIRST,
    KEY_MAX,
    LAST,
    LINE_NO_MAX,
    ORDER_NO_MAX,
    QUANTITY_MAX,
    has_nul,
    told_apart,
)
from connectors._kit.currencies import iso
from connectors._kit.echo import echoed, refusal
from orderhub_core import model
from orderhub_core.errors import Unreadable
from orderhub_core.model import Observation

Instant = Annotated[datetime, Meta(tz=True)]
"""ISO 8601 with its zone: a wall clock without one is refused, never guessed at."""
Amount = Annotated[int, Meta(ge=0, le=AMOUNT_MAX)]
Count = Annotated[int, Meta(ge=1, le=QUANTITY_MAX)]
LineNo = Annotated[int, Meta(ge=1, le=LINE_NO_MAX)]
OrderNo = Annotated[str, Meta(min_length=1, max_length=ORDER_NO_MAX)]
EventId = Annotated[str, Meta(min_length=1, max_length=KEY_MAX)]
CaseNo = Annotated[str, Meta(min_length=1, max_length=KEY_MAX)]
WarehouseId = Annotated[str, Meta(max_length=KEY_MAX)]
TrackingNo = Annotated[str, Meta(min_length=1, max_length=KEY_MAX)]


class Line(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    line_no: LineNo
    sku: str
    name: str = ""
    category: str = ""
    quantity: Count = 1
    price_minor: Amount = 0
    gift_of: LineNo | None = None


class Parcel(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    tracking_no: TrackingNo
    carrier: str = ""
    labelled: bool = False


class Case(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    number: CaseNo
    line_no: LineNo | None = None
    refunded_minor: Amount | None = None


class Person(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    name: str = ""
    phone: str = ""
    address: str = ""


class Content(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    currency: str = ""
    total_minor: Amount | None = None
    paid_minor: Amount | None = None
    freight_minor: Amount | None = None
    discount_minor: Amount | None = None
    payment_method: str = ""
    buyer_ref: str = ""
    province: str = ""
    city: str = ""
    warehouse: WarehouseId = ""
    note: str = ""
    promised_at: Instant | None = None
    lines: tuple[Line, ...] | None = None
    person: Person | None = None


NOTHING = msgspec.Raw(b"null")


class Event(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    id: EventId
    order_no: OrderNo
    at: Instant
    facts: dict[str, Instant] = {}
    content: msgspec.Raw = NOTHING
    parcels: tuple[Parcel, ...] = ()
    cases: tuple[Case, ...] = ()


EVENT, CONTENT = msgspec.json.Decoder(Event), msgspec.json.Decoder(Content | None)
SAME_AGAIN, LONGEST_KEPT = 2_048, 4_096
"""Most platforms tell the whole order with each of its events: what was read lately need not be read again. Orders
whose last content is kept, and the bytes of one."""
WORDS = frozenset(event.value for event in model.Event)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def decode(body: bytes) -> Observation:
    """Raises Unreadable, whatever the bytes are."""
    if not body.strip():
        raise Unreadable("not an order event: the body is empty")
    try:
        told = EVENT.decode(body)
        content = _content_of(told.order_no, told.content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        why = refusal(error)
        raise _of_amount(Unreadable("not an order event: {why}", why=why), why) from None
    except RecursionError:
        raise Unreadable("not an order event: nested too deeply") from None
    if not WORDS.issuperset(told.facts):
        unknown = min(set(told.facts) - WORDS)
        raise Unreadable("the event {word!r} is new to us; docs/direct.md lists the words", word=echoed(unknown))
    if has_nul(body):
        raise Unreadable("a text holds a NUL character")
    return Observation(
        told.order_no,
        _instants(told.facts),
        us(told.at, "at"),
        content,
        tuple([model.Parcel(box.tracking_no, box.carrier, box.labelled) for box in told.parcels]),
        cases=tuple([_case(case) for case in told.cases]),
    )


def _instants(facts: dict[str, datetime]) -> dict[str, int]:
    """As `us`, of all at once."""
    found = {event: (at - EPOCH) // MICROSECOND for event, at in facts.items()}
    for event, at in found.items():
        if not FIRST <= at <= LAST:
            us(facts[event], event)
    return found


def us(at: datetime, what: str) -> int:
    """Microseconds UTC, exact. Raises Unreadable outside 2000-2100."""
    found = (at - EPOCH) // MICROSECOND
    if not FIRST <= found <= LAST:
        raise Unreadable("{what} lies outside the years 2000 to 2100", what=what)
    return found


_kept: OrderedDict[str, tuple[msgspec.Raw, model.Content | None]] = OrderedDict()
"""By order number: of two shops with one number, each has its own content read."""


def _content_of(order_no: str, said: msgspec.Raw) -> model.Content | None:
    last = _kept.get(order_no)
    if last is not None and last[0] == said:
        return last[1]
    try:
        content = _content(said)
    except msgspec.ValidationError as error:
        what, at, where = refusal(error).partition(" - at `$")
        where = where if at else "`"
        failed = Unreadable("not an order event: {what} - at `$.content{where}", what=what, where=where)
        raise _of_amount(failed, where) from None
    if len(said) <= LONGEST_KEPT:
        _kept[order_no] = said.copy(), content
        if len(_kept) > SAME_AGAIN:
            _kept.popitem(last=False)
    return content


def _of_amount(failed: Unreadable, where: str) -> Unreadable:
    """The parser asks for an `int`, which does not tell a shop what is to be counted."""
    if not where.endswith("_minor`"):
        return failed
    return Unreadable("{said}; amounts are whole minor units: 19.90 is 1990 fen", said=failed)


def _content(said: msgspec.Raw) -> model.Content | None:
    told = CONTENT.decode(said)
    if told is None:
        return None
    # Positions instead of names, here and below: a third of the time, and a test holds the two orders together.
    return model.Content(
        iso(told.currency),
        told.total_minor,
        told.paid_minor,
        told.freight_minor,
        told.discount_minor,
        told.payment_method,
        told.buyer_ref,
        told.province,
        told.city,
        told.warehouse,
        told.note,
        None if told.promised_at is None else us(told.promised_at, "promised_at"),
        told_apart(tuple([_line(line) for line in told.lines])) if told.lines else None,
        None if (person := told.person) is None else model.Person(person.name, person.phone, person.address),
    )


def _case(told: Case) -> model.Case:
    return model.Case(told.number, "" if told.line_no is None else str(told.line_no), told.refunded_minor)


def _line(told: Line) -> model.Line:
    return model.Line(told.line_no, told.sku, told.name, told.category, told.quantity, told.price_minor, told.gift_of)
