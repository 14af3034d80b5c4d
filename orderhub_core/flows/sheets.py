"""Tables that people export, read by the columns that a task needs, under the headings that shops give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from orderhub_core import registry, spreadsheets
from orderhub_core.errors import UserMistake

Columns = Mapping[str, tuple[str, Sequence[str]]]
"""By name what a column holds (`id`, `text`, `time`, `money` or `whole`), and its headings beside its own name."""
ORDER_NO = ("id", ("订单编号", "订单号", "平台单号", "order number"))
SKU = ("id", ("商家编码", "货号", "商品编码", "SKU编码"))
PIECES = ("whole", ("数量", "件数", "购买数量"))
WAREHOUSE = ("text", ("仓库", "发货仓", "发货仓库"))
PAID_AT = ("time", ("付款时间", "支付时间"))
NO = ("否", "无", "no", "none", "false", "n", "0")
"""Cells that say no, where any other text says yes."""


class Read(NamedTuple):
    rows: pl.DataFrame
    notes: tuple[str, ...]
    """Sentences about cells that could not be read."""
    findings: pl.DataFrame
    """The same, in the same order, as column, rows, first_row, reason."""
    has: frozenset[str]


def read(path: Path, columns: Columns, required: Sequence[str], zone: str) -> Read:
    """Raises UserMistake for a file that is none, and where a required column is missing."""
    sheet = registry.files().read_sheet(path, columns, required, zone)
    notes = tuple(
        f"{path.name}, {column}: {rows} cells, the first in row {first}: {reason}"
        for column, rows, first, reason in sheet.findings.iter_rows()
    )
    return Read(sheet.rows, notes, sheet.findings, sheet.has)


def once(rows: pl.DataFrame, key: str, path: Path) -> pl.DataFrame:
    """Without rows that lack the key. Raises UserMistake where one stands twice."""
    known = rows.filter(pl.col(key).is_not_null())
    twice = known.filter(pl.col(key).is_duplicated())
    if twice.height:
        raise UserMistake(
            "{name}, row {row}: {key} {value} stands twice; keep one row",
            name=path.name,
            row=twice["row_no"][1],
            key=key,
            value=twice[key][1],
        )
    return known


def says_yes(column: str) -> pl.Expr:
    """Whether a cell says yes: anything but nothing, and a no. Never null."""
    return pl.col(column).is_not_null() & ~pl.col(column).str.strip_chars().str.to_lowercase().is_in(NO).fill_null(True)


def write(table: pl.DataFrame, out: Path | None) -> None:
    """As CSV that Excel reads, where somebody wants it. Raises UserMistake where it cannot be written."""
    try:
        if out is not None:
            out.write_bytes(spreadsheets.csv(table))
    except OSError as error:
        raise UserMistake("--out {out}: cannot be written ({why})", out=out, why=error.strerror or error) from None
