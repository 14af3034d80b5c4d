"""The frames of one hub, as its last commit left them: read by increments, from the snapshot on, and written as one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl
import structlog

from orderhub_core.errors import StoreMissing, UserMistake
from orderhub_core.frames import empty
from orderhub_core.store import frames, snapshot
from orderhub_core.store.base import Store
from orderhub_core.store.progress import NOTHING, Progress

log = structlog.get_logger()


class KnownFrames:
    """Safe to use from several threads. `folder` is where the hub's own snapshot lies, if there is one.

    Built upon is only what is as it was written: what is wrong in one snapshot would be wrong in all that follow.
    """

    def __init__(self, store: Store, folder: Path) -> None:
        self._store, self._folder = store, folder
        self._lock = threading.Lock()
        self._frames: dict[str, tuple[Progress, pl.DataFrame]] = {}

    def frame(self, name: str) -> pl.DataFrame:
        """A frame of `frames.SCHEMAS` as of the last commit, shared by all sessions of the process."""
        with self._lock:
            return self._frame(name, self._store.progress())

    def _frame(self, name: str, progress: Progress) -> pl.DataFrame:
        """The frame as of `progress`; rows that were changed since may be in it as they are now, events may not."""
        since, known = self._frames.get(name) or self._begun(name, progress)
        if since != progress:
            known = frames.refreshed(self._store, name, known.lazy(), since, progress).collect()
        self._frames[name] = (progress, known)
        return known

    def _begun(self, name: str, progress: Progress) -> tuple[Progress, pl.DataFrame]:
        """Where reading begins: the snapshot, if it is ours and whole."""
        if (written := self._from_snapshot(progress)) is not None:
            try:
                with snapshot.readable(self._folder):
                    return _end(written), snapshot.scan(self._folder, name, written).collect()
            except StoreMissing as why:
                self._left_alone(why)
        return NOTHING, empty(name)

    def _left_alone(self, why: Exception) -> None:
        """Swept or damaged meanwhile, or of an earlier version: the database has it all."""
        log.warning("the snapshot is not built upon: all is read from the database", reason=str(why))

    def _from_snapshot(self, progress: Progress) -> snapshot.Meta | None:
        """Where reading may begin. What another hub left in our folder is no beginning, nor what keeps no digests."""
        try:
            meta = snapshot.meta(self._folder)
        except snapshot.Damaged as why:
            self._left_alone(why)
            return None
        except StoreMissing:
            return None
        return meta if meta.files and is_ours(self._store, meta, progress) else None

    def write(self, folder: Path, clock: Callable[[], int]) -> Path:
        """Write all frames as they are now, for boards and audits elsewhere. Raises UserMistake as `snapshot.write`.

        Frames that somebody keeps are brought up to date for all; others are read piece by piece, and not kept.
        """
        with self._lock:
            progress = self._store.progress()
            kept = {name: self._frame(name, progress) for name in self._frames}
        written = self._from_snapshot(progress)
        try:
            self._write(folder, progress, kept, written, clock)
        except (UserMistake, StoreMissing) as why:
            if written is None:
                raise
            # It may be the one before that cannot be read.
            self._left_alone(why)
            self._write(folder, progress, kept, None, clock)
        return folder

    def _write(
        self,
        folder: Path,
        progress: Progress,
        kept: Mapping[str, pl.DataFrame],
        written: snapshot.Meta | None,
        clock: Callable[[], int],
    ) -> None:
        def frame(name: str) -> pl.LazyFrame:
            if name in kept:
                return kept[name].lazy()
            if written is None:
                return frames.refreshed(self._store, name, empty(name).lazy(), NOTHING, progress)
            known = snapshot.scan(self._folder, name, written)
            return frames.refreshed(self._store, name, known, _end(written), progress)

        snapshot.write_each(
            folder, frame, snapshot.Meta(clock(), progress.upto, progress.log, origin=self._store.origin())
        )


def is_ours(store: Store, meta: snapshot.Meta, progress: Progress) -> bool:
    """Whether a snapshot tells an earlier moment of this hub. The log's chain tells hubs apart; before its first entry
    all hubs look alike, and there is little to read. A hub from a backup has the chain of the one that was backed up,
    and may know its rows by other stamps: what one has told is no beginning for the other."""
    if meta.origin and meta.origin != store.origin():
        return False
    behind = all(then.seq <= now.seq for then, now in zip(meta.log, progress.log, strict=False))
    if len(meta.log) != len(progress.log) or not behind or meta.upto > progress.upto:
        return False
    last = max(meta.log)
    rows = store.query("hub", "SELECT hash FROM log WHERE seq = ?", (last.seq,))
    return bool(rows) and bytes(rows[0][0]) == last.hash


def _end(written: snapshot.Meta) -> Progress:
    """How far a snapshot goes."""
    return Progress(0, written.upto, 0, written.log)
