"""One ledger of the reconciliation from a file: what it says of orders, money and times, and what cannot be read.

Nothing is dropped without a finding, and no cell is repeated in one. Headings and words stand in `ledgers.toml`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import polars as pl

from connectors._kit.currencies import ISO
from connectors.files.cells import UNSET, Cells, ids, money, texts, times
from connectors.files.mapping import Mapping, load_mapping
from connectors.files.observing import resolve
from connectors.files.reading import ROW, read_table
from connectors.files.words import DEFERRED
from orderhub_core.errors import UserMistake
from orderhub_core.frames import INSTANT
from orderhub_core.settings import toml

SHIPPED = Path(__file__).with_name("ledgers.toml")
REQUIRED = {
    "platform": ("order_no", "amount", "at"),
    "erp": ("order_no", "amount", "at"),
    "refunds": ("order_no", "amount", "at"),
    "courier": ("order_no", "at"),
}
FIGURES = 0.5
"""A column is one of amounts where more than this share of its filled cells reads as such."""
_IDENTIFIER = r"^\d{9,}$"

Headings = dict[str, list[str]]
Word = Literal["labelled", "collected", "delivered", "returned", "lost"]


class Ignored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    headings: list[str] = []


class Conventions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How ledgers are written. Made by `conventions`."""

    time_zone: str = ""
    mixed_times: bool = False
    currency: str = ""
    money: Literal["", "yuan", "fen"] = ""
    platform: Headings = {}
    erp: Headings = {}
    refunds: Headings = {}
    courier: Headings = {}
    words: dict[str, Word] = {}
    ignored: Ignored = Ignored()

    def mapping(self, source: str) -> Mapping:
        return Mapping(
            name=source,
            shop="",
            columns=dict(getattr(self, source)),
            time_zone=self.time_zone,
            mixed_times=self.mixed_times,
            currency=self.currency,
            money=self.money or "yuan",
            required=REQUIRED[source],
        )


class Ledger(NamedTuple):
    """What a file says, in plain columns; who reconciles gives them their schema."""

    entries: pl.DataFrame
    """order_no, amount_minor, at, row_no, problem (amount, time or null), and where the file has them shop, ref,
    currency, reviewed_at, freight_minor, discount_minor, status."""
    fees: pl.DataFrame
    """row_no, column, amount_minor: the columns of amounts that are none of the ledger's own."""
    findings: pl.DataFrame
    """finding, source, rows, first_row, detail."""
    currency: str
    decimals: int


@lru_cache
def _shipped() -> Conventions:
    return _decoded(SHIPPED)


def conventions(own: Path | None = None) -> Conventions:
    """The shipped ones, with what stands in a user's file before them. Raises UserMistake."""
    ours = _shipped()
    if own is None:
        return ours
    theirs = _decoded(own)
    for source in REQUIRED:
        if unknown := sorted(set(getattr(theirs, source)) - set(getattr(ours, source))):
            known = ", ".join(getattr(ours, source))
            raise UserMistake(
                "{own}: [{source}] has no column {unknown!r}; there are: {known}",
                own=own,
                source=source,
                unknown=unknown[0],
                known=known,
            )
    try:
        ZoneInfo(theirs.time_zone or ours.time_zone)
    except (KeyError, OSError, ValueError):
        raise UserMistake(
            "{own}: there is no time zone {time_zone!r}; write one like Asia/Shanghai",
            own=own,
            time_zone=theirs.time_zone,
        ) from None
    merged = {
        source: {
            field: [*getattr(theirs, source).get(field, []), *headings]
            for field, headings in getattr(ours, source).items()
        }
        for source in REQUIRED
    }
    return Conventions(
        time_zone=theirs.time_zone or ours.time_zone,
        mixed_times=theirs.mixed_times,
        currency=theirs.currency or ours.currency,
        money=theirs.money or ours.money,
        words={**ours.words, **theirs.words},
        ignored=Ignored([*ours.ignored.headings, *theirs.ignored.headings]),
        **merged,
    )


def _decoded(path: Path) -> Conventions:
    try:
        return msgspec.convert(toml(path), Conventions)
    except msgspec.ValidationError as error:
        raise UserMistake("{path}: {error}; see docs/reconciliation.md", path=path, error=error) from None


