"""What is only a matter of minutes: a touchpoint that is behind while the news is young."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from orderhub_core.audit.claims import KEY, pairs
from orderhub_core.audit.words import Stage, bits

DEFAULT_LAG_S = 30 * 60
"""How long a touchpoint may lag behind the others before that is a conflict."""

_SECOND = 1_000_000
"""Microseconds."""

_NEWBORN = bits((Stage.PENDING_PAYMENT, Stage.PAID))


def young_news(names: list[str], as_of: int, allowed_lag_s: Mapping[str, int] | None, *, at: str) -> pl.Expr:
    """Is the news of column `at` within the lag that the row's touchpoint is allowed? False where no time is known.

    News from beyond the horizon is held to the same measure: a clock that runs far ahead excuses nobody.
    """
    lags = allowed_lag_s or {}
    lag_us = pl.col("touchpoint").replace_strict(
        list(range(len(names))),
        [lags.get(name, DEFAULT_LAG_S) * _SECOND for name in names],
        return_dtype=pl.Int64,
    )
    return ((pl.lit(as_of) - pl.col(at).cast(pl.Int64)).abs() <= lag_us).fill_null(False)


def mending(
    conflicts: pl.DataFrame, names: list[str], as_of: int, allowed_lag_s: Mapping[str, int] | None
) -> pl.DataFrame:
    """The orders whose every contradiction is a touchpoint behind young news."""
    pair = ("touchpoint", "other_touchpoint")
    return (
        pairs(conflicts)
        .filter("apart")
        .with_columns(young=pl.col("behind") & young_news(names, as_of, allowed_lag_s, at="other_at"))
        .group_by(*KEY, first=pl.min_horizontal(*pair), second=pl.max_horizontal(*pair))
        .agg(pl.col("young").any())
        .group_by(KEY)
        .agg(pl.col("young").all())
        .filter(pl.col("young"))
        .select(KEY)
    )


def newborn(
    said: pl.DataFrame, lacked: pl.DataFrame, names: list[str], as_of: int, allowed_lag_s: Mapping[str, int] | None
) -> pl.DataFrame:
    """The orders so new that a touchpoint without them may simply not have heard of them yet: just placed, or all
    that is said of them is young and no more than that they are paid."""
    lags = allowed_lag_s or {}
    shortest_us = min(lags.get(name, DEFAULT_LAG_S) for name in names) * _SECOND

    def young(instant: str) -> pl.Expr:
        return ((pl.lit(as_of) - pl.col(instant).cast(pl.Int64)).abs() <= shortest_us).fill_null(False)

    new = young("at") & (pl.col("mask").and_(_NEWBORN) != 0).fill_null(False)
    told = said.join(lacked, on=KEY, how="semi").group_by(KEY).agg(new=new.all()).filter(pl.col("new"))
    return pl.concat([told.select(KEY), lacked.filter(young("placed_at")).select(KEY)]).unique()
