"""Order numbers that several shops have: one order heard of twice, or two orders."""

from __future__ import annotations

from collections.abc import Iterable

from orderhub_core.store.base import Store


def has_orders(store: Store, shop: str) -> bool:
    return bool(store.query("hub", "SELECT 1 FROM orders WHERE shop = ? LIMIT 1", (shop,)))


def in_other_shops(store: Store, shop: str, order_nos: Iterable[str]) -> list[tuple[str, str]]:
    """(shop, order_no) of the orders with these numbers that are not this shop's."""
    sql = f"SELECT shop, order_no FROM orders WHERE {store.among('order_no')} AND shop <> ? AND deleted_at IS NULL"
    return [(other, order_no) for other, order_no in store.query("hub", sql, (store.listed(order_nos), shop))]
