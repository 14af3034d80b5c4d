"""What was set aside: parked messages, those that contradict an earlier one of the same id, and effects that wait for a
person. Never their bodies."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from orderhub_core import effects
from orderhub_core.errors import NobodyThere
from orderhub_core.lifecycle import DUE_STATES
from orderhub_core.model import Event
from orderhub_core.store import statements
from orderhub_core.store.base import Store
from orderhub_core.store.owing import owed_at
from orderhub_core.store.unit import Row

PARKED = ("id", "source", "message_id", "reason", "parked_at")
DISMISSED = (*PARKED, "dismissal", "dismissed_by", "dismissed_at")
DUE = ", ".join(f"'{state.value}'" for state in sorted(DUE_STATES))
UNDECIDED = f"""SELECT shop, order_no FROM orders WHERE decided = 0 AND lines_digest IS NOT NULL AND deleted_at IS NULL
    AND payment IN ({DUE}) AND fulfilment = 'waiting' AND logistics = 'none'
    AND coalesce(paid_at, placed_at, 0) >= ?{{which}} ORDER BY order_id"""
ASKED_TO_WAIT = f"""SELECT {", ".join(statements.columns("orders"))} FROM orders
    WHERE {{those}} AND facts LIKE '%"{Event.HOLD_REQUESTED.value}"%'
    AND NOT EXISTS (SELECT 1 FROM outbox e WHERE e.key = 'push:' || orders.shop || ':' || orders.order_no
    OR e.key = 'work:' || orders.shop || ':' || orders.order_no)"""
CONFLICTS = """SELECT c.source, c.message_id, c.received_at, c.digest, octet_length(c.body),
    i.id, i.received_at, i.digest, octet_length(i.body)
    FROM conflict c LEFT JOIN inbox i ON i.source = c.source AND i.message_id = c.message_id
    WHERE {which} ORDER BY c.received_at DESC, c.source, c.message_id, c.digest"""


class Conflict(NamedTuple):
    """A message that came under an id already taken. Instants in microseconds UTC, digests in hex, sizes in bytes."""

    source: str
    message_id: str
    received_at: int
    digest: str
    bytes: int | None
    """None once the body has expired."""
    id: int | None
    """The inbox's number of the message that holds, its instant, digest and size; None where the inbox lost it."""
    first_received_at: int | None
    first_digest: str | None
    first_bytes: int | None


UNTOUCHED = f"""NOT EXISTS (SELECT 1 FROM decisions w
    WHERE w.order_id = e.order_id AND w.action = 'work_order' AND w.shadow = 0) AND {statements.TO_BE_SENT}"""
"""Of an order `o` and its effect `e` that may go without a person, who decides of what is made for the order."""
LACKING = f"""SELECT o.paid_at, o.facts, o.promised_at, o.decided, (SELECT min(t.seq) FROM ledger t
    WHERE t.order_id = e.order_id AND t.kind = 'turn' AND t.subject = 'stock'), e.note, e.payload
    FROM outbox e JOIN orders o ON o.order_id = e.order_id
    WHERE e.state = 'person' AND e.target = ? AND e.attempts = 0 AND EXISTS (SELECT 1 FROM decisions d
    WHERE d.order_id = e.order_id AND d.action = 'hold' AND d.argument = 'stock' AND d.shadow = 0
    AND (d.reason = e.note OR EXISTS (SELECT 1 FROM dealt JOIN decisions p ON p.order_id = dealt.order_id
    WHERE dealt.order_id = e.order_id AND p.action = 'hold' AND p.argument = 'presale' AND p.shadow = 0
    AND e.note = 'rule ' || p.rule || ' holds it: presale; ' || d.reason)))
    AND EXISTS (SELECT 1 FROM ledger l WHERE l.order_id = e.order_id AND l.kind = 'turn' AND l.subject = 'stock'
    AND l.seq < ?)
    AND {UNTOUCHED} ORDER BY e.intended_at, e.order_id, e.key"""
"""Of a warehouse what is held because it lacked something there, and for no other reason when a report came, but
that it waited for a batch whose pieces it has by now; each is among what ledger.promised subtracts from a report."""


class Lacking(NamedTuple):
    """A parcel that waits for what its warehouse did not have, and for nothing else."""

    owed_at: int | None
    promised_at: int | None
    """Microseconds UTC, both."""
    parcels: int
    """In how many its order goes."""
    turn: int
    """Its number in the ledger."""
    note: str
    """Why it waits."""
    asked: effects.PushToWarehouse


