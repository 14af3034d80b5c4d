"""What a book's rules on parcels say, once it is settled what of an order goes in which parcel, and from where."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from orderhub_core.flows import parcelling, rows
from orderhub_core.flows.allotting import Settled
from orderhub_core.flows.counters import Made
from orderhub_core.fold import Head
from orderhub_core.model import Line
from orderhub_core.rules.actions import NEAREST
from orderhub_core.rules.buyers import HISTORY
from orderhub_core.rules.decide import Decision, each
from orderhub_core.rules.dictionary import Field
from orderhub_core.rules.index import Index
from orderhub_core.rules.needs import asks_buyers, line_columns, order_columns, signals
from orderhub_core.rules.of_parcels import KNOWN, on_parcels
from orderhub_core.rules.tree import Rulebook

Reports = Callable[[Sequence[Head], Mapping[int, Sequence[Line]], Sequence[Field]], pl.DataFrame]
"""SIGNALS that these orders may have heard, by their lines, of these fields."""


class Parcel(NamedTuple):
    made: Made
    number: int
    warehouse: str | None
    """None where nobody has said."""
    parcels: int
    lines: Sequence[Line]


def marked(
    made: Sequence[Made], settled: Sequence[Settled], read: Mapping[int, Mapping[str, Any]], reports: Reports
) -> list[Settled]:
    """With what is said of each parcel. `read`: of buyers, by order, where a book asks for them."""
    found = list(settled)
    books = {id(one.book): one.book for one in made}.values()
    for book in [book for book in books if book.parcels]:
        own = [place for place, one in enumerate(made) if one.book is book]
        parcels = [(place, parcel) for place in own for parcel in _parcels(made[place], settled[place])]
        every = _said([parcel for _, parcel in parcels], on_parcels(book), read, reports)
        for (place, parcel), said in zip(parcels, every, strict=True):
            of_it = tuple((parcel.number, decision) for decision in said)
            found[place] = found[place]._replace(of_parcels=found[place].of_parcels + of_it)
    return found


def _parcels(made: Made, settled: Settled) -> Iterator[Parcel]:
    if not settled.parts:
        yield Parcel(made, 1, _goes(made, settled), 1, made.lines)
        return
    every = parcelling.named(settled.parts)
    for parcel in every:
        own = [line for line in made.lines if line.line_no in parcel["lines"]]
        yield Parcel(made, parcel["no"], parcel["warehouse"], len(every), own)


def _goes(made: Made, settled: Settled) -> str | None:
    """The warehouse that it came with, or else the one that a rule assigns first."""
    wish = next((one.argument for one in settled.decisions if one.action == "assign_warehouse"), None)
    return made.head.warehouse or (None if wish == NEAREST else wish)


def _said(
    parcels: Sequence[Parcel], book: Rulebook, read: Mapping[int, Mapping[str, Any]], reports: Reports
) -> list[list[Decision]]:  # fmt: skip
    """Decisions on each of them, each as if it were an order of its own."""
    heads = [parcel.made.head for parcel in parcels]
    ids = pl.Series("order_id", range(len(parcels)), pl.Int64)
    told = signals(book)
    heard = reports(heads, {one.made.head.order_id: one.made.lines for one in parcels}, told) if told else None
    columns = [name for name in order_columns(book) if name not in KNOWN]
    own = [
        pl.Series("warehouse", [parcel.warehouse for parcel in parcels], KNOWN["warehouse"]),
        pl.Series("parcels", [parcel.parcels for parcel in parcels], KNOWN["parcels"]),
    ]
    orders = rows.orders_frame(heads, tuple(dict.fromkeys((*columns, *rows.about(heard))))).with_columns(ids, *own)
    if asks_buyers(book):
        orders = orders.hstack(pl.DataFrame([read[head.order_id] for head in heads], schema=HISTORY))
    lines = rows.lines_frame({place: parcel.lines for place, parcel in enumerate(parcels)}, line_columns(book))
    found = each(Index(orders, lines, zone=book.zone, reports=heard), book)
    return [found[place] for place in range(len(parcels))]
