"""The load of the crash harness: what a shop's platform pushes, derived from a seed, and what must come of it.

An order is one of two kinds, so that what the rules decide of it never depends on where a batch ends: `sold` ones are
paid and may have had an after-sale case, and their goods stay where they are; `travelling` ones were never paid, and
their parcel moves. Every message of an order states one fact that no other message states: what became of it can be
read in the log. Between them comes chatter that says nothing new, and now and then something nobody can read.
"""

from __future__ import annotations

import json
from random import Random
from typing import NamedTuple

from connectors.sandbox import pushes
from connectors.sandbox.ledger import Known

SHOP, SHOP_ID, APP_KEY = "shop-1", "4400", "key-of-the-harness"
START_S = 1_790_000_000
PROVINCES = ("浙江省", "广东省", "上海市")
SOLD = ("payment.paid", "after_sale.rejected", "after_sale.closed")
"""Of a case only what keeps no order: one that is open holds it until a person has looked."""
TRAVELLING = (
    "fulfilment.shipped",
    "logistics.collected",
    "logistics.moved",
    "logistics.out_for_delivery",
    "logistics.delivered",
)
CHATTER, POISON = "110", "499"
"""Tags: "paid, being processed", which moves nothing, and one that nobody knows."""
PARKED = "parked"
MOST_IN_DELIVERY = 40


class Item(NamedTuple):
    """One message of a delivery, and what applying it must leave behind: an event in the log, PARKED, or nothing."""

    message_id: str
    body: bytes
    leaves: str


class Delivery(NamedTuple):
    items: tuple[Item, ...]
    forged: bool = False
    contradicts: bool = False
    """Its one message has the id of an earlier one and says something else."""

    @property
    def body(self) -> bytes:
        return b"[" + b",".join(item.body for item in self.items) + b"]"


def order_no(number: int) -> str:
    return str(6_900_000_000_000_000 + number)


class Shop:
    """Everything the platform knows of its orders. The same seed, the same orders."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def known(self, number: int) -> Known:
        dice = Random(f"{self.seed}:{number}")
        lines = [
            {
                "line_no": line_no,
                "sku": f"SKU-{dice.randrange(50):02}",
                "name": "卫衣",
                "category": "卫衣",
                "quantity": dice.randrange(1, 4),
                "price_minor": dice.randrange(1_000, 30_000),
            }
            for line_no in range(1, dice.randrange(2, 5))
        ]
        total = sum(line["quantity"] * line["price_minor"] for line in lines)
        order = {
            "order_no": order_no(number),
            "shop": SHOP,
            "payment_method": "wechat",
            "total_minor": total,
            "paid_minor": total,
            "discount_minor": 0,
            "freight_minor": 0,
            "note": "",
            "promised_at": None,
            "buyer_ref": f"buyer-{dice.randrange(1_000)}",
            "province": dice.choice(PROVINCES),
            "city": "某市",
            "carrier": "yuantong",
            "tracking_no": f"YT{number:012}",
            "warehouse": "east",
        }
        person = {"name": "张三丰", "phone": f"1990000{number % 10_000:04}", "address": f"某路{number}号某小区某单元"}
        return Known(order, lines, person, {"order.placed": START_S + number})

    def find(self, no: str, now: int) -> Known | None:
        """What asking for the whole order shows: always the same, whenever it is asked."""
        number = int(no) - int(order_no(0))
        return self.known(number) if 0 <= number < 10_000_000 else None

    def items(self, number: int, dice: Random) -> list[Item]:
        known = self.known(number)
        if dice.random() < 0.5:
            events = ["payment.paid", *(event for event in SOLD[1:] if dice.random() < 0.4)]
        else:
            events = [event for event in TRAVELLING if dice.random() < 0.8]
        happened = dict(known.happened) | {event: START_S + number + 60 * n for n, event in enumerate(events, 1)}
        whole = known._replace(happened=happened)
        return [_item(pushes.message(whole, event, happened[event], SHOP_ID), event, event) for event in events]


def _item(message: dict[str, str], event: str, leaves: str) -> Item:
    message = {**message, "msg_id": f"{message['msg_id']}:{event}"}
    return Item(message["msg_id"], json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode(), leaves)


class Stream:
    """Deliveries without end, out of order, some of them forged.

    `chatter` and `poison` are parts of all messages,
    `mean` how many come in one delivery."""

    def __init__(self, shop: Shop, *, chatter: float, poison: float, mean: int) -> None:
        self.shop, self.chatter, self.poison, self.mean = shop, chatter, poison, mean
        self.dice = Random(f"{shop.seed}:stream")
        self._orders, self._chats, self._pool = 0, 0, list[Item]()

    def next(self) -> Delivery:
        dice = self.dice
        size = min(MOST_IN_DELIVERY, 1 + int(dice.expovariate(1 / self.mean)))
        items = tuple(self._one() for _ in range(size))
        return Delivery(items, forged=dice.random() < 0.03)

    def _one(self) -> Item:
        dice, luck = self.dice, self.dice.random()
        if luck < self.poison:
            return self._other(POISON, PARKED)
        if luck < self.poison + self.chatter:
            return self._other(CHATTER, "")
        while len(self._pool) < 30:
            self._orders += 1
            self._pool += self.shop.items(self._orders, dice)
        return self._pool.pop(dice.randrange(len(self._pool)))

    def _other(self, tag: str, leaves: str) -> Item:
        """About an early order, so that chatter seldom makes a new one."""
        self._chats += 1
        about = self.shop.known(self.dice.randrange(1, 5 + self._orders // 4))
        at = START_S + self._chats
        data = json.dumps({"p_id": int(about.order["order_no"]), "update_time": at})
        return _item({"tag": tag, "msg_id": f"{tag}:{self._chats}", "data": data}, "", leaves)


def contradicting(item: Item) -> Delivery:
    """The same id with another body."""
    return Delivery((Item(item.message_id, item.body[:-1] + b',"x":1}', ""),), contradicts=True)
