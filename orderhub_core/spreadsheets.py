"""Tables for people's spreadsheets, which take digits for numbers and texts for formulas."""

from __future__ import annotations

import codecs

import polars as pl

EXACT_DIGITS = 15
"""A spreadsheet rounds longer numbers; order and tracking numbers are longer."""
_ROUNDED = rf"^\s*[+\-]?\d{{{EXACT_DIGITS + 1},}}$|^0\d+$|^\d+[eE]\d+$"
"""Nor does it keep leading zeros, and takes an E between digits for a power of ten."""
_CALCULATED = r"^\s*[=+\-@＝＋－＠]|^[\t\r\n]"
_A_NUMBER = r"^[+\-]?[\d,]*\.?\d+%?$"


def csv(table: pl.DataFrame) -> bytes:
    """The table as CSV that Excel reads as it is meant: in UTF-8, long numbers as texts (after a tab, which importing
    drops), and no text that would be calculated (after an apostrophe): a buyer or a reviewer may have written it."""
    texts = pl.selectors.string()
    rounded = texts.str.contains(_ROUNDED)
    calculated = texts.str.contains(_CALCULATED) & ~texts.str.contains(_A_NUMBER)
    safe = pl.when(rounded).then(pl.lit("\t") + texts).when(calculated).then(pl.lit("'") + texts).otherwise(texts)
    return codecs.BOM_UTF8 + table.with_columns(safe.name.keep()).write_csv().encode()
