"""Who is probably wrong, and why: only as much as the sightings themselves support, else an empty name.

A majority names the one that stands alone against others who agree. Where there is none, the touchpoint that is
behind *and* has the older update has probably not heard. Two that contradict each other without times name nobody.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from orderhub_core.audit.claims import KEY, newest, pairs
from orderhub_core.audit.lag import young_news
from orderhub_core.audit.verdicts import CONSISTENT
from orderhub_core.audit.words import Stage, bits

CAUSES = (
    "unknown",
    "late",  # behind, and the news is young
    "lost_event",  # behind, and not updated since the others moved on
    "illegal_regression",  # updated after the others, to a stage they had already left
    "forged_progress",  # says the parcel has left while others, updated later, still have it
    "mapping_error",  # a word nobody has mapped
    "missing_row",
    "duplicate",
)
CAUSE = pl.Enum(CAUSES)

_BEFORE_SHIPPING = bits(
    (
        Stage.PENDING_PAYMENT,
        Stage.PAID,
        Stage.DESIGNING,
        Stage.PRODUCING,
        Stage.SHORT,
        Stage.LOCKED,
        Stage.LABELLED,
        Stage.PACKED,
    )
)


def blame(
    said: pl.DataFrame,
    judged: pl.DataFrame,
    names: list[str],
    *,
    as_of: int | None = None,
    allowed_lag_s: Mapping[str, int] | None = None,
) -> pl.DataFrame:
    """One row per inconsistent order of `judged` (see `verdicts`): its columns, `probably_wrong` ("" when nothing
    tells) and `cause`."""
    findings = judged.filter(~pl.col("verdict").is_in(CONSISTENT))
    disputed = findings.filter(pl.col("verdict").is_in(["conflict", "lagging"]))
    told = _suspects(said.join(disputed.select(*KEY, "verdict"), on=KEY), names, as_of, allowed_lag_s)
    by_rows = pl.coalesce(
        _only(pl.when(pl.col("verdict") == verdict).then(pl.col(column)), names) for verdict, column in _SET_OF.items()
    )
    row_cause = pl.col("verdict").cast(pl.String).replace_strict(_CAUSE_OF, default="unknown")
    return findings.join(told, on=KEY, how="left").select(
        *judged.columns,
        probably_wrong=pl.coalesce("suspect", by_rows, pl.lit("")),
        cause=pl.coalesce("cause", row_cause).cast(CAUSE),
    )


_SET_OF = {"duplicate": "twice", "missing": "lacking", "unknown_word": "strange", "not_comparable": "blank"}
_CAUSE_OF = {"lagging": "late", "duplicate": "duplicate", "missing": "missing_row", "unknown_word": "mapping_error"}


def _only(touchpoints: pl.Expr, names: list[str]) -> pl.Expr:
    """The name of the single touchpoint in a set of bits; null for several or none."""
    return touchpoints.replace_strict(
        [1 << place for place in range(len(names))], names, default=None, return_dtype=pl.String
    )


def _suspects(
    said: pl.DataFrame, names: list[str], as_of: int | None, allowed_lag_s: Mapping[str, int] | None
) -> pl.DataFrame:
    """`suspect` and `cause` of each disputed order where the evidence singles one touchpoint out."""
    young = pl.lit(False) if as_of is None else young_news(names, as_of, allowed_lag_s, at="other_at")
    lagging = said.filter(pl.col("verdict") == "lagging").select(KEY).unique().with_columns(lagging=pl.lit(True))
    each = (
        pairs(said)
        .with_columns(late=pl.col("behind") & young, stale=pl.col("behind") & (pl.col("at") < pl.col("other_at")))
        .group_by(*KEY, "touchpoint")
        .agg(
            pl.col("at", "mask", "later").first(),
            pl.col("other_mask").bitwise_and().alias("others"),
            pl.len().alias("others_count"),
            pl.col("other_means").bitwise_or().alias("any_other"),
            pl.col("other_at").filter("apart").min().alias("news_from"),
            pl.col("other_at").filter("apart").max().alias("news_to"),
            late=pl.col("late").any() & (pl.col("late") == pl.col("apart")).all(),
            stale=pl.col("stale").any().fill_null(False),
        )
        .with_columns(
            alone=(pl.col("others_count") >= 2)
            & (pl.col("others") != 0)
            & (pl.col("mask").and_(pl.col("others")) == 0),
            behind=pl.col("later").and_(pl.col("others")) != 0,
        )
        .join(lagging, on=KEY, how="left")
        .with_columns(pl.col("lagging").fill_null(False))
    )
    # The first test that singles out exactly one touchpoint of an order names it.
    tests = (
        pl.col("lagging") & pl.col("late"),
        ~pl.col("lagging") & pl.col("alone"),
        ~pl.col("lagging") & pl.col("stale"),
    )
    ranked = pl.concat(
        each.filter(test).filter(pl.len().over(KEY) == 1).with_columns(rank=pl.lit(rank))
        for rank, test in enumerate(tests)
    )
    return (
        ranked.sort("rank", maintain_order=True)
        .unique(KEY, keep="first", maintain_order=True)
        .select(
            *KEY,
            suspect=pl.col("touchpoint").replace_strict(list(range(len(names))), names, return_dtype=pl.String),
            cause=_cause(),
        )
    )


def _cause() -> pl.Expr:
    left = pl.col("mask").and_(_BEFORE_SHIPPING) == 0
    all_have_it = pl.col("any_other").and_(_BEFORE_SHIPPING) == pl.col("any_other")
    return (
        pl.when("lagging")
        .then(pl.lit("late"))
        .when(pl.col("behind") & (pl.col("at") < pl.col("news_from")))
        .then(pl.lit("lost_event"))
        .when(pl.col("behind") & (pl.col("at") > pl.col("news_to")))
        .then(pl.lit("illegal_regression"))
        .when(left & all_have_it & (pl.col("at") < pl.col("news_from")))
        .then(pl.lit("forged_progress"))
        .otherwise(pl.lit("unknown"))
    )


def values(said: pl.DataFrame, orders: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """The orders given, with a struct `values`: each touchpoint's raw word, null where it has no row."""
    shown = newest(said.join(orders.select(KEY), on=KEY, how="semi"))
    words = [
        pl.col("status").filter(pl.col("touchpoint") == place).last().alias(name) for place, name in enumerate(names)
    ]
    return orders.join(
        shown.group_by(KEY).agg(pl.struct(words).alias("values")), on=KEY, how="left", maintain_order="left"
    )
