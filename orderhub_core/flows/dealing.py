"""Who gets the pieces of the presale batches that are there: each word that has them dealt is applied alone, one
after the other, so that no piece is dealt twice, whoever asks for it and however often.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import polars as pl

from orderhub_core.presale.batches import BATCHES, LINES, Planned, awaited, due, schedule
from orderhub_core.store import presale
from orderhub_core.store.base import Store
from orderhub_core.store.presale import Batch, Wanted
from orderhub_core.store.unit import Message, Row

INSTANTS = ("ready_at", "delayed_to", "paid_at", "promised_at", "arrived_at")


class Standing(NamedTuple):
    """How batches and the orders that wait for them stand at a moment."""

    planned: Planned
    """Of the lines of SKUs that come in batches; `order_no` is an order's id, as text."""
    wanted: list[Wanted]
    """Of all presale orders."""
    now: datetime


def standing(store: Store, now: int) -> Standing:
    """`now`: microseconds UTC."""
    coming, wanted, moment = presale.batches(store), presale.wanted(store), datetime.fromtimestamp(now / 1e6, UTC)
    known = {one.sku for one in coming}  # what nobody has ever planned is taken to be in stock
    told = [
        (str(one.order_id), one.sku, one.quantity, one.owed_at, one.promised_at, one.taken)
        for one in wanted
        if one.sku in known
    ]
    return Standing(schedule(frame(told, LINES), awaited(frame(coming, BATCHES), moment)), wanted, moment)


def steps(store: Store, message: Message) -> list[tuple[str, Row]]:
    """The statements by which orders have the pieces that are there when this is applied."""
    return presale.dealing(waiting(standing(store, message.received_at)), message.id)


def waiting(stands: Standing) -> list[tuple[int, str, str]]:
    """Orders whose pieces are all there and that have not got them, each with its last batch and its goods."""
    lines: dict[int, list[tuple[str, int]]] = {}
    for one in stands.wanted:
        if not one.taken:
            lines.setdefault(one.order_id, []).append((one.sku, one.quantity))
    found = ((int(number), batch) for number, batch in due(stands.planned, stands.now).iter_rows())
    return [(number, batch, presale.told(lines[number])) for number, batch in found if number in lines]


def frame(rows: Sequence[Row] | Sequence[Batch], schema: pl.Schema) -> pl.DataFrame:
    """Of rows whose instants are in microseconds UTC."""
    raw = {name: pl.Int64() if name in INSTANTS else kind for name, kind in schema.items()}
    return pl.DataFrame(rows, schema=raw, orient="row").cast(schema)
