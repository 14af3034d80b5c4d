"""Do the touchpoints of an order tell the same story? One verdict per order, any number of touchpoints.

Every word is a set of stages (`words`). A story that fits all words exists exactly when the sets have a stage in
common. `equal` and `compatible` must be proved; whatever is null, empty, unknown or alone is never consistent.

One concatenation and one group-by serve all touchpoints at once: cheaper than joining them in pairs, and an order
that a touchpoint holds twice shows as such instead of multiplying rows.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from orderhub_core.audit.words import Lexicon, Stage, bits, same
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
KEY = ["shop", "order_no"]

DEFAULT_LAG_S = 30 * 60
"""How long a touchpoint may lag behind the others before that is a conflict."""

SECOND = 1_000_000
"""Microseconds."""

MAX_TOUCHPOINTS = 16
# One integer carries four sets of touchpoints, so that one aggregation unites them all.
_SEEN, _STRANGE, _BLANK, _UNCLEAR = (1 << (MAX_TOUCHPOINTS * place) for place in range(4))
_TOUCHPOINT_SET = (1 << MAX_TOUCHPOINTS) - 1
_ALL_STAGES = bits(Stage)
_NEWBORN = bits((Stage.PENDING_PAYMENT, Stage.PAID))


def claims(sightings: Mapping[str, pl.DataFrame], words: Lexicon) -> pl.DataFrame:
    """All sightings in one frame, understood.

    In: per touchpoint `order_no`, `status`, and where there are any `at` (instant) and `shop`. Out: `touchpoint`
    (position in the mapping), `shop`, `order_no`, `status`, `at`, `stage`, `means`, `mask`, `later` (null unless the
    word is known) and `flags`. At most 16 touchpoints.
    """
    parts = [_understood(frame, words, name, place) for place, (name, frame) in enumerate(sightings.items())]
    return pl.concat(parts, how="vertical")


def _understood(frame: pl.DataFrame, words: Lexicon, name: str, place: int) -> pl.DataFrame:
    columns = {"shop": pl.lit(""), "at": pl.lit(None, dtype=INSTANT)}
    spellings = frame.select(pl.col("status").cast(pl.String).unique()).with_columns(word=same(pl.col("status")))
    blank = pl.col("word").is_null() | pl.col("word").is_in(list(words.blank))
    lookup = spellings.join(words.frame(name), on="word", how="left").with_columns(
        flags=pl.when(blank)
        .then(_SEEN | _BLANK)
        .when(pl.col("mask").is_null())
        .then(_SEEN | _STRANGE)
        .when("unclear")
        .then(_SEEN | _UNCLEAR)
        .otherwise(_SEEN)
        .cast(pl.UInt64)
        * (1 << place)
    )
    known = pl.when(blank).then(None).otherwise(pl.col("stage", "means", "mask", "later")).name.keep()
    return (
        frame.with_columns(**{column: value for column, value in columns.items() if column not in frame.columns})
        .select(*KEY, pl.col("status").cast(pl.String), pl.col("at").cast(INSTANT))
        .join(lookup.with_columns(known).drop("word", "unclear"), on="status", how="left", nulls_equal=True)
        .select(pl.lit(place, dtype=pl.UInt8).alias("touchpoint"), pl.all())
    )


def newest(said: pl.DataFrame) -> pl.DataFrame:
    """Of an order that a touchpoint holds more than once, the row it updated last."""
    return said.sort("at", nulls_last=False, maintain_order=True).unique(
        ["touchpoint", *KEY], keep="last", maintain_order=True
    )


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
    several = pl.col("rows") > pl.col("flags").and_(_TOUCHPOINT_SET).bitwise_count_ones()
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
        .agg(pl.len().alias("rows"), pl.col("flags").first().and_(_TOUCHPOINT_SET).alias("bit"))
        .filter(pl.col("rows") > 1)
        .group_by(KEY)
        .agg(pl.col("bit").bitwise_or().alias("twice"))
    )


def _set(start: int) -> pl.Expr:
    return (pl.col("flags") // start).and_(_TOUCHPOINT_SET)


def _judged(facts: pl.DataFrame, names: list[str], words: Lexicon) -> pl.DataFrame:
    everyone = (1 << len(names)) - 1
    sets = facts.with_columns(pl.col("flags", "twice").fill_null(0)).with_columns(
        seen=_set(_SEEN), strange=_set(_STRANGE), blank=_set(_BLANK), unclear=_set(_UNCLEAR)
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


def pairs(said: pl.DataFrame) -> pl.DataFrame:
    """Every ordered pair of touchpoints that both spoke of an order: the one's columns, and the other's as `other_*`.

    `apart`: no common stage. `behind`: apart, and what the other says may still come for this one.
    """
    spoken = newest(said.filter(pl.col("mask").is_not_null())).select(
        *KEY, "touchpoint", "at", "means", "mask", "later"
    )
    return (
        spoken.join(spoken, on=KEY, how="inner", suffix="_of_other")
        .filter(pl.col("touchpoint") != pl.col("touchpoint_of_other"))
        .rename({f"{name}_of_other": f"other_{name}" for name in ("touchpoint", "at", "means", "mask", "later")})
        .with_columns(apart=pl.col("mask").and_(pl.col("other_mask")) == 0)
        .with_columns(behind=pl.col("apart") & (pl.col("later").and_(pl.col("other_mask")) != 0))
    )


def young_news(names: list[str], as_of: int, allowed_lag_s: Mapping[str, int] | None, *, at: str) -> pl.Expr:
    """Is the news of column `at` within the lag that the row's touchpoint is allowed? False where no time is known.

    News from beyond the horizon is held to the same measure: a clock that runs far ahead excuses nobody.
    """
    lags = allowed_lag_s or {}
    lag_us = pl.col("touchpoint").replace_strict(
        list(range(len(names))),
        [lags.get(name, DEFAULT_LAG_S) * SECOND for name in names],
        return_dtype=pl.Int64,
    )
    return ((pl.lit(as_of) - pl.col(at).cast(pl.Int64)).abs() <= lag_us).fill_null(False)


def _excused(
    said: pl.DataFrame, judged: pl.DataFrame, names: list[str], as_of: int, allowed_lag_s: Mapping[str, int] | None
) -> pl.DataFrame:
    """`judged` once more, with what is only a matter of minutes."""
    conflicts = said.join(judged.filter(pl.col("verdict") == "conflict"), on=KEY, how="semi")
    lacked = judged.filter((pl.col("lacking") != 0) & pl.col("verdict").is_in(["conflict", "missing"]))
    mends = _mending(conflicts, names, as_of, allowed_lag_s).with_columns(mends=pl.lit(True))
    newborn = _newborn(said, lacked, names, as_of, allowed_lag_s)
    flags = [pl.col(flag).fill_null(False) for flag in ("mends", "newborn")]
    return (
        judged.join(mends, on=KEY, how="left")
        .join(newborn.with_columns(newborn=pl.lit(True)), on=KEY, how="left")
        .with_columns(verdict=_worst(*flags))
    )


def _mending(
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


def _newborn(
    said: pl.DataFrame, lacked: pl.DataFrame, names: list[str], as_of: int, allowed_lag_s: Mapping[str, int] | None
) -> pl.DataFrame:
    """The orders so new that a touchpoint without them may simply not have heard of them yet: just placed, or all
    that is said of them is young and no more than that they are paid."""
    lags = allowed_lag_s or {}
    shortest_us = min(lags.get(name, DEFAULT_LAG_S) for name in names) * SECOND

    def young(instant: str) -> pl.Expr:
        return ((pl.lit(as_of) - pl.col(instant).cast(pl.Int64)).abs() <= shortest_us).fill_null(False)

    new = young("at") & (pl.col("mask").and_(_NEWBORN) != 0).fill_null(False)
    told = said.join(lacked, on=KEY, how="semi").group_by(KEY).agg(new=new.all()).filter(pl.col("new"))
    return pl.concat([told.select(KEY), lacked.filter(young("placed_at")).select(KEY)]).unique()
