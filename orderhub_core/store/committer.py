"""A second process that writes: while it commits one batch into `hub.db`, its parent plans the next.

The batch goes over with its statements and rows as they are, and entries of the log that are still to be sealed; the
answer is where the log ends then, or why it is not committed. What the
child was given whole is committed or not, and it goes. Whatever becomes of either, the lane's version decides: a batch
is committed on the state that it was planned for, or not at all.

    python -m orderhub_core.store.committer FILE      the child
"""

from __future__ import annotations

from orderhub_core import runtime  # isort: skip

import contextlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from orderhub_core.errors import Busy, OrderHubError, Stop, StoreMissing
from orderhub_core.store import lanes, pipes, sqlite, statements
from orderhub_core.store.lanes import Overtaken
from orderhub_core.store.statements import Batch
from orderhub_core.store.unit import Claim, Row, Writes

STUCK_S = 60.0
"""Without a word of a batch: a process that was stopped, or waits for a disk that does not come back, is done with. It
waits for another writer of the file for 5 s, and a commit takes some 50 ms."""


class Committer:
    """`ahead.Ahead` of a SQLite hub. The process starts with the first batch."""

    def __init__(self, store: sqlite.SqliteStore) -> None:
        self._store = store
        self._child: pipes.Child | None = None
        self._flying: tuple[Claim, Writes] | None = None
        self._log_hash = b""
        """Where the log ended with the batch that was committed here last."""
        self._failed: Exception | None = None

    def open(self) -> bool:
        if self._child is None:
            with contextlib.suppress(OSError):  # no process, memory or pipe to be had
                self._child = pipes.start(__name__, str(sqlite.file_of(self._store.folder, "hub")))
        return self._child is not None

    def first(self, limit: int, now: int) -> Claim | None:
        """What comes again is absorbed alone: it is not found by the watermark."""
        claim = self._store.claim(limit, now)
        return None if claim is None or claim.queued else claim

    def begin(self, claim: Claim, writes: Writes) -> None:
        self._flying, self._failed = None, None
        if not self.open() or (child := self._child) is None:
            self._failed = _gone()
            return
        try:
            if not isinstance(claim.state, bytes):  # planned on what has been committed since
                claim = claim._replace(state=self._log_hash)
            ends, log = (lanes.end_of(claim, writes), writes.turn), (claim.lane, claim.lanes, writes.entries)
            order = pipes.encode((ends, log, list(statements.batches(writes))))
        except Exception as bug:  # noqa: BLE001 — nothing was handed over; `absorb` finds the message that does this
            self._failed = bug
            return
        self._flying = claim, writes
        try:
            pipes.send(child, order, STUCK_S)
        except OSError:
            self._lost(child)

    def claim(self, limit: int, now: int) -> Claim | None:
        if self._flying is None:
            return None
        claim, writes = self._flying
        return self._store.claim_after(claim, writes, limit, now)

    def drop(self) -> None:
        """Nothing: a claim holds nobody up here."""

    def order_rows(self, numbers: Iterable[str]) -> list[Row]:
        """As `Store.order_rows`. Who plans ahead remembers all orders of the numbers that are being written, and asks
        for others only."""
        return self._store.order_rows(numbers)

    def line_rows(self, order_ids: Iterable[int]) -> list[Row]:
        """As `Store.line_rows`, once the batch is written: it may hold some of them. Raises as `end`."""
        self.end()
        return self._store.line_rows(order_ids)

    def decided_rows(self, order_ids: Iterable[int]) -> list[Row]:
        """As `Store.decided_rows`, once the batch is written, as `line_rows`."""
        self.end()
        return self._store.decided_rows(order_ids)

    def split_rows(self, order_ids: Iterable[int]) -> list[Row]:
        """As `Store.split_rows`, once the batch is written, as `line_rows`."""
        self.end()
        return self._store.split_rows(order_ids)

    def purchase_rows(self, buyers: Iterable[str]) -> list[Row]:
        """As `Store.purchase_rows`, once the batch is written, as `line_rows`."""
        self.end()
        return self._store.purchase_rows(buyers)

    def pack_rows(self, order_ids: Iterable[int]) -> list[Row]:
        """As `Store.pack_rows`, once the batch is written, as `line_rows`."""
        self.end()
        return self._store.pack_rows(order_ids)

    def counted(self) -> dict[str, int]:
        return self._store.counted()

    def resource_rows(self, subjects: Iterable[str], *, alone: bool = False) -> list[Row]:
        """As `Store.resource_rows`, once the batch is written: it may take of them. Raises as `end`."""
        self.end()
        return self._store.resource_rows(subjects, alone=alone)

    def end(self) -> None:
        if self._flying is not None and self._failed is None and self._child is not None:
            answer = None
            with contextlib.suppress(TimeoutError):
                answer = pipes.answered(self._child, STUCK_S)
            if answer is None:
                self._lost(self._child)
            elif failed := answer.get("failed"):
                self._failed = _FAILURES.get(failed[0], RuntimeError)(failed[1])
            else:
                self._log_hash = self._flying[1].log_hash = answer["log_hash"]
            self._flying = None
        if self._failed is not None:
            raise self._failed

    def close(self) -> None:
        if (child := self._child) is not None:
            self._child = self._flying = self._failed = None
            child.end()

    def _lost(self, child: pipes.Child) -> None:
        child.kill()
        self._child, self._flying, self._failed = None, None, _gone()


def _gone() -> Busy:
    return Busy("the writing process has gone away; whatever it had not committed is planned again")


_FAILURES = {kind.__name__: kind for kind in (Overtaken, Busy, Stop, StoreMissing)}


def _write(
    store: sqlite.SqliteStore,
    ends: tuple[Row, Row | None],
    log: tuple[int, int, Sequence[Row]],
    batches: Iterable[Batch],
) -> bytes:
    """The end of the log then."""
    with store.transaction("hub") as cursor:
        seal, end = lanes.sealed(*log, sqlite.advance(cursor, *ends))
        for sql, rows, *_ in (*batches, *seal):
            cursor.executemany(sql, rows)
    return end.hash


def main(file: Path) -> None:
    runtime.check()
    answers = pipes.stay_until_told()
    store = sqlite.SqliteStore(file.parent)
    while (order := pipes.receive(sys.stdin.buffer)) is not None:
        answer: dict[str, object]
        try:
            answer = {"log_hash": _write(store, *order)}
        except OrderHubError as failure:
            answer = {"failed": (type(failure).__name__, str(failure))}
        except Exception as bug:  # noqa: BLE001 — its text may hold a person's data
            answer = {"failed": ("", type(bug).__name__)}
        pipes.answer(answers, pipes.encode(answer))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
