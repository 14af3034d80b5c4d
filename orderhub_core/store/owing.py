"""Since when the goods of an order are owed, by its row.

JSON is read here: no expression for it means the same on every backend."""

from __future__ import annotations

import msgspec

from orderhub_core import fold
from orderhub_core.fold import DEFERRED
from orderhub_core.store import shelves
from orderhub_core.store.base import Store
from orderhub_core.store.unit import Row

_facts = msgspec.json.Decoder(dict[str, int]).decode


def owed_at(paid_at: int | None, facts: str) -> int | None:
    """As `Head.owed_at`."""
    return fold.owed_at(paid_at, _facts(facts)) if DEFERRED in facts else paid_at


def in_turn(paid_at: int | None, facts: str) -> tuple[bool, int]:
    """Sorts by `owed_at`; where nobody knows it, last."""
    at = owed_at(paid_at, facts)
    return at is None, at or 0


def unpaid(store: Store) -> list[Row]:
    """Rows as of `Store.purchase_rows` of what is to be paid later and is not paid, where the buyer is known."""
    return store.query("hub", shelves.UNPAID)
