"""The packing floor of a hub, or of a snapshot of one, as it is now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

import polars as pl

from orderhub_core.flows import doubts, holding
from orderhub_core.packing import floor
from orderhub_core.packing.floor import HELD, LEFT, PACKS, PARCELS, SUBTRACTED, Known
from orderhub_core.store import aside, ledger, packs
from orderhub_core.store.base import Store
from orderhub_core.store.unit import Row


class Frames(Protocol):
    def frame(self, name: str) -> pl.DataFrame: ...
    def as_of(self) -> int: ...


def known(hub: Frames, store: Store | None, now: int | None = None) -> Known:
    """What is on its floor, as of `now` (microseconds UTC). Without a `store`, as in a snapshot, nobody knows what lies
    there, which of the orders go in several parcels or with others, and which are held."""
    here = floor.present(hub.frame("orders"), hub.as_of() if now is None else now)
    there = [] if store is None else [(one.place, one.subject, one.balance) for one in ledger.left(store, "stock")]
    left = pl.DataFrame(there, schema=LEFT, orient="row")
    parcels = [] if store is None else store.split_rows(here["order_id"])
    together = [] if store is None else store.pack_rows(here["order_id"])
    held = [] if store is None else _held(store, here["order_id"])
    kept = pl.DataFrame(held, schema=HELD, orient="row")
    waiting = here.join(kept, on=["shop", "order_no"], how="semi")["order_id"]
    subtracted = [] if store is None else ledger.subtracted(store, waiting)
    return floor.known(
        here,
        hub.frame("lines"),
        left,
        pl.DataFrame(parcels, schema=PARCELS, orient="row"),
        kept,
        pl.DataFrame(together, schema=PACKS, orient="row"),
        pl.DataFrame(subtracted, schema=SUBTRACTED, orient="row"),
    )


class Off(NamedTuple):
    """An order, or a parcel of one that goes in several, as it is now."""

    shop: str
    order_no: str
    headline: str
    """As of `model.Headline`."""
    held: str
    """Why a person must let it go first, `; ` between reasons; empty where nobody must."""
    waits: bool
    """For others that it may be packed with."""


def off(hub: Frames, store: Store | None, name: str) -> list[Off]:
    """The orders of a number or tracking number, or their parcels, which have a number of their own on the floor.
    Without a `store` nobody knows which are held, nor which go in several parcels."""
    whole, _, parcel = name.rpartition("/")
    wanted = (pl.col("order_no") == name) | (pl.col("tracking_no") == name)
    if parcel.isdecimal():
        wanted |= pl.col("order_no") == whole
    names = ("order_id", "shop", "order_no", pl.col("headline").cast(pl.String), "tracking_no")
    return [
        one
        for *row, tracking_no in hub.frame("orders").filter(wanted).select(*names).iter_rows()
        for one in _each(store, *row)
        if name in (one.order_no, row[2], tracking_no)
    ]


def _each(store: Store | None, number: int, shop: str, order_no: str, headline: str) -> list[Off]:
    """The order, or its parcels."""
    if store is None:
        return [Off(shop, order_no, headline, "", False)]
    if holding.kept_unsent(store, [number]):
        return [Off(shop, order_no, headline, doubts.KEPT, False)]
    held = aside.held(store, shop=shop, order_no=order_no)
    waits = any(not one.handed.asked.pack_with for one in packs.waiting(store, orders=[number]))
    parcels = sorted({parcel for _, _, parcel, _ in store.split_rows([number])})
    notes = {f"{order_no}/{parcel}": [one.note for one in held if one.parcel == parcel] for parcel in parcels}
    notes = notes or {order_no: [one.note for one in held]}
    return [Off(shop, called, headline, "; ".join(dict.fromkeys(why)), waits) for called, why in notes.items()]


def _held(store: Store, here: Iterable[int]) -> list[Row]:
    """What is no keeper's yet of these orders: as a person must let it go first, or as it waits for others to be packed
    with."""
    waiting = (one.handed.asked for one in packs.waiting(store) if not one.handed.asked.pack_with)
    return [
        *((one.shop, one.order_no, one.parcel or None) for one in aside.held(store)),
        *((one.shop, one.order_no, None) for one in waiting),
        *((one.shop, one.order_no, None) for one in holding.kept_unsent(store, here)),
    ]
