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
from orderhub_core.rules.buyers import HISTORY, PURCHASES, history
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

    def of(self, heads: Sequence[Head], touched: Mapping[int, Head]) -> pl.DataFrame:
        buyers = {head.buyer_key for head in heads} - {""}
        stored = self._reads.purchase_rows(buyers) if buyers else []
        bought = [_stored(row) for row in stored if row[0] not in touched]
        bought += [
            _purchase(head.buyer_key, head.paid_at, head.paid_minor, head.currency, head.facts)
            for head in touched.values()
            if head.buyer_key in buyers
        ]
        asking = [_purchase(head.buyer_key, head.paid_at, 0, head.currency, {}) for head in heads]
        return history(_frame(asking), _frame(bought))


def histories(store: Store) -> pl.DataFrame:
    """`order_id` and HISTORY of all orders whose buyer is known, by all that the hub knows now of what was paid before
    each."""
    stored = store.purchase_rows()
    bought = _frame(map(_stored, stored))
    return history(bought, bought).insert_column(0, pl.Series("order_id", [row[0] for row in stored], pl.Int64))


def _stored(row: Row) -> Row:
    """Of one of `Store.purchase_rows`."""
    _, buyer, paid_at, paid_minor, currency, facts = row
    return _purchase(buyer, paid_at, paid_minor, currency, _facts(facts))


def _purchase(buyer: str, paid_at: int | None, paid_minor: int, currency: str, facts: Mapping[str, int]) -> Row:
    refunded = min((facts[event] for event in REFUNDS if event in facts), default=None)
    return buyer, paid_at, paid_minor, currency, refunded


def _frame(purchases: Iterable[Row]) -> pl.DataFrame:
    raw = {name: pl.Int64() if kind == INSTANT else kind for name, kind in PURCHASES.items()}
    return pl.DataFrame(list(purchases), schema=raw, orient="row").cast(dict(PURCHASES))  # type: ignore[arg-type]


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
