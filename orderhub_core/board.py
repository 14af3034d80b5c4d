"""A hub of frames only, for boards that are deployed without its database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING, cast

import polars as pl

from orderhub_core import settings
from orderhub_core.flows import ledgers, packing, retelling
from orderhub_core.memory import Answer, Memory, once
from orderhub_core.packing.floor import Known
from orderhub_core.store import snapshot
from orderhub_core.store.base import Store

if TYPE_CHECKING:
    from orderhub_core.audit.consistency.audited import Audited
    from orderhub_core.flows.lab import Lab, Place
    from orderhub_core.flows.spot import Desk


class Alike:
    """What a hub and a snapshot of one have alike."""

    store: Store | None = None
    """A snapshot has none."""

    @once
    def lab(self) -> Lab:
        """Where drafts of the rulebook are tried on past orders. A snapshot keeps and publishes none."""
        from orderhub_core.flows.lab import Lab  # only its app and its commands need it

        return Lab(cast("Place", self))

    def story(self, number: str) -> retelling.Story:
        """Of an order, by its number or its parcel's. Raises StoreMissing and Later, as frames do."""
        return retelling.story(cast("Place", self), self.store, number)


class SnapshotHub(Alike):
    """A hub of frames only: boards over a Parquet snapshot, no database, nothing to write."""

    writable = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        snapshot.meta(folder)
        self.settings = settings.load(folder)
        """What an `orderhub.toml` beside the snapshot says: weights, targets, the time zone."""
        self._lock = threading.Lock()
        self._frames: dict[tuple[str, int], pl.DataFrame] = {}
        self._memory = Memory()

    @once
    def spot(self) -> Desk:
        """Spot audits over the copy: looked at, judged, and forgotten when the process ends."""
        from orderhub_core.flows.spot import Desk  # SciPy, 60 MB, which no server and no worker needs

        return Desk(self.frame, self.as_of, self.settings)

    def audited(self, at: int | None = None) -> Audited:
        """All orders audited, as the snapshot stands or as the hub knew them at `at`. Raises UserMistake as
        `flows.audited.whole`."""
        from orderhub_core.flows import audited  # as above

        return self.remembered(("audited", at), lambda: audited.whole(self, at))

    def floor(self, now: int | None = None) -> Known:
        """As a hub's; what lies in the warehouses is in no snapshot."""
        return packing.known(self, None, now)

    def off_the_floor(self, name: str) -> list[packing.Off]:
        """As `packing.off`; what is held is in no snapshot."""
        return packing.off(self, None, name)

    def remembered(self, question: Hashable, compute: Callable[[], Answer]) -> Answer:
        """The answer to a question about the frames, computed once per snapshot and process."""
        return self._memory(question, snapshot.stamp(self.folder), compute)

    def as_of(self) -> int:
        """The instant at which the snapshot stands, microseconds UTC."""
        return snapshot.meta(self.folder).as_of

    def ledgers(self) -> ledgers.Gathered:
        """As a hub's: from the folder `reconcile` in the snapshot, else from its frames."""
        chosen = ledgers.lying(self.folder)
        return self.remembered(("ledgers", chosen.stamp()), lambda: ledgers.gather(chosen, self.frame))

    def scan(self, name: str) -> pl.LazyFrame:
        """A frame to filter before it is read. Raises StoreMissing for a file that is missing or damaged."""
        return snapshot.scan(self.folder, name)

    def frame(self, name: str) -> pl.DataFrame:
        """A frame of `frames.SCHEMAS`, shared by all sessions of the process; read again when the snapshot changed.
        Raises StoreMissing as `scan`."""
        stamp = snapshot.stamp(self.folder)
        with self._lock:
            if (name, stamp) not in self._frames:
                self._frames = {key: frame for key, frame in self._frames.items() if key[1] == stamp}
                with snapshot.readable(self.folder):
                    self._frames[name, stamp] = self.scan(name).collect()
            return self._frames[name, stamp]
