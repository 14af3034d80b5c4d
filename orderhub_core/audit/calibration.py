"""What an audit has learned about the touchpoints: how long each takes, and how often it was found wrong.

A calibration is a value: a later pass that is given the same one judges alike, however few orders it looks at.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from orderhub_core.audit.lag import DEFAULT_LAG_S, Lag

SURE = 0.9
"""A touchpoint is named for its record only where the record says so with this probability."""
LEAST_WRONG = 20
"""A record is one only from so many clear cases on."""


class Calibration(msgspec.Struct, frozen=True):
    lags: dict[str, Lag] = {}
    wrong: dict[str, int] = {}
    """Per touchpoint the orders in which it, and nobody else, was singled out by what was shown."""
    orders: int = 0
    """Of how many orders."""

    def lag(self, name: str) -> Lag:
        return self.lags.get(name) or Lag(DEFAULT_LAG_S)

    def allowed_s(self) -> Mapping[str, int]:
        return {name: lag.allowed_s for name, lag in self.lags.items()}

    def odds(self, name: str) -> float:
        """How likely it is wrong against right, by its record (with half a case added to each side)."""
        wrong = self.wrong.get(name, 0) + 0.5
        return wrong / max(self.orders + 1 - wrong, 0.5)

    def speaks(self) -> bool:
        return sum(self.wrong.values()) >= LEAST_WRONG