def read_ledger(path: Path, source: str, known: Conventions | None = None) -> Ledger:
    """A file as the ledger `source` (platform, erp, refunds or courier).

    A row without a time has not happened: not paid, not out, not refunded, not scanned. One with a time whose amount
    cannot be read has the problem `amount`; one whose time cannot be read the problem `time`. Raises UserMistake as
    `read_table`, and where a required column is missing.
    """
    rules = known or conventions()
    mapping, table = rules.mapping(source), read_table(path)
    try:
        found = resolve(table.columns, mapping, mapping.required)
    except UserMistake as mistake:
        raise UserMistake(
            "{name}, as the ledger {source}: {mistake}", name=path.name, source=source, mistake=mistake
        ) from None
    read = {field: _read(field, table[heading], mapping) for field, heading in found.items()}
    columns = {_NAMES.get(field, field): _value(field, cells, table.height) for field, cells in read.items()}
    entries = pl.DataFrame([table[ROW], *(column.alias(name) for name, column in columns.items())])
    entries = entries.with_columns(problem=_problem(source, table, found, read))
    blank = entries["problem"].eq("amount").fill_null(False) & table[found.get("amount", ROW)].is_null()
    findings = [
        *(_reasons(source, table[ROW], _KINDS.get(field, "unreadable_text"), found[field], cells.problem)
          for field, cells in read.items()),
        _finding(source, "blank_amount", found.get("amount", ""), table[ROW].filter(blank)),
        _finding(source, "no_order_no", found["order_no"], table[ROW].filter(entries["order_no"].is_null())),
        _finding(source, "empty", "", table[ROW].clear(), told=not table.height),
    ]  # fmt: skip
    if source == "courier":
        entries, strange = _parcels(entries, read, rules.words)
        findings.append(_finding(source, "unknown_word", found.get("status", ""), table[ROW].filter(strange)))
    if "payment_method" in entries.columns:
        word = pl.col("payment_method").str.strip_chars().str.to_lowercase()
        entries = entries.with_columns(status=pl.when(word.is_in(DEFERRED)).then(pl.lit("deferred")))
    fees = [_NO_FEES]
    if source == "platform":
        more, unread = _fees(table, found, mapping, rules)
        fees, findings = [*fees, *more], [*findings, *unread]
    return Ledger(
        entries.filter(pl.col("order_no").is_not_null()).with_columns(_texts(entries)),
        pl.concat(fees),
        pl.concat(findings),
        mapping.currency,
        mapping.exponent,
    )


def _texts(entries: pl.DataFrame) -> list[pl.Expr]:
    """No text is null: "" says nothing. A currency is written as ISO 4217 writes it."""
    exprs = [pl.col(name).fill_null("") for name in ("shop", "ref", "status") if name in entries.columns]
    if "currency" in entries.columns:
        exprs.append(pl.col("currency").fill_null("").str.to_uppercase().replace(ISO))
    return exprs


_NAMES = {"amount": "amount_minor", "freight": "freight_minor", "discount": "discount_minor"}
_TIMES = ("at", "reviewed_at", "delivered_at")
_NO_FEES = pl.DataFrame(schema={ROW: pl.Int64, "column": pl.String, "amount_minor": pl.Int64})


def _read(field: str, raw: pl.Series, mapping: Mapping) -> Cells:
    if field in ("order_no", "ref"):
        return ids(raw)
    if field in _TIMES:
        return times(raw, mapping.time_zone, mixed=mapping.mixed_times)
    if field in _NAMES:
        return money(raw, mapping.decimals)
    return texts(raw)


def _value(field: str, cells: Cells, height: int) -> pl.Series:
    """What can be used of it: nothing that has a problem, but for a damaged number, which still names something."""
    value = cells.value.cast(INSTANT) if field in _TIMES else cells.value
    if field in ("order_no", "ref"):
        return value
    return pl.select(pl.when(cells.problem.is_null()).then(value)).to_series() if height else value


def _problem(source: str, table: pl.DataFrame, found: dict[str, str], read: dict[str, Cells]) -> pl.Series:
    if source == "courier":
        return pl.repeat(None, table.height, dtype=pl.String, eager=True)
    amount, at = read["amount"], read["at"]
    unread = amount.value.is_null() | amount.problem.is_not_null()
    bad_time = at.problem.is_not_null()
    happened = at.value.is_not_null() & ~bad_time
    return pl.select(pl.when(bad_time).then(pl.lit("time")).when(happened & unread).then(pl.lit("amount"))).to_series()


_KINDS = {
    "amount": "unreadable_amount",
    "at": "unreadable_time",
    "reviewed_at": "unreadable_time",
    "delivered_at": "unreadable_time",
    "freight": "unreadable_amount",
    "discount": "unreadable_amount",
    "order_no": "damaged_order_no",
}


