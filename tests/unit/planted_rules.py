"""Twenty rules as shops have them, more drawn by dice, and a user who knows one and marks orders by it.

The user marks thirty orders: ten by chance, five that the rule takes and five that it does not; and twenty near misses,
in turn for each of its conditions and for either side. A near miss is an order that this one condition decides: were
the condition always or never true, the rule would say otherwise of it. Around a number the user marks one of the
CLOSEST of them, in turn at either end of a range; of a list a value that is not marked yet, if there is one. Orders
that do not have the value are no near misses.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import cycle, islice

import numpy as np
import polars as pl

from orderhub_core.rules import bits
from orderhub_core.rules.compile import field_of
from orderhub_core.rules.dictionary import Kind
from orderhub_core.rules.index import Index
from orderhub_core.rules.tree import ALWAYS, Condition, Either, Every, Leaf, Lines, Not, Op, leaves
from orderhub_core.sim.world import BIG_SHOPS, Plan, build

ZONE = "Asia/Shanghai"
DAY = 86_400_000_000
START = 1_756_684_800_000_000
"""2025-09-01 in Shanghai's morning."""
RANDOM, NEAR, CLOSEST = 10, 20, 10
NEVER = Not(ALWAYS)
EAST = ("上海市", "江苏省", "浙江省")
FAR = ("新疆维吾尔自治区", "甘肃省", "云南省")


