"""Frames on disk: what boards and audits read, so that they never wait for the database or make it wait.

A snapshot is a folder with `snapshot.json`, which says as of which log entry and instant it stands and names the
sub-folder that holds one Parquet file per frame of `frames.SCHEMAS`. Each writing makes a sub-folder of its own, and
then replaces `snapshot.json` at one stroke: readers see the old snapshot or the new one, however many write, and so do
those who come after a power cut. It keeps size and digest of every file, and a file is read only if it agrees: Parquet
does not tell of itself when a block within it is lost.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec
import polars as pl

from orderhub_core.errors import StoreMissing, UserMistake
from orderhub_core.frames import SCHEMAS
from orderhub_core.store import archive, chain

META = "snapshot.json"
OURS = "frames-"
"""How the sub-folders' names begin. Nothing else in the folder is ever removed."""
GRACE_S = 600.0
"""A sub-folder that nobody names stays so long: somebody may still be reading it, or writing one frame of it."""


class Meta(msgspec.Struct, frozen=True):
    as_of: int
    """Microseconds UTC."""
    upto: int = -1
    """Every commit up to this one is in it."""
    log: tuple[chain.Head, ...] = ()
    """The last log entry of each lane that is in it: whose snapshot it is. Empty for a world that never had a log."""
    folder: str = ""
    """The sub-folder that holds the frames."""
    origin: str = ""
    """As of `Store.origin`. Empty where it says nothing, or where an earlier version wrote it."""
    files: dict[str, archive.File] = {}
    """Size and digest of every frame's file. Empty where an earlier version wrote it: it is read, but nobody knows
    whether it is as it was written, and nothing is built upon it."""


class Damaged(StoreMissing):
    """What lies there is not what was written."""


def write(folder: Path, frames: Mapping[str, pl.DataFrame], meta: Meta) -> None:
    """Write all frames, then let `snapshot.json` name them. Missing frames are written empty.

    Raises UserMistake for a folder that holds something else, or cannot be written; then it is as it was.
    """
    write_each(folder, lambda name: frames.get(name, pl.DataFrame(schema=SCHEMAS[name])).lazy(), meta)


def write_each(folder: Path, frame: Callable[[str], pl.LazyFrame], meta: Meta) -> None:
    """The same one frame after the other, none in memory longer than it takes to write it. Each may read the snapshot
    that is replaced.

    Raises UserMistake for a folder that holds something else, or cannot be written; then it is as it was.
    """
    claim(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=OURS, dir=folder))
        try:
            files = _fill(fresh, frame)
            replaced = _named(folder)
            named = msgspec.structs.replace(meta, folder=fresh.name, files=files)
            (fresh / META).write_bytes(msgspec.json.encode(named))
            # Whoever reads the name after a power cut is to find all that it names.
            for path in (fresh / META, fresh, folder):
                archive.sync(path)
            (fresh / META).replace(folder / META)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        archive.sync(folder)
        _sweep(folder, replaced)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UserMistake(
            "cannot write a snapshot to {folder} ({error}): mend that, or name another with --out",
            folder=folder,
            error=getattr(error, "strerror", None) or str(error).splitlines()[0],
        ) from None


def claim(folder: Path) -> None:
    """Raises UserMistake unless a snapshot may be written there: what else the folder holds is not ours to touch."""
    try:
        free = not folder.exists() or (folder / META).exists()
        free = free or all(entry.name.startswith(OURS) for entry in folder.iterdir())
    except OSError as error:
        raise UserMistake(
            "{folder} cannot be used ({why}): name another folder with --out", folder=folder, why=error.strerror
        ) from None
    if not free:
        raise UserMistake(
            "{folder} holds something that is not a snapshot: name a new or empty folder with --out", folder=folder
        )


def _fill(fresh: Path, frame: Callable[[str], pl.LazyFrame]) -> dict[str, archive.File]:
    """Every frame on disk, and what was written."""
    fresh.chmod(0o755)  # a fresh temporary folder is its owner's alone; a board may run as somebody else
    files = {}
    for name, schema in SCHEMAS.items():
        os.utime(fresh)
        whole = frame(name).select(schema.names()).cast(schema)
        path = fresh / f"{name}.parquet"
        whole.sink_parquet(path, compression="zstd", compression_level=1)
        archive.sync(path)
        files[name] = archive.digest(path)
    return files


