"""Frames on disk: what boards and audits read, so that they never wait for the database or make it wait.

A snapshot is a folder with one Parquet file per frame of `frames.SCHEMAS` and `snapshot.json`, which says as
of which log entry and instant it stands. It is replaced as a whole: readers see the old one or the new one.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec
import polars as pl

from orderhub_core.errors import StoreMissing
from orderhub_core.frames import SCHEMAS

META = "snapshot.json"


class Meta(msgspec.Struct, frozen=True):
    as_of: int
    """Microseconds UTC."""
    seq: int
    """The last log entry that is in it; 0 for a world that never had a log."""
    version: int = 0
    """The last commit of the hub that is in it."""


def write(folder: Path, frames: Mapping[str, pl.DataFrame], meta: Meta) -> None:
    """Write all frames beside the old snapshot, then swap. Missing frames are written empty."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    for name, schema in SCHEMAS.items():
        frame = frames.get(name)
        (pl.DataFrame(schema=schema) if frame is None else frame.select(schema.names()).cast(schema)).write_parquet(
            fresh / f"{name}.parquet", compression="zstd", compression_level=1
        )
    (fresh / META).write_bytes(msgspec.json.encode(meta))
    old = folder.with_name(f".{folder.name}-old-{os.getpid()}")
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def meta(folder: Path) -> Meta:
    """Raises StoreMissing when there is no snapshot."""
    try:
        return msgspec.json.decode((folder / META).read_bytes(), type=Meta)
    except FileNotFoundError:
        raise StoreMissing(
            f"no snapshot in {folder}: write one with `orderhub db snapshot` or `orderhub demo --orders N --out DIR`"
        ) from None


def scan(folder: Path, name: str) -> pl.LazyFrame:
    return pl.scan_parquet(folder / f"{name}.parquet")
