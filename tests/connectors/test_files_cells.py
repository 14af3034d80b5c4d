"""Cells to values: ids, money and times as people, platforms and spreadsheets write them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.files.cells import Cells, counts, ids, money, texts, times

BEIJING, SAO_PAULO = "Asia/Shanghai", "America/Sao_Paulo"


def column(*cells: str | None) -> pl.Series:
    return pl.Series("heading", cells, dtype=pl.String)


def one(read: Cells) -> object:
    assert read.problem.to_list() == [None]
    return read.value[0]


def micros(moment: dt.datetime) -> int:
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


WRAPS = ["{}", " {} ", "\t{}", "{}\t", "'{}", '="{}"', "\ufeff{}", "{}\u200b"]


@given(st.from_regex(r"[0-9A-Za-z][0-9A-Za-z_-]{3,31}", fullmatch=True), st.sampled_from(WRAPS))
def test_an_id_is_the_same_however_it_is_wrapped(order_no: str, wrap: str) -> None:
    read = ids(column(wrap.format(order_no)))
    if read.problem[0] is None and order_no.lower() not in ("null", "none"):
        assert read.value[0] == order_no


@given(st.integers(10**18, 10**19 - 1).map(str))
def test_nineteen_digits_survive_full_width_too(order_no: str) -> None:
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in order_no)
    assert one(ids(column(wide))) == one(ids(column(order_no))) == order_no


@pytest.mark.parametrize(
    ("cell", "order_no"),
    [("1234.0", "1234"), ("123456789012345.00", "123456789012345"), ("No:SF1234", "SF1234"), ("4E8", "4E8")],
)
def test_what_is_added_to_an_id_comes_off(cell: str, order_no: str) -> None:
    assert one(ids(column(cell))) == order_no


@pytest.mark.parametrize("cell", ["4.83E+18", "4.83e18", "4E+18", "6920000000000001024.0", "='4.83E+18"[1:]])
def test_an_id_that_a_spreadsheet_rounded_is_refused(cell: str) -> None:
    assert "rounded" in ids(column(cell)).problem[0]


def test_a_column_whose_ids_lost_their_last_digits_is_refused_and_a_single_round_id_is_not() -> None:
    lost = ids(column("4830000000000120000", "4830000000000130000", "123"))
    assert lost.problem.is_not_null().to_list() == [True, True, False]
    assert one(ids(column("4830000000000120000"))) == "4830000000000120000"
    mixed = ids(column("4830000000000120000", "4830000000000123456", "4830000000000123457"))
    assert mixed.problem.null_count() == 3


@pytest.mark.parametrize("cell", [None, "", "  ", "null", "NULL", "-", "0"])
def test_not_set_is_null_and_no_trouble(cell: str | None) -> None:
    assert one(ids(column(cell))) is None
    assert one(texts(column(cell))) is None
    assert one(times(column(cell), BEIJING)) is None


def test_zero_is_an_amount() -> None:
    assert money(column("0", "", "-", None), 2).value.to_list() == [0, None, None, None]


amounts = st.decimals(min_value=0, max_value=Decimal("9999999999.99"), places=2)
STYLES = ["{}", "¥{}", "￥{}", " {} ", "{}元", "CNY {}", "R$ {}", "$ {}"]


@given(amounts, st.sampled_from(STYLES), st.booleans(), st.booleans())
def test_money_is_exact_in_every_usual_spelling(amount: Decimal, style: str, thousands: bool, wide: bool) -> None:
    cell = style.format(f"{amount:,}" if thousands else f"{amount}")
    if wide:
        cell = "".join(chr(ord(c) + 0xFEE0) if c.isdigit() else c for c in cell)
    assert one(money(column(cell), 2)) == int(amount * 100)


@given(st.integers(0, 10**14))
def test_money_in_minor_units_is_the_number_itself(fen: int) -> None:
    assert one(money(column(str(fen)), 0)) == fen


@pytest.mark.parametrize(
    ("cell", "decimals", "reason"),
    [
        ("-5", 2, "negative"),
        ("-0.01", 2, "negative"),
        ("1.005", 2, "more than 2 decimals"),
        ("1.5", 0, "whole units"),
        ("12,50", 2, "not an amount"),  # a decimal comma; as a thousands mark it would be a hundredfold
        ("1.234,56", 2, "not an amount"),
        ("1,2345", 2, "not an amount"),
        ("abc", 2, "not an amount"),
        ("1e3", 2, "not an amount"),
        ("1234567890123456", 2, "not an amount"),
        ("1000000000000.01", 2, "larger than any order's"),
    ],
)
def test_money_that_cannot_be_trusted_is_refused(cell: str, decimals: int, reason: str) -> None:
    assert reason in money(column(cell), decimals).problem[0]


def test_trailing_zeros_are_no_finer_money() -> None:
    assert one(money(column("12.500"), 2)) == 1250
    assert one(money(column("12.00"), 0)) == 12


SPELLINGS = [
    "%Y-%m-%d %H:%M:%S",
    "%Y/%m/%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y年%m月%d日 %H:%M:%S",
    "%Y年%m月%d日 %H时%M分%S秒",
    "%Y-%m-%d %H:%M:%S.000",
]
moments = st.datetimes(dt.datetime(2001, 1, 1), dt.datetime(2037, 1, 1)).map(lambda at: at.replace(microsecond=0))


@given(moments, st.sampled_from(SPELLINGS))
def test_a_beijing_time_is_read_in_every_usual_spelling(moment: dt.datetime, spelling: str) -> None:
    expected = micros(moment.replace(tzinfo=ZoneInfo(BEIJING)))
    assert one(times(column(moment.strftime(spelling)), BEIJING)) == expected


@given(moments, st.integers(-14 * 60, 14 * 60), st.sampled_from(["Z", "+{:02d}:{:02d}", "+{:02d}{:02d}"]))
def test_a_time_with_a_zone_is_taken_at_its_word(moment: dt.datetime, minutes: int, style: str) -> None:
    minutes = 0 if style == "Z" else minutes
    hours, rest = divmod(abs(minutes), 60)
    zone = style.format(hours, rest)
    zone = zone.replace("+", "-") if minutes < 0 else zone
    expected = micros(moment.replace(tzinfo=dt.timezone(dt.timedelta(minutes=minutes))))
    assert one(times(column(moment.isoformat() + zone), SAO_PAULO)) == expected


@given(moments)
def test_local_times_agree_with_the_zone_database(moment: dt.datetime) -> None:
    """Oracle: a local time exists when it survives the way to UTC and back; of two, the first is meant (fold=0)."""
    local = moment.replace(tzinfo=ZoneInfo(SAO_PAULO))
    read = times(column(str(moment)), SAO_PAULO)
    if local.astimezone(dt.UTC).astimezone(ZoneInfo(SAO_PAULO)).replace(tzinfo=None) == moment:
        assert one(read) == micros(local)
    else:
        assert "does not exist" in read.problem[0]


def test_clocks_put_forward_and_back() -> None:
    read = times(column("2017-10-15 00:30:00", "2018-02-17 23:30:00"), SAO_PAULO)
    assert "does not exist in time_zone" in read.problem[0]
    assert read.value[1] == micros(dt.datetime(2018, 2, 18, 1, 30, tzinfo=dt.UTC))  # the first of the two


def test_shorter_times_and_fractions() -> None:
    read = times(column("2026-1-2", "2026/1/2 3:04", "2026-01-02 03:04:05.5"), BEIJING)
    at = dt.datetime(2026, 1, 1, 16, tzinfo=dt.UTC)
    assert read.value.to_list() == [
        micros(at),
        micros(at + dt.timedelta(hours=3, minutes=4)),
        micros(at + dt.timedelta(hours=3, minutes=4, seconds=5, milliseconds=500)),
    ]


@pytest.mark.parametrize("cell", ["0001-01-01 00:00:00", "1970-01-01 08:00:00", "0000-00-00 00:00:00", "0", "-"])
def test_a_time_of_nothing_is_not_set(cell: str) -> None:
    assert one(times(column(cell), BEIJING)) is None


@pytest.mark.parametrize("cell", ["yesterday", "2026-02-30 00:00:00", "2026-01-01 25:00:00", "45567.5", "01/02/2026"])
def test_a_time_that_cannot_be_read_is_refused(cell: str) -> None:
    assert "not a time" in times(column(cell), BEIJING).problem[0]


def test_the_rarer_kind_of_time_in_a_mixed_column_is_refused() -> None:
    naive, aware = "2026-01-02 03:04:05", "2026-01-02T03:04:05Z"
    assert times(column(naive, naive, aware), BEIJING).problem.is_not_null().to_list() == [False, False, True]
    assert times(column(naive, aware, aware), BEIJING).problem.is_not_null().to_list() == [True, False, False]
    assert times(column(naive, aware), BEIJING).problem.is_not_null().to_list() == [False, True]
    both = times(column(naive, aware), BEIJING, mixed=True)
    assert both.problem.null_count() == 2
    assert both.value[1] - both.value[0] == 8 * 3600 * 1_000_000


def test_quantities() -> None:
    read = counts(column("1", "2.0", "０３", None, "1000000", "0", "-1", "1.5", "two", "1000001", "3000000000"))
    assert read.value[:5].to_list() == [1, 2, 3, None, 1_000_000]
    assert read.problem.is_not_null().to_list() == [False] * 5 + [True] * 6


@pytest.mark.parametrize(
    "cell", ["1999-12-31 00:00:00", "2100-01-02 00:00:00", "9999-12-31 23:59:59", "1999-01-01T00:00Z"]
)
def test_a_time_that_no_order_lives_in_is_refused(cell: str) -> None:
    read = times(column(cell), BEIJING)
    assert "outside the years 2000 to 2100" in read.problem[0]
    assert read.value[0] is None


def test_an_id_longer_than_its_kind_allows_is_refused() -> None:
    read = ids(column("x" * 64, "x" * 65), 64)
    assert read.problem.is_not_null().to_list() == [False, True]
    assert "64 characters" in read.problem[1]


def test_a_nul_character_is_refused_where_it_stands() -> None:
    for reader in (texts, ids):
        assert "NUL" in reader(column("a\0b")).problem[0]


@pytest.mark.parametrize("cell", ["#DIV/0!", " #N/A ", "#NAME?", "#NO RESULT!", "Err:502"])
def test_an_error_of_a_spreadsheet_is_no_value_to_any_reader(cell: str) -> None:
    raw = column("7", cell)
    for read in (texts(raw), ids(raw), times(raw, BEIJING), money(raw, 2), counts(raw)):
        assert read.value[1] is None
        assert "a spreadsheet's error" in read.problem[1]
    assert texts(column("#1 of our hats")).problem[0] is None
