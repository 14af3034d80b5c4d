"""SQL text built from the tables, once per process. SQLite and PostgreSQL understand the same statements;
parameters are written as `?` and translated by the backend."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, NamedTuple

from orderhub_core.lifecycle import OWED_STATES
from orderhub_core.store.unit import Row, Writes
from orderhub_core.store.unmet import MET_NOBODY

if TYPE_CHECKING:
    from sqlalchemy import Table

COUNT = """INSERT INTO counter (source, name, count) VALUES (?, ?, ?)
    ON CONFLICT (source, name) DO UPDATE SET count = counter.count + excluded.count"""
RECORD_CONFLICT = """INSERT INTO conflict (source, message_id, digest, received_at, body) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING"""
"""Written out, as all is that accepting messages needs: who only takes them in does not load the schema."""
OPEN_EFFECTS = "SELECT state, count(*) FROM outbox WHERE state IN ('waiting', 'leased', 'person') GROUP BY state"
"""Effects that are done are as many as orders: nobody counts them to see how the hub is doing."""
UNPROVEN = "SELECT coalesce(sum(count), 0) FROM counter WHERE name IN ('bad_signature', 'bad_clock')"


@lru_cache
def table(name: str) -> Table:
    from orderhub_core.store.tables import PARTS

    return next(part.tables[name] for part in PARTS.values() if name in part.tables)


@lru_cache
def columns(name: str) -> tuple[str, ...]:
    return tuple(column.name for column in table(name).columns)


@lru_cache
def insert(name: str) -> str:
    """Insert whole rows, values in column order."""
    names = columns(name)
    return f"INSERT INTO {name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"


@lru_cache
def insert_new(name: str) -> str:
    """Insert rows; those whose key stands already are left as they are."""
    return f"{insert(name)} ON CONFLICT DO NOTHING"


@lru_cache
def upsert(name: str) -> str:
    """Insert rows; those whose key stands already are overwritten, but for what else names them: to assign that once
    more would have its indexes written anew."""
    keys = [column.name for column in table(name).primary_key]
    from sqlalchemy import PrimaryKeyConstraint, UniqueConstraint

    named_by = (one for one in table(name).constraints if isinstance(one, PrimaryKeyConstraint | UniqueConstraint))
    names = {column.name for constraint in named_by for column in constraint.columns}
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns(name) if column not in names)
    return f"{insert(name)} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {changes}"


MOVED = (
    "placed_at", "paid_at", "shipped_at", "collected_at", "delivered_at", "updated_at", "headline_at",
    "payment", "fulfilment", "logistics", "after_sale", "invoice", "headline",
    "warehouse", "warehouse_by", "carrier", "tracking_no", "contradictions", "decided", "changed_version",
    "facts", "stated", "parcels", "cases",
)  # fmt: skip
"""Columns of `orders` that follow from what happens to it and not from what it consists of, which most news repeat."""
MOVE = f"UPDATE orders SET {', '.join(f'{name} = ?' for name in MOVED)} WHERE order_id = ?"
"""Half the price of writing the whole row."""

TAKE_BACK_PAYMENTS = "DELETE FROM payments WHERE order_id = ?"
"""A payment that was none leaves nothing: what was said of it is in the log."""

RETIRE_LINES = "UPDATE lines SET deleted_at = ? WHERE order_id = ? AND rule = '' AND deleted_at IS NULL"

REPLACE = """ ON CONFLICT (key) DO UPDATE SET payload = excluded.payload, state = 'waiting', attempts = 0,
    generation = outbox.generation + 1, next_at = excluded.next_at, lease_until = NULL, done_at = NULL"""
"""A `latest` effect: the newer one takes the place of the older, whatever became of that."""

RENEW = """ ON CONFLICT (key) DO UPDATE SET payload = excluded.payload
    WHERE outbox.done_at IS NULL"""
"""An effect that is not done says what holds now. Whoever has leased it finds out before performing; if it was being
performed already, by FINISH."""

BEFORE = f"""CASE WHEN note = '' OR ({MET_NOBODY}) OR (state = 'leased' AND attempts = 1 AND released IS NULL) THEN ''
    ELSE '; before: ' || note END"""
"""That nobody was met is no reason to hold anything: it would outlast what is said now."""
AGAIN = "it was stopped, and is owed again: is it to be sent?"
HANDED_OVER = "handed over already: see whether it must be stopped there"
ANEW = """next_at = CASE WHEN state = 'person' AND attempts = 0 AND next_at < ? AND EXISTS (SELECT 1 FROM orders mine
    JOIN packs p ON mine.order_id = outbox.order_id AND outbox.key = 'push:' || mine.shop || ':' || mine.order_no
    AND p.order_id = mine.order_id AND p.order_no = '') THEN ? ELSE next_at END"""
"""Who waits for others, and was told of none, waits once more as it is let go: they may be let go with it."""
OWED = "({})".format(", ".join(f"'{state.value}'" for state in sorted(OWED_STATES)))
"""States of a payment, of orders that are to be sent."""
STOPPED = f"(o.fulfilment IN ('cancelled', 'intercepted') OR o.payment NOT IN {OWED})"
"""Of an order `o`: nothing of it is to be sent."""
IS_GOODS = "key NOT LIKE 'fetch:%'"
"""Of an effect: not a question to a shop, which may be asked of any order."""
IS_STOPPED = f"""EXISTS (SELECT 1 FROM (SELECT 1) AS one JOIN orders o ON o.order_id = outbox.order_id AND {STOPPED}
    AND outbox.{IS_GOODS})"""
"""Without a WHERE of its own: where many rows are changed at once, a statement is taken apart at its first."""
RELEASE = f"""UPDATE outbox SET note = ? || {BEFORE}, {ANEW}, released = ?,
    attempts = CASE WHEN ? = 'again' AND state = 'person' AND attempts > 1 THEN 1 ELSE attempts END,
    state = CASE WHEN state <> 'person' THEN state WHEN ? = 'close' AND done_at IS NULL THEN 'withdrawn'
    WHEN done_at IS NOT NULL THEN 'done' WHEN {IS_STOPPED} THEN state
    WHEN attempts = 0 OR ? = 'again' THEN 'waiting' ELSE state END
    WHERE key = ? AND state <> 'withdrawn' AND (? <> 'close' OR state = 'person')
    AND (? = '' OR note = ? OR state <> 'person' OR (? = 'close' AND done_at IS NULL AND note NOT LIKE ?))"""
"""A person lets it go, or has seen to what waited for one: each word as it was said, one after the other. Where it
waits for a reason that its speaker has not seen, nothing was said; but for what is to go no more, unless that it is
owed again was not seen. What was tried may have arrived: it stays as it is, unless it is to go `again`. What is done
stays done."""
TO_BE_SENT = """o.deleted_at IS NULL AND o.payment IN ('deferred', 'paid') AND o.shipped_at IS NULL
    AND o.after_sale IN ('none', 'rejected', 'closed') AND ((o.fulfilment = 'waiting' AND o.logistics = 'none')
    OR (o.fulfilment = 'partly_shipped' AND EXISTS (SELECT 1 FROM outbox f
    WHERE f.key = 'push:' || o.shop || ':' || o.order_no AND f.state = 'done')))"""
"""Of an order `o`: nobody else can have sent it, nor does the buyer want it back. What is said to be shipped may have
left by another hand, unless it was the first of its parcels."""
FREE = f"""UPDATE outbox SET note = ? || {BEFORE}, {ANEW}, released = coalesce(released, 0), state = 'waiting'
    WHERE key = ? AND state = 'person' AND attempts = 0 AND note = ?
    AND EXISTS (SELECT 1 FROM orders o WHERE o.order_id = outbox.order_id AND {TO_BE_SENT})"""
"""The hub lets go what waits for one thing, and for nothing that was said meanwhile: it knows no more than that."""
RECALLED = f"CASE WHEN state = 'done' THEN '{HANDED_OVER}; ' ELSE '' END"
HOLD = f"""UPDATE outbox SET state = 'person', note = {RECALLED} || ? || {BEFORE} WHERE key = ?
    AND ((state IN ('waiting', 'leased') AND (coalesce(released, -1) < ? OR (? > 0 AND attempts > 0)))
    OR (state = 'person' AND note NOT LIKE CASE WHEN released IS NULL THEN ? ELSE ? END AND note NOT LIKE ?
    AND (coalesce(released, -1) < ? OR attempts > 0))
    OR (state = 'done' AND coalesce(released, -1) < ?)
    OR (state = 'withdrawn' AND ? = 1 AND coalesce(released, -1) < ?))"""
"""Also what a rule holds already, or what was tried in vain: whoever lets it go must know of this, too. Told once, and
once more after a person's word, whose answer stands in the note with the reasons that it was given to. What
was tried and is held since a moment of this batch is not let go again by who spoke later in it, no more than in a batch
of its own."""
CALM = """UPDATE outbox SET note = CASE WHEN note = ? THEN ? WHEN note LIKE ? THEN ? || substr(note, ?)
    ELSE substr(note, ?) END, state = CASE WHEN note = ? OR note LIKE ? THEN 'waiting' ELSE state END
    WHERE key = ? AND state = 'person' AND attempts = 0 AND (note IN (?, ?) OR note LIKE ? OR note LIKE ?)"""
"""What was held for one thing alone, or for that since a person let it go, goes when it is over. Where that is the
newest reason, or the next to one that may be over by itself, it is held for what is left, as if it had not been."""
EXPECTED = """EXISTS (SELECT 1 FROM orders mine
    JOIN packs p ON mine.order_id = outbox.order_id AND p.shop = mine.shop AND p.order_no = mine.order_no
    JOIN orders other ON other.order_id = p.order_id
    JOIN outbox gone ON gone.key = 'push:' || other.shop || ':' || other.order_no
    AND (gone.state IN ('leased', 'done') OR (gone.attempts > 0 AND gone.state <> 'withdrawn')))"""
"""Whether a warehouse was told of another order that it is packed with this one, or may have been."""
WITHDRAW = f"""UPDATE outbox SET note = {RECALLED} || ? || {BEFORE},
    state = CASE WHEN state = 'done' AND coalesce(released, -1) >= ? THEN state
    WHEN attempts > 0 OR {EXPECTED} THEN 'person' ELSE 'withdrawn' END
    WHERE key = ? AND (state IN ('waiting', 'leased') OR (state = 'person' AND note NOT LIKE ?)
    OR (state = 'done' AND ? > 0 AND note NOT LIKE ?))"""
"""What is being tried, or was in vain, may arrive all the same, what is done has, and what is waited for is missed: a
person must look. Who has leased it and has not begun says so: UNBEGUN."""

EXPECTING = """SELECT gone.key FROM outbox leaves JOIN orders mine ON mine.order_id = leaves.order_id
    AND leaves.key = 'push:' || mine.shop || ':' || mine.order_no
    JOIN packs p ON p.shop = mine.shop AND p.order_no = mine.order_no JOIN orders other ON other.order_id = p.order_id
    JOIN outbox gone ON gone.key = 'push:' || other.shop || ':' || other.order_no WHERE {those}"""
"""The hand-overs that say to be packed with others, which leave."""

FORESTALL = f"""UPDATE outbox SET state = CASE WHEN attempts > 0 OR {EXPECTED} THEN 'person' ELSE ? END,
    note = ? || {BEFORE} WHERE key = ? AND done_at IS NULL
    AND (coalesce(released, -1) < CASE WHEN attempts = 0 THEN ? ELSE ? END OR (? > 0 AND attempts > 0))
    AND (state IN ('waiting', 'leased')
    OR (state = 'person' AND note NOT LIKE CASE WHEN attempts = 0 THEN ? ELSE ? END))"""
"""What was tried may have arrived, and that may be what has left: to try it once more could send it twice, so a person
must look. Told once, as by HOLD; but what was not tried is withdrawn as often as it was taken up again."""

DUE_TARGETS = """WITH RECURSIVE known (target) AS (
    SELECT min(target) FROM outbox WHERE state = 'waiting'
    UNION ALL SELECT (SELECT min(target) FROM outbox WHERE state = 'waiting' AND target > known.target)
    FROM known WHERE known.target IS NOT NULL)
    SELECT target FROM known WHERE target IS NOT NULL
    AND ((SELECT min(next_at) FROM outbox WHERE state = 'waiting' AND target = known.target) <= ?
    OR (SELECT max(next_at) FROM outbox WHERE state = 'waiting' AND target = known.target) > ?)
    UNION SELECT target FROM outbox WHERE state = 'leased' AND (lease_until <= ? OR lease_until > ?)"""
"""Targets of effects that are due: of those that wait, a few steps along the index for each target, however many do;
of those that are leased, a look at each, and they are no more than dispatchers hold."""

_SOONEST = "SELECT next_at, key FROM outbox WHERE state = '{state}' AND target = ? AND {due} ORDER BY next_at LIMIT ?"
LEASABLE = {
    "overdue": _SOONEST.format(state="leased", due="(lease_until <= ? OR lease_until > ?)"),
    "waiting": _SOONEST.format(state="waiting", due="next_at <= ?"),
    "astray": _SOONEST.format(state="waiting", due="next_at > ?"),
}
"""Of one target, what is due soonest. What waits is walked along the index up to the limit: of a hundred thousand that
wait none is looked at that could not be taken."""
LEASE = """UPDATE outbox SET state = 'leased', owner = ?, lease_until = ?, attempts = attempts + 1
    WHERE {those} RETURNING key, order_id, target, payload, generation, attempts"""

STILL_LEASED = """SELECT 1 FROM outbox
    WHERE key = ? AND generation = ? AND owner = ? AND state = 'leased' AND payload = ?"""

FINISH = """UPDATE outbox SET state = CASE WHEN ? = 'done' AND payload <> ? THEN 'person' ELSE ? END,
    note = CASE WHEN ? = 'done' AND payload <> ? THEN 'done as it was before it changed' ELSE ? END,
    next_at = ?, done_at = ?, attempts = ?, lease_until = NULL
    WHERE key = ? AND generation = ? AND owner = ? AND state = 'leased'"""
FINISH_LATE = f"""UPDATE outbox SET state = 'person', done_at = ?, lease_until = NULL,
    note = CASE WHEN ? = 'done' THEN '{HANDED_OVER}; ' || note ELSE note || '; begun before that: ' || ? END
    WHERE key = ? AND generation = ? AND owner = ? AND state IN ('withdrawn', 'person') AND lease_until IS NOT NULL"""
"""Of what was held while it was performed: it is done, or may have arrived, and a person must look. The note goes on
saying why it should not have been."""
_AGAIN = AGAIN.removesuffix("?") + "%"
"""Up to its `?`, which is a parameter's."""
UNBEGUN = f"""UPDATE outbox SET attempts = ?, lease_until = NULL,
    note = CASE WHEN ? <> '' THEN note || '; begun before that: ' || ? ELSE note END,
    state = CASE WHEN ? = 0 AND note NOT LIKE '{_AGAIN}' AND (note NOT LIKE '%{_AGAIN}'
    OR note LIKE '%the order is %{_AGAIN}') AND {IS_STOPPED} AND NOT {EXPECTED} THEN 'withdrawn' ELSE state END
    WHERE key = ? AND generation = ? AND owner = ? AND state IN ('withdrawn', 'person') AND lease_until IS NOT NULL"""
