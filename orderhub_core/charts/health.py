"""The flow of news, and how long orders stay, as pictures."""

from __future__ import annotations

import altair as alt
import polars as pl

from orderhub_core.charts import theme
from orderhub_core.frames import INSTANT
from orderhub_core.health import texts
from orderhub_core.i18n import Translate

COLOURS = {"ok": theme.QUIET, "warn": theme.CATEGORIES[1], "act": theme.BAD}
SHORTEST_H = 1 / 60
"""A logarithmic axis has no zero: shorter stays are drawn as a minute."""


def flow(rows: pl.DataFrame, as_of: int, zone: str, tr: Translate) -> alt.Chart:
    """Stacked bars of `health.flow.per_minute`, one per minute of the hour up to `as_of`, in the clock of `zone`."""
    names = {axis: tr(name) for axis, name in texts.AXES.items()}
    clock = pl.col("minute").dt.convert_time_zone(zone).dt.strftime("%H:%M").alias("clock")
    shown = rows.with_columns(pl.col("axis").replace(names), clock)
    last = pl.lit(as_of).cast(INSTANT).dt.truncate("1m")
    whole = pl.select(minute=pl.datetime_range(last - pl.duration(minutes=59), last, "1m")).select(clock)
    minutes = whole["clock"].to_list()
    tens = alt.Axis(values=[minute for minute in minutes if minute.endswith("0")], labelAngle=0)
    drawn: alt.Chart = (
        alt.Chart(shown)
        .mark_bar()
        .encode(
            alt.X("clock:O", title=None, axis=tens, scale=alt.Scale(domain=minutes)),
            alt.Y("events:Q", title=tr("Events per minute"), axis=alt.Axis(tickMinStep=1)),
            alt.Color("axis:N", title=None, scale=alt.Scale(domain=list(names.values())), legend=alt.Legend(columns=2)),
            tooltip=[
                alt.Tooltip("clock:N", title=tr("Minute")),
                alt.Tooltip("axis:N", title=tr("Kind")),
                alt.Tooltip("events:Q", title=tr("Events"), format=","),
            ],
        )
    )
    return drawn.properties(width="container", height=200)


def levels(stages: pl.DataFrame, tr: Translate) -> alt.Chart:
    """How many orders of each headline (`health.dwell.stages`) are on time, at risk and overdue."""
    names = {level: tr(name) for level, name in texts.LEVELS.items()}
    rows = (
        _named(stages, tr)
        .with_columns(ok=pl.col("orders").cast(pl.Int64) - pl.col("warn") - pl.col("act"))
        .unpivot(on=["ok", "warn", "act"], index=["stage", "oldest_h"], variable_name="level", value_name="count")
        .with_columns(level=pl.col("level").replace(names), rank=pl.col("level").replace_strict(_ranks(names)))
    )
    drawn: alt.Chart = (
        alt.Chart(rows)
        .mark_bar(height={"band": 0.62})
        .encode(
            alt.X("count:Q", title=tr("Open orders"), axis=alt.Axis(format=",d", tickMinStep=1, tickCount=4)),
            alt.Y("stage:N", title=None, sort=None),
            alt.Color(
                "level:N",
                title=None,
                scale=alt.Scale(domain=list(names.values()), range=[COLOURS[level] for level in names]),
            ),
            alt.Order("rank:Q"),
            tooltip=[
                alt.Tooltip("stage:N", title=tr("Stage")),
                alt.Tooltip("level:N", title=tr("Level")),
                alt.Tooltip("count:Q", title=tr("Orders"), format=","),
                alt.Tooltip("oldest_h:Q", title=tr("Oldest, h"), format=",.1f"),
            ],
        )
    )
    return drawn.properties(width="container", height=alt.Step(30))


def dwell(stages: pl.DataFrame, tr: Translate) -> alt.LayerChart:
    """How long the open orders of each headline have stayed: a dot at the median, a rule to nine tenths."""
    hours = [pl.col(column).clip(lower_bound=SHORTEST_H) for column in ("p50_h", "p90_h")]
    base = alt.Chart(_named(stages, tr).with_columns(hours)).encode(alt.Y("stage:N", title=None, sort=None))
    across = alt.X("p50_h:Q", title=tr("Hours at this stage so far"), scale=alt.Scale(type="log"))
    hints = [
        alt.Tooltip("stage:N", title=tr("Stage")),
        alt.Tooltip("p50_h:Q", title=tr("Half longer than, h"), format=",.1f"),
        alt.Tooltip("p90_h:Q", title=tr("1 of 10 longer than, h"), format=",.1f"),
        alt.Tooltip("oldest_h:Q", title=tr("Oldest, h"), format=",.1f"),
    ]
    reach = base.mark_rule(strokeWidth=3, color=theme.ACCENT, opacity=0.45).encode(across, alt.X2("p90_h:Q"))
    middle = base.mark_point(size=80).encode(across, tooltip=hints)
    drawn: alt.LayerChart = alt.LayerChart(layer=[reach, middle]).properties(width="container", height=alt.Step(30))
    return drawn


def _named(stages: pl.DataFrame, tr: Translate) -> pl.DataFrame:
    names = {headline: tr(name) for headline, name in texts.HEADLINES.items()}
    return stages.with_columns(stage=pl.col("headline").cast(pl.String).replace(names))


def _ranks(names: dict[str, str]) -> dict[str, int]:
    return {level: place for place, level in enumerate(names)}
