"""Where the points of the credibility index are lost, how it was day by day, and what changed it, as pictures."""

from __future__ import annotations

import altair as alt
import polars as pl

from orderhub_core.audit.credibility import texts
from orderhub_core.audit.credibility.change import Change
from orderhub_core.charts import theme
from orderhub_core.i18n import Named, Translate, by_id

SHOWN = 12
"""Bars of the dearest losses."""
LABELS = 4
"""So many days have room under a chart on a phone."""
COLOURS = dict(zip(texts.PARTS, theme.CATEGORIES, strict=False))


def losses(rows: pl.DataFrame, tr: Translate, names: Named = by_id) -> alt.Chart:
    """Bars of the dearest of `credibility.losses`, coloured by part, each under its name: phones are narrow."""
    parts = [tr(name) for name in texts.PARTS.values()]
    hints = [
        alt.Tooltip("label:N", title=tr("Reason")),
        alt.Tooltip("points:Q", title=tr("Points lost"), format=".4f"),
        alt.Tooltip("orders:Q", title=tr("Orders"), format=","),
    ]
    base = alt.Chart(texts.labelled(rows.head(SHOWN), tr, names)).encode(
        alt.Y("label:N", title=None, sort=None, axis=theme.ABOVE)
    )
    bars = base.mark_bar(height=10, yOffset=9).encode(
        alt.X("points:Q", title=tr("Points lost"), axis=alt.Axis(format=".2~f")),
        alt.Color("part:N", title=None, scale=alt.Scale(domain=parts, range=list(COLOURS.values()))),
        tooltip=hints,
    )
    drawn: alt.Chart = bars.properties(width="container", height=alt.Step(38))
    return drawn


def by_placing(rows: pl.DataFrame, tr: Translate) -> alt.Chart:
    """The index and its parts by the day of placing (`history.by_placing`), 0 to 100."""
    parts = {part: tr(name) for part, name in texts.PARTS.items() if part in rows.columns}
    names = {"index": tr("Credibility index"), **parts}
    long = (
        rows.with_columns(pl.col(list(parts)) * 100)
        .unpivot(list(names), index=["day", "orders"], variable_name="what", value_name="value")
        .with_columns(pl.col("what").replace(names))
    )
    colours = ["#8a94a3" if name == "index" else COLOURS[name] for name in names]
    return _lines(long, list(names.values()), colours, tr("By day of placing, as they stand now"), tr)


def per_day(rows: pl.DataFrame, tr: Translate) -> alt.Chart:
    """Of each day's updates (`history.coarse_days`), the share within 90 s and within the targets, 0 to 100."""
    names = {"raw": tr("Within {n} s").format(n=90), "fresh": tr("Within its target")}
    long = (
        rows.filter(pl.col("updates") > 0)
        .with_columns(pl.col(list(names)) * 100 / pl.col("updates"), orders="updates")
        .unpivot(list(names), index=["day", "orders"], variable_name="what", value_name="value")
        .with_columns(pl.col("what").replace(names))
    )
    return _lines(long, list(names.values()), list(theme.CATEGORIES[:2]), tr("Real-time update rate, by day"), tr)


def _lines(rows: pl.DataFrame, names: list[str], colours: list[str], title: str, tr: Translate) -> alt.Chart:
    # Small differences near the top are what there is to see; where there are none, the line lies at the top.
    low = min([95.0, *(5 * (value // 5) for value in rows["value"].drop_nulls())])
    drawn: alt.Chart = (
        alt.Chart(rows, title=title)
        .mark_line(point=True)
        .encode(
            alt.X("day:T", title=None, axis=_days(rows["day"])),
            alt.Y("value:Q", title=tr("0 to 100"), scale=alt.Scale(domain=[low, 100])),
            alt.Color("what:N", title=None, scale=alt.Scale(domain=names, range=colours), legend=alt.Legend(columns=2)),
            tooltip=[
                alt.Tooltip("day:T", title=tr("Day"), format="%Y-%m-%d"),
                alt.Tooltip("what:N", title=tr("Part")),
                alt.Tooltip("value:Q", title=tr("0 to 100"), format=".2f"),
                alt.Tooltip("orders:Q", title=tr("Count"), format=","),
            ],
        )
    )
    return drawn.properties(width="container", height=240)


def _days(days: pl.Series) -> alt.Axis:
    """A label for each day, or for every so many of them, counted back from the last."""
    there = days.unique().sort(descending=True)
    named = there.gather_every(-(-len(there) // LABELS) or 1)
    values = [alt.DateTime(year=day.year, month=day.month, date=day.day) for day in named]
    return alt.Axis(format="%m-%d", values=values, labelFlush=True)


def change(found: Change, tr: Translate) -> alt.Chart:
    """Per group, what mix and rate did to the index (`change.explained`), all parts together."""
    names = {name: tr(texts.EFFECTS[name]) for name in ("mix", "rate")}
    long = (
        found.rows.group_by("group")
        .agg(pl.col("mix", "rate").sum())
        .with_columns(pl.col("group").replace("", tr("(none)")))
        .sort((pl.col("mix") + pl.col("rate")).abs(), descending=True)
        .unpivot(list(names), index="group", variable_name="effect", value_name="points")
        .with_columns(pl.col("effect").replace(names), points=texts.rounded(pl.col("points")))
    )
    drawn: alt.Chart = (
        alt.Chart(long)
        .mark_bar(height={"band": 0.62})
        .encode(
            alt.X("points:Q", title=tr("Points")),
            alt.Y("group:N", title=None, sort=None),
            alt.Color("effect:N", title=None, scale=alt.Scale(domain=list(names.values()))),
            tooltip=[
                alt.Tooltip("group:N", title=tr("Group")),
                alt.Tooltip("effect:N", title=tr("Effect")),
                alt.Tooltip("points:Q", title=tr("Points"), format="+.4f"),
            ],
        )
    )
    return drawn.properties(width="container", height=alt.Step(30))
