"""What became of orders that the log does not tell: what was done outside and what is still to be, why rules decided as
they did, and gifts that a rule gave and its limit refused.

The log is written as news are applied, and every byte costs all orders. This is read from rows that are kept anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from orderhub_core import effects
from orderhub_core.effects import Effect
from orderhub_core.store.base import Store
from orderhub_core.store.unmet import MET_NOBODY

DONE = "SELECT payload, done_at, attempts FROM outbox WHERE {those} AND done_at IS NOT NULL ORDER BY done_at, key"
AHEAD = f"""SELECT key, target,
    CASE WHEN (state = 'waiting' AND attempts > 0) OR ({MET_NOBODY}) THEN 'failing' ELSE state END,
    attempts, next_at, note, done_at IS NOT NULL AND state = 'person' FROM outbox WHERE {{those}}
    AND state IN ('waiting', 'leased', 'person') ORDER BY intended_at, key"""
INTENDED = "SELECT key, state FROM outbox WHERE {those} AND intended_at >= ?"
ANSWERED = "SELECT done_at FROM outbox WHERE key = ? AND state = 'done'"
DECIDED = """SELECT action, argument, quantity, rule, version, reason, decided_at, parcel FROM decisions
    WHERE order_id = ? AND shadow = 0 ORDER BY place"""
EARNED = """SELECT g.rule, g.sku, l.sku FROM lines g JOIN lines l ON l.order_id = g.order_id AND l.line_no = g.gift_of
    WHERE g.order_id = ? AND g.rule <> ''"""
PARCELS = "SELECT decided FROM orders WHERE order_id = ?"
SENT_AS = "SELECT DISTINCT order_id FROM parcels WHERE {those}"


class Done(NamedTuple):
    """An effect that was performed, and read back. `at`: microseconds UTC."""

    effect: Effect
    at: int
    tries: int


class Ahead(NamedTuple):
    """An effect that is not done, or that a person must look at once more. `next_at`: when it is tried, microseconds
    UTC; what waits for a person is not."""

    key: str
    target: str
    state: str
    """waiting, failing, leased or person."""
    tries: int
    next_at: int
    note: str
    """How the last try ended, or why it waits for a person."""
    done: bool
    """Whether it was performed, and is looked at for what was learnt since."""


class Decided(NamedTuple):
    """What a rule said of an order, and why. `quantity`: pieces of a gift, 0 where there was not enough left of it.
    `at`: when the message came that had it decided, microseconds UTC."""

    action: str
    argument: str
    quantity: int
    rule: str
    version: str
    reason: str
    at: int
    parcel: int
    """The one that it is about; 0: the order."""


def parcels(store: Store, order_id: int) -> int:
    """In how many an order goes; 0 where no rulebook has spoken on it."""
    return sum(count for (count,) in store.query("hub", PARCELS, (order_id,)))


def sent_as(store: Store, tracking_nos: Iterable[str]) -> list[int]:
    """Orders of which a parcel has one of these numbers; an order may have several, and frames know one."""
    known = store.listed(number for number in tracking_nos if "\0" not in number)  # which no database holds
    return [number for (number,) in store.query("hub", SENT_AS.format(those=store.among("tracking_no")), (known,))]


def decided(store: Store, order_id: int) -> list[Decided]:
    """What rules said of one order, in their turn; not what a trial would have."""
    return [Decided(*row) for row in store.query("hub", DECIDED, (order_id,))]


def earned(store: Store, order_id: int) -> dict[tuple[str, str], str]:
    """Of gifts that rules gave, by rule and SKU, the SKU that each goes with."""
    return {(rule, gift): sku for rule, gift, sku in store.query("hub", EARNED, (order_id,))}


def intended(store: Store, keys: Sequence[str], since: int) -> list[tuple[str, str]]:
    """Those of these effects that were intended since then (microseconds UTC), and the state that each is in."""
    rows = store.query("hub", INTENDED.format(those=store.among("key")), (store.listed(keys), since))
    return [(key, state) for key, state in rows]


def done(store: Store, keys: Sequence[str]) -> list[Done]:
    """Those of these effects that are, the first one first."""
    rows = store.query("hub", DONE.format(those=store.among("key")), (store.listed(keys),))
    return [Done(effects.decode(payload), at, tries) for payload, at, tries in rows]


def ahead(store: Store, keys: Sequence[str]) -> list[Ahead]:
    """Those of these effects that are not done, the oldest first."""
    rows = store.query("hub", AHEAD.format(those=store.among("key")), (store.listed(keys),))
    return [Ahead(*(*row[:-1], bool(row[-1]))) for row in rows]


def is_unread(store: Store, key: str) -> bool:
    """Whether what an effect that is done has brought in may still wait to be applied, as something does that came no
    later. Raises Later where a cluster in front of the database, or a lane of it, cannot tell."""
    answered = store.query("hub", ANSWERED, (key,))
    if not answered:
        return False
    since = store.waits_since()
    return since is not None and since <= answered[0][0]
