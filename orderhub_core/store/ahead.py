"""What planning a batch asks of the hub, and of whoever commits the batch before it meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from orderhub_core.store.unit import Claim, Row, Writes


class Reads(Protocol):
    """What planning a batch may ask of the hub, with the promises of `Store`."""

    def order_rows(self, numbers: Iterable[str]) -> list[Row]: ...
    def line_rows(self, order_ids: Iterable[int]) -> list[Row]: ...
    def decided_rows(self, order_ids: Iterable[int]) -> list[Row]: ...
    def split_rows(self, order_ids: Iterable[int]) -> list[Row]: ...
    def purchase_rows(self, buyers: Iterable[str]) -> list[Row]: ...
    def pack_rows(self, order_ids: Iterable[int]) -> list[Row]: ...
    def counted(self) -> dict[str, int]: ...
    def resource_rows(self, subjects: Iterable[str], *, alone: bool = False) -> list[Row]: ...


class Ahead(Reads, Protocol):
    """Commits one batch while the next is planned: `first`, then time and again `begin`, `claim` and plan on what that
    will leave, `end`; at last, or when anything fails, `drop`."""

    def open(self) -> bool:
        """Whether anybody is there to commit. Asked before anything is planned for it."""
        ...

    def first(self, limit: int, now: int) -> Claim | None:
        """The messages to begin with. None where nothing waits that can be committed ahead. Raises as `Store.claim`."""
        ...

    def begin(self, claim: Claim, writes: Writes) -> None:
        """Hand a batch over. Raises nothing: what becomes of it, `end` tells."""
        ...

    def claim(self, limit: int, now: int) -> Claim | None:
        """The next messages, as if what was begun were committed. None where that cannot be known before it is.

        Of those of another lane than what was begun, all is in the store that they are based on.
        """
        ...

    def drop(self) -> None:
        """Give back what was claimed and not begun. What was begun goes on."""
        ...

    def end(self) -> None:
        """Wait until what was begun is committed. Raises as `Store.commit` does; asked again, it says the same."""
        ...

    def close(self) -> None:
        """What was begun is still committed."""
        ...
