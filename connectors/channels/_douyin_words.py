"""Douyin's words and ours: every code the platform documents, in total tables. Any other code is Unreadable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from connectors._kit.bounds import AMOUNT_MAX, QUANTITY_MAX
from connectors._kit.echo import echoed, refusal
from orderhub_core.errors import Unreadable
from orderhub_core.model import Event

E = Event
Word = TypeVar("Word")
Meaning = TypeVar("Meaning")
Read = TypeVar("Read")

SECOND = 1_000_000
SECONDS_MAX = 253_402_300_799
"""The end of year 9999. A time in milliseconds is beyond it, so it is refused instead of misread."""

# Ids have 19 digits: beyond what a float keeps, so they are read as exact integers or as text.
Id = Annotated[int, Meta(ge=1, le=2**63 - 1)] | Annotated[str, Meta(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
Instant = Annotated[int, Meta(ge=0, le=SECONDS_MAX)]
"""Epoch seconds are correct instants already: no zone to add. 0 means "not yet"."""
Fen = Annotated[int, Meta(ge=0, le=AMOUNT_MAX)]
Pieces = Annotated[int, Meta(ge=1, le=QUANTITY_MAX)]

PLACED = (E.PLACED,)
PAID = (E.PLACED, E.PAID)
SHIPPED = (*PAID, E.SHIPPED)

CANCELLED, REFUNDED_UNSHIPPED, REFUNDED_SHIPPED, REFUNDED_RECEIVED, FINISHED = 4, 21, 22, 39, 5
CLOSED = frozenset({CANCELLED, REFUNDED_UNSHIPPED, REFUNDED_SHIPPED, REFUNDED_RECEIVED})
CALLED_OFF = frozenset({CANCELLED, REFUNDED_UNSHIPPED})
"""Closed before anything of it was sent."""

STATUSES: dict[int, tuple[Event, ...]] = {
    1: PLACED,  # waiting for payment
    103: PLACED,  # partly paid
    105: PLACED,  # paid, but only for a moment: reserving goods on it reserves them twice, once more on 2
    2: PAID,
    101: (*PAID, E.PARTLY_SHIPPED),
    3: SHIPPED,  # the merchant typed in a tracking number; nobody has collected anything yet
    CANCELLED: (E.PLACED, E.VOIDED),  # never paid; paid ones are read as one of the next two
    REFUNDED_UNSHIPPED: (*PAID, E.REFUNDED, E.CANCELLED),
    REFUNDED_SHIPPED: (*SHIPPED, E.REFUNDED),
    REFUNDED_RECEIVED: (*SHIPPED, E.SETTLED, E.REFUNDED),
    FINISHED: (*SHIPPED, E.SETTLED),
}
"""order_status and main_status: what has happened to an order that shows it, where it is paid before it is sent."""

UNPAID: dict[Event, Event | None] = {E.PAID: E.DEFERRED, E.REFUNDED: E.VOIDED, E.SETTLED: None}
"""What the same means of an order that is sent first, until it is paid. Such a one is finished, too, where the buyer
refused it, or nobody has heard of its parcel for fifteen days: then nobody has paid."""

CASES: dict[int, Event | None] = {
    0: None,
    6: E.AFTER_SALE_APPLIED,
    7: E.RETURN_AGREED,
    11: E.RETURN_SENT,
    12: E.AFTER_SALE_REFUNDED,
    51: E.AFTER_SALE_REFUNDED,
    53: E.AFTER_SALE_REFUNDED,
    27: E.AFTER_SALE_REJECTED,
    29: E.AFTER_SALE_REJECTED,
    28: E.AFTER_SALE_CLOSED,
    # Exchange, repair and resending: what came back is there, and the shop has to send (8), or has (13, in lists 3).
    3: E.RETURN_SENT,
    8: E.RETURN_SENT,
    13: E.RETURN_SENT,
    14: E.AFTER_SALE_CLOSED,
}
"""after_sale_status of a line."""

OPEN_FIRST = (
    E.AFTER_SALE_APPLIED,
    E.RETURN_AGREED,
    E.RETURN_SENT,
    E.REFUND_AGREED,
    E.AFTER_SALE_REFUNDED,
    E.AFTER_SALE_REJECTED,
    E.AFTER_SALE_CLOSED,
)
"""Lines may have a case each; the order shows the one that still needs most work."""
OF_A_CASE = frozenset(OPEN_FIRST) - {E.AFTER_SALE_REJECTED, E.AFTER_SALE_CLOSED}
"""Events by which a case is open, or has ended in a refund."""

REFUND_STATUSES: dict[int, bool] = {0: True, 1: False, 2: False, 3: True, 4: False, 5: True}
"""refund_status: may a case that calls itself successful be believed to have paid back? (1, 2 under way; 4 failed)"""

REFUND, EXCHANGE, RESENDING, CANCELLATION = "refund", "exchange", "resending", "cancellation"
PRICE = "price"
CASE_TYPES: dict[int, str] = {
    0: REFUND,
    1: REFUND,
    2: REFUND,
    6: PRICE,
    3: EXCHANGE,
    7: RESENDING,
    8: EXCHANGE,
    4: CANCELLATION,
    5: CANCELLATION,
}
"""after_sale_type of a line. Repair is read as exchange: goods come back, and go out again. Of a price that was
protected (6) the buyer has got a part back, and is sent all that was bought: it is no case that keeps goods back."""
WITHOUT_MONEY = frozenset({EXCHANGE, RESENDING})
"""Of these none goes back."""

COD, PAY_LATER = 0, 12
PAY_TYPES: dict[int, str] = {
    COD: "cash_on_delivery",
    1: "wechat",
    2: "alipay",
    3: "mini_program",
    4: "bank_card",
    5: "balance",
    7: "nothing_to_pay",
    8: "instalments",
    9: "new_card",
    PAY_LATER: "pay_later",
}
DEFERRED = {COD, PAY_LATER}
"""pay_type of orders that are sent before they are paid."""

CARRIER_STATES: dict[str, Event] = {
    "1": E.COLLECTED,
    "0": E.MOVED,
    "5": E.OUT_FOR_DELIVERY,
    "3": E.DELIVERED,
    "14": E.REFUSED,
    "6": E.RETURN_STARTED,
    "4": E.RETURNED,
}
"""The carrier's own states as the common tracking services number them."""


def mean(table: Mapping[Word, Meaning], word: Word, what: str) -> Meaning:
    """What the word means. Raises Unreadable for a word that is not in the table."""
    if word not in table:
        raise Unreadable("{what} {word} is new to us", what=what, word=echoed(word))
    return table[word]


def read(decoder: msgspec.json.Decoder[Read], body: bytes | str, what: object) -> Read:
    """Raises Unreadable, whatever the bytes are."""
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreadable("{what} cannot be read: {why}", what=what, why=refusal(error)) from None
    except RecursionError:
        raise Unreadable("{what} cannot be read: nested too deeply", what=what) from None
