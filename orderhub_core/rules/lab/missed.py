"""Gifts that past orders should have been given and were not: what a rule's first days, a typing mistake or a broken
import has cost buyers, order by order."""

from __future__ import annotations

import msgspec
import numpy as np
import polars as pl

from orderhub_core.frames import INSTANT
from orderhub_core.rules import gifts
from orderhub_core.rules.bits import Bools
from orderhub_core.rules.decide import decided
from orderhub_core.rules.index import Index
from orderhub_core.rules.lab.wants import amounts, wanted
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
    """MISSED, of all orders of the index: which of them had a right to gifts at all is the caller's to say. Of limited
    gifts the first ones paid had it, as many as there were; see `gifts`. A group's
    rules that give nothing stay in it: where the first that holds acts, one of them may take the order."""
    giving = msgspec.structs.replace(book, groups=tuple(group for group in book.groups if _gives(group)))
    late = index.raw_orders[np.flatnonzero(_lacking(index, giving))]
    lines = index.raw_lines.filter(pl.col("order_id").is_in(late["order_id"].implode()))
    # Reasons are most of the work of a decision: only of these orders they are told.
    few = Index(late, lines, zone=index.zone, reports=index.reports, at=index.at)
    owed = _due(few, giving, _refused(index, giving))
    due = owed.join(given(lines), on=["order_id", "sku"], how="left", maintain_order="left")
    lacking = due.with_columns(pl.col("given").fill_null(0)).filter(pl.col("due") > pl.col("given"))
    names = [name for name in ("shop", "order_no", "paid_at") if name in late]
    orders = late.select("order_id", *names).with_row_index("row")
    named = lacking.join(orders, on="order_id", how="left", maintain_order="left").sort("row", maintain_order=True)
    absent = [pl.lit(None, MISSED[name]).alias(name) for name in MISSED if name not in (*named.columns, "missing")]
    told = named.with_columns(*absent, missing=pl.col("due") - pl.col("given"))
    return told.select(MISSED.names()).cast(MISSED)


def _lacking(index: Index, giving: Rulebook) -> Bools:
    """The orders that lack pieces of some gift."""
    has = given(index.raw_lines)
    rows = index.raw_orders.select("order_id").with_row_index("row")
    due = wanted(index, giving)
    found = np.zeros(due.height, np.bool_)
    for want, planes in due.planes.items():
        if want.verb == "add_gift":
            own = has.filter(pl.col("sku") == want.argument).join(rows, on="order_id", how="inner")
            pieces = np.zeros(due.height, np.int64)
            pieces[own["row"].to_numpy()] = own["given"].to_numpy()
            found |= amounts(planes, due.height) > pieces
    return found


def _refused(index: Index, giving: Rulebook) -> pl.DataFrame:
    """`order_id`, `rule`: limited gifts of which nothing was left when the order was paid."""
    book = gifts.giving(giving)
    if not book.groups:
        return pl.DataFrame(schema={"order_id": pl.Int64, "rule": pl.String})
    found = gifts.given(decided(index, book), index.raw_orders, book)
    unpaid = found.findings.filter(pl.col("finding") == "not_paid")["order_id"]
    everywhere = gifts.quotas(book).select("rule").join(unpaid.to_frame(), how="cross")
    return pl.concat([found.refusals.select("order_id", "rule"), everywhere.select("order_id", "rule")])


def _due(index: Index, giving: Rulebook, refused: pl.DataFrame) -> pl.DataFrame:
    """order_id, sku, and what the rules give."""
    earned = decided(index, giving).filter(pl.col("action") == "add_gift")
    decisions = earned.with_columns(counter=gifts.COUNTER).join(
        refused, left_on=["order_id", "counter"], right_on=["order_id", "rule"], how="anti", maintain_order="left"
    )
    return decisions.group_by("order_id", pl.col("argument").alias("sku"), maintain_order=True).agg(
        due=pl.col("quantity").cast(pl.Int64).sum(),
        rules=pl.col("rule").str.join(", "),
        reason=pl.col("reason").str.join("; "),
        parent=pl.col("parent").min(),
    )


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
