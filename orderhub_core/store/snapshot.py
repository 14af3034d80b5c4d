"""Frames on disk: what boards and audits read, so that they never wait for the database or make it wait.

A snapshot is a folder with `snapshot.json`, which says as of which log entry and instant it stands and names the
sub-folder that holds one Parquet file per frame of `frames.SCHEMAS`. Each writing makes a sub-folder of its own, and
then replaces `snapshot.json` at one stroke: readers see the old snapshot or the new one, however many write.
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
from orderhub_core.store import chain

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
            _fill(fresh, frame)
            replaced = _named(folder)
            (fresh / META).write_bytes(msgspec.json.encode(msgspec.structs.replace(meta, folder=fresh.name)))
            (fresh / META).replace(folder / META)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
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


def _fill(fresh: Path, frame: Callable[[str], pl.LazyFrame]) -> None:
    fresh.chmod(0o755)  # a fresh temporary folder is its owner's alone; a board may run as somebody else
    for name, schema in SCHEMAS.items():
        os.utime(fresh)
        whole = frame(name).select(schema.names()).cast(schema)
        whole.sink_parquet(fresh / f"{name}.parquet", compression="zstd", compression_level=1)


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
    try:
        return msgspec.json.decode((folder / META).read_bytes(), type=Meta)
    except (FileNotFoundError, NotADirectoryError):
        text = "no snapshot in {folder}: write one with `orderhub db snapshot` or `orderhub demo --orders N --out DIR`"
        raise StoreMissing(text, folder=folder) from None
    except (OSError, UnicodeDecodeError, msgspec.DecodeError):
        text = "{path} is damaged or cannot be read: write the snapshot anew with `orderhub db snapshot`"
        raise StoreMissing(text, path=folder / META) from None


def scan(folder: Path, name: str, known: Meta | None = None) -> pl.LazyFrame:
    """A frame of the snapshot as it is now, or of the one that `known` describes.

    Raises StoreMissing for a snapshot of an earlier version, which lacks columns.
    """
    found = pl.scan_parquet(folder / (known or meta(folder)).folder / f"{name}.parquet")
    if missing := [column for column in SCHEMAS[name] if column not in found.collect_schema()]:
        raise StoreMissing(
            f"the snapshot in {folder} was written by an earlier version: its {name} have no {', '.join(missing)};"
            " write it anew with `orderhub db snapshot`"
        )
    return found


def rows(folder: Path, known: Meta) -> dict[str, int]:
    """Of each frame, as its file says. Raises StoreMissing for files that are missing, cut off or too old."""
    with readable(folder):
        return {name: scan(folder, name, known).select(pl.len()).collect().item() for name in SCHEMAS}


@contextlib.contextmanager
def readable(folder: Path) -> Iterator[None]:
    """What is read inside raises StoreMissing for files that are missing or damaged."""
    try:
        yield
    except (OSError, pl.exceptions.PolarsError):
        raise StoreMissing(f"the snapshot in {folder} is damaged: write it anew with `orderhub db snapshot`") from None
