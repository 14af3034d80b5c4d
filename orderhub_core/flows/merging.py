"""Orders that wait for others to be packed with: found, told, and told anew where one of them goes no longer.

What is found is said through the inbox, each order's word by itself, so that it is in the log and holds however often
it is said, and whoever is killed between two words is followed by somebody who says the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import polars as pl

from orderhub_core.errors import UserMistake
from orderhub_core.flows import companions, ops
from orderhub_core.flows.companions import key_of
from orderhub_core.flows.garbage import uncollected
from orderhub_core.flows.gathering import Gathered
from orderhub_core.flows.rows import push_key
from orderhub_core.i18n import translator
from orderhub_core.model import RawMessage
from orderhub_core.packing import evidence
from orderhub_core.people import Packing, Pairing
from orderhub_core.pseudonym import Pseudonyms
from orderhub_core.store import packs
from orderhub_core.store.base import Store
from orderhub_core.store.packs import Agreed, Waiting
from orderhub_core.store.unit import Row

if TYPE_CHECKING:
    from orderhub_core.packing.combine import Combined

EARLY_US = 10_000_000
"""So long before the first of a group would go alone all of them are told."""
MOST_EARLY_US = 120_000_000
"""And as much longer, at most, as the hub is behind: what is said waits for all that was said before it."""
SOON_US = 900_000
"""Of a second: workers that look in turn need not wait for each other's clocks."""
CURSOR = "merging"
MENDED = "those that it was to be packed with have changed"
_english = translator("en")
Name = tuple[str, str]
"""An order's shop and number."""


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
        self._store, self._clock, self._say = store, clock, say
        self._gathered = Gathered(store, hashes)
        self._right: dict[str, object] = {}
        """By their keys, how those stood that were told with whom they go, when they were last seen to be right."""

    def step(self, *, every_s: float = 0) -> Passed:
        """Look once, and say what follows. With `every_s` not again before so many seconds are over, whichever worker
        looks."""
        now = self._clock()
        if every_s:
            before = self._store.cursor_of(CURSOR)
            if before is not None and 0 <= now - before < every_s * SOON_US:
                return Passed()
        if not packs.is_used(self._store):
            return Passed()
        told, until = packs.agreed(self._store), self._until(now)
        over = packs.is_over(self._store, until)
        if not told and not over:
            return Passed()
        if every_s:
            self._store.set_cursor(CURSOR, now)
        with uncollected():
            words, passed = self._found(told, until if over else None)
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
            text = "the hub knows no order {order} of {shop}" if shop else "the hub knows no order {order}"
            raise UserMistake(text, order=order_no, shop=shop)
        raise UserMistake(
            "several shops have an order {order} ({shops}): say which (--shop, --other-shop)",
            order=order_no,
            shops=tuple(known),
        )

    def combined(self, waiting: Sequence[Waiting]) -> Combined:
        """What speaks for packing them together: as of `packing.combine`, by the keys of their hand-overs."""
        from orderhub_core.packing.combine import combine  # SciPy, 60 MB, which a hub that merges nothing does not need

        words = self._words(one.handed.asked.order_no for one in waiting)
        return combine(self._gathered.of(waiting), words)

    def _found(self, told: Mapping[str, Agreed], until: int | None) -> tuple[list[Packing], Passed]:
        named = frozenset(chain.from_iterable(one.names for one in told.values()))
        mended = self._mended(told, named) if told else []
        fresh, passed = ([], Passed()) if until is None else self._fresh(named, until)
        return mended + fresh, passed._replace(mended=len(mended))

    def _until(self, now: int) -> int:
        _, oldest = self._store.waiting()
        behind = 0 if oldest is None else min(max(0, now - oldest), MOST_EARLY_US)
        return now + EARLY_US + behind

    def _mended(self, told: Mapping[str, Agreed], named: Collection[str]) -> list[Packing]:
        """To groups of which anybody stands otherwise than when they were last seen to be right: a group that goes
        nowhere, as its warehouse does not answer, is not judged again and again."""
        beside = packs.hand_overs(self._store, sorted(named - told.keys()))
        stands = self._stands(told, beside)
        groups = companions.groups({key: one.names for key, one in told.items()})
        new = [group for group in groups if any(self._right.get(key) != stands.get(key) for key in group)]
        words = self._anew(sorted(chain.from_iterable(new))) if new else []
        spoken = {push_key(said.shop, said.order_no) for said in words}
        wrong = frozenset(chain.from_iterable(group for group in new if not spoken.isdisjoint(group)))
        self._right = {key: stand for key, stand in stands.items() if key not in wrong}
        return words

    def _stands(self, told: Mapping[str, Agreed], beside: companions.HandOvers) -> dict[str, object]:
        """What it depends on whether orders are still right to go as they were told."""
        said: dict[str, list[Row]] = {}
        for row in packs.said(self._store, [one.order_no for one in told.values()]):
            said.setdefault(push_key(*row[:2]), []).append(row)
        return {
            key: (one, [(name, beside.get(name)) for name in sorted(one.names - told.keys())], said.get(key))
            for key, one in told.items()
        }

    def _anew(self, keys: Sequence[str]) -> list[Packing]:
        waiting = packs.waiting(self._store, keys=keys)
        handed = {key_of(one.handed.asked): one.handed for one in waiting}
        named = {name for one in handed.values() for name in companions.named(one)}
        beside = packs.hand_overs(self._store, sorted(named - handed.keys()))
        pairs = _merged(self.combined(waiting))
        mended = companions.mended(handed, beside, lambda one, other: frozenset((one, other)) in pairs)
        known = {**handed, **beside}
        return [_anew(key, one, known) for key, one in mended.items()]

    def _fresh(self, named: Collection[str], until: int) -> tuple[list[Packing], Passed]:
        """To those that nobody has told anything, and whose time has come."""
        from orderhub_core.packing.combine import around, combine  # as of `combined`

        free = self._gathered.free().filter(~pl.col("order_no").is_in(list(named)))
        due = frozenset(free.filter(pl.col("until") <= until)["order_no"])
        words = self._words(free["number"])
        near = around(free, words, due)
        found = combine(near.select(evidence.ORDERS.names()), words)
        called: dict[str, Name] = {
            key: (shop, number) for key, shop, number in near.select("order_no", "channel", "number").iter_rows()
        }
        why = _reasons(found)
        members = found.groups.group_by("group", maintain_order=True).agg("order_no")["order_no"].to_list()
        groups = [group for group in members if due.intersection(group)]
        told = [
            _word(called[key], [called[one] for one in others], [why[key, one] for one in others])
            for group in groups
            for key in group
            for others in [[one for one in group if one != key]]
        ]
        grouped = set(found.groups["order_no"])
        doubts: dict[str, list[str]] = {}
        for one, other in found.pairs.filter(pl.col("verdict") == "ask").select("order_no", "other").iter_rows():
            for key, doubted in ((one, other), (other, one)):
                if key in due and key not in grouped:
                    doubts.setdefault(key, []).append(doubted)
        told += [
            _word(called[key], [], [why[key, name] for name in names], doubts=[called[name] for name in names])
            for key, names in doubts.items()
        ]
        return told, Passed(len(groups), sum(map(len, groups)), len(doubts))

    def _words(self, numbers: Iterable[str]) -> pl.DataFrame:
        """combine.WORDS of orders of these numbers."""
        from orderhub_core.packing.combine import WORDS

        rows = [
            (push_key(shop, order_no), push_key(other_shop, other), say, by, reason)
            for shop, order_no, other_shop, other, say, by, reason in packs.said(self._store, numbers)
        ]
        return pl.DataFrame(rows, schema=WORDS, orient="row")


def _word(
    one: Name, others: Iterable[Name], reasons: Iterable[str], doubts: Iterable[Name] = ()
) -> Packing:  # fmt: skip
    return Packing(*one, "; ".join(reasons), tuple(sorted(others)), tuple(sorted(doubts)))


def _anew(key: str, told: companions.Told, known: companions.HandOvers) -> Packing:
    called = {one: (known[one].asked.shop, known[one].asked.order_no) for one in (key, *told.companions)}
    said = _word(called[key], [called[name] for name in told.companions], [MENDED])
    return msgspec.structs.replace(said, missed=told.missed)


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
