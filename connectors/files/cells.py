"""Cells as people and spreadsheets write them, to values. Columns in, columns out; nothing is read cell by cell.

Every reader returns `Cells`: the values, and where a cell cannot be read, the reason in words. A cell that says
"not set" is a null without a reason; an error of the spreadsheet (`#DIV/0!`) is none that any reader takes.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

import polars as pl

from connectors._kit.bounds import AMOUNT_MAX, FIRST, KEY_MAX, LAST, QUANTITY_MAX

UNSET = ("", "null", "none", "nan", "n/a", "-", "--")
UNSET_MONEY = (*UNSET, "无", "无退款", "无退款申请", "没有申请退款")
UNSET_ID = (*UNSET, "0")
UNSET_TIME = (*UNSET_ID, "0000-00-00 00:00:00", "0001-01-01 00:00:00", "1970-01-01 00:00:00", "1970-01-01 08:00:00")

_ROUNDED = "a spreadsheet has rounded this number and its last digits are lost; export again with this column as text"
_FAST = "%Y-%m-%d %H:%M:%S"
_TIME = (
    r"^(?<y>\d{4})-(?<mo>\d{1,2})-(?<d>\d{1,2})"
    r"(?:[ T]+(?<h>\d{1,2}):(?<mi>\d{1,2})(?::(?<s>\d{1,2})(?:[.,](?<f>\d{1,9}))?)?)?"
    r" *(?:(?<utc>[zZ])|(?<sign>[+-])(?<oh>\d{2}):?(?<om>\d{2}))?$"
)
_MONEY = r"^[+-]?(?:\d{1,15}|\d{1,3}(?:,\d{3}){1,4})(?:\.\d*)?$"
_AROUND_MONEY = r"^\s*(?:CNY|RMB|BRL|R?\$|¥|€|£)?\s*|\s*元?\s*$"

_ERROR = r"^(?:#(?:DIV/0!|N/A|NAME\?|NULL!|NUM!|REF!|VALUE!|SPILL!|CALC!|NO RESULT!)|Err:\d{3})$"
_NO_VALUE = "this is a spreadsheet's error and no value; mend its formula, or empty the cell"
_NUL = "the text holds a NUL character; take it out, or export again"


class Cells(NamedTuple):
    value: pl.Series
    problem: pl.Series
    """String, null where the cell is in order."""


def texts(raw: pl.Series) -> Cells:
    """Free text, trimmed; its letters stay as they are."""
    value = _cells(raw, pl.col("raw").str.strip_chars(), UNSET_ID)
    return _unless_error(raw, Cells(value, _where(value.str.contains("\0", literal=True), _NUL)))


def ids(raw: pl.Series, longest: int = KEY_MAX) -> Cells:
    """Numbers that identify: compatibility forms made plain, what spreadsheets wrap around them taken off.

    Refused: what a spreadsheet kept as a rounded number (`4.83E+18`, `.0` after more than 15 digits); more than
    `longest` characters.
    """
    value = _cells(_tidied(raw, r"[^0-9A-Za-z_-]", _plain_id()), pl.col("raw"), UNSET_ID)
    damaged = value.str.contains(r"^\d(?:\.\d+)?[eE]\+?\d{2,3}$|^\d{16,}\.0+$")
    long = value.str.contains(r"^\d{17,}$")
    rounded = value.str.contains(r"^\d{15}0{2,}$")
    if (rounded.sum() or 0) > 1 and 2 * rounded.sum() > long.sum():  # by chance, at most one id in a hundred ends so
        damaged |= rounded
    problem = (
        pl.when(damaged)
        .then(pl.lit(_ROUNDED))
        .when(value.str.len_chars() > longest)
        .then(pl.lit(f"this is longer than the {longest} characters that such a number may have"))
        .when(value.str.contains("\0", literal=True))
        .then(pl.lit(_NUL))
    )
    return _unless_error(raw, Cells(value, pl.select(problem).to_series()))


def times(raw: pl.Series, zone: str, *, mixed: bool = False) -> Cells:
    """Instants, Int64 microseconds UTC. A time that names its zone is taken at its word, any other stands in `zone`.

    A local time that happens twice (clocks put back) is its first one; one that never happens (clocks put forward) is
    refused. Unless `mixed`, a column holds one kind, and the rows of the rarer kind are refused.
    """
    text = _cells(raw, pl.col("raw").str.strip_chars(), UNSET_TIME)
    local = text.str.to_datetime(_FAST, strict=False, time_unit="us")
    offset = pl.repeat(None, len(raw), dtype=pl.Int64, eager=True)
    hard = local.is_null() & text.is_not_null()
    if hard.any():
        slow = _times_in_full(text.filter(hard))
        local = local.scatter(hard.arg_true(), slow["local"])
        offset = offset.scatter(hard.arg_true(), slow["offset"])
    aware = offset.is_not_null()
    frame = pl.DataFrame({"text": text, "local": local, "offset": offset, "aware": aware})
    frame = frame.with_columns(
        pl.when("aware")
        .then(pl.col("local").dt.timestamp("us") - pl.col("offset"))
        .otherwise(
            pl.col("local").dt.replace_time_zone(zone, non_existent="null", ambiguous="earliest").dt.timestamp("us")
        )
        .alias("value")
    )
    minority = pl.lit(False)
    if aware.any() and not mixed:
        naive = (local.is_not_null() & ~aware).sum()
        rarer_aware = aware.sum() <= naive
        minority = (pl.col("aware") == rarer_aware) & pl.lit(naive > 0)
    problem = (
        pl.when(pl.col("text").is_not_null() & pl.col("local").is_null())
        .then(pl.lit("this is not a time; write it like 2026-01-31 18:05:00"))
        .when(pl.col("value").is_null() & pl.col("local").is_not_null())
        .then(pl.lit("this time does not exist in time_zone: the clocks were put forward over it"))
        .when(~pl.col("value").is_between(FIRST, LAST))
        .then(pl.lit("this time lies outside the years 2000 to 2100"))
        .when(minority)
        .then(
            pl.when("aware")
            .then(pl.lit("this time names its zone, most of its column do not; make them alike or set mixed_times"))
            .otherwise(pl.lit("this time names no zone, most of its column do; make them alike or set mixed_times"))
        )
        .alias("problem")
    )
    read = frame.select(pl.when(pl.col("value").is_between(FIRST, LAST)).then("value").alias("value"), problem)
    return _unless_error(raw, Cells(read["value"], read["problem"]))


def money(raw: pl.Series, decimals: int) -> Cells:
    """Int64 minor units, exact: no float on the way. `decimals` digits may follow the point.

    Accepts a currency sign, thousands separated by commas in threes, full-width digits. Refused: a negative amount,
    more decimals than the currency has.
    """
    bare = pl.col("raw").str.normalize("NFKC").str.replace_all(_AROUND_MONEY, "")
    frame = _cells(_tidied(raw, r"[^0-9.]", bare), pl.col("raw"), UNSET_MONEY).to_frame("text")
    amount = pl.col("text").str.replace_all(",", "", literal=True).cast(pl.Decimal(38, decimals), strict=False)
    frame = frame.with_columns(
        value=pl.when(pl.col("text").str.contains(_MONEY)).then((amount * 10**decimals).cast(pl.Int64, strict=False))
    )
    problem = (
        pl.when(pl.col("text").is_not_null() & pl.col("value").is_null())
        .then(pl.lit("this is not an amount; write it like 1234.50"))
        .when(pl.col("text").str.contains(rf"\.\d{{{decimals}}}\d*[1-9]"))
        .then(pl.lit(_TOO_FINE.get(decimals, f"the amount has more than {decimals} decimals")))
        .when(pl.col("value") < 0)
        .then(pl.lit("the amount is negative"))
        .when(pl.col("value") > AMOUNT_MAX)
        .then(pl.lit("the amount is larger than any order's"))
    )
    read = frame.select("value", problem=problem)
    return _unless_error(raw, Cells(read["value"], read["problem"]))


def counts(raw: pl.Series) -> Cells:
    """Int64, 1 to 1,000,000."""
    text = _cells(raw, pl.col("raw").str.normalize("NFKC").str.strip_chars(), UNSET)
    value = text.str.extract(r"^([+-]?\d{1,9})(?:\.0+)?$").cast(pl.Int64)
    problem = pl.select(
        pl.when(text.is_not_null() & value.is_null())
        .then(pl.lit("this is not a whole number"))
        .when(value < 1)
        .then(pl.lit("the quantity is less than 1"))
        .when(value > QUANTITY_MAX)
        .then(pl.lit("the quantity is more than 1,000,000"))
    ).to_series()
    return _unless_error(raw, Cells(value, problem))


_TOO_FINE = {0: "the amount has decimals where whole units are expected"}


def _unless_error(raw: pl.Series, read: Cells) -> Cells:
    """What was read; of a spreadsheet's errors nothing, whatever the column holds."""
    wrong = raw.str.strip_chars().str.contains(_ERROR).fill_null(False)
    if not wrong.any():
        return read
    said = pl.DataFrame({"wrong": wrong, "value": read.value, "problem": read.problem})
    kept = said.select(
        value=pl.when(~pl.col("wrong")).then("value"),
        problem=pl.when("wrong").then(pl.lit(_NO_VALUE)).otherwise("problem"),
    )
    return Cells(kept["value"], kept["problem"])


