"""Bytes of an export file to a table of strings. What a file is, its content decides, never its name.

Pure but for the one read in `read_table`.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from pathlib import Path

import polars as pl

from connectors.files.workbook import is_workbook, parse_workbook
from orderhub_core.errors import UserMistake

ROW = "row_no"

_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_DELIMITERS = ",;\t"
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")
_FREQUENT_BIG5 = re.compile(rb"(?:[\x00-\x7f]++|(?:[\xa1-\xc6][\x40-\x7e\xa1-\xfe])++)*+")
"""Big5 that holds nothing but its frequent characters. As GB18030 it reads, too, as other and rarer ones."""
_LOOK = 4096
_CELL_LIMIT = 1 << 20
_SEPARATOR = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
"""What a spreadsheet takes off the top of a file and does not show."""


def read_table(path: Path, *, sheet: str | None = None) -> pl.DataFrame:
    """The file's rows, every column String, empty cells null, and `row_no`: the row as a spreadsheet counts it.

    CSV in UTF-8, UTF-16 (with its mark) or GB18030, separated by comma, semicolon or tab; XLSX, XLS or ODS, first
    sheet unless `sheet` names another. Blank rows are left out. Raises UserMistake with what to mend.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserMistake("{path}: there is no such file", path=path) from None
    except IsADirectoryError:
        raise UserMistake("{path}: this is a folder; name the export file in it", path=path) from None
    except OSError as error:
        raise UserMistake("{path} cannot be read ({why})", path=path, why=error.strerror) from None
    return parse_table(data, path.name, sheet=sheet)


def parse_table(data: bytes, name: str, *, sheet: str | None = None) -> pl.DataFrame:
    """As `read_table`, from bytes; `name` is for the sentences only."""
    if not data.strip():
        raise UserMistake("{name}: the file is empty; export it again", name=name)
    if data.startswith(b"%PDF"):
        raise UserMistake("{name}: this is a PDF, not a table; export the orders as CSV or XLSX", name=name)
    if is_workbook(data):
        return _headed(parse_workbook(data, name, sheet), name)
    if sheet is not None:
        raise UserMistake("{name}: only workbooks have sheets, and this is a text file; leave the sheet out", name=name)
    return _headed(_parse_text(_decoded(data, name), name), name)


def _decoded(data: bytes, name: str) -> str:
    encoding = next((encoding for bom, encoding in _BOMS.items() if data.startswith(bom)), None)
    try:
        text = data.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        if encoding or _clearly_utf8(data[: error.start]):
            line = data[: error.start].count(b"\n") + 1
            raise UserMistake(
                "{name}, line {line}: the text is damaged here; export the file again", name=name, line=line
            ) from None
        text = _chinese(data, name)
    if _CONTROL.search(text, 0, _LOOK):
        raise UserMistake(
            "{name}: this is neither a CSV file nor a workbook; export the orders as CSV or XLSX", name=name
        )
    if text.lstrip()[:100].lower().startswith(("<!doctype", "<html", "<table", "<?xml")):
        raise UserMistake(
            "{name}: this is a web page, not a table; open it in a spreadsheet and save it as XLSX", name=name
        )
    return text


def _clearly_utf8(start: bytes) -> bool:
    """GB18030 does not pass for UTF-8 for more than a few characters."""
    return sum(character > "\x7f" for character in start.decode("utf-8")) > 8


def _chinese(data: bytes, name: str) -> str:
    try:
        text = data.decode("gb18030")
    except UnicodeDecodeError:
        if b"\0" in data[:_LOOK]:
            return "\0"
        raise UserMistake(
            "{name}: the text is neither UTF-8 nor GB18030; save the file as CSV UTF-8", name=name
        ) from None
    if _FREQUENT_BIG5.fullmatch(data) and not _is_usual(text):
        raise UserMistake(
            "{name}: the text seems to be Big5; only UTF-8, UTF-16 and GB18030 are read: save the file as CSV UTF-8",
            name=name,
        )
    return text


def _is_usual(text: str) -> bool:
    """Whether GB2312 has all of it, as nearly all that is written in GB18030."""
    try:
        text.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


def _parse_text(text: str, name: str) -> list[pl.Series]:
    named = _SEPARATOR.match(text)
    skipped, text = (1, text[named.end() :]) if named else (0, text)
    head = text.lstrip("\r\n").partition("\n")[0]
    delimiter = named[1] if named else max(_DELIMITERS, key=head.count)
    if '"' not in text and "\r" not in text.replace("\r\n", ""):
        columns = _plain(text, delimiter)
        if columns is not None:
            return columns
    return _quoted(text, delimiter, name, skipped)


def _plain(text: str, delimiter: str) -> list[pl.Series] | None:
    """The columns, where every line has as many cells as the heading; None where a look at each line is needed."""
    lines = pl.Series("line", text.removesuffix("\n").split("\n")).str.strip_chars_end("\r")
    cells, blank = lines.str.count_matches(delimiter, literal=True), lines == ""
    header = (~blank).arg_max() or 0
    if not ((cells == cells[header]) | blank).all():
        return None
    split = lines.str.split_exact(delimiter, int(cells[header]))
    return split.struct.unnest().get_columns()


def _quoted(text: str, delimiter: str, name: str, skipped: int) -> list[pl.Series]:
    csv.field_size_limit(_CELL_LIMIT)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[list[str]] = []
    width, line = 0, skipped + 1
    try:
        for row in reader:
            width = width or len(row)
            if row and len(row) != width:
                raise UserMistake(
                    "{name}, line {line}: {n} cells where the heading has {width}; a cell that holds {delimiter!r}"
                    " must stand in quotes",
                    name=name,
                    line=line,
                    n=len(row),
                    width=width,
                    delimiter=delimiter,
                )
            rows.append(row)
            line = skipped + reader.line_num + 1
    except csv.Error as error:
        raise UserMistake(
            "{name}, line {line}: the quotes do not match ({error}); export the file again",
            name=name,
            line=line,
            error=error,
        ) from None
    blank = [""] * width
    columns = zip(*(row or blank for row in rows), strict=True)
    return [pl.Series(str(index), cells, dtype=pl.String) for index, cells in enumerate(columns)]


def _headed(columns: list[pl.Series], name: str) -> pl.DataFrame:
    """First row that holds anything becomes the headings; blank rows go, the others keep their number."""
    frame = pl.DataFrame([column.alias(str(index)) for index, column in enumerate(columns)])
    if not frame.width:
        raise UserMistake("{name}: the file is empty; export it again", name=name)
    every = pl.all()
    frame = frame.with_columns(pl.when(every.str.strip_chars() != "").then(every).name.keep())
    frame = frame.with_row_index(ROW, offset=1).with_columns(pl.col(ROW).cast(pl.Int64))
    frame = frame.filter(pl.any_horizontal(pl.exclude(ROW).is_not_null()))
    if not frame.height:
        raise UserMistake("{name}: the file is empty; export it again", name=name)
    names = _unique([str(cell or "").strip() for cell in frame.row(0)[1:]])
    kept = {str(index): heading for index, heading in enumerate(names) if heading}
    return frame.slice(1).select(*kept, ROW).rename(kept)


def _unique(headings: list[str]) -> list[str]:
    """A heading that stands twice gets ` (2)`, so that no column is lost; `row_no` is ours."""
    seen: dict[str, int] = {ROW: 1}
    result = []
    for heading in headings:
        seen[heading] = seen.get(heading, 0) + 1
        result.append(f"{heading} ({seen[heading]})" if heading and seen[heading] > 1 else heading)
    return result
