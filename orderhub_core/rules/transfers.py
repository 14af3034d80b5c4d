"""What to bring from one warehouse to another, so that orders go which wait for pieces that lie elsewhere.

What a warehouse owes to orders that it has been told of already comes first, piece by piece; but whoever waits and
finds all of it in its own warehouse needs nothing brought, and nobody takes of it. Of the others those come first to
whom rules have given more points (`priority`), then those whose promise ends first, then who paid first. Each uses what
its own warehouse has, and the rest is brought: from the one warehouse that has all of it if there is one, else from
several, in the order of their routes. An order that cannot be given all of it is given nothing: half of it would wait
as long.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import polars as pl

from orderhub_core.frames import INSTANT

NEVER = 0
"""The rank of a route that nothing goes by."""
ROUTES = pl.Schema(
    {
        "source": pl.String(),
        "target": pl.String(),
        "pieces": pl.Int64(),
        "orders": pl.Int64(),
        "distance_km": pl.Float64(),
        "cost_minor": pl.Int64(),
    }
)
"""What goes by each route, and how many orders go that would not without it. `cost_minor`: null where nobody says."""
MOVES = pl.Schema(
    {
        "source": pl.String(),
        "target": pl.String(),
        "sku": pl.String(),
        "pieces": pl.Int64(),
        "owed": pl.Int64(),
        "orders": pl.Int64(),
    }
)
"""The same, by SKU. `owed`: so many of the pieces are for orders that the target has been told of already."""
OWED = pl.Schema({"warehouse": pl.String(), "sku": pl.String(), "pieces": pl.Int64()})
"""What warehouses still owe after that: nobody may give it."""
ORDERS = pl.Schema(
    {
        "shop": pl.String(),
        "order_no": pl.String(),
        "parcel": pl.Int64(),
        "warehouse": pl.String(),
        "priority": pl.Int64(),
        "promised_at": INSTANT,
        "paid_at": INSTANT,
        "state": pl.String(),
        "sources": pl.List(pl.String()),
        "sku": pl.String(),
        "missing": pl.Int64(),
    }
)
"""Who waits, in the order in which they are seen to; `parcel` 0: the whole order. `state`: `there`, `brought` (from
`sources`), or `nowhere`: of `sku`, the first of which there are not enough, so many are `missing` in all warehouses."""


class Wait(NamedTuple):
    """An order, or the rest of one, that waits for pieces and nothing else."""

    shop: str
    order_no: str
    parcel: int
    warehouse: str
    needs: Mapping[str, int]
    """Pieces by SKU."""
    priority: int = 0
    promised_at: int | None = None
    paid_at: int | None = None
    """Microseconds UTC."""


class Route(NamedTuple):
    source: str
    target: str
    rank: int | None = None
    """1 is asked first; NEVER; None: after those that have one."""
    distance_km: float | None = None
    base_minor: float | None = None
    """Of a journey, whatever it carries; None where nobody says what it costs."""
    piece_minor: float = 0


class Planned(NamedTuple):
    routes: pl.DataFrame
    moves: pl.DataFrame
    orders: pl.DataFrame
    owed: pl.DataFrame


Pieces = Mapping[tuple[str, str], int]
"""By warehouse and SKU."""
Brought = dict[tuple[str, str], int]
"""By source and SKU."""


def plan(waits: Sequence[Wait], free: Pieces, owed: Pieces, routes: Iterable[Route]) -> Planned:
    """`waits`: in the order in which they wait. `free`: what nobody but those who wait may have. `owed`: what is
    promised to orders that a warehouse was told of, and is not there."""
    spare = {place: max(0, pieces) for place, pieces in free.items()}
    ways: defaultdict[str, list[Route]] = defaultdict(list)
    for route in sorted(routes, key=_better):
        if route.rank != NEVER:
            ways[route.target].append(route)
    seen: list[_Seen] = []
    short = []
    for one in waits:
        if _missing(one, spare):
            short.append(one)
        else:
            _take(spare, {(one.warehouse, sku): pieces for sku, pieces in one.needs.items()})
            seen.append(_Seen(one, "there"))
    paid: list[_Move] = []
    unpaid = []
    for (warehouse, sku), pieces in sorted(owed.items()):
        brought = _along(ways[warehouse], sku, pieces, spare)
        _take(spare, brought)
        paid += [_Move(source, warehouse, sku, some, None) for (source, _), some in brought.items()]
        if (left := pieces - sum(brought.values())) > 0:
            unpaid.append((warehouse, sku, left))
    for one in sorted(short, key=_sooner):
        found = _supplied(one, ways[one.warehouse], spare)
        if found.state != "nowhere":
            missing = _missing(one, spare)
            own = {(one.warehouse, sku): pieces - missing.get(sku, 0) for sku, pieces in one.needs.items()}
            _take(spare, own)
            _take(spare, found.brought)
        seen.append(found)
    known = {(route.source, route.target): route for some in ways.values() for route in some}
    return _told(seen, paid, unpaid, known)


class _Move(NamedTuple):
    source: str
    target: str
    sku: str
    pieces: int
    of: int | None
    """A number of the order; None: for what is owed."""


class _Seen(NamedTuple):
    wait: Wait
    state: str
    brought: Mapping[tuple[str, str], int] = MappingProxyType({})
    sku: str | None = None
    missing: int = 0


def _better(route: Route) -> tuple[float, float, float, str]:
    unknown = float("inf")
    cost = unknown if route.base_minor is None else route.base_minor + route.piece_minor
    return (
        unknown if route.rank is None else route.rank,
        cost,
        unknown if route.distance_km is None else route.distance_km,
        route.source,
    )


def _sooner(one: Wait) -> tuple[int, float, float, str, str, int]:
    never = float("inf")
    return (
        -one.priority,
        never if one.promised_at is None else one.promised_at,
        never if one.paid_at is None else one.paid_at,
        one.shop,
        one.order_no,
        one.parcel,
    )


def _missing(one: Wait, spare: Pieces) -> dict[str, int]:
    """Of what it needs, what its own warehouse does not have."""
    short = {sku: pieces - spare.get((one.warehouse, sku), 0) for sku, pieces in one.needs.items()}
    return {sku: pieces for sku, pieces in short.items() if pieces > 0}


def _supplied(one: Wait, ways: Sequence[Route], spare: Pieces) -> _Seen:
    """Where what it misses is brought from; or of what there is not enough."""
    missing = _missing(one, spare)
    for route in ways:
        if all(spare.get((route.source, sku), 0) >= pieces for sku, pieces in missing.items()):
            return _Seen(one, "brought", {(route.source, sku): pieces for sku, pieces in missing.items()})
    brought: Brought = {}
    for sku, pieces in missing.items():
        some = _along(ways, sku, pieces, spare)
        if (left := pieces - sum(some.values())) > 0:
            return _Seen(one, "nowhere", {}, sku, left)
        brought |= some
    return _Seen(one, "brought", brought)


def _along(ways: Sequence[Route], sku: str, pieces: int, spare: Pieces) -> Brought:
    """As many pieces as there are, by the best routes first."""
    brought: Brought = {}
    for route in ways:
        if some := min(pieces, spare.get((route.source, sku), 0)):
            brought[route.source, sku] = some
            pieces -= some
    return brought


def _take(spare: dict[tuple[str, str], int], some: Mapping[tuple[str, str], int]) -> None:
    for place, pieces in some.items():
        if pieces:
            spare[place] -= pieces


def _told(
    seen: Sequence[_Seen], paid: Sequence[_Move], unpaid: Sequence[tuple[str, str, int]],
    known: Mapping[tuple[str, str], Route],
) -> Planned:  # fmt: skip
    moved = [
        *paid,
        *(
            _Move(source, one.wait.warehouse, sku, pieces, number)
            for number, one in enumerate(seen)
            for (source, sku), pieces in one.brought.items()
        ),
    ]
    names = dict.fromkeys(("source", "target", "sku"), pl.String)
    each = pl.DataFrame(moved, schema={**names, "pieces": pl.Int64, "of": pl.Int64}, orient="row")
    summed = (
        pl.col("pieces").sum(),
        pl.col("pieces").filter(pl.col("of").is_null()).sum().alias("owed"),
        pl.col("of").drop_nulls().n_unique().cast(pl.Int64).alias("orders"),
    )
    moves = each.group_by("source", "target", "sku").agg(summed).sort("target", "source", "sku")
    ways = each.group_by("source", "target").agg(summed).sort("target", "source")
    routes = [
        (source, target, pieces, orders, (route := known[source, target]).distance_km, _cost(route, pieces))
        for source, target, pieces, _, orders in ways.iter_rows()
    ]
    orders = [
        (
            one.shop, one.order_no, one.parcel, one.warehouse, one.priority, one.promised_at, one.paid_at, state,
            list(dict.fromkeys(source for source, _ in brought)), sku, missing,
        )
        for one, state, brought, sku, missing in seen
    ]  # fmt: skip
    raw = {**ORDERS, "promised_at": pl.Int64(), "paid_at": pl.Int64()}
    return Planned(
        pl.DataFrame(routes, schema=ROUTES, orient="row"),
        moves.select(MOVES.names()),
        pl.DataFrame(orders, schema=raw, orient="row").cast({"promised_at": INSTANT, "paid_at": INSTANT}),
        pl.DataFrame(unpaid, schema=OWED, orient="row"),
    )


def _cost(route: Route, pieces: int) -> int | None:
    return None if route.base_minor is None else round(route.base_minor + route.piece_minor * pieces)
