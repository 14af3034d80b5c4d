"""In how many parcels an order goes, and which of its lines goes in which: one answer for the live hub, the lab, the
questions and a replay.

By category and by SKU the lines say it: each kind has a parcel of its own, and all of them leave from one warehouse. By
warehouse and by stock it is what warehouses have: see `resources`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import numpy as np
import polars as pl

from orderhub_core.rules.actions import NEVER
from orderhub_core.rules.bits import Numbers
from orderhub_core.rules.ways import LIMITS, Way, read, written

BY_KIND: Mapping[str, str] = MappingProxyType({"category": "category", "sku": "sku"})
"""Kinds of ways that the lines decide, and the column of theirs that does."""
STOCK = "stock"
BY_PLACE = ("warehouse", STOCK)
"""Those that warehouses decide: by what they have between them; and, where they have not all of it, what is there goes
before the rest."""
KINDS = pl.Schema(
    {"order_id": pl.Int64(), "line_no": pl.Int32(), "gift_of": pl.Int32(), "kind": pl.String(), "most": pl.Int32()}
)
"""Lines, with what keeps them apart, where null counts as a kind, and how many parcels their order may go in."""
_WAYS_BY_PLACE = {written(way): way for kind in BY_PLACE for way in (Way(kind), *(Way(kind, most) for most in LIMITS))}
"""All ways that warehouses decide."""


def way(decided: Iterable[tuple[str, str]]) -> str:
    """How an order of these actions and arguments is split; empty where it is not. The first one that speaks of it
    holds, but `never` keeps it whole whatever others say."""
    ways = [argument for action, argument in decided if action == "split"]
    return ways[0] if ways and NEVER not in ways else ""


def ways(decisions: pl.DataFrame) -> pl.DataFrame:
    """`order_id` and its `way`, of the orders of DECISIONS that are split."""
    said = decisions.filter(pl.col("action") == "split").group_by("order_id", maintain_order=True)
    told = said.agg(way=pl.col("argument").first(), never=(pl.col("argument") == NEVER).any())
    return told.filter(~pl.col("never")).select("order_id", "way")


def column(way: str) -> str:
    """That of the lines which keeps them apart; empty where lines do not say."""
    return BY_KIND.get(read(way).kind, "")


def is_by_place(way: str) -> bool:
    """Whether it is what warehouses have that decides."""
    return way in _WAYS_BY_PLACE


def most(way: str, places: int) -> int:
    """In how many parcels an order may go that is split by what so many places have."""
    told = read(way)
    return min(max(places, 1) + (told.kind == STOCK), told.most) if told.kind in BY_PLACE else 1


def asked(way: pl.Expr, places: int) -> pl.Expr:
    """`most` of a column of ways."""
    return way.replace_strict({one: most(one, places) for one in _WAYS_BY_PLACE}, default=1, return_dtype=pl.Int32)


def partly(way: pl.Expr) -> pl.Expr:
    """Of a column of ways, whether what is there may go before the rest."""
    return way.is_in([one for one, told in _WAYS_BY_PLACE.items() if told.kind == STOCK])


def narrowed(way: pl.Expr, places: int, lines: pl.Expr) -> pl.Expr:
    """Of a column of ways, the parcels that a rule allows where warehouses decide; null where it says no number, or one
    that so many places, or lines, would not come to."""
    said = {
        one: told.limit
        for one, told in _WAYS_BY_PLACE.items()
        if told.limit and most(one, places) < most(told.kind, places)
    }
    allowed = way.replace_strict(said, default=None, return_dtype=pl.Int32)
    return pl.when(allowed - partly(way).cast(pl.Int32) < lines).then(allowed)


def counts(places: Numbers, kinds: pl.Series, orders: int, most: int) -> Numbers:
    """In how many parcels `parted` puts each of so many orders: of what was sold, the `places` of the lines' orders and
    their kinds. An order without lines is one parcel. Which line goes where is not asked: a twentieth of the time."""
    known = kinds.fill_null("")
    words = known.unique().sort()
    codes = known.cast(pl.Enum(words)).to_physical().cast(pl.Int64).to_numpy()
    pairs = np.sort(places * len(words) + codes)
    different = pairs[np.diff(pairs, prepend=-1) != 0] // max(len(words), 1)
    found: Numbers = np.clip(np.bincount(different, minlength=orders), 1, most)
    return found


def parted(lines: pl.DataFrame) -> pl.DataFrame:
    """`order_id`, `line_no`, `parcel` of KINDS: kinds in the order of their first lines, from 1, those beyond the
    `most` with the last. What is given with a line goes with it; with one that is not there, in the first parcel."""
    own = lines.with_columns(pl.col("kind").fill_null(""))
    sold = own.filter(pl.col("gift_of").is_null())
    first = sold.group_by("order_id", "kind").agg(pl.col("most").first(), first=pl.col("line_no").min())
    number = pl.col("first").rank("dense").over("order_id").cast(pl.Int32)
    numbers = first.select("order_id", "kind", parcel=pl.min_horizontal(number, "most"))
    placed = sold.join(numbers, on=["order_id", "kind"], how="left", maintain_order="left")
    parents = placed.unique(["order_id", "line_no"], keep="first").select("order_id", "parcel", gift_of="line_no")
    given = own.filter(pl.col("gift_of").is_not_null()).join(
        parents, on=["order_id", "gift_of"], how="left", maintain_order="left"
    )
    told = ["order_id", "line_no", "parcel"]
    return pl.concat([placed.select(told), given.select(told)]).with_columns(pl.col("parcel").fill_null(1))
