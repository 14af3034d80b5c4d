"""Orders on which books are tried, shared by the sessions of a process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import polars as pl

from orderhub_core.errors import Term, UserMistake
from orderhub_core.rules import bits, gifts, needs
from orderhub_core.rules.example import Findings, by_example
from orderhub_core.rules.explain import explain
from orderhub_core.rules.index import Index
from orderhub_core.rules.lab import tables, thresholds, traffic
from orderhub_core.rules.lab.comparing import Comparison
from orderhub_core.rules.lab.missed import Spoke, missed_gifts
from orderhub_core.rules.lab.parcels import Prices
from orderhub_core.rules.lab.result import Pick, Result, picked, result
from orderhub_core.rules.lab.texts import Words
from orderhub_core.rules.lab.wants import Wanted, wanted
from orderhub_core.rules.of_parcels import on_orders
from orderhub_core.rules.signals import Reports
from orderhub_core.rules.tree import Condition, Group, Rule, Rulebook

BEST = 6
"""Rules that are told of a search by example."""


class Ground:
    """Orders on which any number of books are tried, for all sessions of a process: each condition is computed once."""

    def __init__(
        self, orders: pl.DataFrame, lines: pl.DataFrame, reports: Reports | None = None,
        histories: Callable[[], pl.DataFrame] | None = None,
    ) -> None:  # fmt: skip
        self.orders, self.lines, self._reports = orders, lines, reports
        self._histories = histories
        """`order_id`, who its buyer is and what is known of them, for the first book that asks; None where orders have
        all of it that there is."""
        self._indexes: dict[str, Index] = {}
        self._lock = threading.RLock()
        """An index learns while it answers."""

    def index(self, zone: str) -> Index:
        with self._lock:
            if zone not in self._indexes:
                self._indexes[zone] = Index(self.orders, self.lines, zone=zone, reports=self._reports)
            return self._indexes[zone]

    def wanted(self, book: Rulebook) -> Wanted:
        """Raises UserMistake for what the book asks and the orders do not have."""
        self._askable(book)
        with self._lock:
            return wanted(self.index(book.zone), book)

    def _askable(self, book: Rulebook) -> None:
        book = on_orders(book)  # rules on parcels are not asked here
        self._learn(needs.asks_buyers(book))
        needs.check(book, self.orders.schema, self.lines.schema, counts=True)

    def _learn(self, buyers: bool) -> None:
        with self._lock:
            if self._histories is not None and buyers:
                self.orders = self.orders.join(self._histories(), on="order_id", how="left", maintain_order="left")
                self._histories = None
                self._indexes.clear()

    def compared(self, before: Wanted, draft: Rulebook) -> Comparison:
        after = self.wanted(draft)  # first: the index may have to be made anew for it
        return Comparison(self.index(draft.zone), before, after)

    def result(self, compared: Comparison, capacity: pl.DataFrame | None, prices: Prices | None) -> Result:
        with self._lock:
            return result(compared, capacity, prices)

    def traffic(self, book: Rulebook) -> traffic.Traffic:
        with self._lock:
            return traffic.traffic(self.index(book.zone), book)

    def cliffs(self, book: Rulebook) -> pl.DataFrame:
        with self._lock:
            return thresholds.cliffs(self.index(book.zone), book)

    def scale(self, book: Rulebook, one: thresholds.Threshold) -> thresholds.Scale:
        with self._lock:
            return thresholds.scale(self.index(book.zone), one)

    def picked(self, found: Result, draft: Rulebook, pick: Pick) -> pl.DataFrame:
        """The orders that somebody wants to see, with what both books want of them."""
        with self._lock:
            return found.compared.told(picked(found, draft, pick))

    def missed(self, book: Rulebook, past: Sequence[Spoke] | None = None) -> pl.DataFrame:
        """Gifts that these orders should have been given and were not; see `missed_gifts`. Raises UserMistake where a
        gift is limited for each buyer, and nothing tells buyers apart."""
        self._learn(needs.asks_buyers(book) or gifts.counts_buyers(book))
        needs.check(book, self.orders.schema, self.lines.schema, counts=True)
        gifts.check(book, self.orders.schema)
        with self._lock:
            return missed_gifts(self.index(book.zone), book, past)

    def held(self, condition: Condition, zone: str) -> pl.DataFrame:
        """The orders for which it holds. Raises UserMistake for what it asks and they do not have."""
        asked = Rule(Term("this condition"), condition, ())
        book = Rulebook(zone=zone, groups=(Group("", "all", (asked,)),))
        self._askable(book)
        with self._lock:
            found = self.index(zone).holds((condition,))[0]
            return self.orders.filter(pl.Series(bits.unpack(found, self.orders.height)))

    def example(
        self, should: Sequence[int], should_not: Sequence[int], book: Rulebook
    ) -> tuple[Findings, UserMistake | None]:
        """Rules that take the one orders and not the others, and why their overlaps with those of a book are not
        known, if they are not. Raises UserMistake for marks that no rule can be made of."""
        self._learn(True)
        blind = None
        try:
            self._askable(book)
        except UserMistake as mistake:
            blind, book = mistake, Rulebook(zone=book.zone)
        with self._lock:
            return by_example(self.index(book.zone), should, should_not, book=book, best=BEST), blind

    def why(self, order_id: int, books: Mapping[str, Rulebook], words: Words) -> dict[str, pl.DataFrame]:
        """Of one of the orders what each book says and why (`tables.why`)."""
        order, lines = (frame.filter(pl.col("order_id") == order_id) for frame in (self.orders, self.lines))
        told = {
            name: explain(order, lines, on_orders(book), language=words.language, reports=self._reports)
            for name, book in books.items()
        }
        return {name: tables.why(one, words) for name, one in told.items()}
