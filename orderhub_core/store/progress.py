"""How far a hub has come: for whoever reads again only what has changed since."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from orderhub_core.store import chain


class Progress(NamedTuple):
    """How far the hub has come, as of one instant."""

    commits: int
    """Grows with every commit."""
    upto: int
    """Every row whose `changed_version` is not above this is there to be read."""
    orders: int
    log: tuple[chain.Head, ...]
    """The ends of the log's chains, by lane."""

    @property
    def log_entries(self) -> int:
        return sum((head.seq - start.seq) // len(self.log) for head, start in self.log_growth())

    def log_growth(self) -> Iterator[tuple[chain.Head, chain.Head]]:
        """Each lane's end of the log, and where it began."""
        return zip(self.log, chain.starts(len(self.log)), strict=True)


NOTHING = Progress(0, -1, 0, ())
"""Of a hub that nobody has read anything of."""
