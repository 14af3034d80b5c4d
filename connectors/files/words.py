"""What a status word says happened: the friendly words of a mapping are the hub's own headlines.

A word states its own facts (`STATES`). Some words only make sense after earlier facts (`PRESUPPOSES`); those
are taken on trust only when the file has no column that could have said so itself.
"""

from __future__ import annotations

import polars as pl

from orderhub_core.model import Event, Headline

STATES: dict[Headline, tuple[Event, ...]] = {
    Headline.PENDING_PAYMENT: (),
    Headline.ACCEPTED: (Event.DEFERRED,),
    Headline.PAID: (Event.PAID,),
    Headline.DESIGNING: (Event.DESIGN_STARTED,),
    Headline.PRODUCING: (Event.PRODUCTION_STARTED,),
    Headline.SHORT: (Event.RAN_SHORT,),
    Headline.LOCKED: (Event.LOCKED,),
    Headline.LABELLED: (Event.LABELLED,),
    Headline.PARTLY_SHIPPED: (Event.PARTLY_SHIPPED,),
    Headline.SHIPPED: (Event.SHIPPED,),
    Headline.IN_TRANSIT: (Event.MOVED,),
    Headline.DELIVERED: (Event.DELIVERED,),
    Headline.COMPLETED: (Event.SETTLED,),
    Headline.AFTER_SALE: (Event.AFTER_SALE_APPLIED,),
    Headline.INTERCEPTED: (Event.INTERCEPTED,),
    Headline.RETURNED: (Event.RETURNED,),
    Headline.REFUNDED: (Event.REFUNDED,),
    Headline.CANCELLED: (Event.CANCELLED, Event.VOIDED),
}

PRESUPPOSES: dict[Headline, tuple[Event, ...]] = {
    Headline.DESIGNING: (Event.PAID,),
    Headline.PRODUCING: (Event.PAID,),
    Headline.SHORT: (Event.PAID,),
    Headline.LOCKED: (Event.PAID,),
    Headline.LABELLED: (Event.PAID,),
    Headline.PARTLY_SHIPPED: (Event.PAID,),
    Headline.SHIPPED: (Event.PAID,),
    Headline.IN_TRANSIT: (Event.PAID, Event.SHIPPED),
    Headline.DELIVERED: (Event.PAID, Event.SHIPPED),
    Headline.COMPLETED: (Event.PAID, Event.SHIPPED),
    Headline.AFTER_SALE: (Event.PAID,),
    Headline.INTERCEPTED: (Event.PAID,),
    Headline.RETURNED: (Event.PAID, Event.SHIPPED),
    Headline.REFUNDED: (Event.PAID,),
}

DEFERRED = ("货到付款", "先用后付", "cash on delivery", "cash_on_delivery", "cod", "pay later", "pay_later")
"""Ways of paying by which the goods go first: a word that presupposes a payment presupposes none there."""

CASES = tuple(
    event.value
    for event in (
        Event.AFTER_SALE_APPLIED,
        Event.RETURN_AGREED,
        Event.RETURN_SENT,
        Event.REFUND_AGREED,
        Event.AFTER_SALE_REFUNDED,
        Event.AFTER_SALE_REJECTED,
        Event.AFTER_SALE_CLOSED,
    )
)
"""What a word of an after-sale column may state. Of several rows' the first of these holds: what is over hides nothing
that is open."""
NO_CASE, ANY_OTHER = "none", "*"
CASE = pl.Enum(CASES)

TIMES: dict[str, Event] = {
    "placed_at": Event.PLACED,
    "paid_at": Event.PAID,
    "shipped_at": Event.SHIPPED,
    "collected_at": Event.COLLECTED,
    "delivered_at": Event.DELIVERED,
    "completed_at": Event.SETTLED,
    "cancelled_at": Event.CANCELLED,
    "refunded_at": Event.REFUNDED,
}
"""The time columns that are facts by themselves, in the order in which an order usually lives through them."""
