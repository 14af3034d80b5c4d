"""Orders that contend for stock and room, beside the same decisions without contention.

    python benchmarks/contention.py [--orders N] [--rounds N]

400,000 orders of a million lines over 20,000 SKUs, five warehouses and 60 days, with less stock and hardly more room
than is asked for. Without contention, every order goes to its first candidate as if all were there: the same frames of
outcomes, lines and ledger, in the order of payments, written as polars does it fastest. Both take their turns in one
process, after a warm-up; what making machine code costs is told beside it, and what the pass takes in plain Python,
as live batches have it.

Bar: with contention at most 2 times as long as without. Exit code 1 when it is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import NamedTuple

import numpy as np
import polars as pl

from orderhub_core.frames import INSTANT
from orderhub_core.rules import speeds
from orderhub_core.rules.claims import (
    ASSIGNED,
    BOOKED,
    CANDIDATES,
    LEDGER,
    LIMITS,
    OUTCOMES,
    STOCK,
    WANTED,
    Question,
    Resources,
)  # fmt: skip
from orderhub_core.rules.ledger import after
from orderhub_core.rules.resources import allocate

BAR = 2.0
ZONE = "Asia/Shanghai"
START_S, DAY_S, DAYS = 1_756_684_800, 86_400, 60
SKUS = 20_000
WAREHOUSES = [f"warehouse-{number}" for number in range(1, 6)]
BATCH = 2_000


def asked(orders: int) -> tuple[Question, Resources]:
    """Popular SKUs and rare ones; each warehouse has 0.5 to 1.5 times its share of nine tenths of what is asked."""
    dice = np.random.default_rng(7)
    places = len(WAREHOUSES)
    count = dice.choice([1, 2, 3, 4], orders, p=[0.2, 0.35, 0.2, 0.25])
    owner = np.repeat(np.arange(orders), count)
    number = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count) + 1
    names = np.array([f"SKU-{number:05d}" for number in range(SKUS)])
    sku = (SKUS * dice.random(len(owner)) ** 2).astype(np.int64)
    quantity = dice.choice([1, 2, 3], len(owner), p=[0.8, 0.15, 0.05])
    paid = (np.sort(dice.integers(0, DAYS * DAY_S, orders)) + START_S) * 1_000_000
    asking = pl.DataFrame(
        {"order_id": range(orders), "turn": 0, "paid_at": paid, "parcels": dice.choice([1, 2], orders), "partly": False}
    ).cast({"paid_at": INSTANT, "turn": pl.Int64, "parcels": pl.Int32})
    lines = pl.DataFrame(
        {
            "order_id": owner,
            "line_no": number,
            "sku": names[sku],
            "quantity": quantity,
            "together": None,
            "stocked": True,
        },
        schema=WANTED,
    )
    preferred = np.argsort(dice.random((orders, places)), axis=1).ravel()
    candidates = pl.DataFrame(
        {
            "order_id": np.repeat(np.arange(orders), places),
            "rank": np.tile(np.arange(1, places + 1), orders),
            "warehouse": np.array(WAREHOUSES)[preferred],
            "closed": None,
        },
        schema=CANDIDATES,
    )
    share = np.bincount(sku, quantity, SKUS)[:, None] * 0.9 / places * dice.uniform(0.5, 1.5, (SKUS, places))
    stock = pl.DataFrame(
        {
            "warehouse": np.tile(WAREHOUSES, SKUS),
            "sku": np.repeat(names, places),
            "on_hand": share.ravel() + 2,
            "safety": 2,
        }
    ).cast(dict(STOCK))
    limits = pl.DataFrame({"warehouse": WAREHOUSES, "orders": int(orders / DAYS / places * 1.1)}, schema=LIMITS)
    return Question(asking, lines, candidates), Resources(stock, limits, pl.DataFrame(schema=BOOKED))


def without_contention(question: Question, resources: Resources) -> list[pl.DataFrame]:
    """Everybody gets the first candidate: OUTCOMES, ASSIGNED, LEDGER."""
    orders = question.orders.sort("paid_at", "order_id").select(
        "order_id", day=pl.col("paid_at").dt.convert_time_zone(ZONE).dt.date()
    ).with_row_index("order")  # fmt: skip
    first = question.candidates.filter(pl.col("rank") == 1)
    chosen = orders.join(first.select("order_id", "warehouse"), on="order_id", how="left", maintain_order="left")
    lines = question.lines.join(chosen, on="order_id").sort("order", "line_no")
    stocked = lines.join(resources.stock, on=["warehouse", "sku"], how="left", maintain_order="left")
    taken = pl.col("quantity").cum_sum().over("warehouse", "sku")
    of_stock = stocked.select(
        "order", kind=pl.lit("stock"), place="warehouse", subject="sku", order_id="order_id", line_no="line_no",
        quantity=-pl.col("quantity").cast(pl.Int64), balance=pl.col("on_hand") - taken,
    )  # fmt: skip
    of_room = chosen.select(
        "order", kind=pl.lit("capacity"), place="warehouse", subject=pl.col("day").dt.to_string("iso"),
        order_id="order_id", line_no=pl.lit(None, pl.Int32), quantity=pl.lit(1, pl.Int64),
        balance=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("warehouse", "day"),
    )  # fmt: skip
    ledger = pl.concat([of_room, of_stock]).sort("order", maintain_order=True).drop("order")
    outcomes = chosen.select("order_id", outcome=pl.lit("whole"), parcels=pl.lit(1, pl.Int32))
    return [
        outcomes.cast({"outcome": OUTCOMES["outcome"]}),
        lines.select("order_id", "line_no", "warehouse", parcel=pl.lit(1, pl.Int32)).match_to_schema(ASSIGNED),
        ledger.cast({"kind": LEDGER["kind"]}).match_to_schema(LEDGER),
    ]


class Took(NamedTuple):
    """Seconds by the clock, and of the processor."""

    wall: float
    worked: float


def took(work: Callable[[], object]) -> Took:
    began, worked = time.perf_counter(), time.process_time()
    work()
    return Took(time.perf_counter() - began, time.process_time() - worked)


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--orders", type=int, default=400_000)
    arguments.add_argument("--rounds", type=int, default=5)
    options = arguments.parse_args()
    question, resources = asked(options.orders)
    fast = speeds.compiled()
    making = took(lambda: allocate(*asked(10), zone=ZONE, run=fast)).wall
    outcome = allocate(question, resources, zone=ZONE, run=fast)
    without_contention(question, resources)
    told = dict(outcome.orders["outcome"].value_counts().rows())
    print(f"{question.orders.height:,} orders, {question.lines.height:,} lines: {told}, {outcome.lacks.height:,} lacks")
    rounds = [
        (
            took(lambda: without_contention(question, resources)),
            took(lambda: allocate(question, resources, zone=ZONE, run=fast)),
        )
        for _ in range(options.rounds)
    ]
    free, contended = (median(each.wall for each in column) for column in zip(*rounds, strict=True))
    ratio = median(contended.wall / free.wall for free, contended in rounds)
    by_processor = median(contended.worked / free.worked for free, contended in rounds)
    print(f"{'':>24} {'seconds':>8} {'lines/s':>12}")
    for name, wall in (("first candidate, no contention", free), ("with contention", contended)):
        print(f"{name:>32} {wall:>8.2f} {question.lines.height / wall:>12,.0f}")
    print(f"by processor time: {by_processor:.2f} times as much")
    print(f"making machine code, or reading it back: {making:.1f} s once per process")
    live(question, resources)
    print(f"{'ok' if ratio <= BAR else 'MISSED'}: {ratio:.2f} times as long as without contention (at most {BAR:g})")
    return ratio > BAR


def live(question: Question, resources: Resources) -> None:
    """Batches as absorbing has them, in plain Python, each going on from the ledger of the one before."""
    times = []
    for start in range(0, min(5 * BATCH, question.orders.height), BATCH):
        some = question.orders.slice(start, BATCH).select("order_id")
        part = Question(*(frame.join(some, on="order_id", how="semi") for frame in question[:3]))
        began = time.perf_counter()
        outcome = allocate(part, resources, zone=ZONE)
        resources = after(resources, outcome.ledger)
        times.append(time.perf_counter() - began)
    print(f"a live batch of {BATCH:,}, with what it leaves: {median(times) * 1e3:.0f} ms")


if __name__ == "__main__":
    sys.exit(main())
