"""What must be true of a process before anything else is imported. Every entry imports this module first.

Two things happen on import: `import sqlite3` means the SQLite that this project ships (two copies of SQLite in
one process do not see each other's file locks and can corrupt a database), and on CPythons whose parser is not
safe under threads, source is parsed by one thread at a time (python/cpython#106905: concurrent notebook sessions
otherwise lose cells). `check` then proves the first.
"""

from __future__ import annotations

import ast
import builtins
import mmap
import os
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any

import pysqlite3
import pysqlite3.dbapi2

from orderhub_core.errors import Stop

OLDEST_SQLITE = (3, 51, 3)
"""Earlier ones can lose a committed write in WAL mode when two connections checkpoint at once."""

PARSER_IS_UNSAFE = sys.version_info < (3, 11, 8) or (3, 12) <= sys.version_info < (3, 12, 2)
FILE_HEADER = b"SQLite format 3\x00"
"""Only a binary that contains SQLite itself contains the header it writes; one that merely links to it does not."""
HARMLESS = {"vl_convert"}
"""Packages with a SQLite inside (a JavaScript engine's) that never opens a database of ours."""


def _one_sqlite() -> None:
    sys.modules["sqlite3"] = pysqlite3
    sys.modules["sqlite3.dbapi2"] = pysqlite3.dbapi2


def _one_parser_at_a_time() -> None:
    unguarded, lock = builtins.compile, threading.RLock()

    def compile(source: Any, filename: Any, mode: str, flags: int = 0, *rest: Any, **named: Any) -> Any:
        if flags & ast.PyCF_ONLY_AST:
            with lock:
                return unguarded(source, filename, mode, flags, *rest, **named)
        return unguarded(source, filename, mode, flags, *rest, **named)

    builtins.compile = compile


_one_sqlite()
if PARSER_IS_UNSAFE:
    _one_parser_at_a_time()


def give_memory_back() -> None:
    """From now on, what frames no longer need goes back to the system at once. Before anything loads polars, whose
    allocator otherwise keeps it until it has more to do: after a snapshot of 200,000 orders, 160 MB instead of 100.

    Not for who shows boards: computing them takes four tenths longer.
    """
    # Last, for the last word counts: whoever started us may have loaded polars, which leaves its own words here.
    said = os.environ.get("_RJEM_MALLOC_CONF")
    os.environ["_RJEM_MALLOC_CONF"] = ",".join(filter(None, (said, "dirty_decay_ms:0,muzzy_decay_ms:0")))


def sqlite_copies(maps: Path = Path("/proc/self/maps")) -> list[str]:
    """The files through which this process holds a SQLite of its own; empty where the system does not tell."""
    try:
        lines = maps.read_text().splitlines()
    except OSError:
        return []
    # By contents, not by name: apsw's file is called `__init__`, connectorx's after Rust.
    code = {Path(line.split(maxsplit=5)[5]) for line in lines if line.count("/") and "x" in line.split(maxsplit=2)[1]}
    copies = sorted(str(path) for path in code if not HARMLESS.intersection(path.parts) and _holds_sqlite(path))
    stdlib = sys.modules.get("_sqlite3")
    if stdlib is not None and not getattr(stdlib, "__file__", None):
        copies.append("the interpreter's built-in _sqlite3")
    return copies


@cache
def _holds_sqlite(path: Path) -> bool:
    """Once for each file: a process that has loaded everything has half a gigabyte of them."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(FILE_HEADER) >= 0
    except (OSError, ValueError):
        return False


def check() -> None:
    """Raises Stop when the process holds two SQLites, or one that is too old to trust with orders."""
    copies = sqlite_copies()
    if len(copies) > 1:
        raise Stop(
            "this process has loaded {n} copies of SQLite ({copies}), which can corrupt the database: import"
            " orderhub_core.runtime before anything that imports sqlite3",
            n=len(copies),
            copies=tuple(copies),
        )
    if pysqlite3.sqlite_version_info < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        raise Stop(
            "SQLite {version} is too old, {oldest} or newer is needed: reinstall with `pip install"
            " --force-reinstall pysqlite3`",
            version=pysqlite3.sqlite_version,
            oldest=oldest,
        )
