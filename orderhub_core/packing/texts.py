"""The table of packing checks in people's words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from orderhub_core.i18n import Named, Translate, by_id
from orderhub_core.packing.checks import BAD
from orderhub_core.packing.combine import Combined
from orderhub_core.packing.evidence import CROWD, EVIDENCE, GUARDS

STAGES: Mapping[str, str] = {
    "before_packing": "Before packing: is the gift there?",
    "while_packing": "While packing: is everything in the box?",
    "after_shipping": "After shipping: has a tracking number come?",
}
FAULTS: Mapping[tuple[str, str], str] = {
    ("hold", "gift"): "hold: of the gift {sku} {needed} are needed and {there} are left",
    ("fail", "gift"): "fail: the gift {sku} is missing: {there} of {needed} scanned",
    ("fail", "main"): "fail: {sku} is missing: {there} of {needed} scanned",
    ("fail", "box"): "fail: the box itself was not scanned",
    ("fail", "stranger"): "fail: {sku} does not belong there: {there} scanned, {needed} needed",
    (
        "fail",
        "contents",
    ): "fail: nobody has told what is in this order; do not pack it: import the report of its items",
    ("alert", "tracking_no"): "alert: no tracking number since it left at {since}",
}


ASIDE = "{aside} more lie there, kept for orders that are held or wait for others"


def called(row: Mapping[str, Any], tr: Translate) -> str:
    """The SKU of a row, with its name where that is told."""
    return tr("{sku} ({name})").format(**row) if row.get("name") else str(row["sku"])


def fault(row: Mapping[str, Any], tr: Translate) -> str:
    """What is wrong with an order, of a row of checks.TABLE or floor.TABLE that is BAD."""
    since = row["since"] and row["since"].isoformat(sep=" ", timespec="seconds")
    said = tr(FAULTS[row["verdict"], row["item"]]).format(**{**row, "since": since, "sku": called(row, tr)})
    return f"{said}{tr('; ')}{tr(ASIDE).format(aside=row['aside'])}" if row.get("aside") else said


def whose(row: Mapping[str, Any], names: Named = by_id) -> str:
    """Its order, with the shop where that is told."""
    return f"{row['order_no']} ({names('shop', row['shop'])})" if row.get("shop") else str(row["order_no"])


def sentences(table: pl.DataFrame, tr: Translate, names: Named = by_id) -> Iterator[str]:
    """By check how many orders pass it, and of the others each thing at fault."""
    for stage in table["stage"].unique(maintain_order=True):
        own = table.filter(pl.col("stage") == stage)
        counted = (
            own.unique([name for name in ("shop", "order_no") if name in own])["verdict"]
            .cast(pl.String)
            .value_counts(sort=True)
        )
        yield f"{tr(STAGES[stage])} {tr(', ').join(f'{tr(verdict)} {n}' for verdict, n in counted.iter_rows())}"
        for row in own.filter(pl.col("verdict").is_in(BAD)).iter_rows(named=True):
            yield f"  {whose(row, names)}{tr(': ')}{fault(row, tr)}"


def alerts(table: pl.DataFrame, tr: Translate, names: Named = by_id) -> Iterator[tuple[str, str]]:
    """By keeper what to tell them: the parcels without a tracking number."""
    late = table.filter(pl.col("verdict") == "alert").with_columns(pl.col("keeper").fill_null(""))
    for (keeper,), rows in late.group_by("keeper", maintain_order=True):
        told = [f"{whose(row, names)}{tr(': ')}{fault(row, tr)}" for row in rows.iter_rows(named=True)]
        yield str(keeper), "\n".join(told)


SHOWN = 50
"""Pairs that are told to people; all of them are in `--json` and `--out`."""


def reasons(row: Mapping[str, Any], tr: Translate) -> str:
    """Of a row of combine.PAIRS what forbids it, or what a person said; then each piece of evidence with its points."""
    told = []
    if row["guard"]:
        blanks = {"order": row["guarded"], "by": row["by"] or tr("somebody"), "reason": row["reason"]}
        told.append(tr(GUARDS[row["guard"]]).format(**blanks))
    elif row["by"] or row["reason"]:
        told.append(tr("{by} says so: {reason}").format(by=row["by"] or tr("somebody"), reason=row["reason"]))
    told += [f"{tr(name)} {row[key]:+d}" for key, (name, _) in EVIDENCE.items() if row[key]]
    return tr(", ").join(told)


def combined(found: Combined, tr: Translate) -> Iterator[str]:
    """The groups, then the pairs that people are asked about and those that are forbidden, with reasons."""
    counted = dict(found.pairs["verdict"].cast(pl.String).value_counts().iter_rows())
    text = tr(
        "parcels of several orders: {groups}, orders in them: {orders}; pairs to ask about: {ask}, forbidden: {no}"
    )
    yield text.format(
        groups=found.groups["group"].n_unique(), orders=found.groups.height, ask=counted.get("ask", 0),
        no=counted.get("forbidden", 0),
    )  # fmt: skip
    for group, names in found.groups.group_by("group", maintain_order=True).agg("order_no").head(SHOWN).iter_rows():
        yield f"  {group}{tr(': ')}{tr(', ').join(names)}"
    titles = {"merge": tr("together"), "ask": tr("ask"), "forbidden": tr("never")}
    for verdict, title in titles.items():
        for row in found.pairs.filter(pl.col("verdict") == verdict).head(SHOWN).iter_rows(named=True):
            pair = f"{row['order_no']} + {row['other']}"
            yield f"  {title}{tr(': ')}{pair} = {row['score']}{tr('; ')}{reasons(row, tr)}"
    for key, orders in found.crowds.iter_rows():
        text = tr("! {orders} orders share a {key} with more than {most} others: it was not counted")
        yield text.format(orders=orders, key=key, most=CROWD)
