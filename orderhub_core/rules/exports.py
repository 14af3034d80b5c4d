"""Orders and lines from files, as rules understand them: columns by the hub's own names or by those that rules use,
orders told apart by their number (and shop), lines put to their orders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from orderhub_core.errors import Term, UserMistake
from orderhub_core.frames import INSTANT, LINES, OWED_AT
from orderhub_core.rules import buyers, gifts, needs, speeds
from orderhub_core.rules.claims import LEDGER
from orderhub_core.rules.decide import decided
from orderhub_core.rules.dictionary import FIELDS, MEASURED, Field, lookup, nearest
from orderhub_core.rules.dictionary import SIGNALS as SIGNALED
from orderhub_core.rules.index import Index
from orderhub_core.rules.of_parcels import on_parcels, parcels
from orderhub_core.rules.signals import SIGNALS
from orderhub_core.rules.tree import Rulebook

NAMED = 3
"""Of what is wrong in many places as many are named."""
MOST_COLUMNS = 12
"""Of those that there are as many are named."""
MACHINE_CODE_FROM = 100_000
"""Orders from which on it pays to have the turns of limited gifts as machine code."""
MOST_LINES = 2**31 - 1
"""The largest number that a decision may name as the line of its gift."""


class Evaluated(NamedTuple):
    decisions: pl.DataFrame
    """shop where orders have one, order_no, then DECISIONS, and the `parcel` that one is about; 0: the order. In the
    order of the orders."""
    orders: int
    undecided: int
    """Orders about which the rulebook says nothing."""
    stray_lines: int
    """Lines of orders that are not there."""
    refusals: pl.DataFrame
    """quotas.REFUSALS: limited gifts that were not there any more."""
    findings: pl.DataFrame
    """claims.FINDINGS."""


class Exported(NamedTuple):
    """Orders and their lines, checked against what a rulebook asks of them."""

    orders: pl.DataFrame
    lines: pl.DataFrame
    reports: pl.DataFrame | None
    stray_lines: int
    blind: tuple[str, ...] = ()
    """Rules that ask for lines, where there is no file of any."""


def evaluate(exported: Exported, book: Rulebook) -> Evaluated:
    orders = exported.orders
    index = Index(orders, exported.lines, zone=book.zone, reports=exported.reports)
    made = decided(index, book)
    many = orders.height >= MACHINE_CODE_FROM and any(gifts.limited(book))
    found = gifts.given(made, orders, book, run=speeds.compiled() if many else speeds.plain)
    beside = of_parcels(exported, book, found.decisions)
    of_orders = found.decisions.with_columns(parcel=pl.lit(0, pl.Int32))
    decisions = pl.concat([of_orders, beside]).sort("order_id", maintain_order=True)
    keys = [name for name in ("shop", "order_no") if name in orders]
    named = orders.select("order_id", *keys).join(decisions, on="order_id", how="inner", maintain_order="right")
    return Evaluated(
        named.drop("order_id"),
        orders.height,
        orders.height - pl.concat([made["order_id"], beside["order_id"]]).n_unique(),
        exported.stray_lines,
        found.refusals,
        found.findings,
    )


def of_parcels(exported: Exported, book: Rulebook, decisions: pl.DataFrame) -> pl.DataFrame:
    """What its rules on parcels say of those that DECISIONS on orders make, as far as a file tells: with the number of
    the `parcel`."""
    if not book.parcels:
        return decisions.clear().with_columns(parcel=pl.lit(None, pl.Int32))
    found = parcels(exported.orders, exported.lines, decisions)
    made = decided(Index(found.orders, found.lines, zone=book.zone, reports=exported.reports), on_parcels(book))
    of = found.of.with_columns(made=found.orders["order_id"])
    made = made.sort("order_id", maintain_order=True).rename({"order_id": "made"})
    named = made.join(of, on="made", how="left", maintain_order="left")
    return named.select(*decisions.columns, "parcel")


def granted(exported: Exported, book: Rulebook, order: pl.DataFrame, decisions: pl.DataFrame) -> gifts.Given:
    """What is left of one order's decisions, among the others whose turns come before it."""
    counters = gifts.quotas(book)["rule"]
    if counters.is_empty():
        return gifts.given(decisions, order, book)
    own = pl.col("order_id") == order["order_id"][0]
    whole = evaluate(exported, gifts.giving(book))
    refusals, findings = whole.refusals.filter(own), whole.findings.filter(own)
    gone = counters if findings.height else refusals["rule"]
    limited = (pl.col("action") == "add_gift") & gifts.COUNTER.is_in(gone.implode())
    return gifts.Given(decisions.filter(~limited), refusals, LEDGER.to_frame(), findings)


