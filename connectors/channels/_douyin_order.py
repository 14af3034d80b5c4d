"""A whole Douyin order, as order.searchList and order.orderDetail show it, becomes one Observation. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from connectors._kit.bounds import storable
from connectors.channels import _douyin_words as words
from connectors.channels._douyin_words import SECOND, Fen, Id, Instant, Pieces
from orderhub_core.errors import Term
from orderhub_core.model import Case, Content, Event, Line, Observation, Parcel, Person


class Name(msgspec.Struct, gc=False):
    name: str = ""


class Address(msgspec.Struct, gc=False):
    province: Name | None = None
    city: Name | None = None


class Mask(msgspec.Struct, gc=False):
    detail: str = ""


class LineCase(msgspec.Struct, gc=False):
    after_sale_status: int = 0
    after_sale_type: int = 0
    refund_status: int = 0


class Stock(msgspec.Struct, gc=False):
    out_warehouse_id: str = ""


class SkuOrder(msgspec.Struct):
    order_id: Id = 0
    order_status: int = 0
    code: str = ""
    out_sku_id: str = ""
    sku_id: int | str | None = None
    """0 where it has none."""
    product_name: str = ""
    category_name: str = ""
    """Not sent by the platform, whose orders name no category; our sandbox does, as a catalogue lookup would."""
    item_num: Pieces = 1
    origin_amount: Fen = 0
    """Price of one piece."""
    inventory_list: list[Stock] | None = None
    """The warehouses, in the shop's own ids, that hold stock for this line."""
    after_sale_info: LineCase | None = None
    logistics_receipt_time: Instant = 0
    """The carrier's word that the parcel was signed for."""
    confirm_receipt_time: Instant = 0
    """The buyer's."""
    master_sku_order_id_list: list[int | str] | None = None
    """Of a gift: the lines it was given for."""


class Trace(msgspec.Struct, gc=False):
    """A step of the parcel. The platform has a call of its own for these; our sandbox adds them to the order."""

    logistics_status: str | int
    time: Instant


class Pack(msgspec.Struct):
    tracking_no: str = ""
    company: str = ""
    ship_time: Instant = 0
    traces: list[Trace] | None = None


class Order(msgspec.Struct):
    """The fields we read; the others are skipped unparsed. The list calls may send null for an empty list."""

    order_id: Id
    order_status: int
    create_time: Instant
    update_time: Instant
    main_status: int = 0
    pay_time: Instant = 0
    ship_time: Instant = 0
    finish_time: Instant = 0
    exp_ship_time: Instant = 0
    appointment_ship_time: Instant = 0
    """The later day that buyer and shop have agreed on."""
    pay_type: int | None = None
    pay_amount: Fen = 0
    post_amount: Fen = 0
    promotion_amount: Fen = 0
    promotion_pay_amount: Fen = 0
    buyer_words: str = ""
    open_id: str = ""
    doudian_open_id: str = ""
    mask_post_receiver: str = ""
    mask_post_tel: str = ""
    mask_post_addr: Mask | None = None
    post_addr: Address | None = None
    logistics_info: list[Pack] | None = None
    sku_order_list: list[SkuOrder] | None = None


ORDER = msgspec.json.Decoder(Order)


def decode(body: bytes) -> Observation:
    """Raises Unreadable."""
    order = words.read(ORDER, body, Term("an order of Douyin"))
    facts = {event.value: at * SECOND for event, at in _facts(order).items() if at}
    return storable(
        Observation(
            order_no=str(order.order_id),
            facts=facts,
            at=order.update_time * SECOND,
            content=_content(order, paid=Event.PAID in facts, over=_is_over(facts)),
            cases=_cases(order, facts),
            parcels=tuple(
                Parcel(pack.tracking_no, pack.company, labelled=pack.ship_time > 0)
                for pack in order.logistics_info or ()
                if pack.tracking_no
            ),
        )
    )


