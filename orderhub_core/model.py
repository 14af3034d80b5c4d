"""The words of the hub: what an order is, what may be said of one, and what happened to it.

Values only: frozen, hashable where it matters, no IO. What is said of goods is in `supply`, of the world outside
in `signals`; rows are in `store`, frames in `frames`.
Instants are integers: microseconds since 1970-01-01T00:00:00Z. Money is an integer of the currency's
minor unit (fen, cents). Nothing here knows a platform's own words.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from orderhub_core.people import Word


class Payment(StrEnum):
    """Has the buyer paid, and does the money stay?"""

    UNPAID = "unpaid"
    DEFERRED = "deferred"
    """The goods go first: cash on delivery, or pay later."""
    PAID = "paid"
    SETTLED = "settled"
    PARTLY_REFUNDED = "partly_refunded"
    REFUNDED = "refunded"
    VOID = "void"


class Fulfilment(StrEnum):
    """What the shop, its workshop and its warehouse have done."""

    WAITING = "waiting"
    DESIGNING = "designing"
    PRODUCING = "producing"
    SHORT = "short"
    LOCKED = "locked"
    LABELLED = "labelled"
    PARTLY_SHIPPED = "partly_shipped"
    SHIPPED = "shipped"
    INTERCEPTED = "intercepted"
    CANCELLED = "cancelled"


class Logistics(StrEnum):
    """Where the carrier says the parcel is. A shop's "shipped" never moves this axis."""

    NONE = "none"
    COLLECTED = "collected"
    IN_TRANSIT = "in_transit"
    OUT_FOR_DELIVERY = "out_for_delivery"
    DELIVERED = "delivered"
    REFUSED = "refused"
    RETURNING = "returning"
    RETURNED = "returned"
    LOST = "lost"


class AfterSale(StrEnum):
    """The latest after-sale case of the order."""

    NONE = "none"
    APPLIED = "applied"
    AWAITING_RETURN = "awaiting_return"
    RETURNING = "returning"
    REFUNDING = "refunding"
    REFUNDED = "refunded"
    REJECTED = "rejected"
    CLOSED = "closed"


class Invoice(StrEnum):
    NONE = "none"
    REQUESTED = "requested"
    ISSUED = "issued"
    VOID = "void"


State = Payment | Fulfilment | Logistics | AfterSale | Invoice


class Axis(StrEnum):
    """The five orthogonal axes. The order in which they are written is the order in which they settle."""

    PAYMENT = "payment"
    FULFILMENT = "fulfilment"
    LOGISTICS = "logistics"
    AFTER_SALE = "after_sale"
    INVOICE = "invoice"


STATES: dict[Axis, type[State]] = dict(zip(Axis, (Payment, Fulfilment, Logistics, AfterSale, Invoice), strict=True))


class Event(StrEnum):
    """What happened, in the past tense. The part before the dot is the axis it moves; what is `order.` moves none."""

    PLACED = "order.placed"
    ADDRESS_CHANGE_REQUESTED = "order.address_change_requested"
    """The buyer asks for another receiver or address, which the shop has not answered."""
    ADDRESS_CHANGE_SETTLED = "order.address_change_settled"
    """It is answered, or the receiver was changed unasked. Who it is now, the order states as of then, or later."""
    HOLD_REQUESTED = "order.hold_requested"
    """The seller's people want it kept from its warehouse, whatever rules say, until they say otherwise."""
    HOLD_ENDED = "order.hold_ended"

    DEFERRED = "payment.deferred"
    PAID = "payment.paid"
    VOIDED = "payment.voided"
    PARTLY_REFUNDED = "payment.partly_refunded"
    REFUNDED = "payment.refunded"
    SETTLED = "payment.settled"

    DESIGN_STARTED = "fulfilment.design_started"
    PRODUCTION_STARTED = "fulfilment.production_started"
    RAN_SHORT = "fulfilment.ran_short"
    LOCKED = "fulfilment.locked"
    LABELLED = "fulfilment.labelled"
    PARTLY_SHIPPED = "fulfilment.partly_shipped"
    SHIPPED = "fulfilment.shipped"
    INTERCEPTED = "fulfilment.intercepted"
    CANCELLED = "fulfilment.cancelled"

    COLLECTED = "logistics.collected"
    MOVED = "logistics.moved"
    OUT_FOR_DELIVERY = "logistics.out_for_delivery"
    DELIVERED = "logistics.delivered"
    REFUSED = "logistics.refused"
    RETURN_STARTED = "logistics.return_started"
    RETURNED = "logistics.returned"
    LOST = "logistics.lost"

    AFTER_SALE_APPLIED = "after_sale.applied"
    RETURN_AGREED = "after_sale.return_agreed"
    RETURN_SENT = "after_sale.return_sent"
    REFUND_AGREED = "after_sale.refund_agreed"
    AFTER_SALE_REFUNDED = "after_sale.refunded"
    AFTER_SALE_REJECTED = "after_sale.rejected"
    AFTER_SALE_CLOSED = "after_sale.closed"

    INVOICE_REQUESTED = "invoice.requested"
    INVOICE_ISSUED = "invoice.issued"
    INVOICE_VOIDED = "invoice.voided"


