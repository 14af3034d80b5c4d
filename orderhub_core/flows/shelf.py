"""Where the sheets of spot audits lie: one file each in a folder that several consoles may share, or in memory only.

A sheet is put there once; of two that are put under one name the first holds. Later changes are made one after the
other, each to the sheet as it stands then: none undoes another's.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from orderhub_core.audit.spot import sheet as sheets
from orderhub_core.audit.spot.sheet import Sheet
from orderhub_core.errors import UserMistake
from orderhub_core.store.home import SHEETS

LOCK = "changing.lock"


class Shelf:
    """Without a `folder` (a snapshot) the sheets are gone with the process."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._known: dict[str, tuple[Any, Sheet]] = {}
        """With what tells that their files have been changed."""
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """The audits that have been opened, newest first."""
        if self._folder is None:
            return list(reversed(self._known))
        kept = [path for path in self._folder.glob("*.json") if sheets.known(path.stem)]
        return [path.stem for path in sorted(kept, key=lambda path: (sheets.week(path.stem), _at(path)), reverse=True)]

    def sheet(self, audit: str) -> Sheet:
        """As it stands now. Raises UserMistake where there is none, or its file cannot be read."""
        if self._folder is None and audit in self._known:
            return self._known[audit][1]
        if self._folder is None or not sheets.known(audit):
            raise UserMistake("no spot audit named {audit!r} has been opened here", audit=audit)
        path = self._folder / f"{audit}.json"
        try:
            told = path.stat()
            written = told.st_mtime_ns, told.st_ino  # two changes may follow each other faster than clocks tick
            if self._known.get(audit, (None,))[0] != written:
                self._known[audit] = written, msgspec.json.decode(path.read_bytes(), type=Sheet)
        except OSError as error:
            raise UserMistake(
                "{name} cannot be read ({why}); open the audit again", name=path.name, why=error.strerror
            ) from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise UserMistake(
                "{name} in the folder {sheets} is damaged; restore it from a backup", name=path.name, sheets=SHEETS
            ) from None
        return self._known[audit][1]

    def put(self, sheet: Sheet) -> None:
        """Whole or not at all; where another console was faster, its sheet holds. Raises UserMistake."""
        if self._folder is None:
            self._known.setdefault(sheet.audit, (None, sheet))
            return
        with _written(self._folder, sheet) as (part, path), contextlib.suppress(FileExistsError):
            os.link(part, path)

    def change(self, audit: str, how: Callable[[Sheet], Sheet]) -> None:
        """Replace a sheet at one stroke by what `how` makes of it as it stands; nobody else changes one meanwhile.
        Raises UserMistake; then it stays as it is."""
        with self._alone():
            before = self.sheet(audit)
            after = how(before)
            if after == before:
                return
            if self._folder is None:
                self._known[audit] = None, after
                return
            with _written(self._folder, after) as (part, path):
                part.replace(path)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """No other thread, and no other process over the same folder; the lock ends with the process."""
        if self._folder is None:
            with self._lock:
                yield
            return
        with contextlib.ExitStack() as held:
            with _writing(self._folder):
                file = held.enter_context((self._folder / LOCK).open("w"))
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _at(path: Path) -> int:
    """When a file was written; 0 where it has gone meanwhile."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """The folder, made where it is missing. Raises UserMistake where the system refuses what is done in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise UserMistake("the folder {folder} cannot be written ({why})", folder=folder, why=error.strerror) from None


@contextlib.contextmanager
def _written(folder: Path, sheet: Sheet) -> Iterator[tuple[Path, Path]]:
    """The sheet in a file of its own, removed afterwards, and the name it should get. Raises UserMistake."""
    path = folder / f"{sheet.audit}.json"
    part = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
    with _writing(folder):
        try:
            with part.open("wb") as file:
                file.write(msgspec.json.encode(sheet))
                file.flush()
                os.fsync(file.fileno())
            yield part, path
        finally:
            part.unlink(missing_ok=True)
