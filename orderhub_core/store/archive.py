"""A backup on disk: a folder of files and a sealed manifest that says what they are. No database is opened here.

Backups gather in one folder, each in a sub-folder named by its instant. One is written beside its name and renamed
when every byte is on disk: a backup is there whole or not at all. It holds people's names, phones and addresses, so
that only its owner can read it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Literal

import msgspec

from orderhub_core.errors import UserMistake

Kind = Literal["sqlite", "postgres"]
Tell = Callable[[str, int, int], None]
"""Told of progress: what, how much of it is done, and of how much; 0 where that is not known."""

MANIFEST = "manifest.json"
FORMAT = 1
OURS = "orderhub-"
PART = ".part-"
ABANDONED_S = 86_400.0
"""An unfinished backup this old was left by a process that was killed."""
BLOCK = 1 << 20


class File(msgspec.Struct, frozen=True):
    bytes: int
    digest: str
    """BLAKE2b-256, hex."""


class Lane(msgspec.Struct, frozen=True):
    """The head of one chain of the log."""

    lane: int
    seq: int
    hash: str


class Manifest(msgspec.Struct, frozen=True):
    format: int
    kind: Kind
    instant: int
    """Microseconds UTC: everything that was committed before is in it."""
    revisions: dict[str, str]
    """Part to its schema's revision."""
    counts: dict[str, int]
    """Table to rows."""
    lanes: list[Lane]
    files: dict[str, File]
    """Path inside the backup to size and digest."""
    settings: list[str] = []
    """Those of the files that belong into the data folder as they are."""
    pepper: str = ""
    """What the pepper makes of a constant: tells whether another is in use. Empty when there was none."""
    columns: dict[str, list[str]] = {}
    sequences: dict[str, int] = {}
    made_by: str = version("orderhub")

    @property
    def size(self) -> int:
        return sum(file.bytes for file in self.files.values())


class _Format(msgspec.Struct):
    format: int


class _Sealed(msgspec.Struct):
    seal: str
    manifest: msgspec.Raw


def digest(path: Path, tell: Callable[[int], None] = lambda _: None) -> File:
    """Size and digest of a file that nobody has open as a database."""
    state, size = hashlib.blake2b(digest_size=32), 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            state.update(block)
            size += len(block)
            tell(size)
    return File(size, state.hexdigest())


def _seal(manifest: bytes) -> str:
    return hashlib.blake2b(manifest, digest_size=32).hexdigest()


def now() -> int:
    """Microseconds UTC."""
    return time.time_ns() // 1_000


def stamp(instant: int | None = None) -> str:
    """An instant (or now) as a name that sorts by time."""
    moment = now() if instant is None else instant
    return f"{datetime.fromtimestamp(moment / 1e6, UTC):%Y%m%dt%H%M%S_%f}"


@contextlib.contextmanager
def unfinished(folder: Path, prefix: str = PART) -> Iterator[Path]:
    """A new folder for its owner alone, gone at the end unless it was renamed. Raises UserMistake."""
    with _told(folder):
        folder.mkdir(0o700, parents=True, exist_ok=True)
        for old in folder.glob(f"{prefix}*"):
            if time.time() - old.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(old, ignore_errors=True)
        fresh = Path(tempfile.mkdtemp(prefix=prefix, dir=folder))
    try:
        with _told(folder):
            yield fresh
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserMistake(
            "cannot write to {folder} ({why}): mend that, or name another folder",
            folder=folder,
            why=error.strerror or error,
        ) from None


def finish(fresh: Path, manifest: Manifest) -> Path:
    """Write the manifest, make everything durable and private, and give the backup its name."""
    written = msgspec.json.encode(manifest)
    (fresh / MANIFEST).write_bytes(msgspec.json.encode(_Sealed(_seal(written), msgspec.Raw(written))))
    for path in (*fresh.rglob("*"), fresh):
        path.chmod(0o700 if path.is_dir() else 0o600)
        sync(path)
    named = fresh.with_name(OURS + stamp(manifest.instant))
    fresh.rename(named)
    sync(named.parent)
    return named


def sync(path: Path) -> None:
    """To the disk: a file, or what a folder names, where its file system can do that for folders."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP) or not path.is_dir():
            raise
    finally:
        os.close(handle)


def manifest(folder: Path) -> Manifest:
    """Raises UserMistake for what is no backup, is damaged, or was made by a newer version."""
    path = folder / MANIFEST
    try:
        sealed = msgspec.json.decode(path.read_bytes(), type=_Sealed)
        if sealed.seal != _seal(bytes(sealed.manifest)):
            raise msgspec.DecodeError("its seal is broken")
        if msgspec.json.decode(sealed.manifest, type=_Format).format > FORMAT:
            raise UserMistake("{folder} was made by a newer OrderHub: install that version to read it", folder=folder)
        found = msgspec.json.decode(sealed.manifest, type=Manifest)
    except (FileNotFoundError, NotADirectoryError):
        raise UserMistake(
            "{folder} is no backup: there is no {manifest} in it", folder=folder, manifest=MANIFEST
        ) from None
    except OSError as error:
        raise UserMistake("{path} cannot be read ({why})", path=path, why=error.strerror) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserMistake(
            "{path} is damaged or not ours ({error}): use another backup", path=path, error=error
        ) from None
    for name in found.files:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise UserMistake(
                "{path} names a file outside the backup ({name}): it is not ours, use another", path=path, name=name
            )
    return found


def verified(folder: Path, tell: Tell) -> Manifest:
    """The manifest of a backup whose every byte is as it was written. Raises UserMistake, naming the first bad file."""
    found = manifest(folder)
    for name, expected in found.files.items():
        try:
            size = (folder / name).stat().st_size
            if size != expected.bytes:
                raise UserMistake(
                    "{folder} is damaged: {size} bytes instead of {bytes}; use another backup",
                    folder=folder / name,
                    size=size,
                    bytes=expected.bytes,
                )
            if digest(folder / name, lambda done, name=name, size=size: tell(f"verify {name}", done, size)) != expected:  # type: ignore[misc]
                raise UserMistake(
                    "{folder} is damaged: its content was changed; use another backup", folder=folder / name
                )
        except OSError as error:
            raise UserMistake(
                "{folder} cannot be read ({why}): use another backup", folder=folder / name, why=error.strerror
            ) from None
    return found


def backups(folder: Path) -> list[Path]:
    """The backups that gather in a folder, oldest first. Those that bear a later date than now come before all: they
    were made while the clock was ahead, nobody knows when, and nobody is to take one for the newest."""
    now = OURS + stamp()
    found = [path for path in folder.glob(f"{OURS}*") if (path / MANIFEST).is_file()]
    return sorted(found, key=lambda path: (path.name <= now, path.name))


def newest(path: Path) -> Path:
    """The backup that a user means: the folder itself, or the newest of those that gather in it. Raises UserMistake."""
    if (path / MANIFEST).exists():
        return path
    if found := backups(path):
        return found[-1]
    raise UserMistake(
        "no backup in {path}: neither {manifest} nor a folder {ours}… that has one; `orderhub db backup` makes them",
        path=path,
        manifest=MANIFEST,
        ours=OURS,
    )


def rotate(written: Path, keep: int) -> list[Path]:
    """Remove all but the newest `keep` backups beside the one just written, which always stays."""
    others = [path for path in backups(written.parent) if path != written]
    old = others[: max(0, len(others) + 1 - keep)]
    for path in old:
        hidden = path.rename(path.with_name(f"{PART}{path.name}"))  # no reader meets half a backup
        shutil.rmtree(hidden)
    return old
