"""Who gets which gift of the pretend brand's campaign, read off its terms by hand: plain Python over plain rows, one
order after the other. It knows no rulebook and no engine.

The terms, from 2026-11-10 20:00 until the end of the next day (Beijing time), for orders that are paid and not
refunded: a sticker for everybody; a trial size for each piece of serum or cream; a mask sample for every second mask;
from 599 yuan a big box (400 there are, 250 of them a day) and a bag, else from 299 yuan a small box; and in the first
hour a pouch, of which there are 300, one for each buyer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

BEIJING = timezone(timedelta(hours=8))
BEGIN = datetime(2026, 11, 10, 20, 0, 0, tzinfo=BEIJING)
END_OF_HOUR = datetime(2026, 11, 10, 21, 0, 0, tzinfo=BEIJING)
END = datetime(2026, 11, 12, 0, 0, 0, tzinfo=BEIJING)
STICKER, TRIAL, MASK, SMALL, BIG, BAG, POUCH = (
    "FREE-04", "FREE-07", "FREE-01", "BOX-299", "BOX-599", "FREE-06", "FREE-02",
)  # fmt: skip
BIG_BOXES, BIG_BOXES_A_DAY, POUCHES = 400, 250, 300
NOTHING = "nothing"

Row = dict[str, Any]


class Due(NamedTuple):
    kind: str
    """What the order earns, before anything runs out; masks aside."""
    gifts: dict[str, int]
    """What it is to get: pieces by SKU."""


def due(orders: Iterable[Row], lines: Iterable[Row]) -> dict[int, Due]:
    """By order id; of every order."""
    bought: dict[int, list[Row]] = defaultdict(list)
    for line in lines:
        if line["gift_of"] is None:
            bought[line["order_id"]].append(line)
    boxes: Counter[str] = Counter()
    pouches, lucky = 0, set()
    found: dict[int, Due] = {}
    never = datetime.max.replace(tzinfo=BEIJING)
    for order in sorted(orders, key=lambda order: (order["paid_at"] or never, order["order_id"])):
        paid, number = order["paid_at"], order["order_id"]
        if order["payment"] not in ("paid", "settled") or paid is None or not BEGIN <= paid < END:
            found[number] = Due(NOTHING, {})
            continue
        own, kind = {STICKER: 1}, ["sticker"]
        trials = sum(line["quantity"] for line in bought[number] if line["category"] in ("精华", "面霜"))
        if trials:
            own[TRIAL] = trials
            kind.append("sample")
        masks = sum(line["quantity"] for line in bought[number] if line["category"] == "面膜")
        if masks >= 2:
            own[MASK] = masks // 2
        if order["total_minor"] >= 599_00:
            kind.append("box 599")
            own[BAG] = 1
            day = paid.astimezone(BEIJING).date().isoformat()
            if boxes.total() < BIG_BOXES and boxes[day] < BIG_BOXES_A_DAY:
                own[BIG] = 1
                boxes[day] += 1
        elif order["total_minor"] >= 299_00:
            kind.append("box 299")
            own[SMALL] = 1
        if paid < END_OF_HOUR:
            kind.append("first hour")
            who = order["buyer"] or f"order {number}"
            if pouches < POUCHES and who not in lucky:
                own[POUCH] = 1
                pouches += 1
                lucky.add(who)
        found[number] = Due(" + ".join(kind), own)
    return found


class Tally(NamedTuple):
    kind: str
    orders: int
    due: int
    """Pieces."""
    given: int
    wrong: int
    """Orders that are given anything else than what is due."""


def tally(orders: Iterable[Row], lines: Iterable[Row], given: Iterable[tuple[int, str, int]]) -> list[Tally]:
    """By kind; `given`: order id, SKU, pieces."""
    had: dict[int, Counter[str]] = defaultdict(Counter)
    for number, sku, pieces in given:
        had[number][sku] += pieces
    rows: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    owed = due(orders, lines)
    for number, (kind, gifts) in owed.items():
        mine = had.pop(number, Counter())
        for place, amount in enumerate((1, sum(gifts.values()), mine.total(), dict(mine) != gifts)):
            rows[kind][place] += amount
    if had:
        rows["an order that is not there"] = [len(had), 0, sum(each.total() for each in had.values()), len(had)]
    return [Tally(kind, *rows[kind]) for kind in sorted(rows, key=lambda kind: (kind == NOTHING, kind))]
