"""Finance's queue: every order with a conflict waits until a person acknowledges it with a reason.

An acknowledgement is a review like any other: audit `reconcile-<period>`, consistent with a note; taking it back is a
review that is not consistent. The newest one of an order holds, whoever gave it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from orderhub_core.audit.reconcile.period import Period
from orderhub_core.audit.reconcile.result import Reconciliation
from orderhub_core.audit.reconcile.texts import CONFLICT_ADVICE, CONFLICTS, local, major
from orderhub_core.audit.sources import KEY
from orderhub_core.errors import OrderHubError, UserMistake
from orderhub_core.i18n import Translate
from orderhub_core.people import Review

Answers = dict[tuple[str, str], str]
"""By (shop, order_no): the reason with which it was acknowledged."""


PREFIX = "reconcile-"


def audit_id(period: Period) -> str:
    return f"{PREFIX}{period.name}"


def answers(reviews: pl.DataFrame) -> Answers:
    """What holds of `hub.reviews_of`."""
    newest = reviews.sort("at").unique(KEY, keep="last", maintain_order=True).filter("consistent")
    return {(row["shop"], row["order_no"]): row["note"] for row in newest.iter_rows(named=True)}


def queue(found: Reconciliation, answered: Answers) -> pl.DataFrame:
    """One row per order with a conflict, worst first: shop, order_no, `conflicts` (list), `minutes` (the longest),
    paid_minor, paid_at, `reason` (null while it waits)."""
    said = pl.DataFrame(
        [(shop, order_no, reason) for (shop, order_no), reason in answered.items()],
        schema={"shop": pl.String, "order_no": pl.String, "reason": pl.String},
        orient="row",
    )
    return (
        found.conflicts.group_by(KEY, maintain_order=True)
        .agg(conflicts=pl.col("conflict").cast(pl.String), minutes=pl.max("minutes"), paid_minor=pl.first("paid_minor"))
        .join(said, on=KEY, how="left", maintain_order="left")
        .join(found.orders.select(*KEY, "paid_at"), on=KEY, how="left", maintain_order="left")
    )


def waiting(rows: pl.DataFrame) -> int:
    return int(rows["reason"].is_null().sum())


def table(rows: pl.DataFrame, found: Reconciliation, tr: Translate) -> pl.DataFrame:
    """`queue` with headings in the reader's language."""

    def each(names: dict[str, str]) -> pl.Expr:
        words = {code: tr(name) for code, name in names.items()}
        return pl.col("conflicts").list.eval(pl.element().replace(words)).list.join("; ")

    return rows.select(
        pl.col("order_no").alias(tr("Order")),
        each(CONFLICTS).alias(tr("Conflict")),
        pl.col("minutes").alias(tr("Minutes apart")),
        major("paid_minor", found.decimals).alias(tr("Amount paid")),
        local("paid_at", found.period.zone).alias(tr("Paid at")),
        pl.col("reason").fill_null("").alias(tr("Reason")),
        each(CONFLICT_ADVICE).alias(tr("Advice")),
        pl.col("shop").alias(tr("Shop")),
    )


def widths(tr: Translate) -> dict[str, int]:
    """Of the columns of `table` that are sentences, in pixels."""
    return {tr("Conflict"): 170, tr("Advice"): 240}


def parted(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What waits, and what is acknowledged."""
    return rows.filter(pl.col("reason").is_null()), rows.filter(pl.col("reason").is_not_null())


def keys(picked: pl.DataFrame, tr: Translate) -> list[tuple[str, str]]:
    """(shop, order_no) of rows of `table`."""
    return list(picked.select(tr("Shop"), tr("Order")).iter_rows())


def answer(
    judge_all: Callable[[Sequence[Review]], None],
    period: Period,
    keys: list[tuple[str, str]],
    reason: str,
    by: str = "",
) -> None:
    """Acknowledge orders through `hub.judge_all`; without a reason, take it back. Raises what it raises: some may have
    been taken then, and saying it again is harmless."""
    audit = audit_id(period)
    judge_all([Review(audit, shop, order_no, bool(reason), by, reason) for shop, order_no in keys])


def settle(
    judge_all: Callable[[Sequence[Review]], None],
    reviews: Callable[[Sequence[str]], pl.DataFrame],
    period: Period,
    keys: list[tuple[str, str]],
    reason: str,
    by: str,
    tr: Translate,
) -> tuple[Callable[[Answers], Answers], tuple[str, str]]:
    """`answer`, and what became of it: how the answers before change, and what to say."""
    try:
        answer(judge_all, period, keys, reason, by)
    except UserMistake as error:
        return _unchanged, (tr("The answer was not taken: {reason}").format(reason=error.told(tr)), "bad")
    except OrderHubError as error:
        text = tr("Some of the answers may not have been taken: {reason}. Answering again is harmless.")
        return _heard(reviews, period, keys), (text.format(reason=error.told(tr)), "bad")
    return lambda before: changed(before, keys, reason), told(keys, reason, tr)


def _heard(
    reviews: Callable[[Sequence[str]], pl.DataFrame], period: Period, keys: list[tuple[str, str]]
) -> Callable[[Answers], Answers]:
    """Of these orders what the hub holds; of others what was said before, which the hub may not have applied yet."""
    try:
        held = answers(reviews([audit_id(period)]))
    except OrderHubError:
        return _unchanged
    own = {key: held[key] for key in keys if key in held}
    return lambda before: {key: said for key, said in before.items() if key not in keys} | own


def _unchanged(before: Answers) -> Answers:
    return before


def changed(before: Answers, keys: list[tuple[str, str]], reason: str) -> Answers:
    """The answers after these orders were acknowledged; or, where there is no reason, taken back."""
    kept = {key: said for key, said in before.items() if key not in keys}
    return kept | dict.fromkeys(keys, reason) if reason else kept


def told(keys: list[tuple[str, str]], reason: str, tr: Translate) -> tuple[str, str]:
    """What was done, and that it was."""
    text = tr("{n} acknowledged.") if reason else tr("{n} taken back into the queue.")
    return text.format(n=len(keys)), "good"
