"""Where an order may go, in its own order of preference: named by rules, nearest, cheapest; temporary warehouses last.

What is there and what has room is not asked here: `resources` goes through these candidates in turn.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl

from orderhub_core.frames import INSTANT
from orderhub_core.rules.claims import CANDIDATES, LIMITS

WAREHOUSES = pl.Schema(
    {
        "warehouse": pl.String(),
        "latitude": pl.Float64(),
        "longitude": pl.Float64(),
        "enabled": pl.Boolean(),
        "temporary": pl.Boolean(),
        "orders_per_day": pl.Int64(),
    }
)
"""One row each, in the order of preference where nothing else decides. Degrees north and east, or null.
`temporary`: takes what overflows from the others. `orders_per_day`: null for any number."""
WINDOWS = pl.Schema(
    [
        ("warehouse", pl.String()),
        ("open", pl.Boolean()),
        ("since", INSTANT),
        ("until", INSTANT),
        ("reason", pl.String()),
    ]
)
"""When a warehouse is open, or closed for a reason, whatever `enabled` says: from `since` up to, not including,
`until`; null: ever since, and until further notice. Of windows that overlap, the one that began last holds; one that
does not say whether it is open is closed."""
NO_WINDOW = WINDOWS.to_frame()
"""Made once: an empty frame costs a batch as much as an order does."""
DESTINATIONS = pl.Schema(
    [
        ("order_id", pl.Int64()),
        ("paid_at", INSTANT),
        ("latitude", pl.Float64()),
        ("longitude", pl.Float64()),
        ("wished", pl.List(pl.String())),
    ]
)
"""Where orders go to. `wished`: warehouses that rules name, the best first; null: none."""
COSTS = pl.Schema({"order_id": pl.Int64(), "warehouse": pl.String(), "cost_minor": pl.Int64()})
"""What it costs to send an order from a warehouse; see `freight`."""
ROUTES = pl.Schema({**CANDIDATES, "distance_km": pl.Float64(), "cost_minor": pl.Int64()})
"""CANDIDATES, with what told them apart; null where it is not known."""

EARTH_KM = 6371.0088
"""Mean radius (IUGG 1980)."""
DISABLED, UNNAMED = "disabled", "closed"

By = Literal["distance", "cost", "list"]
Matrix = np.ndarray[tuple[int, int], np.dtype[Any]]


class Grounds(NamedTuple):
    """What decides between warehouses, orders by warehouses."""

    wish: Matrix
    """Its place among those that the order's rules name, else more than any."""
    distance: Matrix
    cost: Matrix


def great_circle(latitude: Any, longitude: Any, to_latitude: Any, to_longitude: Any) -> Any:
    """Kilometres along the surface of the Earth taken as a sphere, by the haversine formula; degrees. NaN where a
    coordinate is, or where there is no such place."""
    north, to_north = (np.where(np.abs(degrees) <= 90, degrees, np.nan) for degrees in (latitude, to_latitude))
    east, to_east = (np.where(np.abs(degrees) <= 180, degrees, np.nan) for degrees in (longitude, to_longitude))
    north, to_north, turned = np.radians(north), np.radians(to_north), np.radians(to_east - east)
    half = np.sin((to_north - north) / 2) ** 2 + np.cos(north) * np.cos(to_north) * np.sin(turned / 2) ** 2
    return 2 * EARTH_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1)))


