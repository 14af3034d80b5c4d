"""The nine questions of `rules explain --questions`, and the files that say what was there and what parcels cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from orderhub_core.errors import UserMistake
from orderhub_core.flows import tariffs
from orderhub_core.i18n import Translate
from orderhub_core.rules import exports, gifts, questions, speeds, turn
from orderhub_core.rules.claims import STOCK
from orderhub_core.rules.decide import decided
from orderhub_core.rules.index import Index
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
    exported: exports.Exported, book: Rulebook, order_id: int, known: turn.Known, tr: Translate
) -> list[Answer]:
    """Raises UserMistake where the lines do not say what is needed."""
    orders, lines = exported.orders, exported.lines
    if known.stock is not None and (missing := {"line_no", "sku", "quantity"} - {*lines.columns}):
        raise UserMistake(f"the stock is asked for by line, and the lines have no column {min(missing)!r}")
    index = Index(orders, lines, zone=book.zone, reports=exported.reports)
    run = speeds.compiled() if orders.height >= exports.MACHINE_CODE_FROM else speeds.plain
    decisions = gifts.given(decided(index, book), orders, book, run=run).decisions
    return questions.answers(turn.case(order_id, orders, lines, decisions, known, zone=book.zone, run=run), tr)


def known(stock: Path | None, warehouses: Path | None, freight: Path | None) -> turn.Known:
    """Raises UserMistake, which names the file and the line."""
    prices = None if freight is None else tariffs.read(freight)
    if freight is not None and prices is None:
        raise UserMistake(f"--freight {freight}: there is no weights.csv, zones.csv or tariffs.csv")
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
