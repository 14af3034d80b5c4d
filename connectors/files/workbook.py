"""XLSX, XLS and ODS to columns of strings, without trusting a spreadsheet's numbers.

A spreadsheet keeps 15 digits of a number. A long order number that was typed as a number is therefore another
number by now, although it still looks like one: such a cell comes out in scientific notation, as the spreadsheet
itself would show it, and is refused later as damaged. The same digits kept as text come out as they are. An error comes
out as its text, and a formula without a result as one: they are refused later, too.
"""

from __future__ import annotations

import fastexcel
import polars as pl

from connectors.files.results import Result, without_value
from orderhub_core.errors import UserMistake

_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"


def is_workbook(data: bytes) -> bool:
    return data.startswith((_ZIP, _OLE))


def parse_workbook(data: bytes, name: str, sheet: str | None) -> list[pl.Series]:
    """The sheet's columns with every row, blank ones too. Raises UserMistake."""
    try:
        workbook = fastexcel.read_excel(data)
    except fastexcel.FastExcelError:
        raise UserMistake(
            "{name}: the workbook cannot be opened; remove its password, or save it again as XLSX", name=name
        ) from None
    if sheet is not None and sheet not in workbook.sheet_names:
        raise UserMistake(
            "{name}: there is no sheet {sheet!r}; there are: {sheet_names}",
            name=name,
            sheet=sheet,
            sheet_names=tuple(workbook.sheet_names),
        )
    try:
        chosen = workbook.sheet_names[0] if sheet is None else sheet
        cells = workbook.load_sheet(chosen, header_row=None, skip_rows=0, dtypes="string")
        frame = cells.to_polars()
    except (fastexcel.FastExcelError, IndexError):
        raise UserMistake(
            "{name}: the workbook has no sheet that can be read; save it again as XLSX", name=name
        ) from None
    told: dict[int, list[Result]] = {}
    for result in without_value(data, chosen):
        told.setdefault(result.column, []).append(result)
    return [
        _told(_honest(workbook, chosen, index, column), told.get(kept.absolute_index, []))
        for index, (kept, column) in enumerate(zip(cells.available_columns(), frame.get_columns(), strict=True))
    ]


def _told(column: pl.Series, results: list[Result]) -> pl.Series:
    """The column with the cells that came out empty and are not."""
    there = [one for one in results if one.row < len(column) and column[one.row] is None]
    return column.scatter([one.row for one in there], [one.text for one in there]) if there else column


def _honest(workbook: fastexcel.ExcelReader, sheet: str, index: int, column: pl.Series) -> pl.Series:
    """The column with long numbers, if they are numbers, shown as what a spreadsheet keeps of them."""
    digits = pl.Series(column.str.extract(r"^(-?\d{16,38})$"))
    number = digits.cast(pl.Float64)
    suspect = (digits.cast(pl.Int128) == number.cast(pl.Int128)).fill_null(False)
    if not suspect.any() or _all_text(workbook, sheet, index, suspect):
        return column
    shown = pl.Series([f"{value:.14E}" if value is not None else None for value in number.filter(suspect)])
    return column.scatter(suspect.arg_true(), shown)


def _all_text(workbook: fastexcel.ExcelReader, sheet: str, index: int, rows: pl.Series) -> bool:
    """Whether none of these cells is a number: read again, only they, and let the cells say what they are."""
    try:
        cells = workbook.load_sheet(
            sheet,
            header_row=None,
            skip_rows=(~rows).arg_true().to_list(),
            use_columns=[index],
            schema_sample_rows=None,
            dtype_coercion="strict",
        )
        return cells.to_polars().to_series().dtype == pl.String
    except fastexcel.FastExcelError:  # strict: text and numbers stand mixed
        return False
