"""The packing floor of a hub, or of a snapshot of one, as it is now."""

from __future__ import annotations

from typing import Protocol

import polars as pl

from orderhub_core.packing import floor
from orderhub_core.packing.floor import LEFT, Known
from orderhub_core.store import ledger
from orderhub_core.store.base import Store


class Frames(Protocol):
    def frame(self, name: str) -> pl.DataFrame: ...
    def as_of(self) -> int: ...


def known(hub: Frames, store: Store | None) -> Known:
    """The orders on its floor. Without a `store`, as in a snapshot, nobody knows what lies there."""
    rows = [] if store is None else [(one.place, one.subject, one.balance) for one in ledger.left(store, "stock")]
    left = pl.DataFrame(rows, schema=LEFT, orient="row")
    return floor.known(hub.frame("orders"), hub.frame("lines"), left, hub.as_of())
