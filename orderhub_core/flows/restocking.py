"""Who may go now that a warehouse has reported its stock: orders that were held because something was not there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from orderhub_core.store.aside import Lacking

Left = Mapping[str, tuple[int, int]]
"""Of the SKUs that it reported: what is left there once all that is promised is subtracted, and what must stay."""


class Waiting(NamedTuple):
    """An order that waits as a whole, or the rest of one of which other parcels do not."""

    shop: str
    order_no: str
    parcel: int
    """0: all of it."""
    why: str
    """As it is noted of it; of an order that waits as a whole, the same of all its parcels."""
    needs: Mapping[str, int]
    """Pieces by SKU; of what has none nobody knows where it lies."""


def waiting(lacking: Sequence[Lacking]) -> list[Waiting]:
    """What goes together, in the order in which it waits."""
    found = []
    for (shop, order_no), some in groupby(lacking, key=lambda one: (one.asked.shop, one.asked.order_no)):
        parcels = list(some)
        units = [parcels] if len(parcels) == parcels[0].parcels else [[one] for one in parcels]
        for unit in units:
            number = 0 if len(unit) == unit[0].parcels else unit[0].asked.parcel
            found.append(Waiting(shop, order_no, number, unit[0].note, _needs(unit)))
    return found


def fitting(waiting: Sequence[Waiting], left: Left) -> list[Waiting]:
    """Those of one warehouse that have everything there, in the order in which they wait. Who waits is promised, too: a
    report keeps its pieces from everybody else, so that whoever goes takes from nobody. Who does not fit is passed
    over, and keeps nothing from those behind it; nor does anybody who needs what the report does not name.
    """
    free = {sku: balance - safety for sku, (balance, safety) in left.items()}
    for one in waiting:
        for sku in one.needs.keys() & free.keys():
            free[sku] += one.needs[sku]
    found = []
    for one in waiting:
        if all(free.get(sku, -1) >= pieces for sku, pieces in one.needs.items()):
            found.append(one)
            for sku, pieces in one.needs.items():
                free[sku] -= pieces
    return found


def _needs(parcels: Sequence[Lacking]) -> dict[str, int]:
    needs: dict[str, int] = {}
    for line in (line for one in parcels for line in one.asked.lines if line.sku):
        needs[line.sku] = needs.get(line.sku, 0) + line.quantity
    return needs
