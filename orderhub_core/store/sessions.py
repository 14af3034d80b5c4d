"""Connections to PostgreSQL with the house's settings, and its errors in the hub's terms."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus

from orderhub_core.errors import Busy, Stop, StoreMissing, Unreachable

SIGNS_OF_LIFE = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""A server that went away without a word is noticed within half a minute, and another is asked."""
SESSION = (
    "SET synchronous_commit = on",
    # A worker whose machine went away, or that was stopped in the middle, must not keep its lane.
    "SET idle_in_transaction_session_timeout = '60s'",
    "SET tcp_keepalives_idle = 10",
    "SET tcp_keepalives_interval = 5",
    "SET tcp_keepalives_count = 3",
)
BY_KEYS = ("SET enable_mergejoin = off", "SET enable_hashjoin = off")
"""Of whoever claims and commits: a batch is a few rows of great tables. As long as a table is not that great, or nobody
has counted it, the planner would rather walk all of it, again for each batch."""
SHOP_BY_SHOP = """(WITH RECURSIVE known AS (SELECT min(shop) AS known FROM orders UNION ALL
    SELECT (SELECT min(shop) FROM orders WHERE shop > known) FROM known WHERE known IS NOT NULL)
    SELECT known FROM known) AS shops
    CROSS JOIN LATERAL (SELECT * FROM orders WHERE shop = known AND {those} OFFSET 0) AS orders"""
"""Orders by a list of numbers: for these, too, it would walk all orders that nobody has counted, but not all of a
shop's."""


ORIGIN = """SELECT pg_database.oid || ':' || 'lanes'::regclass::oid FROM pg_database
    WHERE datname = current_database()"""
"""A restore makes tables of its own, and whatever stamped their rows means nothing there."""

PLACE = re.compile(r"(?:connection failed: .* failed|failed to resolve host '.*'): (?:FATAL: +)?")
"""What the driver says before the server's own word, or the system's."""

ANSWER_S, BATCH_ANSWER_S = 900.0, 120.0
"""How long a statement may take, to the last row of its answer: whatever somebody asks, and what applies a batch."""

TOO_MUCH = (psycopg.errors.ProgramLimitExceeded, psycopg.errors.StatementTooComplex)
"""What was sent is more than the server can hold, such as a key that no index takes. The driver counts that among the
troubles of the server, which pass; this one is of the row, and comes again for as long as somebody writes it."""

T = TypeVar("T")


class Session(psycopg.Connection[Any]):
    """Does not wait for ever: a server whose processes are stopped, or stuck in front of a disk, still has a kernel
    that gives the signs of life. What it was asked last is given up with the connection, and may or may not have been
    done: as when a connection breaks."""

    answer_s = ANSWER_S

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        try:
            return super().wait(gen, interval, self.answer_s if timeout is None else timeout)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()
            raise


def connect(url: str, *, autocommit: bool, answer_s: float = ANSWER_S) -> Session:
    connection = Session.connect(make_conninfo(url, **SIGNS_OF_LIFE), autocommit=autocommit)
    connection.answer_s = answer_s
    for setting in SESSION:
        connection.execute(setting)
    return connection


def reason(error: BaseException) -> str:
    """Why nobody can connect, in the server's own word or the system's; of other errors the kind, for what they say may
    be a person's. No address, user or password is in it."""
    said, _, _ = str(error).partition("\n")
    place = PLACE.match(said)
    if not isinstance(error, psycopg.OperationalError) or place is None:
        return type(error).__name__
    user, name = (getattr(error.pgconn, known, None) or b"" for known in ("user", "db"))
    word, hidden = said[place.end() :], re.escape(user.decode(errors="replace"))
    return word if user in (b"", name) else re.sub(rf"(?<!\w){hidden}(?!\w)", "…", word)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """PostgreSQL's own errors in the hub's terms; no address or password in them. What is wrong with the rows that were
    sent stays as it is."""
    try:
        yield
    except TOO_MUCH:
        raise
    except psycopg.errors.UndefinedTable as error:
        raise StoreMissing("the database has no hub in it: run `orderhub db init` with the same --database") from error
    except (psycopg.errors.DataCorrupted, psycopg.errors.IndexCorrupted) as error:
        raise Stop(
            "the database is damaged ({kind}): stop everything and restore a backup", kind=type(error).__name__
        ) from error
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected, psycopg.errors.DiskFull) as error:
        raise Busy(
            "the database is busy or full ({kind}); nothing was lost, the work waits", kind=type(error).__name__
        ) from error
    except (psycopg.OperationalError, psycopg.InternalError) as error:
        raise Unreachable(
            "the database does not answer ({kind}); nothing was lost, the work waits", kind=reason(error)
        ) from error
