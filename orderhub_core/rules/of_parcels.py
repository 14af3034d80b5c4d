"""Rules on parcels: asked when it is known what an order goes in, and from where, of each parcel by itself.

To such a rule a parcel is an order of its own: what speaks of lines or sums them up means the lines that are in it,
`warehouse` is where it leaves from, `parcels` is how many the order goes in. All else is the order's. What such a rule
may want are marks of a hand-over (VERBS).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import msgspec
import polars as pl

from orderhub_core.rules.actions import NEAREST
from orderhub_core.rules.splitting import BY_KIND, KINDS, column, parted, ways
from orderhub_core.rules.tree import Rulebook
from orderhub_core.rules.ways import read

VERBS = ("carrier", "tag", "priority")
"""A carrier that is said of a parcel comes before one that is said of its order; tags and points come on top."""
KNOWN = pl.Schema({"warehouse": pl.String(), "parcels": pl.Int64()})
"""What is told of a parcel, beside the columns of its order."""


class Parcels(NamedTuple):
    """What orders go in, each parcel as an order of its own."""

    orders: pl.DataFrame
    """A row for each parcel, with KNOWN; their `order_id` counts the parcels."""
    lines: pl.DataFrame
    """Each with its parcel's `order_id`."""
    of: pl.DataFrame
    """`order_id` of the order that each is of, and its number there, from 1: `parcel`."""


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


def parcels(orders: pl.DataFrame, lines: pl.DataFrame, decisions: pl.DataFrame) -> Parcels:
    """The parcels that orders go in by their DECISIONS, as far as their lines say: each kind in one of its own, where a
    rule splits by category or SKU. What warehouses would have to say goes whole, from where `whole` says."""
    placed, goes = whole(orders, decisions), _placed(lines, decisions)
    if goes.is_empty():
        return Parcels(placed, lines, orders.select("order_id", parcel=pl.lit(1, pl.Int32)))
    many = goes.group_by("order_id").agg(many=pl.col("parcel").max())
    counted = orders.select("order_id", row=pl.int_range(pl.len())).join(many, on="order_id", how="left")
    each = counted.with_columns(pl.col("many").fill_null(1)).sort("row").with_columns(
        parcel=pl.int_ranges(1, pl.col("many") + 1, dtype=pl.Int32)
    )  # fmt: skip
    of = each.explode("parcel").with_columns(number=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))
    known = placed[of["row"]].with_columns(of["many"].cast(KNOWN["parcels"]).alias("parcels"), order_id=of["number"])
    keys = _numbered(lines).select("order_id", "line_no")
    goes = keys.join(goes, on=["order_id", "line_no"], how="left", maintain_order="left")
    goes = goes.with_columns(pl.col("parcel").fill_null(1))
    number = goes.join(of, on=["order_id", "parcel"], how="left", maintain_order="left")["number"]
    own = lines.with_columns(order_id=number).sort("order_id", maintain_order=True)
    return Parcels(known, own, of.select("order_id", "parcel"))


def _placed(lines: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    """`order_id`, `line_no` and `parcel` of the lines of orders that are split by their kinds."""
    split = ways(decisions)
    known = split["way"].unique().to_list()
    of_ways = pl.DataFrame(
        [(way, column(way), read(way).most) for way in known if column(way)],
        schema={"way": pl.String, "column": pl.String, "most": KINDS["most"]}, orient="row",
    )  # fmt: skip
    own = _numbered(lines)
    there = [name for name in ("gift_of", *BY_KIND.values()) if name in own]
    told = own.select("order_id", "line_no", *there).join(split.join(of_ways, on="way"), on="order_id")
    kind = pl.coalesce([pl.lit(None), *(pl.when(column=name).then(name) for name in BY_KIND.values() if name in there)])
    gift_of = pl.col("gift_of").cast(KINDS["gift_of"], strict=False) if "gift_of" in there else None
    kinds = told.select("order_id", "line_no", gift_of=gift_of, kind=kind, most="most")
    return parted(kinds.cast(KINDS)).unique(["order_id", "line_no"], keep="first", maintain_order=True)


def _numbered(lines: pl.DataFrame) -> pl.DataFrame:
    """With the `line_no` of KINDS. Lines of a file that have no whole numbers are told apart by their place, and gifts
    go with the first parcel then."""
    if "line_no" in lines and lines["line_no"].dtype.is_integer() and not lines["line_no"].null_count():
        return lines.with_columns(pl.col("line_no").cast(KINDS["line_no"], strict=False))
    kept = lines.drop("line_no", "gift_of", strict=False)
    return kept.with_columns(line_no=pl.int_range(pl.len()).over("order_id").cast(KINDS["line_no"]))
