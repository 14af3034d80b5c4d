"""Who gets the stock and the room: orders that contend for them, decided exactly and in the order of their payments.

The same call serves a live batch, which goes on from what the batch before it left (`ledger.after`), and a replay of
all history at once: wherever a stream is cut into batches, the answers and the ledger are the same. What an order goes
through is told in `turns`. Bad input never raises: it is treated as none, and named among the findings.
"""

from __future__ import annotations

import polars as pl

from orderhub_core.rules import turns
from orderhub_core.rules.claims import FINDINGS, Outcome, Question, Resources
from orderhub_core.rules.numbered import numbered
from orderhub_core.rules.told import told


def allocate(question: Question, resources: Resources, *, zone: str, run: Run = turns.plain) -> Outcome:
    """What becomes of every order that asks. `run`: `turns.compiled()` for a history, with the same answers.

    Orders of no line take room alone; orders of no candidate are short, and lack nothing.
    """
    findings, question = _sound(question, resources)
    numbers = numbered(question, resources, zone)
    taken = numbers.blank()
    run(numbers.asked, numbers.left, taken)
    return told(numbers, taken, findings)


def _sound(question: Question, resources: Resources) -> tuple[pl.DataFrame, Question]:
    """The findings, and the question without what they name."""
    orders, lines, offered, supplies = question
    findings = [
        resources.stock.filter(pl.col("on_hand") < 0).select(
            finding=pl.lit("negative_stock"), warehouse="warehouse", subject="sku", value="on_hand"
        ),
        resources.stock.filter(pl.struct("warehouse", "sku").is_duplicated()).select(
            finding=pl.lit("stated_twice"), warehouse="warehouse", subject="sku", value="on_hand"
        ),
        lines.filter(_no_quantity()).select(
            "order_id", "line_no", finding=pl.lit("no_quantity"), subject="sku", value=pl.col("quantity").cast(pl.Int64)
        ),
        orders.filter(pl.col("paid_at").is_null()).select("order_id", finding=pl.lit("not_paid")),
    ]  # fmt: skip
    found = [each.cast({"finding": FINDINGS["finding"]}) for each in findings if each.height]
    sound = Question(
        orders.filter(pl.col("paid_at").is_not_null()),
        lines.with_columns(quantity=pl.when(~_no_quantity()).then("quantity").otherwise(0)),
        offered,
        supplies,
    )
    return pl.concat([pl.DataFrame(schema=FINDINGS), *found], how="diagonal"), sound


def _no_quantity() -> pl.Expr:
    return pl.col("quantity").fill_null(0) <= 0


