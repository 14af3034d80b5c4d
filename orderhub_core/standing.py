"""All that follows from a set of facts, in the words of an order's row and of its log: pure, and remembered, for most
orders go the same ways.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from orderhub_core.lifecycle import Given, Step, headline, settle
from orderhub_core.model import Axis

_json = msgspec.json.Encoder(order="deterministic").encode


class Standing(NamedTuple):
    """All that follows from a set of facts, in the words of the order's row and of the log."""

    states: tuple[str, ...]
    """By axis."""
    headline: str
    contradictions: int
    turning: str
    steps: dict[str, tuple[str, str]]
    """Event to outcome and detail."""


@lru_cache(maxsize=65_536)
def standing(events: tuple[str, ...], given: Given) -> Standing:
    """Events in causal order, settled. Plain strings: a database driver takes far longer over an enum's member."""
    settled = settle(events, given)
    return Standing(
        tuple(str(getattr(settled, axis.value).value) for axis in Axis),
        str(headline(settled).value),
        settled.contradictions,
        turning_event(events, given),
        {step.event.value: (step.outcome, _detail_of(step)) for step in settled.steps},
    )


def _detail_of(step: Step) -> str:
    detail: dict[str, Any] = {}
    if step.inferred:
        detail["inferred"] = [missed.value for missed in step.inferred]
    if step.reason:
        detail["reason"] = step.reason
    return _json(detail).decode() if detail else ""


@lru_cache(maxsize=65_536)
def turning_event(events: tuple[str, ...], given: Given) -> str:
    """The event that brought the present headline: from then on the order dwells there."""
    turning, word = "", None
    for count in range(1, len(events) + 1):
        now = headline(settle(events[:count], given))
        if now is not word:
            turning, word = events[count - 1], now
    return turning
