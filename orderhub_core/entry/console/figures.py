"""The numbers on the landing page: how many orders there are, where they stand, and how the hub is doing."""

from __future__ import annotations

import threading
import time
from typing import Any, Protocol, runtime_checkable

import msgspec
import polars as pl

from orderhub_core.model import Headline

FRESH_S = 2.0
"""However many pages are open, the hub is asked at most this often."""

STAGES: dict[str, tuple[Headline, ...]] = {
    "Awaiting payment": (Headline.PENDING_PAYMENT,),
    "To ship": (
        Headline.ACCEPTED,
        Headline.PAID,
        Headline.DESIGNING,
        Headline.PRODUCING,
        Headline.SHORT,
        Headline.LOCKED,
        Headline.LABELLED,
        Headline.PARTLY_SHIPPED,
    ),
    "On the way": (Headline.SHIPPED, Headline.IN_TRANSIT),
    "Delivered": (Headline.DELIVERED, Headline.COMPLETED),
    "After-sale": (Headline.AFTER_SALE, Headline.INTERCEPTED, Headline.RETURNED, Headline.REFUNDED),
    "Cancelled": (Headline.CANCELLED,),
}
"""Every headline stands in exactly one stage."""

PULSE = {
    "received": "Messages received",
    "waiting": "Waiting",
    "parked": "Parked",
    "effects_waiting": "Effects waiting",
    "effects_for_person": "Effects for a person",
    "refused_signatures": "Refused signatures",
}
"""Fields of a live hub's pulse, and what the page calls them."""

QUEUE = frozenset({"Waiting", "Parked", "Effects waiting", "Effects for a person"})
"""Figures of what waits, each of which the app of order health tells more of."""


class Board(Protocol):
    """What the console needs of any hub."""

    def as_of(self) -> int: ...

    def frame(self, name: str, /) -> pl.DataFrame: ...


@runtime_checkable
class Live(Protocol):
    """A hub that takes in messages, not only shows a snapshot."""

    def pulse(self) -> Any: ...


class Figures(msgspec.Struct, frozen=True):
    as_of: int
    """Microseconds UTC."""
    counts: dict[str, int]
    """English label to number."""
    stages: dict[str, int]
    """Orders in each of STAGES."""


def read(hub: Board) -> Figures:
    """Everything the landing page shows. Costs one pass over one column."""
    orders = hub.frame("orders")
    by_headline = dict(orders.group_by(pl.col("headline").cast(pl.String)).len().iter_rows())
    counts = {"Orders": orders.height}
    if isinstance(hub, Live):
        pulse = hub.pulse()
        counts |= {label: int(getattr(pulse, field)) for field, label in PULSE.items()}
    else:
        counts |= {
            "Shops": orders["shop"].n_unique(),
            "Log entries": hub.frame("events").height,
            "Touchpoint sightings": hub.frame("sightings").height,
        }
    stages = {stage: sum(by_headline.get(word.value, 0) for word in words) for stage, words in STAGES.items()}
    return Figures(hub.as_of(), counts, stages)


class Cached:
    """The latest figures, read again when they are older than FRESH_S. Safe to call from many threads."""

    def __init__(self, hub: Board) -> None:
        self.hub = hub
        self._lock = threading.Lock()
        self._at, self._figures = float("-inf"), Figures(0, {}, {})

    def __call__(self) -> Figures:
        with self._lock:
            if time.monotonic() - self._at > FRESH_S:
                self._figures, self._at = read(self.hub), time.monotonic()
            return self._figures
