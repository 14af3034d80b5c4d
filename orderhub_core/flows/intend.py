"""What the hub intends for the orders of a batch: a warehouse, gifts, a push for each parcel. What becomes of that as
news come: `following`.

Pure apart from reading the lines of orders that a batch did not bring.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property, lru_cache, partial
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
import polars as pl

from orderhub_core.errors import Later, NeedsPerson, Stop
from orderhub_core.flows import doubts, parcelling, regarding, rows
from orderhub_core.flows.allotting import Settled, settle
from orderhub_core.flows.counters import Counters, Made
from orderhub_core.flows.following import Carried, Following
from orderhub_core.flows.marking import marked
from orderhub_core.flows.news import News
from orderhub_core.flows.places import Places
from orderhub_core.flows.recent import Orders, of_other_shops
from orderhub_core.flows.regarding import Buyers
from orderhub_core.fold import Head, as_entry
from orderhub_core.lifecycle import DUE_STATES
from orderhub_core.model import FIRST_ADDED_LINE, Line
from orderhub_core.rules.allotting import World
from orderhub_core.rules.decide import Decision, each
from orderhub_core.rules.dictionary import Field
from orderhub_core.rules.gifts import limited
from orderhub_core.rules.index import Index
from orderhub_core.rules.inforce import Choice
from orderhub_core.rules.merging import wish
from orderhub_core.rules.needs import asks_buyers, line_columns, order_columns, signals
from orderhub_core.rules.routing import NO_WINDOW
from orderhub_core.rules.tree import Rulebook
from orderhub_core.store.ahead import Reads
from orderhub_core.store.unit import Message, Writes

DUE = frozenset(state.value for state in DUE_STATES)
_by_id = attrgetter("order_id")
OfParcels = Sequence[tuple[int, Decision]]
"""As of `Settled`."""
SILENCE = Decision("", "", "", "", 0, None, "no rule holds")
"""Of a shadow: that it was asked, and wanted nothing."""
_json = msgspec.json.Encoder(order="deterministic").encode
_marks = lru_cache(maxsize=1024)(rows.marks)
"""Rules decide few different things."""


class Outside(NamedTuple):
    """What is reported of the world, of those reports that hold at an instant (microseconds UTC) or later."""

    reports: Callable[[int, Sequence[Field], Collection[str]], pl.DataFrame]
    """SIGNALS, for rules that ask for these fields, and the SKUs of the lines that they are asked of."""
    closings: Callable[[int], pl.DataFrame]
    """WINDOWS, for routing."""


class Intentions:
    """Those of one batch, written into its `writes` and the log entries of its news.

    The rulebook speaks on an order as the message left it that made it paid, its lines known and nothing done for it
    yet; what the batch has of it after that is told to `following`. So it makes no difference to any decision, nor to
    what becomes of it, into which batches the messages of an order fall: only their order does.
    """

    def __init__(
        self, reads: Reads, books: Callable[[], Choice], outside: Outside, places: Places, counters: Counters,
        buyers: Buyers, orders: Orders, news: News, writes: Writes, merge_wait_us: int = 0,
    ) -> None:  # fmt: skip
        self._orders, self._merge_wait_us = orders, merge_wait_us
        self.reads, self._books, self.outside, self.news, self.writes = reads, books, outside, news, writes
        self.places, self.counters, self.buyers = places, counters, buyers
        self.following = Following(reads, places, orders, news, writes)
        self._read: dict[int, Mapping[str, Any]] = {}
        """What was read of buyers, by order."""

    @cached_property
    def books(self) -> Choice:
        """Asked once, and only if there is an order to decide: what people say of versions waits for none."""
        return self._books()

    def awaits(self, head: Head) -> bool:
        """Whether the rulebook must speak on an order before anything else is applied to it."""
        return head.order_id in self.news.touched and is_undecided(head) and self.books.speaks

    def reads_buyer(self, head: Head) -> bool:
        """Whether the rulebook, as it speaks on an order, will read what its buyer's other orders are."""
        if not self.asks_buyers:
            return False
        shadow = self.books.shadow
        return asks_buyers(self.books.of(head.shop, head.order_no)) or (shadow is not None and asks_buyers(shadow))

    @cached_property
    def shares(self) -> bool:
        """Whether orders take of what there is only so much: who has come later must not be decided first then."""
        world = World(self.places.warehouses, NO_WINDOW, self.counters.counted())
        return bool(world.watched()) or any(any(limited(book)) for book in self.books.every)

    @cached_property
    def asks_buyers(self) -> bool:
        """Whether any book does: to ask the one that speaks takes longer than all else that is asked of a message."""
        return any(map(asks_buyers, self.books.every))

    def decide(self) -> None:
        """Let the rulebook speak on orders that it has not spoken on."""
        undecided = [head for head in self.news.touched.values() if is_undecided(head)]
        if not undecided or not self.books.speaks:
            return
        lines = self._lines_of(undecided)
        windows = self._windows(undecided)
        if (shadow := self.books.shadow) is not None:
            # First: what is carried out changes the orders, and takes what there is.
            for head, decisions, of_parcels in self._shadowed(undecided, lines, shadow, windows):
                self._note(head, decisions, shadow.version, of_parcels, shadow=1)
            self._read.clear()
        made = [one for book, heads in self._shares(undecided) for one in self._decided(heads, lines, book)]
        # As they became decidable: whoever came first takes first, and so it is in whatever batches they come.
        made.sort(key=lambda one: one.message.id)
        settled = settle(made, self.places, windows, self.counters)
        for one, done in zip(made, marked(made, settled, self._read, self._reports), strict=True):
            self._carry_out(one, done)

    def _windows(self, heads: Sequence[Head]) -> pl.DataFrame:
        if self.places.warehouses.is_empty():
            return NO_WINDOW
        return self.outside.closings(_first_owed(heads))

    def _shadowed(
        self, heads: Sequence[Head], lines: Mapping[int, Sequence[Line]], book: Rulebook, windows: pl.DataFrame
    ) -> list[tuple[Head, list[Decision], OfParcels]]:
        try:
            made = sorted(self._decided(heads, lines, book), key=lambda one: one.message.id)
            settled = settle(made, self.places, windows, self.counters, trying=True)
            settled = marked(made, settled, self._read, self._reports)
        except (Later, NeedsPerson, Stop):
            raise  # the store's own trouble is nothing that the trial did
        except Exception as bug:  # noqa: BLE001 — nothing that a trial does may cost an order anything
            failed = SILENCE._replace(reason=f"could not decide: {type(bug).__name__}")
            return [(head, [failed], ()) for head in heads]
        return [
            (one.head, done.decisions if done.of_parcels else done.decisions or [SILENCE], done.of_parcels)
            for one, done in zip(made, settled, strict=True)
        ]

    def _decided(self, heads: Sequence[Head], lines: Mapping[int, Sequence[Line]], book: Rulebook) -> list[Made]:
        """What a book says of each order, if anything."""
        heads = sorted(heads, key=_by_id)  # frames that are sorted by it are told apart without a join
        reports = self._reports(heads, lines, asked) if (asked := signals(book)) else None
        orders = rows.orders_frame(heads, tuple(dict.fromkeys((*order_columns(book), *rows.about(reports)))))
        if asks_buyers(book):
            read = self.buyers.of(heads, self.news.touched)
            self._read |= zip(orders["order_id"], read.to_dicts(), strict=True)
            orders = orders.hstack(read)
        bought = rows.lines_frame({head.order_id: lines[head.order_id] for head in heads}, line_columns(book))
        said = each(Index(orders, bought, zone=book.zone, reports=reports), book)
        return [
            Made(head, said[number], book, lines[number], self.news.last_message[number])
            for head in heads
            for number in (head.order_id,)
        ]

    def _reports(
        self, heads: Sequence[Head], lines: Mapping[int, Sequence[Line]], asked: Sequence[Field]
    ) -> pl.DataFrame:  # fmt: skip
        """What an order is told that is owed, nobody knows since when, holds at no instant."""
        skus = {line.sku for head in heads for line in lines[head.order_id]} if any(one.told for one in asked) else ()
        first = min((head.owed_at for head in heads if head.owed_at is not None), default=0)
        return self.outside.reports(first, asked, skus)

    def _shares(self, heads: Sequence[Head]) -> list[tuple[Rulebook, list[Head]]]:
        shares: dict[str, tuple[Rulebook, list[Head]]] = {}
        for head in heads:
            book = self.books.of(head.shop, head.order_no)
            shares.setdefault(book.version, (book, []))[1].append(head)
        return list(shares.values())

    def _carry_out(self, made: Made, settled: Settled) -> None:
        head, _, book, lines, message = made
        at, version, lack = message.received_at, book.version, settled.lack
        gifts: list[Line] = []
        held = doubts.of_all(head, of_other_shops(self._orders, head))
        done: list[Decision] = []
        named: list[rows.Done] = []
        if read := self._read.get(head.order_id):
            self.news.entries.append(regarding.entry(head.order_id, read, message))
        for decision in settled.decisions:
            _, rule, action, argument, quantity, parent, reason = decision
            if action == "assign_warehouse":
                if head.warehouse_by == "rule":  # the first one counts
                    continue
                head.warehouse, head.warehouse_by = argument, "rule"
            elif action == "add_gift":
                if quantity:
                    gifts.append(Line(FIRST_ADDED_LINE + len(gifts), argument, quantity=quantity, gift_of=parent))
                    self.news.rows(self.writes, "lines", head.order_id).append(
                        rows.line_row(head.order_id, gifts[-1], rule)
                    )
            elif action == "notify":
                self.writes.new["outbox"].append(rows.notify_row(head, argument, rule, version, message))
            elif action in rows.HOLDING and not (lack and reason == lack):
                held += rows.holding(action, argument, rule)
            done.append(decision)
            named.append((action, argument, 0))
            if quantity or action != "add_gift":
                detail = self._detail(decision, settled, version)
                self.news.entries.append(
                    as_entry(
                        (head.order_id, f"rule.{action}", at, at, "", argument, "decided", "rules", message.id, detail)
                    )
                )
        for parcel, decision in settled.of_parcels:
            named.append((decision.action, decision.argument, parcel))
            self._log(head, decision, parcel if settled.parts else 0, version, message)
        self._note(head, done, version, settled.of_parcels)
        self.following.carried[head.order_id] = Carried(
            self.news.lines.get(head.order_id), lines, gifts, named, settled.parts
        )
        head.decided = parcelling.count(settled.parts) if settled.parts else 1
        if bases := [base for action, base, _ in named if action == "work_order"]:
            why = doubts.in_a_note([*held, lack] if lack and not settled.rest else held)
            self.writes.new["outbox"] += [rows.work_row(head, base, lines, message, why) for base in bases]
        if head.warehouse_by == "rule":
            until = self._waits_until(made, settled, named)
            held += doubts.of_its_way(head)
            self._hand_over(made, settled, [*lines, *gifts], held, partial(_marks, tuple(named)), until)

    def _log(self, head: Head, decision: Decision, parcel: int, version: str, message: Message) -> None:
        """A decision on a parcel; 0: the only one of its order."""
        at, what, argument = message.received_at, f"rule.{decision.action}", decision.argument
        detail = {"rule": decision.rule, "version": version} | ({"parcel": parcel} if parcel else {})
        told = _json(detail).decode()
        self.news.entries.append(
            as_entry((head.order_id, what, at, at, "", argument, "decided", "rules", message.id, told))
        )

    @staticmethod
    def _detail(decision: Decision, settled: Settled, version: str) -> str:
        """What the log says of why, in JSON."""
        rule, action = decision.rule, decision.action
        if action == "split" and decision.quantity > 1:
            return _json({"parcels": parcelling.named(settled.parts), "rule": rule, "version": version}).decode()
        if action == "hold" and settled.lack and decision.reason == settled.lack:
            return _json({"lacked": settled.lack, "rule": rule, "version": version}).decode()
        return _cause(rule, version)

    def _hand_over(
        self, made: Made, settled: Settled, lines: Sequence[Line], held: list[str], marks: parcelling.Marks, until: int
    ) -> None:  # fmt: skip
        number = made.head.order_id
        if until:
            self.news.lasting_rows(self.writes, "packs", number).append((number, "", ""))
        if settled.parts:
            self.news.lasting_rows(self.writes, "splits", number).extend((number, *part) for part in settled.parts)
        self.writes.new["outbox"] += parcelling.push_rows(
            made.head, lines, settled.parts, made.message, marks, held=held, lack=settled.lack, rest=settled.rest,
            until=until,
        )  # fmt: skip

    def _waits_until(self, made: Made, settled: Settled, named: Sequence[rows.Done]) -> int:
        """As of `rows.waits_until`; 0 where no rule merges it."""
        if settled.parts or not wish(named):
            return 0
        return rows.waits_until(made.head, made.message.received_at, self._merge_wait_us)

    def _note(
        self, head: Head, decisions: Sequence[Decision], version: str, of_parcels: OfParcels = (), *, shadow: int = 0
    ) -> None:  # fmt: skip
        at = self.news.last_message[head.order_id].received_at
        noted = self.news.lasting_rows(self.writes, "decisions", head.order_id)
        noted.extend(
            [
                (head.order_id, version, place, group, rule, action, argument, quantity, reason, at, shadow, 0)
                for place, (group, rule, action, argument, quantity, _, reason) in enumerate(decisions)
            ]
        )
        for place, (parcel, one) in enumerate(of_parcels, len(decisions)):
            told = (one.group, one.rule, one.action, one.argument, one.quantity, one.reason)
            noted.append((head.order_id, version, place, *told, at, shadow, parcel))

    def _lines_of(self, heads: Sequence[Head]) -> dict[int, Sequence[Line]]:
        told = {**self.news.stated_lines, **self.news.lines}
        missing = [head.order_id for head in heads if head.order_id not in told]
        stored: dict[int, list[Line]] = {order_id: [] for order_id in missing}
        for order_id, *fields in self.reads.line_rows(missing) if missing else ():
            stored[order_id].append(Line(*fields))
        return {head.order_id: told.get(head.order_id, stored.get(head.order_id, ())) for head in heads}


def _first_owed(heads: Sequence[Head]) -> int:
    """Microseconds UTC; 0 where that of one is not known."""
    return min(head.owed_at or 0 for head in heads)


@lru_cache
def _cause(rule: str, version: str) -> str:
    return _json({"rule": rule, "version": version}).decode()


def lacks_lines(head: Head) -> bool:
    """Whether it is owed, and no rulebook can speak on it, for nobody has told what is in it."""
    return not head.decided and head.lines_digest is None and is_due(head)


def is_undecided(head: Head) -> bool:
    """Owed, its lines known, and no rulebook has spoken on it."""
    return not head.decided and head.lines_digest is not None and is_due(head)


def is_due(head: Head) -> bool:
    """Paid, even if part of it went back, or to be paid later; nothing done for it yet by anybody."""
    return head.payment in DUE and head.fulfilment == "waiting" and head.logistics == "none"
