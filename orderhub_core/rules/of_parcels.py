"""Rules on parcels: asked when it is known what an order goes in, and from where, of each parcel by itself.

To such a rule a parcel is an order of its own: what speaks of lines or sums them up means the lines that are in it,
`warehouse` is where it leaves from, `parcels` is how many the order goes in. All else is the order's. What such a rule
may want are marks of a hand-over (VERBS).
"""

from __future__ import annotations

from functools import lru_cache

import msgspec
import polars as pl

from orderhub_core.rules.actions import NEAREST
from orderhub_core.rules.tree import Rulebook

VERBS = ("carrier", "tag", "priority")
"""A carrier that is said of a parcel comes before one that is said of its order; tags and points come on top."""
KNOWN = pl.Schema({"warehouse": pl.String(), "parcels": pl.Int64()})
"""What is told of a parcel, beside the columns of its order."""


@lru_cache(maxsize=64)
def on_parcels(book: Rulebook) -> Rulebook:
    """Its rules on parcels, as a book that decides on parcels as others do on orders."""
    return msgspec.structs.replace(book, groups=book.parcels, parcels=())


@lru_cache(maxsize=64)
def on_orders(book: Rulebook) -> Rulebook:
    """Without them."""
    return msgspec.structs.replace(book, parcels=())


def whole(orders: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    """Orders as the one parcel that each goes in, with KNOWN: the warehouse that a rule assigns first (DECISIONS), or
    else, where it leaves the choice to the hub or says nothing, the one that they stand with."""
    wishes = decisions.filter(pl.col("action") == "assign_warehouse")
    first = wishes.unique("order_id", keep="first").filter(pl.col("argument") != NEAREST)
    assigned = first.select("order_id", assigned="argument")
    known = orders.select("order_id", *(["warehouse"] if "warehouse" in orders else []))
    own = pl.col("warehouse").cast(pl.String) if "warehouse" in known else pl.lit(None, pl.String)
    goes = known.join(assigned, on="order_id", how="left", maintain_order="left").select(pl.coalesce("assigned", own))
    return orders.with_columns(goes.to_series().alias("warehouse"), pl.lit(1, KNOWN["parcels"]).alias("parcels"))
