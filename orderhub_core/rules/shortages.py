"""In people's words: what each candidate lacked, why a gift was not granted, what is wrong with what was told."""

from __future__ import annotations

from string import Formatter

import polars as pl

from orderhub_core.i18n import Translate, form
from orderhub_core.rules.routing import DISABLED, UNNAMED

NOT_LEFT = {
    "total": "of {limit} in all {left} are left, {asked} asked",
    "day": "of {limit} that day {left} are left, {asked} asked",
    "buyer": "of {limit} for this buyer {left} are left, {asked} asked",
}
"""Why a gift was not granted, by the quota that it did not fit in."""
NOT_OURS = "its channel names {warehouse}, which the settings do not have"
"""Why no limited gift was granted, and a person must look: nobody knows whether the hub is to send the order."""
NOT_BY_US = "its channel names {warehouse}, which sends without the hub"
WHY = pl.Schema({"order_id": pl.Int64(), "why": pl.String()})


def shortages(lacks: pl.DataFrame, tr: Translate) -> pl.DataFrame:
    """WHY of claims.LACKS, one sentence per order that lacked something: its candidates in turn, each with all that it
    lacked. `hangzhou: 2 of HOODIE-M left, 3 asked; guangzhou: full, 5,000 of 5,000`."""
    reasons = {DISABLED: tr("disabled"), UNNAMED: tr("no reason given"), "outage": tr("outage")}
    sku = pl.col("sku").fill_null(tr("a piece without a name"))
    told = lacks.with_columns(
        what=pl.when(pl.col("lack") == "closed")
        .then(filled(tr("closed ({reason})"), reason=pl.col("closed").replace(reasons)))
        .when(pl.col("lack") == "full")
        .then(
            filled(
                tr("full, {orders} of {limit}"),
                orders=_counted(lacks["asked"] - lacks["left"]),
                limit=_counted(lacks["asked"]),
            )
        )
        .otherwise(
            filled(
                tr("{left} of {sku} left, {asked} asked"),
                left=_counted(lacks["left"]),
                sku=sku,
                asked=_counted(lacks["asked"]),
            )
        )
    )
    places = told.group_by("order_id", "rank", "warehouse", maintain_order=True).agg(
        pl.col("what").str.join(tr(", "))
    )  # fmt: skip
    named = filled(tr("{warehouse}: {lacks}"), warehouse=pl.col("warehouse"), lacks=pl.col("what"))
    return places.group_by("order_id", maintain_order=True).agg(why=named.str.join(tr("; ")))


def refusals(refused: pl.DataFrame, tr: Translate) -> pl.DataFrame:
    """`order_id`, `rule`, `why` of quotas.REFUSALS, one row per gift that was not granted."""
    texts = {kind: tr(text) for kind, text in NOT_LEFT.items()}
    numbers = {name: _counted(refused[name]) for name in ("limit", "left", "asked")}
    told = pl.coalesce(pl.when(pl.col("quota") == kind).then(filled(text, **numbers)) for kind, text in texts.items())
    rows = refused.with_columns(why=told)
    return rows.group_by("order_id", "rule", maintain_order=True).agg(pl.col("why").str.join(tr("; ")))


def refused_for(told: str, tr: Translate) -> str:
    """The `why` of an English refusal, in the reader's language."""
    return tr("; ").join(_not_left(part, tr) for part in told.split("; "))


def _not_left(told: str, tr: Translate) -> str:
    for text in (*NOT_LEFT.values(), NOT_OURS, NOT_BY_US):
        if found := form(text).fullmatch(told):
            return tr(text).format(**found.groupdict())
    return told


def findings(found: pl.DataFrame, tr: Translate) -> list[str]:
    """A sentence for each of claims.FINDINGS: what, where, how to mend it."""
    texts = {
        "negative_stock": tr(
            "{warehouse}: {subject} stands at {value} pieces on hand; it counts as none until the warehouse mends it."
        ),
        "stated_twice": tr(
            "{warehouse}: the stock of {subject} is stated twice, once as {value}; the lesser counts. Send one row."
        ),
        "no_quantity": tr(
            "Order {order_id}, line {line_no}: {value} pieces of {subject} are asked; the line takes nothing. Mend it"
            " where it was entered."
        ),
        "no_sku": tr("Order {order_id}, line {line_no}: no SKU, so no warehouse can have it. Give the line its SKU."),
        "quota_twice": tr("The quotas of {subject} are stated twice; of each the lesser counts. Send one row."),
        "not_paid": tr("Order {order_id} has no instant of payment, so it has no turn and waits."),
    }
    rows = found.with_columns(pl.col("value").fill_null(0), pl.col("subject").fill_null("–")).iter_rows(named=True)
    return [texts[row["finding"]].format(**row) for row in rows]


def _counted(numbers: pl.Series) -> pl.Expr:
    """With commas between the thousands: few different ones occur."""
    words = {number: f"{number:,}" for number in numbers.unique().drop_nulls()}
    return pl.lit(numbers.replace_strict(words, return_dtype=pl.String) if words else numbers.cast(pl.String))


def filled(text: str, **blanks: pl.Expr) -> pl.Expr:
    """The text with its blanks filled row by row."""
    pieces: list[pl.Expr] = []
    for literal, name, _, _ in Formatter().parse(text):
        pieces.append(pl.lit(literal))
        if name:
            pieces.append(blanks[name])
    return pl.concat_str(pieces)
