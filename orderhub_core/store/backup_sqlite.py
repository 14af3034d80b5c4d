"""Copies of a hub in SQLite files: by SQLite's own backup, never by copying files that are in use.

Both files are read as of one moment each, the hub's first: whatever the hub refers to is in the inbox. Readers
of a WAL never wait and never make a writer wait; the log files grow while the copy lasts.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2 as sqlite

from orderhub_core.errors import Busy, Fault, Stop, UserMistake
from orderhub_core.store import archive, halves, homes
from orderhub_core.store import sqlite as sqlite_home
from orderhub_core.store.archive import Manifest, Tell
from orderhub_core.store.contents import Contents, contents
from orderhub_core.store.homes import Home

PARTS = ("hub", "inbox")
"""In the order in which they are read; they are put in place the other way round."""
PAGES_PER_STEP = 512


def dump(home: Home, folder: Path, tell: Tell) -> Manifest:
    """Copy both files as they are now; what is accepted and applied meanwhile is left out."""
    homes.open_store(home).close()  # raises StoreMissing where there is no hub
    try:
        with contextlib.ExitStack() as held:
            sources = {part: held.enter_context(_as_of_now(home, part)) for part in PARTS}
            instant = archive.now()
            for part, source in sources.items():
                _copy(part, source, sqlite_home.file_of(folder, part), tell)
    except sqlite.DatabaseError as error:
        raise _failure(error, home) from error
    found = read(folder, heads=not homes.outdated(home))
    return Manifest(
        archive.FORMAT, "sqlite", instant, _revisions(folder), found.counts, found.lanes,
        {f"{part}.db": archive.digest(sqlite_home.file_of(folder, part)) for part in PARTS},
    )  # fmt: skip


@contextlib.contextmanager
def _as_of_now(home: Home, part: str) -> Iterator[Any]:
    connection = sqlite_home.connect(sqlite_home.file_of(home.data, part), writer=False)
    try:
        # While its transaction is open the connection sees one moment, and the copy never starts anew.
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        yield connection
    finally:
        connection.close()


def _copy(part: str, source: Any, path: Path, tell: Tell) -> None:
    target = sqlite.connect(str(path), isolation_level=None)
    try:
        # Nobody sees the copy before it is whole, and it is synced then.
        target.execute("PRAGMA journal_mode = OFF")
        target.execute("PRAGMA synchronous = OFF")
        source.backup(
            target,
            pages=PAGES_PER_STEP,
            progress=lambda _, remaining, total: tell(f"copy {part}.db", total - remaining, total),
        )
    finally:
        target.close()


def _failure(error: Exception, home: Home) -> Exception:
    text = str(error)
    if "full" in text:
        return UserMistake("the disk for the backup is full: make room, or name another folder")
    if "locked" in text or "busy" in text:
        return Busy("the hub in {home} is busy ({text}): try again in a moment", home=home, text=text)
    return Stop("the hub in {home} cannot be copied ({text}): run `orderhub db check`", home=home, text=text)


@contextlib.contextmanager
def _frozen(folder: Path, part: str) -> Iterator[Any]:
    """A copy that nobody writes: reading leaves no file beside it."""
    path = sqlite_home.file_of(folder, part).absolute()
    connection = sqlite.connect(f"{path.as_uri()}?immutable=1", uri=True, isolation_level=None)
    try:
        yield connection
    except sqlite.DatabaseError as error:
        raise UserMistake("{path} is damaged ({error}): use another backup", path=path, error=error) from error
    finally:
        connection.close()


def read(folder: Path, *, heads: bool) -> Contents:
    """What a copy holds. The heads of the log are only understood where the schema is this version's."""

    def ask(part: str, sql: str) -> list[Any]:
        with _frozen(folder, part) as connection:
            rows: list[Any] = connection.execute(sql).fetchall()
            return rows

    listed = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*'"
    return contents(ask, {part: [row[0] for row in ask(part, listed)] for part in PARTS}, heads=heads)


def _revisions(folder: Path) -> dict[str, str]:
    found = {}
    for part in PARTS:
        with _frozen(folder, part) as connection:
            found[part] = connection.execute(f"SELECT version_num FROM alembic_version_{part}").fetchone()[0]
    return found


def open_backup(folder: Path, manifest: Manifest, tell: Tell) -> list[Fault]:
    """Open a backup where it lies. What is wrong with it, in sentences."""
    wrong = []
    for part in PARTS:
        tell(f"check {part}.db", 0, 0)
        with _frozen(folder, part) as connection:
            told = [row[0] for row in connection.execute("PRAGMA integrity_check(3)").fetchall()]
        wrong += [Fault("{file}: {why}", file=f"{part}.db", why=line) for line in told if line != "ok"]
    found = read(folder, heads=bool(manifest.lanes))
    if found.counts != manifest.counts or found.lanes != manifest.lanes:
        wrong.append(Fault("its tables do not hold what its manifest says"))
    return wrong


@contextlib.contextmanager
def staged(folder: Path, manifest: Manifest, home: Home, tell: Tell) -> Iterator[Home]:
    """The backup as a hub of this version in a scratch folder beside where it will live, gone at the end."""
    with archive.unfinished(home.data, ".restoring-") as scratch:
        for part in PARTS:
            tell(f"restore {part}.db", 0, manifest.files[f"{part}.db"].bytes)
            (scratch / f"{part}.db").touch(mode=0o600)  # its owner's alone, as a new one is
            shutil.copyfile(folder / f"{part}.db", scratch / f"{part}.db")
        fresh = Home(scratch)
        homes.init(fresh)
        yield fresh


def occupied(home: Home) -> list[str]:
    """The files of a hub that is there already."""
    return [path.name for part in PARTS for path in sorted(home.data.glob(f"{part}.db*"))]


def place(fresh: Home, home: Home, stamp: str) -> str:
    """Let the staged hub live here. An old one goes into a folder, whose name is returned.

    Nobody opens what is there meanwhile, or what is left of it if this is killed: a hub database without its inbox
    would take new messages for applied ones, an inbox without its hub would have everything done again.
    """
    aside = home.data / f"aside-{stamp}"
    old = occupied(home)
    if old:
        check_unused(home)
    with halves.restoring(home.data):
        archive.sync(home.data)
        if old:
            aside.mkdir(mode=0o700)
        for name in old:
            if (home.data / name).exists():
                (home.data / name).rename(aside / name)
        for part in reversed(PARTS):
            path = sqlite_home.file_of(fresh.data, part)
            archive.sync(path)
            path.rename(sqlite_home.file_of(home.data, part))
            archive.sync(home.data)
    return str(aside) if old else ""


def check_unused(home: Home) -> None:
    """Raises UserMistake when another process uses the hub; else its files are whole without their logs."""
    for part in PARTS:
        path = sqlite_home.file_of(home.data, part)
        if not path.exists():
            continue
        connection = sqlite.connect(str(path), isolation_level=None, timeout=1.0)
        try:
            connection.execute("PRAGMA journal_mode = DELETE").fetchone()
        except sqlite.OperationalError:
            raise UserMistake("the hub in {home} is in use: stop its server and workers first", home=home) from None
        except sqlite.DatabaseError:
            continue  # damaged: that is why it is replaced
        finally:
            connection.close()
