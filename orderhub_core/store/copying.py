"""Many rows at a time into PostgreSQL: by COPY, in the binary format, which is several times faster than any INSERT."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
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
        (SELECT * FROM {arrived} AS arrived ORDER BY place) AS placed) AS numbered ORDER BY source, message_id
    ON CONFLICT (source, message_id) DO NOTHING RETURNING id, source, message_id
), named AS (SELECT id, place, lane FROM fresh JOIN {arrived} AS arrived USING (source, message_id)
), queued AS (INSERT INTO todo (lane, id, attempts, next_at) SELECT lane, id, 0, 0 FROM named)
SELECT place FROM named"""
"""Returns the places of those that are new. The queue's rows are written in the same transaction as the messages.

Numbered in the order of their arrival, but written in that of their keys: two processes that take in the same messages
in different orders would otherwise wait for each other.
"""

ARRIVED = {"place": "int4", "lane": "int4", "source": "text", "message_id": "text", "kind": "text",
           "received_at": "int8", "digest": "bytea", "body": "bytea"}  # fmt: skip
_ARRAYS = ", ".join(f"%b::{kind}[]" for kind in ARRIVED.values())
FROM_ARRAYS = f"WITH arrived ({', '.join(ARRIVED)}) AS (SELECT * FROM unnest({_ARRAYS})), " + WRITE_DOWN.format(
    arrived="arrived"
).removeprefix("WITH ")


def array(values: Iterable[int | str]) -> str:
    """As PostgreSQL reads an array; the driver takes four times as long to write it."""
    texts = [str(value).replace("\\", "\\\\").replace('"', '\\"') for value in values]
    return f"""{{"{'","'.join(texts)}"}}""" if texts else "{}"


class Staging:
    """Tables of one connection's own, in which rows wait to be merged. Made once, and empty again with each
    transaction: behind the connection must be one session of the server, as its settings want, too."""

    def __init__(self) -> None:
        self._made: set[str] = set()
        self._used: set[str] = set()
        """By this transaction; what it has made is gone with it if it fails."""

    def take(self, cursor: Cursor, table: str, columns: str) -> str:
        """The name of one that this transaction has not used yet."""
        numbered = (f"staged_{table}_{count}" for count in itertools.count(1))
        name = next(name for name in numbered if name not in self._used)
        if name not in self._made:
            cursor.execute(f"CREATE TEMP TABLE IF NOT EXISTS {name} ({columns}) ON COMMIT DELETE ROWS")
        self._used.add(name)
        return name

    def end(self, *, committed: bool) -> None:
        """Of the transaction."""
        if committed:
            self._made |= self._used
        self._used.clear()


def write_down(cursor: Cursor, rows: list[Row]) -> set[int]:
    """Messages (columns of ARRIVED) into the inbox and the queue. The places of those that are new."""
    if len(rows) <= FEW:
        cursor.execute(FROM_ARRAYS, [list(column) for column in zip(*rows, strict=True)] or [[]] * len(ARRIVED))
    else:
        # Over whichever connection is free: only the server knows what that has made before.
        table = Staging().take(cursor, "arrived", ", ".join(f"{name} {kind}" for name, kind in ARRIVED.items()))
        _copy(cursor, table, tuple(ARRIVED), list(ARRIVED.values()), rows)
        cursor.execute(WRITE_DOWN.format(arrived=table))
    return {row[0] for row in cursor.fetchall()}


def write(cursor: Cursor, batches: Iterable[tuple[Batch, str]], staging: Staging) -> None:
    """What the statements of a transaction ask for, each told in the driver's style, too.

    What is many rows is copied first: `Writes.inserts` into the tables themselves, the rest into `staging`. Then the
    statements follow in their order, sent all at once: a busy process takes its time to look at each answer, longer
    than the server to give it.
    """
    rest = [statement for batch in batches if (statement := _begun(cursor, *batch, staging)) is not None]
    with cursor.connection.pipeline():
        for statement in rest:
            statement()


def _begun(cursor: Cursor, batch: Batch, translated: str, staging: Staging) -> Callable[[], object] | None:
    """What is left to be done of a batch once its rows are copied, where they are."""
    if batch.key and len(batch.rows) >= WORTH_A_COPY and _once_each(batch):
        return partial(_change, cursor, batch)
    if not batch.table or len(batch.rows) < WORTH_A_COPY:
        return partial(cursor.executemany, translated, batch.rows)
    if batch.sql == statements.MOVE:
        return partial(cursor.execute, _move(cursor, batch, staging))
    if batch.sql != statements.insert(batch.table):
        return partial(cursor.execute, _merge(cursor, batch, staging))
    _copy(cursor, batch.table, statements.columns(batch.table), _types(batch.table), batch.rows)
    return None


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


def _merge(cursor: Cursor, batch: Batch, staging: Staging) -> str:
    """Rows that meet rows of theirs: the statement that takes them from where they wait, in one go.

    One statement cannot write a row twice: of rows with one key only the last goes in.
    """
    names = statements.columns(batch.table)
    places = [names.index(column.name) for column in statements.table(batch.table).primary_key]
    rows = list({tuple(row[place] for place in places): row for row in batch.rows}.values())
    listed, staged = ", ".join(names), staging.take(cursor, batch.table, f"LIKE {batch.table}")
    _copy(cursor, staged, names, _types(batch.table), rows)
    rest = batch.sql.removeprefix(statements.insert(batch.table))
    return f"INSERT INTO {batch.table} ({listed}) SELECT {listed} FROM {staged} {rest}"


def _move(cursor: Cursor, batch: Batch, staging: Staging) -> str:
    """As `_merge`, of orders that moved."""
    names = (*statements.MOVED, "order_id")
    kinds = dict(zip(statements.columns("orders"), _types("orders"), strict=True))
    moved = staging.take(cursor, "moved", ", ".join(f"{name} {kinds[name]}" for name in names))
    _copy(cursor, moved, names, [kinds[name] for name in names], batch.rows)
    changes = ", ".join(f"{name} = moved.{name}" for name in statements.MOVED)
    return f"UPDATE orders SET {changes} FROM {moved} AS moved WHERE orders.order_id = moved.order_id"


def _copy(cursor: Cursor, table: str, names: Sequence[str], types: list[str], rows: list[Row]) -> None:
    with cursor.copy(f"COPY {table} ({', '.join(names)}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


@lru_cache
def _types(table: str) -> list[str]:
    """The PostgreSQL types of a table's columns, in order."""
    return [KINDS[type(column.type)] for column in statements.table(table).columns]
