"""Orders that wait for others to be packed with: found, told, and told anew where one of them goes no longer.

What is found is said through the inbox, each order's word by itself, so that it is in the log and holds however often
it is said, and whoever is killed between two words is followed by somebody who says the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import polars as pl

from orderhub_core.errors import UserMistake
from orderhub_core.flows import companions, ops
from orderhub_core.flows.companions import key_of
from orderhub_core.flows.rows import push_key
from orderhub_core.i18n import translator
from orderhub_core.model import Packing, Pairing, RawMessage
from orderhub_core.packing import evidence
from orderhub_core.pseudonym import Pseudonyms
from orderhub_core.rules.merging import wish
from orderhub_core.store import packs
from orderhub_core.store.base import Store
from orderhub_core.store.packs import HandOver, Waiting

if TYPE_CHECKING:
    from orderhub_core.packing.combine import Combined

EARLY_US = 10_000_000
"""So long before the first of a group would go alone all of them are told."""
SOON_US = 900_000
"""Of a second: workers that look in turn need not wait for each other's clocks."""
CURSOR = "merging"
MENDED = "those that it was to be packed with have changed"
_english = translator("en")
CALM = ("none", "rejected", "closed")


class Passed(NamedTuple):
    """What a look at those that wait has come to."""

    groups: int = 0
    together: int = 0
    """Orders in them."""
    doubts: int = 0
    """Orders that go alone though they may belong with another."""
    mended: int = 0
    """Orders that were told anew."""


class Heard(NamedTuple):
    """Of whom a person's word comes to nothing."""

    gone: list[str]
    """They had gone before: what they were told stays."""
    absent: list[str]
    """They wait for nobody: no rule merges them, or a person holds them."""


class Alone(NamedTuple):
    order_no: str
    """With the shop where several have the same."""
    until: int
    """How long it waits for others, microseconds UTC."""


