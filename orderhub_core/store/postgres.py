"""Several workers, one PostgreSQL database.

The queue is `todo`: one narrow row per message that waits, written in the transaction that accepts it and
deleted in the one that applies it. The inbox is never followed by its sequence, because ids commit out of
order. Orders are shared out among lanes; whoever has locked a lane's row is the only one to touch its orders, and
a lane that is taken is passed over, so that as many workers apply as there are lanes with work.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from operator import itemgetter
from typing import Any

import psycopg

from orderhub_core.errors import Busy, Fault, Stop
from orderhub_core.model import RawMessage
from orderhub_core.store import chain, copying, lanes, sessions, statements
from orderhub_core.store.address import checked
from orderhub_core.store.base import DUE, FURTHEST, LATER, LOOK_LATER, MESSAGE, Store
from orderhub_core.store.progress import Progress
from orderhub_core.store.unit import Claim, Message, Receipt, Row, Writes, digest_of, lane_of

LANE = "SELECT version, next_order_id, log_hash, lane, pg_current_xact_id()::text::bigint FROM lanes"
DUE_LANE = f"""{LANE} WHERE EXISTS (SELECT FROM todo WHERE todo.lane = lanes.lane AND {DUE.replace("?", "%s")})
    ORDER BY version, lane LIMIT 1 FOR UPDATE SKIP LOCKED"""
"""Of the lanes that have work and no worker, the one that was served least; of equals always the same."""
THIS_LANE = f"{LANE} WHERE lane = %s FOR UPDATE SKIP LOCKED"

TAKE_MESSAGES = f"""WITH mine AS MATERIALIZED (SELECT id, attempts FROM todo
    WHERE lane = %s AND {DUE.replace("?", "%s")} ORDER BY id LIMIT %s)
    SELECT {MESSAGE}, attempts FROM mine JOIN inbox USING (id)"""
"""In no order: the planner would get one by walking the whole inbox along its key, whoever's lane the messages are."""

LOST = "NOT EXISTS (SELECT FROM inbox WHERE inbox.id = todo.id)"
LOST_LATER = LOOK_LATER.format(those=f"{LOST} AND {DUE}").replace("?", "%s")

UNSAFE = "SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off' ORDER BY name"
CLOCK = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

PROGRESS = """SELECT version, log_seq, log_hash, next_order_id,
    pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1 FROM lanes ORDER BY lane"""
"""Transactions end in another order than they begin. Below the oldest that still runs, nothing more can appear."""


@lru_cache
def _translate(text: str) -> str:
    return text.replace("%", "%%").replace("?", "%s")


MOST_CONNECTIONS = 8
"""For reading and short transactions, per process; whoever applies has one more."""
WAIT_FOR_CONNECTION_S = 10.0
TURN = "SELECT 1 FROM resources WHERE kind = 'turn' FOR"
IN_TURN, ALONE, BEFORE_ANY_REPORT = f"{TURN} NO KEY UPDATE", f"{TURN} UPDATE", f"{TURN} KEY SHARE"
"""Who takes of the ledger waits for others who do. Who assigns and takes nothing of it waits for nobody, and nobody for
him, but for a warehouse's first report: that must see all orders that were sent there without asking what it has."""
REPORTING = "SELECT count(*) FROM resources WHERE kind = 'told'"
HOLD_EFFECTS = """SELECT 1 FROM outbox WHERE key = ANY(%s) ORDER BY key COLLATE "C" FOR UPDATE"""


