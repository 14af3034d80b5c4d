"""Presale in the store: batches as they were said, the orders that wait for them, and who has pieces of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from orderhub_core import effects
from orderhub_core.model import Line
from orderhub_core.store.aside import UNTOUCHED
from orderhub_core.store.base import Store
from orderhub_core.store.owing import in_turn, owed_at
from orderhub_core.store.statements import OWED
from orderhub_core.store.unit import Row
from orderhub_core.supply import Arrival, BatchPlan

_FIELDS = "sku, batch, pieces, ready_at, delayed_to, promised_at, arrived_at"
_BATCHES = f"SELECT {_FIELDS} FROM batches ORDER BY sku, batch"
_STILL_THERE = "excluded.arrived_at IS NULL AND excluded.pieces > 0 AND batches.arrived_at IS NOT NULL"
"""Who plans it once more and says nothing of its arrival takes back neither that nor what was counted then."""
_SAY = f"""INSERT INTO batches ({_FIELDS}, message) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (sku, batch) DO UPDATE SET ready_at = excluded.ready_at, delayed_to = excluded.delayed_to,
    promised_at = excluded.promised_at, message = excluded.message,
    pieces = CASE WHEN {_STILL_THERE} THEN batches.pieces ELSE excluded.pieces END,
    arrived_at = CASE WHEN {_STILL_THERE} THEN batches.arrived_at ELSE excluded.arrived_at END"""
_ARRIVE = """UPDATE batches SET arrived_at = ?, pieces = coalesce(?, pieces), message = ?
    WHERE sku = ? AND batch = ? AND pieces > 0"""
_DEAL = "INSERT INTO dealt (order_id, batch, goods, message) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
MOST_LOOKED_AT = 20
_HANDED = " OR ".join(
    f"f.key = '{name}:' || o.shop || ':' || o.order_no"
    for name in ("push", *(f"push-{n}" for n in range(2, MOST_LOOKED_AT + 1)))
)
"""Of any of its parcels. A rule makes ten at most; each time that lines come later they are one more."""
_WANTED = f"""SELECT o.order_id, o.shop, o.order_no, o.paid_at, o.facts, o.promised_at, l.sku, l.quantity,
    EXISTS (SELECT 1 FROM dealt WHERE dealt.order_id = o.order_id)
    OR o.shipped_at IS NOT NULL OR o.collected_at IS NOT NULL
    OR EXISTS (SELECT 1 FROM outbox f WHERE ({_HANDED})
    AND (f.state IN ('waiting', 'leased', 'done') OR (f.state = 'person' AND (f.attempts > 0 OR f.released > 0))))
    FROM orders o JOIN lines l ON l.order_id = o.order_id
    WHERE EXISTS (SELECT 1 FROM decisions d
    WHERE d.order_id = o.order_id AND d.action = 'hold' AND d.argument = 'presale' AND d.shadow = 0)
    AND o.deleted_at IS NULL AND l.deleted_at IS NULL
    AND ((o.payment IN {OWED} AND o.fulfilment NOT IN ('cancelled', 'intercepted'))
    OR o.shipped_at IS NOT NULL OR o.collected_at IS NOT NULL)
    ORDER BY o.order_id, l.line_no"""
"""What was called off before it left wants nothing any more; what has left keeps its pieces, whatever comes back, and
so does what a person let go, though it may be handed over by hand."""
_KEPT = f"""SELECT o.order_id, o.shop, o.order_no, dealt.batch, dealt.goods, o.changed_version, e.note, e.payload,
    o.paid_at, o.facts FROM outbox e JOIN orders o ON o.order_id = e.order_id JOIN dealt ON dealt.order_id = e.order_id
    WHERE e.state = 'person' AND e.attempts = 0 AND {UNTOUCHED} ORDER BY e.order_id, e.key"""
_REASONS = """SELECT d.order_id, d.action, d.argument, d.rule, d.reason FROM decisions d WHERE {those} AND d.shadow = 0
    AND d.action IN ('hold', 'approve') ORDER BY d.order_id, d.place"""


class Batch(NamedTuple):
    """Instants in microseconds UTC."""

    sku: str
    batch: str
    pieces: int
    ready_at: int | None
    delayed_to: int | None
    promised_at: int | None
    arrived_at: int | None


class Wanted(NamedTuple):
    """A line of an order that a rule holds, or has held, for its batch. Instants in microseconds UTC."""

    order_id: int
    shop: str
    order_no: str
    owed_at: int | None
    promised_at: int | None
    sku: str
    quantity: int
    taken: bool
    """It has its pieces, or may have left."""


class Kept(NamedTuple):
    """A parcel whose order has its pieces, and which is kept from its warehouse."""

    order_id: int
    shop: str
    order_no: str
    batch: str
    goods: str
    """What it was dealt, as of `told`."""
    version: int
    """Of the order, which moves on with all that is heard of it."""
    note: str
    asked: effects.PushToWarehouse


class Reason(NamedTuple):
    """Why an order is kept: a decision."""

    order_id: int
    action: str
    argument: str
    rule: str
    reason: str


def batches(store: Store) -> list[Batch]:
    """All that were said, as they were said last; those that were taken back, too, of 0 pieces."""
    return [Batch(*row) for row in store.query("hub", _BATCHES)]


def wanted(store: Store) -> list[Wanted]:
    """What all presale orders want, by order and line."""
    rows = store.query("hub", _WANTED)
    return [Wanted._make((*row[:3], owed_at(*row[3:5]), *row[5:-1], bool(row[-1]))) for row in rows]


def kept(store: Store) -> list[Kept]:
    """Parcels that were never tried, of orders that nothing is known to speak against: who is owed longest comes
    first, of whom nobody knows that, last."""
    rows = sorted(store.query("hub", _KEPT), key=lambda row: in_turn(*row[-2:]))
    found = ((*row[:-3], effects.decode(row[-3])) for row in rows)
    return [Kept(*row) for row in found if isinstance(row[-1], effects.PushToWarehouse)]


def held(store: Store, keys: Iterable[str]) -> frozenset[str]:
    """Those of these hand-overs that wait for a person."""
    sql = f"SELECT key FROM outbox WHERE {store.among('key')} AND state = 'person'"
    return frozenset(key for (key,) in store.query("hub", sql, (store.listed(keys),)))


def reasons(store: Store, order_ids: Iterable[int]) -> list[Reason]:
    """Why these orders were to be kept, each order's in the order in which it was decided."""
    sql = _REASONS.format(those=store.among("d.order_id"))
    return [Reason(*row) for row in store.query("hub", sql, (store.listed(order_ids),))]


