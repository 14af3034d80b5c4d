"""Which news are young, and when that changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from orderhub_core.audit.sources import NEVER, Instants
from orderhub_core.audit.verdicts import Flags


@dataclass(frozen=True)
class Window:
    """Which instants are young at `as_of`. News from beyond the horizon is held to the same measure: a clock that runs
    far ahead excuses nobody."""

    as_of: int
    lags: Instants

    def young(self, at: Instants, lag: np.int64) -> Flags:
        young: Flags = (at != NEVER) & (np.abs(self.as_of - np.where(at == NEVER, 0, at)) <= lag)
        return young

    def turn(self, at: Instants, lag: np.int64) -> Instants:
        """When that changes next; NEVER where it does not."""
        begins, ends = np.where(at == NEVER, 0, at) - lag, np.where(at == NEVER, 0, at) + lag + 1
        next_one = np.where(self.as_of < begins, begins, np.where(self.as_of < ends, ends, NEVER))
        return np.where(at == NEVER, NEVER, next_one)


def sooner(one: Instants, other: Instants) -> Instants:
    """The earlier of two instants, of which either may be NEVER."""
    return np.where(one == NEVER, other, np.where(other == NEVER, one, np.minimum(one, other)))