"""What was held while it was leased, and was not begun, or was refused: it is no try, and nothing has arrived. That it
is owed again may be written at this moment, and only its note says so then, before any word of its stop."""

OPEN_PARKED = "parked WHERE dismissed_at IS NULL"
"""What waits for a person; of the rest, one has said that it need not. An index holds these alone."""
DISMISS = "UPDATE parked SET dismissal = ?, dismissed_by = ?, dismissed_at = ? WHERE source = ? AND message_id = ?"
"""Nothing where it is being tried again: it is dismissed no more."""

SAID_AT = itemgetter(6)  # of a row of `reviews`
IF_NEWER = " WHERE excluded.at >= {table}.at"
"""What was said earlier never hides what the same touchpoint, or the same person, said later."""

RESOURCES = """SELECT kind, subject, place, balance, safety FROM resources WHERE kind = 'turn'
    OR (kind IN ('stock', 'capacity', 'quota') AND {those})"""
HEADS = """SELECT log_seq, log_hash, (SELECT max(seq) FROM log WHERE seq > lanes.log_seq
    AND (seq - 1) % (SELECT count(*) FROM lanes) = lanes.lane) FROM lanes ORDER BY lane"""
"""The end of each lane's log as the lane knows it, and the last entry beyond that, which should not be."""