def _reasons(source: str, row_no: pl.Series, kind: str, heading: str, problem: pl.Series) -> pl.DataFrame:
    """One finding per reason for which cells of a column cannot be used."""
    told = (
        pl.DataFrame([row_no, problem.alias("reason")])
        .filter(pl.col("reason").is_not_null())
        .group_by("reason", maintain_order=True)
        .agg(rows=pl.len().cast(pl.Int64), first_row=pl.col(ROW).first())
    )
    return told.select(
        pl.lit(kind).alias("finding"),
        pl.lit(source).alias("source"),
        "rows",
        "first_row",
        detail=pl.lit(f"{heading}: ") + pl.col("reason"),
    )


def _finding(source: str, kind: str, detail: str, rows: pl.Series, *, told: bool = False) -> pl.DataFrame:
    """A finding of these rows; none where there are none, unless it is to be `told` anyway."""
    finding = pl.DataFrame(
        {"finding": [kind], "source": [source], "rows": [rows.len()], "first_row": [rows.first()], "detail": [detail]},
        schema_overrides={"rows": pl.Int64, "first_row": pl.Int64},
    )
    return finding if rows.len() or told else finding.clear()


def _parcels(entries: pl.DataFrame, read: dict[str, Cells], words: dict[str, Word]) -> tuple[pl.DataFrame, pl.Series]:
    """`status` as one of our words, and which rows have a word that nobody knows: their times speak for them."""
    none = pl.repeat(None, entries.height, dtype=pl.String, eager=True)
    said = read["status"].value if "status" in read else none
    spelled = pl.Series(said).str.normalize("NFKC").str.to_lowercase().str.strip_chars()
    known = spelled.replace_strict(words, default=None, return_dtype=pl.String)
    delivered = "delivered_at" in entries.columns
    timed = (
        pl.when(pl.col("delivered_at").is_not_null() if delivered else pl.lit(False))
        .then(pl.lit("delivered"))
        .when(pl.col("at").is_not_null())
        .then(pl.lit("collected"))
        .otherwise(pl.lit("labelled"))
    )
    named = entries.with_columns(status=pl.coalesce(known, timed))
    return named.drop("delivered_at", strict=False), said.is_not_null() & known.is_null()


def _fees(
    table: pl.DataFrame, found: dict[str, str], mapping: Mapping, rules: Conventions
) -> tuple[list[pl.DataFrame], list[pl.DataFrame]]:
    """The columns of amounts that nobody claims, as long rows, and what of them cannot be read."""
    known = load_mapping("generic")
    others = [heading for field in known.columns for heading in known.headings(field)]
    claimed = {_plain(heading) for heading in (*found.values(), *others, *rules.ignored.headings, ROW)}
    free = [heading for heading in table.columns if _plain(heading) not in claimed]
    read = {heading: cells for heading in free if (cells := _signed(table[heading], mapping.decimals))}
    rows = [
        pl.DataFrame([table[ROW].cast(pl.Int64), cells.value.alias("amount_minor")])
        .drop_nulls("amount_minor")
        .select(ROW, pl.lit(heading).alias("column"), "amount_minor")
        for heading, cells in read.items()
    ]
    unread = [_reasons("platform", table[ROW], "unreadable_fee", head, cells.problem) for head, cells in read.items()]
    return rows, unread


def _signed(raw: pl.Series, decimals: int) -> Cells | None:
    """The column as amounts where it is one of amounts and not of numbers that identify; else None.

    A column that sums to less than nothing is written as costs: its signs are turned.
    """
    filled = raw.drop_nulls()
    filled = filled.filter(~filled.str.to_lowercase().is_in(UNSET))
    if filled.is_empty() or filled.str.contains(_IDENTIFIER).any():
        return None
    value, problem = money(raw.str.replace(_MINUS, "$1"), decimals)
    read = pl.DataFrame([raw.alias("raw"), value.alias("value"), problem.alias("problem")]).select(
        pl.when(pl.col("raw").str.contains(_MINUS)).then(-1).otherwise(1)
        * pl.when(pl.col("problem").is_null()).then("value"),
    )
    amount = read.to_series()
    if amount.is_not_null().sum() <= FIGURES * filled.len():
        return None
    return Cells(-amount if (amount.sum() or 0) < 0 else amount, problem)


_MINUS = r"^\s*([¥￥$]?\s*)[-−－]"


def _plain(heading: str) -> str:
    spelled = re.sub(r" \(\d+\)$", "", heading)
    return "".join(spelled.split()).strip("*:：").casefold()
