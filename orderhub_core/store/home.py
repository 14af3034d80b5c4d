"""Where a hub lives."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import NamedTuple

from orderhub_core.errors import Translate

SHEETS = "spot"
"""The folder of a hub's data in which the sheets of spot audits lie."""

SNAPSHOT = "snapshot"
"""That of its own snapshot. Boards begin their reading at it, and a restored hub counts its changes anew."""


class Home(NamedTuple):
    """`database` is empty for SQLite in `data`; settings and secrets live in `data` either way. `inbox` is the address
    of a JetStream cluster that takes messages in for that database, or empty."""

    data: Path
    database: str = ""
    inbox: str = ""

    def __str__(self) -> str:
        return self.told(str)

    def told(self, tr: Translate) -> str:
        """Where that is, in another language; no address, for a password may be in it."""
        return tr("the PostgreSQL database") if self.database else str(self.data)


ROOM_BYTES = 1_048_576
"""A disk with less than this left is taken for full."""


def is_full(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return shutil.disk_usage(folder).free < ROOM_BYTES
    return False
