"""Numbers as people write them: 300 rather than 287, 299, eight o'clock, midnight of the first of November.

A number costs what it takes to name it among the multiples of the coarsest grain that it is a multiple of (a two-part
code: the precision, then the value; Rissanen, Modeling by shortest data description, Automatica 14, 1978).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import log2
from zoneinfo import ZoneInfo

from orderhub_core.rules.dictionary import Field, Kind

MINUTE_US = 60_000_000
GRAIN_BITS = 2.0
"""To say which grain is meant."""
NINES_BITS = 1.5
"""To say that the price stands just below the round one: 299."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=64)
def grains(kind: Kind, decimals: int) -> tuple[tuple[int, int], ...]:
    """From coarse to fine: the grain, and by how much numbers stand below its multiples."""
    match kind:
        case Kind.INSTANT:
            return (*((minutes * MINUTE_US, 0) for minutes in (1440, 60, 30, 10, 1)), (1_000_000, 0), (1, 0))
        case Kind.TIME_OF_DAY:
            return tuple((minutes, 0) for minutes in (60, 30, 15, 10, 5, 1))
        case Kind.MONEY:
            unit = 10 ** (decimals or 2)
            nines = [(ten * unit, unit) for ten in (1000, 100, 10)]
        case _:
            unit, nines = 10**decimals, []
    steps = [step * 10**power for power in range(6, -1, -1) for step in (5, 1)]
    fine = [10**power for power in range(len(str(unit)) - 1)][::-1]
    plain = [(step * unit, 0) for step in steps] + [(step, 0) for step in fine]
    return tuple(sorted({*plain, *nines}, key=lambda grain: (-grain[0], grain[1])))


def bits(number: int, field: Field, span: int) -> float:
    """What it takes to name it, where the field's values span so much."""
    return min(
        _bits(grain, below, span)
        for grain, below in grains(field.kind, field.decimals)
        if (number + below) % grain == 0
    )


def _bits(grain: int, below: int, span: int) -> float:
    return GRAIN_BITS + log2(1 + span / grain) + (NINES_BITS if below else 0.0)


def roundest(low: int, high: int, field: Field, span: int) -> int:
    """The cheapest number above `low`, up to `high`; of several the one nearest to the middle."""
    return min(
        _in_gap(low, high, field),
        key=lambda number: (bits(number, field, span), abs(2 * number - low - high)),
    )


def _in_gap(low: int, high: int, field: Field) -> Iterator[int]:
    """Of every grain the number nearest to the middle, if there is one."""
    for grain, below in grains(field.kind, field.decimals):
        middle = round(((low + high) / 2 + below) / grain) * grain - below
        found = next((n for n in (middle, middle + grain, middle - grain) if low < n <= high), None)
        if found is not None:
            yield found
            if not below:
                return


def local_us(instant: datetime, zone: str) -> int:
    """Microseconds of the wall clock: its midnights are round."""
    return (instant.astimezone(ZoneInfo(zone)).replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


def instant(wall_us: int, zone: str) -> datetime:
    wall = (EPOCH + timedelta(microseconds=wall_us)).replace(tzinfo=None)
    return wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