class PostgresStore(Store):
    skip_locked = " FOR UPDATE SKIP LOCKED"
    numbered = sessions.SHOP_BY_SHOP
    # By the bytes of their names, as Python sorts them.
    hold_parked = """SELECT id FROM parked WHERE id = ANY(?)
        ORDER BY source COLLATE "C", message_id COLLATE "C" FOR UPDATE"""

    def __init__(self, url: str) -> None:
        self.url = checked(url)
        self._idle: list[psycopg.Connection[Any]] = []
        """Connections nobody uses; the one used last is taken first."""
        self._slots = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._claim_connection: psycopg.Connection[Any] | None = None
        self._staging = copying.Staging()
        """Of the connection by which claims are made."""
        self._claimant: int | None = None
        """The thread that holds a claim: the connection it came by is no other thread's until it is given back."""
        self._claim_lock = threading.Lock()

    def sql(self, text: str) -> str:
        return _translate(text)

    def among(self, column: str) -> str:
        return f"{column} = ANY(?)"

    def listed(self, values: Iterable[Any]) -> str:
        return copying.array(values)

    def query(self, part: str, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        with sessions.translated(), self._connection() as connection:
            rows: list[Row] = connection.execute(_translate(sql), parameters).fetchall()
            return rows

    def pieces(self, part: str, sql: str, parameters: Sequence[Any], size: int) -> Iterator[list[Row]]:
        with (
            sessions.translated(),
            self._connection() as connection,
            connection.transaction(),
            connection.cursor("pieces") as cursor,
        ):
            cursor.execute(_translate(sql), parameters)
            while rows := cursor.fetchmany(size):
                yield rows

    @contextlib.contextmanager
    def transaction(self, part: str) -> Iterator[Any]:
        with (
            sessions.translated(),
            self._connection() as connection,
            connection.transaction(),
            connection.cursor() as cursor,
        ):
            yield cursor

    @cached_property
    def lanes(self) -> int:  # type: ignore[override]  # an attribute of the class where it is always one
        return int(self.query("hub", "SELECT count(*) FROM lanes")[0][0]) or 1

    def progress(self) -> Progress:
        rows = self.query("hub", PROGRESS)
        if not rows:
            raise Stop("the hub database is damaged (table lanes is empty): restore a backup")
        return Progress(
            sum(version for version, *_ in rows),
            rows[0][4],
            sum((next_order_id - 1 - lane) // len(rows) for lane, (_, _, _, next_order_id, _) in enumerate(rows)),
            tuple(chain.Head(seq, bytes(head)) for _, seq, head, _, _ in rows),
        )

    def accept(self, messages: Sequence[RawMessage], received_at: int) -> list[Receipt]:
        first: dict[tuple[str, str], int] = {}
        for place, message in enumerate(messages):
            first.setdefault((message.source, message.message_id), place)
        rows = [
            (place, lane_of(m.key or m.message_id, self.lanes), m.source, m.message_id, m.kind, received_at,
             digest_of(m.body), m.body)
            for place, m in ((place, messages[place]) for place in first.values())
        ]  # fmt: skip
        with self.transaction("inbox") as cursor:
            fresh = copying.write_down(cursor, rows)
            return [
                "new" if place in fresh else self._known(cursor, message, received_at)
                for place, message in enumerate(messages)
            ]

    def _known(self, cursor: Any, message: RawMessage, received_at: int) -> Receipt:
        """Tell repeated from contradicting."""
        key, digest = (message.source, message.message_id), digest_of(message.body)
        cursor.execute("SELECT digest FROM inbox WHERE source = %s AND message_id = %s", key)
        if bytes(cursor.fetchone()[0]) == digest:
            return "duplicate"
        cursor.execute(_translate(statements.RECORD_CONFLICT), (*key, digest, received_at, message.body))
        return "conflict"

    def claim(self, limit: int, now: int) -> Claim | None:
        """Holds a transaction open until `commit` or `release`: the lane and its messages stay ours.

        None also while other workers have all lanes that have work.
        """
        me = threading.get_ident()
        with self._claim_lock:
            if self._claimant not in (None, me):
                return None
            self._claimant = me
        try:
            with sessions.translated():
                claim = self._claim(self._claiming(), limit, now)
        except BaseException:
            self.give_back()
            raise
        if claim is None:
            self.give_back()
        return claim

    def _claim(self, connection: psycopg.Connection[Any], limit: int, now: int) -> Claim | None:
        base = self._take_lane(connection, DUE_LANE, now, now + FURTHEST)
        if base is None:
            return None
        rows = connection.cursor(binary=True).execute(TAKE_MESSAGES, (base.lane, now, now + FURTHEST, limit)).fetchall()
        if not rows:
            # Another worker applied them between our look at the queue and our lock, or they are lost.
            connection.execute(LOST_LATER, (now + LATER, base.lane, now, now + FURTHEST))
            connection.commit()
            return None
        rows.sort(key=itemgetter(0))
        attempts = {row[0]: row[-1] for row in rows if row[-1]}
        return base._replace(messages=[Message._make(row[:-1]) for row in rows], attempts=attempts)

    def _take_lane(self, connection: psycopg.Connection[Any], sql: str, *parameters: int) -> Claim | None:
        """A claim of a lane, without messages yet."""
        with connection.pipeline():  # with the beginning of the transaction
            asked = connection.execute(sql, parameters)
        taken = asked.fetchone()
        if not taken:
            return None
        version, next_order_id, log_hash, lane, stamp = taken
        return Claim([], 0, version, next_order_id, bytes(log_hash), lane, self.lanes, stamp, queued=True)

    def release(self, claim: Claim) -> None:
        self.give_back()

    def give_back(self) -> None:
        """End the claim of this thread, if it has one. A connection that is dead has ended it already."""
        if self._claimant != threading.get_ident():
            return
        if self._claim_connection is not None:
            self._staging.end(committed=False)
            try:
                self._claim_connection.rollback()
            except psycopg.Error:
                self._claim_connection.close()
                self._close_idle()
        self._claimant = None

    def commit(self, claim: Claim, writes: Writes) -> None:
        if self._claimant != threading.get_ident():
            raise lanes.Overtaken("the claim was given back before its commit")
        try:
            connection = self._claiming()
            with sessions.translated(), connection.cursor() as cursor:
                self._write(cursor, claim, writes)
                connection.commit()
                self._staging.end(committed=True)
        finally:
            self.give_back()

    def _execute(self, cursor: psycopg.Cursor[Any], writes: Writes, seal: Iterable[statements.Batch]) -> None:
        self._hold(cursor, statements.effects_of(writes))
        batches = itertools.chain(statements.batches(writes), seal)
        copying.write(cursor, ((batch, _translate(batch.sql)) for batch in batches), self._staging)

    def _move_on(self, cursor: psycopg.Cursor[Any], claim: Claim, writes: Writes) -> chain.Head:
        connection = cursor.connection
        told: psycopg.Cursor[Any] | None = None
        with connection.pipeline():
            moved = connection.execute(_translate(lanes.MOVE_ON), lanes.end_of(claim, writes))
            if writes.counted is not None:
                connection.execute(BEFORE_ANY_REPORT)
                told = connection.execute(REPORTING)
            turn = connection.execute(_translate(lanes.TAKE_TURN), writes.turn) if writes.turn else None
            if claim.queued:
                self._unqueue(cursor, claim)
        if told is not None and told.fetchall() != [(writes.counted,)]:
            raise lanes.Overtaken("a warehouse reports its stock that did not when this was planned")
        return lanes.advanced(moved.fetchall(), 1 if turn is None else turn.rowcount)

    def _hold(self, cursor: psycopg.Cursor[Any], effects: statements.Effects) -> None:
        """Take the rows of effects in one order, so that nobody waits in a circle; with them those of orders that are
        packed with one that leaves. Whoever leases one of these was there before, which is seen then, or comes after,
        and sees who has left. Only who is told meanwhile to go with one that leaves is taken out of turn: a circle that
        this closes the database breaks, and the batch is done again."""
        if effects.in_order and not effects.leaving:
            return
        expecting = _translate(statements.EXPECTING.format(those=self.among("leaves.key")))
        held = frozenset[str]()
        while True:
            rows = cursor.execute(expecting, (self.listed(effects.leaving),)).fetchall() if effects.leaving else []
            new = effects.changed.union(key for (key,) in rows) - held
            if not new:
                return
            cursor.execute(HOLD_EFFECTS, (self.listed(new),))
            if not effects.leaving:
                return
            held |= new  # once more: meanwhile somebody may have been told to go with one that leaves

    def resource_rows(self, subjects: Iterable[str], *, alone: bool = False) -> list[Row]:
        """Whoever has a claim keeps the ledger's turn until its commit: others wait, rather than plan in vain."""
        if self._claimant != threading.get_ident() or self._claim_connection is None:
            return super().resource_rows(subjects)
        with sessions.translated():
            connection = self._claim_connection
            connection.execute(ALONE if alone else IN_TURN)
            sql = _translate(statements.RESOURCES.format(those=self.among("subject")))
            rows: list[Row] = connection.execute(sql, (self.listed(subjects),)).fetchall()
            return rows

    def clock(self, ours: int) -> int:
        return int(self.query("hub", CLOCK)[0][0])

    def doubts(self) -> list[Fault]:
        text = (
            "{name} is off in the database: what it acknowledges is not on disk, and a power cut loses or damages it;"
            " set {name} = on"
        )
        return [Fault(text, name=name) for (name,) in self.query("hub", UNSAFE)]

    def origin(self) -> str:
        return str(self.query("hub", sessions.ORIGIN)[0][0])

    def waiting(self) -> tuple[int, int | None]:
        count, oldest = self.query("hub", f"SELECT count(*), ({lanes.SINCE}) FROM todo")[0]
        return count, oldest

    def waits_since(self) -> int | None:
        since: int | None = self.query("hub", lanes.SINCE)[0][0]
        return since

    def waiting_of(self, ids: Sequence[int]) -> int:
        sql = f"SELECT count(*) FROM todo WHERE lane IN (SELECT lane FROM lanes) AND {self.among('id')}"
        return int(self.query("hub", sql, (self.listed(ids),))[0][0])

    def close(self) -> None:
        if self._claim_connection is not None:
            self._claim_connection.close()
        self._claim_connection = None
        self._close_idle()

    def _close_idle(self) -> None:
        """Also when a connection was found dead: what ended that one has ended these, too."""
        while self._idle:
            with contextlib.suppress(IndexError):  # another thread took the last one
                self._idle.pop().close()

    def _claiming(self) -> psycopg.Connection[Any]:
        if self._claim_connection is None or self._claim_connection.closed:
            answer_s = sessions.BATCH_ANSWER_S
            self._claim_connection = sessions.connect(self.url, autocommit=False, answer_s=answer_s)
            self._staging = copying.Staging()
            for setting in sessions.BY_KEYS:
                self._claim_connection.execute(setting)
            self._claim_connection.commit()
        return self._claim_connection

    @contextlib.contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        """One of a few connections, ours for a moment. Raises Busy when all stay taken."""
        if not self._slots.acquire(timeout=WAIT_FOR_CONNECTION_S):
            raise Busy("all connections to the database are taken; nothing was lost, try again in a moment")
        try:
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = sessions.connect(self.url, autocommit=True)
            try:
                yield connection
            finally:
                if connection.closed:
                    self._close_idle()
                else:
                    self._idle.append(connection)
        finally:
            self._slots.release()
