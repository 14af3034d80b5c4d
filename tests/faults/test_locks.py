"""Two writers on one hub wait for each other, unless a second SQLite in one of them has dropped its locks."""

from __future__ import annotations

import subprocess
import sys

import locks
import pytest

pytestmark = pytest.mark.faults


def test_two_processes_wait_for_each_other() -> None:
    report = locks.run(rounds=4, seed=1)
    assert report.fine, str(report)
    assert report.acknowledged == 8


def test_a_database_locked_for_too_long_is_busy_and_later_fine() -> None:
    inbox, inbox_later, hub, hub_later = locks.wait_too_long()
    assert inbox.startswith("Busy: ") and "locked" in inbox
    assert hub.startswith("Busy: ") and "locked" in hub
    assert (inbox_later, hub_later) == ("on disk", "on disk")


@pytest.mark.parametrize("touch", locks.TOUCHES)
def test_locks_dropped_by_another_reader_of_the_file_are_caught(touch: str) -> None:
    report = locks.run(rounds=5, seed=1, touch=touch)
    assert not report.fine
    assert any("at the same time" in line for line in report.broken)


ENTRIES = {
    "command line": "from orderhub_core.entry.cli import main; sys.exit(main())",
    "console": "from orderhub_core.entry import web; web.run(None, host='127.0.0.1', port=1)",
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_process_with_a_second_sqlite_is_refused(entry: str) -> None:
    code = f"import apsw, sys; sys.argv[1:] = ['db', 'check']; {ENTRIES[entry]}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode not in (0, 2)
    assert "2 copies of SQLite" in done.stderr
    assert "apsw" in done.stderr
