"""Tables that people export, read by the columns that a task needs, under the headings that shops give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from orderhub_core import registry
from orderhub_core.errors import UserMistake

Columns = Mapping[str, tuple[str, Sequence[str]]]
"""By name what a column holds (`id`, `text`, `time`, `money` or `whole`), and its headings beside its own name."""


class Read(NamedTuple):
    rows: pl.DataFrame
    notes: tuple[str, ...]
    """Sentences about cells that could not be read."""
    has: frozenset[str]


def read(path: Path, columns: Columns, required: Sequence[str], zone: str) -> Read:
    """Raises UserMistake for a file that is none, and where a required column is missing."""
    sheet = registry.files().read_sheet(path, columns, required, zone)
    notes = tuple(
        f"{path.name}, {column}: {rows} cells, the first in row {first}: {reason}"
        for column, rows, first, reason in sheet.findings.iter_rows()
    )
    return Read(sheet.rows, notes, sheet.has)


def once(rows: pl.DataFrame, key: str, path: Path) -> pl.DataFrame:
    """Without rows that lack the key. Raises UserMistake where one stands twice."""
    known = rows.filter(pl.col(key).is_not_null())
    twice = known.filter(pl.col(key).is_duplicated())
    if twice.height:
        raise UserMistake(f"{path.name}, row {twice['row_no'][1]}: {key} {twice[key][1]} stands twice; keep one row")
    return known
