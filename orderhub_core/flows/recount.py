"""What there was of stock and room when each order was decided, as the ledger has it: for deciding once more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import polars as pl

from orderhub_core.flows.allotting import Made, Resource, resources
from orderhub_core.i18n import translator
from orderhub_core.model import StockReport
from orderhub_core.rules.allotting import ALLOTTED, Allotted, World, allot
from orderhub_core.rules.claims import LEDGER
from orderhub_core.store.ledger import Entry
from orderhub_core.store.unit import Message, Writes

_english = translator("en")


class AsRecorded:
    """`allotting.Counters`. Each order finds what it found then; of those that followed one another at once, each finds
    what the one before it has left this time. An order that took no turn asks for nothing."""

    def __init__(self, entries: Iterable[Entry], zone: str) -> None:
        self._entries, self._zone = [*entries], zone
        self._turns: dict[tuple[str, str], int] = {}
        """Of each order, by shop and number, its place among the entries."""
        self._ends: dict[int, int] = {}
        """Of each turn, where what the order took ends."""
        self._reported: dict[str, int] = {}
        """Of each warehouse, its first report."""
        for place, entry in enumerate(self._entries):
            if entry.kind == "turn":
                turn = self._turns.setdefault((entry.shop, entry.order_no), place)
            elif entry.order_id == 0:
                self._reported.setdefault(entry.place, place)
            if entry.order_id:
                self._ends[turn] = place + 1
        self._left: dict[Resource, tuple[int, int]] = {}
        self._upto = 0

    def counted(self) -> frozenset[str]:
        """Whoever ever reported: whether they had by then, is asked of each order."""
        return frozenset(self._reported)

    def allot(
        self, calls: pl.DataFrame, wanted: pl.DataFrame, world: World, made: Mapping[int, Made], *, trying: bool = False
    ) -> Allotted:
        turns = {
            number: turn
            for number, one in made.items()
            if (turn := self._turns.get((one.head.shop, one.head.order_no))) is not None
        }
        ordered = calls.with_columns(turn=pl.col("order_id").replace_strict(turns, default=-1, return_dtype=pl.Int64))
        found = [
            allot(
                ordered.filter(pl.col("order_id").is_in(run)),
                wanted.filter(pl.col("order_id").is_in(run)),
                world._replace(counted=frozenset(p for p, first in self._reported.items() if first < turns[run[0]])),
                resources(self._before(turns[run[0]])),
                zone=self._zone,
                tr=_english,
            ).orders
            for run in self._runs(turns)
        ]
        return Allotted(pl.concat([pl.DataFrame(schema=ALLOTTED), *found]), pl.DataFrame(schema=LEDGER))

    def count(self, said: StockReport, promised: Mapping[str, int], message: Message) -> None:
        """The ledger has it already."""

    def write(self, writes: Writes) -> None:
        """Nothing is taken."""

    def _runs(self, turns: Mapping[int, int]) -> Iterator[Sequence[int]]:
        """Orders that took their turns one at once after the other."""
        run: list[int] = []
        for number in sorted(turns, key=turns.__getitem__):
            if run and self._ends[turns[run[-1]]] != turns[number]:
                yield run
                run = []
            run.append(number)
        if run:
            yield run

    def _before(self, place: int) -> dict[Resource, tuple[int, int]]:
        if place < self._upto:
            self._left, self._upto = {}, 0
        for entry in self._entries[self._upto : place]:
            if entry.kind != "turn":
                resource = (entry.kind, entry.subject, entry.place)
                safety = entry.safety if entry.order_id == 0 else self._left.get(resource, (0, 0))[1]
                self._left[resource] = entry.balance, safety
        self._upto = place
        return self._left
