"""Bytes to a table: encodings, delimiters, spreadsheets, and one clear sentence for every broken file."""

from __future__ import annotations

import csv
import datetime as dt
import io
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from connectors.files import parse_table, read_table
from orderhub_core.errors import UserMistake

TEXT = "订单编号,状态,备注\n6920000000000000001,已发货,你好\n6920000000000000002,待付款,\n"


def workbook(rows: list[list[Any]], *, sheet: str = "订单", skip: int = 0) -> bytes:
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, {"default_date_format": "yyyy-mm-dd hh:mm:ss"})
    page = book.add_worksheet(sheet)
    for number, cells in enumerate(rows, start=skip):
        for column, cell in enumerate(cells):
            (page.write_string if isinstance(cell, str) else page.write)(number, column, cell)
    book.close()
    return file.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_every_usual_encoding_and_line_end_gives_the_same_table(encoding: str, ends: str) -> None:
    table = parse_table(TEXT.replace("\n", ends).encode(encoding), "orders.csv")
    assert table.rows() == [
        ("6920000000000000001", "已发货", "你好", 2),
        ("6920000000000000002", "待付款", None, 3),
    ]
    assert table.columns == ["订单编号", "状态", "备注", "row_no"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_the_one_of_the_heading(delimiter: str) -> None:
    table = parse_table(TEXT.replace(",", delimiter).encode(), "orders.csv")
    assert table["状态"].to_list() == ["已发货", "待付款"]


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_first_line_that_names_the_delimiter_is_no_heading_and_no_row(ends: str) -> None:
    text = "sep=|\na|b,c\n1|2\n".replace("\n", ends)
    assert parse_table(text.encode(), "f").rows(named=True) == [{"a": "1", "b,c": "2", "row_no": 2}]


@pytest.mark.parametrize("name", ["王喆", "张珺", "陳大文，台北市信義區"])
def test_rarer_characters_of_gb18030_are_not_taken_for_big5(name: str) -> None:
    assert parse_table(f"订单编号,收货人\n1,{name}\n".encode("gb18030"), "f")["收货人"].to_list() == [name]


def test_row_numbers_are_those_a_spreadsheet_shows() -> None:
    text = 'a,b\n1,"two\nlines"\n\n2,x\n,\n3,y\n'
    assert parse_table(text.encode(), "f").rows() == [("1", "two\nlines", 2), ("2", "x", 4), ("3", "y", 6)]
    plain = "a,b\n1,w\n\n2,x\n,\n3,y\n"
    assert parse_table(plain.encode(), "f")["row_no"].to_list() == [2, 4, 6]
    book = workbook([["a", "b"], ["1", "w"], [], ["2", "x"]], skip=3)
    assert parse_table(book, "f").rows() == [("1", "w", 5), ("2", "x", 7)]


cells = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6).map(lambda cell: "x" + cell)
tables = st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=6)


@given(tables, st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), st.sampled_from([",", ";", "\t"]))
def test_what_a_csv_writer_writes_is_read_back(rows: list[tuple[str, str, str]], quoting: Any, delimiter: str) -> None:
    file = io.StringIO()
    csv.writer(file, quoting=quoting, delimiter=delimiter).writerows([("a", "b", "c"), *rows])
    assert parse_table(file.getvalue().encode(), "f").select("a", "b", "c").rows() == rows


@given(st.integers(10**18, 10**19 - 1).map(str))
def test_a_long_number_kept_as_text_survives_a_workbook(order_no: str) -> None:
    assert parse_table(workbook([["no"], [order_no], ["x"]]), "f")["no"][0] == order_no


@given(st.lists(st.integers(10**16, 10**19 - 1), min_size=1, max_size=4), st.booleans())
def test_a_long_number_kept_as_a_number_never_looks_like_an_id(numbers: list[int], among_text: bool) -> None:
    rows = [[number] for number in numbers] + ([["6920000000000001024"]] if among_text else [])
    read = parse_table(workbook([["no"], *rows]), "f")["no"].to_list()
    assert all("E+" in cell for cell in read[: len(numbers)])