class Held(NamedTuple):
    """An effect that waits for a person. `tries`: of one that was tried nobody knows whether it has arrived."""

    shop: str
    order_no: str
    key: str
    target: str
    note: str
    """Why, the newest reason first."""
    tries: int
    since: int
    """When it was intended, microseconds UTC."""
    parcel: int = 0
    """Of an order that goes in several parcels, which of them; else 0."""
    parcels: int = 1
    done: bool = False
    """Whether it was performed, and is looked at for what was learnt since."""
    stopped: bool = False
    """Whether nothing of its order is to be sent, and this is no question to its shop."""


class Reason(NamedTuple):
    """How many messages of a source are parked for one reason, and since when: microseconds UTC."""

    source: str
    reason: str
    messages: int
    oldest_at: int


def parked(
    store: Store, limit: int | None = None, *, source: str | None = None, dismissed: bool = False
) -> list[dict[str, Any]]:
    """id, source, kind, message_id, reason, parked_at, received_at (microseconds UTC) and bytes of the oldest parked
    messages that wait for a person; or of those that were dismissed, with dismissal (the reason given for that),
    dismissed_by and dismissed_at."""
    names = DISMISSED if dismissed else PARKED
    whose = "parked WHERE dismissed_at IS NOT NULL" if dismissed else statements.OPEN_PARKED
    which, values = _of_source("source", source)
    end, bound = ("", []) if limit is None else (" LIMIT ?", [limit])
    rows = store.query("hub", f"SELECT {', '.join(names)} FROM {whose}{which} ORDER BY id{end}", (*values, *bound))
    known = _known(store, rows)
    return [dict(zip(names, row, strict=True)) | known.get(row[0], NOT_KNOWN) for row in rows]


class Parked(NamedTuple):
    """A message that nobody could read."""

    id: int
    source: str
    message_id: str
    dismissed_at: int | None
    """Microseconds UTC; None while it waits for a person."""
    dismissal: str | None
    """Why."""


def standing(store: Store, ids: Sequence[int]) -> list[Parked]:
    """Those of these messages that are parked, dismissed or not, by id. Nothing is asked of the others."""
    sql = f"SELECT id, source, message_id, dismissed_at, dismissal FROM parked WHERE {store.among('id')} ORDER BY id"
    return [Parked(*row) for row in store.query("hub", sql, (store.listed(ids),))]


def waiting(store: Store) -> list[int]:
    """The ids of all that wait for a person, the oldest first."""
    return [row[0] for row in store.query("hub", f"SELECT id FROM {statements.OPEN_PARKED} ORDER BY id")]


def naming(store: Store, order_no: str, most: int = 500) -> list[tuple[int, str]]:
    """Of the newest messages that wait for a person, those that have this number in them, and why they do."""
    sql = f"SELECT id, message_id, reason FROM {statements.OPEN_PARKED} ORDER BY id DESC LIMIT ?"
    rows = store.query("hub", sql, (most,))
    alone = rf"(?<![0-9A-Za-z]){re.escape(order_no)}(?![0-9A-Za-z])"
    bodies = {message.id: bytes(message.body or b"") for message in store.messages([row[0] for row in rows])}
    return [
        (number, reason)
        for number, message_id, reason in rows
        if re.search(alone, message_id) or re.search(alone.encode(), bodies.get(number, b""))
    ]


NOT_KNOWN: dict[str, Any] = {"kind": "", "received_at": None, "bytes": None}


def _known(store: Store, rows: list[Row]) -> dict[int, dict[str, Any]]:
    """What the inbox tells of them, by id."""
    sql = f"SELECT id, kind, received_at, octet_length(body) FROM inbox WHERE {store.among('id')}"
    found = store.query("inbox", sql, (store.listed(row[0] for row in rows),)) if rows else []
    return {row[0]: dict(zip(NOT_KNOWN, row[1:], strict=True)) for row in found}


def reasons(store: Store, *, source: str | None = None) -> list[Reason]:
    """Why messages wait for a person, the most frequent reason first."""
    which, values = _of_source("source", source)
    sql = (
        f"SELECT source, reason, count(*), min(parked_at) FROM {statements.OPEN_PARKED}{which}"
        " GROUP BY source, reason ORDER BY 3 DESC, 1, 2"
    )
    return [Reason(*row) for row in store.query("hub", sql, values)]


