"""What there was of stock and room when each order was decided, as the ledger has it: for deciding once more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import polars as pl

from orderhub_core.flows.counters import Made, Resource, resources, used
from orderhub_core.i18n import translator
from orderhub_core.rules.allotting import ALLOTTED, Allotted, World, allot
from orderhub_core.rules.claims import ASSIGNED, LEDGER
from orderhub_core.rules.gifts import quotas
from orderhub_core.rules.quotas import Granted, grant
from orderhub_core.rules.tree import Rulebook
from orderhub_core.store.ledger import MARKERS, Entry
from orderhub_core.store.unit import Message, Writes
from orderhub_core.supply import StockReport

_english = translator("en")


class AsRecorded:
    """`counters.Counters`. Each order finds what it found then; of those that followed one another at once, each finds
    what the one before it has left this time. An order that took no turn asks for nothing."""

    def __init__(self, entries: Iterable[Entry], zone: str) -> None:
        self._entries, self._zone = [*entries], zone
        self._turns: dict[tuple[str, str, str], int] = {}
        """For what ("stock" or "gifts"), shop and number of the order: the place of its turn among the entries."""
        self._ends: dict[int, int] = {}
        """Of each turn, where what the order took ends."""
        self._reported: dict[str, int] = {}
        """Of each warehouse, its first report."""
        for place, entry in enumerate(self._entries):
            if entry.kind == "turn":
                turn = self._turns.setdefault((entry.subject, entry.shop, entry.order_no), place)
            elif entry.kind == "told":
                self._reported.setdefault(entry.place, place)
            if entry.order_id:
                self._ends[turn] = place + 1
        self._left: dict[str, dict[Resource, tuple[int, int]]] = {"stock": {}, "gifts": {}}
        self._upto = {"stock": 0, "gifts": 0}

    def counted(self) -> frozenset[str]:
        """Whoever ever reported: whether they had by then, is asked of each order."""
        return frozenset(self._reported)

    def grant(self, claims: pl.DataFrame, book: Rulebook, made: Mapping[int, Made], *, trying: bool = False) -> Granted:
        turns = self._turns_of("gifts", made)
        found = [
            grant(some, quotas(book), used(self._before("gifts", first)), zone=book.zone)
            for some, first in self._parts(claims, turns)
        ]
        none = grant(claims.clear(), quotas(book), used({}), zone=book.zone)
        parts = zip(*[none, *found], strict=True)
        return Granted(*(pl.concat(list(frames)) for frames in parts))

    def allot(
        self, calls: pl.DataFrame, wanted: pl.DataFrame, world: World, made: Mapping[int, Made], *, trying: bool = False
    ) -> Allotted:
        turns = self._turns_of("stock", made)
        found = [
            allot(
                some,
                wanted.filter(pl.col("order_id").is_in(some["order_id"].implode())),
                world._replace(counted=frozenset(p for p, since in self._reported.items() if since < first)),
                resources(self._before("stock", first)),
                zone=self._zone,
                tr=_english,
            )
            for some, first in self._parts(calls, turns)
        ]
        none = Allotted(ALLOTTED.to_frame(), LEDGER.to_frame(), ASSIGNED.to_frame())
        parts = zip(*[none, *found], strict=True)
        return Allotted(*(pl.concat(list(frames)) for frames in parts))

    def _turns_of(self, what: str, made: Mapping[int, Made]) -> dict[int, int]:
        keys = {number: (what, one.head.shop, one.head.order_no) for number, one in made.items()}
        return {number: self._turns[key] for number, key in keys.items() if key in self._turns}

    def _parts(self, asking: pl.DataFrame, turns: Mapping[int, int]) -> Iterator[tuple[pl.DataFrame, int]]:
        """The rows of orders that took their turns one at once after the other, and the first of these turns."""
        ordered = asking.with_columns(
            turn=pl.col("order_id").replace_strict(turns, default=-1, return_dtype=pl.Int64)
        )  # fmt: skip
        for run in self._runs(turns):
            yield ordered.filter(pl.col("order_id").is_in(run)), turns[run[0]]

    def count(self, said: StockReport, promised: Callable[[], Mapping[str, int]], message: Message) -> None:
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

    def _before(self, what: str, place: int) -> dict[Resource, tuple[int, int]]:
        """What was left before an entry, of what is asked for in turns of that kind: they go forward, mostly."""
        if place < self._upto[what]:
            self._left[what], self._upto[what] = {}, 0
        left = self._left[what]
        for entry in self._entries[self._upto[what] : place]:
            if entry.kind not in MARKERS and (entry.kind == "quota") == (what == "gifts"):
                resource = (entry.kind, entry.subject, entry.place)
                safety = entry.safety if entry.order_id == 0 else left.get(resource, (0, 0))[1]
                left[resource] = entry.balance, safety
        self._upto[what] = place
        return left