def steps(said: BatchPlan, message: int) -> list[tuple[str, Row]]:
    """The statements that carry a person's word out."""
    return [(_SAY, (*row, message)) for row in said.rows]


def arrival(said: Arrival, message: int) -> tuple[str, Row]:
    """The statement that says that a batch is there, of one that was not taken back."""
    return _ARRIVE, (said.at, said.pieces, message, said.sku, said.batch)


def dealing(orders: Iterable[tuple[int, str, str]], message: int) -> list[tuple[str, Row]]:
    """The statements by which orders have their pieces: each with the batch that its last one is in, and its goods."""
    return [(_DEAL, (*order, message)) for order in orders]


def told(lines: Iterable[tuple[str, int]]) -> str:
    """SKUs and pieces of an order's lines as one text, whatever their order."""
    return ", ".join(f"{sku} × {pieces}" for sku, pieces in sorted(lines))


def goods(store: Store, order_ids: Iterable[int]) -> dict[int, str]:
    """What these orders consist of now, as of `told`."""
    found: dict[int, list[tuple[str, int]]] = {}
    for order_id, *fields in store.line_rows(order_ids):
        line = Line(*fields)
        found.setdefault(order_id, []).append((line.sku, line.quantity))
    return {order_id: told(lines) for order_id, lines in found.items()}
