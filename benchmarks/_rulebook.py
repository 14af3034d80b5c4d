"""Rules and orders for benchmarks, and the same rules written for others: by hand for polars, and as zen's table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

import numpy as np
import polars as pl

CHANNELS = ["douyin", "taobao", "tmall", "jd", "pinduoduo"]
PROVINCES = [f"province-{n}" for n in range(31)]
CITIES = [f"city-{n}" for n in range(300)]
PAYMENTS = ["unpaid", "paid", "settled", "partly_refunded"]
START = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = 30


class Asks(NamedTuple):
    """A rule's seven conditions: channel is, city among, payment is, placed before, total at least, (province among or
    item count at least), not (total more than)."""

    channel: str
    cities: tuple[str, ...]
    payment: str
    placed_before: datetime
    total_from: int
    provinces: tuple[str, ...]
    items_from: int
    total_over: int

    @property
    def placed_before_us(self) -> int:
        return round(self.placed_before.timestamp()) * 1_000_000


def asks(count: int, seed: int = 2) -> list[Asks]:
    dice = Random(seed)
    return [
        Asks(
            dice.choice(CHANNELS),
            tuple(dice.sample(CITIES, dice.randint(20, 80))),
            "paid",
            START + timedelta(days=dice.randint(5, DAYS)),
            dice.randrange(0, 40_000, 1_000),
            tuple(dice.sample(PROVINCES, dice.randint(3, 8))),
            dice.randint(4, 8),
            dice.randrange(60_000, 100_000, 1_000),
        )
        for _ in range(count)
    ]


def orders(count: int, seed: int = 1) -> pl.DataFrame:
    """With the columns of ORDERS that they ask for; texts as text, as the hub's frames have them. Some are missing."""
    dice = np.random.default_rng(seed)
    placed = np.datetime64(START.replace(tzinfo=None), "us") + dice.integers(0, DAYS * 86_400, count) * np.timedelta64(
        1_000_000, "us"
    )
    return pl.DataFrame(
        {
            "order_id": np.arange(1, count + 1),
            "platform": dice.choice(CHANNELS, count),
            "province": dice.choice([*PROVINCES, ""], count),
            "city": dice.choice([*CITIES, ""], count),
            "payment": dice.choice(PAYMENTS, count, p=[0.05, 0.85, 0.05, 0.05]),
            "total_minor": dice.integers(0, 120_000, count),
            "item_count": dice.integers(1, 9, count).astype(np.int32),
            "placed_at": placed,
        }
    ).with_columns(pl.col("placed_at").dt.replace_time_zone("UTC"))


def book(rules: list[Asks], version: str = "bench") -> Any:
    """As the hub has them."""
    from orderhub_core.rules.tree import Action, Either, Every, Group, Leaf, Not, Op, Rule, Rulebook

    made = tuple(
        Rule(
            f"rule-{number}",
            Every(
                (
                    Leaf("channel", Op.IS, (rule.channel,)),
                    Leaf("city", Op.AMONG, rule.cities),
                    Leaf("payment", Op.IS, (rule.payment,)),
                    Leaf("placed_at", Op.LESS, (rule.placed_before,)),
                    Leaf("total", Op.AT_LEAST, (rule.total_from,)),
                    Either(
                        (
                            Leaf("province", Op.AMONG, rule.provinces),
                            Leaf("item_count", Op.AT_LEAST, (rule.items_from,)),
                        )
                    ),
                    Not(Leaf("total", Op.MORE, (rule.total_over,))),
                )
            ),
            (Action("assign_warehouse", f"warehouse-{number % 7}"),),
        )
        for number, rule in enumerate(rules, 1)
    )
    return Rulebook(version, (Group("routing", "first", made, (Action("assign_warehouse", "hangzhou"),)),))


def live_book(count: int) -> Any:
    """Of rules that are asked of the orders of `_workload`: routing, of which some hold and the last stands for the
    rest, and a gift that half of them earn."""
    from orderhub_core.rules.tree import Action, Either, Every, Group, Leaf, Lines, Op, Rule, Rulebook

    dice = Random(7)
    places = ["浙江省", "广东省", "四川省", "江苏省", "湖南省"]
    kinds = ["卫衣", "连体衣", "面膜", "杯子"]
    rules = []
    for number in range(1, count):
        total = dice.randrange(5_000, 60_000, 500)
        asked = (
            Leaf("province", Op.AMONG, tuple(dice.sample(places, 2))),
            Leaf("total", Op.WITHIN, (total, total + 2_000)),
            Either((Leaf("category", Op.IS, (dice.choice(kinds),)), Leaf("line_count", Op.AT_LEAST, (3,)))),
            Lines("no", Leaf("quantity", Op.MORE, (dice.randint(2, 6),))),
            Leaf("paid_at", Op.AT_LEAST, (START,)),
        )
        rules.append(Rule(f"rule-{number}", Every(asked), (Action("assign_warehouse", f"w-{number % 7}"),)))
    gift = Rule("pouch", Leaf("total", Op.AT_LEAST, (20_000,)), (Action("add_gift", "GIFT-POUCH"),))
    routing = Group("routing", "first", tuple(rules), (Action("assign_warehouse", "hangzhou"),))
    return Rulebook("live", (routing, Group("gifts", "all", (gift,))))


def by_hand(rule: Asks) -> pl.Expr:
    """As one would write it for polars, over texts that are Enums and null where they are missing."""
    return (
        (pl.col("platform") == rule.channel)
        & pl.col("city").is_in(rule.cities)
        & (pl.col("payment") == rule.payment)
        & (pl.col("placed_at") < rule.placed_before)
        & (pl.col("total_minor") >= rule.total_from)
        & (pl.col("province").is_in(rule.provinces) | (pl.col("item_count") >= rule.items_from))
        & ~(pl.col("total_minor") > rule.total_over)
    )


def zen_table(rules: list[Asks]) -> dict[str, Any]:
    """A decision table of zen-engine: one column for each condition."""
    fields = ["platform", "city", "payment", "placed_at", "total_minor", "", "total_minor"]
    columns = [{"id": f"c{n}", "name": f"c{n}", "type": "expression", "field": field} for n, field in enumerate(fields)]

    def listed(values: tuple[str, ...]) -> str:
        return ", ".join(f'"{value}"' for value in values)

    def row(number: int, rule: Asks) -> dict[str, str]:
        cells = [
            f'"{rule.channel}"',
            listed(rule.cities),
            f'"{rule.payment}"',
            f"< {rule.placed_before_us}",
            f">= {rule.total_from}",
            f"(province in [{listed(rule.provinces)}]) or (item_count >= {rule.items_from})",
            f"<= {rule.total_over}",
        ]
        return {"_id": f"r{number}", **{f"c{n}": cell for n, cell in enumerate(cells)}, "out": str(number)}

    table = {
        "hitPolicy": "first",
        "inputs": columns,
        "outputs": [{"id": "out", "name": "out", "type": "expression", "field": "rule"}],
        "rules": [row(number, rule) for number, rule in enumerate(rules, 1)],
    }
    return {
        "nodes": [
            {"id": "in", "name": "in", "type": "inputNode", "position": {"x": 0, "y": 0}},
            {"id": "table", "name": "t", "type": "decisionTableNode", "position": {"x": 1, "y": 0}, "content": table},
            {"id": "end", "name": "end", "type": "outputNode", "position": {"x": 2, "y": 0}},
        ],
        "edges": [
            {"id": "e1", "sourceId": "in", "targetId": "table", "type": "edge"},
            {"id": "e2", "sourceId": "table", "targetId": "end", "type": "edge"},
        ],
    }
