"""Two files are one hub: neither is begun anew beside the other, which would take new messages for applied ones, or
have everything done a second time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from pysqlite3 import dbapi2 as sqlite

from orderhub_core.errors import Stop, StoreMissing

RESTORING = "restoring"
"""A file beside the databases, while a restore puts them in place."""
HOLDS = {"inbox": "SELECT 1 FROM inbox LIMIT 1", "hub": "SELECT 1 FROM lanes WHERE version > 0 LIMIT 1"}
"""Whether a file holds anything yet: one that `db init` has begun does not."""


def refuse_what_is_not_whole(files: Mapping[str, Path]) -> None:
    """Of the files of a hub, by part. Raises StoreMissing where there is no hub yet, and Stop where some of one is."""
    folder = next(iter(files.values())).parent
    if (folder / RESTORING).exists():
        raise Stop(
            "a restore of the hub in {folder} was cut off: run `orderhub db restore BACKUP --force` again. What"
            " was there before lies in its folders aside-*",
            folder=folder,
        )
    there = [part for part, file in files.items() if _is_there(file)]
    if len(there) == len(files):
        return
    for part in there:
        if _holds(part, files[part]):
            missing = next(file.name for part, file in files.items() if part not in there)
            raise Stop(
                "of the hub in {folder} {there} is there and {missing} is not: restore a backup, which has both."
                " To begin anew, move {there} away",
                folder=folder,
                there=files[part].name,
                missing=missing,
            )
    raise StoreMissing("no hub in {folder}: `orderhub db init --data {folder}` makes one", folder=folder)


def _is_there(file: Path) -> bool:
    """An empty file is none, unless all of it still stands in its log."""
    log = file.with_name(f"{file.name}-wal")
    return any(one.exists() and one.stat().st_size for one in (file, log))


def _holds(part: str, file: Path) -> bool:
    # Not read-only: what a power cut has left half written is mended by whoever opens it first.
    with contextlib.closing(sqlite.connect(str(file))) as connection:
        try:
            return bool(connection.execute(HOLDS[part]).fetchall())
        except sqlite.DatabaseError as error:
            return "no such table" not in str(error)


@contextlib.contextmanager
def restoring(folder: Path) -> Iterator[None]:
    """While the files of another hub are put in place, whoever is killed leaves a note of it."""
    note = folder / RESTORING
    note.touch(mode=0o600)
    yield
    note.unlink()
