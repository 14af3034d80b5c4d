"""Who gets the stock and the room: orders that contend for them, decided exactly and in the order of their payments.

The same call serves a live batch, which goes on from what the batch before it left (`ledger.after`), and a replay of
all history at once: wherever a stream is cut into batches, the answers and the ledger are the same. What an order goes
through is told in `turns`. Bad input never raises: it is treated as none, and named among the findings.
"""

from __future__ import annotations

import polars as pl

from orderhub_core.rules import speeds
from orderhub_core.rules.claims import Outcome, Question, Resources, findings
from orderhub_core.rules.numbered import numbered
from orderhub_core.rules.speeds import Run
from orderhub_core.rules.told import told


def allocate(question: Question, resources: Resources, *, zone: str, run: Run = speeds.plain) -> Outcome:
    """What becomes of every order that asks. `run`: `speeds.compiled()` for a history, with the same answers.

    Orders of no line take room alone; orders of no candidate are short, and lack nothing.
    """
    numbers = numbered(_sound(question), _counted(resources), zone)
    taken = numbers.blank()
    run(numbers.asked, numbers.left, taken)
    return told(numbers, taken, _findings(question, resources))


def _sound(question: Question) -> Question:
    """Without what must not take part; what is not said stands at its most cautious."""
    orders, lines, candidates, supplies = question
    return Question(
        orders.filter(pl.col("paid_at").is_not_null()).with_columns(
            pl.col("turn").fill_null(0), pl.col("parcels").fill_null(1).clip(1), pl.col("partly").fill_null(False)
        ),
        lines.with_columns(
            pl.col("stocked").fill_null(True), quantity=pl.when(~_no_quantity()).then("quantity").otherwise(0)
        ),
        candidates.filter(pl.col("warehouse").is_not_null()),
        supplies.drop_nulls(),
    )


def _counted(resources: Resources) -> Resources:
    stock = resources.stock.drop_nulls(["warehouse", "sku"])
    counts = (pl.col(name).fill_null(0).clip(0) for name in ("on_hand", "safety"))
    return resources._replace(stock=stock.with_columns(counts))


def _no_quantity() -> pl.Expr:
    return pl.col("quantity").fill_null(0) <= 0


def _findings(question: Question, resources: Resources) -> pl.DataFrame:
    stock, (orders, lines, *_) = resources.stock, question
    cell, value = pl.struct("warehouse", "sku"), pl.col("quantity").cast(pl.Int64)
    nameless = pl.col("stocked").fill_null(True) & pl.col("sku").is_null()
    return findings(
        {
            "negative_stock": stock.filter(pl.col("on_hand") < 0).rename({"sku": "subject", "on_hand": "value"}),
            "stated_twice": stock.filter(cell.is_duplicated()).rename({"sku": "subject", "on_hand": "value"}),
            "no_quantity": lines.filter(_no_quantity()).select("order_id", "line_no", subject="sku", value=value),
            "no_sku": lines.filter(nameless).select("order_id", "line_no", value=value),
            "not_paid": orders.filter(pl.col("paid_at").is_null()).select("order_id"),
        }
    )
