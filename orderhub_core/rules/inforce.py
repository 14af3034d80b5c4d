"""Which rulebook speaks on an order: the active one, or one that is being tried on a share of the orders."""

from __future__ import annotations

from collections.abc import Collection
from hashlib import blake2b
from typing import NamedTuple, Protocol

from orderhub_core.rules.tree import Rulebook

WHOLE = 10_000
"""Shares are parts of this many orders."""


class Choice(Protocol):
    """The books of one moment."""

    @property
    def speaks(self) -> bool:
        """Whether there is any rule at all."""
        ...

    @property
    def every(self) -> Collection[Rulebook]:
        """Those that speak on any order, and the shadow."""
        ...

    @property
    def shadow(self) -> Rulebook | None:
        """One that decides beside the others, and nothing is done of it."""
        ...

    def of(self, shop: str, order_no: str) -> Rulebook: ...


class InForce(NamedTuple):
    active: Rulebook
    candidate: Rulebook | None = None
    share: int = 0
    """Of WHOLE orders those on which the candidate speaks instead. Where it is 0, it is a shadow."""

    @property
    def speaks(self) -> bool:
        return any(book.every_group for book in self.every)

    @property
    def every(self) -> Collection[Rulebook]:
        return (self.active,) if self.candidate is None else (self.active, self.candidate)

    @property
    def shadow(self) -> Rulebook | None:
        shadowed = self.candidate is not None and self.candidate.version != self.active.version and not self.share
        return self.candidate if shadowed else None

    def of(self, shop: str, order_no: str) -> Rulebook:
        """Depends on the order and the candidate's version alone, so that a larger share keeps the orders of a smaller
        one, and a replay finds the same."""
        if self.candidate is None or drawn(self.candidate.version, shop, order_no) >= self.share:
            return self.active
        return self.candidate


def drawn(version: str, shop: str, order_no: str) -> int:
    """A number below WHOLE, as good as drawn for each order and version."""
    digest = blake2b(f"{version}\0{shop}\0{order_no}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % WHOLE
