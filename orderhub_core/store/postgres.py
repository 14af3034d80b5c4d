"""Several workers, one PostgreSQL database.

The queue is `todo`: one narrow row per message that waits, written in the transaction that accepts it and
deleted in the one that applies it. The inbox is never followed by its sequence, because ids commit out of
order. One advisory lock at a time applies; a worker that finds it taken has nothing to do.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import psycopg

from orderhub_core.errors import Busy, StoreMissing, Unreachable
from orderhub_core.model import RawMessage
from orderhub_core.store import statements
from orderhub_core.store.base import MESSAGE, Store
from orderhub_core.store.unit import Claim, Message, Receipt, Row, Writes

APPLY_LOCK = 0x0D0E_2B01
"""The advisory lock of whoever applies messages."""

ACCEPT = """WITH fresh AS (
    INSERT INTO inbox (source, message_id, kind, received_at, digest, body)
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[], %s::bytea[], %s::bytea[])
    ON CONFLICT (source, message_id) DO NOTHING RETURNING id, source, message_id
), queued AS (INSERT INTO todo (id) SELECT id FROM fresh)
SELECT source, message_id FROM fresh"""


@lru_cache
def _translate(text: str) -> str:
    return text.replace("%", "%%").replace("?", "%s")


class PostgresStore(Store):
    skip_locked = " FOR UPDATE SKIP LOCKED"

    def __init__(self, url: str) -> None:
        self.url = url.replace("postgresql+psycopg://", "postgresql://")
        self._local = threading.local()
        self._claim_connection: psycopg.Connection[Any] | None = None

    def sql(self, text: str) -> str:
        return _translate(text)

    def among(self, column: str) -> str:
        return f"{column} = ANY(?)"

    def listed(self, values: Iterable[Any]) -> list[Any]:
        return list(values)

    def query(self, part: str, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        with _translated():
            rows: list[Row] = self._connection().execute(_translate(sql), parameters).fetchall()
            return rows

    @contextlib.contextmanager
    def transaction(self, part: str) -> Iterator[Any]:
        with _translated():
            connection = self._connection()
            with connection.transaction(), connection.cursor() as cursor:
                yield cursor

    def accept(self, messages: Sequence[RawMessage], received_at: int) -> list[Receipt]:
        first: dict[tuple[str, str], RawMessage] = {}
        for message in messages:
            first.setdefault((message.source, message.message_id), message)
        rows = list(first.values())
        with self.transaction("inbox") as cursor:
            cursor.execute(
                ACCEPT,
                (
                    [m.source for m in rows],
                    [m.message_id for m in rows],
                    [m.kind for m in rows],
                    [received_at] * len(rows),
                    [_digest(m.body) for m in rows],
                    [m.body for m in rows],
                ),
            )
            fresh = set(cursor.fetchall())
            return [self._receipt(cursor, message, first, fresh, received_at) for message in messages]

    def _receipt(
        self,
        cursor: Any,
        message: RawMessage,
        first: dict[tuple[str, str], RawMessage],
        fresh: set[Any],
        received_at: int,
    ) -> Receipt:
        key = (message.source, message.message_id)
        if key in fresh and first[key] is message:
            return "new"
        digest = _digest(message.body)
        cursor.execute("SELECT digest FROM inbox WHERE source = %s AND message_id = %s", key)
        if bytes(cursor.fetchone()[0]) == digest:
            return "duplicate"
        cursor.execute(_translate(statements.insert_new("conflict")), (*key, digest, received_at, message.body))
        return "conflict"

    def claim(self, limit: int) -> Claim | None:
        """Holds a transaction open until `commit` or `release`: the rows of the queue stay ours."""
        with _translated():
            connection = self._claiming()
            taken = connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (APPLY_LOCK,)).fetchone()
            ids = (
                [row[0] for row in connection.execute("SELECT id FROM todo ORDER BY id LIMIT %s", (limit,)).fetchall()]
                if taken and taken[0]
                else []
            )
            if not ids:
                connection.rollback()
                return None
            rows = connection.execute(f"SELECT {MESSAGE} FROM inbox WHERE id = ANY(%s) ORDER BY id", (ids,)).fetchall()
        version, upto, next_order_id, log_seq, log_hash = self.progress()
        messages = [Message(*row) for row in rows]
        return Claim(messages, max(upto, ids[-1]), version, next_order_id, log_seq, bytes(log_hash))

    def release(self, claim: Claim) -> None:
        if self._claim_connection is not None:
            self._claim_connection.rollback()

    def commit(self, claim: Claim, writes: Writes) -> None:
        if claim.replayed:
            super().commit(claim, writes)
            return
        connection = self._claiming()
        try:
            with _translated(), connection.cursor() as cursor:
                self._write(cursor, claim, writes)
                cursor.execute("DELETE FROM todo WHERE id = ANY(%s)", ([message.id for message in claim.messages],))
                connection.commit()
        except BaseException:
            connection.rollback()
            raise

    def waiting(self) -> tuple[int, int | None]:
        sql = "SELECT count(*), min(received_at) FROM todo JOIN inbox USING (id)"
        count, oldest = self.query("inbox", sql)[0]
        return count, oldest

    def close(self) -> None:
        for connection in (self._claim_connection, self._local.__dict__.pop("connection", None)):
            if connection is not None:
                connection.close()
        self._claim_connection = None

    def _connect(self, *, autocommit: bool) -> psycopg.Connection[Any]:
        connection = psycopg.connect(self.url, autocommit=autocommit, connect_timeout=10)
        connection.execute("SET synchronous_commit = on")
        return connection

    def _claiming(self) -> psycopg.Connection[Any]:
        if self._claim_connection is None or self._claim_connection.closed:
            self._claim_connection = self._connect(autocommit=False)
            self._claim_connection.commit()
        return self._claim_connection

    def _connection(self) -> psycopg.Connection[Any]:
        """One connection per thread."""
        connection: psycopg.Connection[Any] | None = self._local.__dict__.get("connection")
        if connection is None or connection.closed:
            connection = self._local.__dict__["connection"] = self._connect(autocommit=True)
        return connection


def _digest(body: bytes) -> bytes:
    return blake2b(body, digest_size=16).digest()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """PostgreSQL's own errors in the hub's terms; no address or password in them."""
    try:
        yield
    except psycopg.errors.UndefinedTable as error:
        raise StoreMissing("the database has no hub in it: run `orderhub db init` with the same --database") from error
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected, psycopg.errors.DiskFull) as error:
        raise Busy(
            f"the database is busy or full ({type(error).__name__}); nothing was lost, the work waits"
        ) from error
    except psycopg.OperationalError as error:
        raise Unreachable(
            f"the database does not answer ({type(error).__name__}); nothing was lost, the work waits"
        ) from error
