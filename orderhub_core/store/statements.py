"""SQL text built from the tables, once per process. SQLite and PostgreSQL understand the same statements;
parameters are written as `?` and translated by the backend."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import Table

from orderhub_core.store.tables import PARTS


@lru_cache
def table(name: str) -> Table:
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
    """Insert rows; those whose key stands already are overwritten."""
    keys = [column.name for column in table(name).primary_key]
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns(name) if column not in keys)
    return f"{insert(name)} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {changes}"


RETIRE_LINES = "UPDATE lines SET deleted_at = ? WHERE order_id = ? AND rule = '' AND deleted_at IS NULL"

REPLACE_WAITING = (
    insert("outbox")
    + """ ON CONFLICT (key) DO UPDATE SET payload = excluded.payload, state = 'waiting', attempts = 0,
    generation = outbox.generation + 1, next_at = excluded.next_at, lease_until = NULL, done_at = NULL"""
)
"""A `latest` effect: the newer one takes the place of the older, whatever became of that."""

RENEW_WAITING = (
    insert("outbox") + " ON CONFLICT (key) DO UPDATE SET payload = excluded.payload WHERE outbox.state = 'waiting'"
)
"""An effect that nobody has performed yet says what holds now; one that was performed stays as it was."""

WITHDRAW = "UPDATE outbox SET state = 'withdrawn', note = ? WHERE key = ? AND state = 'waiting'"

LEASE = """UPDATE outbox SET state = 'leased', owner = ?, lease_until = ?, attempts = attempts + 1 WHERE key IN (
    SELECT key FROM outbox WHERE (state = 'waiting' AND next_at <= ?) OR (state = 'leased' AND lease_until <= ?)
    ORDER BY next_at LIMIT ?{skip_locked})
    RETURNING key, order_id, target, payload, generation, attempts"""

FINISH = """UPDATE outbox SET state = ?, next_at = ?, done_at = ?, note = ?, lease_until = NULL
    WHERE key = ? AND generation = ? AND owner = ? AND state = 'leased'"""

NEWER_SIGHTING = upsert("sightings") + " WHERE excluded.at >= sightings.at"
"""A touchpoint's older row never hides its newer one."""

MOVE_ON = """UPDATE progress SET version = version + 1, applied_upto = ?, next_order_id = ?, log_seq = ?, log_hash = ?
    WHERE name = 'hub' AND version = ?"""
