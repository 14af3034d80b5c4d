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
import sqlalchemy
from psycopg.conninfo import conninfo_to_dict

from orderhub_core.errors import Busy, StoreMissing, Unreachable, UserMistake
from orderhub_core.model import RawMessage
from orderhub_core.store import statements
from orderhub_core.store.base import MESSAGE, Overtaken, Store
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


MOST_CONNECTIONS = 8
"""For reading and short transactions, per process; whoever applies has one more."""
WAIT_FOR_CONNECTION_S = 10.0
SCHEMES = ("postgresql://", "postgres://", "postgresql+psycopg://")


def checked(url: str) -> str:
    """The address in the driver's spelling. Raises UserMistake, without the address: a password may be in it."""
    example = "write it like postgresql://user@host:5432/name"
    if not url.startswith(SCHEMES):
        raise UserMistake(f"--database must be a PostgreSQL address: {example}")
    address = "postgresql://" + url.split("://", 1)[1]
    try:
        parts = conninfo_to_dict(address)
        ports = [int(port) for port in str(parts.get("port") or "5432").split(",")]
        sqlalchemy.make_url(address)
    except (psycopg.ProgrammingError, sqlalchemy.exc.ArgumentError, ValueError):
        raise UserMistake(
            f"--database: the user, host, port or an option after `?` cannot be understood; {example}"
        ) from None
    if not all(0 < port < 65_536 for port in ports):
        raise UserMistake(f"--database: a port lies between 1 and 65535; {example}")
    return address


class PostgresStore(Store):
    skip_locked = " FOR UPDATE SKIP LOCKED"

    def __init__(self, url: str) -> None:
        self.url = checked(url)
        self._idle: list[psycopg.Connection[Any]] = []
        """Connections nobody uses; the one used last is taken first."""
        self._slots = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._claim_connection: psycopg.Connection[Any] | None = None
        self._claimant: int | None = None
        """The thread that holds a claim: the connection it came by is no other thread's until it is given back."""
        self._claim_lock = threading.Lock()

    def sql(self, text: str) -> str:
        return _translate(text)

    def among(self, column: str) -> str:
        return f"{column} = ANY(?)"

    def listed(self, values: Iterable[Any]) -> list[Any]:
        return list(values)

    def query(self, part: str, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        with _translated(), self._connection() as connection:
            rows: list[Row] = connection.execute(_translate(sql), parameters).fetchall()
            return rows

    @contextlib.contextmanager
    def transaction(self, part: str) -> Iterator[Any]:
        with _translated(), self._connection() as connection, connection.transaction(), connection.cursor() as cursor:
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
        """Holds a transaction open until `commit` or `release`: the rows of the queue stay ours.

        None also while another worker applies: then messages may wait all the same.
        """
        me = threading.get_ident()
        with self._claim_lock:
            if self._claimant not in (None, me):
                return None
            self._claimant = me
        try:
            with _translated():
                claim = self._claim(limit)
        except BaseException:
            self._give_back()
            raise
        if claim is None:
            self._give_back()
        return claim

    def _claim(self, limit: int) -> Claim | None:
        connection = self._claiming()
        taken = connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (APPLY_LOCK,)).fetchone()
        if not taken or not taken[0]:
            return None
        ids = [row[0] for row in connection.execute("SELECT id FROM todo ORDER BY id LIMIT %s", (limit,)).fetchall()]
        if not ids:
            return None
        rows = connection.execute(f"SELECT {MESSAGE} FROM inbox WHERE id = ANY(%s) ORDER BY id", (ids,)).fetchall()
        version, upto, next_order_id, log_seq, log_hash = self.progress()
        return Claim([Message(*row) for row in rows], max(upto, ids[-1]), version, next_order_id, log_seq, log_hash)

    def release(self, claim: Claim) -> None:
        self._give_back()

    def _give_back(self) -> None:
        """End the claim of this thread, if it has one. A connection that is dead has ended it already."""
        if self._claimant != threading.get_ident():
            return
        if self._claim_connection is not None:
            try:
                self._claim_connection.rollback()
            except psycopg.Error:
                self._claim_connection.close()
                self._close_idle()
        self._claimant = None

    def commit(self, claim: Claim, writes: Writes) -> None:
        if claim.replayed:
            super().commit(claim, writes)
            return
        if self._claimant != threading.get_ident():
            raise Overtaken("the claim was given back before its commit")
        try:
            connection = self._claiming()
            with _translated(), connection.cursor() as cursor:
                self._write(cursor, claim, writes)
                cursor.execute("DELETE FROM todo WHERE id = ANY(%s)", ([message.id for message in claim.messages],))
                connection.commit()
        finally:
            self._give_back()

    def waiting(self) -> tuple[int, int | None]:
        sql = "SELECT count(*), min(received_at) FROM todo JOIN inbox USING (id)"
        count, oldest = self.query("inbox", sql)[0]
        return count, oldest

    def waiting_of(self, ids: Sequence[int]) -> int:
        rows = self.query("inbox", f"SELECT count(*) FROM todo WHERE {self.among('id')}", (self.listed(ids),))
        return int(rows[0][0])

    def close(self) -> None:
        if self._claim_connection is not None:
            self._claim_connection.close()
        self._claim_connection = None
        self._close_idle()

    def _close_idle(self) -> None:
        """Also when a connection was found dead: what ended that one has ended these, too."""
        while self._idle:
            with contextlib.suppress(IndexError):  # another thread took the last one
                self._idle.pop().close()

    def _connect(self, *, autocommit: bool) -> psycopg.Connection[Any]:
        connection = psycopg.connect(self.url, autocommit=autocommit, connect_timeout=10)
        connection.execute("SET synchronous_commit = on")
        return connection

    def _claiming(self) -> psycopg.Connection[Any]:
        if self._claim_connection is None or self._claim_connection.closed:
            self._claim_connection = self._connect(autocommit=False)
            self._claim_connection.commit()
        return self._claim_connection

    @contextlib.contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        """One of a few connections, ours for a moment. Raises Busy when all stay taken."""
        if not self._slots.acquire(timeout=WAIT_FOR_CONNECTION_S):
            raise Busy("all connections to the database are taken; nothing was lost, try again in a moment")
        try:
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = self._connect(autocommit=True)
            try:
                yield connection
            finally:
                if connection.closed:
                    self._close_idle()
                else:
                    self._idle.append(connection)
        finally:
            self._slots.release()


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
