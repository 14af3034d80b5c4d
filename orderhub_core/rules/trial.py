"""What a version on trial would have done otherwise than the one that decided."""

from __future__ import annotations

import polars as pl

MOVES = pl.Schema(
    {"now": pl.List(pl.String()), "then": pl.List(pl.String()), "orders": pl.UInt32(), "some": pl.List(pl.String())}
)
"""What was done and what would have been, as `action argument × quantity`, with how many orders, and some of their
numbers; the most first. The orders for which both say the same come under equal lists."""
SOME = 5
_ORDER = ["shop", "order_no"]


def moves(shadowed: pl.DataFrame) -> pl.DataFrame:
    """MOVES of decisions in the columns of `store.recorded.SHADOWED`; those on one parcel name it.
    Who wanted nothing has an empty list; a shadow notes that with an empty action."""
    pieces = pl.when(pl.col("quantity") != 1).then(pl.format(" × {}", "quantity")).otherwise(pl.lit(""))
    meant = pl.col("action") != ""
    parcel = pl.when(pl.col("parcel") > 0).then(pl.format(" [{}]", "parcel")).otherwise(pl.lit(""))
    said = shadowed.with_columns(wish=pl.format("{} {}{}{}", "action", "argument", pieces, parcel))
    wishes = said.group_by(_ORDER).agg(
        pl.col("wish").filter(meant, pl.col("shadow") == 0).unique().sort().alias("now"),
        pl.col("wish").filter(meant, pl.col("shadow") == 1).unique().sort().alias("then"),
    )
    return (
        wishes.sort(_ORDER)
        .group_by("now", "then", maintain_order=True)
        .agg(orders=pl.len(), some=pl.col("order_no").head(SOME))
        .sort("orders", "now", "then", descending=[True, False, False])
        .match_to_schema(MOVES)
    )
