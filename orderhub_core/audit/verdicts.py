"""Do the touchpoints of an order tell the same story? One verdict per order, any number of touchpoints.

Every word is a set of stages (`words`). A story that fits all words exists exactly when the sets have a stage in
common. `equal` and `compatible` must be proved; whatever is null, empty, unknown or alone is never consistent.

One concatenation and one group-by serve all touchpoints at once: cheaper than joining them in pairs, and an order
that a touchpoint holds twice shows as such instead of multiplying rows.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from orderhub_core.audit.claims import BLANK, KEY, SEEN, STRANGE, TOUCHPOINTS, UNCLEAR, newest
from orderhub_core.audit.lag import mending, newborn
from orderhub_core.audit.words import Lexicon
from orderhub_core.frames import INSTANT

VERDICTS = (
    "equal",  # all say the same stage
    "compatible",  # some stage makes all of them right
    "lagging",  # a touchpoint is behind, and the news is still young
    "not_comparable",  # nothing was said, or only one touchpoint said something
    "unknown_word",  # a word that stands in no table
    "missing",  # a touchpoint does not have the order
    "duplicate",  # a touchpoint has the order more than once
    "conflict",  # no stage makes all of them right
)
"""Mildest first: an order has its worst verdict."""

VERDICT = pl.Enum(VERDICTS)
CONSISTENT = ("equal", "compatible")


def verdicts(
    said: pl.DataFrame,
    names: list[str],
    words: Lexicon,
    *,
    as_of: int | None = None,
    allowed_lag_s: Mapping[str, int] | None = None,
    population: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """One row per order of `population` (`shop`, `order_no`, and where known `placed_at`; default: every order any
    touchpoint showed): `shop`, `order_no`, `verdict`,
    and the sets of touchpoints (bits) that lack it (`lacking`), hold it twice (`twice`), use an unknown word
    (`strange`) or say nothing (`blank`).

    Without `as_of` (microseconds UTC) or without update times nothing is excused as lagging.
    """
    facts = _fold(said)
    several = pl.col("rows") > pl.col("flags").and_(TOUCHPOINTS).bitwise_count_ones()
    twice = said.join(facts.filter(several), on=KEY, how="semi")
    if twice.height:
        facts = pl.concat([facts.filter(~several), _fold(newest(twice))]).join(_doubled(twice), on=KEY, how="left")
    else:
        facts = facts.with_columns(twice=pl.lit(0, dtype=pl.UInt64))
    if population is not None:
        known = [name for name in (*KEY, "placed_at") if name in population.columns]
        facts = population.select(known).unique(KEY).join(facts, on=KEY, how="left")
    if "placed_at" not in facts.columns:
        facts = facts.with_columns(placed_at=pl.lit(None, dtype=INSTANT))
    judged = _judged(facts, names, words)
    if as_of is not None:
        judged = _excused(said, judged, names, as_of, allowed_lag_s)
    return judged.select(*KEY, "verdict", "lacking", "twice", "strange", "blank")


def _fold(said: pl.DataFrame) -> pl.DataFrame:
    return said.group_by(KEY).agg(
        pl.col("flags").bitwise_or(),
        pl.col("mask").bitwise_and(),
        pl.col("means").bitwise_and().alias("common"),
        pl.col("means").bitwise_or().alias("any"),
        pl.len().alias("rows"),
    )


def _doubled(rows: pl.DataFrame) -> pl.DataFrame:
    return (
        rows.group_by(*KEY, "touchpoint")
        .agg(pl.len().alias("rows"), pl.col("flags").first().and_(TOUCHPOINTS).alias("bit"))
        .filter(pl.col("rows") > 1)
        .group_by(KEY)
        .agg(pl.col("bit").bitwise_or().alias("twice"))
    )


def _set(start: int) -> pl.Expr:
    return (pl.col("flags") // start).and_(TOUCHPOINTS)


def _judged(facts: pl.DataFrame, names: list[str], words: Lexicon) -> pl.DataFrame:
    everyone = (1 << len(names)) - 1
    sets = facts.with_columns(pl.col("flags", "twice").fill_null(0)).with_columns(
        seen=_set(SEEN), strange=_set(STRANGE), blank=_set(BLANK), unclear=_set(UNCLEAR)
    )
    # An order that a touchpoint need not know yet (or any more) is as if it said so.
    excused = [
        pl.when((pl.col("seen").and_(1 << place) == 0) & (pl.col("mask").and_(words.absent.get(name, 0)) != 0))
        .then(1 << place)
        .otherwise(0)
        .cast(pl.UInt64)
        for place, name in enumerate(names)
    ]
    sets = sets.with_columns(excused=pl.sum_horizontal(excused)).with_columns(
        lacking=pl.col("seen").or_(pl.col("excused")).xor(everyone),
        speaking=pl.col("seen").or_(pl.col("excused")).and_(pl.col("strange").or_(pl.col("blank")).xor(everyone)),
    )
    agreeing = pl.col("speaking").and_(pl.col("seen")).bitwise_count_ones() >= 2
    same_stage = agreeing & (pl.col("common") == pl.col("any")) & (pl.col("unclear") == 0)
    comparable = pl.col("speaking").bitwise_count_ones() >= 2
    return sets.with_columns(comparable=comparable, same_stage=same_stage).with_columns(
        verdict=_worst(pl.lit(False), pl.lit(False))
    )


def _worst(mends: pl.Expr, newborn: pl.Expr) -> pl.Expr:
    """The worst finding of an order. `mends`: its contradictions are young; `newborn`: so is what is lacking."""
    return (
        pl.when(pl.col("comparable") & (pl.col("mask") == 0) & ~mends)
        .then(pl.lit("conflict"))
        .when(pl.col("twice") != 0)
        .then(pl.lit("duplicate"))
        .when((pl.col("lacking") != 0) & ~newborn)
        .then(pl.lit("missing"))
        .when(pl.col("strange") != 0)
        .then(pl.lit("unknown_word"))
        .when((pl.col("blank") != 0) | ~(pl.col("comparable") | newborn))
        .then(pl.lit("not_comparable"))
        .when(mends | newborn)
        .then(pl.lit("lagging"))
        .when("same_stage")
        .then(pl.lit("equal"))
        .when(pl.col("mask") != 0)
        .then(pl.lit("compatible"))
        .otherwise(pl.lit("not_comparable"))
        .cast(VERDICT)
    )


def _excused(
    said: pl.DataFrame, judged: pl.DataFrame, names: list[str], as_of: int, allowed_lag_s: Mapping[str, int] | None
) -> pl.DataFrame:
    """`judged` once more, with what is only a matter of minutes."""
    conflicts = said.join(judged.filter(pl.col("verdict") == "conflict"), on=KEY, how="semi")
    lacked = judged.filter((pl.col("lacking") != 0) & pl.col("verdict").is_in(["conflict", "missing"]))
    mends = mending(conflicts, names, as_of, allowed_lag_s).with_columns(mends=pl.lit(True))
    fresh = newborn(said, lacked, names, as_of, allowed_lag_s)
    flags = [pl.col(flag).fill_null(False) for flag in ("mends", "newborn")]
    return (
        judged.join(mends, on=KEY, how="left")
        .join(fresh.with_columns(newborn=pl.lit(True)), on=KEY, how="left")
        .with_columns(verdict=_worst(*flags))
    )
