"""Where the points are lost: 100 minus the index, split exactly, and the orders that each piece of it leads to.

A failed check of a part costs 100 × the part's weight ÷ the part's checks, wherever it stands: added up in any
grouping, the pieces are the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl

from orderhub_core.audit.credibility.index import DIMENSIONS, Index

CAUSE = ("part", "source", "field", "cause")


def losses(index: Index, by: Iterable[str] = DIMENSIONS) -> pl.DataFrame:
    """One row per part, source, field and cause, and per combination of `by` (among `DIMENSIONS`) where it has cost
    points: those columns, `checks` that failed, `orders` that they are of, and the `points` lost. Dearest first."""
    dimensions = [name for name in DIMENSIONS if name in by]
    price = {part: 100 * weight / index.parts[part].of for part, weight in index.weights.items()}
    rows = index.misses.lazy()
    if dimensions:
        where = (
            index.orders.lazy().select(dimensions).with_row_index("order").with_columns(pl.col("order").cast(pl.Int32))
        )
        rows = rows.join(where, on="order", how="left")
    found = (
        rows.group_by(*CAUSE, *dimensions)
        .agg(checks=pl.len(), orders=pl.col("order").n_unique())
        .collect()
        .with_columns(points=pl.col("checks") * pl.col("part").cast(pl.String).replace_strict(price, default=0.0))
    )
    return found.sort("points", *CAUSE, *dimensions, descending=[True, *[False] * (len(CAUSE) + len(dimensions))])


def members(index: Index, loss: Mapping[str, object]) -> pl.DataFrame:
    """The orders of one row of `losses`, those with the most failed checks first: `shop`, `order_no`, `warehouse`,
    `carrier`, `headline`, `placed_at`, `checks` that failed, and the greatest `delay_s`."""
    wanted = [pl.col(name) == loss[name] for name in CAUSE]
    found = (
        index.misses.filter(wanted)
        .group_by("order")
        .agg(pl.len().alias("checks"), pl.col("delay_s").max())
        .sort("order")
    )
    named = index.orders[found["order"]].select("shop", "order_no", "warehouse", "carrier", "headline", "placed_at")
    rows = pl.concat([named, found.drop("order")], how="horizontal")
    where = [pl.col(name) == loss[name] for name in DIMENSIONS if name in loss]
    kept = rows.filter(where) if where else rows
    return kept.sort("checks", "delay_s", "placed_at", descending=[True, True, False], nulls_last=True)
