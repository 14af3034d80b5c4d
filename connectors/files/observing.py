"""A table and its mapping to what the file claims: one message for each order, and a reason for each row refused.

Pure and by the column; the only work done row by row is the message itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from hashlib import blake2b

import msgspec
import polars as pl

from connectors._kit.bounds import KEY_MAX, ORDER_NO_MAX
from connectors._kit.echo import LONGEST
from connectors.files import orders
from connectors.files.bodies import KIND, bodies
from connectors.files.cells import Cells, counts, ids, money, texts, times
from connectors.files.facts import newest
from connectors.files.mapping import FIELDS, PERSONAL, Kind, Mapping, nearest
from connectors.files.reading import ROW
from connectors.files.words import ANY_OTHER, CASE, NO_CASE
from orderhub_core.errors import UserMistake
from orderhub_core.model import RawMessage

REFUSED = pl.Schema(
    {ROW: pl.Int64, "order_no": pl.String, "column": pl.String, "value": pl.String, "reason": pl.String}
)

_SUGGESTIONS = 100
"""So many different unknown words get a suggestion; a column of nothing else is not a status column."""


class Reading(msgspec.Struct, frozen=True):
    """What a file says."""

    rows: int
    messages: list[RawMessage]
    """One per order; a file that repeats a row word for word repeats its message."""
    message_rows: list[int]
    """The row (as a spreadsheet counts) where each message's order begins."""
    order_nos: list[str]
    """Each message's order."""
    refused: pl.DataFrame
    """`REFUSED`, one row per refused row, in file order. `column` is the heading of the first trouble, null where the
    row as a whole is in trouble; `value` is the start of its cell, of a person's cell only the shape; further reasons
    are joined with `; `, each after its own column and value."""
    unread: list[str]
    """Headings of the file that the mapping has no use for."""


def observe(table: pl.DataFrame, mapping: Mapping) -> Reading:
    """What a table of `read_table` says by this mapping. Raises UserMistake where a required heading is missing."""
    headings = resolve(table.columns, mapping, mapping.required)
    read = {field: _read(field, table[heading], mapping) for field, heading in headings.items()}
    values = _told_by_address(
        pl.DataFrame([table[ROW], *(cells.value.alias(field) for field, cells in read.items())]), mapping
    )
    trouble = [
        *(_trouble(values, _shown(field, table[headings[field]]), cells.problem) for field, cells in read.items()),
        *(
            _trouble(values, _shown(field, table[heading]), _missing(field, values, read[field]))
            for field, heading in headings.items()
            if field in ("order_no", "quantity")
        ),
        _whole_rows(
            values,
            newest(set(headings)).is_null(),
            pl.lit("no time column is filled, so nothing can be said of when"),
        ),
    ]
    items = "sku" in headings
    refused = pl.concat([*trouble, orders.quarrels(values)] if items else trouble)
    refused = pl.concat([refused, orders.halves(values, refused[ROW])])
    claims = values.filter(~_among(values, refused))
    if items:
        claims = orders.gather(claims, table, mapping)
    claims = claims.select(ROW, "order_no", bodies(claims, mapping))
    rivals = orders.rivals(claims)
    claims = claims.filter(~_among(claims, rivals))
    return Reading(
        rows=table.height,
        messages=_messages(claims, mapping.source),
        message_rows=claims[ROW].to_list(),
        order_nos=claims["order_no"].to_list(),
        refused=_one_per_row(pl.concat([refused, rivals])),
        unread=[heading for heading in table.columns if heading != ROW and heading not in headings.values()],
    )


_PLACE = r"(\p{Han}{2,20})\s+"


