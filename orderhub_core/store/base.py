"""The store's five verbs, and what both homes have in common.

accept    write raw messages down, durably, before anyone understands them
claim     take the next batch to apply, with the state that the work will be based on
commit    orders, log, outbox and queue in one transaction; refused when another writer was faster
lease     take effects that are due, for a limited time
finish    record what became of them

Nobody outside this package writes SQL.
"""

from __future__ import annotations

import contextlib
import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from orderhub_core.errors import Fault
from orderhub_core.model import RawMessage
from orderhub_core.store import chain, lanes, shelves, statements
from orderhub_core.store.progress import Progress
from orderhub_core.store.unit import Claim, Finished, Leased, Message, Pulse, Receipt, Requeued, Row, Writes

MESSAGE = "id, source, message_id, kind, received_at, body"

FURTHEST = 6 * 3_600_000_000
"""Nothing is planned further ahead, microseconds."""
DUE = "(next_at <= ? OR next_at > ?)"
"""Of a row of `todo`; asked with now and now + FURTHEST. What lies beyond was planned before the clock was set back."""
LATER = 3_600_000_000
LOOK_LATER = "UPDATE todo SET next_at = ? WHERE lane = ? AND {those}"
"""What the queue names and the inbox has lost, as `db check` tells: for an hour it stands in nobody's way."""


