"""The frames of the rule lab as people read them: columns named in their language, the rows in the same order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

import polars as pl

from orderhub_core.i18n import Translate
from orderhub_core.rules.dictionary import FIELDS
from orderhub_core.rules.explain import Answer, Asked, Explanation
from orderhub_core.rules.lab.texts import (
    FINDINGS,
    KEPT_AS,
    KINDS,
    OTHERWISE,
    OUTCOMES,
    RISKS,
    Words,
)
from orderhub_core.rules.language.printing import print_actions


def matrix(rows: pl.DataFrame, verb: str, words: Words) -> pl.DataFrame:
    """With `from_name` and `to_name` beside MATRIX."""
    return rows.with_columns(from_name=words.arguments(verb, rows["from"]), to_name=words.arguments(verb, rows["to"]))


def matrix_table(rows: pl.DataFrame, verb: str, words: Words) -> pl.DataFrame:
    tr, named = words.tr, matrix(rows, verb, words)
    return named.select(
        pl.col("from_name").alias(tr("In force")),
        pl.col("to_name").alias(tr("Under the draft")),
        pl.col("orders").alias(tr("Orders")),
        (pl.col("amount_minor") / 100).alias(tr("Amount")),
    )


def differences(rows: pl.DataFrame, words: Words) -> pl.DataFrame:
    """Of DIFFERENCES."""
    tr = words.tr
    named = [
        (words.verb(verb), words.argument(verb, argument))
        for verb, argument in rows.select("verb", "argument").iter_rows()
    ]
    return rows.select(
        pl.Series(tr("Action"), [verb for verb, _ in named], pl.String),
        pl.Series(tr("Value"), [argument for _, argument in named], pl.String),
        pl.col("before").alias(tr("Orders before")),
        pl.col("after").alias(tr("Orders after")),
        pl.col("won").alias(tr("Win it")),
        pl.col("lost").alias(tr("Lose it")),
        pl.col("amount_before").alias(tr("Pieces or points before")),
        pl.col("amount_after").alias(tr("Pieces or points after")),
    )  # fmt: skip


def overloads(rows: pl.DataFrame, words: Words) -> pl.DataFrame:
    tr = words.tr
    names = {"limit": tr("Limit an hour"), "orders_before": tr("Orders before"), "orders_after": tr("Orders after"),
             "peak_before": tr("Busiest hour before"), "peak_after": tr("Busiest hour after"),
             "hours_over_before": tr("Hours over before"), "hours_over_after": tr("Hours over after"),
             "waits_before": tr("Most waiting before"), "waits_after": tr("Most waiting after")}  # fmt: skip
    place = words.arguments("assign_warehouse", rows["warehouse"]).alias(tr("Warehouse"))
    limited = "limit", "hours_over_before", "hours_over_after", "waits_before", "waits_after"
    shown = names if rows["limit"].count() else {name: said for name, said in names.items() if name not in limited}
    return rows.select(place, *(pl.col(name).alias(said) for name, said in shown.items()))


def promises(rows: pl.DataFrame, words: Words) -> pl.DataFrame:
    tr = words.tr
    return rows.select(
        pl.col("reason")
        .replace({code: tr(said) for code, said in RISKS.items()})
        .alias(tr("Promise at risk: orders that")),
        pl.col("before").alias(tr("Before")),
        pl.col("after").alias(tr("After")),
        pl.col("won").alias(tr("Newly")),
        pl.col("lost").alias(tr("No longer")),
    )


def splits(rows: pl.DataFrame, words: Words) -> pl.DataFrame:
    tr = words.tr
    return rows.select(
        words.arguments("split", rows["how"]).alias(tr("Split")),
        pl.col("before").alias(tr("Orders before")),
        pl.col("after").alias(tr("Orders after")),
        pl.col("parcels_before").alias(tr("Parcels before")),
        pl.col("parcels_after").alias(tr("Parcels after")),
    )


def freight(rows: pl.DataFrame, words: Words) -> pl.DataFrame:
    tr = words.tr
    return rows.select(
        words.arguments("assign_warehouse", rows["warehouse"]).alias(tr("Warehouse")),
        (pl.col("cost_before_minor") / 100).alias(tr("Freight before")),
        (pl.col("cost_after_minor") / 100).alias(tr("Freight after")),
        pl.col("unpriced_before").alias(tr("Without a price before")),
        pl.col("unpriced_after").alias(tr("Without a price after")),
    )


def rules(rows: pl.DataFrame, words: Words) -> pl.DataFrame:
    tr = words.tr
    told = [(tr(FINDINGS[finding]) if finding else "") + (f" ({other})" if other else "") for finding, other in
            rows.select("finding", "other").iter_rows()]  # fmt: skip
    return rows.select(
        pl.col("group").alias(tr("Group")),
        pl.col("rule").replace({OTHERWISE: tr(OTHERWISE)}).alias(tr("Rule")),
        pl.col("holds").alias(tr("Holds for")),
        pl.col("acts").alias(tr("Acts on")),
        pl.col("worth").alias(tr("Left out, changes")),
        pl.Series(tr("Finding"), told, pl.String),
    )


def overlaps(rows: pl.DataFrame, words: Words) -> pl.DataFrame:
    tr = words.tr
    named = [(words.verb(verb), words.argument(verb, wins)) for verb, wins in rows.select("verb", "wins").iter_rows()]
    return rows.select(
        pl.col("rule").replace({OTHERWISE: tr(OTHERWISE)}).alias(tr("Rule")),
        pl.col("other").replace({OTHERWISE: tr(OTHERWISE)}).alias(tr("Comes first")),
        pl.Series(tr("Action"), [verb for verb, _ in named], pl.String),
        pl.Series(tr("What holds"), [wins for _, wins in named], pl.String),
        pl.col("orders").alias(tr("Orders")),
    )


def shadows(rows: pl.DataFrame, words: Words) -> pl.DataFrame:
    tr = words.tr
    return rows.select(
        pl.col("group").alias(tr("Group")),
        pl.col("rule").alias(tr("Rule")),
        pl.col("other").alias(tr("Comes first")),
        pl.col("orders").alias(tr("Orders")),
    )


def uncovered(rows: pl.DataFrame, words: Words) -> pl.DataFrame:
    tr = words.tr
    return rows.select(
        pl.col("group").replace("", tr("the whole book")).alias(tr("Group")),
        pl.col("orders").alias(tr("Orders for which no rule holds")),
        pl.when("otherwise").then(pl.lit(tr("its otherwise acts"))).otherwise(pl.lit(tr("nothing is said"))).alias(
            tr("Then")
        ),
    )  # fmt: skip


def cliffs(rows: pl.DataFrame, words: Words) -> pl.DataFrame:
    tr = words.tr
    names = {name: field.zh if words.language == "zh" else name for name, field in FIELDS.items()}
    return rows.select(
        pl.col("rule").alias(tr("Rule")),
        pl.format("{} {} {}", pl.col("field").replace(names), "op", "value").alias(tr("Threshold")),
        pl.col("just_in").alias(tr("Just in")),
        pl.col("just_out").alias(tr("Just out")),
    )


def orders(rows: pl.DataFrame, words: Words, zone: str) -> pl.DataFrame:
    """Of `Comparison.told`: what tells an order, and of each verb what both books want, in one column."""
    tr = words.tr
    names = {"shop": tr("Shop"), "order_no": tr("Order"), "platform": tr("Channel"), "province": tr("Province")}
    rows = rows.with_columns(words.shops(rows["shop"])) if "shop" in rows else rows
    shown = [pl.col(name).alias(said) for name, said in names.items() if name in rows]
    if "paid_at" in rows:
        shown.append(_owed(zone, tr))
    if "total_minor" in rows:
        shown.append((pl.col("total_minor") / 100).alias(tr("Amount")))
    verbs = [name.removesuffix("_before") for name in rows.columns if name.endswith("_before")]
    return rows.select(*shown, *(_both(rows, verb, words) for verb in verbs))


def _owed(zone: str, tr: Translate) -> pl.Expr:
    at = pl.col("paid_at").dt.convert_time_zone(zone).dt.strftime("%Y-%m-%d %H:%M")
    return at.alias(tr("Paid or accepted"))


def _both(rows: pl.DataFrame, verb: str, words: Words) -> pl.Series:
    before, after = (_said(rows[f"{verb}_{side}"], verb, words) for side in ("before", "after"))
    pair = pl.DataFrame([before.alias("a"), after.alias("b")])
    told = pl.when(pl.col("a") == pl.col("b")).then("a").otherwise(pl.format("{} → {}", "a", "b"))
    return pair.select(told.alias(words.verb(verb))).to_series()


def _said(column: pl.Series, verb: str, words: Words) -> pl.Series:
    def told(text: str) -> str:
        parts = [part.partition(" × ") for part in text.split(", ") if part]
        return ", ".join(words.argument(verb, name) + sign + pieces for name, sign, pieces in parts) or "–"

    known = {text: told(text) for text in column.unique()}
    return column.replace_strict(known, return_dtype=pl.String) if known else column


def missed(rows: pl.DataFrame, words: Words, zone: str) -> pl.DataFrame:
    tr = words.tr
    return rows.select(
        words.shops(rows["shop"]).alias(tr("Shop")),
        pl.col("order_no").alias(tr("Order")),
        _owed(zone, tr),
        words.arguments("add_gift", rows["sku"]).alias(tr("Gift")),
        pl.col("due").alias(tr("Due")),
        pl.col("given").alias(tr("Given")),
        pl.col("missing").alias(tr("Missing")),
        pl.col("rules").alias(tr("Rule")),
    )


def changes(found: Sequence[tuple[str, str, str, str, str]], tr: Translate) -> pl.DataFrame:
    """Of `difference.differences`."""
    names = (tr("Change"), tr("Group"), tr("Rule"), tr("Before"), tr("After"))
    rows = [(tr(KINDS[kind]), *rest) for kind, *rest in found]
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


# -- why


def why(found: Explanation, words: Words) -> pl.DataFrame:
    """One row per rule, those that act first: what it wants, what became of it, and each condition with the order's own
    value."""
    tr = words.tr
    ranks = {outcome: rank for rank, outcome in enumerate(OUTCOMES)}
    told = sorted(found.answers, key=lambda one: (ranks[one.outcome], len(one.lacks)))
    rows = [
        (one.group, words.rule(one.rule), print_actions(one.then, words.speech, words.language),
         _outcome(one, tr), "; ".join(_condition(each, words) for each in one.conditions))
        for one in told
    ]  # fmt: skip
    names = (tr("Group"), tr("Rule"), tr("Wants"), tr("Outcome"), tr("Conditions with the order's values"))
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


def _outcome(one: Answer, tr: Translate) -> str:
    return tr("{rule} comes first").format(rule=one.before) if one.before else tr(OUTCOMES[one.outcome])


def _condition(one: Asked, words: Words) -> str:
    mark = {True: "✓", False: "✗", None: "?"}[one.holds]
    own = words.tr(", ").join(value or words.tr("missing") for value in one.own.values())
    asked = one.condition if one.wanted else words.tr("not ({condition})").format(condition=one.condition)
    return f"{mark} {asked} [{own}]"


# -- versions


class Edition(Protocol):
    """A version, as the store keeps it."""

    version: str
    state: str
    author: str
    comment: str
    saved_at: int
    reviewed_by: str
    published_at: int | None


def editions(kept: Sequence[Edition], zone: str, tr: Translate) -> pl.DataFrame:
    def at(us: int | None) -> str:
        return "" if us is None else f"{datetime.fromtimestamp(us / 1e6, ZoneInfo(zone)):%Y-%m-%d %H:%M}"

    rows = [
        (one.version, tr(KEPT_AS[one.state]), one.author, at(one.saved_at), one.reviewed_by, at(one.published_at),
         one.comment)
        for one in kept
    ]  # fmt: skip
    names = ("Version", "State", "Author", "Saved", "Reviewed by", "Published", "Comment")
    return pl.DataFrame(rows, schema={tr(name): pl.String for name in names}, orient="row")
