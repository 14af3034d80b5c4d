"""Backing up, restoring and rehearsing a hub, whichever home it has.

What belongs together goes together: both parts of the store, the settings, the rulebook, the sheets of spot audits and
the key of the pseudonyms. The key gives a thief of the backup nothing that is not in it already, and without it no
phone is found after a restore. Secrets of outside systems are never in a backup.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from orderhub_core import pseudonym, settings
from orderhub_core.errors import Fault, StoreMissing, UserMistake
from orderhub_core.store import archive, backup_postgres, backup_sqlite, checks, homes, keys, schema
from orderhub_core.store.archive import Kind, Manifest, Tell
from orderhub_core.store.contents import contents
from orderhub_core.store.findings import Finding
from orderhub_core.store.home import SHEETS, SNAPSHOT
from orderhub_core.store.homes import Home
from orderhub_core.store.tables import PARTS


class Medium(Protocol):
    """How one kind of home is copied."""

    def dump(self, home: Home, folder: Path, tell: Tell) -> Manifest: ...
    def open_backup(self, folder: Path, manifest: Manifest, tell: Tell) -> list[Fault]: ...
    def staged(self, folder: Path, manifest: Manifest, home: Home, tell: Tell) -> AbstractContextManager[Home]: ...
    def occupied(self, home: Home) -> list[str]: ...
    def check_unused(self, home: Home) -> None: ...
    def place(self, fresh: Home, home: Home, stamp: str) -> str: ...


MEDIA: dict[Kind, Medium] = {"sqlite": backup_sqlite, "postgres": backup_postgres}


class Written(NamedTuple):
    folder: Path
    manifest: Manifest
    removed: list[Path]


class Restored(NamedTuple):
    manifest: Manifest
    aside: list[str]
    """Where what was there before is kept."""
    key: UserMistake | None
    """Why nothing can be done in this hub yet: the key of its pseudonyms is another, or is missing."""


class Rehearsal(NamedTuple):
    """Seconds."""

    backup: Path
    manifest: Manifest
    restore_s: float
    """How long a restore would keep the hub away: the time to recover."""
    check_s: float
    age_s: float
    """How old what comes back would be: the point to recover to."""
    findings: list[Finding]


def _silent(*_: object) -> None:
    pass


def kind_of(home: Home) -> Kind:
    return "postgres" if home.database else "sqlite"


def backup(
    home: Home, into: Path, *, keep: int = 0, tell: Tell = _silent, env: Mapping[str, str] = os.environ
) -> Written:
    """Write a backup into a folder of backups while the hub goes on; with `keep`, remove all but the newest.

    Raises UserMistake for a folder that cannot be written, StoreMissing, Busy, Unreachable; then there is no backup.
    """
    with archive.unfinished(into) as fresh:
        found = MEDIA[kind_of(home)].dump(home, fresh, tell)
        names = _beside(home.data)
        for name in names:
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(home.data / name, fresh / name)
            (fresh / name).chmod(0o600)
        files = found.files | {name: archive.digest(fresh / name) for name in names}
        found = msgspec.structs.replace(found, files=files, settings=names, pepper=_key_of(home, env))
        folder = archive.finish(fresh, found)
    return Written(folder, found, archive.rotate(folder, keep) if keep else [])


def _beside(data: Path) -> list[str]:
    """Settings, rulebook and key, where they are and lie in the data folder, and the sheets of spot audits: people's
    work, for without its sheet no audit can be opened again."""
    names = [settings.FILE_NAME, pseudonym.FILE_NAME]
    if rulebook := settings.load(data).rulebook:
        path = Path(os.path.normpath(rulebook))
        if not path.is_absolute() and ".." not in path.parts:
            names.append(path.as_posix())
    names += sorted(path.relative_to(data).as_posix() for path in (data / SHEETS).glob("*.json"))
    return [name for name in names if (data / name).is_file()]


def _key_of(home: Home, env: Mapping[str, str]) -> str:
    """The fingerprint of the key that the hub uses, or would; empty where there is none."""
    # The schema of a version before this one has no place for it.
    with contextlib.suppress(StoreMissing), contextlib.closing(homes.open_store(home._replace(inbox=""))) as store:
        if known := keys.fingerprint(store):
            return known
    return pseudonym.load(home.data, env).fingerprint if pseudonym.is_there(home.data, env) else ""


def verify(path: Path, *, tell: Tell = _silent) -> tuple[Path, Manifest, list[Fault]]:
    """Open a backup without restoring it: where, what, and what is wrong with it. Raises UserMistake as `restore`."""
    folder = archive.newest(path)
    found = _readable(folder, tell)
    return folder, found, MEDIA[found.kind].open_backup(folder, found, tell)


def _readable(folder: Path, tell: Tell) -> Manifest:
    found = archive.verified(folder, tell)
    if not schema.knows(found.revisions):
        raise UserMistake("{folder} was made by a newer OrderHub: install that version to read it", folder=folder)
    return found


def _fitting(folder: Path, home: Home, tell: Tell) -> Manifest:
    found = archive.manifest(folder)
    if found.kind != kind_of(home):
        how = "name a database with --database" if found.kind == "postgres" else "leave --database out"
        raise UserMistake(
            "{folder} is a backup of a hub in {names}: {how}", folder=folder, names=NAMES[found.kind], how=how
        )
    return _readable(folder, tell)


NAMES: dict[Kind, str] = {"sqlite": "SQLite files", "postgres": "PostgreSQL"}


def restore(
    path: Path, home: Home, *, force: bool = False, tell: Tell = _silent, env: Mapping[str, str] = os.environ
) -> Restored:
    """Make the hub of a backup live here. With `force` one that is there is put aside, never removed.

    Raises UserMistake when the backup is damaged or does not fit, or the place is taken; then nothing was touched.
    """
    folder = archive.newest(path)
    found = _fitting(folder, home, tell)
    if env.get("ORDERHUB_PEPPER") and found.pepper and found.pepper != pseudonym.load(home.data, env).fingerprint:
        raise UserMistake(
            "ORDERHUB_PEPPER is not the key that {folder} was made with: set that one, or no buyer is known again",
            folder=folder,
        )
    medium, stamp = MEDIA[found.kind], archive.stamp()
    changed = [name for name in found.settings if _differs(home.data / name, folder / name)]
    if (taken := [*medium.occupied(home), *changed]) and not force:
        raise UserMistake(
            "{home} is not empty ({taken}{more}): restore into an empty place, or stop the hub and add --force,"
            " which keeps what is there aside",
            home=home,
            taken=tuple(taken[:4]),
            more=", …" if taken[4:] else "",
        )
    medium.check_unused(home)
    with medium.staged(folder, found, home, tell) as fresh:
        aside = [_put_back(folder, name, home.data, stamp) for name in found.settings]
        aside.append(_away(home.data / SNAPSHOT, stamp))
        aside.append(medium.place(fresh, home, stamp))
    with contextlib.closing(homes.open_store(home._replace(inbox=""))) as store:
        if found.pepper:  # of a version before this one, the hub does not know it itself
            keys.adopt(store, found.pepper)
        wrong = keys.doubt(store, home.data, env)
    return Restored(found, sorted({name for name in aside if name}), wrong)


def _differs(path: Path, other: Path) -> bool:
    return path.exists() and path.read_bytes() != other.read_bytes()


def _away(path: Path, stamp: str) -> str:
    """Put what is there aside. Returns where it is kept."""
    if not path.exists():
        return ""
    kept = path.with_name(f"{path.name}.aside-{stamp}")
    path.rename(kept)
    return str(kept)


def _put_back(folder: Path, name: str, data: Path, stamp: str) -> str:
    """A file to its place, at one stroke, as old as it was. Returns where a different one that was there is kept."""
    path, aside = data / name, ""
    if _differs(path, folder / name):
        aside = _away(path, stamp)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{stamp}")
    with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write((folder / name).read_bytes())
        file.flush()
        os.fsync(file.fileno())
    shutil.copystat(folder / name, fresh)
    fresh.chmod(0o600)
    fresh.replace(path)
    return aside


def rehearse(path: Path, home: Home, *, tell: Tell = _silent) -> Rehearsal:
    """Restore the newest backup into a scratch place, check it there, and remove it again. The hub is not touched."""
    folder = archive.newest(path)
    began = time.monotonic()
    found = _fitting(folder, home, tell)
    with MEDIA[found.kind].staged(folder, found, home, tell) as fresh:
        restored = time.monotonic()
        wrong = [*_unlike(fresh, found), *checks.findings(fresh, tell=tell)]
        checked = time.monotonic()
    age_s = max(0.0, (archive.now() - found.instant) / 1e6)
    return Rehearsal(folder, found, restored - began, checked - restored, age_s, wrong)


def _unlike(fresh: Home, found: Manifest) -> list[Finding]:
    """Where the restored hub does not hold what the manifest says. Tables that a newer schema changed are left out."""
    store = homes.open_store(fresh)
    try:
        tables = {part: [name for name in metadata.tables if name in found.counts] for part, metadata in PARTS.items()}
        now = contents(lambda part, sql: store.query(part, sql), tables)
    finally:
        store.close()
    text = "{table}: {now} rows restored, {then} were backed up"
    wrong = [
        Fault(text, table=table, now=now.counts[table], then=found.counts[table])
        for table in now.counts
        if now.counts[table] != found.counts[table]
    ]
    if found.lanes and now.lanes != found.lanes:
        wrong.append(Fault("the log's head is not the one that was backed up"))
    mend = Fault("use another backup, and look at the disk")
    return [Finding("backup", fault, mend) for fault in wrong]
