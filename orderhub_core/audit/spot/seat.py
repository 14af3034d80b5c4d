"""One reviewer at one audit."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from typing import Any, Protocol

import polars as pl

from orderhub_core.audit.spot.book import Book, Key, Turn
from orderhub_core.audit.spot.sheet import Sheet
from orderhub_core.errors import OrderHubError

PATIENCE_S = 0.05
"""For the disk, before another card is shown: it mostly has answered by then, and a refusal is seen on its card. A disk
that is slower, under a flash sale, keeps no reviewer waiting."""


class Desk(Protocol):
    """Who takes judgements: see `flows.spot.Desk`."""

    def judge(
        self, sheet: Sheet, key: Key, *, consistent: bool, reviewer: str, note: str, withdrawn: bool
    ) -> Future[Any] | None: ...

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
        self.trouble: tuple[str, Exception] | None = None
        """The order whose judgement was not taken, and why."""
        self._writing: dict[Future[Any], tuple[str, str]] = {}
        """Judgements on their way to the disk: the order and the note of each."""
        self.note = ""
        """What was written for the judgement that comes next; where one was not taken it is back."""
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
        writing = len(self._writing)
        return Turn(self.book, self.reviews, self.waiting(), self.last(), self.trouble, writing, self._reviewer, peek)

    def judge(self, consistent: bool) -> None:
        """The card that waits; without a name nothing happens. The last one waits for all to be on disk."""
        if self._reviewer and (waiting := self.waiting()):
            patience_s = PATIENCE_S if len(waiting) > 1 else None
            self._say(waiting[0], consistent=consistent, note=self.note, patience_s=patience_s)
            if not self.waiting():
                self._ended()
        self._turned()

    def undo(self) -> None:
        if (row := self.last()) is not None:
            self._say((row["shop"], row["order_no"]), consistent=row["consistent"], withdrawn=True)
        self._turned()

    def _say(
        self, key: Key, *, consistent: bool, note: str = "", withdrawn: bool = False,
        patience_s: float | None = PATIENCE_S,
    ) -> None:  # fmt: skip
        audit = self.book.sheet
        self.trouble = None
        try:
            written = self._desk.judge(
                audit, key, consistent=consistent, reviewer=self._reviewer, note=note, withdrawn=withdrawn
            )
        except OrderHubError as error:
            self.trouble = key[1], error
        else:
            self.note = ""
            if written is not None:
                self._writing[written] = key[1], note
        self._settle(patience_s)
        self.reviews = self._desk.reviews(audit.audit)

    def _settle(self, patience_s: float | None) -> None:
        """Hear of what was written by now, or could not be: such an order waits again."""
        for written in wait_for(self._writing, patience_s).done:
            (order_no, note), error = self._writing.pop(written), written.exception()
            if isinstance(error, Exception):
                self.trouble, self.note = (order_no, error), self.note or note
