"""What people say to the hub: of its orders and their messages, of the rulebook, of goods (`supply`) and of the world
outside (`signals`)."""

from __future__ import annotations

from typing import Literal

import msgspec

from orderhub_core.signals import SignalWord
from orderhub_core.supply import Arrival, BatchPlan, Dealing, StockReport


class Review(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A person's judgement of one audited order, or the taking back of one."""

    audit: str
    shop: str
    order_no: str
    consistent: bool
    reviewer: str = ""
    note: str = ""
    seen: dict[str, str] = {}
    """The raw words that were judged, by touchpoint: the evidence."""
    withdrawn: bool = False
    """The reviewer's last judgement of this order holds no longer; `consistent` says what it was."""


class Dismissal(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A person's word that a parked message will never be read, and need not be."""

    source: str
    message_id: str
    reason: str
    by: str = ""


class Release(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A person's word, or the hub's, that an order which was kept from its warehouse may go there."""

    shop: str
    order_no: str
    reason: str
    by: str = ""
    parcel: int = 0
    """The one of its parcels that may; 0: all of them."""
    held_for: str = ""
    """Of the hub's own words: only if it is kept for this alone. Empty: for whatever a person may have known by now."""
    act: Literal["go", "again", "close"] = "go"
    """`again`: what was tried goes, too. `close`: a person has seen to it."""
    notices: tuple[str, ...] = ()
    """The keys of notices of the order that nobody could be told: the word is about these, and not about its goods."""
    seen: dict[str, str] = {}
    """Why its effects were kept back when the person looked, by key. Nothing that came after that is let go unseen."""


class Keep(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A person's word that an order is to be kept from its warehouse until a person lets it go."""

    shop: str
    order_no: str
    reason: str
    by: str = ""


class Deciding(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A person's word that the rulebook is to speak on an order that none has spoken on."""

    shop: str
    order_no: str
    by: str


class Packing(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The hub's word on an order that has waited for others to be packed with: it goes now, and with which of them."""

    shop: str
    order_no: str
    reason: str
    companions: tuple[tuple[str, str], ...] = ()
    """Shop and order number of each; none: it goes alone."""
    doubts: tuple[tuple[str, str], ...] = ()
    """Orders that may belong with it, of which only a person could have said so."""
    missed: bool = False
    """One that has gone was told to be packed with it, and it is not: a person must look at it."""


class Pairing(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A person's word on whether an order is packed with another one. The last word on two orders holds."""

    shop: str
    order_no: str
    other_shop: str
    other: str
    say: Literal["apart", "together"]
    reason: str
    by: str = ""


BookAct = Literal["save", "review", "shadow", "rollout", "pause", "publish", "rollback", "discard"]


class BookChange(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A person's word on a version of the rulebook."""

    act: BookAct
    version: str
    by: str
    comment: str = ""
    text: str = ""
    """Of `save`: the book, as a file would hold it."""
    share: int = 0
    """Of `rollout`: on how many of 10,000 orders it speaks."""
    seen: int = 0
    """The message that had changed the version last when this was said: it holds of nothing newer. 0: of anything."""


OrderWord = Review | Release | Keep | Deciding | Packing | Pairing
Word = OrderWord | Dismissal | BookChange | SignalWord | StockReport | BatchPlan | Arrival | Dealing
