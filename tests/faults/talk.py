"""What outside systems say in the stateful harness: messages from a small pool, so that they collide.

Instants are a handful of seconds, orders a handful of numbers, and the decoder can be older or newer than the
messages it reads.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from small_rules import one_of, rulebook, total_from

from orderhub_core.errors import Unreachable, Unreadable
from orderhub_core.flows.context import Source
from orderhub_core.model import Case, Content, Decoded, Event, Line, Observation, Parcel, Person, RawMessage, Sighting
from orderhub_core.people import BookChange, Keep, Release, Review
from orderhub_core.pseudonym import Pseudonyms
from orderhub_core.rules.tree import Action, Group, Rule, Rulebook
from orderhub_core.signals import Measurement, Signal, SignalEnd

SECOND = 1_000_000
DAWN = 1_767_225_600 * SECOND
E = Event

ORDERS = (("shop-1", "A1"), ("shop-1", "A2"), ("shop-2", "A1"), ("shop-1", "A3"), ("shop-2", "B1"))
"""(shop, order number): two shops know one number."""
FILE = "file/douyin/shop-1"
"""Speaks of the first shop's orders and cannot be asked for more."""
NOBODY = "shop-9"
"""A source that the settings do not know until they are mended."""
PAGES = ("page", "crm")
LACKS = ("word", "bug", "settings", "trouble")
"""What keeps a message from being read until it is mended."""

HASHES = Pseudonyms(b"a pepper of some length")
_PLAIN = rulebook(
    default="hangzhou",
    routing={("onesies-south", "guangzhou"): one_of("category", "连体衣")},
    gifts={("over-100", "GIFT-1"): total_from(10_000), ("onesie-bib", "BIB"): one_of("sku", "ONE")},
)
_APART = Group("parcels", "all", (Rule("apart", one_of("sku", "ONE"), (Action("split", "sku"),)),))
BOOK = Rulebook(_PLAIN.version, (*_PLAIN.groups, _APART))

FACTS: tuple[tuple[Event, ...], ...] = (
    (E.PLACED,),
    (E.PLACED, E.PAID),
    (E.PAID,),
    *((event,) for event in Event if event not in (E.PLACED, E.PAID)),
    (E.LOCKED, E.LABELLED, E.SHIPPED),
    (E.SHIPPED, E.COLLECTED),
    (E.DELIVERED, E.MOVED, E.COLLECTED),
    (E.PAID, E.REFUNDED),
    (E.CANCELLED, E.SHIPPED),
    (E.AFTER_SALE_APPLIED, E.REFUND_AGREED, E.AFTER_SALE_REFUNDED),
    (),
)
LET_GO = "let go"
AFTERWARDS: tuple[Event | str, ...] = (
    E.PARTLY_REFUNDED, E.PARTLY_REFUNDED, E.PARTLY_REFUNDED, LET_GO, LET_GO, LET_GO, E.PARTLY_SHIPPED, E.SHIPPED,
    E.AFTER_SALE_APPLIED, E.AFTER_SALE_APPLIED, E.AFTER_SALE_CLOSED, E.COLLECTED, E.CANCELLED, E.INVOICE_REQUESTED,
    E.INVOICE_REQUESTED, E.INVOICE_ISSUED, E.VOIDED, E.VOIDED, E.PAID, E.PAID,
    E.ADDRESS_CHANGE_REQUESTED, E.ADDRESS_CHANGE_REQUESTED, E.ADDRESS_CHANGE_SETTLED, E.HOLD_REQUESTED,
)  # fmt: skip
"""What decides whether an order that is to be sent still is, and what does not."""
LINES: tuple[tuple[Line, ...] | None, ...] = (
    (Line(1, "HOODIE", "hoodie", "卫衣", 1, 5_000),),
    (Line(1, "ONE", "onesie", "连体衣", 2, 4_500), Line(2, "HOODIE", "hoodie", "卫衣", 1, 6_000)),
    None,
    (Line(1, "HOODIE", "hoodie", "卫衣", 3, 5_000), Line(3, "SOCKS", "socks", "袜子", 1, 0, 1)),
    (),
)
PEOPLE = (Person("张三丰", "19900001234", "somewhere 5"), None, Person("李四", "13800005678", "elsewhere 7"))


