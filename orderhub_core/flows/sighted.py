"""What touchpoints have shown of orders in one batch: of each the newest."""

from __future__ import annotations

from orderhub_core.model import Sighting
from orderhub_core.store.unit import Message, Writes


class Sightings:
    """Those of one batch."""

    def __init__(self) -> None:
        self._newest: dict[tuple[str, str, str], tuple[Sighting, int]] = {}

    def add(self, message: Message, sighting: Sighting) -> None:
        """One without an instant of its own was seen when it came."""
        key = (message.source, sighting.shop, sighting.order_no)
        at = message.received_at if sighting.at is None else sighting.at
        known = self._newest.get(key)
        if known is None or at >= (known[0].at or known[1]):
            self._newest[key] = (sighting, message.received_at)

    def write(self, writes: Writes, version: int) -> None:
        for (touchpoint, shop, order_no), (sighting, seen_at) in self._newest.items():
            at = seen_at if sighting.at is None else sighting.at
            writes.sightings.append((touchpoint, shop, order_no, sighting.status, at, seen_at, version))
