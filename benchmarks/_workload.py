"""The order events that benchmarks send: the same for the same seed, 2,048 bytes in the mean, as the direct channel
takes them.

An order lives five events (created, paid, allocated, shipped, delivered), each a snapshot of the whole order with
all that has happened so far, as most platforms push. Lives run side by side: an order's next event comes 400 orders
after its last. `write_home` gives the events a hub with a rulebook to decide them by.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import msgspec

from orderhub_core.model import RawMessage

SHOP, SECRET_ENV, SECRET = "bench", "ORDERHUB_BENCH_SECRET", "a-secret-that-benchmarks-share"
LAG = 400
"""Orders between two events of one order."""
CREATED, CREATED_PAID, LIVES = 1, 2, 5
"""Events per order of the three streams."""
NOTE_BYTES = {CREATED: 1_086, CREATED_PAID: 1_043, LIVES: 915}
"""What the buyer's note takes in the mean, so that an event takes 2,048."""

FACTS = ("order.placed", "payment.paid", "fulfilment.locked", "fulfilment.shipped", "logistics.delivered")
AFTER_S = (0, 45, 600, 20_000, 150_000)
"""When each happens, after the order is placed."""
START = datetime(2026, 11, 11, tzinfo=UTC)
TITLE = "【双十一狂欢价】2026秋冬新款加绒加厚宽松连帽情侣款百搭潮流休闲上衣不起球不掉色可机洗七天无理由退换送运费险"
GOODS = [
    (f"{kind}-{size}", f"{TITLE}{name}{size}码", name, 5_900 + 1_000 * number)
    for number, (kind, name) in enumerate([("HOODIE", "卫衣"), ("ONESIE", "连体衣"), ("MASK", "面膜"), ("CUP", "杯子")])
    for size in "SMLX"
]
PLACES = [("浙江省", "杭州市"), ("广东省", "广州市"), ("四川省", "成都市"), ("江苏省", "苏州市"), ("湖南省", "长沙市")]
NOTES = "请尽快发货，包装结实一点，送货前先打电话联系，工作日送公司，周末送家里；不要放快递柜，谢谢老板。"

SETTINGS = f"""
rulebook = "rulebook.toml"
[[shops]]
id = "{SHOP}"
connector = "direct"
secret_env = "{SECRET_ENV}"
[[warehouses]]
id = "hangzhou"
connector = ""
[[warehouses]]
id = "guangzhou"
connector = ""
"""
RULEBOOK = """
version = "bench"
[[groups]]
name = "routing"
match = "first"
otherwise = "assign hangzhou"
[[groups.rules]]
name = "south"
when = "province in (广东省, 湖南省)"
then = "assign guangzhou"
[[groups]]
name = "gifts"
match = "all"
[[groups.rules]]
name = "pouch"
when = "total >= 199"
then = "gift GIFT-POUCH"
"""


class Sent(NamedTuple):
    """One event as a shop would send it."""

    id: str
    order_no: str
    body: bytes


def write_home(data: Path, *, waiting_messages: int | None = None) -> None:
    """Settings and rulebook of the shop that sends the events. Its secret belongs into the environment."""
    data.mkdir(parents=True, exist_ok=True)
    limits = f"[limits]\nwaiting_messages = {waiting_messages}\n" if waiting_messages else ""
    (data / "orderhub.toml").write_text(SETTINGS + limits, encoding="utf-8")
    (data / "rulebook.toml").write_text(RULEBOOK, encoding="utf-8")


def stream(orders: int, stages: int = LIVES, *, seed: int = 1, first: int = 0) -> Iterator[Sent]:
    """The first `stages` events of every order, interleaved. `first` numbers the orders, for a stream that goes on."""
    lives: dict[int, list[Sent]] = {}
    for tick in range(orders + LAG * (stages - 1)):
        if tick < orders:
            lives[tick] = _life(first + tick, stages, seed)
        for stage in range(stages):
            number = tick - LAG * stage
            if 0 <= number < orders:
                yield lives[number][stage]
        lives.pop(tick - LAG * (stages - 1), None)


def messages(orders: int, stages: int = LIVES, *, seed: int = 1, first: int = 0) -> list[RawMessage]:
    """The stream as the channel would unpack it, for use without HTTP."""
    sent = stream(orders, stages, seed=seed, first=first)
    return [RawMessage(SHOP, event.id, "event", event.body, event.order_no) for event in sent]


def ndjson(events: Sequence[Sent]) -> bytes:
    """Many events as one delivery."""
    return b"\n".join(event.body for event in events)


def _life(number: int, stages: int, seed: int) -> list[Sent]:
    dice = Random(f"{seed}:{number}")
    order_no, placed = f"20261111{number:010d}", START + timedelta(milliseconds=number)
    instants = [(placed + timedelta(seconds=after)).isoformat() for after in AFTER_S]
    lines = [
        {"line_no": place, "sku": sku, "name": name, "category": kind, "quantity": count, "price_minor": price}
        for place, (sku, name, kind, price) in enumerate(dice.sample(GOODS, 2), start=1)
        for count in [dice.randint(1, 3)]
    ]
    total = sum(line["quantity"] * line["price_minor"] for line in lines)
    province, city = dice.choice(PLACES)
    content: dict[str, Any] = {
        "currency": "CNY",
        "total_minor": total,
        "freight_minor": 0,
        "discount_minor": dice.choice((0, 500, 2_000)),
        "buyer_ref": f"u-{dice.getrandbits(64):016x}",
        "province": province,
        "city": city,
        "note": "",
        "lines": lines,
        "person": {
            "name": dice.choice("王李张刘陈") + dice.choice("小明丽华伟芳"),
            "phone": f"199{number % 10**8:08d}",
            "address": f"文三路 {dice.randint(1, 999)} 号 {dice.randint(1, 30)} 幢 {dice.randint(101, 2899)} 室",
        },
    }
    paid = {"paid_minor": total, "payment_method": "wechat"}
    parcels = [{"tracking_no": f"SF{number:013d}", "carrier": "shunfeng", "labelled": True}]
    content["note"] = _note(dice, NOTE_BYTES[stages])
    life = []
    for stage in range(stages):
        event = {
            "id": f"{order_no}:{stage + 1}",
            "order_no": order_no,
            "at": instants[stage],
            "facts": dict(zip(FACTS, instants[: stage + 1], strict=False)),
            "content": content | paid if stage else content,
        }
        if stage >= FACTS.index("fulfilment.shipped"):
            event["parcels"] = parcels
        life.append(Sent(event["id"], order_no, msgspec.json.encode(event)))
    return life


def _note(dice: Random, mean: int) -> str:
    """Text of `mean` bytes in the mean; a character has three."""
    length = dice.randint(mean // 2, mean * 3 // 2) // 3
    return (NOTES * (length // len(NOTES) + 1))[:length]