MEANINGS: dict[str, type[Decoded]] = {
    "order": Observation, "sighting": Sighting, "review": Review, "release": Release, "keep": Keep,
    "rulebook": BookChange, "signal": Signal, "signal_end": SignalEnd, "measurement": Measurement,
}  # fmt: skip
"""By the kind of message."""


class Said(NamedTuple):
    """A message and what it means to whoever can read it."""

    message: RawMessage
    means: Decoded | None
    """None: nothing to anyone, ever."""
    needs: str = ""
    """What must be mended before it can be read."""
    poison: bool = False
    """It can be read, but no hub can hold it."""

    @property
    def key(self) -> tuple[str, str]:
        return self.message.source, self.message.message_id


class Decoder:
    """The installation's decoders and settings: `mended` holds what they have learnt."""

    def __init__(self) -> None:
        self.mended: set[str] = set()

    def source(self, name: str) -> Source:
        if name == NOBODY and "settings" not in self.mended:
            raise Unreadable(f"no shop or touchpoint named {name!r} in the settings")
        if name in PAGES or name == "ops":
            return Source("", "", self.decode)
        if name == FILE:
            return Source("shop-1", "douyin", self.decode)
        return Source("shop-1" if name == NOBODY else name, "douyin", self.decode, live=name != NOBODY)

    def decode(self, kind: str, body: bytes) -> Decoded:
        word, _, needs = kind.partition("?")
        if needs == "bug" and "bug" not in self.mended:
            raise KeyError("a decoder's bug")
        if needs == "trouble" and "trouble" not in self.mended:
            raise Unreachable("what the decoder asks does not answer")
        if needs == "word" and "word" not in self.mended:
            raise Unreadable("unknown word")
        if word == "garbage":
            raise Unreadable("not JSON")
        return msgspec.json.decode(body, type=MEANINGS[word])

    def reads(self, said: Said) -> bool:
        return said.means is not None and (not said.needs or said.needs in self.mended)


