"""apsw in the place of `pysqlite3`: every statement and pragma of the product runs unchanged, on a disk of our choice.

`install` belongs into a process of its own, before anything of the product is imported: a file must never be touched
by two copies of SQLite.
"""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import apsw


class Error(Exception):
    pass


class DatabaseError(Error):
    pass


class OperationalError(DatabaseError):
    pass


class IntegrityError(DatabaseError):
    pass


class ProgrammingError(DatabaseError):
    pass


DAMAGE = (apsw.CorruptError, apsw.NotADBError)
MISUSE = (apsw.MisuseError, apsw.RangeError, apsw.ThreadingViolationError, apsw.ConnectionClosedError)


def _translated(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except apsw.Error as error:
        kind = OperationalError
        if isinstance(error, DAMAGE):
            kind = DatabaseError
        elif isinstance(error, apsw.ConstraintError):
            kind = IntegrityError
        elif isinstance(error, MISUSE):
            kind = ProgrammingError
        raise kind(str(error)) from error


class Cursor:
    arraysize = 1

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.description: Any = None
        self.rowcount, self.lastrowid = -1, None
        self._rows: Iterator[Any] = iter(())

    def execute(self, sql: str, parameters: Any = ()) -> Cursor:
        return self._run(sql, lambda cursor, text: cursor.execute(text, parameters or None))

    def executemany(self, sql: str, rows: Iterable[Any]) -> Cursor:
        return self._run(sql, lambda cursor, text: cursor.executemany(text, rows))

    def _run(self, sql: str, call: Callable[[Any, str], Any]) -> Cursor:
        raw = self.connection.raw
        cursor = raw.cursor()
        self.description = None
        cursor.exec_trace = self._describe
        before = raw.total_changes()
        self._rows = iter(_translated(lambda: list(call(cursor, self.connection.rewritten(sql)))))
        self.rowcount = raw.total_changes() - before
        self.lastrowid = raw.last_insert_rowid()
        return self

    def _describe(self, cursor: Any, sql: str, bindings: Any) -> bool:
        self.description = tuple((name, *[None] * 6) for name, _ in cursor.get_description()) or None
        return True

    def fetchone(self) -> Any:
        return next(self._rows, None)

    def fetchall(self) -> list[Any]:
        return list(self._rows)

    def fetchmany(self, size: int = 1) -> list[Any]:
        return [row for _, row in zip(range(size), self._rows, strict=False)]

    def __iter__(self) -> Iterator[Any]:
        return self._rows

    def close(self) -> None:
        self._rows = iter(())


class Connection:
    isolation_level = None
    row_factory = None

    def __init__(self, driver: Driver, path: str) -> None:
        self.driver, self.database = driver, Path(path).stem
        self.raw = _translated(lambda: apsw.Connection(path, vfs=driver.vfs))

    def cursor(self) -> Cursor:
        return Cursor(self)

    def execute(self, sql: str, parameters: Any = ()) -> Cursor:
        return Cursor(self).execute(sql, parameters)

    def executemany(self, sql: str, rows: Iterable[Any]) -> Cursor:
        return Cursor(self).executemany(sql, rows)

    def rewritten(self, sql: str) -> str:
        return self.driver.rewritten(sql, self.database)

    @property
    def in_transaction(self) -> bool:
        return bool(self.raw.in_transaction)

    @property
    def total_changes(self) -> int:
        return int(self.raw.total_changes())

    def commit(self) -> None:
        if self.in_transaction:
            self.execute("COMMIT")

    def rollback(self) -> None:
        if self.in_transaction:
            self.execute("ROLLBACK")

    def create_function(self, name: str, arguments: int, call: Any, *, deterministic: bool = False) -> None:
        self.raw.create_scalar_function(name, call, arguments, deterministic=deterministic)

    def interrupt(self) -> None:
        self.raw.interrupt()

    def close(self) -> None:
        _translated(lambda: self.raw.close())


class Driver:
    """What `pysqlite3.dbapi2` becomes. `vfs` is the disk of connections made from now on; "unix" is the real one."""

    def __init__(self) -> None:
        self.vfs = "unix"
        self.settings: dict[str, str] = {}
        """Pragma to the value that takes the place of the product's, unless that is 0: how a control breaks it.
        `hub.synchronous` concerns one file only."""

    def rewritten(self, sql: str, database: str) -> str:
        if not self.settings or not sql.startswith("PRAGMA"):
            return sql
        name = re.match(r"PRAGMA (\w+) *= *(?!0$)", sql)
        value = name and (self.settings.get(f"{database}.{name[1]}") or self.settings.get(name[1]))
        return f"PRAGMA {name[1]} = {value}" if name and value else sql

    def connect(self, path: str, **_: Any) -> Connection:
        return Connection(self, path)


def install() -> Driver:
    """Put apsw in the place of `pysqlite3` for the rest of this process."""
    if "orderhub_core" in sys.modules or "pysqlite3" in sys.modules:
        raise RuntimeError("the simulated disk must be installed before the product is imported")
    driver = Driver()
    package, dbapi = types.ModuleType("pysqlite3"), types.ModuleType("pysqlite3.dbapi2")
    version = apsw.sqlite_lib_version()
    for module in (package, dbapi):
        vars(module).update(
            connect=driver.connect, Connection=Connection, Cursor=Cursor, Error=Error, DatabaseError=DatabaseError,
            OperationalError=OperationalError, IntegrityError=IntegrityError, ProgrammingError=ProgrammingError,
            InterfaceError=ProgrammingError, InternalError=DatabaseError, DataError=DatabaseError, Warning=UserWarning,
            NotSupportedError=DatabaseError, Binary=bytes, Row=tuple, paramstyle="qmark", apilevel="2.0",
            sqlite_version=version, sqlite_version_info=tuple(int(part) for part in version.split(".")),
            PARSE_DECLTYPES=1, PARSE_COLNAMES=2, __path__=[],
        )  # fmt: skip
    package.dbapi2 = dbapi  # type: ignore[attr-defined]
    sys.modules["pysqlite3"], sys.modules["pysqlite3.dbapi2"] = package, dbapi
    return driver
