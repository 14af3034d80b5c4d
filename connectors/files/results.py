"""What became of a workbook's formulas where the cell comes out empty: a spreadsheet's error, or no result at all.

The library that reads workbooks gives such cells as empty ones, and an empty cell says nothing: an amount that could
not be calculated would be none. XLSX keeps them apart; in XLS and ODS they stay empty.
"""

from __future__ import annotations

import html
import io
import re
import zipfile
from collections.abc import Iterator
from typing import NamedTuple

NO_RESULT = "#NO RESULT!"
"""As an error of the spreadsheet's own: a formula that was written by a program, and calculated by nobody."""

_LINKS = "xl/_rels/workbook.xml.rels"
_ATTRIBUTE = re.compile(r"""(?:\w+:)?(\w+)=(["'])(.*?)\2""")
_CELL = re.compile(
    rb"<(?:\w+:)?c\s([^>/]*)>\s*(<(?:\w+:)?f\b[^>]*?(?:/>|>[^<]*</(?:\w+:)?f>))?\s*"
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v[^>]*>([^<]*)</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
_PLACE = re.compile(rb'\br="([A-Z]{1,3})(\d+)"')
_FORMULA = re.compile(rb"<(?:\w+:)?f\b")


class Result(NamedTuple):
    """Row and column are counted from 0, as of the sheet's first cell."""

    row: int
    column: int
    text: str


def without_value(data: bytes, sheet: str) -> Iterator[Result]:
    """The cells of this sheet that hold an error, or a formula without a result; none of what is no XLSX."""
    xml = _sheet(data, sheet)
    if b't="e"' not in xml and not _FORMULA.search(xml):
        return
    for cell in _CELL.finditer(xml):
        attributes, formula, value = cell.groups(b"")
        place = _PLACE.search(attributes)
        if place and b't="e"' in attributes:
            yield _result(place, value.decode("utf-8", "replace").strip())
        elif place and formula and not value and b't="str"' not in attributes:  # an empty text is a result
            yield _result(place, NO_RESULT)


def _result(place: re.Match[bytes], text: str) -> Result:
    column = 0
    for letter in place[1]:
        column = column * 26 + letter - ord("A") + 1
    return Result(int(place[2]) - 1, column - 1, text)


def _sheet(data: bytes, name: str) -> bytes:
    """Its XML; nothing of what is kept otherwise."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as book:
            targets = {link.get("Id"): link["Target"] for link in _tags(book.read(_LINKS), "Relationship")}
            sheets = _tags(book.read("xl/workbook.xml"), "sheet")
            path = next(targets[sheet.get("id")] for sheet in sheets if sheet.get("name") == name)
            return book.read(path.removeprefix("/") if path.startswith("/") else f"xl/{path}")
    except (zipfile.BadZipFile, KeyError, StopIteration):
        return b""


def _tags(xml: bytes, name: str) -> Iterator[dict[str, str]]:
    """The attributes of each, without their prefixes. By a pattern: XML of strangers is not to be expanded."""
    for tag in re.finditer(rf"<(?:\w+:)?{name}\s([^>]*)>", xml.decode("utf-8", "replace")):
        yield {key: html.unescape(value) for key, _, value in _ATTRIBUTE.findall(tag[1])}
