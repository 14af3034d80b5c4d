"""Raw bodies expire: what was applied long ago keeps its digest and loses its content, which holds people's data.

The digest still tells a redelivery from a contradiction. What waits or is parked keeps its body however old it is, and
so do signals. What is dropped is gone for ever, so that a clock which has jumped first has to prove itself.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import structlog

from orderhub_core.errors import UserMistake
from orderhub_core.settings import RESERVED
from orderhub_core.store import statements
from orderhub_core.store.base import Store
from orderhub_core.store.signals import KINDS
from orderhub_core.store.sqlite import SqliteStore
from orderhub_core.store.unit import Row

log = structlog.get_logger()

DAY_US = 86_400_000_000
SEEN, REST = "expiry: seen", "expiry: rest"
"""Of the table `cursor`: what the clock showed at the last pass, and what is left of the wait for it."""
MOST_ROWS, MOST_BYTES = 250, 8 * 1024 * 1024
"""Of one transaction: whoever accepts messages waits a few milliseconds for it."""
PAUSE_S = 0.01
"""Between transactions."""
FOR_GOOD = "PRAGMA secure_delete = ON"
"""SQLite forgets where a row was, and leaves there what was in it until the space is needed: in the file, and in every
copy of it. Asked of whoever drops alone, for it has the pages written that are freed."""
_SIGNALS = f"source = '{RESERVED}' AND kind IN ({', '.join(map(repr, KINDS))})"
LOOK = f"""SELECT id, received_at, CASE WHEN {_SIGNALS} THEN NULL ELSE octet_length(body) END
    FROM inbox WHERE id > ? ORDER BY id LIMIT ?"""
"""A word about the world outside says nothing of buyers, and keeps its body: all that is decided later follows from
it, too, and `rules reproduce` is to find it."""
NEXT = "SELECT received_at FROM inbox WHERE id > ? AND received_at <= ? ORDER BY id LIMIT 1"
LOOK_ROWS = 4_000
AGAIN_AFTER = 24
"""Passes until one begins at the beginning: what was parked when the others came by may be applied now."""


class Dropped(NamedTuple):
    bodies: int = 0
    bytes: int = 0


class Trust(NamedTuple):
    """In the clock, as of a pass."""

    seen: int
    """What it showed, microseconds UTC."""
    rest: int
    """How long it has to go on, microseconds, until what is old by it may be dropped."""


JUMP_US = 2 * DAY_US
"""Whoever looks once a day moves by a little more than one."""


def trusted(before: Trust | None, now: int) -> Trust:
    """Where the clock shows `now`. One that moved by more than JUMP_US since the pass before, or that nobody has seen
    before, has to go on for a day.

    It may as well be right: a hub was switched off. One that is on for hours only, every other week, waits on where it
    stopped; that the clock went back says that it was wrong, and the day begins anew.
    """
    if before is None:
        return Trust(now, DAY_US)
    moved = now - before.seen
    if abs(moved) <= JUMP_US:
        return Trust(now, max(0, before.rest - max(0, moved)))
    return Trust(now, before.rest if moved > 0 and before.rest else DAY_US)


def trust(store: Store, now: int) -> Trust:
    """In a clock that shows `now`, by what earlier passes have seen of it."""
    return trusted(_before(store), now)


def _before(store: Store) -> Trust | None:
    seen = store.cursor_of(SEEN)
    return None if seen is None else Trust(seen, store.cursor_of(REST) or 0)


def vouch(store: Store, now: int) -> None:
    """Somebody says that the clock, which shows `now`, is right."""
    _remember(store, Trust(now, 0))


def _remember(store: Store, trust: Trust) -> None:
    with store.transaction("hub") as cursor:
        cursor.executemany(store.sql(statements.upsert("cursor")), [(SEEN, trust.seen), (REST, trust.rest)])


class Expiry:
    """Goes through the inbox in steps of one small transaction each, from where the step before stopped.

    Safe beside other workers that do the same: a body is dropped once. Those whose clocks are more than two days apart
    keep each other from dropping any.
    """

    def __init__(self, store: Store, days: int) -> None:
        self._store, self._days = store, days
        self._after, self._passes = 0, 0
        self._now: int | None = None
        """When this pass began, by a clock that may be trusted: it may jump in the middle of one."""
        self._free: list[tuple[int, int]] = []
        """Messages that need their bodies no more, and the bodies' sizes: the next to be dropped."""

    def step(self, now: int) -> Dropped | None:
        """Drop some of the bodies received more than `days` before `now` (microseconds UTC), or before the pass began.

        None when that was all, or the clock is to be waited for; nothing dropped means that there is more to look at.
        """
        if self._now is None:
            if self._doubted(now):
                return None
            self._now = now
        now = self._now
        before = now - self._days * DAY_US
        if not self._free:
            looked, self._free = self._look(before, now)
            if looked and not self._free:
                return Dropped()
        if self._free:
            chosen, rest = _bounded(self._free)
            dropped = drop(self._store, [message for message, _ in chosen])
            self._free = rest
            return Dropped(dropped, sum(size for _, size in chosen) if dropped else 0)
        if conflicts := drop_conflicts(self._store, before):
            return conflicts
        self._passes += 1
        if self._passes % AGAIN_AFTER == 0:
            self._after = 0
        self._now = None
        return None

    def _doubted(self, now: int) -> bool:
        """Remember this look at the clock for the next one, whoever takes it."""
        known = _before(self._store)
        seen, rest = trusted(known, now)
        _remember(self._store, Trust(seen, rest))
        if known is not None and abs(seen - known.seen) > JUMP_US:
            log.warning(
                "the clock moved by more than two days: no raw body is dropped until it has gone on for one",
                days=round((seen - known.seen) / DAY_US, 1),
            )
        return rest > 0

    def _look(self, before: int, now: int) -> tuple[int, list[tuple[int, int]]]:
        """How many old messages come next, and those that are seen from there whose bodies may go, with the bodies'
        sizes."""
        rows = self._store.query("inbox", LOOK, (self._after, LOOK_ROWS))
        came = _came(self._store, rows, now)
        passed = list(itertools.takewhile(lambda at: at < before, came))
        if passed:
            self._after = rows[len(passed) - 1][0]
        old = [(row[0], row[2]) for row, at in zip(rows, came, strict=True) if at < before]
        free = _free(self._store, [message for message, size in old if size is not None])
        return len(passed), [(message, size) for message, size in old if message in free]


