"""Who may go now that a warehouse has reported its stock: orders that were held because something was not there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orderhub_core.store.aside import Lacking

Left = Mapping[str, tuple[int, int]]
"""Of the SKUs that it reported: what is left there once all that is promised is subtracted, and what must stay."""


def fitting(waiting: Sequence[Lacking], left: Left) -> list[Lacking]:
    """Those of one warehouse that have everything there, in the order in which they wait. Who waits is promised, too: a
    report keeps its pieces from everybody else, so that whoever goes takes from nobody. Who does not fit is passed
    over, and keeps nothing from those behind it; nor does anybody who needs what the report does not name.
    """
    free = {sku: balance - safety for sku, (balance, safety) in left.items()}
    needs = [_needs(one) for one in waiting]
    for wanted in needs:
        for sku in wanted.keys() & free.keys():
            free[sku] += wanted[sku]
    found = []
    for one, wanted in zip(waiting, needs, strict=True):
        if all(free.get(sku, -1) >= pieces for sku, pieces in wanted.items()):
            found.append(one)
            for sku, pieces in wanted.items():
                free[sku] -= pieces
    return found


def _needs(one: Lacking) -> dict[str, int]:
    """Pieces by SKU; of what has none nobody knows where it lies."""
    needs: dict[str, int] = {}
    for line in one.asked.lines:
        if line.sku:
            needs[line.sku] = needs.get(line.sku, 0) + line.quantity
    return needs
