"""What a PostgreSQL address may look like."""

from __future__ import annotations

import psycopg
import sqlalchemy
from psycopg.conninfo import conninfo_to_dict

from orderhub_core.errors import UserMistake

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
