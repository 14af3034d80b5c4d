"""One reviewer at one audit."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from typing import Any, Protocol

import polars as pl

from orderhub_core.audit.spot.book import Book, Key, Turn
from orderhub_core.audit.spot.sheet import Sheet, Spec
from orderhub_core.errors import OrderHubError
from orderhub_core.i18n import Translate

PATIENCE_S = 0.05
"""For the disk, before another card is shown: it mostly has answered by then, and a refusal is seen on its card. A disk
that is slower, under a flash sale, keeps no reviewer waiting."""
LAST_S = 5.0
"""For the disk after the last card: what is proved is told once all is written."""


class Desk(Protocol):
    """Who takes judgements: see `flows.spot.Desk`."""

    def judge(
        self, sheet: Sheet, key: Key, *, consistent: bool, reviewer: str, note: str, withdrawn: bool
    ) -> Future[Any] | None: ...

    def reviews(self, audit: str) -> pl.DataFrame: ...


class Opener(Protocol):
    """Who draws and reads: see `flows.spot.Desk`."""

    def open(self, spec: Spec, /) -> Any: ...


def begin(
    desk: Opener, asked: Spec, started: Callable[[Any], None], refused: Callable[[str], None], tr: Translate
) -> None:
    """Draw, and begin to read; else it is told why not."""
    try:
        started(desk.open(asked))
    except OrderHubError as error:
        refused(error.told(tr))


class Seat:
    """One reviewer at one audit: the next card, judging it, and taking the last judgement back.

    `reviewer` is a name; `turned` is called when another card is to be shown, `ended` when
    the last one was judged and all of it is written, or the result is asked for.
    """

    def __init__(
        self, desk: Desk, book: Book, reviewer: str, turned: Callable[[], None], ended: Callable[[], None]
    ) -> None:
        self._desk, self._reviewer, self._turned, self._ended = desk, reviewer, turned, ended
        self.book = book
        self.troubles: list[tuple[str, Exception]] = []
        """The orders of which something was not taken since the last key, and why."""
        self._writing: dict[Future[Any], tuple[Key, str]] = {}
        """What is on its way to the disk, in turn: of which card, and with which note."""
        self._notes: dict[Key, str] = {}
        """Of judgements that were not taken: each comes back with its card."""
        self.note = ""
        """What is written for the judgement that comes next."""
        self.reviews = desk.reviews(book.sheet.audit)
        """What all reviewers have said, as of the last turn."""
        self._shown = next(iter(self.waiting()), None)
        self._over = self._shown is None

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
        return Turn(self.book, self.reviews, self.waiting(), self.last(), self.troubles, self._reviewer, peek)

    def judge(self, consistent: bool) -> None:
        """The card that waits; without a name nothing happens."""
        if self._reviewer and (waiting := self.waiting()):
            patience_s = PATIENCE_S if len(waiting) > 1 else LAST_S
            self._say(waiting[0], consistent=consistent, note=self.note, patience_s=patience_s)
        self._turned()

    def undo(self) -> None:
        if (row := self.last()) is not None:
            key = row["shop"], row["order_no"]
            self._say(key, consistent=row["consistent"], withdrawn=True, patience_s=PATIENCE_S)
        self._turned()

    def end(self) -> None:
        """The result so far is asked for."""
        self._ended()
        self._turned()

    def settle(self) -> int:
        """Hear what has become of that which was not written at once: how much is still on its way. A card that comes
        back is shown."""
        if self._writing:
            lost = self._hear(0)
            if lost or not self._writing:
                self._look()
            if lost:
                self._turned()
        return len(self._writing)

    def _say(
        self, key: Key, *, consistent: bool, patience_s: float, note: str = "", withdrawn: bool = False
    ) -> None:  # fmt: skip
        self.troubles = []
        try:
            written = self._desk.judge(
                self.book.sheet, key, consistent=consistent, reviewer=self._reviewer, note=note, withdrawn=withdrawn
            )
        except OrderHubError as error:
            self._lost(key, note, error)
        else:
            self.note = self.note if withdrawn else ""
            if written is not None:
                self._writing[written] = key, note
        self._hear(patience_s)
        self._look()

    def _hear(self, patience_s: float) -> bool:
        """Whether anything was not taken, of what is written or was lost by now."""
        done, before = wait_for(self._writing, patience_s).done, len(self.troubles)
        for written in [one for one in self._writing if one in done]:
            (key, note), error = self._writing.pop(written), written.exception()
            if isinstance(error, Exception):
                self._lost(key, note, error)
        return len(self.troubles) > before

    def _lost(self, key: Key, note: str, error: Exception) -> None:
        self.troubles.append((key[1], error))
        if note:
            self._notes[key] = note

    def _look(self) -> None:
        """Bring up to date what is shown; each note stays with its card."""
        self.reviews = self._desk.reviews(self.book.sheet.audit)
        shown = next(iter(self.waiting()), None)
        if shown != self._shown and self._shown is not None and self.note:
            self._notes[self._shown], self.note = self.note, ""
        self._shown = shown
        if shown is not None:
            self.note = self._notes.pop(shown, self.note)
        elif not self._over and not self._writing:
            self._ended()
        self._over = shown is None and not self._writing