def _facts(order: Order) -> dict[Event, int]:
    """Each event the order's status implies, in epoch seconds; 0 where there is nothing to say."""
    status = _status(order)
    happened = words.mean(words.STATUSES, status, "main_status")
    update = order.update_time
    paid_at = _paid_at(order, status) if Event.PAID in happened else 0
    if order.pay_type in words.DEFERRED:
        meant = happened if paid_at else [words.UNPAID.get(event, event) for event in happened]
        happened = tuple(filter(None, (*meant, Event.DEFERRED if Event.PAID in happened else None)))
    ships = [pack.ship_time for pack in order.logistics_info or () if pack.ship_time] or [order.ship_time or update]
    # Where the platform gives no instant of its own, the closing time or the update time stands in.
    closed = update if status == words.REFUNDED_RECEIVED else order.finish_time or update
    instants = {
        Event.PLACED: order.create_time,
        # For cash on delivery this is when the shop accepted it, where it is anything.
        Event.DEFERRED: order.pay_time or min(filter(None, (update, closed, paid_at, *ships)), default=0),
        Event.PAID: paid_at,
        Event.VOIDED: closed,
        Event.REFUNDED: closed,
        Event.CANCELLED: closed,
        Event.PARTLY_SHIPPED: min(ships),
        Event.SHIPPED: max(ships),
        Event.SETTLED: order.finish_time or (update if status == words.FINISHED else 0),
    }
    facts = {event: instants[event] for event in happened}
    if _went(order):  # part of the goods may go before the money comes back: shipping was begun, not cancelled
        facts.pop(Event.CANCELLED, None)
    return facts | _carried(order) | _after_sale(order, facts)


def _status(order: Order) -> int:
    """`main_status` says more than `order_status`; "cancelled" is told apart by whether money came and goods went."""
    words.mean(words.STATUSES, order.order_status, "order_status")
    status = order.main_status or order.order_status
    if status != words.CANCELLED or not (order.pay_time or (order.pay_type in words.DEFERRED and _went(order))):
        return status
    return words.REFUNDED_SHIPPED if _went(order) else words.REFUNDED_UNSHIPPED


def _paid_at(order: Order, status: int) -> int:
    """When it was paid, if it was. The buyer pays for cash on delivery as the parcel is taken, and by `pay_time` the
    platform means something else there."""
    if order.pay_type == words.COD:
        lines = order.sku_order_list or ()
        return _last((line, line.logistics_receipt_time or line.confirm_receipt_time) for line in lines)
    if order.pay_type == words.PAY_LATER:
        return order.pay_time or (order.finish_time if status == words.FINISHED else 0)
    return order.pay_time or (0 if order.pay_type is None else order.update_time)


def _last(receipts: Iterable[tuple[SkuOrder, int]]) -> int:
    """When the last line was taken; 0 while one is still to come. A closed one that nobody took never will."""
    awaited = [taken for line, taken in receipts if taken or line.order_status not in words.CLOSED]
    return max(awaited) if awaited and all(awaited) else 0


def _went(order: Order) -> bool:
    return bool(order.ship_time or any(pack.ship_time for pack in order.logistics_info or ()))


def _carried(order: Order) -> dict[Event, int]:
    """What the carrier did, each step at its first instant."""
    received = _last((line, line.logistics_receipt_time) for line in order.sku_order_list or ())
    facts = {Event.DELIVERED: received} if received else {}
    for pack in order.logistics_info or ():
        for trace in pack.traces or ():
            event = words.mean(words.CARRIER_STATES, str(trace.logistics_status), "logistics_status")
            facts[event] = min(facts.get(event, trace.time), trace.time)
    return facts


def _after_sale(order: Order, facts: dict[Event, int]) -> dict[Event, int]:
    """The header hides what happens to single lines: their cases, and money paid back for some of them."""
    at, happened, whole = order.update_time, set(_line_cases(order, facts).values()), _is_over(facts)
    found = dict.fromkeys([event for event in words.OPEN_FIRST if event in happened][:1], at)
    if Event.AFTER_SALE_REFUNDED in happened and not whole and Event.PAID in facts:
        found[Event.PARTLY_REFUNDED] = at
    return found


def _is_over(facts: Iterable[str]) -> bool:
    """Whether nothing is left of the order, or of its payment."""
    return not {Event.REFUNDED, Event.VOIDED}.isdisjoint(facts)


def _line_cases(order: Order, facts: Mapping[Event, int]) -> dict[str, Event | None]:
    owed, whole = not facts.keys().isdisjoint((Event.PAID, Event.DEFERRED)), _is_over(facts)
    return {str(line.order_id): _line_case(line, owed=owed, whole=whole) for line in order.sku_order_list or ()}


def _cases(order: Order, facts: Mapping[str, int]) -> tuple[Case, ...]:
    """Of lines: the order numbers no case, nor does it say how much went back."""
    happened = {Event(event): at for event, at in facts.items()}
    if _is_over(happened):
        return ()
    return tuple(
        Case(about=line, refunded_minor=0 if event is Event.AFTER_SALE_REFUNDED else None)
        for line, event in _line_cases(order, happened).items()
        if event in words.OF_A_CASE
    )


