"""The ledger of stock and room: what is left, who took it, and what is promised and still there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from orderhub_core.errors import Fault, Term
from orderhub_core.store.base import Store
from orderhub_core.store.owing import in_turn, owed_at
from orderhub_core.store.statements import OWED

_BEING_MADE = """(lines.rule = '' AND orders.fulfilment IN ('waiting', 'designing', 'producing', 'short')
    AND EXISTS (SELECT 1 FROM decisions made WHERE made.order_id = orders.order_id
    AND made.action = 'work_order' AND made.shadow = 0))"""
"""What a base makes lies nowhere yet, and took nothing as it was decided; it is there once it is locked or labelled."""
_STILL_THERE = f"""lines.deleted_at IS NULL AND orders.deleted_at IS NULL AND NOT {_BEING_MADE}
    AND orders.payment IN {OWED}
    AND orders.fulfilment NOT IN ('cancelled', 'intercepted')
    AND (orders.shipped_at IS NULL OR orders.shipped_at > ?)
    AND (orders.collected_at IS NULL OR orders.collected_at > ? OR orders.decided > 1)
    AND (orders.delivered_at IS NULL OR orders.delivered_at > ? OR orders.decided > 1)"""
"""Of an order that goes in several parcels a carrier may have one and not yet the others."""
_THERE = f"""(SELECT orders.warehouse AS place, 'push:' AS hand_over, orders.shop, orders.order_no, lines.sku,
        lines.quantity
    FROM orders JOIN lines USING (order_id) WHERE {_STILL_THERE} AND orders.decided < 2
    UNION ALL SELECT splits.warehouse,
        CASE WHEN splits.parcel = 1 THEN 'push:' ELSE 'push-' || splits.parcel || ':' END,
        orders.shop, orders.order_no, lines.sku, lines.quantity
    FROM splits JOIN orders USING (order_id)
    JOIN lines ON lines.order_id = splits.order_id AND lines.line_no = splits.line_no WHERE {_STILL_THERE}) AS there"""
"""Lines that are to leave a warehouse and had not left it at an instant, which is asked for six times; and how the key
of their hand-over begins."""
_PROMISED = f"SELECT sku, sum(quantity) FROM {_THERE} WHERE place = ? GROUP BY sku"
_AWAITED = f"""SELECT o.shop, o.order_no, sum(there.quantity), o.paid_at, o.facts FROM {_THERE}
    JOIN orders o ON o.shop = there.shop AND o.order_no = there.order_no WHERE there.place = ? AND there.sku = ?
    GROUP BY o.shop, o.order_no, o.paid_at, o.facts ORDER BY o.shop, o.order_no"""
_BOUND = f"""SELECT sku, sum(quantity), sum(CASE WHEN e.key IS NULL THEN 0 ELSE quantity END) FROM {_THERE}
    LEFT JOIN outbox e ON e.key = hand_over || shop || ':' || there.order_no
    AND (e.state IN ('waiting', 'leased') OR e.done_at IS NOT NULL) WHERE place = ? GROUP BY sku"""
_LEFT = """SELECT place, subject, balance, safety FROM resources
    WHERE kind = ? AND (place = ? OR ? = '') AND (subject = ? OR ? = '') ORDER BY place, subject"""
_TOLD = "SELECT place, balance FROM resources WHERE kind = 'told' ORDER BY place"
_ENTRIES = """SELECT seq, kind, subject, place, ledger.order_id, coalesce(shop, ''), coalesce(order_no, ''), quantity,
    balance, safety, message FROM ledger LEFT JOIN orders USING (order_id)"""
_SUBTRACTED = """SELECT DISTINCT order_id, place FROM ledger WHERE kind = 'stock' AND {those}
    UNION SELECT turns.order_id, told.place FROM (SELECT order_id, max(seq) AS seq FROM ledger
    WHERE kind = 'turn' AND subject = 'stock' AND {those} GROUP BY order_id) AS turns
    JOIN (SELECT place, max(seq) AS seq FROM ledger WHERE kind = 'told' AND subject = '' GROUP BY place) AS told
    ON told.seq > turns.seq"""
_HEARD_OF = """SELECT subject, 0 FROM resources WHERE kind = 'stock' UNION
    SELECT sku, CASE WHEN gift_of IS NULL THEN 0 ELSE 1 END FROM lines
    WHERE order_id > (SELECT coalesce(max(order_id), 0) - ? FROM orders)"""
LATEST = 20_000
"""Orders whose lines tell of SKUs: a walk of some 50 ms."""
AT_A_TIME = 10_000
MARKERS = ("turn", "told")
"""Kinds of entries that take nothing: an order's turn, and that a warehouse has reported."""


class Left(NamedTuple):
    """Of one SKU in one warehouse: pieces that are neither promised nor gone, and those that orders must leave; or of
    one of its days: orders."""

    place: str
    subject: str
    balance: int
    safety: int


class Entry(NamedTuple):
    seq: int
    kind: str
    subject: str
    place: str
    order_id: int
    shop: str
    order_no: str
    quantity: int
    balance: int
    safety: int
    message: int


def promised(store: Store, warehouse: str, at: int) -> dict[str, int]:
    """Pieces by SKU of all orders, paid or to be paid later, that are to leave a warehouse, whoever sent them there,
    and had not left it `at` (microseconds UTC), those that wait for a person among them, but not what is being made for
    its order. One pass over the orders."""
    rows = store.query("hub", _PROMISED, (*[at] * 6, warehouse))
    return {sku: int(pieces) for sku, pieces in rows}


