"""Gifts that past orders should have been given and were not: what a rule's first days, a typing mistake or a broken
import has cost buyers, order by order."""

from __future__ import annotations

import msgspec
import polars as pl

from orderhub_core.frames import INSTANT
from orderhub_core.rules.decide import decided
from orderhub_core.rules.index import Index
from orderhub_core.rules.tree import Group, Rule, Rulebook

MISSED = pl.Schema(
    {
        "order_id": pl.Int64(),
        "shop": pl.String(),
        "order_no": pl.String(),
        "paid_at": INSTANT,
        "sku": pl.String(),
        "due": pl.Int64(),
        "given": pl.Int64(),
        "missing": pl.Int64(),
        "rules": pl.String(),
        "reason": pl.String(),
        "parent": pl.Int32(),
    }
)
"""One row per order and gift that is missing there, in the order of the orders. `due`: pieces that the rules give;
`given`: pieces of this SKU in lines that were added as a gift. `rules`: those that give it, `reason`: why they do,
`parent`: the line that earned it."""


def missed_gifts(index: Index, book: Rulebook) -> pl.DataFrame:
    """MISSED, of all orders of the index: which of them had a right to gifts at all is the caller's to say. A group's
    rules that give nothing stay in it: where the first that holds acts, one of them may take the order."""
    giving = msgspec.structs.replace(book, groups=tuple(group for group in book.groups if _gives(group)))
    decisions = decided(index, giving).filter(pl.col("action") == "add_gift")
    due = decisions.group_by("order_id", pl.col("argument").alias("sku"), maintain_order=True).agg(
        due=pl.col("quantity").cast(pl.Int64).sum(),
        rules=pl.col("rule").str.join(", "),
        reason=pl.col("reason").str.join("; "),
        parent=pl.col("parent").min(),
    )
    told = due.join(given(index.raw_lines), on=["order_id", "sku"], how="left", maintain_order="left")
    told = told.with_columns(pl.col("given").fill_null(0))
    lacking = told.filter(pl.col("due") > pl.col("given")).with_columns(missing=pl.col("due") - pl.col("given"))
    names = [name for name in ("shop", "order_no", "paid_at") if name in index.raw_orders]
    orders = index.raw_orders.select("order_id", *names).with_row_index("row")
    named = lacking.join(orders, on="order_id", how="left", maintain_order="left").sort("row", maintain_order=True)
    missing = [pl.lit(None, MISSED[name]).alias(name) for name in MISSED if name not in named.columns]
    return named.with_columns(missing).select(MISSED.names()).cast(MISSED)


def given(lines: pl.DataFrame) -> pl.DataFrame:
    """order_id, sku, given: the pieces of gift lines."""
    if "gift_of" not in lines:
        return pl.DataFrame(schema={"order_id": pl.Int64, "sku": pl.String, "given": pl.Int64})
    gifts = lines.filter(pl.col("gift_of").is_not_null())
    return gifts.group_by("order_id", "sku").agg(given=pl.col("quantity").cast(pl.Int64).sum())


def _gives(group: Group) -> bool:
    rules: tuple[Rule, ...] = group.rules
    actions = (*group.otherwise, *(action for rule in rules for action in rule.then))
    return any(action.verb == "add_gift" for action in actions)
