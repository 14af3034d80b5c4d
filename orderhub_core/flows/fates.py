"""What rules have made of orders: which of them go to their warehouses, and which wait for a person first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from orderhub_core.flows.rows import push_keys
from orderhub_core.fold import Head
from orderhub_core.store import unlogged
from orderhub_core.store.base import Store

AT_ONCE = 2_000
"""Effects that are asked for in one question."""


def pushed(effects: Iterable[tuple[str, str]]) -> dict[str, bool]:
    """Of effects, by key and state, the orders that are handed over, and whether any of their parcels waits for a
    person."""
    orders: dict[str, bool] = {}
    for key, state in effects:
        kind, _, order = key.partition(":")
        if kind.partition("-")[0] == "push":
            orders[order] = orders.get(order, False) or state == "person"
    return orders


def of_orders(store: Store, heads: Iterable[Head], since: int) -> dict[str, bool]:
    """As `pushed`, of what is intended for these orders since then (microseconds UTC)."""
    keys: Sequence[str] = [key for head in heads if head.decided for key in push_keys(head)]
    some = (keys[at : at + AT_ONCE] for at in range(0, len(keys), AT_ONCE))
    return pushed(effect for few in some for effect in unlogged.intended(store, few, since))
