"""What a pretend platform knows of one shop's orders at an instant. Instants here are epoch seconds.

Nothing of an order that has not happened yet can be seen: the world knows the future, the platform does not.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import polars as pl

from orderhub_core.sim.world import World

UNSEEN = ("fulfilment.locked", "fulfilment.labelled", "fulfilment.intercepted")
"""The shop's own affairs: no sales platform has a state for them."""
NEVER = np.iinfo(np.int64).max


class Known(NamedTuple):
    """One order as the platform knows it."""

    order: dict[str, Any]
    lines: list[dict[str, Any]]
    person: dict[str, Any]
    happened: dict[str, int]
    """event: epoch second; in the order of happening."""


class Ledger:
    def __init__(self, world: World, shop: str) -> None:
        self._orders = world.orders.filter(pl.col("shop") == shop).with_row_index("position")
        place = self._orders.select("order_no", "position")
        self._persons = place.join(world.persons, on="order_no", how="left", maintain_order="left")
        self._lines = place.join(world.lines, on="order_no").sort("position", "line_no")
        self._events = (
            world.timeline.filter(~pl.col("event").cast(pl.String).is_in(UNSEEN))
            .join(place, on="order_no")
            .select("position", pl.col("event").cast(pl.String), at=pl.col("at").dt.epoch("s"))
            .sort("position", "at", maintain_order=True)
            .with_columns(until=pl.col("at").shift(-1).over("position").fill_null(NEVER))
        )
        size = np.arange(self._orders.height + 1)
        self._first_event = np.searchsorted(self._events["position"].to_numpy(), size)
        self._first_line = np.searchsorted(self._lines["position"].to_numpy(), size)
        self._positions = dict(zip(place["order_no"], place["position"], strict=True))
        by_time = self._events.sort("at", maintain_order=True)
        self._at, self._until = by_time["at"].to_numpy(), by_time["until"].to_numpy()
        self._whose = by_time["position"].to_numpy()
        self._placed = self._orders["placed_at"].dt.epoch("s").to_numpy()

    @property
    def events(self) -> pl.DataFrame:
        """position, event, at (epoch seconds): all that will ever be seen, sorted by order."""
        return self._events

    def updated(self, start: int, end: int, now: int) -> list[int]:
        """Orders whose newest change, as of now, lies in [start, end]; by the time of that change."""
        first = np.searchsorted(self._at, start, "left")
        last = max(first, np.searchsorted(self._at, min(end, now), "right"))
        newest = self._until[first:last] > now
        return [int(position) for position in self._whose[first:last][newest]]

    def created(self, start: int, end: int, now: int) -> list[int]:
        first, last = np.searchsorted(self._placed, [start, min(end, now) + 1], "left")
        return list(range(first, max(first, last)))

    def find(self, order_no: str, now: int) -> Known | None:
        position = self._positions.get(order_no)
        known = None if position is None else self.order(position, now)
        return known if known and known.happened else None

    def order(self, position: int, now: int) -> Known:
        events = self._events[self._first_event[position] : self._first_event[position + 1]]
        lines = self._lines[self._first_line[position] : self._first_line[position + 1]]
        return Known(
            self._orders.row(position, named=True),
            lines.to_dicts(),
            self._persons.row(position, named=True),
            {event: at for event, at in zip(events["event"], events["at"], strict=True) if at <= now},
        )
