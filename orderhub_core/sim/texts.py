"""A rehearsal in people's words: tiles, and tables with headings in the reader's language.

Stage names are English; each language translates them. Hours count from the midnight of the rehearsed day.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from orderhub_core.i18n import Tile, Translate
from orderhub_core.sim.results import Band, Figures
from orderhub_core.sim.scenario import Scenario

STAGES = {"review": "Review", "pick": "Pick", "pack": "Pack", "hand_over": "Hand over"}

METHOD = (
    "Every order is simulated through every stage, first come first served; orders left at closing time wait for the"
    " morning. The temporary warehouse takes new orders only, which may leave before older ones that wait elsewhere."
    " The range shows how much chance alone moves a figure."
)


def names(tr: Translate) -> dict[str, str]:
    """The stages, and what the reader calls them."""
    return {stage: tr(title) for stage, title in STAGES.items()}


def named(rows: pl.DataFrame, tr: Translate) -> pl.DataFrame:
    """The rows with what the reader calls their `stage`."""
    return rows.with_columns(pl.col("stage").replace_strict(names(tr)))


def clock(hour: float, tr: Translate) -> str:
    """30.5 is 06:30 on the day after."""
    days, minutes = divmod(round(hour * 60), 1440)
    later = tr(" +{n} d").format(n=days) if days else ""
    return f"{minutes // 60:02d}:{minutes % 60:02d}{later}"


def tiles(day: Scenario, both: Mapping[bool, Figures], tr: Translate) -> list[Tile]:
    """The day as it is planned; `both` has the figures with the temporary warehouse (True) and without it."""
    told = both[day.temporary.enabled]
    saved = both[False].late.mean - both[True].late.mean
    return [
        (
            tr("Most unfinished orders"),
            f"{told.peak_backlog.mean:,.0f}",
            f"{clock(told.peak_at_h.mean, tr)} · {_range(told.peak_backlog, told.runs, tr)}",
            "plain",
        ),
        _drained(told.drained_at_h, tr),
        (
            tr("9 of 10 took at most"),
            tr("{n} h").format(n=f"{told.dwell_p90_h.mean:.1f}"),
            tr("half took at most {n} h").format(n=f"{told.dwell_p50_h.mean:.1f}"),
            "plain",
        ),
        (
            tr("Late, over {n} h").format(n=f"{day.promise_hours:g}"),
            f"{told.late.mean:,.0f}",
            _range(told.late, told.runs, tr),
            "bad" if told.late.mean else "good",
        ),
        (
            tr("Bottleneck"),
            tr(STAGES.get(told.bottleneck, told.bottleneck)),
            tr("{share} of all waiting").format(share=f"{told.bottleneck_share:.0%}"),
            "plain",
        ),
        (
            tr("The temporary warehouse"),
            tr("takes {n}").format(n=f"{both[True].temporary_orders.mean:,.0f}"),
            tr("{n} fewer late orders").format(n=f"{saved:,.0f}"),
            "plain",
        ),
    ]


def _drained(at: Band, tr: Translate) -> Tile:
    spread = tr("{earliest} to {latest}").format(earliest=clock(at.low, tr), latest=clock(at.high, tr))
    return tr("All handed over"), clock(at.mean, tr), spread, "plain"


def _range(band: Band, runs: int, tr: Translate) -> str:
    return tr("{low} to {high} in {n} runs").format(low=f"{band.low:,.0f}", high=f"{band.high:,.0f}", n=runs)


def stages(rows: pl.DataFrame, tr: Translate) -> pl.DataFrame:
    """`results.stages` as a table."""
    return named(rows, tr).select(
        pl.col("stage").alias(tr("Stage")),
        pl.col("people").alias(tr("People")),
        _whole("per_hour").alias(tr("Orders per hour")),
        _whole("peak").alias(tr("Most at once")),
        pl.col("wait_min").round(1).alias(tr("Mean wait, min")),
        (pl.col("share") * 100).round(1).alias(tr("Of all waiting, %")),
    )


def compared(unfinished: Mapping[bool, pl.DataFrame]) -> pl.DataFrame:
    """`results.unfinished` of both days side by side: the columns of the day without help end in `_without`."""
    return (
        unfinished[True]
        .join(unfinished[False], on="hour", how="full", coalesce=True, suffix="_without")
        .sort("hour")
        .fill_null(0.0)
    )


def hourly(both: pl.DataFrame, tr: Translate) -> pl.DataFrame:
    """The full hours of `compared` as a table."""
    return both.filter(pl.col("hour") % 1 == 0).select(
        _whole("hour").alias(tr("Hour")),
        _whole("mean").alias(tr("With it")),
        _whole("mean_without").alias(tr("Without it")),
    )


def dwell(rows: pl.DataFrame, tr: Translate) -> pl.DataFrame:
    """`results.dwell` as a table."""
    return rows.select(
        pl.Series(tr("Placed at"), [clock(hour, tr) for hour in rows["hour"]], pl.String),
        pl.col("p50").round(1).alias(tr("Half took at most, h")),
        pl.col("p90").round(1).alias(tr("9 of 10 took at most, h")),
    )


def _whole(column: str) -> pl.Expr:
    return pl.col(column).round().cast(pl.Int64)
