"""What is said to have happened long after it came. Believed, it would hide for as long whatever is said of the order
in the meantime: the newest statement holds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar

from orderhub_core.errors import Unreadable
from orderhub_core.model import Decoded, Observation, Sighting

D = TypeVar("D", bound=Decoded)

LEEWAY_US = 7 * 86_400 * 1_000_000
"""A clock that is some days wrong, or a time told in another zone's hours, is still believed."""

LAST = 253_402_214_400_000_000
"""The last day that has a name; milliseconds taken for seconds lie beyond it."""


def timely(decoded: D, received_at: int, now: int) -> D:
    """What was decoded, as it is. Raises Unreadable where it speaks of a time that lies further ahead than LEEWAY_US,
    of when it came and of now: where the hub's own clock was wrong, a replay succeeds once that is right."""
    said = latest(decoded)
    if said <= now + LEEWAY_US or said <= received_at + LEEWAY_US:
        return decoded
    days = (said - max(received_at, now)) // (86_400 * 1_000_000)
    date = datetime.fromtimestamp(min(said, LAST) / 1e6, UTC)
    raise Unreadable(
        "it is dated {date:%Y-%m-%d}, {days} days ahead of the hub's clock: believed, it would hide what is said"
        " of the order until then. Have the sender mend the date and send it under another id, and dismiss this"
        " one; if it is the hub's clock that is wrong, set it right and replay",
        date=date,
        days=days,
    )


def latest(decoded: Decoded) -> int:
    """The last instant of which a channel or a touchpoint speaks, but for what it promises; 0 where it names none."""
    if isinstance(decoded, Observation):
        happened, at = decoded.facts, decoded.at or 0
        return max(at, *happened.values()) if happened else at
    return (decoded.at or 0) if isinstance(decoded, Sighting) else 0
