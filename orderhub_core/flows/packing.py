"""The packing floor of a hub, or of a snapshot of one, as it is now."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import polars as pl

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
    rows = [] if store is None else [(one.place, one.subject, one.balance) for one in ledger.left(store, "stock")]
    left = pl.DataFrame(rows, schema=LEFT, orient="row")
    parcels = [] if store is None else store.split_rows(here["order_id"])
    together = [] if store is None else store.pack_rows(here["order_id"])
    held = [] if store is None else _held(store)
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
    """An order that is not on the floor."""

    shop: str
    order_no: str
    headline: str
    """As of `model.Headline`."""
    held: str
    """Why a person must let it go first, `; ` between reasons; empty where nobody must."""
    waits: bool
    """For others that it may be packed with."""


def off(hub: Frames, store: Store | None, name: str) -> list[Off]:
    """The orders of a number or tracking number. Without a `store` nobody knows which are held."""
    wanted = (pl.col("order_no") == name) | (pl.col("tracking_no") == name)
    names = ("order_id", "shop", "order_no", pl.col("headline").cast(pl.String))
    found = hub.frame("orders").filter(wanted).select(*names)
    return [
        Off(shop, order_no, headline, *_why(store, number, shop, order_no))
        for number, shop, order_no, headline in found.iter_rows()
    ]


def _why(store: Store | None, number: int, shop: str, order_no: str) -> tuple[str, bool]:
    if store is None:
        return "", False
    notes = dict.fromkeys(one.note for one in aside.held(store, shop=shop, order_no=order_no))
    waits = any(not one.handed.asked.pack_with for one in packs.waiting(store, orders=[number]))
    return "; ".join(notes), waits


def _held(store: Store) -> list[Row]:
    """What is no keeper's yet: as a person must let it go first, or as it waits for others to be packed with."""
    waiting = (one.handed.asked for one in packs.waiting(store) if not one.handed.asked.pack_with)
    return [
        *((one.shop, one.order_no, one.parcel or None) for one in aside.held(store)),
        *((one.shop, one.order_no, None) for one in waiting),
    ]
