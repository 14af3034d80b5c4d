"""Values and conditions in words: of one value in Python, of a column as an expression; both write alike."""

from __future__ import annotations

from datetime import datetime
from typing import cast
from zoneinfo import ZoneInfo

import polars as pl

from orderhub_core.rules.compile import field_of
from orderhub_core.rules.dictionary import Field, Kind
from orderhub_core.rules.tree import Condition, Either, Every, Leaf, Lines, Not, Op, Scalar

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


def decimals(field: Field) -> int:
    return field.decimals or (2 if field.kind is Kind.MONEY else 0)


def value(value: Scalar, field: Field, zone: str) -> str:
    """As people write it."""
    match field.kind:
        case Kind.MONEY | Kind.NUMBER if places := decimals(field):
            whole, rest = divmod(abs(cast(int, value)), 10**places)
            return f"{'-' if cast(int, value) < 0 else ''}{whole}.{rest:0{places}}"
        case Kind.FLAG:
            return "yes" if value else "no"
        case Kind.INSTANT:
            return cast(datetime, value).astimezone(ZoneInfo(zone)).isoformat(timespec="seconds")
        case Kind.TIME_OF_DAY:
            return "{:02}:{:02}".format(*divmod(cast(int, value), 60))
        case _:
            return str(value)


def column(field: Field, zone: str) -> pl.Expr:
    """The values of a column, null where one is missing. Not by dividing floats: how they round depends on how many
    rows there are at once."""
    on = pl.col(field.column)
    match field.kind:
        case Kind.MONEY | Kind.NUMBER if places := decimals(field):
            sign = pl.when(on < 0).then(pl.lit("-")).otherwise(pl.lit(""))
            rest = (on.abs() % 10**places).cast(pl.String).str.zfill(places)
            return pl.format("{}{}.{}", sign, on.abs() // 10**places, rest)
        case Kind.FLAG:
            return pl.when(on).then(pl.lit("yes")).when(on.not_()).then(pl.lit("no"))
        case Kind.INSTANT:
            return on.dt.convert_time_zone(zone).dt.strftime("%Y-%m-%dT%H:%M:%S%:z")
        case Kind.TIME_OF_DAY:
            hours, minutes = (part.cast(pl.String).str.zfill(2) for part in (on // 60, on % 60))
            return pl.format("{}:{}", hours, minutes)
        case _:
            return on.cast(pl.String)


def wanted(leaf: Leaf, zone: str) -> str:
    """The values that it asks for."""
    field = field_of(leaf)
    told = [value(each, field, zone) for each in leaf.values]
    if leaf.op is Op.WITHIN:
        return f"{told[0]} to {told[1]}"
    if len(told) > LISTED:
        told[LISTED - 1 :] = [f"and {len(told) - LISTED + 1} more"]
    return ", ".join(told)


def condition(asked: Condition, zone: str) -> str:
    match asked:
        case Leaf():
            return f"{asked.field} {asked.op.value} {wanted(asked, zone)}".rstrip()
        case Every(parts):
            return " and ".join(_bracketed(part, zone) for part in parts) or "always"
        case Either(parts):
            return " or ".join(_bracketed(part, zone) for part in parts) or "never"
        case Not(part):
            return f"not {_bracketed(part, zone)}"
        case Lines(which, part):
            return f"{which} line: {condition(part, zone)}"
    raise TypeError(asked)


def _bracketed(part: Condition, zone: str) -> str:
    told = condition(part, zone)
    return told if isinstance(part, Leaf) else f"({told})"
