"""Deciding: one pure call from frames to decisions, the same for a live batch, a replay and a simulation."""

from __future__ import annotations

from collections.abc import Iterator
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
    # One pass over the lines and one over the orders, whatever the number of rules: on small batches each call counts.
    baskets = lines.filter(pl.col("gift_of").is_null()).group_by("order_id").agg(**_baskets(book))
    holds = {f"holds:{name}": condition(when) for name, when in _conditions(book)}
    facts = orders.join(baskets, on="order_id", how="left", maintain_order="left").with_columns(**holds)
    parts = [*_routing(facts, book), *(_gift(facts, gift) for gift in book.gift)]
    return pl.concat([part for part in parts if part.height] or [pl.DataFrame(schema=DECISIONS)])


def _conditions(book: Book) -> list[tuple[str, When]]:
    """Every rule's, by its name."""
    return [(rule.name, rule.when) for rule in book.routing] + [(gift.name, gift.when) for gift in book.gift]


def _baskets(book: Book) -> dict[str, pl.Expr]:
    """What rules ask of an order's lines: of each condition whether some line meets it, and what all of them have
    there; of each gift the first line that earns it."""
    asked: dict[str, pl.Expr] = {"first": pl.col("line_no").min()}
    for _, when in _conditions(book):
        for column, wanted in _of_lines(when):
            asked[_some(column, wanted)] = _among(column, wanted).any()
            asked[_every(column)] = pl.col(column).unique().sort()
    for gift in book.gift:
        earning = [_among(column, wanted) for column, wanted in _of_lines(gift.when)]
        asked[f"parent:{gift.name}"] = pl.col("line_no").filter(reduce(and_, earning, pl.lit(True))).min()
    return asked


def _gift(facts: pl.DataFrame, gift: Gift) -> pl.DataFrame:
    """The orders that earned it, each with the first line that did."""
    parent = pl.coalesce(f"parent:{gift.name}", "first")
    chosen = facts.filter(f"holds:{gift.name}")
    return _rows(chosen, gift.name, "add_gift", gift.sku, gift.when, quantity=gift.quantity, parent=parent)


def _routing(facts: pl.DataFrame, book: Book) -> Iterator[pl.DataFrame]:
    """First match: each rule sees the orders that no rule before it took."""
    for rule in book.routing:
        holds = pl.col(f"holds:{rule.name}")
        yield _rows(facts.filter(holds), rule.name, "assign_warehouse", rule.warehouse, rule.when)
        facts = facts.filter(~holds)
    if book.default_warehouse:
        yield _rows(facts, "default", "assign_warehouse", book.default_warehouse, When())


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
    """The condition over the columns of an order and its basket; null counts as false."""
    named = (("shop", when.shop), ("platform", when.platform), ("province", when.province))
    tests = [_among(column, wanted) for column, wanted in named if wanted]
    tests += [pl.col(_some(column, wanted)) for column, wanted in _of_lines(when)]
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
    for column, _ in _of_lines(when):
        pieces.append(pl.format(f"{column} among {{}}", pl.col(_every(column)).list.join(", ")))
    if when.total_min is not None:
        # Not by dividing: how that rounds depends on how many orders are decided at once.
        cents = (pl.col("total_minor") % 100).cast(pl.String).str.zfill(2)
        pieces.append(pl.format(f"total {{}}.{{}} >= {when.total_min}", pl.col("total_minor") // 100, cents))
    if when.paid_from is not None or when.paid_until is not None:
        pieces.append(pl.format("paid at {}", pl.col("paid_at").dt.strftime("%Y-%m-%dT%H:%M:%SZ")))
    return pl.concat_str(pieces, separator="; ") if pieces else pl.lit("no condition")


def _of_lines(when: When) -> list[tuple[str, list[str]]]:
    """The columns of lines that a condition asks about, with the values it wants."""
    return [(column, _any(wanted)) for column, wanted in (("category", when.category), ("sku", when.sku)) if wanted]


def _some(column: str, wanted: list[str]) -> str:
    return f"some:{column}:{wanted}"


def _every(column: str) -> str:
    return f"every:{column}"


def _among(column: str, wanted: str | list[str]) -> pl.Expr:
    return pl.col(column).is_in(_any(wanted))


def _any(wanted: str | list[str]) -> list[str]:
    return [wanted] if isinstance(wanted, str) else wanted
