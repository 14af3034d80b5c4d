"""What it costs to send a parcel, by warehouse, zone and weight band, as carriers price it: a first weight, and steps
of further weight."""

from __future__ import annotations

import polars as pl

from orderhub_core.rules.routing import COSTS

PARCELS = pl.Schema({"order_id": pl.Int64(), "province": pl.String(), "weight_g": pl.Int64()})
ZONES = pl.Schema({"warehouse": pl.String(), "province": pl.String(), "zone": pl.String()})
"""The zone of a province as seen from a warehouse."""
TARIFFS = pl.Schema(
    {
        "warehouse": pl.String(),
        "zone": pl.String(),
        "from_g": pl.Int64(),
        "base_minor": pl.Int64(),
        "step_g": pl.Int64(),
        "step_minor": pl.Int64(),
    }
)
"""Weight bands. A parcel is in the heaviest band that it reaches, and costs `base_minor` and, for each begun `step_g`
over `from_g`, `step_minor`; where `step_g` is 0, nothing more. So 1 kg for ¥8 and ¥2 for each further kilogram are two
bands: from 0 g, 800, no steps; from 1,000 g, 800, 200 for each 1,000 g."""


def costs(parcels: pl.DataFrame, zones: pl.DataFrame, tariffs: pl.DataFrame) -> pl.DataFrame:
    """COSTS of PARCELS from every warehouse of the tariffs; null where the province has no zone there, the zone no band
    that is light enough, or the parcel no weight."""
    bands = tariffs.drop_nulls().sort("from_g")
    everywhere = parcels.join(bands.select("warehouse").unique(maintain_order=True), how="cross")
    zoned = everywhere.join(
        zones.unique(["warehouse", "province"], keep="first"), on=["warehouse", "province"], how="left",
        maintain_order="left",
    ).sort("weight_g", maintain_order=True)  # fmt: skip
    banded = zoned.join_asof(
        bands, left_on="weight_g", right_on="from_g", by=["warehouse", "zone"], check_sortedness=False
    )  # fmt: skip
    over, step = pl.col("weight_g") - pl.col("from_g"), pl.col("step_g")
    steps = pl.when(step > 0).then((over + step - 1) // pl.when(step > 0).then(step).otherwise(1)).otherwise(0)
    return banded.select(
        "order_id", "warehouse", cost_minor=pl.col("base_minor") + steps * pl.col("step_minor")
    ).match_to_schema(COSTS)
