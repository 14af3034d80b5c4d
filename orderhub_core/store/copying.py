"""Many rows at a time into PostgreSQL: by COPY, in the binary format, which is several times faster than any INSERT."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.types.string import BytesBinaryDumper
from sqlalchemy import BigInteger, Integer, LargeBinary, Text

from orderhub_core.store import statements
from orderhub_core.store.statements import Batch
from orderhub_core.store.unit import Row

Cursor = psycopg.Cursor[Any]

psycopg.adapters.register_dumper(bytes, BytesBinaryDumper)
"""The driver would take the one that also knows the DB-API's `Binary`, and that one is written in Python: a quarter of
what it costs to copy an order and its log."""

FEW = 200
"""Up to so many messages go in as arrays of one statement; more of them are worth a COPY of their own."""

WORTH_A_COPY = 20
"""Fewer rows go in one by one, pipelined."""

KINDS: dict[type[Any], str] = {BigInteger: "int8", Integer: "int4", Text: "text", LargeBinary: "bytea"}

VALUES: dict[type[Any], str] = {int: "int8", str: "text"}

WRITE_DOWN = """WITH fresh AS (
    INSERT INTO inbox (id, source, message_id, kind, received_at, digest, body)
    SELECT id, source, message_id, kind, received_at, digest, body FROM (
        SELECT nextval(pg_get_serial_sequence('inbox', 'id')) AS id, placed.* FROM
        (SELECT * FROM arrived ORDER BY place) AS placed) AS numbered ORDER BY source, message_id
    ON CONFLICT (source, message_id) DO NOTHING RETURNING id, source, message_id
), named AS (SELECT id, place, lane FROM fresh JOIN arrived USING (source, message_id)
), queued AS (INSERT INTO todo (lane, id, attempts, next_at) SELECT lane, id, 0, 0 FROM named)
SELECT place FROM named"""
"""Returns the places of those that are new. The queue's rows are written in the same transaction as the messages.

Numbered in the order of their arrival, but written in that of their keys: two processes that take in the same messages
in different orders would otherwise wait for each other.
"""

ARRIVED = {"place": "int4", "lane": "int4", "source": "text", "message_id": "text", "kind": "text",
           "received_at": "int8", "digest": "bytea", "body": "bytea"}  # fmt: skip
FROM_ARRAYS = (
    f"WITH arrived ({', '.join(ARRIVED)}) AS (SELECT * FROM"
    f" unnest({', '.join(f'%b::{kind}[]' for kind in ARRIVED.values())})), {WRITE_DOWN.removeprefix('WITH ')}"
)


def array(values: Iterable[int | str]) -> str:
    """As PostgreSQL reads an array; the driver takes four times as long to write it."""
    texts = [str(value).replace("\\", "\\\\").replace('"', '\\"') for value in values]
    return f"""{{"{'","'.join(texts)}"}}""" if texts else "{}"


def write_down(cursor: Cursor, rows: list[Row]) -> set[int]:
    """Messages (columns of ARRIVED) into the inbox and the queue. The places of those that are new."""
    if len(rows) <= FEW:
        cursor.execute(FROM_ARRAYS, [list(column) for column in zip(*rows, strict=True)] or [[]] * len(ARRIVED))
    else:
        _stage(cursor, "arrived", ", ".join(f"{name} {kind}" for name, kind in ARRIVED.items()))
        _copy(cursor, "arrived", tuple(ARRIVED), list(ARRIVED.values()), rows)
        cursor.execute(WRITE_DOWN)
    return {row[0] for row in cursor.fetchall()}


def write(cursor: Cursor, batch: Batch, translated: str) -> None:
    """What one statement of a batch asks for; `translated` is that statement in the driver's style."""
    if batch.key and len(batch.rows) >= WORTH_A_COPY and _once_each(batch):
        _change(cursor, batch)
    elif not batch.table or len(batch.rows) < WORTH_A_COPY:
        cursor.executemany(translated, batch.rows)
    elif batch.sql == statements.MOVE:
        _move(cursor, batch)
    elif batch.sql == statements.insert(batch.table):
        _copy(cursor, batch.table, statements.columns(batch.table), _types(batch.table), batch.rows)
    else:
        _merge(cursor, batch)