def _named(folder: Path) -> str:
    try:
        return meta(folder).folder
    except StoreMissing:
        return ""


def _sweep(folder: Path, replaced: str) -> None:
    """Remove what nobody can be reading any more: replaced, or left half-written by a process that was killed."""
    current, now = _named(folder), time.time()
    for old in folder.glob(f"{OURS}*"):
        with contextlib.suppress(FileNotFoundError):  # another writer sweeps, too
            if old.name == replaced:
                os.utime(old)
            elif old.name != current and now - old.stat().st_mtime > GRACE_S:
                shutil.rmtree(old, ignore_errors=True)


def meta(folder: Path) -> Meta:
    """Raises StoreMissing when there is no snapshot, or none that can be read."""
    with _named_in(folder) as path:
        return msgspec.json.decode(path.read_bytes(), type=Meta)


def stamp(folder: Path) -> int:
    """Another one once the snapshot is another. Raises StoreMissing as `meta`."""
    with _named_in(folder) as path:
        return path.stat().st_mtime_ns


@contextlib.contextmanager
def _named_in(folder: Path) -> Iterator[Path]:
    """Where the snapshot is described: what is read inside raises as `meta`."""
    try:
        yield folder / META
    except (FileNotFoundError, NotADirectoryError):
        text = "no snapshot in {folder}: write one with `orderhub db snapshot` or `orderhub demo --orders N --out DIR`"
        raise StoreMissing(text, folder=folder) from None
    except (OSError, UnicodeDecodeError, msgspec.DecodeError):
        text = "{path} is damaged or cannot be read: write the snapshot anew with `orderhub db snapshot`"
        raise Damaged(text, path=folder / META) from None


def file(folder: Path, name: str, known: Meta | None = None) -> Path:
    """Where a frame of the snapshot lies, as it is now or as `known` describes it.

    Raises Damaged for a file that is missing or is not as it was written, and StoreMissing for a snapshot of an earlier
    version, which lacks columns.
    """
    written = known or meta(folder)
    path = folder / written.folder / f"{name}.parquet"
    if name in written.files and not _is_whole(path, written.files[name]):
        raise _damaged(path, folder)
    with readable(folder):
        columns = pl.scan_parquet(path).collect_schema()
    if missing := [column for column in SCHEMAS[name] if column not in columns]:
        raise StoreMissing(
            "the snapshot in {folder} was written by an earlier version: its {name} have no {columns}; write it"
            " anew with `orderhub db snapshot`",
            folder=folder,
            name=name,
            columns=tuple(missing),
        )
    return path


def damaged(folder: Path, known: Meta) -> list[Path]:
    """The files that are missing, or are not as they were written."""
    paths = {folder / known.folder / f"{name}.parquet": file for name, file in known.files.items()}
    return [path for path, file in paths.items() if not _is_whole(path, file)]


def _is_whole(path: Path, written: archive.File) -> bool:
    try:
        return archive.digest(path) == written
    except OSError:
        return False


def scan(folder: Path, name: str, known: Meta | None = None) -> pl.LazyFrame:
    """A frame of the snapshot, as `file`."""
    found = pl.scan_parquet(file(folder, name, known))
    # An earlier version may have had fewer words for a state: they are among ours.
    return found.cast({column: kind for column, kind in SCHEMAS[name].items() if isinstance(kind, pl.Enum)})


@contextlib.contextmanager
def readable(folder: Path) -> Iterator[None]:
    """What is read inside raises Damaged for files that are missing or damaged."""
    try:
        yield
    except (OSError, pl.exceptions.PolarsError):
        raise _damaged(folder, folder) from None


def _damaged(path: Path, folder: Path) -> Damaged:
    text = "{path} is damaged: write the snapshot anew with `orderhub db snapshot --out {folder}`, or copy it again"
    return Damaged(text, path=path, folder=folder)
