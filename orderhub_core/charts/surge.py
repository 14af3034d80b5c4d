"""A rehearsed day as pictures: who waits where, how long it takes, and what the temporary warehouse changes.

Hours are hours since midnight (see `sim.results`), drawn as clock times without a date, so no time zone can shift them.
"""

from __future__ import annotations

import math

import altair as alt
import polars as pl

from orderhub_core.charts import theme
from orderhub_core.i18n import Translate

HEIGHT = 260
GAPS = (1, 2, 3, 4, 6, 12, 24, 48, 96, 240)
MAX_LABELS = 9
"""As many clock times as fit side by side on a telephone."""


def backlog(rows: pl.DataFrame, stages: list[str], tr: Translate) -> alt.Chart:
    """Stacked areas of `sim.results.backlog` with translated stage names; `stages` gives their order."""
    rank = pl.col("stage").replace_strict({stage: place for place, stage in enumerate(stages)})
    areas = alt.Chart(_clocked(rows, tr).with_columns(rank=rank)).mark_area(line=False, opacity=0.85, fillOpacity=1)
    drawn: alt.Chart = areas.encode(
        _hours(rows, tr("Time of day"), tr),
        alt.Y("orders:Q", title=tr("Unfinished orders"), stack="zero", axis=alt.Axis(format=",d")),
        alt.Color("stage:N", title=None, scale=alt.Scale(domain=stages), legend=alt.Legend(columns=2)),
        alt.Order("rank:Q"),
        tooltip=[
            alt.Tooltip("clock:N", title=tr("Time of day")),
            alt.Tooltip("stage:N", title=tr("Stage")),
            alt.Tooltip("orders:Q", title=tr("Orders"), format=",.0f"),
        ],
    )
    return drawn.properties(width="container", height=HEIGHT)


def compared(with_it: pl.DataFrame, without: pl.DataFrame, tr: Translate) -> alt.LayerChart:
    """`sim.results.unfinished` of both days; the shade is the range over the runs."""
    names = {tr("with the temporary warehouse"): theme.ACCENT, tr("without it"): theme.BAD}
    rows = pl.concat(
        frame.with_columns(way=pl.lit(name)) for name, frame in zip(names, (with_it, without), strict=True)
    )
    legend = alt.Legend(columns=1, symbolType="stroke", labelLimit=320)
    colour = alt.Color(
        "way:N", title=None, scale=alt.Scale(domain=list(names), range=list(names.values())), legend=legend
    )
    dash = alt.StrokeDash(
        "way:N", title=None, scale=alt.Scale(domain=list(names), range=[[1, 0], [6, 4]]), legend=legend
    )
    base = alt.Chart(_clocked(rows, tr)).encode(_hours(rows, tr("Time of day"), tr), colour)
    shade = base.mark_area(line=False, fillOpacity=0.2).encode(
        alt.Y("low:Q", title=tr("Unfinished orders"), axis=alt.Axis(format=",d")), alt.Y2("high:Q")
    )
    line = base.mark_line().encode(
        alt.Y("mean:Q"),
        dash,
        tooltip=[
            alt.Tooltip("clock:N", title=tr("Time of day")),
            alt.Tooltip("way:N", title=tr("Case")),
            alt.Tooltip("mean:Q", title=tr("Orders"), format=",.0f"),
        ],
    )
    drawn: alt.LayerChart = alt.LayerChart(layer=[shade, line]).properties(width="container", height=HEIGHT)
    return drawn


def dwell(rows: pl.DataFrame, promise_hours: float, tr: Translate) -> alt.LayerChart:
    """`sim.results.dwell` by the hour of placing: median line in the band from 10 % to 90 %, and the promise."""
    base = alt.Chart(_clocked(rows, tr)).encode(_hours(rows, tr("Placed at"), tr))
    hours = tr("Hours until handed over")
    shade = base.mark_area(line=False, fillOpacity=0.25).encode(alt.Y("p10:Q", title=hours), alt.Y2("p90:Q"))
    line = base.mark_line().encode(
        alt.Y("p50:Q"),
        tooltip=[
            alt.Tooltip("clock:N", title=tr("Placed at")),
            alt.Tooltip("p50:Q", title=tr("Half took at most, h"), format=".1f"),
            alt.Tooltip("p90:Q", title=tr("9 of 10 took at most, h"), format=".1f"),
        ],
    )
    limit = alt.Chart(pl.DataFrame({"promise": [promise_hours]}))
    rule = limit.mark_rule(color=theme.BAD, strokeDash=[6, 4], strokeWidth=2).encode(
        alt.Y("promise:Q"), tooltip=[alt.Tooltip("promise:Q", title=tr("Promise, h"))]
    )
    drawn: alt.LayerChart = alt.LayerChart(layer=[shade, line, rule]).properties(width="container", height=HEIGHT)
    return drawn


def _hours(rows: pl.DataFrame, title: str, tr: Translate) -> alt.X:
    last = float(rows.select(pl.col("hour").max()).item() or 24.0)
    gap = next((gap for gap in GAPS if last / gap <= MAX_LABELS), math.ceil(last / MAX_LABELS))
    label = f"(datum.value % 24) + ':00' + (datum.value >= 24 ? ' +' + floor(datum.value / 24) + '{tr('d')}' : '')"
    axis = alt.Axis(values=list(range(0, math.ceil(last) + 1, gap)), labelExpr=label)
    return alt.X("hour:Q", title=title, axis=axis, scale=alt.Scale(domain=[0, last], nice=False))


def _clocked(rows: pl.DataFrame, tr: Translate) -> pl.DataFrame:
    """With `clock`, the hour as people say it: 30.5 is 06:30 +1d."""
    minutes = (pl.col("hour") * 60).round().cast(pl.Int64)
    two = pl.format("{}:{}", *((part.cast(pl.String).str.zfill(2)) for part in (minutes // 60 % 24, minutes % 60)))
    later = pl.when(minutes >= 1440).then(pl.format(" +{}{}", minutes // 1440, pl.lit(tr("d")))).otherwise(pl.lit(""))
    return rows.with_columns(clock=two + later)