def frames(orders: int, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Orders and lines of sixty days."""
    plan = Plan(seed=seed, orders=orders, start=START, end=START + 60 * DAY, shops=BIG_SHOPS)
    world = build(plan).until(plan.end + 30 * DAY)
    return world["orders"], world["lines"]


def index(orders: int, seed: int) -> Index:
    return Index(*frames(orders, seed), zone=ZONE)


def midnight(month: int, day: int) -> datetime:
    """In Shanghai."""
    return datetime.fromisoformat(f"2025-{month:02}-{day:02}T00:00:00+08:00").astimezone(UTC)


def _is(field: str, *values: object) -> Leaf:
    return Leaf(field, Op.IS if len(values) == 1 else Op.AMONG, values)


def _from(field: str, value: object) -> Leaf:
    return Leaf(field, Op.AT_LEAST, (value,))


def _within(field: str, start: object, end: object) -> Leaf:
    return Leaf(field, Op.WITHIN, (start, end))


PLANTED: dict[str, Condition] = {
    "one channel": _is("channel", "douyin"),
    "one province, rare": _is("province", "新疆维吾尔自治区"),
    "list of shops": _is("shop", "douyin-outlet", "pdd-value"),
    "list of provinces": _is("province", "广东省", "福建省", "海南省", "广西壮族自治区"),
    "total from": _from("total", 29900),
    "pieces from": _from("item_count", 3),
    "total between": _within("total", 20000, 40000),
    "evening hours": _within("paid_time", 20 * 60, 23 * 60),
    "hours around midnight": _within("paid_time", 22 * 60 + 30, 2 * 60),
    "ten days": _within("placed_at", midnight(9, 10), midnight(9, 20)),
    "weekend": _is("paid_weekday", 6, 7),
    "line category": _is("category", "连体衣"),
    "word of a name": Leaf("product_name", Op.CONTAINS, ("玫瑰",)),
    "no such line": Not(_is("category", "礼盒")),
    "two of one thing": Lines("some", Every((_is("category", "面膜"), _from("quantity", 2)))),
    "channel and category": Every((_is("channel", "douyin"), _is("category", "连体衣", "卫衣"))),
    "total in a month": Every((_from("total", 50000), _within("paid_at", midnight(10, 1), midnight(11, 1)))),
    "channel, places and total": Every((_is("channel", "douyin"), _is("province", *EAST), _from("total", 20000))),
    "category or total": Either((_is("category", "礼盒"), _from("total", 80000))),
    "total, but not far": Every((_from("total", 30000), Leaf("province", Op.NOT_AMONG, FAR))),
}
"""By what they are examples of."""


def drawn(dice: np.random.Generator) -> Condition:
    """A rule of one to three conditions over the fields of PLANTED, of which orders have neither few nor most."""
    parts = [_drawn_part(dice, str(kind)) for kind in dice.choice(list(_DRAWN), dice.integers(1, 4), replace=False)]
    if len(parts) == 1:
        return parts[0]
    return Either(tuple(parts)) if len(parts) == 2 and dice.random() < 0.25 else Every(tuple(parts))


_DRAWN: dict[str, tuple[object, ...]] = {
    "channel": ("douyin", "taobao", "pdd", "weixin"),
    "province": ("广东省", "浙江省", "江苏省", "上海市", "四川省", "北京市", "山东省", "湖北省", "重庆市", "陕西省"),
    "warehouse": ("hangzhou", "guangzhou", "chengdu"),
    "category": ("连体衣", "卫衣", "面膜", "精华", "面霜", "礼盒"),
    "total": (15000, 19900, 20000, 29900, 30000, 35000, 50000),
    "item_count": (2, 3),
    "paid_time": (8 * 60, 10 * 60, 14 * 60, 18 * 60, 20 * 60, 21 * 60 + 30),
    "paid_at": tuple(midnight(month, day) for month, day in ((9, 8), (9, 15), (10, 1), (10, 10), (10, 16))),
}


def _drawn_part(dice: np.random.Generator, field: str) -> Condition:
    values = _DRAWN[field]
    picked = [values[place] for place in sorted(dice.choice(len(values), 2, replace=False))]
    shape = dice.integers(0, 4)
    if field in ("total", "item_count", "paid_time", "paid_at"):
        ops = (Op.AT_LEAST, Op.AT_LEAST, Op.LESS)
        return _within(field, *picked) if shape == 3 else Leaf(field, ops[shape], (picked[0],))
    if shape == 3:
        return Not(_is(field, picked[0]))
    return _is(field, *(picked if shape == 2 else picked[:1]))


def taken(orders: Index, *rules: Condition) -> list[np.ndarray]:
    """Of each rule, whether it takes each of the orders."""
    return [bits.unpack(holds, orders.orders.height) for holds in orders.holds(rules)]


def marks(rule: Condition, history: Index, dice: np.random.Generator) -> tuple[list[int], list[int]]:
    """The orders that the user marks as wanted, and those marked as not wanted."""
    takes = taken(history, rule)[0]
    rows: dict[int, None] = {}
    for side in (takes, ~takes):
        rows |= dict.fromkeys(dice.permutation(np.flatnonzero(side))[: RANDOM // 2].tolist())
    misses = cycle(tuple(_near_misses(rule, history, takes, dice)))
    for near in islice(misses, 10 * NEAR):
        row = next(near, None)
        if row is not None and len(rows) < RANDOM + NEAR:
            rows[row] = None
    ids = history.raw_orders["order_id"]
    return [ids[row] for row in rows if takes[row]], [ids[row] for row in rows if not takes[row]]


def _near_misses(rule: Condition, history: Index, takes: np.ndarray, dice: np.random.Generator) -> Iterator[Iterator]:
    """Of each condition and either side, rows to mark, one after the other."""
    for leaf in dict.fromkeys(leaves(rule)):
        always, never = taken(history, _replaced(rule, leaf, ALWAYS), _replaced(rule, leaf, NEVER))
        decides = always != never
        for side in (takes, ~takes):
            yield _rows(leaf, history, np.flatnonzero(decides & side), dice)


def _rows(leaf: Leaf, history: Index, decided: np.ndarray, dice: np.random.Generator) -> Iterator[int]:
    own = _values(leaf, history).filter(pl.col("row").is_in(decided))
    field = field_of(leaf)
    measured = field.kind is not Kind.NUMBER or not field.words
    if measured and field.kind not in (Kind.TEXT, Kind.CHOICE):
        yield from _around(leaf, own, dice)
    else:
        yield from _of_each_value(leaf, own, dice)


def _around(leaf: Leaf, own: pl.DataFrame, dice: np.random.Generator) -> Iterator[int]:
    """Around each of its numbers in turn, one of the closest."""
    closest = []
    for bound in leaf.values:
        away = (pl.col("value") - pl.lit(bound)).abs()
        rows = own.group_by("row").agg(away.min().alias("away")).sort("away", "row")["row"]
        closest.append(rows[: CLOSEST + NEAR].to_list())
    while any(closest):
        for rows in filter(None, closest):
            yield rows.pop(dice.integers(0, min(CLOSEST, len(rows))))


def _of_each_value(leaf: Leaf, own: pl.DataFrame, dice: np.random.Generator) -> Iterator[int]:
    """A value that is not shown yet, if there is one."""
    values = {row: set(some) for row, some in own.group_by("row").agg("value").sort("row").iter_rows()}
    left = dict.fromkeys(dice.permutation(list(values)).tolist())
    asked = {row: some for row in left if (some := values[row].intersection(leaf.values))}
    shown: set[object] = set()
    while left:
        row = next((row for row, some in asked.items() if row in left and not some <= shown), next(iter(left)))
        shown |= values[row]
        del left[row]
        yield row


def _values(leaf: Leaf, history: Index) -> pl.DataFrame:
    """The known values of the leaf's field: `row` of the order, `value`."""
    field = field_of(leaf)
    if field.level == "line":
        return pl.DataFrame({"value": history.lines.column(field), "row": history.place}).drop_nulls()
    return pl.DataFrame({"value": history.orders.column(field)}).with_row_index("row").drop_nulls()


def _replaced(rule: Condition, leaf: Leaf, by: Condition) -> Condition:
    match rule:
        case Every(parts) | Either(parts):
            return type(rule)(tuple(_replaced(part, leaf, by) for part in parts))
        case Not(part):
            return Not(_replaced(part, leaf, by))
        case Lines(which, part):
            return Lines(which, _replaced(part, leaf, by))
    return by if rule == leaf else rule
