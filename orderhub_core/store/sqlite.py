"""One machine: two SQLite files with a writer each. `inbox.db` is append-only, `hub.db` holds the orders.

Both run in WAL mode with `synchronous=FULL`: what was acknowledged is on disk. Several processes may write;
each transaction starts with BEGIN IMMEDIATE, and a commit compares the hub's version with the one it was
based on. The SQLite library is `pysqlite3`'s, never the system's (see `runtime`).
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from pysqlite3 import dbapi2 as sqlite

from orderhub_core.errors import Busy, Stop, StoreMissing
from orderhub_core.model import RawMessage
from orderhub_core.store import chain, halves, lanes, statements
from orderhub_core.store.base import DUE, FURTHEST, LATER, LOOK_LATER, MESSAGE, Store
from orderhub_core.store.home import is_full
from orderhub_core.store.progress import Progress
from orderhub_core.store.unit import Claim, Message, Receipt, Row, Writes, digest_of

PAGE_BYTES = {"inbox": 16_384, "hub": 8_192}
"""A 2 KB message wastes half of a 4 KB page; see benchmarks."""
CACHE_KIB = {"inbox": 16_384, "hub": 65_536}
"""Of a writer. The inbox only grows at its end: what was written is not looked at again."""
CHECKPOINT_PAGES = {"inbox": 1_000, "hub": 4_000}
"""Written to the log before they are copied from it. Senders wait meanwhile, some 10 ms for each thousand: seldom and
long, or often and briefly. Of the hub's pages most are written time and again, and copied once."""

COMMON = (
    "PRAGMA busy_timeout = 5000",
    "PRAGMA foreign_keys = ON",
    "PRAGMA mmap_size = 0",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA trusted_schema = OFF",
)
WRITER = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA secure_delete = FAST",  # of a row that moves no copy stays behind, see `expiry.drop`
)
READER = ("PRAGMA query_only = ON", "PRAGMA wal_autocheckpoint = 0")

CLOSING_S = 2.0

PATIENCE_S, LOOK_EVERY_S = 5.0, 0.0005
"""For another writer of the file."""

TOGETHER = (512, 256, 128, *range(64, 0, -1))
"""Messages inserted by one statement: not any number, for each is a statement to be kept."""
KEPT_STATEMENTS = 256
"""Compiled, of a connection."""
INSERTS = {
    count: "INSERT INTO inbox (source, message_id, kind, received_at, digest, body) VALUES "
    + ", ".join(["(?, ?, ?, ?, ?, ?)"] * count)
    for count in TOGETHER
}


class _Lane(NamedTuple):
    """The only one: whoever writes the hub's file has it to itself."""

    version: int
    applied_upto: int
    next_order_id: int
    log_seq: int
    log_hash: bytes

    @property
    def base(self) -> tuple[int, int, bytes]:
        return self.version, self.next_order_id, self.log_hash


def file_of(folder: Path, part: str) -> Path:
    return folder / f"{part}.db"


def connect(path: Path, *, page_bytes: int | None = None, writer: bool) -> Any:
    """A connection with the house's settings. The page size counts only while the file is new. A new file is its
    owner's alone, and so are its logs: it holds names and addresses."""
    if writer and not path.exists():
        with contextlib.suppress(OSError):  # SQLite will say what is wrong
            path.touch(mode=0o600)
    connection = sqlite.connect(
        str(path), isolation_level=None, check_same_thread=False, cached_statements=KEPT_STATEMENTS
    )
    pragmas = (*COMMON, *((f"PRAGMA page_size = {page_bytes}",) if page_bytes else ()), *(WRITER if writer else READER))
    if writer:
        pragmas += (
            f"PRAGMA cache_size = -{CACHE_KIB[path.stem]}",
            f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES[path.stem]}",
        )
    for pragma in pragmas:
        connection.execute(pragma)
    return connection


