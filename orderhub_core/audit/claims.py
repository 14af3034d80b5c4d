"""What the touchpoints claim, understood: one row per sighting, words turned into sets of stages."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from orderhub_core.audit.words import Lexicon, same
from orderhub_core.frames import INSTANT

KEY = ["shop", "order_no"]

MAX_TOUCHPOINTS = 16
TOUCHPOINTS = (1 << MAX_TOUCHPOINTS) - 1
# One integer carries four sets of touchpoints, so that one aggregation unites them all.
SEEN, STRANGE, BLANK, UNCLEAR = (1 << (MAX_TOUCHPOINTS * place) for place in range(4))


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
        .then(SEEN | BLANK)
        .when(pl.col("mask").is_null())
        .then(SEEN | STRANGE)
        .when("unclear")
        .then(SEEN | UNCLEAR)
        .otherwise(SEEN)
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
    return said.sort("at", "status", nulls_last=False).unique(["touchpoint", *KEY], keep="last", maintain_order=True)


def pairs(said: pl.DataFrame) -> pl.DataFrame:
    """Every ordered pair of touchpoints that both spoke of an order: the one's columns, and the other's as `other_*`.

    `apart`: no common stage. `behind`: apart, and what the other says may still come for this one.
    """
    spoken = (
        newest(said).filter(pl.col("mask").is_not_null()).select(*KEY, "touchpoint", "at", "means", "mask", "later")
    )
    return (
        spoken.join(spoken, on=KEY, how="inner", suffix="_of_other")
        .filter(pl.col("touchpoint") != pl.col("touchpoint_of_other"))
        .rename({f"{name}_of_other": f"other_{name}" for name in ("touchpoint", "at", "means", "mask", "later")})
        .with_columns(apart=pl.col("mask").and_(pl.col("other_mask")) == 0)
        .with_columns(behind=pl.col("apart") & (pl.col("later").and_(pl.col("other_mask")) != 0))
    )
