"""Values in words: those that a condition asks for, and whole columns as an expression; both write alike."""

from __future__ import annotations

from functools import lru_cache

import polars as pl

from orderhub_core.rules.compile import field_of
from orderhub_core.rules.dictionary import Field, Kind
from orderhub_core.rules.language.operators import TO
from orderhub_core.rules.language.printing import print_condition
from orderhub_core.rules.language.values import written
from orderhub_core.rules.language.vocabulary import Vocabulary, vocabulary
from orderhub_core.rules.tree import Condition, Leaf, Op

LISTED = 4
"""Values of a list that are named; of a longer one the first three."""
OPPOSITE = {
    Op.IS: Op.IS_NOT,
    Op.IS_NOT: Op.IS,
    Op.LESS: Op.AT_LEAST,
    Op.AT_LEAST: Op.LESS,
    Op.MORE: Op.AT_MOST,
    Op.AT_MOST: Op.MORE,
    Op.AMONG: Op.NOT_AMONG,
    Op.NOT_AMONG: Op.AMONG,
    Op.IS_KNOWN: Op.IS_MISSING,
    Op.IS_MISSING: Op.IS_KNOWN,
}
"""What holds where the condition does not, and its value is known."""


@lru_cache(maxsize=16)
def speech(zone: str) -> Vocabulary:
    """Without a book's own words: what is kept must be understood when they have changed."""
    return vocabulary(zone=zone)


def column(field: Field, zone: str) -> pl.Expr:
    """The values of a column, null where one is missing. Not by dividing floats: how they round depends on how many
    rows there are at once."""
    on = pl.col(field.column)
    match field.kind:
        case Kind.MONEY | Kind.NUMBER if field.decimals:
            whole, rest = on.abs() // 10**field.decimals, on.abs() % 10**field.decimals
            told = pl.format("{}.{}", whole, rest.cast(pl.String).str.zfill(field.decimals))
            sign = pl.when(on < 0).then(pl.lit("-")).otherwise(pl.lit(""))
            return pl.format("{}{}", sign, pl.when(rest == 0).then(whole.cast(pl.String)).otherwise(told))
        case Kind.NUMBER:
            return on.cast(pl.String).replace(dict(speech(zone).of_field(field).written["en"]))
        case Kind.FLAG:
            return pl.when(on).then(pl.lit("yes")).when(on.not_()).then(pl.lit("no"))
        case Kind.INSTANT:
            local = on.dt.convert_time_zone(zone)
            exact = pl.when(on.dt.second() == 0).then(local.dt.strftime("%Y-%m-%dT%H:%M%:z"))
            return exact.otherwise(local.dt.strftime("%Y-%m-%dT%H:%M:%S%:z"))
        case Kind.TIME_OF_DAY:
            hours, minutes = (part.cast(pl.String).str.zfill(2) for part in (on // 60, on % 60))
            return pl.format("{}:{}", hours, minutes)
        case _:
            return on


def wanted(leaf: Leaf, zone: str) -> str:
    """The values that it asks for."""
    told = [written(each, field_of(leaf), speech(zone), "en") for each in leaf.values]
    if leaf.op is Op.WITHIN:
        return f" {TO.printed('en')} ".join(told)
    if len(told) > LISTED:
        told[LISTED - 1 :] = [f"and {len(told) - LISTED + 1} more"]
    return ", ".join(told)


def condition(asked: Condition, zone: str) -> str:
    return print_condition(asked, speech(zone), "en")
