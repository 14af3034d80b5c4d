"""The places of the settings: warehouses that orders are routed to, and bases where things are made."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from orderhub_core.errors import UserMistake
from orderhub_core.rules.provinces import SEATS
from orderhub_core.rules.routing import WAREHOUSES
from orderhub_core.settings import BaseSettings, Settings, WarehouseSettings


class Places(NamedTuple):
    """The warehouses of the settings, and the zone in which their days begin."""

    warehouses: pl.DataFrame = pl.DataFrame(schema=WAREHOUSES)
    zone: str = "UTC"
    bases: pl.DataFrame = pl.DataFrame(schema=WAREHOUSES)
    """Where things are made: as of warehouses, their names and where they stand."""
    elsewhere: frozenset[str] = frozenset()
    """Warehouses that send their orders without the hub."""


NOWHERE = Places()


def places(settings: Settings) -> Places:
    """Raises UserMistake for a place in a province that there is not."""
    warehouses = [
        (one.id, *(_at(one) if one.latitude is None else (one.latitude, one.longitude)), one.enabled, one.temporary,
         one.orders_per_day or None)
        for one in settings.warehouses
    ]  # fmt: skip
    bases = [(one.id, *_at(one), True, False, None) for one in settings.bases]
    return Places(
        pl.DataFrame(warehouses, schema=WAREHOUSES, orient="row"),
        settings.time_zone,
        pl.DataFrame(bases, schema=WAREHOUSES, orient="row"),
        frozenset(settings.elsewhere),
    )


def _at(one: WarehouseSettings | BaseSettings) -> tuple[float | None, float | None]:
    """Degrees north and east."""
    if not one.province:
        return None, None
    if (seat := SEATS.get(one.province.strip()[:2])) is None:
        raise UserMistake(
            "{id}: there is no province {province!r}; write one like 浙江省", id=one.id, province=one.province
        )
    return seat