def routes(
    orders: pl.DataFrame,
    warehouses: pl.DataFrame,
    windows: pl.DataFrame,
    *,
    by: By = "distance",
    costs: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """ROUTES of DESTINATIONS: every warehouse for every order that has been paid, ranked from 1.

    Those that rules name come first, in their order; then the ordinary ones, then the temporary ones, each by distance,
    by cost (of equal cost the nearer one), or as they are listed. What is not known comes after what is.
    """
    paid = orders.filter(pl.col("paid_at").is_not_null()).sort("paid_at", maintain_order=True)
    shape = (paid.height, warehouses.height)
    grounds = Grounds(_wishes(paid, warehouses), _distances(paid, warehouses), _costs(paid, warehouses, costs))
    temporary = np.broadcast_to(warehouses["temporary"].fill_null(False).to_numpy(), shape)
    own = {"distance": (grounds.distance,), "cost": (grounds.distance, grounds.cost), "list": ()}[by]
    best = np.lexsort((np.broadcast_to(np.arange(shape[1]), shape), *own, temporary, grounds.wish), axis=-1)
    reasons, closed = _closed(paid, warehouses, windows)
    picked = best.ravel()
    return pl.DataFrame(
        {
            "order_id": np.repeat(paid["order_id"].to_numpy(), shape[1]),
            "rank": np.tile(np.arange(1, shape[1] + 1), shape[0]),
            "warehouse": warehouses["warehouse"].gather(picked),
            "closed": reasons.gather(np.take_along_axis(closed, best, axis=1).ravel()),
            "distance_km": np.take_along_axis(grounds.distance, best, axis=1).ravel(),
            "cost_minor": np.take_along_axis(grounds.cost, best, axis=1).ravel(),
        }
    ).select(
        "order_id",
        pl.col("rank").cast(pl.Int32),
        "warehouse",
        "closed",
        pl.col("distance_km").fill_nan(None),
        pl.col("cost_minor").fill_nan(None).cast(pl.Int64),
    )


def limits(warehouses: pl.DataFrame) -> pl.DataFrame:
    """Their LIMITS."""
    return warehouses.select("warehouse", orders="orders_per_day").match_to_schema(LIMITS)


def _distances(orders: pl.DataFrame, warehouses: pl.DataFrame) -> Matrix:
    north, east = (orders[name].cast(pl.Float64).to_numpy()[:, None] for name in ("latitude", "longitude"))
    to = (warehouses[name].cast(pl.Float64).to_numpy()[None, :] for name in ("latitude", "longitude"))
    found: Matrix = great_circle(north, east, *to)
    return found


def _wishes(orders: pl.DataFrame, warehouses: pl.DataFrame) -> Matrix:
    named = orders.select("wished").with_row_index("row").explode("wished").drop_nulls()
    named = named.with_columns(place=pl.int_range(pl.len()).over("row"))
    columns = warehouses.select(wished="warehouse").with_row_index("column")
    # The first of two wishes for the same one counts: written last.
    told = named.join(columns, on="wished", how="inner").sort("place", descending=True)
    most = max(1, len(named))
    wish = np.full((orders.height, warehouses.height), most, np.int64)
    wish[told["row"].to_numpy(), told["column"].to_numpy()] = told["place"].to_numpy()
    return wish


def _costs(orders: pl.DataFrame, warehouses: pl.DataFrame, costs: pl.DataFrame | None) -> Matrix:
    found = np.full((orders.height, warehouses.height), np.nan)
    if costs is not None:
        rows = orders.select("order_id").with_row_index("row")
        columns = warehouses.select("warehouse").with_row_index("column")
        told = costs.drop_nulls().join(rows, on="order_id").join(columns, on="warehouse")
        found[told["row"].to_numpy(), told["column"].to_numpy()] = told["cost_minor"].to_numpy()
    return found


def _closed(orders: pl.DataFrame, warehouses: pl.DataFrame, windows: pl.DataFrame) -> tuple[pl.Series, Matrix]:
    """Reasons, and for each order (by the instant of payment) and warehouse the row of its reason; 0: open."""
    known = windows.sort("since", maintain_order=True).join(
        warehouses.select("warehouse").with_row_index("column"), on="warehouse", how="inner", maintain_order="left"
    )
    told, is_open = pl.col("reason").fill_null(UNNAMED), pl.col("open").fill_null(False)
    words = known.filter(~is_open).select(told).to_series().unique(maintain_order=True)
    reasons = pl.concat([pl.Series("closed", [None, DISABLED], pl.String), words])
    state = np.empty((orders.height, warehouses.height), np.int64)
    state[:] = np.where(warehouses["enabled"].fill_null(True).to_numpy(), 0, 1)
    paid = orders["paid_at"].to_physical().to_numpy()
    # A few windows, each over a run of orders: those that began later write over the others.
    number = {word: row for row, word in enumerate(reasons) if row > 1}
    always = np.iinfo(np.int64)
    spans = known.select(
        "column",
        is_open,
        told,
        first=pl.col("since").to_physical().fill_null(always.min),
        end=pl.col("until").to_physical().fill_null(always.max),
    )
    for column, takes, reason, *ends in spans.iter_rows():
        first, end = np.searchsorted(paid, ends)
        state[first:end, column] = 0 if takes else number[reason]
    return reasons, state
