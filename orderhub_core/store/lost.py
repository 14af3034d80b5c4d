"""What is gone without a trace of its own, but for what others say of it: an order that only the log still knows, a
hand-over that was decided and is nobody's, a message whose number was given out.

Each question is one statement: what is compared is of one moment, and a hub at work is not taken for a damaged one.
"""

from __future__ import annotations

from collections.abc import Iterator

from orderhub_core.errors import Fault
from orderhub_core.store.base import Store
from orderhub_core.store.findings import MOST_OF_A_KIND, RESTORE, Finding
from orderhub_core.store.unit import digest_of

_LOST_PARCELS = f"""SELECT o.shop, o.order_no, s.parcel FROM (SELECT DISTINCT order_id, parcel FROM splits) AS s
    JOIN orders AS o ON o.order_id = s.order_id LEFT JOIN outbox AS e
    ON e.key = CASE s.parcel WHEN 1 THEN 'push:' ELSE 'push-' || s.parcel || ':' END || o.shop || ':' || o.order_no
    WHERE e.key IS NULL OR s.parcel > o.decided ORDER BY s.order_id, s.parcel LIMIT {MOST_OF_A_KIND}"""


_LOST_LINES = f"""SELECT o.shop, o.order_no, l.line_no FROM orders AS o JOIN lines AS l ON l.order_id = o.order_id
    LEFT JOIN splits AS s ON s.order_id = l.order_id AND s.line_no = l.line_no
    WHERE o.decided > 1 AND l.deleted_at IS NULL AND s.parcel IS NULL
    ORDER BY l.order_id, l.line_no LIMIT {MOST_OF_A_KIND}"""


def parcels(store: Store) -> Iterator[Finding]:
    """Every line of an order that goes in several parcels is in one, and each is handed over, or waits for it."""
    for shop, order_no, line_no in store.query("hub", _LOST_LINES):
        text = "line {line} of order {order} of {shop} goes in no parcel"
        yield Finding("splits", Fault(text, line=line_no, order=order_no, shop=shop), RESTORE)
    for shop, order_no, parcel in store.query("hub", _LOST_PARCELS):
        text = "parcel {parcel} of order {order} of {shop} is handed over by nobody"
        yield Finding("splits", Fault(text, parcel=parcel, order=order_no, shop=shop), RESTORE)


_ORDERS = """SELECT count(DISTINCT order_id), min(order_id) FROM log
    WHERE order_id > 0 AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.order_id = log.order_id)"""
_HAND_OVERS = f"""SELECT o.shop, o.order_no FROM orders o WHERE o.decided = 1 AND o.warehouse_by = 'rule'
    AND NOT EXISTS (SELECT 1 FROM outbox e WHERE e.key = 'push:' || o.shop || ':' || o.order_no)
    ORDER BY o.order_id LIMIT {MOST_OF_A_KIND}"""
"""Whoever names a warehouse by a rule hands over, or has it wait for a person; what is done stays."""
_RECEIVERS = f"""SELECT o.shop, o.order_no FROM orders o WHERE o.person_digest IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM persons p WHERE p.order_id = o.order_id)
    ORDER BY o.order_id LIMIT {MOST_OF_A_KIND}"""
_NUMBERS = """SELECT lane, next_order_id FROM lanes WHERE EXISTS (SELECT 1 FROM orders o
    WHERE o.order_id >= lanes.next_order_id AND (o.order_id - 1) % (SELECT count(*) FROM lanes) = lanes.lane)"""
_MESSAGES = "SELECT coalesce(max(id), 0) - count(*) FROM inbox"
_FIRST_GAP = """SELECT min(id) + 1 FROM (SELECT 0 AS id UNION ALL SELECT id FROM inbox) AS before
    WHERE NOT EXISTS (SELECT 1 FROM inbox n WHERE n.id = before.id + 1)"""
"""Where messages are numbered without one: how many are not there, and the first of them."""
_CONTRADICTIONS = "SELECT source, message_id, digest, body FROM conflict WHERE body IS NOT NULL"
AT_A_TIME = 1_000


def rows(store: Store) -> Iterator[Finding]:
    """Orders, their hand-overs and receivers, and messages."""
    ((gone, first),) = store.query("hub", _ORDERS)
    if gone:
        text = "the log tells of {n} orders that are not there (first: {first})"
        yield Finding("orders", Fault(text, n=gone, first=first), RESTORE)
    for shop, order_no in store.query("hub", _HAND_OVERS):
        text = "order {order} of {shop} was given a warehouse and is handed over by nobody"
        yield Finding("orders", Fault(text, order=order_no, shop=shop), RESTORE)
    for shop, order_no in store.query("hub", _RECEIVERS):
        text = "nobody knows any more to whom order {order} of {shop} goes"
        yield Finding("persons", Fault(text, order=order_no, shop=shop), RESTORE)
    for lane, number in store.query("hub", _NUMBERS):
        text = "lane {lane} would number its next order {number}, which it has given out already"
        yield Finding("hub", Fault(text, lane=lane, number=number), RESTORE)
    if store.watermark() is not None:
        ((gone,),) = store.query("inbox", _MESSAGES)
        if gone:
            ((first,),) = store.query("inbox", _FIRST_GAP)
            text = "{n} messages that were received are not in the inbox (first: {first})"
            yield Finding("inbox", Fault(text, n=gone, first=first), RESTORE)


def contradictions(store: Store) -> Iterator[Finding]:
    """Bodies that came under an id already taken are what was received."""
    for some in store.pieces("inbox", _CONTRADICTIONS, (), AT_A_TIME):
        for source, message_id, digest, body in some:
            if digest_of(body) != bytes(digest):
                text = "the body that contradicts message {message} of {source} is not what was received"
                yield Finding("inbox", Fault(text, message=message_id, source=source), RESTORE)
