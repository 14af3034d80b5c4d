"""File locks between processes: a writer holds its transaction while another process writes to the same hub.

A second copy of SQLite that opens, reads and closes the file in the writer's process drops the writer's locks (POSIX
locks belong to the process, not to the library): both then commit, and one acknowledged message is gone. The
product refuses to start such a process; `run(..., touch=...)` shows what happens to one that starts nevertheless.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from queue import Empty, SimpleQueue
from random import Random
from threading import Thread
from typing import Any

from report import Report

NAME = "locks"
ANSWER_S = 30.0
TOUCHES = ("apsw", "read")
"""What the writer's process does to the file besides: another SQLite, or reading the index of its log by hand."""


def run(rounds: int, seed: int, touch: str = "") -> Report:
    """In each round one process holds a transaction while another writes; in the end every answer must be true."""
    dice, report, began = Random(seed), Report(f"{NAME}, {touch}" if touch else NAME, seed), time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="locks"))
    made = subprocess.run([sys.executable, __file__, str(folder), "make"], check=True, capture_output=True)
    assert not made.stderr, made.stderr
    holder, other = _Process(folder, "serve"), _Process(folder, "serve")
    told: list[str] = []
    try:
        while report.rounds < rounds and report.fine:
            _round(report, dice, holder, other, told, touch)
            if dice.random() < 0.5:
                holder, other = other, holder
    finally:
        holder.end()
        other.end()
    _check(report, folder, told)
    shutil.rmtree(folder)
    report.seconds = time.monotonic() - began
    return report


def wait_too_long() -> list[str]:
    """What a process is told of either file while another holds it for longer than SQLite waits, and afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="locks"))
    subprocess.run([sys.executable, __file__, str(folder), "make"], check=True, capture_output=True)
    holder, other = _Process(folder, "serve"), _Process(folder, "serve")
    told = []
    for hold, write in (("hold held 1", "accept rival 1"), ("occupy", "move")):
        holder.ask(hold)
        holder.answer()
        other.ask(write)
        told.append(other.answer())
        holder.ask("commit")
        holder.answer()
        other.ask(write)
        told.append(other.answer())
    holder.end()
    other.end()
    shutil.rmtree(folder)
    return told


def _round(report: Report, dice: Random, holder: Any, other: Any, told: list[str], touch: str) -> None:
    report.rounds += 1
    held, rival = f"held-{report.rounds}", f"rival-{report.rounds}"
    holder.ask(f"hold {held} {dice.randint(1, 5)}")
    holder.answer()
    if touch:
        holder.ask(f"touch {touch}")
        holder.answer()
    other.ask(f"accept {rival} {dice.randint(1, 5)}")
    entered = other.answer(0.3)
    holder.ask("commit")
    for message, answer in ((held, holder.answer()), (rival, entered or other.answer())):
        if answer == "on disk":
            told.append(message)
            report.acknowledged += 1
        else:
            report.broken.append(f"round {report.rounds}: {message} was answered {answer!r}")
    if entered:
        report.broken.append(f"seed {report.seed}, round {report.rounds}: two processes wrote at the same time")


def _check(report: Report, folder: Path, told: list[str]) -> None:
    seen = subprocess.run([sys.executable, __file__, str(folder), "list"], check=False, capture_output=True, text=True)
    if seen.returncode:
        report.broken.append(f"seed {report.seed}: the inbox cannot be read: {seen.stderr.splitlines()[-1]}")
        return
    verdict, *stored = seen.stdout.split()
    if verdict != "ok":
        report.broken.append(f"seed {report.seed}: the inbox is damaged: {verdict}")
    report.lost += len(set(told) - set(stored))
    report.doubled += len(stored) - len(set(stored))


class _Process:
    """One of the two writers, asked and answering line by line."""

    def __init__(self, folder: Path, role: str) -> None:
        pipe = subprocess.PIPE
        self._child = subprocess.Popen(
            [sys.executable, __file__, str(folder), role], stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )
        self._answers: SimpleQueue[str] = SimpleQueue()
        Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._child.stdout
        for line in self._child.stdout:
            self._answers.put(line.strip())

    def ask(self, command: str) -> None:
        assert self._child.stdin
        self._child.stdin.write(command + "\n")
        self._child.stdin.flush()

    def answer(self, within_s: float = ANSWER_S) -> str:
        try:
            return self._answers.get(timeout=within_s)
        except Empty:
            return ""

    def end(self) -> None:
        self._child.communicate("end\n", timeout=ANSWER_S)


# -- below here: in the children


def _serve(folder: Path) -> None:
    """A process with the product's store over the folder."""
    from orderhub_core.store import homes

    store = homes.open_store(homes.Home(folder))
    transaction: Any = None
    for line in sys.stdin:
        word, *rest = line.split()
        answer = "on disk"
        try:
            match word:
                case "hold":
                    transaction = store.transaction("inbox")
                    cursor = transaction.__enter__()
                    cursor.executemany(
                        "INSERT INTO inbox (source, message_id, kind, received_at, digest, body)"
                        " VALUES (?, ?, '', 0, x'00', ?)",
                        [(f"s{n}" if n else "s", rest[0], b"x" * 3_000) for n in range(int(rest[1]))],
                    )
                case "occupy":
                    transaction = store.transaction("hub")
                    transaction.__enter__()
                case "move":
                    store.set_cursor("poller", 1)
                case "touch":
                    _touch(folder / "inbox.db", rest[0])
                case "commit":
                    transaction.__exit__(None, None, None)
                case "accept":
                    store.accept(_messages(rest[0], int(rest[1])), 0)
                case "end":
                    break
        except Exception as failure:  # noqa: BLE001 — a store whose locks are gone may fail in any way: the answer says
            answer = f"{type(failure).__name__}: {failure}"
        sys.stdout.write(answer + "\n")
        sys.stdout.flush()
    store.close()


def _messages(name: str, count: int) -> list[Any]:
    from orderhub_core.model import RawMessage

    return [RawMessage(f"s{n}" if n else "s", name, "", b"x" * 3_000) for n in range(count)]


def _touch(path: Path, how: str) -> None:
    if how == "apsw":
        import apsw

        connection = apsw.Connection(str(path))
        connection.execute("SELECT count(*) FROM inbox").fetchall()
        connection.close()
    else:
        path.with_name(path.name + "-shm").read_bytes()


def _list(folder: Path) -> None:
    """Whether the inbox is whole, and the messages of source `s`."""
    from orderhub_core.store import homes

    store = homes.open_store(homes.Home(folder))
    verdict = store.query("inbox", "PRAGMA integrity_check(1)")[0][0].replace(" ", "_")
    print(verdict, *(row[0] for row in store.query("inbox", "SELECT message_id FROM inbox WHERE source = 's'")))


if __name__ == "__main__":
    from orderhub_core import runtime  # noqa: F401
    from orderhub_core.store import homes

    where = Path(sys.argv[1])
    {"make": lambda: homes.init(homes.Home(where)), "serve": lambda: _serve(where), "list": lambda: _list(where)}[
        sys.argv[2]
    ]()
