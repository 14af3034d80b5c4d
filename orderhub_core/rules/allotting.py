"""Which warehouse each order of a batch goes to, and what it takes there: routes, then turns, then why in words.

An order that a rule sends to a named warehouse takes from that one alone; one that is to go to the nearest takes from
the first that has all of it. Where none has, it takes nothing, and is told what each of them lacked.
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from orderhub_core.frames import INSTANT
from orderhub_core.i18n import Translate
from orderhub_core.rules.claims import LEDGER, STOCK, Question, Resources
from orderhub_core.rules.provinces import located
from orderhub_core.rules.resources import allocate
from orderhub_core.rules.routing import WAREHOUSES, WINDOWS, limits, routes
from orderhub_core.rules.shortages import filled, shortages

CALLS = pl.Schema(
    {"order_id": pl.Int64(), "turn": pl.Int64(), "paid_at": INSTANT, "province": pl.String(), "named": pl.String()}
)
"""Orders that are to go to a warehouse: the one that is `named`, or the nearest, where that is null. They take turns by
`turn`."""
ALLOTTED = pl.Schema(
    {"order_id": pl.Int64(), "warehouse": pl.String(), "short": pl.Boolean(), "why": pl.String()}
)  # fmt: skip
"""One row per call, as they took turns. `warehouse`: where it goes; null where there is none at all. `short`: it is the
first of them that is open, though it lacks something. `why`: what decided; empty where the rule alone did."""
PLENTY = 1 << 40
"""Pieces of everything, in a warehouse that reports no stock."""


class World(NamedTuple):
    warehouses: pl.DataFrame = pl.DataFrame(schema=WAREHOUSES)
    windows: pl.DataFrame = pl.DataFrame(schema=WINDOWS)
    counted: frozenset[str] = frozenset()
    """Those that report their stock."""

    def watched(self) -> frozenset[str]:
        """Warehouses that may have no room, or not everything; whoever goes to another one goes."""
        full = self.warehouses.filter(pl.col("orders_per_day").is_not_null() | ~pl.col("enabled").fill_null(True))[
            "warehouse"
        ]
        return self.counted | frozenset(full) | frozenset(self.windows["warehouse"])


class Allotted(NamedTuple):
    orders: pl.DataFrame
    """ALLOTTED."""
    ledger: pl.DataFrame
    """claims.LEDGER: of warehouses that report their stock, and of days that have an end."""


def allot(
    calls: pl.DataFrame, wanted: pl.DataFrame, world: World, resources: Resources, *, zone: str, tr: Translate
) -> Allotted:
    """What becomes of CALLS with the lines `wanted` (claims.WANTED). Of `resources` only stock and bookings are read:
    the room of a day is the warehouse's own."""
    ways = routes(located(calls).with_columns(wished=pl.lit(None, pl.List(pl.String))), world.warehouses, world.windows)
    ways = ways.join(calls.select("order_id", "named"), on="order_id", how="left", maintain_order="left").filter(
        pl.col("named").is_null() | (pl.col("named") == pl.col("warehouse"))
    )
    asking = calls.select(
        "order_id", "turn", "paid_at", parcels=pl.lit(1, pl.Int32), partly=pl.lit(False)
    )  # fmt: skip
    known = resources._replace(stock=_stock(resources.stock, wanted, world), limits=limits(world.warehouses))
    outcome = allocate(Question(asking, wanted, ways), known, zone=zone)
    limited = known.limits.filter(pl.col("orders").is_not_null())["warehouse"]
    kept = (pl.col("kind") == "stock") & pl.col("place").is_in(sorted(world.counted))
    ledger = outcome.ledger.filter(kept | ((pl.col("kind") == "capacity") & pl.col("place").is_in(limited.implode())))
    whole = outcome.orders.filter(pl.col("outcome") == "whole").select("order_id", short=pl.lit(False))
    taken = whole.join(_places(outcome.ledger, ways), on="order_id", how="left", maintain_order="left")
    why = shortages(outcome.lacks, tr)
    return Allotted(_told(calls, ways, taken, why, tr), ledger.match_to_schema(LEDGER))


def _stock(stock: pl.DataFrame, wanted: pl.DataFrame, world: World) -> pl.DataFrame:
    """With all that is asked for, of those that do not report any."""
    silent = world.warehouses.filter(~pl.col("warehouse").is_in(sorted(world.counted))).select("warehouse")
    everything = silent.join(wanted.select("sku").drop_nulls().unique(), how="cross").with_columns(
        on_hand=pl.lit(PLENTY), safety=pl.lit(0, pl.Int64)
    )
    counted = stock.filter(pl.col("warehouse").is_in(sorted(world.counted)))
    return pl.concat([counted.match_to_schema(STOCK), everything.match_to_schema(STOCK)])


def _places(ledger: pl.DataFrame, ways: pl.DataFrame) -> pl.DataFrame:
    """Where the orders that took all they ask for have room; each of them in one place."""
    own = ledger.filter(pl.col("kind") == "capacity").select("order_id", warehouse="place")
    return own.join(ways.select("order_id", "warehouse", "distance_km"), on=["order_id", "warehouse"], how="left")


def _told(
    calls: pl.DataFrame, ways: pl.DataFrame, taken: pl.DataFrame, why: pl.DataFrame, tr: Translate
) -> pl.DataFrame:
    best = ways.sort(pl.col("closed").is_not_null(), "rank", maintain_order=True).unique("order_id", keep="first")
    ordered = calls.sort("turn", "paid_at", "order_id", maintain_order=True)
    found = (
        ordered.join(taken, on="order_id", how="left", maintain_order="left")
        .join(best.select("order_id", first="warehouse"), on="order_id", how="left", maintain_order="left")
        .join(why, on="order_id", how="left", maintain_order="left")
        .with_columns(pl.col("short").fill_null(pl.col("first").is_not_null()))
    )
    near = pl.when(pl.col("distance_km").is_null()).then(pl.lit(tr("the first that has all of it"))).otherwise(
        filled(tr("the nearest that has all of it, {km} km"), km=pl.col("distance_km").round(0).cast(pl.Int64))
    )  # fmt: skip
    passed = pl.when(pl.col("why").is_null()).then(pl.lit("")).otherwise(pl.format("; {}", "why"))
    lacking = filled(tr("nothing was taken: {why}"), why=pl.col("why"))
    said = (
        pl.when("short")
        .then(lacking)
        .when(pl.col("named").is_not_null() | pl.col("first").is_null())
        .then(pl.lit(""))
        .otherwise(pl.concat_str(near, passed))
    )
    where = pl.coalesce("warehouse", "named", "first")
    return found.select("order_id", warehouse=where, short="short", why=said).match_to_schema(ALLOTTED)
