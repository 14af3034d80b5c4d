"""Orders that are kept from their warehouse until a person lets them go, and keeping one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import msgspec

from orderhub_core.errors import UserMistake
from orderhub_core.flows import away, doubts, ops, rows
from orderhub_core.flows.naming import check_shop
from orderhub_core.flows.rows import FETCH, NOTICE, push_key, whole_keys, work_key
from orderhub_core.fold import Head
from orderhub_core.model import RawMessage
from orderhub_core.people import Keep, Release
from orderhub_core.settings import Settings
from orderhub_core.store import aside
from orderhub_core.store.aside import Held
from orderhub_core.store.base import Store


class Placed(NamedTuple):
    """An order that is kept back by hand."""

    shop: str
    order_no: str
    held: list[Held]
    """What waits for a person of it now, but for what is only told or asked about it."""
    unsent: bool
    """Whether nothing of it was ever to be handed over: it waits as soon as something is."""


class Holds:
    """Of one hub."""

    def __init__(
        self, store: Store, clock: Callable[[], int], say: Callable[[Sequence[RawMessage]], None], settings: Settings
    ) -> None:
        self._store, self._clock, self._say, self._settings = store, clock, say, settings

    def check_shop(self, shop: str) -> None:
        """Raises UserMistake for a shop that there is not."""
        check_shop(self._store, self._settings, shop)

    def kept(self, *, shop: str | None = None, order_no: str | None = None, limit: int | None = None) -> list[Held]:
        """Effects that wait for a person, the oldest first: all of each order, of at most `limit` orders."""
        return aside.held(self._store, shop=shop, order_no=order_no, limit=limit)

    def unsent(self, *, shop: str | None = None) -> list[Held]:
        """Orders that a person keeps back, and of which nothing was ever to be handed over, the oldest first: for no
        target. Each order of the hub is looked at."""
        found = [_unsent(head) for head in kept_unsent(self._store) if shop in (None, head.shop)]
        return sorted(found, key=lambda one: (one.since, one.shop, one.order_no))

    def place(self, order_no: str, *, shop: str | None = None, reason: str, by: str = "") -> Placed:
        """Keep an order from its warehouse until a person lets it go: a message of ours, applied when this returns. Of
        what was handed over already, a person is asked whether it must be stopped there.

        Raises UserMistake where there is no such order, several shops have one, nothing of it is to be sent, it has
        left, or the word could not be applied.
        """
        ops.check_keep(reason, by)
        head = self._order(order_no, shop)
        check_keepable(head)
        word = ops.keep(Keep(head.shop, order_no, reason, by), self._clock())
        self._say([word])
        ops.check_taken_in(self._store, [word])
        unsent = bool(kept_unsent(self._store, [head.order_id]))
        held = [one for one in self.kept(shop=head.shop, order_no=order_no) if not one.key.startswith((NOTICE, FETCH))]
        return Placed(head.shop, order_no, held, unsent)

    def release(
        self, order_no: str, *, shop: str | None = None, parcel: int = 0, reason: str, by: str = "", again: bool = False
    ) -> Held:  # fmt: skip
        """Let an order, or one parcel of it, go to its warehouse that a rule or a doubt has kept back: a message of
        ours, applied when this returns. What is learnt of the order after this may keep it back again. What was handed
        over already is left as it is; what was tried in vain goes only `again`.

        Raises UserMistake where there is no such order, none is kept back, several are, it was tried already, or it is
        kept back for what was not listed yet when this was said.
        """
        return self._said(order_no, shop, Release("", order_no, reason, by, parcel, act="again" if again else "go"))

    def close(self, order_no: str, *, shop: str | None = None, parcel: int = 0, reason: str, by: str = "") -> Held:
        """Say that a person has seen to an order, or to one parcel of it: it goes no more. Raises as `release`."""
        return self._said(order_no, shop, Release("", order_no, reason, by, parcel, act="close"))

    def _said(self, order_no: str, shop: str | None, said: Release) -> Held:
        ops.check_release(said.reason, said.by)
        heads, kept = self._orders(order_no, shop), self.kept(shop=shop, order_no=order_no)
        unsent = {head.order_id for head in kept_unsent(self._store, [head.order_id for head in heads])}
        if unsent and not said.parcel:
            theirs = {one.shop for one in kept}
            head = self._one([head for head in heads if head.order_id in unsent or head.shop in theirs])
            if head.shop not in theirs:
                return self._let_go_before(head, said)
        found = releasable(kept, order_no, said.parcel, said.act)
        notices = tuple(one.key for one in kept if one.shop == found.shop and _is_notice(one))
        about = notices if _is_notice(found) else ()
        seen = {one.key: one.note for one in kept if one.shop == found.shop}
        word = msgspec.structs.replace(said, shop=found.shop, notices=about, seen=seen)
        self._say([ops.release(word, self._clock())])
        if found.key in {one.key for one in self.kept(shop=found.shop, order_no=order_no)}:
            raise UserMistake("{order}: there are other reasons to hold it now; look at them first.", order=order_no)
        return found

    def _let_go_before(self, head: Head, said: Release) -> Held:
        """An order that is kept back by hand, and of which nothing is to be handed over yet. What it is held for once
        something is, is unseen."""
        if said.act == "close":
            raise UserMistake(
                "nothing of order {order} is to be handed over yet, so there is nothing to close; `holds release"
                " {order}` keeps it back no more",
                order=head.order_no,
            )
        seen = dict.fromkeys((push_key(head.shop, head.order_no), work_key(head.shop, head.order_no)), doubts.KEPT)
        word = ops.release(msgspec.structs.replace(said, shop=head.shop, seen=seen), self._clock())
        self._say([word])
        ops.check_taken_in(self._store, [word])
        return _unsent(head)

    def _order(self, order_no: str, shop: str | None) -> Head:
        """Raises UserMistake for an order that there is not, and where several shops have one."""
        return self._one(self._orders(order_no, shop))

    def _one(self, heads: Sequence[Head]) -> Head:
        if len(heads) > 1:
            text = "several shops have an order {order} ({shops}): say which (--shop)"
            raise UserMistake(text, order=heads[0].order_no, shops=tuple(sorted(head.shop for head in heads)))
        return heads[0]

    def _orders(self, order_no: str, shop: str | None) -> list[Head]:
        """Of the shops that have one. Raises UserMistake for an order that there is not."""
        if shop is not None:
            self.check_shop(shop)
        known = [rows.head(row) for row in self._store.order_rows([order_no])]
        if not known:
            raise UserMistake(
                "the hub knows no order {order}: check the number (`orderhub holds list` names those that are kept"
                " back), or import its shop's export",
                order=order_no,
            )
        mine = [head for head in known if shop in (None, head.shop)]
        if not mine:
            text = "the shop {shop} has no order {order}; one of that number is of {known}: say which (--shop)"
            raise UserMistake(text, shop=shop, order=order_no, known=tuple(sorted(head.shop for head in known)))
        return mine


def kept_unsent(store: Store, order_ids: Iterable[int] | None = None) -> list[Head]:
    """Those of these, or of all, that a person keeps back, and of which nothing was ever to be handed over: of any
    other it is that which waits."""
    heads = map(rows.head, aside.asked_to_wait(store, order_ids))
    return [head for head in heads if doubts.is_kept(head) and is_keepable(head)]


def _unsent(head: Head) -> Held:
    return Held(head.shop, head.order_no, "", "", doubts.KEPT, 0, head.facts[doubts.HOLD_REQUESTED])


def is_keepable(head: Head) -> bool:
    """Whether there is anything of an order to keep back."""
    return not _is_called_off(head) and away.there(head, 1) != away.GONE


def check_keepable(head: Head) -> None:
    """Raises UserMistake for an order of which nothing can be kept back."""
    if _is_called_off(head):
        raise UserMistake("order {order} is cancelled or refunded: nothing of it goes out", order=head.order_no)
    if not is_keepable(head):
        text = "order {order} has left already: ask its carrier, or the warehouse, to stop it"
        raise UserMistake(text, order=head.order_no)


def releasable(held: Sequence[Held], order_no: str, parcel: int = 0, act: str = "go") -> Held:
    """The one effect of an order that this may be said of, or the first of those that one word is about; `act`: as of
    `people.Release`. Its notices are spoken of once nothing else of it waits: no word on one lets goods go, or stops
    them. Raises UserMistake where there is none, or where they are of several orders."""
    own = [one for one in held if one.key in _own_keys(one) and parcel in (0, one.parcel)]
    own = own or [one for one in held if _is_notice(one) and not parcel]
    # Of parcels and a work order of the same order one word lets all go; what was not tried may go.
    pushes = list({one.shop: one for one in sorted(own, key=lambda one: (not one.done, -one.tries))}.values())
    if not pushes:
        text = "order {order} is not kept from its warehouse; `orderhub holds list` names those that are"
        if parcel:
            text = "parcel {parcel} of order {order} is not kept from its warehouse; `orderhub holds list` names those"
        raise UserMistake(text, order=order_no, parcel=parcel)
    if len(pushes) > 1:
        text = "several shops have an order {order} that is kept back ({shops}): say which (--shop)"
        raise UserMistake(text, order=order_no, shops=tuple(one.shop for one in pushes))
    (found,) = pushes
    if found.stopped and not found.done and act != "close":
        text = "order {order} is cancelled or refunded, nothing of it goes out: see to it, then `holds close {order}`"
        raise UserMistake(text, order=order_no)
    if found.tries and not found.done and act == "go":
        raise UserMistake(
            "order {order} was tried {tries} times and may have arrived: look at {target}. `holds release {order}"
            " --again` hands it over once more under the same key, `holds close {order}` says that you have seen to it",
            order=order_no,
            tries=found.tries,
            target=found.target,
        )
    return found


def _is_called_off(head: Head) -> bool:
    return head.fulfilment in doubts.STOPPED or head.payment == "refunded"


def _is_notice(one: Held) -> bool:
    return one.key.startswith(NOTICE)


def _own_keys(one: Held) -> list[str]:
    return [push_key(one.shop, one.order_no, one.parcel or 1), *whole_keys(one.shop, one.order_no)]
