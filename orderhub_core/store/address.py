"""What a PostgreSQL address may look like."""

from __future__ import annotations

import psycopg
import sqlalchemy
from psycopg.conninfo import conninfo_to_dict

from orderhub_core.errors import Unreachable, UserMistake

EXAMPLE = "postgresql://user@host:5432/name"
SCHEMES = ("postgresql://", "postgres://", "postgresql+psycopg://")


def checked(url: str) -> str:
    """The address in the driver's spelling. Raises UserMistake, without the address: a password may be in it."""
    if not url.startswith(SCHEMES):
        raise UserMistake("--database must be a PostgreSQL address: write it like {example}", example=EXAMPLE)
    address = "postgresql://" + url.split("://", 1)[1]
    try:
        parts = conninfo_to_dict(address)
        ports = [int(port) for port in str(parts.get("port") or "5432").split(",")]
        sqlalchemy.make_url(address)
    except (psycopg.ProgrammingError, sqlalchemy.exc.ArgumentError, ValueError):
        raise UserMistake(
            "--database: the user, host, port or an option after `?` cannot be understood; write it like {example}",
            example=EXAMPLE,
        ) from None
    if not all(0 < port < 65_536 for port in ports):
        text = "--database: a port lies between 1 and 65535; write it like {example}"
        raise UserMistake(text, example=EXAMPLE)
    return address


def closed(url: str, why: str) -> Unreachable:
    """What to tell who wants to make a hub there and cannot connect: where, without the user and the password, and why
    (`sessions.reason`)."""
    parts = conninfo_to_dict(checked(url))
    return Unreachable(
        "cannot connect to PostgreSQL at {host}:{port}, database {name} ({why}): start the server, or mend the host,"
        " port, user, password or name in --database (ORDERHUB_DATABASE_URL); the database itself must exist already"
        " (`createdb`)",
        host=parts.get("host") or "localhost",
        port=parts.get("port") or 5432,
        name=parts.get("dbname") or parts.get("user") or "postgres",
        why=why,
    )
