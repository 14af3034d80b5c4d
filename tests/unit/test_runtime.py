"""Each case in a process of its own: what is imported first cannot be undone in this one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orderhub_core import runtime
from orderhub_core.entry import cli
from orderhub_core.errors import Stop


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


def test_sqlite3_means_the_shipped_library_for_everyone() -> None:
    done = python(
        "import orderhub_core.runtime as r; r.check(); import sqlite3, sqlite3.dbapi2, sqlalchemy\n"
        "from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite as d\n"
        "import pysqlite3.dbapi2 as ours; assert sqlite3.dbapi2 is ours and d.import_dbapi() is ours\n"
        "assert sqlite3.connect(':memory:').execute('select sqlite_version()').fetchone()[0] == ours.sqlite_version\n"
        "r.check()"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells what a process has mapped")
def test_a_second_sqlite_stops_the_process_with_a_sentence() -> None:
    done = python(
        "import sqlite3, orderhub_core.runtime as r\n"
        "from orderhub_core.errors import Stop\n"
        "try: r.check()\nexcept Stop as stop: print(stop)"
    )
    assert "2 copies of SQLite" in done.stdout and "import orderhub_core.runtime before" in done.stdout, done.stderr


def test_the_console_and_the_charts_bring_no_second_sqlite() -> None:
    done = python("import orderhub_core.entry.console, orderhub_core.runtime as r; r.check()")
    assert done.returncode == 0, done.stderr


def test_an_old_sqlite_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pysqlite3.sqlite_version_info", (3, 51, 2))
    monkeypatch.setattr(runtime, "sqlite_copies", list)
    with pytest.raises(Stop, match=r"3\.51\.3 or newer"):
        runtime.check()


def test_a_system_that_does_not_tell_its_mappings_is_no_failure(tmp_path: Path) -> None:
    assert [copy for copy in runtime.sqlite_copies(tmp_path / "none") if "/" in copy] == []


PARSE_WHILE_GARBAGE_SPEAKS = """
import orderhub_core.runtime, ast, gc, sys, threading
sys.setswitchinterval(1e-6); gc.set_threshold(20); failures = []
source = "y = [(x + 1) * z for z in range(x) if z]\\n" * 40
class Loud:
    def __init__(self): self.me = self
    def __del__(self): sum(range(20))
def parse():
    for _ in range(30):
        [Loud() for _ in range(30)]
        try: ast.parse(source)
        except SystemError as error: failures.append(error)
threads = [threading.Thread(target=parse) for _ in range(8)]
[thread.start() for thread in threads]; [thread.join() for thread in threads]
sys.exit(len(failures))
"""
"""The parser yields to another thread only when a collection in its midst runs Python code: see that one does."""


@pytest.mark.skipif(not runtime.PARSER_IS_UNSAFE, reason="this CPython parses safely under threads")
def test_many_threads_may_parse_at_once() -> None:
    done = python(PARSE_WHILE_GARBAGE_SPEAKS)
    assert done.returncode == 0, done.stderr


FRAMES_COME_AND_GO = """
from orderhub_core import runtime
from orderhub_core.entry import cli
runtime.give_memory_back()
import polars as pl
def resident():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1]) / 1024
before = resident()
frames = [pl.DataFrame({"n": range(20_000)}).with_columns(s=pl.col("n").cast(pl.String)) for _ in range(100)]
held = resident() - before
del frames
print(held, resident() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the memory of a process is told by Linux")
def test_what_frames_no_longer_need_is_given_back() -> None:
    done = python(FRAMES_COME_AND_GO)
    assert done.returncode == 0, done.stderr
    held, kept = map(float, done.stdout.split())
    assert held > 30
    assert kept < held / 2


@pytest.mark.parametrize(("command", "lean"), [("worker", True), ("receive", True), ("serve", False)])
def test_who_shows_nothing_gives_memory_back(monkeypatch: pytest.MonkeyPatch, command: str, lean: bool) -> None:
    monkeypatch.setenv("_RJEM_MALLOC_CONF", "")
    monkeypatch.delenv("_RJEM_MALLOC_CONF")
    monkeypatch.setattr(cli, "build", lambda only: lambda: None)
    monkeypatch.setattr(sys, "argv", ["orderhub", command])
    assert cli.main() == 0
    assert ("_RJEM_MALLOC_CONF" in os.environ) is lean
