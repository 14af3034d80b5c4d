"""A second process that writes: while it commits one batch into `hub.db`, its parent plans the next.

The batch goes over as MessagePack, its statements and rows as they are; the answer is that it is committed, or why not.
The parent's death is the end of the child's input: what it was given whole is committed or not, and it goes. Whatever
becomes of either, the lane's version decides: a batch is committed on the state that it was planned for, or not at all.

    python -m orderhub_core.store.committer FILE      the child
"""

from __future__ import annotations

from orderhub_core import runtime  # isort: skip

import contextlib
import fcntl
import signal
import struct
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import msgspec

from orderhub_core.errors import Busy, OrderHubError, Stop, StoreMissing
from orderhub_core.store import sqlite, statements
from orderhub_core.store.base import Overtaken, advance
from orderhub_core.store.statements import Batch
from orderhub_core.store.unit import Claim, Row, Writes

_encode, _decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder().decode
LENGTH = struct.Struct("<I")
PIPE_BYTES = 1 << 20
"""A batch is handed over in a few writes, while the child still waits for the disk."""
END_S = 10.0
"""A child that has nothing to do ends at once; one in a commit, after it."""


class _Child(NamedTuple):
    process: subprocess.Popen[bytes]
    orders: IO[bytes]
    answers: IO[bytes]


class Committer:
    """`ahead.Ahead` of a SQLite hub. The process starts with the first batch."""

    def __init__(self, store: sqlite.SqliteStore) -> None:
        self._store = store
        self._child: _Child | None = None
        self._flying: tuple[Claim, Writes] | None = None
        self._failed: Exception | None = None

    def open(self) -> bool:
        if self._child is None:
            with contextlib.suppress(OSError):  # no process, memory or pipe to be had
                self._child = _start(sqlite.file_of(self._store.folder, "hub"))
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
            order = _encode((statements.ends_of(claim, writes), list(statements.batches(writes))))
        except Exception as bug:  # noqa: BLE001 — nothing was handed over; `absorb` finds the message that does this
            self._failed = bug
            return
        self._flying = claim, writes
        try:
            _send(child.orders, order)
        except OSError:
            self._lost(child)

    def claim(self, limit: int, now: int) -> Claim | None:
        if self._flying is None:
            return None
        claim, writes = self._flying
        return self._store.claim_after(claim, writes, limit, now)

    def drop(self) -> None:
        """Nothing: a claim holds nobody up here."""

    def order_rows(self, keys: Iterable[tuple[str, str]]) -> list[Row]:
        """As `Store.order_rows`. Who plans ahead remembers the orders of the batch that is being written, and asks for
        others only."""
        return self._store.order_rows(keys)

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

    def resource_rows(self, subjects: Iterable[str]) -> list[Row]:
        """As `Store.resource_rows`, once the batch is written: it may take of them. Raises as `end`."""
        self.end()
        return self._store.resource_rows(subjects)

    def end(self) -> None:
        if self._flying is not None and self._failed is None and self._child is not None:
            answer = _receive(self._child.answers)
            if answer is None:
                self._lost(self._child)
            elif answer:
                kind, text = answer
                self._failed = _FAILURES.get(kind, RuntimeError)(text)
            self._flying = None
        if self._failed is not None:
            raise self._failed

    def close(self) -> None:
        if (child := self._child) is None:
            return
        self._child = self._flying = self._failed = None
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):  # it ends by itself, its input is closed
            child.process.communicate(timeout=END_S)

    def _lost(self, child: _Child) -> None:
        child.process.kill()
        child.process.communicate()
        self._child, self._flying, self._failed = None, None, _gone()


def _gone() -> Busy:
    return Busy("the writing process has gone away; whatever it had not committed is planned again")


_FAILURES = {kind.__name__: kind for kind in (Overtaken, Busy, Stop, StoreMissing)}


def _start(file: Path) -> _Child:
    """Raises OSError."""
    # -P: what lies in the folder where the worker was started is nobody's code.
    command = [sys.executable, "-P", "-m", __name__, str(file)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 (our own)
    orders, answers = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
    with contextlib.suppress(OSError):  # a machine may allow less: then a batch takes a few more writes
        fcntl.fcntl(orders, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return _Child(process, orders, answers)


def _send(stream: IO[bytes], data: bytes) -> None:
    stream.write(LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def _receive(stream: IO[bytes]) -> Any:
    """None at the end, also when it comes in the middle of something."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    data = stream.read(length)
    return _decode(data) if len(data) == length else None


def _write(store: sqlite.SqliteStore, ends: Iterable[tuple[str, Row]], batches: Iterable[Batch]) -> None:
    with store.transaction("hub") as cursor:
        advance(cursor, ends)
        for sql, rows, *_ in batches:
            cursor.executemany(sql, rows)


def main(file: Path) -> None:
    runtime.check()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # they are meant for the parent, who ends this by its silence
    store = sqlite.SqliteStore(file.parent)
    while (order := _receive(sys.stdin.buffer)) is not None:
        answer: tuple[str, ...] = ()
        try:
            _write(store, *order)
        except OrderHubError as failure:
            answer = (type(failure).__name__, str(failure))
        except Exception as bug:  # noqa: BLE001 — its text may hold a person's data
            answer = ("", type(bug).__name__)
        _send(sys.stdout.buffer, _encode(answer))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