class Merging:
    """Of one hub."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], int],
        say: Callable[[Sequence[RawMessage]], None],
        hashes: Callable[[], Pseudonyms],
    ) -> None:
        """`say`: has words applied before it returns."""
        self._store, self._clock, self._say, self._hashes = store, clock, say, hashes

    def step(self, *, every_s: float = 0) -> Passed:
        """Look once, and say what follows. With `every_s` not again before so many seconds are over, whichever worker
        looks."""
        now = self._clock()
        if every_s:
            before = self._store.cursor_of(CURSOR)
            if before is not None and 0 <= now - before < every_s * SOON_US:
                return Passed()
        if not packs.is_due(self._store, now + EARLY_US):
            return Passed()
        if every_s:
            self._store.set_cursor(CURSOR, now)
        words, passed = self._found(packs.waiting(self._store), now)
        if words:
            self._say([ops.packing(said, now) for said in words])
        return passed

    def standing(self) -> Combined:
        """Who would go with whom if nobody else came, of those that have not gone yet: by their numbers, with the shop
        where several have the same."""
        waiting = packs.waiting(self._store)
        found, names = self.combined(waiting), _names(waiting)
        groups, pairs = (
            frame.with_columns(pl.col(column).replace_strict(names, return_dtype=pl.String) for column in columns)
            for frame, columns in (
                (found.groups, ["group", "order_no"]),
                (found.pairs.with_columns(guarded=pl.col("guarded").replace(names)), ["order_no", "other"]),
            )
        )
        return found._replace(groups=groups, pairs=pairs)

    def alone(self) -> list[Alone]:
        """Who waits for others, and so far none is there for it."""
        waiting = packs.waiting(self._store)
        grouped, names = set(self.combined(waiting).groups["order_no"]), _names(waiting)
        return [
            Alone(names[key], one.handed.until)
            for one in waiting
            if (key := key_of(one.handed.asked)) not in grouped and not one.handed.asked.pack_with
        ]

    def say(self, said: Pairing) -> Heard:
        """Part two orders, or join them: messages of ours, applied when this returns. A shop that is not named is the
        only one that has such an order.

        Raises UserMistake where there is no such order, or several shops have it.
        """
        one, other = self._shop(said.order_no, said.shop), self._shop(said.other, said.other_shop)
        there = msgspec.structs.replace(said, shop=one, other_shop=other)
        ops.check_pairing(there)
        back = msgspec.structs.replace(
            there, shop=other, order_no=said.other, other_shop=one, other=said.order_no
        )  # fmt: skip
        now = self._clock()
        self._say([ops.pairing(word, now) for word in (there, back)])
        keys = {push_key(word.shop, word.order_no): word.order_no for word in (there, back)}
        handed, waiting = packs.hand_overs(self._store, keys), _names(packs.waiting(self._store))
        gone = [key for key in keys if key in handed and companions.is_gone(handed[key])]
        absent = [number for key, number in keys.items() if key not in waiting and key not in gone]
        return Heard([keys[key] for key in gone], absent)

    def _shop(self, order_no: str, shop: str) -> str:
        known = packs.shops(self._store, order_no)
        if shop in known or (not shop and len(known) == 1):
            return shop or known[0]
        if not known or shop:
            raise UserMistake(f"the hub knows no order {order_no}{shop and f' of {shop}'}")
        raise UserMistake(
            f"several shops have an order {order_no} ({', '.join(known)}): say which (--shop, --other-shop)"
        )

    def combined(self, waiting: Sequence[Waiting]) -> Combined:
        """What speaks for packing them together: as of `packing.combine`, by the keys of their hand-overs."""
        from orderhub_core.packing.combine import combine  # SciPy, 60 MB, which a hub that merges nothing does not need

        return combine(self._evidence(waiting), self._words(waiting))

    def _found(self, waiting: Sequence[Waiting], now: int) -> tuple[list[Packing], Passed]:
        handed = {key_of(one.handed.asked): one.handed for one in waiting}
        named = {name for one in handed.values() for name in companions.named(one)}
        beside = packs.hand_overs(self._store, sorted(named - handed.keys()))
        mended: dict[str, companions.Told] = {}
        if named:
            pairs = _merged(self.combined(waiting))
            mended = companions.mended(handed, beside, lambda one, other: frozenset((one, other)) in pairs)
        words = [_anew(key, told, {**handed, **beside}) for key, told in mended.items()]
        free = [one for one in waiting if not one.handed.asked.pack_with and key_of(one.handed.asked) not in named]
        fresh, passed = self._fresh(free, now)
        return words + fresh, passed._replace(mended=len(mended))

    def _fresh(self, free: Sequence[Waiting], now: int) -> tuple[list[Packing], Passed]:
        """To those that nobody has told anything, and whose time has come."""
        handed = {key_of(one.handed.asked): one.handed for one in free}
        due = {key for key, one in handed.items() if one.until <= now + EARLY_US}
        if not due:
            return [], Passed()
        found = self.combined(free)
        why = _reasons(found)
        members = found.groups.group_by("group", maintain_order=True).agg("order_no")["order_no"].to_list()
        groups = [group for group in members if due.intersection(group)]
        words = [
            _word(
                handed[key],
                [handed[one] for one in group if one != key],
                [why[key, one] for one in group if one != key],
            )
            for group in groups
            for key in group
        ]
        grouped = set(found.groups["order_no"])
        doubts: dict[str, list[str]] = {}
        for one, other in found.pairs.filter(pl.col("verdict") == "ask").select("order_no", "other").iter_rows():
            for key, doubted in ((one, other), (other, one)):
                if key in due and key not in grouped:
                    doubts.setdefault(key, []).append(doubted)
        words += [
            _word(handed[key], [], [why[key, name] for name in names], doubts=[handed[name] for name in names])
            for key, names in doubts.items()
        ]
        return words, Passed(len(groups), sum(map(len, groups)), len(doubts))

    def _evidence(self, waiting: Sequence[Waiting]) -> pl.DataFrame:
        hashes, wishes = self._hashes(), self._wishes(waiting)
        rows = [
            (
                key_of(one.handed.asked),
                one.handed.asked.shop,
                one.paid_at,
                one.handed.asked.warehouse,
                " ".join(one.place) if all(one.place) else None,
                one.phone or None,
                hashes.receiver(one.person.name) or None,
                hashes.address(one.person.address) or None,
                one.buyer or None,
                _goods(one),
                False,
                one.after_sale not in CALM,
                False,
                False,
                wishes.get(one.order_id),
            )
            for one in waiting
        ]
        raw = pl.DataFrame(rows, schema={**evidence.ORDERS, "paid_at": pl.Int64()}, orient="row")
        return raw.cast(evidence.ORDERS)

    def _wishes(self, waiting: Iterable[Waiting]) -> dict[int, str]:
        decided: dict[int, list[tuple[str, str]]] = {}
        for number, action, argument in self._store.decided_rows([one.order_id for one in waiting]):
            decided.setdefault(number, []).append((action, argument))
        return {number: asks for number, some in decided.items() if (asks := wish(some))}

    def _words(self, waiting: Iterable[Waiting]) -> pl.DataFrame:
        """combine.WORDS."""
        from orderhub_core.packing.combine import WORDS

        rows = [
            (push_key(shop, order_no), push_key(other_shop, other), say, by, reason)
            for shop, order_no, other_shop, other, say, by, reason in packs.said(
                self._store, [one.handed.asked.order_no for one in waiting]
            )
        ]
        return pl.DataFrame(rows, schema=WORDS, orient="row")


def _word(
    one: HandOver, others: Iterable[HandOver], reasons: Iterable[str], doubts: Iterable[HandOver] = ()
) -> Packing:  # fmt: skip
    return Packing(one.asked.shop, one.asked.order_no, "; ".join(reasons), _orders(others), _orders(doubts))


def _anew(key: str, told: companions.Told, known: companions.HandOvers) -> Packing:
    said = _word(known[key], [known[name] for name in told.companions], [MENDED])
    return msgspec.structs.replace(said, missed=told.missed)


def _orders(some: Iterable[HandOver]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((one.asked.shop, one.asked.order_no) for one in some))


def _reasons(found: Combined) -> dict[tuple[str, str], str]:
    """Of each of two orders why the other one goes with it, or may."""
    from orderhub_core.packing import texts  # as of `combine`

    told: dict[tuple[str, str], str] = {}
    for row in found.pairs.filter(pl.col("verdict").is_in(["merge", "ask"])).iter_rows(named=True):
        for one, other in ((row["order_no"], row["other"]), (row["other"], row["order_no"])):
            told[one, other] = f"{other.rpartition(':')[2]}: {texts.reasons(row, _english)} = {row['score']}"
    return told


def _names(waiting: Sequence[Waiting]) -> dict[str, str]:
    """What to call those that wait, by their keys."""
    asked = [one.handed.asked for one in waiting]
    many = Counter(one.order_no for one in asked)
    return {key_of(one): one.order_no if many[one.order_no] == 1 else f"{one.order_no} ({one.shop})" for one in asked}


def _merged(found: Combined) -> set[frozenset[str]]:
    pairs = found.pairs.filter(pl.col("verdict") == "merge").select("order_no", "other")
    return {frozenset(pair) for pair in pairs.iter_rows()}


def _goods(one: Waiting) -> str | None:
    """What was bought, as one text."""
    pieces: dict[str, int] = {}
    for line in one.handed.asked.lines:
        if line.sku and not line.gift_of:
            pieces[line.sku] = pieces.get(line.sku, 0) + line.quantity
    return ", ".join(f"{sku} × {number}" for sku, number in sorted(pieces.items())) or None
