"""What is to be brought from one of the hub's warehouses to another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial

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


def transfers(
    store: Store, settings: Settings, now: int, is_open: Callable[[str], bool], has_room: Callable[[str, Lacking], bool]
) -> Planned:  # fmt: skip
    """For what warehouses owe, and all orders that wait for pieces and nothing else, not for room, too. A warehouse
    that is closed gives nothing, and whoever waits there is not seen to; nor does one give that reports no stock."""
    told = [name for name in ledger.told(store) if is_open(name)]
    left = [one for one in ledger.left(store, "stock") if one.place in told]
    free = {(one.place, one.subject): one.balance for one in left}
    waits: list[Wait] = []
    owed: dict[tuple[str, str], int] = {}
    for warehouse in told:
        own, kept = _waits(store, warehouse, partial(has_room, warehouse))
        for sku, pieces in kept.items():
            free[warehouse, sku] = free.get((warehouse, sku), 0) + pieces
        short = {sku: pieces for (place, sku), pieces in free.items() if place == warehouse and pieces < 0}
        owed |= _owed(store, warehouse, short, own, now) if short else {}
        waits += own
    for one in left:
        free[one.place, one.subject] -= one.safety
    return plan(waits, free, owed, routes(settings, told))


def _owed(
    store: Store, warehouse: str, short: Mapping[str, int], waits: Sequence[Wait], now: int
) -> dict[tuple[str, str], int]:  # fmt: skip
    """Of what is promised and not there (`short`, below nothing) that which the warehouse was told of. Whoever is held
    for another reason keeps what is promised to it and is not told of yet: that is short, too, and owed to nobody."""
    waiting = Counter[str]()
    for one in waits:
        waiting.update(one.needs)
    bound, owed = ledger.bound(store, warehouse, now), {}
    for sku, pieces in short.items():
        promised, told = bound.get(sku, (0, 0))
        held = max(0, promised - told - waiting[sku])
        if (missing := min(told, -pieces - held)) > 0:
            owed[warehouse, sku] = missing
    return owed


def _waits(
    store: Store, warehouse: str, has_room: Callable[[Lacking], bool]
) -> tuple[list[Wait], dict[str, int]]:  # fmt: skip
    """Who waits in a warehouse; and by SKU what its last report keeps from everybody for those who waited then."""
    last = max((number for number, _ in ledger.newest_reports(store, warehouse, 1)), default=0)
    every = [one for one in aside.lacking(store, warehouse, LATEST) if has_room(one)]
    facts = {(one.asked.shop, one.asked.order_no): one for one in every}
    waits, kept = [], Counter[str]()
    for one in waiting(every):
        known = facts[one.shop, one.order_no]
        if known.turn < last:
            kept.update(one.needs)
        waits.append(_wait(one, known, warehouse))
    return waits, dict(kept)


def _wait(one: Waiting, known: Lacking, warehouse: str) -> Wait:
    return Wait(
        one.shop, one.order_no, one.parcel, warehouse, one.needs, known.asked.marks.priority, known.promised_at,
        known.owed_at,
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
    known = said.cost is not None or said.cost_per_piece
    base = (said.cost or 0) * CENTS if known else None
    return Route(source, target, said.rank, km, base, said.cost_per_piece * CENTS)
