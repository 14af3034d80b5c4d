"""The event log as arrays: ten million entries are counted by position, not by name.

An order is its place in the orders frame, a field its place in `FIELDS`, a source its place in a list of names.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from orderhub_core.audit.sources import encoded
from orderhub_core.frames import INSTANT
from orderhub_core.model import Axis

AXES = tuple(axis.value for axis in Axis)
FIELDS = ("order", *AXES, "status", "decision", "review")
"""What is said of an order: that it is there and what it consists of; its five axes; the one word that a touchpoint
shows; what a rule decided; what a person judged."""
STATED = 1 + len(AXES)
"""So many of them are stated by the order's own sources."""
_WORDS = ("event", "source", "after")
_KINDS = {"rule": "decision", "audit": "review"}

Places = npt.NDArray[np.int32]
Codes = npt.NDArray[np.int8]
Micros = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

MINUTE_US = 60_000_000
_QUARTER_US = 15 * MINUTE_US
"""No zone's clock is off by less."""


class Log(NamedTuple):
    """The entries of known orders in the order of `seq`, one position each."""

    entries: pl.DataFrame
    """The rows of `frames.EVENTS` themselves."""
    order: Places
    field: Codes
    source: Places
    sources: list[str]
    occurred: Micros
    recorded: Micros
    after: Places
    afters: list[str]
    """The states that entries lead to; `after` are places among them."""
    telling: Flags
    """Applied or changed: the entry says how the order stands."""
    last: Places
    """Per order and stated field, the place of the last entry that tells of it; -1 where none does."""

    def last_of(self, orders: int) -> Places:
        """`last` as one row per order."""
        return self.last.reshape(orders, STATED)


def read(events: pl.DataFrame, order_ids: pl.Series) -> Log:
    """The log of the orders with these ids; entries of other orders are left out."""
    entries = events if events["seq"].is_sorted() else events.sort("seq")
    order = positions(order_ids, entries["order_id"])
    if (order < 0).any():
        entries, order = entries.filter(pl.Series(order >= 0)), order[order >= 0]
    (event, events_met), (source, sources), (after, afters) = (coded(entries[name]) for name in _WORDS)
    field = np.array([_field_of(name) for name in events_met], np.int8)[event]
    telling = entries["outcome"].is_in(["applied", "changed"]).fill_null(False).to_numpy()
    last = np.full(len(order_ids) * STATED, -1, np.int32)
    (at,) = np.nonzero(telling & (field < STATED))
    last[order[at].astype(np.int64) * STATED + field[at]] = at  # numpy keeps the last value of a repeated position
    return Log(
        entries,
        order,
        field,
        source,
        sources,
        micros(entries["occurred_at"]),
        micros(entries["recorded_at"]),
        after,
        afters,
        telling,
        last,
    )


def _field_of(event: str) -> int:
    prefix = event.partition(".")[0]
    name = _KINDS.get(prefix, prefix)
    return FIELDS.index(name) if name in FIELDS else 0


def positions(known: pl.Series, asked: pl.Series) -> Places:
    """Where each asked id stands among the known ones; -1 where it does not.

    A hub numbers its orders one after the other: a table by id is not much longer than the orders are many.
    """
    ids, wanted = known.to_numpy(), asked.to_numpy()
    table = np.full(ids.max(initial=0) + 2, -1, np.int32)
    table[ids] = np.arange(len(ids), dtype=np.int32)
    inside = (wanted >= 0) & (wanted < len(table))
    return table[np.where(inside, wanted, len(table) - 1)]


def coded(column: pl.Series) -> tuple[Places, list[str]]:
    """A column of few different words as places in a sorted list of them; null is as empty."""
    told = encoded(column.fill_null(""))
    return told.codes.astype(np.int32), told.words.drop_nulls().to_list()


def micros(instants: pl.Series) -> Micros:
    """Microseconds UTC; the least there is where no instant is known."""
    found: Micros = instants.to_physical().fill_null(UNKNOWN).to_numpy()
    return found


UNKNOWN = -(1 << 62)


def local_days(instants: Micros, zone: str) -> Places:
    """The days since 1970-01-01 on which instants fall on the clocks of `zone`."""
    if not len(instants):
        return np.empty(0, np.int32)
    quarter = instants // _QUARTER_US
    first, last = int(quarter.min()), int(quarter.max())
    clock = pl.int_range(first, last + 1, eager=True) * _QUARTER_US
    days = clock.cast(INSTANT).dt.convert_time_zone(zone).dt.date().cast(pl.Int32).to_numpy()
    found: Places = days[quarter - first]
    return found
