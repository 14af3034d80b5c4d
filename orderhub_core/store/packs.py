"""Orders that wait to be packed with others, what hand-overs say of that, what people say, and the statements that keep
it."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import NamedTuple

from orderhub_core import effects
from orderhub_core.effects import PushToWarehouse
from orderhub_core.model import Person
from orderhub_core.people import Packing, Pairing
from orderhub_core.store.base import Store
from orderhub_core.store.owing import owed_at
from orderhub_core.store.unit import Row

_WAITING = """SELECT e.state, e.attempts, e.next_at, e.payload, o.order_id, o.paid_at, o.facts, o.after_sale,
    o.province, o.city, o.buyer_key, p.name, p.phone, p.address
    FROM outbox e JOIN orders o ON o.order_id = e.order_id LEFT JOIN persons p ON p.order_id = e.order_id
    WHERE e.state = 'waiting' AND e.attempts = 0 AND e.key = 'push:' || o.shop || ':' || o.order_no
    AND EXISTS (SELECT 1 FROM packs k WHERE k.order_id = e.order_id)"""
_THOSE = " AND {those}"
_OVER = """SELECT 1 FROM outbox e WHERE e.state = 'waiting' AND e.attempts = 0 AND e.next_at <= ? AND EXISTS
    (SELECT 1 FROM packs k WHERE k.order_id = e.order_id AND k.order_no = '') LIMIT 1"""
_FREE = """SELECT e.order_id, o.changed_version, e.next_at FROM outbox e JOIN orders o ON o.order_id = e.order_id
    WHERE e.state = 'waiting' AND e.attempts = 0 AND e.key = 'push:' || o.shop || ':' || o.order_no
    AND EXISTS (SELECT 1 FROM packs k WHERE k.order_id = e.order_id AND k.order_no = '')"""
_AGREED = """SELECT e.key, o.order_no, o.changed_version, 'push:' || k.shop || ':' || k.order_no FROM outbox e
    JOIN orders o ON o.order_id = e.order_id JOIN packs k ON k.order_id = e.order_id AND k.order_no <> ''
    WHERE e.state = 'waiting' AND e.attempts = 0 AND e.key = 'push:' || o.shop || ':' || o.order_no"""
_BESIDE = "SELECT key, state, attempts, next_at, payload FROM outbox WHERE {those}"
_SAID = """SELECT shop, order_no, other_shop, other, say, by, reason FROM pairings WHERE {those}
    ORDER BY said_at, shop, order_no, other_shop, other"""
_PAIR = """INSERT INTO pairings (shop, order_no, other_shop, other, say, by, reason, said_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (shop, order_no, other_shop, other)
    DO UPDATE SET say = excluded.say, by = excluded.by, reason = excluded.reason, said_at = excluded.said_at"""
_NUMBERED = "SELECT shop FROM orders WHERE order_no = ? ORDER BY shop"
_PACK = """UPDATE outbox SET payload = ?, next_at = CASE WHEN next_at > ? THEN ? ELSE next_at END
    WHERE key = ? AND state = 'waiting' AND attempts = 0"""
_UNMISSED = """ AND NOT EXISTS (SELECT 1 FROM orders mine
    JOIN packs p ON mine.order_id = outbox.order_id AND p.shop = mine.shop AND p.order_no = mine.order_no
    JOIN orders other ON other.order_id = p.order_id{but}
    JOIN outbox gone ON gone.key = 'push:' || other.shop || ':' || other.order_no
    AND (gone.state IN ('leased', 'done') OR (gone.attempts > 0 AND gone.state <> 'withdrawn')))"""
"""Nobody has gone meanwhile who says to be packed with it, but those whom it names: who looked before that knows no
better, and another look follows."""
_BUT = " AND NOT (other.shop = ? AND other.order_no = ?)"
_TOLD = "EXISTS (SELECT 1 FROM outbox WHERE key = ? AND payload = ?)"
_PART = f"DELETE FROM packs WHERE order_id = ? AND {_TOLD}"
_JOIN = f"INSERT INTO packs (order_id, shop, order_no) SELECT ?, ?, ? WHERE {_TOLD} ON CONFLICT DO NOTHING"


class HandOver(NamedTuple):
    """An order's way to its warehouse. Instants in microseconds UTC."""

    state: str
    tries: int
    until: int
    """How long it waits for others, if it was not tried yet."""
    asked: PushToWarehouse


class Waiting(NamedTuple):
    """An order that waits for others, or is to go with some and has not gone yet."""

    order_id: int
    handed: HandOver
    owed_at: int | None
    after_sale: str
    place: tuple[str, str]
    """Province and city."""
    buyer: str
    """The shop's pseudonym."""
    person: Person
    """To be hashed at once, and kept nowhere else."""


class Agreed(NamedTuple):
    """What an order was told of those that it goes with."""

    order_no: str
    version: int
    """Of the order, which moves on with all that is heard of it."""
    names: frozenset[str]
    """The keys of those that it goes with."""


def is_used(store: Store) -> bool:
    """Whether anybody has ever waited for others: a hub that packs nothing together is asked for no more than that."""
    return bool(store.query("hub", "SELECT 1 FROM packs LIMIT 1"))


def is_over(store: Store, until: int) -> bool:
    """Whether anybody who was told of none has waited for others up to an instant (microseconds UTC)."""
    return bool(store.query("hub", _OVER, (until,)))


def waiting(
    store: Store, *, keys: Iterable[str] | None = None, orders: Iterable[int] | None = None
) -> list[Waiting]:  # fmt: skip
    """Whatever of packing together has not gone to its warehouse yet, and was not even tried; or those of these
    hand-overs, or orders, alone."""
    sql, values = _WAITING, []
    for column, some in (("e.key", keys), ("e.order_id", orders)):
        if some is not None:
            sql += _THOSE.format(those=store.among(column))
            values.append(store.listed(some))
    found = [one for row in store.query("hub", sql, values) if (one := _waiting(*row)) is not None]
    return sorted(found, key=attrgetter("order_id"))


def free(store: Store) -> list[Row]:
    """Of those that wait and were told of none: the order, which commit touched it last, and how long it waits."""
    return store.query("hub", _FREE)


def agreed(store: Store) -> dict[str, Agreed]:
    """Of those that were told with whom they go, and have not gone: by their keys."""
    found: dict[str, tuple[str, int, set[str]]] = {}
    for key, order_no, version, name in store.query("hub", _AGREED):
        found.setdefault(key, (order_no, version, set()))[2].add(name)
    return {key: Agreed(order_no, version, frozenset(names)) for key, (order_no, version, names) in found.items()}


def _waiting(
    state: str, tries: int, until: int, payload: str, number: int, paid_at: int | None, facts: str,
    after_sale: str, province: str, city: str, buyer: str, name: str | None, phone: str | None, address: str | None,
) -> Waiting | None:  # fmt: skip
    asked = effects.decode(payload)
    if not isinstance(asked, PushToWarehouse):
        return None
    person = Person(name or "", phone or "", address or "")
    handed = HandOver(state, tries, until, asked)
    return Waiting(number, handed, owed_at(paid_at, facts), after_sale, (province, city), buyer, person)


def hand_overs(store: Store, keys: Iterable[str]) -> dict[str, HandOver]:
    """By their keys, those that there are."""
    asked = list(keys)
    rows = store.query("hub", _BESIDE.format(those=store.among("key")), (store.listed(asked),)) if asked else []
    told = [(key, HandOver(state, tries, at, effects.decode(payload))) for key, state, tries, at, payload in rows]  # type: ignore[arg-type]
    return {key: one for key, one in told if isinstance(one.asked, PushToWarehouse)}


def shops(store: Store, order_no: str) -> list[str]:
    """Those that have an order of this number."""
    return [shop for (shop,) in store.query("hub", _NUMBERED, (order_no,))]


def said(store: Store, numbers: Iterable[str]) -> list[Row]:
    """shop, order_no, other shop and number, what was said, by whom and why, of the pairs that are named by orders of
    these numbers: the last word last."""
    return store.query("hub", _SAID.format(those=store.among("order_no")), (store.listed(numbers),))


def pairing(said: Pairing, at: int) -> tuple[str, Row]:
    """The statement that keeps a person's word. `at`: microseconds UTC."""
    return _PAIR, (said.shop, said.order_no, said.other_shop, said.other, said.say, said.by, said.reason, at)


def steps(said: Packing, order_id: int, key: str, payload: str, at: int) -> list[tuple[str, Row]]:
    """The statements that have an order's hand-over, of this key, say what it is packed with, which is its `payload`
    then, and go; unless somebody has gone who would miss it. `at`: microseconds UTC."""
    agreed = "" if said.missed else _UNMISSED.format(but=_BUT * len(said.companions))
    named = () if said.missed else tuple(name for one in said.companions for name in one)
    joined = [(_JOIN, (order_id, shop, order_no, key, payload)) for shop, order_no in said.companions]
    return [(_PACK + agreed, (payload, at, at, key, *named)), (_PART, (order_id, key, payload)), *joined]