def test_dates_and_amounts_in_a_workbook_read_as_they_are_shown() -> None:
    moment = dt.datetime(2026, 1, 2, 3, 4, 5)
    table = parse_table(workbook([["when", "sum", "few"], [moment, 12.3, 3], [moment, 0.1 + 0.2, 15]]), "f")
    assert table.rows() == [("2026-01-02 03:04:05", "12.3", "3", 2), ("2026-01-02 03:04:05", "0.3", "15", 3)]


def test_what_could_not_be_calculated_is_told_apart_from_what_is_empty() -> None:
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file)
    book.add_worksheet("other").write_formula(1, 1, "=1/0", None, "#DIV/0!")
    page = book.add_worksheet("订单 & more")
    page.write_row(3, 2, ["no", "qty"])  # a table need not begin in the first cell
    page.write_column(4, 2, ["1", "2", "3", "4", "5"])
    page.write_formula(4, 3, "=1/0", None, "#DIV/0!")
    page.write_formula(5, 3, "=VLOOKUP(A1,B:B,1)", None, "#N/A")
    page.write_formula(6, 3, "=1+2", None, "")
    page.write_formula(7, 3, "=1+2", None, 3)
    book.close()
    table = parse_table(file.getvalue(), "f", sheet="订单 & more")
    assert table["qty"].to_list() == ["#DIV/0!", "#N/A", "#NO RESULT!", "3", None]
    assert table["row_no"].to_list() == [5, 6, 7, 8, 9]


def test_a_sheet_is_chosen_by_name(tmp_path: Path) -> None:
    path = tmp_path / "orders.dat"  # its content says what it is
    path.write_bytes(workbook([["a"], ["1"]], sheet="六月"))
    assert read_table(path, sheet="六月")["a"].to_list() == ["1"]
    with pytest.raises(UserMistake, match="no sheet '七月'; there are: 六月"):
        read_table(path, sheet="七月")


def test_a_heading_that_stands_twice_loses_no_column() -> None:
    assert parse_table(b"a,a,,row_no\n1,2,,4\n", "f").rows(named=True) == [
        {"a": "1", "a (2)": "2", "row_no (2)": "4", "row_no": 2}
    ]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (b" \n\n", "the file is empty"),
        (b",,\n,,\n", "the file is empty"),
        (workbook([]), "the file is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "neither a CSV file nor a workbook"),
        (b"\x01\x02abc,d\n", "neither a CSV file nor a workbook"),
        (b"PK\x03\x04 not a zip", "cannot be opened"),
        (b"\xd0\xcf\x11\xe0 locked", "cannot be opened"),
        (b"<html><table>", "a web page"),
        (b"a,b\n\xff\xff\xff,1\n", "neither UTF-8 nor GB18030"),
        ("订单编号,收货人姓名,状态\n1,张三,".encode() + b"\xe5,x\n", "line 2: the text is damaged here"),
        (b"a,b,c\n1,2,3\n1,2\n", "line 3: 2 cells where the heading has 3"),
        (b"a,b,c\n\n1,2,3,4\n", "line 3: 4 cells where the heading has 3"),
        (b'a,b\n1,"x\ny"\n3\n', "line 4: 1 cells where the heading has 2"),
        (b'a,b\n1,2\n3,"x\n4,5\n', "line 3: the quotes do not match"),
        (b'sep=,\na,b\n1,2\n3,"x\n4,5\n', "line 4: the quotes do not match"),
        ("no,receiver\n1,陳大文\n".encode("big5"), "only UTF-8, UTF-16 and GB18030 are read"),
        ("訂單編號,收件人\n1,林志玲\n".encode("big5"), "seems to be Big5"),
    ],
)
def test_a_broken_file_is_one_clear_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(UserMistake) as caught:
        parse_table(data, "orders.csv")
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("orders.csv")
    assert "\n" not in str(caught.value)


def test_paths_that_are_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserMistake, match="no such file"):
        read_table(tmp_path / "nothing.csv")
    with pytest.raises(UserMistake, match="this is a folder"):
        read_table(tmp_path)


@given(st.binary(max_size=200))
def test_no_bytes_end_in_a_traceback(data: bytes) -> None:
    try:
        table = parse_table(data, "f")
    except UserMistake:
        return
    assert table.schema["row_no"] == pl.Int64
    assert all(kind == pl.String for name, kind in table.schema.items() if name != "row_no")
