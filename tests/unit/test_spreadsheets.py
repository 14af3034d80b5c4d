"""What is exported is read as it is meant: by a spreadsheet, and by our own import."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import polars as pl
import pytest

from orderhub_core import spreadsheets
from orderhub_core.flows import sheets


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("7713632344337368386", "\t7713632344337368386"),
        ("123456789012345", "123456789012345"),
        ("SF1234567890123456", "SF1234567890123456"),
        ("=HYPERLINK(\"http://evil.test\")", "'=HYPERLINK(\"http://evil.test\")"),
        ("@SUM(A1)", "'@SUM(A1)"), ("-12.50", "-12.50"), ("+3%", "+3%"), ("-1+1|cmd", "'-1+1|cmd"),
        ("0012345", "\t0012345"), ("12E5", "\t12E5"), (" 7713632344337368386", "\t 7713632344337368386"),
        ("＝1+1", "'＝1+1"), ("\n=1+1", "'\n=1+1"), ("0", "0"), ("0.5", "0.5"),
        ("张三，\n=1", "张三，\n=1"), ("", ""), (None, ""),
    ],
)  # fmt: skip
def test_texts_are_written_so_that_nothing_rounds_or_calculates_them(value: str | None, written: str) -> None:
    table = pl.DataFrame({"text": [value, "x"], "n": [7713632344337368386, 1]})
    made = spreadsheets.csv(table)
    assert made.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(made.decode("utf-8-sig"))))
    assert rows[1] == [written, "7713632344337368386"]


def test_an_order_number_comes_back_as_it_was(tmp_path: Path) -> None:
    table = pl.DataFrame({"order_no": ["7713632344337368386"], "status": ["paid"]})
    (tmp_path / "orders.csv").write_bytes(spreadsheets.csv(table))
    read = sheets.read(tmp_path / "orders.csv", {"order_no": sheets.ORDER_NO}, ["order_no"], "Asia/Shanghai")
    assert read.rows["order_no"].to_list() == ["7713632344337368386"]
