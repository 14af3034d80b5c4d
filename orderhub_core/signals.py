"""What is said of the world outside: that something holds, that it holds no more, and what the hub has measured.

Words of the hub, as those of `model`: values only, frozen, no IO.
"""

from __future__ import annotations

import msgspec


class Signal(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What somebody reports of the world outside: a storm, a livestream's audience. Instants in microseconds UTC."""

    field: str
    """Of the rules' dictionary, of the level `signal`."""
    number: int
    """Of a flag 1 or 0."""
    since: int
    by: str
    until: int | None = None
    of: str = ""
    """The column of orders that `subject` is a value of; empty where it holds for all of them."""
    subject: str = ""
    comment: str = ""


class SignalEnd(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """That a report holds no longer, from now on."""

    name: str
    """Of the report: its message id."""
    by: str
    comment: str = ""


class Measurement(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What the hub has measured of a signal. What it has said of it before, and does not say otherwise here, holds for
    as long as this does. Instants in microseconds UTC."""

    field: str
    of: str
    since: int
    until: int
    by: str
    rows: tuple[tuple[str, int], ...] = ()
    """Subject and number, where it is another one than before."""
    over: tuple[str, ...] = ()
    """Subjects of which it says nothing any more."""


SignalWord = Signal | SignalEnd | Measurement
