"""Stock and room as the orders of a batch take them, one after the other, over what is left of both.

Nothing is asked of a hub whose warehouses report no stock, have no limit and are not reported closed, unless a rule
leaves the choice of the warehouse to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import polars as pl

from orderhub_core.errors import UserMistake
from orderhub_core.fold import Head
from orderhub_core.frames import INSTANT
from orderhub_core.i18n import translator
from orderhub_core.model import Line, StockReport
from orderhub_core.rules.actions import NEAREST
from orderhub_core.rules.allotting import CALLS, Allotted, World, allot
from orderhub_core.rules.claims import BOOKED, LIMITS, STOCK, WANTED, Resources
from orderhub_core.rules.decide import Decision
from orderhub_core.rules.provinces import SEATS, located
from orderhub_core.rules.routing import WAREHOUSES, WINDOWS, routes
from orderhub_core.settings import BaseSettings, Settings, WarehouseSettings
from orderhub_core.store.ahead import Reads
from orderhub_core.store.unit import Message, Row, Writes

FIRST_ADDED_LINE = 1_000
Resource = tuple[str, str, str]
"""Kind, subject, place."""
_english = translator("en")


class Places(NamedTuple):
    """The warehouses of the settings, and the zone in which their days begin."""

    warehouses: pl.DataFrame = pl.DataFrame(schema=WAREHOUSES)
    zone: str = "UTC"
    bases: pl.DataFrame = pl.DataFrame(schema=WAREHOUSES)
    """Where things are made: as of warehouses, their names and where they stand."""


NOWHERE = Places()


def places(settings: Settings) -> Places:
    """Raises UserMistake for a place in a province that there is not."""
    warehouses = [
        (one.id, *(_at(one) if one.latitude is None else (one.latitude, one.longitude)), one.enabled, one.temporary,
         one.orders_per_day or None)
        for one in settings.warehouses
    ]  # fmt: skip
    bases = [(one.id, *_at(one), True, False, None) for one in settings.bases]
    return Places(
        pl.DataFrame(warehouses, schema=WAREHOUSES, orient="row"),
        settings.time_zone,
        pl.DataFrame(bases, schema=WAREHOUSES, orient="row"),
    )


def _at(one: WarehouseSettings | BaseSettings) -> tuple[float | None, float | None]:
    """Degrees north and east."""
    if not one.province:
        return None, None
    if (seat := SEATS.get(one.province.strip()[:2])) is None:
        raise UserMistake(f"{one.id}: there is no province {one.province!r}; write one like 浙江省")
    return seat


class Made(NamedTuple):
    """What a book has decided of an order."""

    head: Head
    decisions: list[Decision]
    version: str
    lines: Sequence[Line]
    message: Message


class Settled(NamedTuple):
    decisions: list[Decision]
    """With the warehouse that it goes to."""
    lack: str = ""
    """Why it must wait: what was not there."""


class Counters(Protocol):
    """What is left for the orders of one batch."""

    def counted(self) -> frozenset[str]:
        """Warehouses that report their stock."""
        ...

    def allot(
        self, calls: pl.DataFrame, wanted: pl.DataFrame, world: World, made: Mapping[int, Made], *, trying: bool = False
    ) -> Allotted:
        """`made`: the orders of the calls, by id. `trying`: nothing is taken."""
        ...

    def count(self, said: StockReport, promised: Mapping[str, int], message: Message) -> None:
        """Take in what a warehouse has; `promised`: pieces by SKU that orders have taken and that have not left it."""
        ...

    def write(self, writes: Writes) -> None: ...


def settle(
    made: Sequence[Made], places: Places, windows: pl.DataFrame, counters: Counters, *, trying: bool = False
) -> list[Settled]:
    """Where each order goes, in the order in which they were decided. `windows`: routing.WINDOWS. `trying`: nothing is
    taken."""
    made = _with_bases(made, places.bases)
    world = World(places.warehouses, windows, counters.counted())
    watched, wishes = world.watched(), [_wish(one) for one in made]
    asking = {
        one.head.order_id: wish
        for one, wish in zip(made, wishes, strict=True)
        if wish is not None and (wish.argument == NEAREST or wish.argument in watched)
    }
    if not asking:
        return [Settled(one.decisions) for one in made]
    mine = {one.head.order_id: one for one in made if one.head.order_id in asking}
    calls, wanted = _calls(mine, asking), _wanted(mine.values())
    found = counters.allot(calls, wanted, world, mine, trying=trying)
    told = {row[0]: row[1:] for row in found.orders.iter_rows()}
    return [
        _settled(one, asking[one.head.order_id], *told[one.head.order_id])
        if one.head.order_id in told
        else Settled(one.decisions)
        for one in made
    ]


def _with_bases(made: Sequence[Made], bases: pl.DataFrame) -> Sequence[Made]:
    """Where the nearest production base is asked for, it is named."""
    asking = [one for one in made if any(map(_is_for_any_base, one.decisions))]
    if not asking or bases.is_empty():
        return made
    calls = pl.DataFrame(
        [(one.head.order_id, one.head.paid_at, one.head.province) for one in asking],
        schema={"order_id": pl.Int64, "paid_at": pl.Int64, "province": pl.String},
        orient="row",
    )
    ways = routes(
        located(calls.with_columns(pl.col("paid_at").cast(INSTANT), wished=pl.lit(None, pl.List(pl.String)))),
        bases,
        pl.DataFrame(schema=WINDOWS),
    )
    nearest = dict(ways.filter(pl.col("rank") == 1).select("order_id", "warehouse").iter_rows())
    return [
        one._replace(
            decisions=[
                said._replace(argument=nearest[one.head.order_id]) if _is_for_any_base(said) else said
                for said in one.decisions
            ]
        )
        for one in made
    ]


def _is_for_any_base(decision: Decision) -> bool:
    return decision.action == "work_order" and decision.argument == NEAREST


def _wish(one: Made) -> Decision | None:
    if one.head.warehouse is not None:
        return None
    return next((decision for decision in one.decisions if decision.action == "assign_warehouse"), None)


def _settled(one: Made, wish: Decision, warehouse: str | None, short: bool, why: str) -> Settled:
    goes = wish._replace(argument=warehouse or wish.argument, reason="; ".join(filter(None, (wish.reason, why))))
    decisions = [goes if decision is wish else decision for decision in one.decisions]
    if not short:
        return Settled(decisions)
    return Settled([*decisions, Decision(wish.group, wish.rule, "hold", "stock", 1, None, why)], why)


def _calls(made: Mapping[int, Made], asking: Mapping[int, Decision]) -> pl.DataFrame:
    rows = [
        (number, turn, one.head.paid_at, one.head.province, None if wish.argument == NEAREST else wish.argument)
        for turn, (number, wish) in enumerate(asking.items())
        for one in (made[number],)
    ]
    raw = pl.DataFrame(rows, schema={**CALLS, "paid_at": pl.Int64()}, orient="row")
    return raw.with_columns(pl.col("paid_at").cast(INSTANT))


def _wanted(made: Iterable[Made]) -> pl.DataFrame:
    rows: list[Row] = []
    for one in made:
        number = one.head.order_id
        rows += [(number, line.line_no, line.sku or None, line.quantity, line.gift_of, True) for line in one.lines]
        gifts = [decision for decision in one.decisions if decision.action == "add_gift"]
        rows += [
            (number, FIRST_ADDED_LINE + place, gift.argument, gift.quantity, gift.parent, True)
            for place, gift in enumerate(gifts)
        ]
    return pl.DataFrame(rows, schema=WANTED, orient="row")


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

    def counted(self) -> frozenset[str]:
        return frozenset(self._reads.counted())

    def allot(
        self, calls: pl.DataFrame, wanted: pl.DataFrame, world: World, made: Mapping[int, Made], *, trying: bool = False
    ) -> Allotted:
        days = calls["paid_at"].dt.convert_time_zone(self._zone).dt.date().dt.to_string("iso")
        self._load({*wanted["sku"].drop_nulls(), *days.drop_nulls()})
        found = allot(calls, wanted, world, resources(self._left), zone=self._zone, tr=_english)
        if not trying:
            self._take(found, made)
        return found

    def _take(self, found: Allotted, made: Mapping[int, Made]) -> None:
        taken: dict[int, list[Row]] = {}
        for kind, place, subject, order_id, *entry in found.ledger.iter_rows():
            taken.setdefault(order_id, []).append(((kind, subject, place), *entry))
        for order_id, warehouse, *_ in found.orders.iter_rows():
            message = made[order_id].message.id
            self._enter(("turn", "", warehouse or ""), order_id, None, 0, 0, 0, message)
            for resource, line_no, quantity, balance in taken.get(order_id, ()):
                safety = self._left.get(resource, (0, 0))[1]
                self._enter(resource, order_id, line_no, quantity, balance, 0, message)
                self._set(resource, balance, safety)

    def count(self, said: StockReport, promised: Mapping[str, int], message: Message) -> None:
        told = ("told", "", said.warehouse)
        self._load({sku for sku, *_ in said.rows})
        for sku, on_hand, safety in said.rows:
            resource = ("stock", sku, said.warehouse)
            before, balance = self._left.get(resource, (0, 0))[0], on_hand - promised.get(sku, 0)
            self._enter(resource, 0, None, balance - before, balance, safety, message.id)
            self._set(resource, balance, safety)
        self._set(told, said.at, 0)

    def write(self, writes: Writes) -> None:
        if not self._entries:
            return
        writes.upserts["resources"] += self._changed.values()
        writes.inserts["ledger"] += self._entries
        writes.turn = (self._turn, self._first)

    def _load(self, subjects: set[str]) -> None:
        missing = subjects - self._asked
        if not missing and self._turn >= 0:
            return
        self._asked |= missing
        for kind, subject, place, balance, safety in self._reads.resource_rows(missing):
            if kind != "turn":
                self._left[kind, subject, place] = balance, safety
            elif self._turn < 0:
                self._turn = self._first = balance

    def _enter(self, resource: Resource, order_id: int, line_no: int | None, *rest: int) -> None:
        self._turn += 1
        self._entries.append((self._turn, *resource, order_id, line_no, *rest))

    def _set(self, resource: Resource, balance: int, safety: int) -> None:
        self._left[resource] = balance, safety
        self._changed[resource] = (*resource, balance, safety)


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
