"""From numpy columns to frames."""

from __future__ import annotations

import numpy as np
import polars as pl

from orderhub_core.frames import INSTANT
from orderhub_core.sim.world.course import NEVER
from orderhub_core.sim.world.plan import SECOND, Codes, Seconds


def instant(at_s: Seconds) -> pl.Series:
    """Seconds UTC as an INSTANT column; NEVER becomes null."""
    return pl.Series(at_s * SECOND).cast(INSTANT).set(pl.Series(at_s == NEVER), None)


def seconds(when: pl.Series) -> Seconds:
    """An INSTANT column without nulls as seconds UTC."""
    found: Seconds = when.to_physical().to_numpy() // SECOND
    return found


def words(codes: Codes, kind: pl.Enum) -> pl.Series:
    """Positions in an Enum's categories as that Enum; negative ones become null."""
    positions = pl.Series(codes.view(np.uint8))
    return positions.set(pl.Series(codes < 0), None).cat.to(kind)


def chronological(at_s: Seconds) -> Seconds:
    """The stable order by time. Packs instant and position into one integer, which sorts faster than argsort."""
    if not len(at_s):
        return at_s
    bits = len(at_s).bit_length()
    packed: Seconds = (at_s - at_s.min()) << bits | np.arange(len(at_s))
    packed.sort()
    packed &= (1 << bits) - 1
    return packed