def _came(store: Store, rows: Sequence[Row], now: int) -> list[int]:
    """When each of these rows of LOOK came. Of one that came while the clock was ahead, when the next one did; of those
    behind which nothing has come since, now."""
    found: list[int] = []
    after = now
    if rows and rows[-1][1] > now:
        after = next((at for (at,) in store.query("inbox", NEXT, (rows[-1][0], now))), now)
    for _, at, _ in reversed(rows):
        after = at if at <= now else after
        found.append(after)
    return found[::-1]


def _bounded(old: Sequence[tuple[int, int]]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """What one transaction takes, at least one, and the rest."""
    total, count = 0, 0
    for _, size in old[:MOST_ROWS]:
        total += size
        if count and total > MOST_BYTES:
            break
        count += 1
    return list(old[:count]), list(old[count:])


def _free(store: Store, messages: Sequence[int]) -> set[int]:
    """Those that are applied, or parked and dismissed. Once that holds it holds for ever: nobody replays what was
    dismissed and is as old as this."""
    ids = store.listed(messages)
    # In the order in which they go: what lies above the watermark is in the queue next, where it is put off. What is
    # parked is asked before and after what waits: a message may go from either to the other in between.
    upto = store.watermark()
    parked = _parked(store, ids)
    waiting = _among(store, "todo", ids)
    if upto is not None:
        waiting |= {message for message in messages if message > upto}
    parked |= _parked(store, ids)
    return set(messages) - waiting - parked


def _parked(store: Store, ids: Any) -> set[int]:
    sql = f"SELECT id FROM {statements.OPEN_PARKED} AND {store.among('id')}"
    return {row[0] for row in store.query("hub", sql, (ids,))}


def _among(store: Store, table: str, ids: Any) -> set[int]:
    return {row[0] for row in store.query("hub", f"SELECT id FROM {table} WHERE {store.among('id')}", (ids,))}


def drop(store: Store, messages: Sequence[int]) -> int:
    """Drop the bodies of these messages in one transaction. Returns how many had one.

    SQLite gives the space of a row back only when the row is removed, not when it shrinks: there it is written anew.
    """
    ids = store.listed(messages)
    which = f"WHERE {store.among('id')} AND body IS NOT NULL"
    with store.transaction("inbox") as cursor:
        if not isinstance(store, SqliteStore):
            return int(cursor.execute(store.sql(f"UPDATE inbox SET body = NULL {which}"), (ids,)).rowcount)
        cursor.execute(FOR_GOOD)
        kept = [name for name in statements.columns("inbox") if name != "body"]
        names = ", ".join(kept)
        rows: list[Row] = cursor.execute(f"SELECT {names} FROM inbox {which}", (ids,)).fetchall()
        cursor.execute(f"DELETE FROM inbox {which}", (ids,))
        cursor.executemany(f"INSERT INTO inbox ({names}) VALUES ({', '.join('?' * len(kept))})", rows)
        return len(rows)


def drop_conflicts(store: Store, before: int) -> Dropped | None:
    """The same for bodies that came under an id already taken. Nothing ever reads those but a person."""
    keys = "source, message_id, digest"
    sql = (
        f"UPDATE conflict SET body = NULL WHERE ({keys}) IN (SELECT {keys} FROM conflict"
        " WHERE body IS NOT NULL AND received_at < ? LIMIT ?)"
    )
    if not store.query("inbox", "SELECT 1 FROM conflict WHERE body IS NOT NULL AND received_at < ? LIMIT 1", (before,)):
        return None
    with store.transaction("inbox") as cursor:
        if isinstance(store, SqliteStore):
            cursor.execute(FOR_GOOD)
        return Dropped(cursor.execute(store.sql(sql), (before, MOST_ROWS)).rowcount)


def expire(store: Store, now: int, days: int) -> Dropped:
    """Drop all that is due, leaving room for those who accept messages in between. Nothing while `trust` has a rest."""
    expiry, bodies, size = Expiry(store, days), 0, 0
    while (dropped := expiry.step(now)) is not None:
        bodies, size = bodies + dropped.bodies, size + dropped.bytes
        time.sleep(PAUSE_S if dropped.bodies else 0.0)
    return Dropped(bodies, size)


def due(store: Store, now: int, days: int) -> Dropped:
    """What would be dropped by a clock that is trusted, without dropping it."""
    before, after = now - days * DAY_US, 0
    total: list[int] = [0, 0]
    while rows := store.query("inbox", LOOK, (after, LOOK_ROWS)):
        old = [row for row, at in zip(rows, _came(store, rows, now), strict=True) if at < before]
        sizes: dict[int, Any] = {row[0]: row[2] for row in old if row[2] is not None}
        free = _free(store, list(sizes))
        total = [total[0] + len(free), total[1] + sum(sizes[message] for message in free)]
        after = rows[-1][0]
    return Dropped(*total)


def refuse_expired(store: Store, messages: Sequence[int], days: int, *, before: int = 0) -> None:
    """Raises UserMistake when only the digest is left of any of these messages; or may be at any moment, because it
    came `before` (microseconds UTC)."""
    sql = f"SELECT id FROM inbox WHERE (body IS NULL OR received_at < ?) AND {store.among('id')} ORDER BY id"
    if gone := [str(row[0]) for row in store.query("inbox", sql, (before, store.listed(messages)))]:
        raise UserMistake(
            "applied or dismissed, and expired since: {gone}; after limits.raw_days ({days}) only a message's"
            " digest is kept: ask its sender for it again, under another id, for this one is taken",
            gone=tuple(gone),
            days=days,
        )
