"""What rules read of an order's buyer when it is decided, and what the log keeps of that.

It is kept because it cannot be found out later: what the hub knew of the buyer's other orders just then, of those of
other lanes as well, nobody can tell from the order's own messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

import msgspec
import polars as pl

from orderhub_core.fold import Entry, Head
from orderhub_core.frames import INSTANT
from orderhub_core.model import Event
from orderhub_core.rules.buyers import BUYER, HISTORY, PURCHASES, history
from orderhub_core.store import owing
from orderhub_core.store.ahead import Reads
from orderhub_core.store.base import Store
from orderhub_core.store.recorded import Key
from orderhub_core.store.unit import Message, Row

READ = "rule.read"
"""The event."""
REFUNDS = (Event.REFUNDED.value, Event.PARTLY_REFUNDED.value)
_json = msgspec.json.Encoder(order="deterministic").encode
_facts = msgspec.json.Decoder(dict[str, int]).decode


class Buyers(Protocol):
    """What is known of buyers, for one batch."""

    def of(self, heads: Sequence[Head], touched: Mapping[int, Head]) -> pl.DataFrame:
        """HISTORY of orders that are to be decided, in this order. `touched`: the orders of the batch, by id, as they
        are now."""
        ...


class LiveBuyers:
    """From the hub as it is when the batch begins, and what the batch has made of it."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._asked: set[str] = set()
        self._stored: pl.DataFrame | None = None
        """Of the buyers that were asked for: one may be asked for as often as the batch has orders."""

    def of(self, heads: Sequence[Head], touched: Mapping[int, Head]) -> pl.DataFrame:
        buyers = {head.buyer_key for head in heads} - {""}
        if missing := buyers - self._asked:
            self._asked |= missing
            found = _frame(map(_stored, self._reads.purchase_rows(missing)))
            self._stored = found if self._stored is None else self._stored.vstack(found)
        here = _frame(_purchase(head, head.paid_at) for head in touched.values() if head.buyer_key in buyers)
        if self._stored is not None:
            own = pl.col(BUYER).is_in(list(buyers)) & ~pl.col("order_id").is_in(list(touched))
            here = self._stored.filter(own).vstack(here)
        return history(_frame(_purchase(head, head.owed_at) for head in heads), here)


def histories(store: Store) -> pl.DataFrame:
    """`order_id`, BUYER and HISTORY of all orders that are owed and whose buyer is known, by all that the hub knows now
    of what was paid before each was owed."""
    paid = store.purchase_rows()
    asking = _frame(map(_owed, (*paid, *owing.unpaid(store))))
    return asking.select("order_id", BUYER).hstack(history(asking, _frame(map(_stored, paid))))


def _owed(row: Row) -> Row:
    """A row of `Store.purchase_rows`, or of `owing.unpaid`, as one of PURCHASES: as of when it asks."""
    order_id, buyer, paid_at, *plain, facts = row
    return order_id, buyer, owing.owed_at(paid_at, facts), *plain, None


def _stored(row: Row) -> Row:
    """A row of `Store.purchase_rows` as one of PURCHASES, with the order's id."""
    *plain, facts = row
    return *plain, _refunded(_facts(facts)) if "refunded" in facts else None


def _purchase(head: Head, at: int | None) -> Row:
    return head.order_id, head.buyer_key, at, head.paid_minor, head.currency, _refunded(head.facts)


def _refunded(facts: Mapping[str, int]) -> int | None:
    return min((facts[event] for event in REFUNDS if event in facts), default=None)


def _frame(purchases: Iterable[Row]) -> pl.DataFrame:
    """PURCHASES, with the id of each order."""
    kinds = {"order_id": pl.Int64(), **PURCHASES}
    raw = {name: pl.Int64() if kind == INSTANT else kind for name, kind in kinds.items()}
    return pl.DataFrame(list(purchases), schema=raw, orient="row").cast(kinds)  # type: ignore[arg-type]


class AsRead:
    """What was read then, by shop and number of the order, as the log has it."""

    def __init__(self, read: Callable[[], Mapping[Key, str]]) -> None:
        self._ask = read

    @cached_property
    def _read(self) -> Mapping[Key, str]:
        return self._ask()

    def of(self, heads: Sequence[Head], touched: Mapping[int, Head]) -> pl.DataFrame:
        told = [msgspec.json.decode(self._read.get((head.shop, head.order_no), "{}")) for head in heads]
        return pl.DataFrame([{name: one.get(name) for name in HISTORY} for one in told], schema=HISTORY)


def entry(order_id: int, read: Mapping[str, Any], message: Message) -> Entry:
    """The log's, of what was read for an order."""
    at, told = message.received_at, {name: value for name, value in read.items() if value is not None}
    return Entry(order_id, READ, at, at, "", "", "noted", "rules", message.id, _json(told).decode())
