"""What is said of goods, apart from any order: what a warehouse has, what is to come and is there, and dealing it out.

Words of the hub, as those of `model`: values only, frozen, no IO. Instants are integers: microseconds since
1970-01-01T00:00:00Z.
"""

from __future__ import annotations

import msgspec


class StockReport(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a warehouse has of some SKUs. A later report of the same SKU takes the place of this one."""

    warehouse: str
    at: int
    """As of when, microseconds UTC: what had left the warehouse by then is not in it."""
    rows: tuple[tuple[str, int, int], ...]
    """SKU, pieces on hand, pieces that orders must leave."""
    by: str
    comment: str = ""


class BatchPlan(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What is to come of goods that are sold ahead. A later word on the same batch of a SKU takes this one's place."""

    rows: tuple[tuple[str, str, int, int | None, int | None, int | None, int | None], ...]
    """SKU, batch, pieces; microseconds UTC: ready at, delayed to, promised until, there since."""
    by: str
    comment: str = ""


class Arrival(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """That a batch which was planned is there. What else was said of it stays as it is."""

    sku: str
    batch: str
    at: int
    """Since when, microseconds UTC."""
    by: str
    pieces: int | None = None
    """If they are not as many as were planned."""


class Dealing(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """That what is there of presale batches is dealt to the orders that wait for it, in turn."""

    by: str