def _told_by_address(values: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    """With the columns that the address begins with, where the file has none of that field. An address of fewer parts,
    or one that is masked there, tells none."""
    if "receiver_address" not in values.columns or not mapping.address_begins:
        return values
    form = _PLACE * len(mapping.address_begins)
    parts = pl.col("receiver_address").str.extract_groups(rf"^{form}\S").struct
    told = {
        field: parts.field(str(number))
        for number, field in enumerate(mapping.address_begins, 1)
        if field not in values.columns
    }
    return values.with_columns(**told)


def resolve(headings: list[str], mapping: Mapping, required: Iterable[str]) -> dict[str, str]:
    """Field to the heading under which this file shows it; fields the file does not have are left out.

    Blanks, letter case and a `*` or colon at the ends make no difference. Raises UserMistake for a `required` field.
    """
    there = {_plain(heading): heading for heading in reversed(headings)}
    found = {}
    for field in dict.fromkeys((*mapping.columns, *required)):
        wished = [there[_plain(heading)] for heading in mapping.headings(field) if _plain(heading) in there]
        if wished:
            found[field] = wished[0]
        elif field in required:
            raise UserMistake(_no_column(field, [heading for heading in headings if heading != ROW], mapping))
    return found


def _no_column(field: str, headings: list[str], mapping: Mapping) -> str:
    known, of = mapping.headings(field), f" by mapping {mapping.name!r}" if mapping.name else ""
    there = ", ".join(heading + nearest(heading, known) for heading in headings)
    return f"no column for {field}: it may be headed {' or '.join(known)}{of}; the file has {there or 'no headings'}"


def _plain(heading: str) -> str:
    return "".join(heading.split()).strip("*:：").casefold()


def _read(field: str, raw: pl.Series, mapping: Mapping) -> Cells:
    match FIELDS[field]:
        case Kind.ID:
            return ids(raw, ORDER_NO_MAX if field == "order_no" else KEY_MAX)
        case Kind.TIME:
            return times(raw, mapping.time_zone, mixed=mapping.mixed_times)
        case Kind.MONEY:
            return money(raw, mapping.decimals)
        case Kind.COUNT:
            return counts(raw)
        case Kind.TEXT:
            return texts(raw)
        case Kind.STATUS:
            return _known(raw, mapping.status, f"mapping {mapping.name!r} does not know this status", "[status]")
        case Kind.CASE:
            return _cases(raw, mapping)


def _cases(raw: pl.Series, mapping: Mapping) -> Cells:
    """As the events that the words mean; a word that means no case says nothing."""
    told, known = mapping.after_sale, set(mapping.after_sale)
    rest = told.get(ANY_OTHER)
    if rest is not None:
        known |= set(texts(raw).value.drop_nulls().unique())
    cells = _known(raw, known, f"mapping {mapping.name!r} does not know this word of a case", "[after_sale]")
    meant = {word: told.get(word, rest) for word in known}
    value = cells.value.replace_strict(
        {word: None if event == NO_CASE else event for word, event in meant.items()}, default=None, return_dtype=CASE
    )
    return Cells(value, cells.problem)


def _known(raw: pl.Series, known: Collection[str], stranger: str, table: str) -> Cells:
    word, problem = texts(raw)
    unknown = [w for w in word.drop_nulls().unique(maintain_order=True).to_list() if w not in known]
    if not unknown:
        return Cells(word, problem)
    reasons = [
        stranger + (nearest(w, known) if index < _SUGGESTIONS and len(w) <= LONGEST else "") + f"; add it under {table}"
        for index, w in enumerate(unknown)
    ]
    told = word.replace_strict(unknown, reasons, default=None, return_dtype=pl.String)
    return Cells(word, problem.zip_with(problem.is_not_null(), told))


def _missing(field: str, values: pl.DataFrame, cells: Cells) -> pl.Series:
    """What is wrong where a cell is empty that must be filled in: an order's number, and of an item how many it is."""
    empty, item = pl.lit(cells.value.is_null() & cells.problem.is_null()), orders.is_item(values.columns)
    if field == "quantity":
        problem = pl.when(empty & item).then(pl.lit("the quantity is missing; write how many it is"))
    else:
        reason = pl.when(item).then(pl.lit(_MERGED)).otherwise(pl.lit("the order number is missing"))
        problem = pl.when(empty).then(reason)
    return values.select(problem).to_series()


_MERGED = "the order number is missing; where cells are merged, write it in every row of the order"


def _shown(field: str, raw: pl.Series) -> pl.Series:
    """The cells as a reason may repeat them: the start of each, and of what is a person's only its shape."""
    shape = raw.str.replace_all(r"[^\s]", "*") if field in PERSONAL else raw
    return shape.str.head(LONGEST)


def _trouble(values: pl.DataFrame, raw: pl.Series, problem: pl.Series) -> pl.DataFrame:
    rows = pl.DataFrame([values[ROW], values["order_no"], raw.alias("value"), problem.alias("reason")])
    return rows.filter(pl.col("reason").is_not_null()).select(
        ROW, "order_no", pl.lit(raw.name).alias("column"), "value", "reason"
    )


def _whole_rows(values: pl.DataFrame, wrong: pl.Expr, reason: pl.Expr, column: str | None = None) -> pl.DataFrame:
    return values.filter(wrong).select(
        ROW,
        "order_no",
        pl.lit(column, dtype=pl.String).alias("column"),
        pl.lit(None, dtype=pl.String).alias("value"),
        reason.alias("reason"),
    )


def _among(values: pl.DataFrame, refused: pl.DataFrame) -> pl.Series:
    return values[ROW].is_in(refused[ROW].implode())


def _one_per_row(refused: pl.DataFrame) -> pl.DataFrame:
    cell = pl.coalesce(pl.format("{} = '{}': ", "column", "value"), pl.format("{}: ", "column"), pl.lit(""))
    said = pl.when(pl.col(ROW).is_first_distinct()).then("reason").otherwise(cell + pl.col("reason"))
    return (
        refused.unique(maintain_order=True)
        .with_columns(reason=said)
        .group_by(ROW, maintain_order=True)
        .agg(pl.col("order_no", "column", "value").first(), pl.col("reason").unique(maintain_order=True).str.join("; "))
        .sort(ROW)
    )


def _messages(claims: pl.DataFrame, source: str) -> list[RawMessage]:
    return [
        RawMessage(source, f"{order_no}:{blake2b(body, digest_size=16).hexdigest()}", KIND, body)
        for order_no, body in zip(claims["order_no"].to_list(), claims["body"].to_list(), strict=True)
    ]