def _line_case(line: SkuOrder, *, owed: bool, whole: bool) -> Event | None:
    """A line that is closed in an order that is not is sent no more, whether or not it says of which case."""
    found = _case(line.after_sale_info or LineCase(), owed=owed)
    closed = owed and not whole and line.order_status in words.CLOSED
    return Event.AFTER_SALE_REFUNDED if closed and found is None else found


def _case(case: LineCase, *, owed: bool) -> Event | None:
    event = words.mean(words.CASES, case.after_sale_status, "after_sale_status")
    kind = words.mean(words.CASE_TYPES, case.after_sale_type, "after_sale_type")
    paid_back = words.mean(words.REFUND_STATUSES, case.refund_status, "refund_status")
    if kind == words.PRICE or (kind == words.CANCELLATION and not owed):  # of what was never paid no money goes back
        return None
    if kind == words.RESENDING and event is Event.RETURN_SENT:  # of what never came nothing comes back
        return Event.AFTER_SALE_APPLIED
    if event is not Event.AFTER_SALE_REFUNDED:
        return event
    if kind in words.WITHOUT_MONEY:
        return Event.AFTER_SALE_CLOSED
    return event if paid_back else Event.REFUND_AGREED


def _content(order: Order, *, paid: bool, over: bool) -> Content:
    address, numbered = order.post_addr or Address(), _numbered(order.sku_order_list or ())
    sent = _to_send(numbered, over=over)
    return Content(
        currency="CNY",
        total_minor=order.pay_amount,
        # What the payment channel itself gave off never left the buyer's account.
        paid_minor=max(0, order.pay_amount - order.promotion_pay_amount) if paid else 0,
        freight_minor=order.post_amount,
        discount_minor=order.promotion_amount,
        payment_method=""
        if order.pay_type is None
        else words.PAY_TYPES.get(order.pay_type, f"pay_type {order.pay_type}"),
        buyer_ref=order.doudian_open_id or order.open_id,
        province=address.province.name if address.province else "",
        city=address.city.name if address.city else "",
        warehouse=_warehouse(sent.values()),
        note=order.buyer_words,
        # A booked day moves the promise out; where the deadline is later yet, it was set with that day in mind.
        promised_at=max(order.exp_ship_time, order.appointment_ship_time) * SECOND or None,
        lines=_lines(numbered, sent) or None,  # an order of nothing is one of which they are not told
        # Only what the platform shows masked; the ciphertext beside it is never taken over.
        person=Person(
            name=order.mask_post_receiver,
            phone=order.mask_post_tel,
            address=order.mask_post_addr.detail if order.mask_post_addr else "",
        ),
    )


def _numbered(lines: Iterable[SkuOrder]) -> dict[int, SkuOrder]:
    """In the order of their ids: the platform promises none, and by its number the hub knows a line again."""
    by_id = sorted(lines, key=lambda line: (len(str(line.order_id)), str(line.order_id)))
    return dict(enumerate(by_id, start=1))


def _to_send(numbered: dict[int, SkuOrder], *, over: bool) -> dict[int, SkuOrder]:
    """Those that are to be sent, or were: not what was called off before, but in an order that is over altogether."""
    left = {number: line for number, line in numbered.items() if line.order_status not in words.CALLED_OFF}
    return numbered if over or not left else left


def _warehouse(lines: Iterable[SkuOrder]) -> str:
    """The one warehouse of all lines; none where the platform names several or none."""
    named = {stock.out_warehouse_id for line in lines for stock in line.inventory_list or ()} - {""}
    return named.pop() if len(named) == 1 else ""


def _lines(numbered: dict[int, SkuOrder], sent: dict[int, SkuOrder]) -> tuple[Line, ...]:
    """Those `sent`. What is not leaves its number empty, also where a gift still names it."""
    numbers = {str(line.order_id): number for number, line in numbered.items()}
    return tuple(
        Line(
            line_no=number,
            sku=line.code or line.out_sku_id or str(line.sku_id or ""),
            name=line.product_name,
            category=line.category_name,
            quantity=line.item_num,
            price_minor=line.origin_amount,
            gift_of=next((numbers.get(str(parent)) for parent in line.master_sku_order_id_list or ()), None),
        )
        for number, line in sent.items()
    )
