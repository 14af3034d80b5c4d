"""One reviewer at one audit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import polars as pl

from orderhub_core.audit.spot.book import Book, Key, Turn
from orderhub_core.audit.spot.sheet import Sheet
from orderhub_core.errors import OrderHubError


class Desk(Protocol):
    """Who takes judgements: see `flows.spot.Desk`."""

    def judge(self, sheet: Sheet, key: Key, *, consistent: bool, reviewer: str, note: str, withdrawn: bool) -> None: ...

    def reviews(self, audit: str) -> pl.DataFrame: ...


class Seat:
    """One reviewer at one audit: the next card, judging it, and taking the last judgement back.

    `reviewer` is a name; `turned` is called when another card is to be shown, `ended` when
    the last one was judged.
    """

    def __init__(
        self, desk: Desk, book: Book, reviewer: str, turned: Callable[[], None], ended: Callable[[], None]
    ) -> None:
        self._desk, self._reviewer, self._turned, self._ended = desk, reviewer, turned, ended
        self.book = book
        self.trouble: OrderHubError | None = None
        self.note = ""
        """What was written for the judgement that comes next: kept where one was not taken."""
        self.reviews = desk.reviews(book.sheet.audit)
        """What all reviewers have said, as of the last turn."""

    def write(self, note: str) -> None:
        """The note for the judgement that comes next."""
        self.note = note.strip()

    def waiting(self) -> list[Key]:
        return self.book.waiting(self.reviews, self._reviewer)

    def last(self) -> dict[str, Any] | None:
        """This reviewer's latest judgement that holds."""
        own = self.reviews.filter(pl.col("reviewer") == self._reviewer).tail(1).to_dicts()
        return own[0] if own and self._reviewer else None

    def now(self, peek: bool) -> Turn:
        """What is to be shown."""
        return Turn(self.book, self.reviews, self.waiting(), self.last(), self.trouble, self._reviewer, peek)

    def judge(self, consistent: bool) -> None:
        """The card that waits; without a name nothing happens."""
        if self._reviewer and (waiting := self.waiting()):
            self._say(waiting[0], consistent=consistent, note=self.note)
            if len(waiting) == 1 and self.trouble is None:
                self._ended()
        self._turned()

    def undo(self) -> None:
        if (row := self.last()) is not None:
            self._say((row["shop"], row["order_no"]), consistent=row["consistent"], withdrawn=True)
        self._turned()

    def _say(self, key: Key, *, consistent: bool, note: str = "", withdrawn: bool = False) -> None:
        audit = self.book.sheet
        try:
            self._desk.judge(audit, key, consistent=consistent, reviewer=self._reviewer, note=note, withdrawn=withdrawn)
        except OrderHubError as error:
            self.trouble = error
            return
        self.trouble, self.note = None, ""
        self.reviews = self._desk.reviews(audit.audit)
