"""Which warehouse each order of a batch goes to, and what it takes there: routes, then turns, then why in words.

An order that a rule sends to a named warehouse takes from that one alone; one that is to go to the nearest takes from
the first that has all of it. Where none has, one that may be split takes from the fewest that have it between them, or
what is there; else it takes nothing. It is told what each of them lacked.
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from orderhub_core.frames import INSTANT
from orderhub_core.i18n import Translate
from orderhub_core.rules.claims import ASSIGNED, LEDGER, STOCK, Outcome, Question, Resources
from orderhub_core.rules.provinces import located
from orderhub_core.rules.resources import allocate
from orderhub_core.rules.routing import NO_WINDOW, WAREHOUSES, limits, routes
from orderhub_core.rules.shortages import filled, shortages
from orderhub_core.rules.splitting import asked, narrowed, partly

CALLS = pl.Schema(
    {"order_id": pl.Int64(), "turn": pl.Int64(), "paid_at": INSTANT, "province": pl.String(), "named": pl.String(),
     "way": pl.String()}
)  # fmt: skip
"""Orders that are to go to a warehouse: the one that is `named`, or the nearest, where that is null. They take turns by
`turn`. `way`: as of `splitting.way`."""
ALLOTTED = pl.Schema(
    {"order_id": pl.Int64(), "warehouse": pl.String(), "short": pl.Boolean(), "why": pl.String()}
)  # fmt: skip
"""One row per call, as they took turns. `warehouse`: where it goes, or its first parcel; null where there is none at
all. `short`: it lacks something; where it takes nothing, the warehouse is the first of them that is open. `why`: what
decided; empty where the rule alone did."""
PLENTY = 1 << 40
"""Pieces of everything, in a warehouse that reports no stock."""


class World(NamedTuple):
    warehouses: pl.DataFrame = pl.DataFrame(schema=WAREHOUSES)
    windows: pl.DataFrame = NO_WINDOW
    counted: frozenset[str] = frozenset()
    """Those that report their stock."""

    def watched(self) -> frozenset[str]:
        """Warehouses that may have no room, or not everything; whoever goes to another one goes."""
        columns = (self.warehouses[name].to_list() for name in ("warehouse", "enabled", "orders_per_day"))
        told = zip(*columns, strict=True)
        full = {warehouse for warehouse, enabled, most in told if most is not None or enabled is False}
        return self.counted | full | frozenset(self.windows["warehouse"])


class Allotted(NamedTuple):
    orders: pl.DataFrame
    """ALLOTTED."""
    ledger: pl.DataFrame
    """claims.LEDGER: of warehouses that report their stock, and of days that have an end."""
    parts: pl.DataFrame
    """claims.ASSIGNED: every line of the orders that go in several parcels. What is not there yet is the last one, of
    the first warehouse that is open."""


def allot(
    calls: pl.DataFrame, wanted: pl.DataFrame, world: World, resources: Resources, *, zone: str, tr: Translate
) -> Allotted:
    """What becomes of CALLS with the lines `wanted` (claims.WANTED). Of `resources` only stock and bookings are read:
    the room of a day is the warehouse's own."""
    ways = routes(located(calls).with_columns(wished=pl.lit(None, pl.List(pl.String))), world.warehouses, world.windows)
    ways = ways.join(calls.select("order_id", "named"), on="order_id", how="left", maintain_order="left").filter(
        pl.col("named").is_null() | (pl.col("named") == pl.col("warehouse"))
    )
    way = pl.col("way")
    asking = calls.select(
        "order_id", "turn", "paid_at", parcels=asked(way, world.warehouses.height), partly=partly(way)
    )  # fmt: skip
    known = resources._replace(stock=_stock(resources.stock, wanted, world), limits=limits(world.warehouses))
    outcome = allocate(Question(asking, wanted, ways), known, zone=zone)
    limited = known.limits.filter(pl.col("orders").is_not_null())["warehouse"]
    kept = (pl.col("kind") == "stock") & pl.col("place").is_in(sorted(world.counted))
    ledger = outcome.ledger.filter(kept | ((pl.col("kind") == "capacity") & pl.col("place").is_in(limited.implode())))
    goes = pl.col("outcome") != "short"
    going = outcome.orders.filter(goes).select("order_id", "outcome", "parcels", short=pl.col("outcome") == "partial")
    taken = going.join(_places(outcome.ledger, ways), on="order_id", how="left", maintain_order="left")
    # To one warehouse alone no limit makes a difference.
    some = calls.join(wanted.group_by("order_id").agg(lines=pl.len()), on="order_id", how="left", maintain_order="left")
    most = pl.when(pl.col("named").is_null()).then(narrowed(way, world.warehouses.height, pl.col("lines")))
    told = _told(some.with_columns(most=most), ways, taken, shortages(outcome.lacks, tr), tr)
    return Allotted(told, ledger.match_to_schema(LEDGER), _parts(outcome, ways))


