"""What changed the index from one group of orders to another, split exactly.

For a part with the rates r and r′ before and after, of groups g with shares s of the part's checks,

    r′ − r  =  Σ_g  (s′_g − s_g) × ((r_g + r′_g) ÷ 2 − m)      the mix: more, or fewer, checks where the rate is better
             + Σ_g  (s_g + s′_g) ÷ 2 × (r′_g − r_g)            the rate: the same checks went better, or worse

with m the mean of r and r′, which changes no sum because shares add up to 1 on both sides, and counts a growing group
as good only where it is better than the whole (Kitagawa 1955, the two-part split). A group that is on one side only has
no change of rate: all it does is mix.
"""

from __future__ import annotations

import msgspec
import polars as pl

from orderhub_core.audit.credibility.index import PARTS, Index, normalised, score, share_of


class Change(msgspec.Struct, frozen=True):
    before: float
    after: float
    """The index of each side, over the parts that both sides could be checked for."""
    rows: pl.DataFrame
    """Per group and part: `group`, `part`, `mix`, `rate` and `points`, their sum. All points add up to `after` minus
    `before`. What moved most first."""


def explained(index: Index, before: pl.Expr, after: pl.Expr, by: str) -> Change | None:
    """Split by `by`, a column of `Index.orders`. The two sides are conditions on those columns.

    None where the sides have no part in common that could be checked.
    """
    then, now = (_counts(index.orders.filter(side), by) for side in (before, after))
    was, became = ({part: share_of(side, part) for part in PARTS} for side in (then, now))
    weights = normalised({part: index.weights.get(part, 0.0) for part in PARTS if was[part].of and became[part].of})
    scores = score(was, weights), score(became, weights)
    if scores[0] is None or scores[1] is None:
        return None
    rows = pl.concat([_part(then, now, part, weight) for part, weight in weights.items()])
    moved = rows.sort(pl.col("points").abs(), "group", "part", descending=[True, False, False])
    return Change(scores[0], scores[1], moved)


def _counts(orders: pl.DataFrame, by: str) -> pl.DataFrame:
    sums = [pl.col(f"{part}_{kind}").sum().cast(pl.Int64) for part in PARTS for kind in ("of", "lost")]
    return orders.group_by(pl.col(by).alias("group")).agg(sums)


def _part(before: pl.DataFrame, after: pl.DataFrame, part: str, weight: float) -> pl.DataFrame:
    of, lost = f"{part}_of", f"{part}_lost"
    sides = [
        side.select(
            "group",
            (pl.col(of) / pl.col(of).sum()).alias("share"),
            pl.when(pl.col(of) > 0).then(1 - pl.col(lost) / pl.col(of)).alias("rate"),
            (1 - pl.col(lost).sum() / pl.col(of).sum()).alias("whole"),
        )
        for side in (before, after)
    ]
    middle = sum(side["whole"][0] for side in sides) / 2
    joined = sides[0].join(sides[1], on="group", how="full", suffix="_then", coalesce=True)
    was, now = pl.coalesce("rate", "rate_then"), pl.coalesce("rate_then", "rate")
    less, more = pl.col("share").fill_null(0.0), pl.col("share_then").fill_null(0.0)
    effects = joined.select(
        "group",
        pl.lit(part).alias("part"),
        mix=100 * weight * ((more - less) * ((was + now) / 2 - middle)).fill_null(0.0),
        rate=100 * weight * ((more + less) / 2 * (now - was)).fill_null(0.0),
    )
    return effects.with_columns(points=pl.col("mix") + pl.col("rate"))