def observation(order_no: str, what: int, at: int, extra: int) -> Observation:
    """One of many: `what` chooses the facts, `at` their second, `extra` what else is said."""
    base = DAWN + at * SECOND
    events = FACTS[what % len(FACTS)]
    slope = extra // 64 % 3 - 1
    facts = {event.value: base + slope * place * SECOND for place, event in enumerate(events)}
    kind = extra % 8
    boxes: tuple[Parcel, ...] = ()
    if kind in (2, 5):
        boxes = (Parcel(f"SF{extra // 8 % 3}", ("", "SF", "YTO")[extra // 24 % 3], extra // 8 % 2 == 0),)
    content = _content(extra // 8 + at, base) if kind in (1, 3, 5, 6) else None
    # Some sources have no time of their own: then the instant of receiving stands in.
    version = None if extra % 11 == 10 else base
    cases = _cases(extra // 3) if any(map(_is_of_a_case, events)) else ()
    return Observation(order_no, facts, version, content, boxes, incomplete=kind == 7, cases=cases)


def _is_of_a_case(event: Event) -> bool:
    return event is E.PARTLY_REFUNDED or event.value.startswith("after_sale.")


def _cases(variant: int) -> tuple[Case, ...]:
    """None, one or two of a few; some channels tell no number, some no line."""
    some = ((), ("C1",), ("C2",), ("",), ("C1", "C2"))[variant % 5]
    about, back = ("1", "2", "")[variant // 5 % 3], (None, 0, 500)[variant // 2 % 3]
    return tuple(Case(number, about, back) for number in some)


def _content(variant: int, base: int) -> Content:
    total = (5_000, 10_000, 20_000, None)[variant % 4]
    return Content(
        currency="CNY",
        total_minor=total,
        paid_minor=(total, total, total, 0, None)[variant % 5],
        freight_minor=(None, 0, 800)[variant % 3],
        discount_minor=(None, 500)[variant % 2],
        payment_method=("", "wechat", "alipay")[variant % 3],
        buyer_ref=("", "buyer-1", "buyer-2")[variant // 2 % 3],
        province=("", "浙江", "广东")[variant // 3 % 3],
        city=("", "杭州")[variant // 4 % 2],
        warehouse="suzhou" if variant % 13 == 12 else "",
        note=("", "ring twice")[variant % 2],
        promised_at=(None, base + 86_400 * SECOND)[variant // 2 % 2],
        lines=LINES[variant % len(LINES)],
        person=PEOPLE[variant // 2 % len(PEOPLE)],
    )


def order_message(number: int, order: tuple[str, str], what: int, at: int, extra: int, *, needs: str = "") -> Said:
    shop, order_no = order
    seen = observation(order_no, what, at, extra)
    source = NOBODY if needs == "settings" else FILE if shop == "shop-1" and extra % 7 == 6 else shop
    if needs == "settings":
        seen = msgspec.structs.replace(seen, order_no="A1")
    kind = "order" if needs in ("", "settings") else f"order?{needs}"
    # A connector's hint at the order is most often right.
    hint = ("", "A1", order_no, order_no, order_no)[extra % 5]
    return Said(RawMessage(source, f"m{number}", kind, msgspec.json.encode(seen), hint), seen, needs)


def sale(number: int, order: tuple[str, str], paid_at: int, extra: int) -> Said:
    """All that the rulebook waits for, of an order that is new most often."""
    shop, order_no = order
    content = msgspec.structs.replace(_content(extra, paid_at), lines=LINES[extra % 4] or LINES[0], warehouse="")
    owed = E.DEFERRED if extra % 3 == 2 else E.PAID  # one that is paid later may be void, and owed again
    facts = {E.PLACED.value: paid_at - SECOND, owed.value: paid_at}
    seen = Observation(order_no, facts, paid_at, content)
    return Said(RawMessage(shop, f"m{number}", "order", msgspec.json.encode(seen), order_no), seen)


def fact(number: int, order: tuple[str, str], event: Event, at: int) -> Said:
    shop, order_no = order
    when = DAWN + (10 + at) * SECOND
    cases = _cases(number) if _is_of_a_case(event) else ()
    seen = Observation(order_no, {event.value: when}, when, cases=cases)
    return Said(RawMessage(shop, f"m{number}", "order", msgspec.json.encode(seen), order_no), seen)


def unreadable(number: int) -> Said:
    return Said(RawMessage("shop-1", f"m{number}", "garbage", b"\xff{%d" % number), None)


def poison(number: int, order: tuple[str, str], variety: int) -> Said:
    """A decoder should have refused it, but did not."""
    shop, order_no = order
    if variety % 2:
        # Newer than all else that is ever said, or its amount would not matter.
        seen = Observation(order_no, {E.PLACED.value: DAWN}, DAWN + 10**6 * SECOND, Content(total_minor=2**63 + number))
    else:
        seen = Observation(order_no, {"payment.teleported": DAWN + number}, DAWN)
    return Said(RawMessage(shop, f"m{number}", "order", msgspec.json.encode(seen)), seen, poison=True)


def sighting(number: int, order: tuple[str, str], at: int, extra: int) -> Said:
    shop, order_no = order
    seen = Sighting(shop, order_no, ("待发货", "已发货", "已签收")[extra % 3], None if at == 7 else DAWN + at * SECOND)
    return Said(RawMessage(PAGES[extra // 3 % 2], f"m{number}", "sighting", msgspec.json.encode(seen)), seen)


def review(number: int, order: tuple[str, str], extra: int) -> Said:
    shop, order_no = order
    reviewer, withdrawn = ("wang", "li")[extra // 2 % 2], extra % 3 == 2
    seen = Review("autumn", shop, order_no, extra % 2 == 0, reviewer, "", {"page": "已发货"}, withdrawn)
    return Said(RawMessage("ops", f"m{number}", "review", msgspec.json.encode(seen)), seen)


def twisted(said: Said, number: int) -> RawMessage:
    """The same id with another body."""
    return msgspec.structs.replace(said.message, body=said.message.body + b" " * (1 + number % 3))