class Headline(StrEnum):
    """The one word people ask for, derived from the axes; never stored as truth of its own."""

    PENDING_PAYMENT = "pending_payment"
    ACCEPTED = "accepted"
    """To be sent before it is paid."""
    PAID = "paid"
    DESIGNING = "designing"
    PRODUCING = "producing"
    SHORT = "short"
    LOCKED = "locked"
    LABELLED = "labelled"
    PARTLY_SHIPPED = "partly_shipped"
    SHIPPED = "shipped"
    IN_TRANSIT = "in_transit"
    DELIVERED = "delivered"
    COMPLETED = "completed"
    AFTER_SALE = "after_sale"
    INTERCEPTED = "intercepted"
    RETURNED = "returned"
    REFUNDED = "refunded"
    CANCELLED = "cancelled"


FIRST_ADDED_LINE = 1_000
"""From this number on lines are gifts that rules have added; a channel's own lie below."""


class Line(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One position of an order. A gift names the line it belongs to in `gift_of`."""

    line_no: int
    sku: str
    name: str = ""
    category: str = ""
    quantity: int = 1
    price_minor: int = 0
    """Minor units for one piece."""
    gift_of: int | None = None


class Parcel(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One box on its way. `labelled` says that the label is printed, not only that a number was obtained."""

    tracking_no: str
    carrier: str = ""
    labelled: bool = False


class Person(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The receiver's personal fields; stored apart from the order and never part of a frame, a log or an effect."""

    name: str = ""
    phone: str = ""
    address: str = ""


class Content(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What an order consists of, as its own channel states it. None and "" mean: not stated here.

    Field by field the newest statement wins; where it is silent, the one before still holds.
    """

    currency: str = ""
    total_minor: int | None = None
    """What the buyer owes, freight included, discounts off. Minor units."""
    paid_minor: int | None = None
    freight_minor: int | None = None
    discount_minor: int | None = None
    payment_method: str = ""
    buyer_ref: str = ""
    """The channel's own pseudonymous buyer id."""
    province: str = ""
    city: str = ""
    warehouse: str = ""
    """The warehouse that the channel itself names. The hub routes only orders that nobody has routed."""
    note: str = ""
    promised_at: int | None = None
    lines: tuple[Line, ...] | None = None
    person: Person | None = None


class Case(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An after-sale case of an order. Two of one number, about the same, are one."""

    number: str = ""
    """The channel's own; empty where it names none."""
    about: str = ""
    """The channel's id of the line that it is about; empty where it says none."""
    refunded_minor: int | None = None
    """What went back by it, 0 where nobody says how much. None: nothing yet."""


class Observation(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a channel claims of one order. Channels claim; the hub decides.

    `facts` maps an `Event` value to the instant at which it is said to have happened. `at` is the source's own version
    of the claim (its update time); where that is None, the instant at which the hub received it stands in.
    """

    order_no: str
    facts: dict[str, int] = {}
    at: int | None = None
    content: Content | None = None
    parcels: tuple[Parcel, ...] = ()
    at_least: bool = False
    """`at` is only the least that the version can be: of two such claims with one `at`, what came later holds."""
    incomplete: bool = False
    """The source has more to say than it says here: ask it for the whole order."""
    cases: tuple[Case, ...] = ()
    """Where they can be told apart; that there is one, and how it goes on, the facts say."""


class OfNoOrder(msgspec.Struct, frozen=True, gc=False):
    """What a channel said is about no order, such as its goods. It is kept as everything is, and changes nothing."""


class Sighting(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a touchpoint (customer page, service CRM, WMS, ...) showed of an order: its raw word and its update time.

    A sighting never moves an order; the audit compares it.
    """

    shop: str
    order_no: str
    status: str
    at: int | None = None


Decoded = Observation | OfNoOrder | Sighting | Word


class RawMessage(msgspec.Struct, frozen=True, gc=False):
    """A message as it came, before anyone understood it.

    `source` is a shop id, a touchpoint name, `file:<mapping>` or `ops`. `message_id` is unique within
    its source: receiving the same one again is harmless. `kind` tells the source's decoder what it holds.
    """

    source: str
    message_id: str
    kind: str
    body: bytes
    key: str = ""
    """The order it speaks of, where that is cheap to tell: never trusted, a hint by which workers share the load."""