def conflicts(store: Store, limit: int, *, source: str | None = None) -> list[Conflict]:
    """The newest ones."""
    which, values = _of_source("c.source", source)
    rows = store.query("inbox", CONFLICTS.format(which=f"true{which}") + " LIMIT ?", (*values, limit))
    found = [Conflict(*row) for row in rows]
    return [one._replace(digest=_hex(one.digest), first_digest=_hex(one.first_digest)) for one in found]


def _of_source(column: str, source: str | None) -> tuple[str, tuple[str, ...]]:
    return ("", ()) if source is None else (f" AND {column} = ?", (source,))


def _hex(digest: Any) -> Any:
    return None if digest is None else bytes(digest).hex()


def held(store: Store, *, shop: str | None = None, order_no: str | None = None, limit: int | None = None) -> list[Held]:
    """Effects that wait for a person, the oldest first: all of each order, of at most `limit` orders, those that have
    waited longest. Of one shop or order only where that is given."""
    asked = [(column, value) for column, value in (("o.shop", shop), ("o.order_no", order_no)) if value is not None]
    which = "".join(f" AND {column} = ?" for column, _ in asked)
    those = f"FROM outbox e JOIN orders o ON o.order_id = e.order_id WHERE e.state = 'person'{which}"
    values: list[str | int] = [value for _, value in asked]
    if limit is not None:
        oldest = f"SELECT e.order_id {those} GROUP BY e.order_id ORDER BY min(e.intended_at), min(e.key) LIMIT ?"
        those += f" AND e.order_id IN ({oldest})"
        values += [*values, limit]
    sql = (
        "SELECT o.shop, o.order_no, e.key, e.target, e.note, e.attempts, e.intended_at, e.payload,"
        f" e.done_at IS NOT NULL, {statements.STOPPED} AND e.{statements.IS_GOODS} {those}"
        " ORDER BY e.intended_at, e.key"
    )
    rows = store.query("hub", sql, values)
    return [Held(*(*row[:-3], *_parcel(row[-3]), *map(bool, row[-2:]))) for row in rows]


def undecided(store: Store, *, shop: str | None = None, since: int = 0) -> list[tuple[str, str]]:
    """Shop and number of the orders that are to be sent since then (microseconds UTC), and on which no rulebook has
    spoken: they were known before there was one. In the order in which they were heard of first."""
    which, values = _of_source("shop", shop)
    return [(of, order_no) for of, order_no in store.query("hub", UNDECIDED.format(which=which), (since, *values))]


def asked_to_wait(store: Store, order_ids: Iterable[int] | None = None) -> list[Row]:
    """The rows of `orders` of those of these, or of all, that somebody wanted kept back, and of which nothing was ever
    to be handed over, as no rulebook has spoken on them, or it named no warehouse; whether one still does, they tell.
    """
    if order_ids is None:  # each is looked at
        return store.query("hub", ASKED_TO_WAIT.format(those="true"))
    return store.query("hub", ASKED_TO_WAIT.format(those=store.among("order_id")), (store.listed(order_ids),))


def shops(store: Store) -> list[str]:
    """All that an order is of."""
    return [shop for (shop,) in store.query("hub", "SELECT DISTINCT shop FROM orders ORDER BY shop")]


def lacking(store: Store, warehouse: str, report: int) -> list[Lacking]:
    """What had waited for the stock of a warehouse at a report (its number in the ledger) and was never tried, the
    oldest first. Who has come since took of what that report left, and is no part of what it promises."""
    rows = store.query("hub", LACKING, (warehouse, report))
    asked = [(*known, effects.decode(payload)) for *known, payload in rows]
    return [
        Lacking(owed_at(paid_at, facts), promised_at, parcels, turn, note, push)
        for paid_at, facts, promised_at, parcels, turn, note, push in asked
        if isinstance(push, effects.PushToWarehouse)
    ]


def _parcel(payload: str) -> tuple[int, int]:
    with contextlib.suppress(NobodyThere):  # it is told all the same
        effect = effects.decode(payload)
        if isinstance(effect, effects.PushToWarehouse) and effect.parcels > 1:
            return effect.parcel, effect.parcels
    return 0, 1
