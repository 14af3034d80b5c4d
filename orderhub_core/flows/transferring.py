"""What is to be brought from one of the hub's warehouses to another."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from orderhub_core.flows.places import places
from orderhub_core.flows.restocking import Waiting, waiting
from orderhub_core.rules.routing import great_circle
from orderhub_core.rules.transfers import Planned, Route, Wait, plan
from orderhub_core.settings import Settings, TransferSettings
from orderhub_core.store import aside, ledger
from orderhub_core.store.aside import Lacking
from orderhub_core.store.base import Store

LATEST = 1 << 62
"""After every entry of the ledger."""
CENTS = 100


def transfers(store: Store, settings: Settings, is_open: Callable[[str], bool]) -> Planned:
    """For what warehouses owe, and all orders that wait for pieces and nothing else. A warehouse that is closed gives
    nothing, and whoever waits there is not seen to; nor does one give anything that reports no stock."""
    told = [name for name in ledger.told(store) if is_open(name)]
    left = [one for one in ledger.left(store, "stock") if one.place in told]
    free = {(one.place, one.subject): one.balance for one in left}
    waits: list[Wait] = []
    for warehouse in told:
        waits += _waits(store, warehouse, free)
    owed = {place: -pieces for place, pieces in free.items() if pieces < 0}
    for one in left:
        free[one.place, one.subject] -= one.safety
    return plan(waits, free, owed, routes(settings, told))


def _waits(store: Store, warehouse: str, free: dict[tuple[str, str], int]) -> Iterator[Wait]:
    """Who waits in a warehouse. A report keeps the pieces of those who waited then from everybody: they are given
    back to `free`, for they are theirs."""
    last = max((number for number, _ in ledger.reports(store, warehouse, 0)), default=0)
    kept = {_name(one) for one in waiting(aside.lacking(store, warehouse, last))}
    every = aside.lacking(store, warehouse, LATEST)
    facts = {(one.asked.shop, one.asked.order_no): one for one in every}
    for one in waiting(every):
        if _name(one) in kept:
            for sku, pieces in one.needs.items():
                free[warehouse, sku] = free.get((warehouse, sku), 0) + pieces
        yield _wait(one, facts[one.shop, one.order_no], warehouse)


def _name(one: Waiting) -> tuple[str, str, int]:
    return one.shop, one.order_no, one.parcel


def _wait(one: Waiting, known: Lacking, warehouse: str) -> Wait:
    return Wait(
        one.shop, one.order_no, one.parcel, warehouse, one.needs, known.asked.marks.priority, known.promised_at,
        known.paid_at,
    )  # fmt: skip


def routes(settings: Settings, among: Collection[str]) -> Iterator[Route]:
    """From each of these warehouses to each other one."""
    every = places(settings).warehouses
    known = every.filter(every["warehouse"].is_in(list(among)))
    said = {(one.source, one.target): one for one in settings.transfers}
    for source, north, east in known.select("warehouse", "latitude", "longitude").iter_rows():
        for target, to_north, to_east in known.select("warehouse", "latitude", "longitude").iter_rows():
            if source != target:
                unknown = None in (north, east, to_north, to_east)
                km = None if unknown else float(great_circle(north, east, to_north, to_east))
                yield _route(source, target, km, said.get((source, target)))


def _route(source: str, target: str, km: float | None, said: TransferSettings | None) -> Route:
    if said is None:
        return Route(source, target, None, km)
    base = None if said.cost is None else round(said.cost * CENTS)
    return Route(source, target, said.rank, km, base, round(said.cost_per_piece * CENTS))
