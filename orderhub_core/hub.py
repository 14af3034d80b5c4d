"""The composition root and façade: what the command line and the notebooks call.

A notebook shows; it never knows how. What it reads or does is one call on a `Hub`.
"""

from __future__ import annotations

import os
import threading
from functools import lru_cache
from pathlib import Path

import polars as pl

from orderhub_core.store import snapshot


class SnapshotHub:
    """A hub of frames only: boards over a Parquet snapshot, no database, nothing to write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._frames: dict[tuple[str, int], pl.DataFrame] = {}

    def as_of(self) -> int:
        return snapshot.meta(self.folder).as_of

    def frame(self, name: str) -> pl.DataFrame:
        """A frame of `frames.SCHEMAS`, shared by all sessions of the process; read again when the snapshot changed."""
        stamp = (self.folder / snapshot.META).stat().st_mtime_ns
        with self._lock:
            if (name, stamp) not in self._frames:
                self._frames = {key: frame for key, frame in self._frames.items() if key[1] == stamp}
                self._frames[name, stamp] = snapshot.scan(self.folder, name).collect()
            return self._frames[name, stamp]


@lru_cache
def connect() -> SnapshotHub:
    """The hub of this process, found through the environment (the command line sets it)."""
    return SnapshotHub(Path(os.environ["ORDERHUB_SNAPSHOT"]))