def read(book: Rulebook, orders: Path, lines: Path | None, reports: Path | None = None) -> Exported:
    """Raises UserMistake, which names the file, for what cannot be read and for what the rulebook misses there."""
    own = buyers.completed(_as_owed(_numbered(_parquet(orders, "order"), orders), orders), book)
    bought, stray = (LINES.to_frame(), 0) if lines is None else _placed(_parquet(lines, "line"), own, lines)
    try:
        needs.check(book, own.schema, bought.schema, counts=True)
    except UserMistake as lacking:
        files = tuple(path.name for path in (orders, lines) if path is not None)
        raise UserMistake("{files}: {lacking}", files=files, lacking=lacking) from None
    gifts.check(book, own.schema)
    if needs.gives(book) and lines is not None:
        _check_line_numbers(bought, lines)
    if needs.asks_signals(book) and reports is None:
        raise UserMistake("the rulebook asks for signals (storms, audiences, load, stock): give them by --signals")
    told = None if reports is None else _reports(reports, own.columns)
    return Exported(own, bought, told, stray, needs.of_lines(book) if lines is None else ())


def _parquet(path: Path, level: str) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(path)
    except OSError as error:
        why = error.strerror or Term("is it a file?")
        raise UserMistake("{path} cannot be read ({why})", path=path, why=why) from None
    except pl.exceptions.PolarsError:
        raise UserMistake("{path} is no Parquet file, or a damaged one", path=path) from None
    return frame if level == "signal" else _as_the_hub_has_them(frame, level, path)


def _as_the_hub_has_them(frame: pl.DataFrame, level: str, path: Path) -> pl.DataFrame:
    named = {
        name: _from_people(field, name, frame.schema[name], path)
        for name in frame.columns
        if (field := _meant(name, level)) and field.column != name and field.column in _KEPT
    }
    wide = {
        name: pl.col(name).cast(pl.Int64) for name in frame.columns if name in _KEPT and frame.schema[name] == pl.UInt64
    }
    for name, made in {**named, **wide}.items():
        if name in named and (column := made.meta.output_name()) in frame and column != name:
            text = "{path}: the column {column!r} means the same as another one; keep one of them"
            raise UserMistake(text, path=path, column=name)
        try:
            frame = frame.with_columns(made)
        except pl.exceptions.InvalidOperationError:
            text = "{path}: the column {column!r} holds a number that is too large"
            raise UserMistake(text, path=path, column=name) from None
    return frame


_KEPT = {field.column for field in FIELDS.values() if needs.is_stored(field) and field.level != "parcel"}


def _meant(name: str, level: str) -> Field | None:
    field = lookup(name)
    return field if field and (field.level == "line") == (level == "line") else None


def _from_people(field: Field, name: str, dtype: pl.DataType, path: Path) -> pl.Expr:
    """A column that is called as rules call it holds what people write: 299.00, where the hub has 29900 cents."""
    if not field.decimals:
        return pl.col(name).alias(field.column)
    if not dtype.is_numeric():
        raise _unfit(path, name, dtype, "amounts")
    scale = float(10**field.decimals)
    return (pl.col(name).cast(pl.Float64).fill_nan(None) * scale).round().cast(pl.Int64).alias(field.column)


def _numbered(orders: pl.DataFrame, path: Path) -> pl.DataFrame:
    """With an `order_id` of their own, their place in the file; `buyer_ref` tells buyers apart as `buyer` does."""
    if "buyer_ref" in orders and gifts.BUYER not in orders:
        orders = orders.rename({"buyer_ref": gifts.BUYER})
    if "order_no" not in orders:
        text = "{path}: there is no column 'order_no'; it has {columns}"
        raise UserMistake(text, path=path, columns=tuple(orders.columns[:MOST_COLUMNS]))
    if orders["order_no"].dtype != pl.String:
        raise _unfit(path, "order_no", orders["order_no"].dtype, "text")
    if empty := orders.filter(pl.col("order_no").fill_null("") == "").height:
        raise UserMistake("{path}: {n} rows have no order_no", path=path, n=empty)
    keys = [name for name in ("shop", "order_no") if name in orders]
    if (twice := orders.filter(pl.struct(keys).is_duplicated())).height:
        names = twice["order_no"].unique(maintain_order=True)
        raise UserMistake(
            "{path}: an order may stand there once; {n} of them stand there several times: {orders}",
            path=path,
            n=len(names),
            orders=tuple(names.head(NAMED)),
        )
    made = orders.rename({"order_id": "file_order_id"}) if "order_id" in orders else orders
    return made.with_columns(order_id=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))


def _as_owed(orders: pl.DataFrame, path: Path) -> pl.DataFrame:
    """As rules read them: of what is paid later `paid_at` is since when it is owed, where a file says when that was
    agreed, as a snapshot's does."""
    if "deferred_at" not in orders or "paid_at" not in orders:
        return orders
    if not _has_instants(orders["deferred_at"]):
        raise _unfit(path, "deferred_at", orders["deferred_at"].dtype, "instants with their time zone")
    if not _has_instants(orders["paid_at"]):
        return orders  # it is refused where rules read it
    told = orders.with_columns(pl.col("deferred_at", "paid_at").cast(INSTANT))
    return told.with_columns(pl.col("paid_at").alias(buyers.BOUGHT), paid_at=OWED_AT)