class Effects(NamedTuple):
    """Those that one transaction changes, or must find as it leaves them, by their keys."""

    changed: frozenset[str]
    leaving: frozenset[str]
    """Of these, what may be withdrawn."""
    in_order: bool
    """Whether its statements come to them in one order, whichever they are."""


def effects_of(writes: Writes) -> Effects:
    replaced = {row[0] for row in writes.latest_effects}, {row[0] for row in writes.renewed_effects}
    released, freed = {row[-1] for row in writes.released}, {row[2] for row in writes.freed}
    closed = {told.key for told in writes.released if told.act == "close"}
    leaving = closed | {one.key for one in writes.forestalled} | {one.key for one in writes.withdrawn}
    held = {one.key for one in writes.held} | {one.key for one in writes.calmed}
    some = [one for one in (*replaced, released, held, freed, leaving, writes.packed) if one]
    in_order = len(some) < 2 and not writes.packed
    return Effects(frozenset().union(*some), frozenset(leaving), in_order)


def _unseen(seen: str) -> str:
    """Of what nobody has seen to who has seen no more than that; as LIKE has it."""
    return "" if AGAIN in seen else f"%{AGAIN}%"


class Batch(NamedTuple):
    """One statement for many rows. `table` is set where the rows are whole rows of it, in column order (of MOVE: those
    of MOVED, then the order's id)."""

    sql: str
    rows: list[Row]
    table: str = ""
    key: str = ""
    """Of a change of one row: the column that names it."""


