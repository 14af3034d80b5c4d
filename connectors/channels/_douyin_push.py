"""One Douyin push message becomes one Observation. Pure.

A push is a hint: it names the order and what just happened, never the whole order.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import NamedTuple

import msgspec

from connectors._kit.bounds import FIRST, LAST, storable
from connectors._kit.echo import echoed
from connectors.channels import _douyin_words as words
from connectors.channels._douyin_words import SECOND, Fen, Id, Instant, Read
from orderhub_core.errors import OrderHubError, Term, Unreadable
from orderhub_core.model import Case, Event, Observation, OfNoOrder, Parcel

E = Event
EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
BEIJING = timezone(timedelta(hours=8))


class Item(msgspec.Struct, gc=False):
    """One element of a delivery. `data` is JSON within JSON."""

    tag: str | int
    msg_id: str | int = ""
    data: str = "{}"


class Logistics(msgspec.Struct, gc=False):
    logistics_code: str = ""
    express_company_id: str | int = ""
    logistics_status: str | int = ""
    """The carrier's state. No public text lists the fields of tag 104: without this one it only names the parcel."""


UNSAID = msgspec.Raw()


class Data(msgspec.Struct, gc=False):
    """Raw is what only some tags mean something by: it is read for those, and badly said it costs nothing else."""

    p_id: Id
    create_time: msgspec.Raw = UNSAID
    pay_time: msgspec.Raw = UNSAID
    update_time: msgspec.Raw = UNSAID
    cancel_time: msgspec.Raw = UNSAID
    complete_time: msgspec.Raw = UNSAID
    finish_time: msgspec.Raw = UNSAID
    apply_time: msgspec.Raw = UNSAID
    agree_time: msgspec.Raw = UNSAID
    refuse_time: msgspec.Raw = UNSAID
    success_time: msgspec.Raw = UNSAID
    close_time: msgspec.Raw = UNSAID
    pay_type: msgspec.Raw = UNSAID
    aftersale_id: msgspec.Raw = UNSAID
    aftersale_type: msgspec.Raw = UNSAID
    s_id: msgspec.Raw = UNSAID
    refund_amount: msgspec.Raw = UNSAID
    logistics_msg: Logistics | None = None


class Meaning(NamedTuple):
    event: Event | None
    times: tuple[str, ...] = ("update_time",)
    """The fields that may hold its instant, the best first."""


NOTHING = Meaning(None)
MEANINGS: dict[str, Meaning] = {
    "100": Meaning(E.PLACED, ("create_time",)),
    "101": Meaning(E.PAID, ("pay_time",)),  # or, of cash on delivery, accepted by the shop: `pay_type` tells
    "102": Meaning(E.SHIPPED),
    # Finished, but was it paid? What is paid on delivery is finished, too, when it was refused.
    "103": Meaning(None, ("complete_time", "finish_time", "update_time")),
    "104": Meaning(None),  # the carrier's state, when it is sent, says which event
    # The new receiver is taken from the order: what the push has of it is enciphered.
    "105": Meaning(E.ADDRESS_CHANGE_SETTLED),
    # Cancelled, but does money go back? The push does not tell whether any came; the order itself does.
    "106": Meaning(None, ("cancel_time",)),
    "108": Meaning(E.PARTLY_SHIPPED),
    # The shop agrees (105 follows) or does not: of that no push tells.
    "111": Meaning(E.ADDRESS_CHANGE_REQUESTED, ("apply_time", "update_time")),
    # Older messages have a time of their own instead of `update_time`.
    "200": Meaning(E.AFTER_SALE_APPLIED, ("update_time", "apply_time")),
    "201": Meaning(E.REFUND_AGREED, ("update_time", "agree_time")),
    "202": Meaning(E.RETURN_AGREED, ("update_time", "agree_time")),
    "203": Meaning(E.RETURN_SENT),
    "204": Meaning(E.AFTER_SALE_REJECTED, ("update_time", "refuse_time")),
    "205": Meaning(E.AFTER_SALE_REJECTED, ("update_time", "refuse_time")),
    # Of one line perhaps: the payment axis waits for the order itself.
    "206": Meaning(E.AFTER_SALE_REFUNDED, ("update_time", "success_time")),
    "207": Meaning(E.AFTER_SALE_CLOSED, ("update_time", "close_time")),
    # What came back is there, and another piece goes out: as the status that follows.
    "211": Meaning(E.RETURN_SENT),
    # Special rights: a refund that the buyer has a right to, with pushes of its own.
    "224": Meaning(E.AFTER_SALE_APPLIED, ("update_time", "apply_time")),
    "225": Meaning(E.AFTER_SALE_REFUNDED, ("update_time", "success_time")),
    # Goods are to be sent again (227), and are (226): the case is open until the buyer has them.
    "226": Meaning(E.AFTER_SALE_APPLIED),
    "227": Meaning(E.AFTER_SALE_APPLIED),
}

TO_ASK: dict[str, str] = {
    "109": "amount changed",
    "113": "merchant's remark",
    # It names the new time, but as of when does it? An older one that comes late must not hold.
    "126": "promised for another time",
    "208": "after-sale case changed",
    # No push of an arbitration tells its time, nor whether the case is open by it: its status is what counts.
    "212": "arbitration asked for",
    "215": "arbitration called off",
    "216": "arbitration decided",
}
"""Tags by which the order may be another, and which do not tell enough of it."""

