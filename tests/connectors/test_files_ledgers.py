"""Ledgers from files as people export them: what is read, and that what is not read is told."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import polars as pl
import pytest

from connectors.files import conventions, read_ledger
from connectors.files.cells import ids, money, texts, times
from orderhub_core import i18n
from orderhub_core.errors import UserMistake

HEAD = "订单编号,实付金额,支付时间"


def write(folder: Path, *lines: str, name: str = "ledger.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes("\n".join(lines).encode(encoding))
    return path


def row(amount: str, at: str = "2026-11-01 10:00:00", order_no: str = "A1") -> str:
    return f"{order_no},{amount},{at}"


@pytest.mark.parametrize(
    ("cell", "minor"),
    [
        ("100", 10_000),
        ('"￥1,234.50"', 123_450),
        ("１００．５０", 10_050),
        ("¥0.01", 1),
        ("88元", 8_800),
        ("5.120", 512),
    ],
)
def test_amounts_as_people_write_them(tmp_path: Path, cell: str, minor: int) -> None:
    read = read_ledger(write(tmp_path, HEAD, row(cell)), "platform")
    assert read.entries.select("amount_minor", "problem").rows() == [(minor, None)]
    assert read.findings.height == 0


@pytest.mark.parametrize("cell", ["abc", "-5", "5.123", "1,23", "1e5", "12.3.4"])
def test_an_amount_that_is_none_is_told_with_its_row_and_never_counted(tmp_path: Path, cell: str) -> None:
    read = read_ledger(write(tmp_path, HEAD, row("1"), row(f'"{cell}"', order_no="A2")), "platform")
    assert read.entries.select("amount_minor", "problem").rows() == [(100, None), (None, "amount")]
    (found,) = read.findings.to_dicts()
    assert (found["finding"], found["rows"], found["first_row"]) == ("unreadable_amount", 1, 3)
    assert cell not in found["detail"].partition(": ")[2] or cell == "5"


def test_a_blank_amount_counts_only_where_something_happened(tmp_path: Path) -> None:
    read = read_ledger(write(tmp_path, HEAD, row(""), row("", at="", order_no="A2")), "platform")
    assert read.entries["problem"].to_list() == ["amount", None]
    assert read.findings["finding"].to_list() == ["blank_amount"]


@pytest.mark.parametrize(("word", "told"), [("货到付款", "deferred"), (" COD", "deferred"), ("微信", ""), ("", "")])
def test_what_is_paid_later_is_told_by_its_payment_method(tmp_path: Path, word: str, told: str) -> None:
    read = read_ledger(write(tmp_path, f"{HEAD},支付方式", f"{row('100', at='')},{word}"), "platform")
    assert read.entries["status"].to_list() == [told]


def test_mixed_time_zones_are_told(tmp_path: Path) -> None:
    lines = [row("1"), row("1", order_no="A2"), row("1", "2026-11-01T10:00:00Z", order_no="A3")]
    read = read_ledger(write(tmp_path, HEAD, *lines), "platform")
    assert read.entries["problem"].to_list() == [None, None, "time"]
    assert read.findings["finding"].to_list() == ["unreadable_time"]


def test_rows_without_an_order_number_and_headings_alone_are_told(tmp_path: Path) -> None:
    read = read_ledger(write(tmp_path, HEAD, row("1", order_no="")), "platform")
    assert (read.entries.height, read.findings["finding"].to_list()) == (0, ["no_order_no"])
    read = read_ledger(write(tmp_path, HEAD), "platform")
    assert (read.entries.height, read.findings["finding"].to_list()) == (0, ["empty"])


@pytest.mark.parametrize("source", ["platform", "erp", "refunds", "courier"])
def test_headings_alone_are_a_ledger_of_any_kind(tmp_path: Path, source: str) -> None:
    head = {
        "erp": "平台单号,出库金额,出库时间",
        "refunds": "订单编号,退款金额,退款时间",
        "courier": "订单编号,揽收时间",
    }
    read = read_ledger(write(tmp_path, head.get(source, HEAD)), source)
    assert read.findings["finding"].to_list() == ["empty"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([""], "the file is empty"),
        (["订单编号,支付时间", "A1,2026-11-01"], "no column for amount"),
        ([HEAD, "A1,1,2026-11-01,more"], "cells where the heading has 3"),
        (["<html><table>"], "web page"),
    ],
)
def test_another_kind_of_file_is_one_sentence(tmp_path: Path, lines: list[str], said: str) -> None:
    with pytest.raises(UserMistake, match=said):
        read_ledger(write(tmp_path, *lines), "platform")


def test_columns_of_amounts_that_nobody_claims_are_fees_and_others_are_not(tmp_path: Path) -> None:
    head = f"{HEAD},达人佣金,直播坑位费,买家留言,手机,数量,流水"
    lines = [f"{row('100', order_no=f'A{n}')},-{n}.50,{n},好,13800000000,2,20261101000{n}" for n in range(1, 5)]
    read = read_ledger(write(tmp_path, head, *lines), "platform")
    assert read.fees.group_by("column", maintain_order=True).agg(pl.sum("amount_minor")).rows() == [
        ("达人佣金", 1_200),
        ("直播坑位费", 1_000),
    ]


def test_a_fee_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    lines = [f"{row('100', order_no=f'A{n}')},{fee}" for n, fee in enumerate(["1", "2", "x"])]
    read = read_ledger(write(tmp_path, f"{HEAD},达人佣金", *lines), "platform")
    assert read.fees["amount_minor"].sum() == 300
    assert read.findings["finding"].to_list() == ["unreadable_fee"]


REFUSED = {
    ids: ["4.83E+18", "1" * 201, "a\0b"],
    texts: ["a\0b"],
    partial(times, zone="America/Sao_Paulo"): ["soon", "2018-11-04 00:30:00", "1999-01-01 00:00:00"],
    partial(times, zone="UTC"): [*["2026-11-01 00:00:00"] * 2, "2026-11-01T00:00:00Z"],
    partial(times, zone="Asia/Shanghai"): [*["2026-11-01T00:00:00Z"] * 3, "2026-11-01 00:00:00"],
    partial(money, decimals=2): ["x", "1.234", "-1", "999999999999999"],
    partial(money, decimals=0): ["1.5"],
    partial(money, decimals=3): ["1.2345"],
}


def test_every_reason_to_refuse_a_cell_of_a_ledger_exists_in_chinese() -> None:
    said = {reason for read, cells in REFUSED.items() for reason in read(pl.Series(cells)).problem.drop_nulls()}
    assert len(said) == 14
    assert said - {str(message.id) for message in i18n.catalogue("zh")} == set()


def test_a_courier_s_words_and_times_say_where_the_parcel_is(tmp_path: Path) -> None:
    head = "订单编号,揽收时间,签收时间,物流状态"
    time = "2026-11-01 10:00:00"
    lines = [f"A1,,,待揽收", f"A2,{time},,", f"A3,{time},{time},", f"A4,{time},,丢失", f"A5,{time},,在月球"]  # noqa: F541
    read = read_ledger(write(tmp_path, head, *lines), "courier")
    assert read.entries["status"].to_list() == ["labelled", "collected", "delivered", "lost", "collected"]
    assert read.findings.select("finding", "first_row").rows() == [("unknown_word", 6)]


def test_chinese_files_of_old_and_workbooks_read_alike(tmp_path: Path) -> None:
    old = read_ledger(write(tmp_path, HEAD, row("1"), encoding="gb18030"), "platform")
    pl.DataFrame({"订单编号": ["A1"], "实付金额": ["1"], "支付时间": ["2026-11-01 10:00:00"]}).write_excel(
        tmp_path / "l.xlsx"
    )
    assert read_ledger(tmp_path / "l.xlsx", "platform").entries.equals(old.entries)


def test_headings_and_conventions_are_the_users_to_write(tmp_path: Path) -> None:
    own = write(
        tmp_path,
        'money = "fen"',
        'time_zone = "UTC"',
        "[platform]",
        'amount = ["入账(分)"]',
        name="own.toml",
    )
    path = write(tmp_path, "订单编号,入账(分),支付时间,币种", "A1,250,2026-11-01 00:00:00,人民币")
    read = read_ledger(path, "platform", conventions(own))
    (entry,) = read.entries.to_dicts()
    assert (entry["amount_minor"], entry["at"].isoformat(), entry["currency"]) == (
        250,
        "2026-11-01T00:00:00+00:00",
        "CNY",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[platform]\npaid = ['x']", "has no column 'paid'"),
        ("time_zone = 'Mars'", "no time zone 'Mars'"),
        ("money = 'dollars'", "docs/reconciliation.md"),
        ("[platform", "is not TOML"),
        ("nonsense = 1", "docs/reconciliation.md"),
    ],
)
def test_a_convention_that_is_none_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserMistake, match=said):
        conventions(write(tmp_path, text, name="own.toml"))