def _has_instants(column: pl.Series) -> bool:
    dtype = column.dtype
    return dtype == pl.Null or (isinstance(dtype, pl.Datetime) and dtype.time_zone is not None)


def _placed(lines: pl.DataFrame, orders: pl.DataFrame, path: Path) -> tuple[pl.DataFrame, int]:
    """With the `order_id` of their order; and how many have none."""
    if "order_no" in lines:
        keys = ["shop", "order_no"] if "shop" in lines and "shop" in orders else ["order_no"]
        if len(keys) == 1 and orders["order_no"].is_duplicated().any():
            raise UserMistake("{path}: shops share order numbers, so lines need the column 'shop', too", path=path)
        own, there = orders.select("order_id", *keys), lines.drop("order_id", strict=False)
    elif "order_id" in lines and "file_order_id" in orders:
        keys, there = ["file_order_id"], lines.rename({"order_id": "file_order_id"})
        own = orders.select("order_id", "file_order_id")
        if own["file_order_id"].is_duplicated().any():
            text = "{path}: two orders have the same order_id, so nobody knows whose its lines are"
            raise UserMistake(text, path=path)
    else:
        text = "{path}: there is no column 'order_no' (or 'order_id', if the orders have one, too)"
        raise UserMistake(text, path=path)
    for key in keys:
        if there[key].dtype != own[key].dtype:
            raise UserMistake(
                "{path}: the column {column!r} holds {dtype}, and that of orders {other}",
                path=path,
                column=key,
                dtype=there[key].dtype,
                other=own[key].dtype,
            )
    placed = there.join(own, on=keys, how="inner", maintain_order="left")
    return placed, lines.height - placed.height


def _check_line_numbers(lines: pl.DataFrame, path: Path) -> None:
    """Raises UserMistake where a gift could not say which line it goes with."""
    if unfit := lines.height - lines["line_no"].cast(pl.Int64, strict=False).is_between(0, MOST_LINES).sum():
        text = "{path}: {n} lines have no line_no, or none from 0 to {most}, and a gift goes with a line of its order"
        raise UserMistake(text, path=path, n=unfit, most=MOST_LINES)


def _reports(path: Path, orders: Sequence[str]) -> pl.DataFrame:
    """Of signals that there are, each of all orders or of those with a value in one of these columns."""
    frame = _parquet(path, "signal")
    lacking = tuple(name for name in ("signal", "since") if name not in frame)
    if lacking or not {"number", "word"} & {*frame.columns}:
        text = "{path}: there is no column {lacking}; its columns are {columns}, and {wanted} are read"
        raise UserMistake(
            text, path=path, lacking=lacking or ("number",), columns=tuple(frame.columns[:MOST_COLUMNS]),
            wanted=tuple(SIGNALS.names()),
        )  # fmt: skip
    for name, dtype in SIGNALS.items():
        if name not in frame:
            frame = frame.with_columns(pl.lit("" if name in ("of", "subject") else None, dtype).alias(name))
        elif frame[name].dtype not in (dtype, pl.Null):
            raise _unfit(path, name, frame[name].dtype, _KINDS[type(dtype)])
    told = frame.select(SIGNALS.names()).cast(SIGNALS).with_columns(pl.col("of", "subject").fill_null(""))
    if endless := told["since"].null_count():
        text = "{path}: {n} reports do not say since when they hold, in the column 'since'"
        raise UserMistake(text, path=path, n=endless)
    _check_known(told["signal"], [field.signal for field in SIGNALED], "{path}: there is no signal {word!r}", path)
    own = told.filter(~pl.col("signal").is_in(list(MEASURED)))
    _check_known(own["of"], ["", *orders], "{path}: in 'of' stands what orders have no column for: {word!r}", path)
    for field in MEASURED.values():
        about = told.filter(pl.col("signal") == field.name)
        text = "{path}: {signal} is told of each {about!r}, and in 'of' stands {word!r}"
        _check_known(about["of"], [field.about], text, path, signal=field.name, about=field.about)
    return told


_KINDS: dict[type[pl.DataType], str] = {
    pl.String: "text",
    pl.Int64: "whole numbers",
    pl.Datetime: "instants with their time zone",
}


def _check_known(told: pl.Series, known: Sequence[str], otherwise: str, path: Path, **facts: str) -> None:
    """Raises UserMistake for the first word that is none of those known."""
    words = told.fill_null("").unique(maintain_order=True)
    for word in words.filter(~words.is_in(known)):
        wrong = UserMistake(otherwise, path=path, word=word, **facts)
        if near := nearest(word, known):
            raise UserMistake("{wrong}; the nearest is {near!r}", wrong=wrong, near=near)
        raise wrong


def _unfit(path: Path, column: str, dtype: pl.DataType, wanted: str) -> UserMistake:
    text = "{path}: the column {column!r} holds {dtype}, not {wanted}"
    return UserMistake(text, path=path, column=column, dtype=dtype, wanted=Term(wanted))
