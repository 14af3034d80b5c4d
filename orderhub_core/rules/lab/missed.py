"""Gifts that past orders should have been given and were not: what a rule's first days, a typing mistake or a broken
import has cost buyers, order by order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import polars as pl

from orderhub_core.frames import INSTANT
from orderhub_core.rules import gifts
from orderhub_core.rules.bits import Bools
from orderhub_core.rules.booktables import OTHERWISE
from orderhub_core.rules.decide import decided
from orderhub_core.rules.index import Index
from orderhub_core.rules.lab.wants import amounts, wanted
from orderhub_core.rules.tree import Action, Group, Rule, Rulebook

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
        "known": pl.Boolean(),
    }
)
"""One row per order and gift that is missing there, in the order of the orders. `due`: pieces that the rules give;
`given`: pieces of this SKU in lines that were added as a gift. `rules`: those that give it, `reason`: why they do,
`parent`: the line that earned it. `known`: these rules decided when the order was paid; of rules that are younger than
the order there is a row of its own, and what was given counts for the others first."""
RULE = ["group", "rule"]


class Spoke(NamedTuple):
    """From an instant on (microseconds UTC), until the next one, a book decided, with these rules that give gifts."""

    since: int
    rules: frozenset[tuple[str, str]]
    """By group and name."""


def spoke(since: int, book: Rulebook) -> Spoke:
    giving = [(group.name, rule.name) for group in book.groups for rule in group.rules if _adds(rule.then)]
    last = [(group.name, OTHERWISE) for group in book.groups if _adds(group.otherwise)]
    return Spoke(since, frozenset(giving + last))


def missed_gifts(index: Index, book: Rulebook, past: Sequence[Spoke] | None = None) -> pl.DataFrame:
    """MISSED, of all orders of the index: which of them had a right to gifts at all is the caller's to say. Of limited
    gifts the first ones paid had it, as many as there were; see `gifts`. A group's
    rules that give nothing stay in it: where the first that holds acts, one of them may take the order. `past`, the
    oldest first: which rules decided when; None where nobody knows, and all of them are taken to have done so."""
    giving = msgspec.structs.replace(book, groups=tuple(group for group in book.groups if _gives(group)))
    late = index.raw_orders[np.flatnonzero(_lacking(index, giving))]
    lines = index.raw_lines.filter(pl.col("order_id").is_in(late["order_id"].implode()))
    # Reasons are most of the work of a decision: only of these orders they are told.
    few = Index(late, lines, zone=index.zone, reports=index.reports, at=index.at)
    owed = _due(few, giving, _refused(index, giving), past)
    due = owed.join(given(lines), on=["order_id", "sku"], how="left", maintain_order="left")
    first = pl.when("known").then("due").otherwise(0).sum().over("order_id", "sku")
    left = pl.col("given") - pl.when("known").then(0).otherwise(pl.min_horizontal("given", first))
    lacking = due.with_columns(pl.col("given").fill_null(0)).with_columns(given=left)
    lacking = lacking.filter(pl.col("due") > pl.col("given"))
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


def _due(index: Index, giving: Rulebook, refused: pl.DataFrame, past: Sequence[Spoke] | None) -> pl.DataFrame:
    """order_id, sku, known, and what the rules give."""
    earned = decided(index, giving).filter(pl.col("action") == "add_gift")
    decisions = earned.with_columns(counter=gifts.COUNTER).join(
        refused, left_on=["order_id", "counter"], right_on=["order_id", "rule"], how="anti", maintain_order="left"
    )
    known = _known(decisions, index.raw_orders, past)
    return decisions.group_by("order_id", pl.col("argument").alias("sku"), known, maintain_order=True).agg(
        due=pl.col("quantity").cast(pl.Int64).sum(),
        rules=pl.col("rule").str.join(", "),
        reason=pl.col("reason").str.join("; "),
        parent=pl.col("parent").min(),
    )


def _known(decisions: pl.DataFrame, orders: pl.DataFrame, past: Sequence[Spoke] | None) -> pl.Series:
    """Of each decision: did its rule decide when the order was paid?"""
    if past is None:
        return pl.Series("known", [True] * decisions.height, pl.Boolean)
    books = pl.DataFrame(
        [(one.since, number) for number, one in enumerate(past)],
        schema={"paid_at": pl.Int64, "book": pl.Int64},
        orient="row",
    ).with_columns(pl.col("paid_at").cast(INSTANT))
    rules = [(number, *rule, True) for number, one in enumerate(past) for rule in sorted(one.rules)]
    then = orders.select("order_id", "paid_at").drop_nulls().sort("paid_at")
    named = pl.DataFrame(
        rules, schema={"book": pl.Int64, "group": pl.String, "rule": pl.String, "known": pl.Boolean}, orient="row"
    )
    return (
        decisions.select("order_id", pl.col(RULE).cast(pl.String))
        .join(then.join_asof(books, on="paid_at"), on="order_id", how="left", maintain_order="left")
        .join(named, on=["book", *RULE], how="left", maintain_order="left")["known"]
        .fill_null(False)
    )


def given(lines: pl.DataFrame) -> pl.DataFrame:
    """order_id, sku, given: the pieces of gift lines."""
    if "gift_of" not in lines:
        return pl.DataFrame(schema={"order_id": pl.Int64, "sku": pl.String, "given": pl.Int64})
    gifts = lines.filter(pl.col("gift_of").is_not_null())
    return gifts.group_by("order_id", "sku").agg(given=pl.col("quantity").cast(pl.Int64).sum())


def _gives(group: Group) -> bool:
    rules: tuple[Rule, ...] = group.rules
    return _adds(group.otherwise) or any(_adds(rule.then) for rule in rules)


def _adds(actions: Sequence[Action]) -> bool:
    return any(action.verb == "add_gift" for action in actions)
