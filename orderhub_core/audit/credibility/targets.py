"""What a source can give: how soon each may be expected to say what it knows.

A push takes a second, a file comes once a day, and a courier that is asked too often stops answering. So every source
and field has a target of its own, the largest of

    the least for its kind (`KINDS`),
    twice the interval at which it is polled, where the settings tell,
    three times the median delay of its best day (of at least `LEAST` words), but no more than a day;

a target in the settings replaces all three. The best day, not the present one: a source that becomes slow does not
lower its own bar. Three times: of a source that is read at a fixed interval, half the delays are above half of it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from orderhub_core.audit.credibility.log import FIELDS, Flags, Micros, local_days
from orderhub_core.audit.credibility.sources import Source

KINDS = {"file": 86_400.0, "shop": 90.0, "touchpoint": 90.0}
"""The least target of each kind of source, in seconds."""
LEAST = 50
"""Words of a day that has a median to learn from."""
MOST_LEARNED_S = 86_400.0
SAMPLED = 1_000_000
"""Of more words than this, every n-th teaches the medians."""
BASES = ("settings", "kind", "polled", "learned")
"""Where a target comes from."""


def targets_of(
    sources: list[Source], learned: pl.DataFrame, given: Mapping[str, float], polls: Mapping[str, float]
) -> pl.DataFrame:
    """Per source and field, in the order of their cells: `cell`, `source`, `field`, `target_s`, `basis` (one of
    `BASES`), and as in `learned` the `median_s`, null where the source has said nothing that counts."""
    rows = [
        (
            place * len(FIELDS) + number,
            source.name,
            field,
            KINDS[source.kind],
            2 * polls.get(source.name, 0.0),
            given.get(f"{source.name}.{field}", given.get(source.name)),
        )
        for place, source in enumerate(sources)
        for number, field in enumerate(FIELDS)
    ]
    figures = dict.fromkeys(("kind", "polled", "settings"), pl.Float64)
    table = (
        pl.DataFrame(rows, schema={"cell": pl.Int64, "source": pl.String, "field": pl.String, **figures}, orient="row")
        .join(learned, on="cell", how="left", maintain_order="left")
        .with_columns(learned=(3 * pl.col("best_s")).clip(upper_bound=MOST_LEARNED_S))
    )
    largest = pl.max_horizontal("kind", "polled", "learned")
    basis = pl.coalesce(
        *(pl.when(pl.col(name) == largest).then(pl.lit(name)) for name in ("kind", "polled")), pl.lit("learned")
    )
    return table.select(
        "cell",
        "source",
        "field",
        pl.coalesce("settings", largest).alias("target_s"),
        pl.when(pl.col("settings").is_not_null()).then(pl.lit("settings")).otherwise(basis).alias("basis"),
        "median_s",
    )


def medians(cell: Micros, delay_us: Micros, at: Micros, timed: Flags, zone: str) -> pl.DataFrame:
    """Per `cell`, a source and field: `median_s` of all its words, and `best_s` of the day with the least median."""
    taken = np.flatnonzero(timed)[:: max(1, len(cell) // SAMPLED)]
    rows = pl.DataFrame(
        {"cell": cell[taken], "delay_s": np.abs(delay_us[taken]) / 1e6, "day": local_days(at[taken], zone)}
    )
    days = rows.group_by("cell", "day").agg(pl.len(), pl.col("delay_s").median())
    best = days.filter(pl.col("len") >= LEAST).group_by("cell").agg(best_s=pl.col("delay_s").min())
    return rows.group_by("cell").agg(median_s=pl.col("delay_s").median()).join(best, on="cell", how="left")
