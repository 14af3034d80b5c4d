"""Orders that were touched lately, kept between batches: they need not be read and unpacked again.

What is kept holds only while nobody else writes. So a batch takes it out, for exactly the state of the hub that its
claim is based on, and puts it back for the state that its commit will leave. What a batch that fails has put back is
forgotten; another writer's commit changes the state, and what was kept is never found again.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from itertools import islice
from operator import attrgetter
from typing import NamedTuple

import msgspec

from orderhub_core.fold import Head, Pseudonymous
from orderhub_core.model import Content
from orderhub_core.pseudonym import Pseudonyms
from orderhub_core.store.base import Store
from orderhub_core.store.unit import Claim, Writes

MOST = 5_000
"""Order numbers; hardly one has several orders. Some 10 KB each, measured as the growth of a worker during a sale."""


class Known(msgspec.Struct):
    """An order in memory."""

    head: Head
    told: Content | None = None
    """The content that was taken last, while all that is stated of the order stands in it."""
    beside: list[Known] | None = None
    """All orders of its number, itself among them, where several shops have one."""

    def hidden(self, content: Content | None, hashes: Pseudonyms) -> Pseudonymous:
        """The personal parts of a content of it, hashed; not once more where they are as before."""
        head, told = self.head, self.told
        if content is None or content is told:
            return NOTHING_HIDDEN
        if told is not None and _personal(content) == _personal(told):
            return Pseudonymous(head.buyer_key, head.person_digest)
        person = None if content.person is None else hashes.person(content.person, content.note)
        return Pseudonymous(hashes.buyer(head.shop, content.buyer_ref), person)


NOTHING_HIDDEN = Pseudonymous()
_personal = attrgetter("buyer_ref", "person", "note")
"""What is hashed of a content."""


Orders = dict[str, Known]
"""One of each number; the others are `beside` it. Of a number that is here all are: they are read and forgotten
together."""


def find(orders: Orders, shop: str, number: str) -> Known | None:
    """None where it is not here."""
    known = orders.get(number)
    if known is None or known.head.shop == shop:
        return known
    return next((one for one in known.beside or () if one.head.shop == shop), None)


def put(orders: Orders, known: Known) -> Known:
    """One that is not here yet, beside those of its number that are. Returns it."""
    first = orders.setdefault(known.head.order_no, known)
    if first is not known:
        known.beside = first.beside = [*(first.beside or [first]), known]
        for one in known.beside:
            one.beside = known.beside
    return known


def of_other_shops(orders: Orders, head: Head) -> list[Head]:
    """That have its number, too, by shop."""
    beside = orders[head.order_no].beside
    if beside is None:  # as nearly always
        return []
    return sorted([one.head for one in beside if one.head.shop != head.shop], key=attrgetter("shop"))


class _Kept(NamedTuple):
    version: int
    state: object
    """As of `Claim`: with the version, it tells one history of a hub from any other, a restored backup's among them."""
    orders: Orders


class Recent:
    """The recent orders of one store, lane by lane. Safe to use from several threads: what one has taken out, no other
    finds."""

    def __init__(self, store: Store, most: int = MOST) -> None:
        self._store, self._most = store, most
        self._kept: dict[int, _Kept] = {}
        """By lane."""
        self._lock = threading.Lock()

    def take(self, store: Store, claim: Claim) -> Orders | None:
        """The orders as they are in the state that the claim is based on; None where that is not known."""
        with self._lock:
            kept = self._kept.get(claim.lane)
            if store is not self._store or kept is None or kept[:2] != (claim.version, claim.state):
                return None
            del self._kept[claim.lane]
        return kept.orders

    def keep(self, store: Store, claim: Claim, writes: Writes, orders: Orders, touched: Orders) -> None:
        """For after the commit of `writes`: the orders that were taken out, and those that the batch has touched."""
        if store is not self._store:
            return
        orders |= touched  # at the end: whoever plans on this commit before it is made must find them
        most = max(self._most // claim.lanes, len(touched))
        for key in list(islice(orders, max(0, len(orders) - most))):
            del orders[key]
        with self._lock:
            self._kept[claim.lane] = _Kept(claim.version + 1, writes.mark, orders)

    def settle(self, claim: Claim, writes: Writes) -> None:
        """They are committed: what is remembered for after them holds for the state that is found in the store."""
        with self._lock:
            kept = self._kept.get(claim.lane)
            if kept is not None and kept.state is writes.mark:
                self._kept[claim.lane] = kept._replace(state=writes.log_hash)

    def forget(self, lane: int) -> None:
        with self._lock:
            self._kept.pop(lane, None)


@contextlib.contextmanager
def remembered_if_committed(recent: Recent | None, claim: Claim) -> Iterator[None]:
    """What was remembered of a batch that fails is forgotten."""
    try:
        yield
    except BaseException:
        if recent is not None:
            recent.forget(claim.lane)
        raise