class Store(ABC):
    """A hub's storage. One instance per process; safe to use from several threads."""

    skip_locked = ""
    hold_parked = ""
    """Where several write at once: takes parked rows by a list of ids, in the order in which commits dismiss some."""
    numbered = "orders WHERE {those}"
    """How orders are found by a list of numbers alone."""
    lanes: int
    """Among how many the orders are shared out, from the making of the hub on."""

    # -- what a backend supplies

    @abstractmethod
    def accept(self, messages: Sequence[RawMessage], received_at: int) -> list[Receipt]:
        """Write messages down. When this returns they are on disk. Raises Busy; then none of them is."""

    @abstractmethod
    def claim(self, limit: int, now: int) -> Claim | None:
        """The next messages of a lane in the order of their arrival, or None when nothing waits that is due.

        What was put off for later than `now` (microseconds UTC) is not due.
        """

    @abstractmethod
    def release(self, claim: Claim) -> None:
        """Give a claim back unused."""

    @abstractmethod
    @contextlib.contextmanager
    def transaction(self, part: str) -> Iterator[Any]:
        """A cursor inside one write transaction of a part: committed at the end, rolled back on any error."""
        yield

    @abstractmethod
    def query(self, part: str, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Read, never waiting for a writer."""

    @abstractmethod
    def pieces(self, part: str, sql: str, parameters: Sequence[Any], size: int) -> Iterator[list[Row]]:
        """Read what does not fit into memory at once, as of one instant, `size` rows at a time."""

    @abstractmethod
    def among(self, column: str) -> str:
        """An SQL condition: the column is one of a list parameter."""

    @abstractmethod
    def listed(self, values: Iterable[Any]) -> Any:
        """A list as one parameter for `among`."""

    @abstractmethod
    def sql(self, text: str) -> str:
        """A statement in the backend's parameter style."""

    @abstractmethod
    def close(self) -> None: ...

    # -- reading for one batch

    @abstractmethod
    def progress(self) -> Progress:
        """Raises Stop when the database has lost it."""

    def unbound(self, messages: list[Message]) -> Claim:
        """A claim of messages that nobody wrote down, in no lane: to plan what would become of them, not to commit."""
        progress = self.progress()
        return Claim(messages, 0, 0, progress.orders + 1, chain.GENESIS, stamp=progress.upto + 1)

    def requeue(self, ids: Sequence[int]) -> list[Message]:
        """Take parked messages out of there, to be claimed again, whether or not they were dismissed. Returns those
        that were parked, without bodies."""
        with self.transaction("hub") as cursor:
            if self.hold_parked:
                cursor.execute(self.sql(self.hold_parked), (self.listed(ids),))
            sql = f"DELETE FROM parked WHERE {self.among('id')} RETURNING id, source, message_id"
            taken = sorted(cursor.execute(self.sql(sql), (self.listed(ids),)).fetchall())
            again = [Requeued(self.any_lane(row[0]), row[0]) for row in taken]
            cursor.executemany(self.sql(statements.insert_new("todo")), again)
        return [Message(number, source, name, "", 0, b"") for number, source, name in taken]

    def any_lane(self, message: int) -> int:
        """A lane for a message of which nobody knows the order: whoever reads it passes it on to the right one."""
        return message % self.lanes

    def messages(self, ids: Sequence[int]) -> list[Message]:
        sql = f"SELECT {MESSAGE} FROM inbox WHERE {self.among('id')} ORDER BY id"
        return [Message(*row) for row in self.query("inbox", sql, (self.listed(ids),))]

    def order_rows(self, numbers: Iterable[str]) -> list[Row]:
        """The rows of `orders` with these numbers, whichever shop's, in column order."""
        those = self.numbered.format(those=self.among("order_no"))
        sql = f"SELECT {', '.join(statements.columns('orders'))} FROM {those}"
        return self.query("hub", sql, (self.listed(numbers),))

    def line_rows(self, order_ids: Iterable[int]) -> list[Row]:
        """order_id, line_no, sku, name, category, quantity, price_minor, gift_of of the live lines of these orders."""
        return self.query(
            "hub",
            "SELECT order_id, line_no, sku, name, category, quantity, price_minor, gift_of FROM lines"
            f" WHERE deleted_at IS NULL AND {self.among('order_id')} ORDER BY order_id, line_no",
            (self.listed(order_ids),),
        )

    def decided_rows(self, order_ids: Iterable[int]) -> list[Row]:
        """order_id, action, argument of what was decided of these orders, in the order in which it was."""
        sql = f"""SELECT order_id, action, argument, parcel FROM decisions WHERE shadow = 0 AND {self.among("order_id")}
            ORDER BY order_id, place"""
        return self.query("hub", sql, (self.listed(order_ids),))

    def split_rows(self, order_ids: Iterable[int]) -> list[Row]:
        """Rows of `splits` of these orders, in column order."""
        sql = f"SELECT order_id, line_no, parcel, warehouse FROM splits WHERE {self.among('order_id')}"
        return self.query("hub", sql, (self.listed(order_ids),))

    def purchase_rows(self, buyers: Iterable[str] | None = None) -> list[Row]:
        """order_id, buyer_key, paid_at, paid_minor, currency, facts (JSON) of the orders that these buyers have paid;
        None: of all whose buyer is known."""
        which, whose = "buyer_key <> ''", []
        if buyers is not None:
            which, last = " AND ".join(map(self.among, shelves.COLUMNS)), self.query("hub", shelves.LAST)[0][0]
            whose = [self.listed(some) for some in shelves.values(set(buyers), last)]
        return self.query("hub", shelves.PURCHASES + which, whose)

    def pack_rows(self, order_ids: Iterable[int]) -> list[Row]:
        """order_id, shop, order_no of what these orders are packed with."""
        sql = f"SELECT order_id, shop, order_no FROM packs WHERE order_no <> '' AND {self.among('order_id')}"
        return self.query("hub", sql, (self.listed(order_ids),))

    def counted(self) -> dict[str, int]:
        """Warehouses that report their stock, and as of when they did last (microseconds UTC). Only words
        change it that end their batch."""
        return dict(self.query("hub", "SELECT place, balance FROM resources WHERE kind = 'told'"))

    def resource_rows(self, subjects: Iterable[str], *, alone: bool = False) -> list[Row]:
        """kind, subject, place, balance, safety of these SKUs, days and quotas, and of the ledger's turn, as of one
        commit. `alone`: batches that were planned without any of it are committed before that, or planned anew."""
        return self.query("hub", statements.RESOURCES.format(those=self.among("subject")), (self.listed(subjects),))

    def message_ids(self, source: str, message_ids: Iterable[str]) -> dict[str, int]:
        """Inbox ids by message id."""
        sql = f"SELECT message_id, id FROM inbox WHERE source = ? AND {self.among('message_id')}"
        return {row[0]: row[1] for row in self.query("inbox", sql, (source, self.listed(message_ids)))}

    def entries_of(self, messages: Iterable[int], since: Progress) -> list[Row]:
        """(message, event) of the log entries that these messages caused. They came after `since`: what was logged
        before, in whichever lane has come least far, is not looked at."""
        after = min((head.seq for head in since.log), default=0)
        sql = f"SELECT message, event FROM log WHERE seq > ? AND {self.among('message')}"
        return self.query("hub", sql, (after, self.listed(messages)))

    def details_of(self, orders: Iterable[int]) -> dict[int, str]:
        """What the log keeps of these orders' entries beyond the columns of frames (JSON), by `seq`. It may name who
        said something: for the shop's own people only."""
        sql = f"SELECT seq, detail FROM log WHERE {self.among('order_id')} AND detail <> ''"
        return dict(self.query("hub", sql, (self.listed(orders),)))

    # -- writing

    def count(self, source: str, name: str, *, by: int = 1) -> None:
        """Count what was turned away at the door."""
        with self.transaction("inbox") as cursor:
            cursor.execute(self.sql(statements.COUNT), (source, name, by))

    def commit(self, claim: Claim, writes: Writes) -> None:
        """All or nothing. Raises Overtaken when the hub moved since the claim, and Busy; either way nothing changed."""
        with self.transaction("hub") as cursor:
            self._write(cursor, claim, writes)

    def _write(self, cursor: Any, claim: Claim, writes: Writes) -> None:
        end = self._move_on(cursor, claim, writes)
        seal, end = lanes.sealed(claim.lane, claim.lanes, writes.entries, end)
        self._execute(cursor, writes, seal)
        writes.log_hash = end.hash

    @abstractmethod
    def _move_on(self, cursor: Any, claim: Claim, writes: Writes) -> chain.Head:
        """The lane's own row, and its queue. Where its log ends. Raises Overtaken."""

    @abstractmethod
    def _execute(self, cursor: Any, writes: Writes, seal: Iterable[statements.Batch]) -> None:
        """All else that a commit writes, and at last what it logs."""

    def _unqueue(self, cursor: Any, claim: Claim) -> None:
        ids = self.listed([message.id for message in claim.messages])
        cursor.execute(self.sql(f"DELETE FROM todo WHERE lane = ? AND {self.among('id')}"), (claim.lane, ids))

    # -- effects

    def clock(self, ours: int) -> int:
        """Microseconds UTC by the one clock of all who share this home. `ours` is this host's."""
        return ours

    def due_targets(self, *, now: int, until: int, ours: int) -> set[str]:
        """Of whose effects some are due. What lies further ahead than anybody plans was written before the clock was
        set back: it is due as well. Clocks as in `lease`."""
        when = (ours, ours + FURTHEST, now, 2 * until - now)
        return {row[0] for row in self.query("hub", statements.DUE_TARGETS, when)}

    def lease(
        self, *, now: int, until: int, owner: str, limit: int, ours: int | None = None, without: Sequence[str] = (),
        only: str | None = None,
    ) -> list[Leased]:  # fmt: skip
        """Effects that are due, but for some targets, or of one; ours until `until`, and then anyone's again.

        Others' leases are judged by `now` of the `clock` of this home: by two hosts' own clocks one could end what the
        other is still performing. What waits is due by this host's own (`ours`, where it is another), by which it was
        planned."""
        ours = now if ours is None else ours
        due = self.due_targets(now=now, until=until, ours=ours).difference(without)
        targets = sorted(due if only is None else due & {only})
        if not targets:
            return []  # nobody else need wait for us to find that out
        asked = {"overdue": (now, 2 * until - now), "waiting": (ours,), "astray": (ours + FURTHEST,)}
        sql = {kind: self.sql(statements.LEASABLE[kind] + self.skip_locked) for kind in asked}
        lease = self.sql(statements.LEASE.format(those=self.among("key")))
        with self.transaction("hub") as cursor:
            found: list[Row] = []
            for target, (kind, when) in itertools.product(targets, asked.items()):
                found += cursor.execute(sql[kind], (target, *when, limit)).fetchall()
            soonest = [key for _, key in sorted(found)[:limit]]
            return [Leased(*row) for row in cursor.execute(lease, (owner, until, self.listed(soonest))).fetchall()]

    def still_leased(self, leased: Leased, *, owner: str) -> bool:
        """Whether it may be begun: nobody has withdrawn, held, renewed or taken it over since it was leased."""
        return bool(self.query("hub", statements.STILL_LEASED, (leased.key, leased.generation, owner, leased.payload)))

    def finish(self, results: Sequence[Finished], *, owner: str, now: int) -> None:
        """Record results. One whose lease was lost, or whose effect was replaced meanwhile, is dropped; of one that was
        withdrawn or held while it was performed, what came of it is told.

        Each in a transaction of its own: a commit touches effects in an order of its own, and whoever holds one
        effect's row while waiting for another's could wait in a circle with it.
        """
        for leased, state, next_at, note, tried in results:
            done_at, which = now if state == "done" else None, (leased.key, leased.generation, owner)
            was = (state, leased.payload)
            in_time = (*was, state, *was, note, next_at, done_at, leased.attempts, *which)
            with self.transaction("hub") as cursor:
                if cursor.execute(self.sql(statements.FINISH), in_time).rowcount:
                    continue
                if tried:
                    cursor.execute(self.sql(statements.FINISH_LATE), (done_at, state, note, *which))
                else:
                    unbegun = (leased.attempts, note, note, leased.attempts)
                    cursor.execute(self.sql(statements.UNBEGUN), (*unbegun, *which))

    # -- pollers

    def cursor_of(self, name: str) -> int | None:
        rows = self.query("hub", "SELECT upto FROM cursor WHERE name = ?", (name,))
        return rows[0][0] if rows else None

    def set_cursor(self, name: str, upto: int) -> None:
        with self.transaction("hub") as cursor:
            cursor.execute(self.sql(statements.upsert("cursor")), (name, upto))

    # -- telling

    def origin(self) -> str:
        """Tells the tables from those of a backup of them, where what stamps their rows does not; else empty."""
        return ""

    def ready_to_accept(self) -> None:
        """Raises an OrderHubError while what `accept` writes to does not answer."""
        self.query("inbox", "SELECT id FROM inbox LIMIT 1")

    def doubts(self) -> list[Fault]:
        """What makes this home promise less than it should, each with how to mend it. Asks outside systems."""
        return []

    def watermark(self) -> int | None:
        """Every inbox id up to this one is applied or parked; None where only the queue `todo` tells."""
        return None

    @abstractmethod
    def waiting(self) -> tuple[int, int | None]:
        """Messages not yet applied, and when the oldest of them came (microseconds UTC)."""

    def waits_since(self) -> int | None:
        """When the oldest of these came, without counting them. Raises Later where nobody can tell."""
        return self.waiting()[1]

    @abstractmethod
    def waiting_of(self, ids: Sequence[int]) -> int:
        """How many of these messages are not yet applied, whoever is about to."""

    def waiting_among(self, source: str, message_ids: Sequence[str]) -> int:
        """How many of these accepted messages are not yet applied, whoever is about to."""
        return self.waiting_of(list(self.message_ids(source, message_ids).values()))

    def parked_among(self, source: str, message_ids: Iterable[str]) -> dict[str, str]:
        """Message id and reason of those of these messages that are parked."""
        sql = f"SELECT message_id, reason FROM parked WHERE source = ? AND {self.among('message_id')}"
        return {row[0]: row[1] for row in self.query("hub", sql, (source, self.listed(message_ids)))}

    def pulse(self, now: int) -> Pulse:
        waiting, oldest = self.waiting()
        # Ids count messages: walking a big inbox to count its rows would hold up whoever looks, every few seconds.
        received = self.query("inbox", "SELECT coalesce(max(id), 0) FROM inbox")[0][0]
        effects = {row[0]: row[1] for row in self.query("hub", statements.OPEN_EFFECTS)}
        progress = self.progress()
        return Pulse(
            received=received,
            waiting=waiting,
            oldest_waiting_s=0.0 if oldest is None else max(0.0, (now - oldest) / 1e6),
            parked=self.query("hub", f"SELECT count(*) FROM {statements.OPEN_PARKED}")[0][0],
            refused_signatures=int(self.query("inbox", statements.UNPROVEN)[0][0]),
            effects_waiting=effects.get("waiting", 0) + effects.get("leased", 0),
            effects_for_person=effects.get("person", 0),
            orders=progress.orders,
            log_entries=progress.log_entries,
        )

    def verify_log(self) -> chain.Verdict:
        """Walk the log as it is now, in blocks, so that memory stays flat. What is written meanwhile is left out."""
        rows = self.query("hub", statements.HEADS)
        if len(rows) != self.lanes:
            return chain.Verdict(0, 1, Fault("the record of its end (table lanes) is missing"))
        heads = [chain.Head(seq, bytes(hash)) for seq, hash, _ in rows]
        verdict = chain.verify(self._log_rows(heads), heads)
        foreign = [(head.seq + self.lanes, last) for head, (_, _, last) in zip(heads, rows, strict=True) if last]
        if verdict.broken_seq is None and foreign:
            broken, last = min(foreign)
            reason = Fault("entry {entry} was never written by the hub", entry=last)
            return chain.Verdict(verdict.entries, broken, reason)
        return verdict

    def _log_rows(self, heads: Sequence[chain.Head], block: int = 20_000) -> Iterator[Row]:
        names = ", ".join(statements.columns("log"))
        sql = f"SELECT {names} FROM log WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
        after, upto = 0, max(head.seq for head in heads)
        while rows := self.query("hub", sql, (after, upto, block)):
            yield from (row for row in rows if row[0] <= heads[(row[0] - 1) % len(heads)].seq)
            after = rows[-1][0]
