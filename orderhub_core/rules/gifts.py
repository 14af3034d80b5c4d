"""Limited gifts of a rulebook, granted: who was paid for first gets what there is, and what orders are refused is told.

What a book decides is what orders earn; here the limits that stand in its actions (`赠品 礼盒 限量 400 每日 250`) are
counted, by `quotas`. An order that is refused a gift gets no other one for it: which rule holds does not depend on what
is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import polars as pl

from orderhub_core.errors import UserMistake
from orderhub_core.rules import speeds
from orderhub_core.rules.booktables import OTHERWISE
from orderhub_core.rules.claims import FINDINGS, LEDGER
from orderhub_core.rules.quotas import CLAIMS, QUOTAS, REFUSALS, USED, grant
from orderhub_core.rules.speeds import Run
from orderhub_core.rules.tree import Action, Rulebook

BUYER = "buyer"
"""The column of orders that tells buyers apart: a pseudonym."""
COUNTER = pl.concat_str("group", "rule", "argument", separator=" / ")


class Given(NamedTuple):
    decisions: pl.DataFrame
    """Without the gifts that were refused."""
    refusals: pl.DataFrame
    """quotas.REFUSALS; `rule` is the counter: group / rule / SKU."""
    ledger: pl.DataFrame
    findings: pl.DataFrame


def limited(book: Rulebook) -> Iterator[tuple[str, str, Action]]:
    """Group, rule and action of every gift that there are only so many of."""
    for group in book.groups:
        acting = ((rule.name, rule.then) for rule in group.rules)
        for name, then in (*acting, (OTHERWISE, group.otherwise)):
            yield from ((group.name, name, action) for action in then if action.is_limited)


def counter(group: str, rule: str, sku: str) -> str:
    """Under which name a limited gift is counted."""
    return f"{group} / {rule} / {sku}"


def quotas(book: Rulebook) -> pl.DataFrame:
    """QUOTAS of a book. A gift that one rule gives twice is one counter, with the lesser of each limit."""
    rows = [
        (counter(group, rule, action.argument), action.total or None, action.per_day or None, action.per_buyer or None)
        for group, rule, action in limited(book)
    ]
    return pl.DataFrame(rows, schema=QUOTAS, orient="row").group_by("rule", maintain_order=True).min()


def counts_buyers(book: Rulebook) -> bool:
    """Whether it gives any buyer only so much of a gift."""
    return any(action.per_buyer for _, _, action in limited(book))


def check(book: Rulebook, orders: pl.Schema) -> None:
    """Raises UserMistake where the orders do not tell what its limits are counted by, but for the payment, which
    `needs.check` asks for."""
    for _, rule, action in limited(book) if BUYER not in orders else ():
        if action.per_buyer:
            raise UserMistake(
                "rule {rule!r} limits its gift for each buyer, and nothing tells buyers apart here: orders need a"
                " column {column!r}, and a pseudonym will do",
                rule=rule,
                column=BUYER,
            )


def given(
    decisions: pl.DataFrame,
    orders: pl.DataFrame,
    book: Rulebook,
    *,
    used: pl.DataFrame | None = None,
    run: Run = speeds.plain,
) -> Given:
    """What is left of DECISIONS on these orders (`order_id`, `paid_at`, and BUYER where it is limited) once its
    limited gifts were granted. An order without an instant of payment gets none. Raises UserMistake as `check`."""
    check(book, orders.schema)
    if not any(limited(book)):
        return Given(decisions, REFUSALS.to_frame(), LEDGER.to_frame(), FINDINGS.to_frame())
    own = quotas(book)
    named = decisions.with_columns(counter=COUNTER)
    asked = named.filter((pl.col("action") == "add_gift") & pl.col("counter").is_in(own["rule"].implode()))
    claims = asked.group_by("order_id", "counter", maintain_order=True).agg(pl.col("quantity").sum())
    told = claims.join(_turns(orders), on="order_id", how="left", maintain_order="left")
    granted = grant(
        told.rename({"counter": "rule"}).select(CLAIMS.names()).cast(CLAIMS), own,
        pl.DataFrame(schema=USED) if used is None else used, zone=book.zone, run=run,
    )  # fmt: skip
    gone = claims.join(
        granted.grants.filter("granted"), left_on=["order_id", "counter"], right_on=["order_id", "rule"], how="anti"
    )
    refused = pl.col("action") == "add_gift"
    kept = named.join(gone.select("order_id", "counter", gone=True), on=["order_id", "counter"], how="left",
                      maintain_order="left").filter(~(refused & pl.col("gone").fill_null(False)))  # fmt: skip
    return Given(kept.select(decisions.columns), granted.refusals, granted.ledger, granted.findings)


def giving(book: Rulebook) -> Rulebook:
    """The groups of a book that have a limited gift: which rule of them acts depends on no other group."""
    names = {group for group, _, _ in limited(book)}
    groups = tuple(group for group in book.groups if group.name in names)
    return msgspec.structs.replace(book, groups=groups, parcels=())


def _turns(orders: pl.DataFrame) -> pl.DataFrame:
    buyer = pl.col(BUYER).cast(pl.String) if BUYER in orders else pl.lit(None, pl.String)
    return orders.select("order_id", "paid_at", turn=pl.lit(0, pl.Int64), buyer=buyer)
