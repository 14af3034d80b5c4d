"""Where orders are found by keys that come in no order.

Orders in the order of their ids lie on shelves, and an index of each shelf holds how its buyers' keys begin: to write a
new order touches the pages of the last shelf, and not those of all orders that there ever were. Who looks for a buyer
asks every shelf."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from orderhub_core.fold import DEFERRED

SHELF = "(order_id / 65536)"
"""As SQL, of a row of `orders`, from 0: larger ones cost more to write on, smaller ones more to ask."""
BUYER = "substr(buyer_key, 1, 8)"
"""Hardly anybody else on a shelf has the same."""
COLUMNS = (SHELF, BUYER, "buyer_key")
_BOUGHT = "SELECT order_id, buyer_key, paid_at, paid_minor, currency, facts FROM orders WHERE deleted_at IS NULL"
PURCHASES = f"{_BOUGHT} AND paid_at IS NOT NULL AND "
UNPAID = f"""{_BOUGHT} AND paid_at IS NULL AND facts LIKE '%"{DEFERRED}"%' AND buyer_key <> ''"""
LAST = f"SELECT coalesce(max{SHELF}, -1) FROM orders"


def values(buyers: Collection[str], last: int) -> tuple[Iterable[int | str], ...]:
    """What COLUMNS are among, in the rows of some buyers on any shelf up to the last."""
    return range(last + 1), {key[:8] for key in buyers}, buyers
