"""An empty hub for a test: a copy of one that was made once by each process, for its migrations take longer than most
tests do."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from itertools import count
from pathlib import Path

import psycopg

from orderhub_core.store import homes
from orderhub_core.store.homes import Home

_numbers = count()
_MADE = tempfile.TemporaryDirectory(prefix="fresh", ignore_cleanup_errors=True)


def hub(folder: Path) -> Home:
    """On SQLite."""
    shutil.copytree(_on_sqlite(), folder, dirs_exist_ok=True)
    return Home(folder)


def database(server: str, like: str = "template1") -> str:
    """The address of a new database, empty or `like` another to which nobody is connected."""
    name = f"hub{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {like}")
    return server.replace("/postgres?", f"/{name}?")


def hub_on(server: str, folder: Path) -> Home:
    """On a database of its own of this PostgreSQL server."""
    folder.mkdir(0o700, exist_ok=True)
    return Home(folder, database(server, _on(server)))


@cache
def _on_sqlite() -> Path:
    made = Home(Path(_MADE.name) / "sqlite")
    homes.init(made)
    return made.data


@cache
def _on(server: str) -> str:
    address = database(server)
    homes.init(Home(Path(_MADE.name) / "postgres", address))
    return address.split("?")[0].rpartition("/")[2]