class Awaited(NamedTuple):
    """Of one SKU in one warehouse, what an order has there that is owed and has not left."""

    shop: str
    order_no: str
    pieces: int
    owed_at: int | None
    """Microseconds UTC."""


def awaited(store: Store, warehouse: str, sku: str, at: int) -> list[Awaited]:
    """Whose pieces `promised` counts, who is owed longest comes first; of whom nobody knows that, last."""
    rows = sorted(store.query("hub", _AWAITED, (*[at] * 6, warehouse, sku)), key=lambda row: in_turn(*row[-2:]))
    return [Awaited(shop, order_no, int(pieces), owed_at(*told)) for shop, order_no, pieces, *told in rows]


def bound(store: Store, warehouse: str, at: int) -> dict[str, tuple[int, int]]:
    """By SKU the pieces of `promised`, and how many of them are of orders that the warehouse was told of, or is about
    to be: not of those that wait for a person. One pass over the orders."""
    rows = store.query("hub", _BOUND, (*[at] * 6, warehouse))
    return {sku: (int(pieces), int(told)) for sku, pieces, told in rows}


def left(store: Store, kind: str, *, place: str = "", subject: str = "") -> list[Left]:
    """Of the kind `stock` or `capacity`; of one warehouse, SKU or day, or of all."""
    return [Left(*row) for row in store.query("hub", _LEFT, (kind, place, place, subject, subject))]


def subtracted(store: Store, orders: Iterable[int]) -> list[tuple[int, str]]:
    """Of these orders, each warehouse with what is `left` after them: they took of it, or it has reported since their
    turn. An order that found too little there, and of which no report was told yet, is not among them."""
    numbers = store.listed(orders)
    return store.query("hub", _SUBTRACTED.format(those=store.among("order_id")), (numbers, numbers))


def reports(store: Store, warehouse: str, after: int) -> list[tuple[int, int]]:
    """What a warehouse has reported after an entry of the ledger, in turn: each by its number there, and that of its
    message."""
    sql = """SELECT seq, message FROM ledger WHERE kind = 'told' AND subject = '' AND place = ? AND seq > ?
        ORDER BY seq"""
    return [(seq, message) for seq, message in store.query("hub", sql, (warehouse, after))]


def newest_reports(store: Store, warehouse: str, most: int) -> list[tuple[int, int]]:
    """The last ones, the newest first; as of `reports`."""
    sql = """SELECT seq, message FROM ledger WHERE kind = 'told' AND subject = '' AND place = ?
        ORDER BY seq DESC LIMIT ?"""
    return [(seq, message) for seq, message in store.query("hub", sql, (warehouse, most))]


def told(store: Store) -> dict[str, int]:
    """Warehouses that report their stock, and as of when they did last."""
    return dict(store.query("hub", _TOLD))


def skus(store: Store) -> dict[str, bool]:
    """All that warehouses have reported or the latest orders have, by name, and whether one was given away."""
    found = store.query("hub", _HEARD_OF, (LATEST,))
    return {sku: bool(given) for sku, given in sorted(found) if sku}


def entries(store: Store) -> Iterator[list[Entry]]:
    """All of the ledger in its order, some at a time."""
    for rows in store.pieces("hub", f"{_ENTRIES} ORDER BY seq", (), AT_A_TIME):
        yield [Entry(*row) for row in rows]


def broken(store: Store) -> Iterator[Fault]:
    """What does not follow from the entries before it, by resource. What is taken meanwhile is not looked at."""
    now = store.query("hub", "SELECT kind, subject, place, balance FROM resources WHERE kind <> 'told'")
    last = next((row[3] for row in now if row[0] == "turn"), None)
    if last is None:
        yield Fault("the ledger's turn is missing")
        return
    balances: dict[tuple[str, str, str], int] = {}
    expected = 0
    sql = "SELECT seq, kind, subject, place, quantity, balance FROM ledger WHERE seq <= ? ORDER BY seq"
    for rows in store.pieces("hub", sql, (last,), AT_A_TIME):
        for seq, kind, subject, place, quantity, balance in rows:
            expected += 1
            if seq != expected:
                yield Fault("entry {seq} of the ledger is missing", seq=expected)
                return
            if kind not in MARKERS and balances.get((kind, subject, place), 0) + quantity != balance:
                text = "entry {seq} of the ledger ({place}) does not follow from those before it"
                yield Fault(text, seq=seq, place=place)
            balances[kind, subject, place] = balance
    if expected != last:
        yield Fault("entry {seq} of the ledger is missing", seq=last)
    table = {(kind, subject, place): balance for kind, subject, place, balance in now if kind != "turn"}
    entered = {resource: balance for resource, balance in balances.items() if resource[0] not in MARKERS}
    for kind, subject, place in sorted(table.keys() | entered.keys()):
        resource = (kind, subject, place)
        if table.get(resource) != entered.get(resource):
            what = place if kind == "quota" else f"{place}, {subject}"  # a quota's subject may be a buyer
            text = "{what}: {left} are left by the table, {entered} by the ledger"
            left, told = (Term("none") if one is None else one for one in (table.get(resource), entered.get(resource)))
            yield Fault(text, what=what, left=left, entered=told)


def newest(store: Store, *, place: str, subject: str, limit: int) -> list[Entry]:
    """Entries of one SKU or day in one warehouse, the newest first."""
    sql = f"{_ENTRIES} WHERE subject = ? AND place = ? AND kind IN ('stock', 'capacity') ORDER BY seq DESC LIMIT ?"
    return [Entry(*row) for row in store.query("hub", sql, (subject, place, limit))]