def _hold_row(why: str, since: int, there: int, withdrawn: bool, key: str, beside: str) -> Row:
    """What `HOLD` asks for."""
    told = f"%{why}%", f"{why}%", f"{beside}; before: {why}%"
    return (why, key, since, since, *told, since, there, int(withdrawn), since)


def _calm_row(why: str, beside: str, key: str) -> Row:
    """What `CALM` asks for."""
    over, other = f"{why}; before: ", f"{beside}; before: "
    changed = (other + why, beside, f"{other}{over}%", other, len(other + over) + 1, len(over) + 1)
    return (*changed, why, f"{over}let go by %", key, why, other + why, f"{over}%", f"{other}{over}%")


def batches(writes: Writes) -> Iterator[Batch]:
    """The statements of one transaction, in order; those without rows are left out."""
    every = [
        Batch(insert("todo"), list(writes.requeued)),
        Batch(MOVE, writes.moved, "orders"),
        Batch(RETIRE_LINES, writes.retired_lines),
        Batch(TAKE_BACK_PAYMENTS, writes.unpaid),
        *(Batch(upsert(table), rows, table) for table, rows in writes.upserts.items()),
        *(Batch(insert(table), rows, table) for table, rows in writes.inserts.items()),
        *(Batch(insert_new(table), rows, table) for table, rows in writes.new.items()),
        # After what is parked; in the order in which `Store.requeue` takes rows out again.
        Batch(DISMISS, [(*row[2:], *row[:2]) for row in sorted(writes.dismissed)]),
        Batch(upsert("sightings") + IF_NEWER.format(table="sightings"), writes.sightings, "sightings"),
        # The newest last: where many go in at once, of one person's on one order only the last does.
        Batch(upsert("reviews") + IF_NEWER.format(table="reviews"), sorted(writes.reviews, key=SAID_AT), "reviews"),
        # Each in one order; who else may hold several at once: see `effects_of`.
        Batch(insert("outbox") + REPLACE, sorted(writes.latest_effects, key=lambda row: row[0]), "outbox"),
        Batch(insert("outbox") + RENEW, sorted(writes.renewed_effects, key=lambda row: row[0]), "outbox"),
        *(Batch(sql, [row]) for sql, row in writes.words),
        Batch(
            RELEASE,
            [
                (why, until, until, moment, act, act, act, key, act, seen, seen, act, _unseen(seen))
                for why, until, moment, act, seen, key in sorted(writes.released, key=itemgetter(-1))
            ],
            key="key",
        ),
        Batch(
            HOLD,
            [_hold_row(*hold) for hold in sorted(writes.held, key=attrgetter("key"))],
            key="key",
        ),
        Batch(
            CALM,
            [_calm_row(*calm) for calm in sorted(writes.calmed, key=itemgetter(-1))],
            key="key",
        ),
        Batch(
            FORESTALL,
            [
                (state, why, key, untried, since, since, f"{why}%" if state == "withdrawn" else seen, seen)
                for state, why, untried, since, told, key in sorted(writes.forestalled, key=itemgetter(-1))
                for seen in (f"%{why}%" if told else "%",)
            ],
            key="key",
        ),
        Batch(
            WITHDRAW,
            [
                (why, there, key, f"{why}%", there, f"%{why}%")
                for why, there, key in sorted(writes.withdrawn, key=itemgetter(-1))
            ],
            key="key",
        ),
        Batch(
            FREE,
            [(why, until, until, *row) for why, until, *row in sorted(writes.freed, key=lambda row: row[2])],
            key="key",
        ),
    ]
    return (batch for batch in every if batch.rows)