def _change(cursor: Cursor, batch: Batch) -> None:
    """One change for each row: all in one go, their values as arrays."""
    columns = list(zip(*batch.rows, strict=True))
    kinds = tuple(VALUES[type(column[0])] for column in columns)
    cursor.execute(_at_once(batch.sql, batch.key, kinds), list(map(array, columns)), prepare=False)


@lru_cache
def _at_once(change: str, key: str, kinds: tuple[str, ...]) -> str:
    """The rows are found by their key alone, whatever else is asked of them: nobody knows how many there are of which
    an index knows that."""
    names = [f"given_{place}" for place in range(len(kinds))]
    values = iter(names)
    text = re.sub(r"\?", lambda _: f"given.{next(values)}", change.replace("%", "%%"))
    changes, where = text.split(" WHERE ", 1)
    arrays = ", ".join(f"%s::{kind}[]" for kind in kinds)
    given = f"unnest({arrays}) AS given ({', '.join(names)})"
    return f"{changes} FROM {given} WHERE {key} = given.{names[_place(change, key)]} AND (SELECT {where})"


def _place(change: str, key: str) -> int:
    """Which of the values names the row."""
    return change[: change.index(f"{key} = ?")].count("?")


def _once_each(batch: Batch) -> bool:
    """One statement changes a row once only."""
    place = _place(batch.sql, batch.key)
    return len({row[place] for row in batch.rows}) == len(batch.rows)


def _merge(cursor: Cursor, batch: Batch) -> None:
    """Rows that meet rows of theirs: by COPY into a table of our own, and from there in one go.

    One statement cannot write a row twice: of rows with one key only the last goes in.
    """
    names = statements.columns(batch.table)
    places = [names.index(column.name) for column in statements.table(batch.table).primary_key]
    rows = list({tuple(row[place] for place in places): row for row in batch.rows}.values())
    listed, staging = ", ".join(names), f"staged_{batch.table}"
    _stage(cursor, staging, f"LIKE {batch.table}")
    _copy(cursor, staging, names, _types(batch.table), rows)
    rest = batch.sql.removeprefix(statements.insert(batch.table))
    cursor.execute(f"INSERT INTO {batch.table} ({listed}) SELECT {listed} FROM {staging} {rest}")


def _move(cursor: Cursor, batch: Batch) -> None:
    names = (*statements.MOVED, "order_id")
    kinds = dict(zip(statements.columns("orders"), _types("orders"), strict=True))
    _stage(cursor, "moved", ", ".join(f"{name} {kinds[name]}" for name in names))
    _copy(cursor, "moved", names, [kinds[name] for name in names], batch.rows)
    changes = ", ".join(f"{name} = moved.{name}" for name in statements.MOVED)
    cursor.execute(f"UPDATE orders SET {changes} FROM moved WHERE orders.order_id = moved.order_id")


def _stage(cursor: Cursor, name: str, columns: str) -> None:
    """Empty again with each transaction. Made anew each time: one of a transaction that failed is gone."""
    cursor.execute(f"CREATE TEMP TABLE IF NOT EXISTS {name} ({columns}) ON COMMIT DELETE ROWS")


def _copy(cursor: Cursor, table: str, names: Sequence[str], types: list[str], rows: list[Row]) -> None:
    with cursor.copy(f"COPY {table} ({', '.join(names)}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


@lru_cache
def _types(table: str) -> list[str]:
    """The PostgreSQL types of a table's columns, in order."""
    return [KINDS[type(column.type)] for column in statements.table(table).columns]