class SqliteStore(Store):
    lanes = 1

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        halves.refuse_what_is_not_whole({part: file_of(folder, part) for part in PAGE_BYTES})
        self._writers: dict[str, Any] = {}
        self._locks = {part: threading.RLock() for part in PAGE_BYTES}
        self._local = threading.local()
        self._fits = False  # not known yet, see `_see_that_it_fits`

    def sql(self, text: str) -> str:
        return text

    def among(self, column: str) -> str:
        return f"{column} IN (SELECT value FROM json_each(?))"

    def listed(self, values: Iterable[Any]) -> str:
        return msgspec.json.encode(list(values)).decode()

    def query(self, part: str, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        with _translated(self.folder, part):
            rows: list[Row] = self._reader(part).execute(sql, parameters).fetchall()
            return rows

    def pieces(self, part: str, sql: str, parameters: Sequence[Any], size: int) -> Iterator[list[Row]]:
        with _translated(self.folder, part):
            cursor = self._reader(part).execute(sql, parameters)
            while rows := cursor.fetchmany(size):
                yield rows

    @contextlib.contextmanager
    def transaction(self, part: str) -> Iterator[Any]:
        with self._locks[part], _translated(self.folder, part):
            connection = self._writer(part)
            self._begin(connection)
            try:
                yield connection.cursor()
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _begin(self, connection: Any) -> None:
        """SQLite itself would look again after ever longer pauses, while others write in between them."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > until:
                    raise
            time.sleep(LOOK_EVERY_S)

    def accept(self, messages: Sequence[RawMessage], received_at: int) -> list[Receipt]:
        self._see_that_it_fits()
        rows = [(m.source, m.message_id, m.kind, received_at, digest_of(m.body), m.body) for m in messages]
        if not self._insert_at_once(rows):
            with self.transaction("inbox") as cursor:
                before = cursor.connection.total_changes
                _insert_messages(cursor, rows)
                inserted = cursor.connection.total_changes - before
                if inserted < len(rows):
                    return self._receipts(cursor, rows, received_at, inserted=inserted)
        return ["new"] * len(rows)

    def _insert_at_once(self, rows: list[Row]) -> bool:
        """One statement is a transaction of its own, at half the calls: each hands the interpreter over, and a busy
        server takes its time to give it back. False, and nothing written, where a message is there already."""
        if len(rows) not in INSERTS:
            return False
        with self._locks["inbox"], _translated(self.folder, "inbox"), contextlib.suppress(sqlite.IntegrityError):
            self._writer("inbox").execute(INSERTS[len(rows)], list(itertools.chain.from_iterable(rows)))
            return True
        return False

    def _receipts(self, cursor: Any, rows: list[Row], received_at: int, *, inserted: int) -> list[Receipt]:
        """Tell new from repeated from contradicting. The last `inserted` ids are this transaction's own."""
        first_new = cursor.execute("SELECT coalesce(max(id), 0) FROM inbox").fetchone()[0] - inserted + 1
        receipts: list[Receipt] = []
        claimed: set[tuple[str, str]] = set()
        for source, message_id, _, _, digest, body in rows:
            known_id, known = cursor.execute(
                "SELECT id, digest FROM inbox WHERE source = ? AND message_id = ?", (source, message_id)
            ).fetchone()
            if known != digest:
                cursor.execute(statements.RECORD_CONFLICT, (source, message_id, digest, received_at, body))
                receipts.append("conflict")
            elif known_id >= first_new and (source, message_id) not in claimed:
                claimed.add((source, message_id))
                receipts.append("new")
            else:
                receipts.append("duplicate")
        return receipts

    def _see_that_it_fits(self, *, again: bool = False) -> None:
        """Raises Stop for an older inbox than the hub's own: what comes now would be taken for applied."""
        if self._fits and not again:
            return
        upto = self.watermark()
        if upto > (newest := self._newest()):
            raise Stop(
                "the inbox ends at message {newest}, and the hub has applied messages up to {upto}: they are not"
                " of one hub. Stop everything and restore a backup, which has both", newest=newest, upto=upto,
            )  # fmt: skip
        self._fits = True

    def _newest(self) -> int:
        return int(self.query("inbox", "SELECT coalesce(max(id), 0) FROM inbox")[0][0])

    def progress(self) -> Progress:
        lane = self._lane()
        return Progress(lane.version, lane.version, lane.next_order_id - 1, (chain.Head(lane.log_seq, lane.log_hash),))

    def claim(self, limit: int, now: int) -> Claim | None:
        lane = self._lane()
        return self._claim_queued(lane, limit, now) or self._claim_fresh(lane, limit)

    def _claim_fresh(self, lane: _Lane, limit: int) -> Claim | None:
        messages = self._after(lane.applied_upto, limit)
        self._see_that_it_fits(again=not messages)
        return Claim(messages, messages[-1].id, *lane.base, stamp=lane.version + 1) if messages else None

    def _after(self, number: int, limit: int) -> list[Message]:
        sql = f"SELECT {MESSAGE} FROM inbox WHERE id > ? ORDER BY id LIMIT ?"
        return list(map(Message._make, self.query("inbox", sql, (number, limit))))

    def claim_after(self, before: Claim, writes: Writes, limit: int, now: int) -> Claim | None:
        """The messages after a claim that is being committed with these writes. None where something else comes first,
        or nothing after."""
        if before.queued or self._queue_is_due(now):
            return None
        messages = self._after(before.upto, limit)
        base = (before.version + 1, writes.next_order_id, writes.mark)
        return Claim(messages, messages[-1].id, *base, stamp=before.stamp + 1) if messages else None

    def _queue_is_due(self, now: int) -> bool:
        return bool(self.query("hub", f"SELECT 1 FROM todo WHERE lane = 0 AND {DUE} LIMIT 1", (now, now + FURTHEST)))

    def _claim_queued(self, lane: _Lane, limit: int, now: int) -> Claim | None:
        sql = f"SELECT id, attempts FROM todo WHERE lane = 0 AND {DUE} ORDER BY id LIMIT ?"
        queued: dict[int, int] = dict(self.query("hub", sql, (now, now + FURTHEST, limit)))
        messages = self.messages(list(queued)) if queued else []
        if queued and not messages:
            with self.transaction("hub") as cursor:
                cursor.execute(LOOK_LATER.format(those=self.among("id")), (now + LATER, 0, self.listed(queued)))
        if not messages:
            return None
        return Claim(messages, 0, *lane.base, stamp=lane.version + 1, queued=True, attempts=queued)

    def _lane(self) -> _Lane:
        rows = self.query("hub", f"SELECT {', '.join(_Lane._fields)} FROM lanes WHERE lane = 0")
        if not rows:
            raise Stop("the hub database is damaged (table lanes is empty): stop everything and restore a backup")
        return _Lane(*rows[0])

    def _move_on(self, cursor: Any, claim: Claim, writes: Writes) -> chain.Head:
        end = advance(cursor, lanes.end_of(claim, writes), writes.turn)
        if claim.queued:
            self._unqueue(cursor, claim)
        return end

    def _execute(self, cursor: Any, writes: Writes, seal: Iterable[statements.Batch]) -> None:
        for batch in itertools.chain(statements.batches(writes), seal):
            cursor.executemany(batch.sql, batch.rows)

    def release(self, claim: Claim) -> None:
        """Nothing is held: the watermark has not moved."""

    def watermark(self) -> int:
        return self._lane().applied_upto

    def waiting(self) -> tuple[int, int | None]:
        # Ids have no gaps: a message that was there already takes none, and none is ever removed.
        upto, newest = self.watermark(), self._newest()
        oldest = self.query("inbox", "SELECT received_at FROM inbox WHERE id > ? ORDER BY id LIMIT 1", (upto,))
        again = self.query("hub", "SELECT id FROM todo")
        of_those = f"SELECT min(received_at) FROM inbox WHERE {self.among('id')}"
        oldest += self.query("inbox", of_those, (self.listed(row[0] for row in again),)) if again else []
        ages = [row[0] for row in oldest if row[0] is not None]
        return max(0, newest - upto) + len(again), min(ages, default=None)

    def waiting_of(self, ids: Sequence[int]) -> int:
        upto = self.watermark()
        sql = f"SELECT count(*) FROM todo WHERE lane = 0 AND {self.among('id')}"
        return sum(message > upto for message in ids) + int(self.query("hub", sql, (self.listed(ids),))[0][0])

    def close(self) -> None:
        for part, lock in self._locks.items():
            # To close a connection under somebody who uses it ends the process: rather leave it to its end.
            if lock.acquire(timeout=CLOSING_S):
                if writer := self._writers.pop(part, None):
                    writer.close()
                lock.release()
        # Readers close when their thread's locals are collected.
        self._local = threading.local()

    def _writer(self, part: str) -> Any:
        if part not in self._writers:
            self._writers[part] = connect(file_of(self.folder, part), page_bytes=PAGE_BYTES[part], writer=True)
            if part == "hub":  # written in transactions only, which wait in `_begin`
                self._writers[part].execute("PRAGMA busy_timeout = 0")
        return self._writers[part]

    def _reader(self, part: str) -> Any:
        """One read connection per thread and part: readers never wait for the writer, nor for each other."""
        connections: dict[str, Any] = self._local.__dict__
        if part not in connections:
            connections[part] = connect(file_of(self.folder, part), writer=False)
        return connections[part]


def advance(cursor: Any, lane: Row, turn: Row | None) -> chain.Head:
    """As `lanes.advanced`."""
    moved = cursor.execute(lanes.MOVE_ON, lane).fetchall()
    return lanes.advanced(moved, cursor.execute(lanes.TAKE_TURN, turn).rowcount if turn else 1)


def _insert_messages(cursor: Any, rows: Sequence[Row]) -> None:
    """What is there already is left as it is."""
    while rows:
        count = next(count for count in TOGETHER if count <= len(rows))
        some, rows = rows[:count], rows[count:]
        cursor.execute(f"{INSERTS[count]} ON CONFLICT DO NOTHING", list(itertools.chain.from_iterable(some)))


@contextlib.contextmanager
def _translated(folder: Path, part: str) -> Iterator[None]:
    """SQLite's own errors in the hub's terms."""
    try:
        yield
    except sqlite.OperationalError as error:
        text = str(error)
        of: dict[str, Any] = {"part": part, "why": text}
        if "locked" in text or "busy" in text or "full" in text:
            raise Busy("the {part} database is busy or full ({why}); nothing was lost, the work waits", **of) from error
        if "disk I/O" in text or "readonly" in text:
            if is_full(folder):
                # The index of the log that cannot grow is no "full" to SQLite.
                raise Busy("the disk of {folder} is full; nothing was lost, the work waits", folder=folder) from error
            raise Stop("the {part} database cannot be read or written ({why}): look at the disk", **of) from error
        if "no such table" in text or "unable to open" in text or "no such column" in text:
            raise StoreMissing("the {part} database is not ready ({why}): run `orderhub db init`", **of) from error
        raise
    except sqlite.DatabaseError as error:
        if "malformed" in str(error) or "not a database" in str(error):
            text = "the {part} database is damaged ({why}): stop everything and restore a backup"
            raise Stop(text, part=part, why=error) from error
        raise