def _parts(outcome: Outcome, ways: pl.DataFrame) -> pl.DataFrame:
    several = outcome.orders.filter(pl.col("outcome").is_in(["split", "partial"]))
    if several.is_empty():
        return ASSIGNED.to_frame()
    lines = outcome.lines.join(several.select("order_id", "parcels"), on="order_id", how="inner", maintain_order="left")
    told = lines.join(_best(ways), on="order_id", how="left", maintain_order="left").with_columns(
        pl.col("parcel").fill_null(pl.col("parcels") + 1), pl.coalesce("warehouse", "first")
    )
    return told.match_to_schema(ASSIGNED, extra_columns="ignore")


def _stock(stock: pl.DataFrame, wanted: pl.DataFrame, world: World) -> pl.DataFrame:
    """With all that is asked for, of those that do not report any."""
    silent = world.warehouses.filter(~pl.col("warehouse").is_in(sorted(world.counted))).select("warehouse")
    everything = silent.join(wanted.select("sku").drop_nulls().unique(), how="cross").with_columns(
        on_hand=pl.lit(PLENTY), safety=pl.lit(0, pl.Int64)
    )
    counted = stock.filter(pl.col("warehouse").is_in(sorted(world.counted)))
    return pl.concat([counted.match_to_schema(STOCK), everything.match_to_schema(STOCK)])


def _places(ledger: pl.DataFrame, ways: pl.DataFrame) -> pl.DataFrame:
    """Where the orders that took anything have room; of one that goes from several, the first."""
    booked = ledger.filter(pl.col("kind") == "capacity").select("order_id", warehouse="place")
    own = booked.unique("order_id", keep="first", maintain_order=True)
    return own.join(ways.select("order_id", "warehouse", "distance_km"), on=["order_id", "warehouse"], how="left")


def _best(ways: pl.DataFrame) -> pl.DataFrame:
    """`order_id` and the `first` warehouse that is open; where none is, the first."""
    ranked = ways.sort(pl.col("closed").is_not_null(), "rank", maintain_order=True)
    return ranked.unique("order_id", keep="first").select("order_id", first="warehouse")


def _told(
    calls: pl.DataFrame, ways: pl.DataFrame, taken: pl.DataFrame, why: pl.DataFrame, tr: Translate
) -> pl.DataFrame:
    ordered = calls.sort("turn", "paid_at", "order_id", maintain_order=True)
    found = (
        ordered.join(taken, on="order_id", how="left", maintain_order="left")
        .join(_best(ways), on="order_id", how="left", maintain_order="left")
        .join(why, on="order_id", how="left", maintain_order="left")
        .with_columns(pl.col("short").fill_null(pl.col("first").is_not_null()))
    )
    near = pl.when(pl.col("distance_km").is_null()).then(pl.lit(tr("the first that has all of it"))).otherwise(
        filled(tr("the nearest that has all of it, {km} km"), km=pl.col("distance_km").round(0).cast(pl.Int64))
    )  # fmt: skip
    passed = pl.when(pl.col("why").is_null()).then(pl.lit("")).otherwise(pl.format("; {}", "why"))
    limited = pl.when(pl.col("most").is_null()).then(pl.lit("")).otherwise(
        filled(tr("; a rule allows {n} parcels at most"), n=pl.col("most"))
    )  # fmt: skip
    lacking = pl.concat_str(filled(tr("nothing was taken: {why}"), why=pl.col("why")), limited)
    several = filled(tr("from {n} warehouses, as none has all of it: {why}"), n=pl.col("parcels"), why=pl.col("why"))
    waiting = filled(tr("what is there goes first, and the rest waits: {why}"), why=pl.col("why"))
    partial = pl.concat_str(waiting, limited)
    said = (
        pl.when(pl.col("outcome") == "split")
        .then(several)
        .when(pl.col("outcome") == "partial")
        .then(partial)
        .when("short")
        .then(lacking)
        .when(pl.col("named").is_not_null() | pl.col("first").is_null())
        .then(pl.lit(""))
        .otherwise(pl.concat_str(near, passed))
    )
    where = pl.coalesce("warehouse", "named", "first")
    return found.select("order_id", warehouse=where, short="short", why=said).match_to_schema(ALLOTTED)
