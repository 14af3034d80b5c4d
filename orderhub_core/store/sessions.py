"""Connections to PostgreSQL with the house's settings, and its errors in the hub's terms."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

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


def connect(url: str, *, autocommit: bool) -> psycopg.Connection[Any]:
    connection = psycopg.connect(make_conninfo(url, **SIGNS_OF_LIFE), autocommit=autocommit)
    for setting in SESSION:
        connection.execute(setting)
    return connection


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """PostgreSQL's own errors in the hub's terms; no address or password in them."""
    try:
        yield
    except psycopg.errors.UndefinedTable as error:
        raise StoreMissing("the database has no hub in it: run `orderhub db init` with the same --database") from error
    except (psycopg.errors.DataCorrupted, psycopg.errors.IndexCorrupted) as error:
        raise Stop(f"the database is damaged ({type(error).__name__}): stop everything and restore a backup") from error
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected, psycopg.errors.DiskFull) as error:
        raise Busy(
            f"the database is busy or full ({type(error).__name__}); nothing was lost, the work waits"
        ) from error
    except (psycopg.OperationalError, psycopg.InternalError) as error:
        raise Unreachable(
            f"the database does not answer ({type(error).__name__}); nothing was lost, the work waits"
        ) from error
