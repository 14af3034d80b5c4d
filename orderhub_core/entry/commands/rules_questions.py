"""The nine questions of `rules explain --questions`, and the files that say what was there and what parcels cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from orderhub_core.errors import UserMistake
from orderhub_core.flows import tariffs
from orderhub_core.i18n import Translate, translator
from orderhub_core.rules import exports, gifts, questions, speeds, turn
from orderhub_core.rules.booktables import OTHERWISE
from orderhub_core.rules.claims import STOCK
from orderhub_core.rules.decide import decided
from orderhub_core.rules.index import Index
from orderhub_core.rules.language.operators import Language
from orderhub_core.rules.language.printing import print_argument
from orderhub_core.rules.language.vocabulary import of_book
from orderhub_core.rules.of_parcels import parcels
from orderhub_core.rules.questions import QUESTIONS, Answer
from orderhub_core.rules.routing import WAREHOUSES
from orderhub_core.rules.tree import Rulebook

_OPTIONAL = {
    "safety": "0",
    "enabled": "true",
    "temporary": "false",
    "latitude": "",
    "longitude": "",
    "orders_per_day": "",
}


def answered(
    exported: exports.Exported, book: Rulebook, order_id: int, known: turn.Known, language: Language,
    reasons: Mapping[tuple[str, str], str],
) -> list[Answer]:  # fmt: skip
    """`reasons`: by group and rule why it holds, in the reader's language; of others the decision's own is told.
    Raises UserMistake where the lines do not say what is needed."""
    orders, lines = exported.orders, exported.lines
    if known.stock is not None and (missing := {"line_no", "sku", "quantity"} - {*lines.columns}):
        raise UserMistake(
            "the stock is asked for by line, and the lines have no column {missing!r}", missing=min(missing)
        )
    index = Index(orders, lines, zone=book.zone, reports=exported.reports)
    run = speeds.compiled() if orders.height >= exports.MACHINE_CODE_FROM else speeds.plain
    decisions = gifts.given(decided(index, book), orders, book, run=run).decisions
    one = turn.case(order_id, orders, lines, decisions, known, zone=book.zone, run=run)
    # What is said of a parcel comes before what is said of its order.
    own = pl.col("order_id") == order_id
    alone = exported._replace(orders=orders.filter(own), lines=lines.filter(own))
    marks = exports.of_parcels(alone, book, one.decisions)
    told = pl.concat([marks, one.decisions.with_columns(parcel=pl.lit(0, pl.Int32))])
    one = one._replace(decisions=told, parcels=parcels(alone.orders, alone.lines, one.decisions).of.height)
    tr, word = translator(language), partial(print_argument, speech=of_book(book), language=language)
    return questions.answers(one._replace(decisions=_retold(one.decisions, reasons, tr)), tr, word)


def _retold(decisions: pl.DataFrame, reasons: Mapping[tuple[str, str], str], tr: Translate) -> pl.DataFrame:
    rows = [
        row | {"reason": reasons.get((row["group"], row["rule"]), row["reason"]),
               "rule": tr(row["rule"]) if row["rule"] == OTHERWISE else row["rule"]}
        for row in decisions.to_dicts()
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=decisions.schema)


def known(stock: Path | None, warehouses: Path | None, freight: Path | None) -> turn.Known:
    """Raises UserMistake, which names the file and the line."""
    prices = None if freight is None else tariffs.read(freight)
    if freight is not None and prices is None:
        raise UserMistake("--freight {freight}: there is no weights.csv, zones.csv or tariffs.csv", freight=freight)
    return turn.Known(
        None if stock is None else tariffs.table(stock, STOCK, _OPTIONAL),
        None if warehouses is None else tariffs.table(warehouses, WAREHOUSES, _OPTIONAL),
        *(prices or (None, None, None)),
    )


def lines(found: Sequence[Answer], tr: Translate) -> Iterator[str]:
    """For people."""
    for number, (question, answer, _) in enumerate(found, 1):
        yield f"{number}. {tr(QUESTIONS[question])}"
        yield f"   {answer}"


def document(found: Sequence[Answer]) -> list[dict[str, Any]]:
    return [
        {"question": question, "answer": answer, "figures": [_plain(row) for row in figures]}
        for question, answer, figures in found
    ]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}
