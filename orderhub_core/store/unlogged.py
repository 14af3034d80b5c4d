"""What became of orders that the log has no entry for: what was done outside, and gifts that a rule gave and its limit
refused.

The log is written as news are applied, and every entry costs all orders. These two are read from the rows that are kept
of them anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from orderhub_core import effects
from orderhub_core.effects import Effect
from orderhub_core.store.base import Store

DONE = "SELECT payload, done_at, attempts FROM outbox WHERE {those} AND state = 'done' ORDER BY done_at, key"
REFUSED = """SELECT argument, rule, version, reason, decided_at FROM decisions
    WHERE order_id = ? AND action = 'add_gift' AND quantity = 0 AND shadow = 0 ORDER BY place"""
TELLING = "SELECT argument, rule FROM decisions WHERE order_id = ? AND action = 'notify' AND shadow = 0"
PARCELS = "SELECT decided FROM orders WHERE order_id = ?"


class Done(NamedTuple):
    """An effect that was performed, and read back. `at`: microseconds UTC."""

    effect: Effect
    at: int
    tries: int


class Refused(NamedTuple):
    """A gift that a rule gave, and of which there was not enough left. `reason`: why the rule gave it, and what was
    left. `at`: when the message came that had it decided, microseconds UTC."""

    sku: str
    rule: str
    version: str
    reason: str
    at: int


def parcels(store: Store, order_id: int) -> int:
    """In how many an order goes; 0 where no rulebook has spoken on it."""
    return sum(count for (count,) in store.query("hub", PARCELS, (order_id,)))


def told(store: Store, order_id: int) -> list[tuple[str, str]]:
    """Channel and rule of the notices that rules asked for."""
    return [(channel, rule) for channel, rule in store.query("hub", TELLING, (order_id,))]


def done(store: Store, keys: Sequence[str]) -> list[Done]:
    """Those of these effects that are, the first one first."""
    rows = store.query("hub", DONE.format(those=store.among("key")), (store.listed(keys),))
    return [Done(effects.decode(payload), at, tries) for payload, at, tries in rows]


def refused(store: Store, order_id: int) -> list[Refused]:
    """Of one order, as the rulebook gave them."""
    return [Refused(*row) for row in store.query("hub", REFUSED, (order_id,))]
