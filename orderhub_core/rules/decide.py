"""Deciding: one pure call from frames to decisions, the same for a live batch, a replay and a simulation."""

from __future__ import annotations

from functools import reduce
from operator import and_
from typing import NamedTuple

import polars as pl

from orderhub_core.rules.book import Book, Gift, When, minor

DECISIONS = pl.Schema(
    {
        "order_id": pl.Int64,
        "rule": pl.String,
        "action": pl.String,
        "argument": pl.String,
        "quantity": pl.Int32,
        "parent": pl.Int32,
        "reason": pl.String,
    }
)
"""One row per decision. `action` is `assign_warehouse` or `add_gift`; `argument` the warehouse or the gift's SKU;
`parent` is the number of the line that a gift travels with: the first that earned it."""


class Decision(NamedTuple):
    """A row of DECISIONS, without the order."""

    rule: str
    action: str
    argument: str
    quantity: int
    parent: int | None
    reason: str


NO_PARENT = pl.lit(None, pl.Int32)


def decide(orders: pl.DataFrame, lines: pl.DataFrame, book: Book) -> pl.DataFrame:
    """What the rulebook says of these orders (columns of ORDERS and LINES); which orders to ask about is the caller's.

    Each order gets at most one `assign_warehouse` and every gift it has earned.
    """
    if orders.is_empty():
        return pl.DataFrame(schema=DECISIONS)
    sold = lines.filter(pl.col("gift_of").is_null())
    baskets = sold.group_by("order_id").agg(
        categories=pl.col("category").unique(), skus=pl.col("sku").unique(), first=pl.col("line_no").min()
    )
    facts = orders.join(baskets, on="order_id", how="left", maintain_order="left")
    parts = [_routing(facts, book), *(_gift(facts, sold, gift) for gift in book.gift)]
    return pl.concat([part for part in parts if part.height] or [pl.DataFrame(schema=DECISIONS)])


def _gift(facts: pl.DataFrame, sold: pl.DataFrame, gift: Gift) -> pl.DataFrame:
    """The orders that earned it, each with the first line that did."""
    for column, wanted in (("category", gift.when.category), ("sku", gift.when.sku)):
        if wanted:
            sold = sold.filter(pl.col(column).is_in(_any(wanted)))
    earning = sold.group_by("order_id").agg(parent=pl.col("line_no").min())
    chosen = facts.filter(condition(gift.when)).join(earning, on="order_id", how="left", maintain_order="left")
    parent = pl.coalesce("parent", "first")
    return _rows(chosen, gift.name, "add_gift", gift.sku, gift.when, quantity=gift.quantity, parent=parent)


def _routing(facts: pl.DataFrame, book: Book) -> pl.DataFrame:
    """First match: each rule sees the orders that no rule before it took."""
    parts, rest = [], facts
    for rule in book.routing:
        holds = rest.select(holds=condition(rule.when).fill_null(False)).to_series()
        parts.append(_rows(rest.filter(holds), rule.name, "assign_warehouse", rule.warehouse, rule.when))
        rest = rest.filter(~holds)
    if book.default_warehouse:
        parts.append(_rows(rest, "default", "assign_warehouse", book.default_warehouse, When()))
    return pl.concat(parts) if parts else pl.DataFrame(schema=DECISIONS)


def _rows(
    chosen: pl.DataFrame,
    rule: str,
    action: str,
    argument: str,
    when: When,
    *,
    quantity: int = 1,
    parent: pl.Expr = NO_PARENT,
) -> pl.DataFrame:
    return chosen.select(
        order_id=pl.col("order_id"),
        rule=pl.lit(rule),
        action=pl.lit(action),
        argument=pl.lit(argument),
        quantity=pl.lit(quantity, pl.Int32),
        parent=parent,
        reason=_reason(when),
    )


def condition(when: When) -> pl.Expr:
    """The condition over one order's columns; null counts as false."""
    tests = [
        pl.col(column).is_in(_any(wanted))
        for column, wanted in (("shop", when.shop), ("platform", when.platform), ("province", when.province))
        if wanted
    ]
    tests += [
        pl.col(column).list.eval(pl.element().is_in(_any(wanted))).list.any()
        for column, wanted in (("categories", when.category), ("skus", when.sku))
        if wanted
    ]
    if when.total_min is not None:
        tests.append(pl.col("total_minor") >= minor(when.total_min))
    if when.paid_from is not None:
        tests.append(pl.col("paid_at") >= when.paid_from)
    if when.paid_until is not None:
        tests.append(pl.col("paid_at") < when.paid_until)
    return reduce(and_, tests, pl.lit(True)).fill_null(False)


def _reason(when: When) -> pl.Expr:
    """The condition's words with the order's own values, for people."""
    named = {"shop": when.shop, "platform": when.platform, "province": when.province}
    pieces = [pl.format(f"{name} = {{}}", pl.col(name)) for name, wanted in named.items() if wanted]
    for name, column, wanted in (("category", "categories", when.category), ("sku", "skus", when.sku)):
        if wanted:
            pieces.append(pl.format(f"{name} among {{}}", pl.col(column).list.join(", ")))
    if when.total_min is not None:
        pieces.append(pl.format(f"total {{}} >= {when.total_min}", pl.col("total_minor") / 100))
    if when.paid_from is not None or when.paid_until is not None:
        pieces.append(pl.format("paid at {}", pl.col("paid_at").dt.strftime("%Y-%m-%dT%H:%M:%SZ")))
    return pl.concat_str(pieces, separator="; ") if pieces else pl.lit("no condition")


def _any(wanted: str | list[str]) -> list[str]:
    return [wanted] if isinstance(wanted, str) else wanted
