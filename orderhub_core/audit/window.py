"""Which news are young, and when that changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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


@dataclass(frozen=True, eq=False)
class Moments:
    """Instants of the few orders that have one."""

    places: npt.NDArray[np.int64]
    """Sorted."""
    at: Instants

    def dense(self, size: int) -> Instants:
        """One instant per order, NEVER for most."""
        result = np.full(size, NEVER)
        result[self.places] = self.at
        return result

    def taken(self, places: npt.NDArray[np.integer], size: int) -> Moments:
        """Of some orders, in the order asked for."""
        return moments(self.dense(size)[places])

    def where(self, keep: Flags) -> Moments:
        return Moments(self.places[keep], self.at[keep])

    def sooner(self, other: Moments) -> Moments:
        """Of each order the earlier one."""
        places, at = np.concatenate([self.places, other.places]), np.concatenate([self.at, other.at])
        order = np.lexsort((at, places))
        both = Moments(places[order], at[order])
        return both.where(np.diff(both.places, prepend=-1) != 0)

    def moved(self, places: npt.NDArray[np.int64], now: Moments, to: npt.NDArray[np.int64], size: int) -> Moments:
        """With `now`, of which order i goes `to[i]`, in place of what stood at `places`."""
        touched = np.zeros(size, dtype=np.bool_)
        touched[places] = True
        kept = ~touched[self.places]
        both = np.concatenate([self.places[kept], to[now.places]])
        order = np.argsort(both)
        return Moments(both[order], np.concatenate([self.at[kept], now.at])[order])


NO_MOMENTS = Moments(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


def moments(dense: Instants, places: npt.NDArray[np.int64] | None = None) -> Moments:
    """Of orders at these places (sorted; all, when None), whose instants may be NEVER."""
    known = np.flatnonzero(dense != NEVER)
    return Moments(known if places is None else places[known], dense[known])
