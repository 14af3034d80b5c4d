"""What to bring from one warehouse to another, so that orders go which wait for pieces that lie elsewhere.

Whoever finds all of it in its own warehouse needs nothing brought, and is seen to before anybody else takes of it. Of
the others those come first to whom rules have given more points (`priority`), then those whose promise ends first, then
who paid first. Each uses what its own warehouse has, and the rest is brought: from the one warehouse that has all of it
if there is one, else from several, in the order of their routes. An order that cannot be given all of it is given
nothing: half of it would wait as long.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
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
    {"source": pl.String(), "target": pl.String(), "sku": pl.String(), "pieces": pl.Int64(), "orders": pl.Int64()}
)
"""The same, by SKU."""
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
    base_minor: int | None = None
    """Of a journey, whatever it carries; None where nobody says what it costs."""
    piece_minor: int = 0


class Planned(NamedTuple):
    routes: pl.DataFrame
    moves: pl.DataFrame
    orders: pl.DataFrame


Free = Mapping[tuple[str, str], int]
"""By warehouse and SKU: pieces that nobody but those who wait may have."""
Brought = dict[tuple[str, str], int]
"""By source and SKU."""


def plan(waits: Sequence[Wait], free: Free, routes: Iterable[Route]) -> Planned:
    """`waits`: in the order in which they wait."""
    spare = {place: max(0, pieces) for place, pieces in free.items()}
    ways: defaultdict[str, list[Route]] = defaultdict(list)
    for route in sorted(routes, key=_better):
        if route.rank != NEVER:
            ways[route.target].append(route)
    seen: list[tuple[Wait, str, Brought, tuple[str | None, int]]] = []
    short = []
    for one in waits:
        if _missing(one, spare):
            short.append(one)
        else:
            _take(spare, {(one.warehouse, sku): pieces for sku, pieces in one.needs.items()})
            seen.append((one, "there", {}, (None, 0)))
    for one in sorted(short, key=_sooner):
        missing = _missing(one, spare)
        brought, lacks = _brought(missing, ways[one.warehouse], spare)
        if lacks[0] is None:
            own = {(one.warehouse, sku): pieces - missing.get(sku, 0) for sku, pieces in one.needs.items()}
            _take(spare, own)
            _take(spare, brought)
        seen.append((one, "brought" if brought else "there" if lacks[0] is None else "nowhere", brought, lacks))
    return _told(seen, {(route.source, route.target): route for some in ways.values() for route in some})


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


def _missing(one: Wait, spare: Free) -> dict[str, int]:
    """Of what it needs, what its own warehouse does not have."""
    short = {sku: pieces - spare.get((one.warehouse, sku), 0) for sku, pieces in one.needs.items()}
    return {sku: pieces for sku, pieces in short.items() if pieces > 0}


def _brought(missing: Mapping[str, int], ways: Sequence[Route], spare: Free) -> tuple[Brought, tuple[str | None, int]]:
    """Where it is brought from; or of what there is not enough, and how many are missing."""
    for route in ways:
        if all(spare.get((route.source, sku), 0) >= pieces for sku, pieces in missing.items()):
            return {(route.source, sku): pieces for sku, pieces in missing.items()}, (None, 0)
    brought: Brought = {}
    for sku, pieces in missing.items():
        left = pieces
        for route in ways:
            if some := min(left, spare.get((route.source, sku), 0)):
                brought[route.source, sku] = some
                left -= some
        if left:
            return {}, (sku, left)
    return brought, (None, 0)


def _take(spare: dict[tuple[str, str], int], some: Mapping[tuple[str, str], int]) -> None:
    for place, pieces in some.items():
        if pieces:
            spare[place] -= pieces


def _told(
    seen: Sequence[tuple[Wait, str, Brought, tuple[str | None, int]]], known: Mapping[tuple[str, str], Route]
) -> Planned:  # fmt: skip
    moved = [
        (source, one.warehouse, sku, pieces, number)
        for number, (one, _, brought, _) in enumerate(seen)
        for (source, sku), pieces in brought.items()
    ]
    each = pl.DataFrame(
        moved, schema={**dict.fromkeys(("source", "target", "sku"), pl.String), "pieces": pl.Int64, "of": pl.Int64},
        orient="row",
    )  # fmt: skip
    summed = (pl.col("pieces").sum(), pl.col("of").n_unique().cast(pl.Int64).alias("orders"))
    moves = each.group_by("source", "target", "sku").agg(summed).sort("target", "source", "sku")
    ways = each.group_by("source", "target").agg(summed).sort("target", "source")
    routes = [
        (source, target, pieces, orders, (route := known[source, target]).distance_km, _cost(route, pieces))
        for source, target, pieces, orders in ways.iter_rows()
    ]
    orders = [
        (
            one.shop, one.order_no, one.parcel, one.warehouse, one.priority, one.promised_at, one.paid_at, state,
            list(dict.fromkeys(source for source, _ in brought)), sku, missing,
        )
        for one, state, brought, (sku, missing) in seen
    ]  # fmt: skip
    raw = {**ORDERS, "promised_at": pl.Int64(), "paid_at": pl.Int64()}
    return Planned(
        pl.DataFrame(routes, schema=ROUTES, orient="row"),
        moves.select(MOVES.names()),
        pl.DataFrame(orders, schema=raw, orient="row").cast({"promised_at": INSTANT, "paid_at": INSTANT}),
    )


def _cost(route: Route, pieces: int) -> int | None:
    return None if route.base_minor is None else route.base_minor + route.piece_minor * pieces