PASSED_OVER: dict[str, str] = {
    "110": "paid only for a moment (status 105): 101 says when it is",
    "209": "until when somebody must answer a case: the case is as it was",
    "213": "arbitration: papers are asked for",
    "214": "arbitration: the shop has sent papers",
    "217": "arbitration: the platform's staff has it",
    "218": "arbitration: papers while both sides still talk",
}
"""Tags about an order of which nothing follows for sending, money or cases, and why. One that is in no table is
Unreadable."""

OF_NO_ORDER: dict[str, str] = {"0": "the console's test", "400": "goods changed", "417": "text of goods changed"}
"""Tags that are not about an order."""
TEST = ("0", "0")
"""Tag and id of the console's test. Every one has that id, so a second would look like a repetition of the first, or
like a conflict with it; and no test says that anything has happened."""

CHANGED = frozenset({"101", "103", "104", "106"}) | TO_ASK.keys()
"""Tags that may say that the order is another now and not how: the whole order must be asked for."""
MONEY_BACK = frozenset({"206", "225"})
"""What they say, they say of one line perhaps: what is left of the order, it tells itself."""
PARTS = MONEY_BACK | {"105"}
"""Tags whose order has more to say, whatever they say."""
KNOWN = MEANINGS.keys() | TO_ASK.keys() | PASSED_OVER.keys()

ITEM, DATA = msgspec.json.Decoder(Item), msgspec.json.Decoder(Data)
WHEN: msgspec.json.Decoder[Instant | str] = msgspec.json.Decoder(Instant | str)
ID: msgspec.json.Decoder[Id] = msgspec.json.Decoder(Id)
FEN: msgspec.json.Decoder[Fen] = msgspec.json.Decoder(Fen)
WHOLE = msgspec.json.Decoder(int, strict=False)
"""As text, too: not to see that a `pay_type` is 0 would make a payment of what is none."""


def decode(body: bytes) -> Observation | OfNoOrder:
    """Raises Unreadable."""
    item = words.read(ITEM, body, Term("a push of Douyin"))
    tag = str(item.tag)
    if tag in OF_NO_ORDER:
        return OfNoOrder()
    if tag not in KNOWN:
        raise Unreadable("push tag {tag} is new to us", tag=echoed(tag))
    data = words.read(DATA, item.data, OrderHubError("data of push {tag}", tag=tag))
    meaning = MEANINGS.get(tag, NOTHING)
    at = next(filter(None, (instant(getattr(data, field)) for field in meaning.times)), 0)
    event = _event(tag, data, at)
    if event and not at:
        raise Unreadable("push {tag} has no {name} that can be read", tag=tag, name=meaning.times[0])
    parcels = _parcels(data.logistics_msg)
    return storable(
        Observation(
            order_no=str(data.p_id),
            facts={event.value: at} if event else {},
            at=at or None,
            parcels=parcels,
            cases=_cases(tag, data),
            incomplete=_is_part(tag, data) or (tag in CHANGED and not (event or parcels)),
        )
    )


def _event(tag: str, data: Data, at: int) -> Event | None:
    if tag == "104":
        return _carrier_event(data.logistics_msg)
    if tag == "101":
        return _payment(told(WHOLE, data.pay_type), at)
    if tag == "105" and not at:  # the order, asked for, is newer than whatever was changed
        return None
    if _is_of_a_price(data):
        return None
    return MEANINGS.get(tag, NOTHING).event


def _payment(pay_type: int | None, at: int) -> Event | None:
    if not at and (pay_type is None or pay_type in words.DEFERRED):
        return None
    return E.DEFERRED if pay_type in words.DEFERRED else E.PAID


def _is_part(tag: str, data: Data) -> bool:
    """Whether the order has more to say than the push, whatever that says."""
    return tag in PARTS or (tag == "101" and told(WHOLE, data.pay_type) is None)


def told(decoder: msgspec.json.Decoder[Read], said: msgspec.Raw) -> Read | None:
    """None where it is not said, or cannot be read."""
    try:
        return decoder.decode(said)
    except msgspec.DecodeError:
        return None


def instant(said: msgspec.Raw) -> int:
    """Microseconds UTC of epoch seconds or of ISO-8601 text; 0 where it says none that can be."""
    when = told(WHEN, said) or 0
    at = when * SECOND if isinstance(when, int) else _written(when)
    return at if FIRST <= at <= LAST else 0


def _written(when: str) -> int:
    try:
        # After-sale pushes write +08:00; text without a zone is Beijing time on every domestic platform.
        read = datetime.fromisoformat(when)
        aware = read if read.tzinfo else read.replace(tzinfo=BEIJING)
        return (aware - EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        return 0


def _carrier_event(logistics: Logistics | None) -> Event | None:
    if logistics is None or logistics.logistics_status == "":
        return None
    return words.mean(words.CARRIER_STATES, str(logistics.logistics_status), "logistics_status")


def _cases(tag: str, data: Data) -> tuple[Case, ...]:
    number = told(ID, data.aftersale_id)
    if number is None or MEANINGS.get(tag, NOTHING).event not in words.OF_A_CASE or _is_of_a_price(data):
        return ()
    back = (told(FEN, data.refund_amount) or 0) if tag in MONEY_BACK else None
    return (Case(str(number), str(told(ID, data.s_id) or ""), back),)


def _is_of_a_price(data: Data) -> bool:
    """Whether it is about a case that keeps no goods back."""
    kind = told(WHOLE, data.aftersale_type)
    return kind is not None and words.CASE_TYPES.get(kind) == words.PRICE


def _parcels(logistics: Logistics | None) -> tuple[Parcel, ...]:
    if logistics is None or not logistics.logistics_code:
        return ()
    return (Parcel(logistics.logistics_code, str(logistics.express_company_id), labelled=True),)