def _cells(raw: pl.Series, reading: pl.Expr, unset: tuple[str, ...]) -> pl.Series:
    value = raw.to_frame("raw").select(reading.alias("raw"))
    keep = ~pl.col("raw").str.to_lowercase().is_in(unset)
    return value.select(pl.when(keep).then("raw")).to_series()


def _tidied(raw: pl.Series, unusual: str, tidy: pl.Expr) -> pl.Series:
    """The column, with the cells that hold something unusual tidied up; most columns hold none."""
    odd = raw.str.contains(unusual).fill_null(False)
    return raw.scatter(odd.arg_true(), raw.filter(odd).to_frame("raw").select(tidy).to_series()) if odd.any() else raw


def _plain_id() -> pl.Expr:
    return (
        pl.col("raw")
        .str.normalize("NFKC")
        .str.replace_all(r"[\t\r\n\u200b\ufeff]", "")
        .str.strip_chars()
        .str.replace(r'^="(.*)"$', "$1")
        .str.strip_prefix("'")
        .str.replace(r"(?i)^no[.:]\s*", "")
        .str.replace(r"^(\d{1,15})\.0+$", "$1")
        .str.strip_chars()
    )


def _times_in_full(text: pl.Series) -> pl.DataFrame:
    """`local` Datetime and `offset` Int64 microseconds, null where the text names none, for the rarer spellings."""
    plain = (
        pl.col("text")
        .str.normalize("NFKC")
        .str.replace_all("[/年月]", "-")
        .str.replace("日", " ")
        .str.replace_all("[时分]", ":")
        .str.replace("秒", "")
        .str.strip_chars(" :")
    )
    parts = text.to_frame("text").select(plain.str.extract_groups(_TIME).struct.unnest())
    padded = pl.concat_str("y", *(pl.col(part).fill_null("0").str.zfill(2) for part in ("mo", "d", "h", "mi", "s")))
    micros = pl.col("f").fill_null("0").str.pad_end(6, "0").str.head(6).cast(pl.Int64)
    offset = (pl.col("oh").cast(pl.Int64) * 60 + pl.col("om").cast(pl.Int64)) * 60_000_000
    read = parts.select(
        local=padded.str.to_datetime("%Y%m%d%H%M%S", strict=False, time_unit="us") + pl.duration(microseconds=micros),
        offset=pl.when(pl.col("utc").is_not_null())
        .then(0)
        .otherwise(pl.when(pl.col("sign") == "-").then(-offset).otherwise(offset)),
    )
    sane = pl.col("offset").fill_null(0).abs() <= dt.timedelta(hours=18) // dt.timedelta(microseconds=1)
    return read.with_columns(pl.when(sane).then("local").alias("local"))


def _where(mask: pl.Series, reason: str) -> pl.Series:
    return pl.select(pl.when(mask).then(pl.lit(reason))).to_series()
