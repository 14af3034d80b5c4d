"""Any small table of a shop by the headings that it may have: the caller says which columns it wants, and what of.

Headings are found, and cells are read, as everywhere else in this folder. No cell is repeated in a finding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import polars as pl

from connectors.files.cells import UNSET, Cells, ids, money, texts, times
from connectors.files.mapping import Mapping as Described
from connectors.files.observing import resolve
from connectors.files.reading import ROW, read_table
from orderhub_core.errors import UserMistake
from orderhub_core.frames import INSTANT

Holds = Literal["id", "text", "time", "money", "whole"]
TYPES: Mapping[str, pl.DataType | type[pl.DataType]] = {
    "id": pl.String, "text": pl.String, "time": INSTANT, "money": pl.Int64, "whole": pl.Int64,
}  # fmt: skip
DECIMALS = 2


class Sheet(NamedTuple):
    rows: pl.DataFrame
    """`row_no`, then every column that was asked for; null where the file does not say, or not legibly. Money in minor
    units."""
    findings: pl.DataFrame
    """column, rows, first_row, reason: cells that cannot be read."""
    has: frozenset[str]
    """Those of the columns that the file has."""


def read_sheet(
    path: Path, columns: Mapping[str, tuple[str, Sequence[str]]], required: Sequence[str], zone: str
) -> Sheet:
    """`columns`: by name what it holds and its headings beside the name itself. Raises UserMistake as `read_table`, and
    where a required column is missing."""
    table = read_table(path)
    described = Described(
        name="", shop="", columns={name: [name, *headings] for name, (_, headings) in columns.items()}
    )
    try:
        found = resolve(table.columns, described, required)
    except UserMistake as mistake:
        raise UserMistake("{name}: {mistake}", name=path.name, mistake=mistake) from None
    read = {name: _READERS[columns[name][0]](table[heading], zone) for name, heading in found.items()}
    empty = {name: TYPES[holds] for name, (holds, _) in columns.items() if name not in found}
    rows = table.select(ROW).with_columns(
        *(_usable(cells).cast(TYPES[columns[name][0]]).alias(name) for name, cells in read.items()),
        *(pl.lit(None, dtype).alias(name) for name, dtype in empty.items()),
    )
    findings = [_FINDINGS.to_frame(), *(_reasons(name, table[ROW], cells.problem) for name, cells in read.items())]
    return Sheet(rows.select(ROW, *columns), pl.concat(findings), frozenset(found))


_FINDINGS = pl.Schema({"column": pl.String(), "rows": pl.Int64(), "first_row": pl.Int64(), "reason": pl.String()})


def _wholes(raw: pl.Series, _: str) -> Cells:
    """Int64, negative ones as well: stock may be below nothing at its source."""
    bare = pl.col("raw").str.normalize("NFKC").str.strip_chars().str.replace_all(r",|件$|个$", "")
    text = raw.to_frame("raw").select(pl.when(~bare.str.to_lowercase().is_in(UNSET)).then(bare).alias("raw"))["raw"]
    value = text.str.extract(r"^([+-]?\d{1,12})(?:\.0+)?$").cast(pl.Int64)
    problem = pl.select(
        pl.when(text.is_not_null() & value.is_null()).then(pl.lit("this is not a whole number"))
    ).to_series()
    return Cells(value, problem)


_READERS: Mapping[str, Callable[[pl.Series, str], Cells]] = {
    "id": lambda raw, _: ids(raw),
    "text": lambda raw, _: texts(raw),
    "time": lambda raw, zone: times(raw, zone),
    "money": lambda raw, _: money(raw, DECIMALS),
    "whole": _wholes,
}


def _usable(cells: Cells) -> pl.Series:
    return cells.value.set(cells.problem.is_not_null(), None) if len(cells.value) else cells.value


def _reasons(column: str, row_no: pl.Series, problem: pl.Series) -> pl.DataFrame:
    told = pl.DataFrame([row_no.alias("row_no"), problem.cast(pl.String).alias("reason")]).drop_nulls("reason")
    counted = told.group_by("reason", maintain_order=True).agg(rows=pl.len(), first_row=pl.col("row_no").first())
    return counted.select(pl.lit(column).alias("column"), "rows", "first_row", "reason").cast(_FINDINGS)
