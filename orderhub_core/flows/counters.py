"""What is left of stock, of the room of days and of limited gifts, for the orders of one batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import polars as pl

from orderhub_core.fold import Head
from orderhub_core.i18n import translator
from orderhub_core.model import Line
from orderhub_core.rules.allotting import Allotted, World, allot
from orderhub_core.rules.claims import BOOKED, LIMITS, STOCK, Resources
from orderhub_core.rules.decide import Decision
from orderhub_core.rules.gifts import quotas
from orderhub_core.rules.quotas import USED, Granted, grant
from orderhub_core.rules.tree import Rulebook
from orderhub_core.store.ahead import Reads
from orderhub_core.store.unit import Message, Row, Writes
from orderhub_core.supply import StockReport

Resource = tuple[str, str, str]
"""Kind, subject, place."""
_english = translator("en")


class Made(NamedTuple):
    """What a book has decided of an order."""

    head: Head
    decisions: list[Decision]
    book: Rulebook
    lines: Sequence[Line]
    message: Message


class Counters(Protocol):
    """What is left for the orders of one batch."""

    def counted(self) -> frozenset[str]:
        """Warehouses that report their stock."""
        ...

    def grant(self, claims: pl.DataFrame, book: Rulebook, made: Mapping[int, Made], *, trying: bool = False) -> Granted:
        """Limited gifts that orders have earned by a book: quotas.CLAIMS. `made`: the orders of the claims, by id.
        `trying`: nothing is taken."""
        ...

    def allot(
        self, calls: pl.DataFrame, wanted: pl.DataFrame, world: World, made: Mapping[int, Made], *, trying: bool = False
    ) -> Allotted:
        """Where orders go: CALLS. The rest as of `grant`."""
        ...

    def count(self, said: StockReport, promised: Callable[[], Mapping[str, int]], message: Message) -> None:
        """Take in what a warehouse has; `promised`: pieces by SKU of orders that are to leave it and have not."""
        ...

    def write(self, writes: Writes) -> None: ...


class LiveCounters:
    """Over a hub: what it has left when the batch begins, less what the orders of the batch take before one another."""

    def __init__(self, reads: Reads, zone: str) -> None:
        self._reads, self._zone = reads, zone
        self._left: dict[Resource, tuple[int, int]] = {}
        """Balance and safety."""
        self._asked: set[str] = set()
        self._turn = self._first = -1
        """The ledger's last entry; before anything is read, -1."""
        self._changed: dict[Resource, Row] = {}
        self._entries: list[Row] = []
        self._told: int | None = None
        """How many warehouses report their stock, since anybody asked."""

    def counted(self) -> frozenset[str]:
        counted = frozenset(self._reads.counted())
        if self._told is None:
            self._told = len(counted)
        return counted

    def allot(
        self, calls: pl.DataFrame, wanted: pl.DataFrame, world: World, made: Mapping[int, Made], *, trying: bool = False
    ) -> Allotted:
        days = calls["paid_at"].dt.convert_time_zone(self._zone).dt.date().dt.to_string("iso")
        self._load({*wanted["sku"].drop_nulls(), *days.drop_nulls()})
        found = allot(calls, wanted, world, resources(self._left), zone=self._zone, tr=_english)
        if not trying:
            self._take("stock", found.orders["order_id"], found.ledger, made)
        return found

    def grant(self, claims: pl.DataFrame, book: Rulebook, made: Mapping[int, Made], *, trying: bool = False) -> Granted:
        days = claims["paid_at"].dt.convert_time_zone(book.zone).dt.date().dt.to_string("day %Y-%m-%d")
        buyers = (f"buyer {buyer}" for buyer in claims["buyer"].drop_nulls())
        alone = (f"order {number}" for number in claims["order_id"])
        self._load({"total", *days.drop_nulls(), *buyers, *alone})
        found = grant(claims, quotas(book), used(self._left), zone=book.zone)
        if not trying:
            self._take("gifts", found.grants["order_id"].unique(maintain_order=True), found.ledger, made)
        return found

    def _take(self, what: str, orders: pl.Series, ledger: pl.DataFrame, made: Mapping[int, Made]) -> None:
        """Whoever took a turn is written down, also who took nothing."""
        taken: dict[int, list[Row]] = {}
        for kind, place, subject, order_id, *entry in ledger.iter_rows():
            taken.setdefault(order_id, []).append(((kind, subject, place), *entry))
        for order_id in orders:
            message = made[order_id].message.id
            self._enter(("turn", what, ""), order_id, None, 0, 0, 0, message)
            for resource, line_no, quantity, balance in taken.get(order_id, ()):
                safety = self._left.get(resource, (0, 0))[1]
                self._enter(resource, order_id, line_no, quantity, balance, 0, message)
                self._set(resource, balance, safety)

    def count(self, said: StockReport, promised: Callable[[], Mapping[str, int]], message: Message) -> None:
        self._load({sku for sku, *_ in said.rows}, alone=said.warehouse not in self._reads.counted())
        # After the ledger's turn was read: what is promised meanwhile moves that on, or waits for a first report.
        gone = promised()
        self._enter(("told", "", said.warehouse), 0, None, 0, said.at, 0, message.id)
        for sku, on_hand, safety in said.rows:
            resource = ("stock", sku, said.warehouse)
            before, balance = self._left.get(resource), on_hand - gone.get(sku, 0)
            if before != (balance, safety):
                self._enter(resource, 0, None, balance - (before or (0, 0))[0], balance, safety, message.id)
                self._set(resource, balance, safety)
        self._set(("told", "", said.warehouse), said.at, 0)

    def write(self, writes: Writes) -> None:
        writes.counted = self._told
        if not self._entries:
            return
        writes.upserts["resources"] += self._changed.values()
        writes.inserts["ledger"] += self._entries
        writes.turn = (self._turn, self._first)

    def _load(self, subjects: set[str], *, alone: bool = False) -> None:
        missing = subjects - self._asked
        if not missing and self._turn >= 0 and not alone:
            return
        for kind, subject, place, balance, safety in self._reads.resource_rows(missing, alone=alone):
            if kind != "turn":
                self._left[kind, subject, place] = balance, safety
            elif self._turn < 0:
                self._turn = self._first = balance
        self._asked |= missing

    def _enter(self, resource: Resource, order_id: int, line_no: int | None, *rest: int) -> None:
        self._turn += 1
        self._entries.append((self._turn, *resource, order_id, line_no, *rest))

    def _set(self, resource: Resource, balance: int, safety: int) -> None:
        self._left[resource] = balance, safety
        self._changed[resource] = (*resource, balance, safety)


def used(left: Mapping[Resource, tuple[int, int]]) -> pl.DataFrame:
    """quotas.USED."""
    rows = [(place, subject, n) for (kind, subject, place), (n, _) in left.items() if kind == "quota"]
    return pl.DataFrame(rows, schema=USED, orient="row")


def resources(left: Mapping[Resource, tuple[int, int]]) -> Resources:
    """As the rules understand them; the limits are the warehouses' own."""
    stock = [(place, subject, *counts) for (kind, subject, place), counts in left.items() if kind == "stock"]
    booked = [(place, subject, n) for (kind, subject, place), (n, _) in left.items() if kind == "capacity"]
    days = pl.DataFrame(booked, schema={**BOOKED, "day": pl.String()}, orient="row")
    return Resources(
        pl.DataFrame(stock, schema=STOCK, orient="row"),
        pl.DataFrame(schema=LIMITS),
        days.with_columns(pl.col("day").str.to_date("%F")),
    )
