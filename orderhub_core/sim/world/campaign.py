"""A campaign of the pretend brand: one stream of orders in which all twelve combinations of its gifts occur, and the
cases at their edges. Who gets what is said in `campaign.toml`, and nowhere here.

What an order may earn beside the sticker that everybody gets: a trial size for full-size goods or none, one of two
boxes or none, the pouch of the first hour or not. That makes twelve; masks bring samples on top of any of them.
"""

from __future__ import annotations

from importlib import resources
from typing import NamedTuple

import numpy as np
import polars as pl

from orderhub_core.frames import INSTANT, LINES, PAYMENT
from orderhub_core.sim.world.build import build
from orderhub_core.sim.world.plan import DAY_S, HOUR_S, SECOND, Plan

START_S, END_S = 1_794_312_000, 1_794_412_800
"""2026-11-10 20:00 and 2026-11-12 00:00 at UTC+8: that of the campaign; the second is not in it."""
FIRST_HOUR_S = START_S + HOUR_S
BEFORE_S, AFTER_S = HOUR_S // 4, HOUR_S
"""Orders are placed from and until so long around it."""
KNOWN_S = END_S + DAY_S
"""As of when the stream is told: by then some of its orders are refunded."""
FULL_SIZE = ("精华", "面霜")
BURST = 0.3
"""Share of the orders that are placed in the first hour."""


class Campaign(NamedTuple):
    orders: pl.DataFrame
    """frames.ORDERS, and `buyer`, a pseudonym."""
    lines: pl.DataFrame
    planted: pl.DataFrame
    """`order_id`, `case`: the orders that were put to an edge."""


class Case(NamedTuple):
    name: str
    paid_s: int | None = None
    """Null: as it was."""
    total_minor: int | None = None
    category: str = ""
    """Of all its lines."""
    quantities: tuple[int, ...] = ()
    """Of its lines."""
    payment: str = "paid"
    same_buyer: bool = False
    """As the case before it."""


CASES = (
    Case("second_before_start", START_S - 1, 30_000),
    Case("at_start", START_S, 30_000),
    Case("last_second_of_first_hour", FIRST_HOUR_S - 1, 10_000),
    Case("at_end_of_first_hour", FIRST_HOUR_S, 10_000),
    Case("last_second", END_S - 1, 60_000),
    Case("at_end", END_S, 60_000),
    Case("never_paid", None, 60_000, payment="void"),
    Case("refunded", START_S + 90, 60_000, payment="refunded"),
    Case("partly_refunded", START_S + 91, 60_000, payment="partly_refunded"),
    Case("exactly_299", START_S + 2 * HOUR_S, 29_900),
    Case("a_cent_below_299", START_S + 2 * HOUR_S, 29_899),
    Case("exactly_599", START_S + 3 * HOUR_S, 59_900),
    Case("a_cent_below_599", START_S + 3 * HOUR_S, 59_899),
    Case("one_mask", START_S + 5 * HOUR_S, 8_900, "面膜", (1,)),
    Case("two_masks_in_two_lines", START_S + 5 * HOUR_S, 17_800, "面膜", (1, 1)),
    Case("five_masks", START_S + 5 * HOUR_S, 44_500, "面膜", (3, 2)),
    Case("three_full_size", START_S + 6 * HOUR_S, 71_700, "精华", (2, 1)),
    Case("everything_at_once", START_S + 60, 99_900, "精华", (2,)),
    Case("once_in_the_first_hour", START_S + 61, 12_900),
    Case("again_in_the_first_hour", START_S + 62, 12_900, same_buyer=True),
    Case("same_second_as_the_one_before", START_S + 62, 12_900),
)
"""Each is one order, whose other columns are the world's own."""


def rulebook() -> str:
    """The text of the campaign's rulebook."""
    return resources.files(__package__).joinpath("campaign.toml").read_text(encoding="utf-8")


def campaign(seed: int, orders: int) -> Campaign:
    """A stream of so many orders, as a hub knows them a day after the campaign; at least as many as there are CASES.
    The same seed makes the same stream."""
    size = max(orders, len(CASES))
    start, end = START_S - BEFORE_S, END_S + AFTER_S
    plan = Plan(seed=seed, orders=size, start=start * SECOND, end=end * SECOND, outage_warehouse="")
    world = build(plan)
    known = world.until(KNOWN_S * SECOND)
    known_orders = _hurried(plan, known["orders"].with_columns(buyer=world.orders["buyer_ref"].head(size)))
    chosen = np.sort(plan.dice("campaign", "cases").permutation(known_orders.height)[: len(CASES)])
    made, lines = _planted(known_orders, known["lines"], chosen)
    planted = pl.DataFrame({"order_id": made["order_id"][chosen], "case": [case.name for case in CASES]})
    return Campaign(made.sort("paid_at", "order_id", nulls_last=True, maintain_order=True), lines, planted)


def _hurried(plan: Plan, orders: pl.DataFrame) -> pl.DataFrame:
    """A share of the orders is paid in the first hour: that is when people come."""
    dice = plan.dice("campaign", "hurry")
    early = dice.random(orders.height) < BURST
    at = pl.Series(dice.integers(START_S, FIRST_HOUR_S, orders.height) * SECOND).cast(INSTANT)
    moved = pl.Series(early) & orders["paid_at"].is_not_null()
    return orders.with_columns(paid_at=at.zip_with(moved, orders["paid_at"]))


def _planted(orders: pl.DataFrame, lines: pl.DataFrame, rows: np.ndarray) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The cases in the place of these orders."""
    cases = pl.DataFrame(
        {
            "order_id": orders["order_id"][rows],
            "at": [case.paid_s and case.paid_s * SECOND for case in CASES],
            "money": [case.total_minor for case in CASES],
            "state": [case.payment for case in CASES],
            "same": [case.same_buyer for case in CASES],
            "own_lines": [bool(case.quantities) for case in CASES],
        },
        schema_overrides={"at": pl.Int64, "money": pl.Int64},
    ).with_columns(pl.col("at").cast(INSTANT), pl.col("state").cast(PAYMENT))
    told = orders.join(cases, on="order_id", how="left", maintain_order="left")
    put = told["money"].is_not_null()
    buyers = pl.Series([f"case {place - case.same_buyer}" for place, case in enumerate(CASES)])
    named = cases.select("order_id", name=buyers)
    told = told.join(named, on="order_id", how="left", maintain_order="left").with_columns(
        paid_at=pl.when(put).then("at").otherwise("paid_at"),
        total_minor=pl.coalesce("money", "total_minor"),
        paid_minor=pl.when(put)
        .then(pl.when(pl.col("at").is_null()).then(0).otherwise("money"))
        .otherwise("paid_minor"),
        payment=pl.coalesce("state", "payment"),
        buyer=pl.coalesce("name", "buyer"),
    )
    return told.select(orders.columns), _lines(lines, cases)


def _lines(lines: pl.DataFrame, cases: pl.DataFrame) -> pl.DataFrame:
    own = cases.filter("own_lines")["order_id"]
    rows = [
        (order_id, number, f"CASE-{case.category}", case.category, case.category, quantity, 0, None)
        for order_id, case in zip(cases["order_id"], CASES, strict=True)
        for number, quantity in enumerate(case.quantities, 1)
    ]
    made = pl.DataFrame(rows, schema=LINES, orient="row")
    return pl.concat([lines.filter(~pl.col("order_id").is_in(own.implode())), made]).sort("order_id", "line_no")
