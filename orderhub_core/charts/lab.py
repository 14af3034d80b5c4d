"""The rule lab in pictures: who goes from where to where, and what comes to each warehouse hour by hour."""

from __future__ import annotations

import altair as alt
import polars as pl

from orderhub_core.charts import theme
from orderhub_core.i18n import Translate
from orderhub_core.rules.lab import tables
from orderhub_core.rules.lab.texts import Words

CELL = 44
"""Pixels of a row of the matrix."""
INK, STAYS = "#1b1d22", "#c9ced6"
PICK = "cell"
"""The selection of a cell: fields `before` and `after`, what both books want."""


def matrix(rows: pl.DataFrame, verb: str, words: Words) -> alt.LayerChart:
    """Heatmap of MATRIX (`lab.comparing`) of a verb: rows are what the book in force wants, columns the draft. Who
    stays is grey, as most do; the others are shaded by their number. A click picks a cell."""
    tr = words.tr
    told = tables.matrix(rows, verb, words).select(
        "orders",
        before="from",
        after="to",
        row="from_name",
        column="to_name",
        stays=pl.col("from") == pl.col("to"),
        number=pl.col("orders").cast(pl.String),
        amount=pl.col("amount_minor") / 100,
    )
    names = dict(sorted({*told.select("before", "row").iter_rows(), *told.select("after", "column").iter_rows()}))
    # Nothing wanted comes last, and has an empty key.
    domain = [name for key, name in names.items() if key] + [name for key, name in names.items() if not key]
    most = max(told.filter(~pl.col("stays"))["orders"].to_list(), default=1)
    base = alt.Chart(_inline(told)).encode(
        alt.X(
            "column:N",
            title=tr("Under the draft"),
            scale=alt.Scale(domain=domain),
            axis=alt.Axis(orient="top", labelAngle=-30, labelLimit=90),
        ),
        alt.Y("row:N", title=tr("In force"), scale=alt.Scale(domain=domain), axis=alt.Axis(labelLimit=90)),
    )
    shade = alt.Color("orders:Q", scale=alt.Scale(domain=[0, most], range=list(theme.RAMP)), legend=None)
    cells = (
        base.mark_rect(cursor="pointer", width=alt.RelativeBandSize(0.98), height=alt.RelativeBandSize(0.94))
        .encode(
            color=alt.condition("datum.stays", alt.value(STAYS), shade),
            tooltip=[
                alt.Tooltip("row:N", title=tr("In force")),
                alt.Tooltip("column:N", title=tr("Under the draft")),
                alt.Tooltip("orders:Q", title=tr("Orders"), format=","),
                alt.Tooltip("amount:Q", title=tr("Amount"), format=",.2f"),
            ],
        )
        .add_params(alt.selection_point(PICK, fields=["before", "after"], empty=False))
    )
    # Cells have a ground of their own on light pages and dark ones, so their numbers have a colour of their own, too.
    light = alt.condition(f"!datum.stays && datum.orders > {most * 0.5}", alt.value("white"), alt.value(INK))
    numbers = base.mark_text(fontSize=12).encode(text=alt.Text("orders:Q", format=","), color=light)
    return alt.LayerChart(layer=[cells, numbers]).properties(width="container", height=alt.Step(CELL))


MOST_STEPS = 500
"""Points of a line; of a longer time each is the busiest hour of several."""


def hours(rows: pl.DataFrame, limit: int | None, zone: str, tr: Translate) -> alt.LayerChart:
    """What comes to one warehouse (of `lab.loads.LOADS`) hour by hour under both books, and what it can do."""
    names = {"before": tr("In force"), "after": tr("Under the draft")}
    local = pl.col("hour").dt.convert_time_zone(zone)
    busiest = (
        rows.with_row_index("step")
        .group_by(pl.col("step") // (rows.height // MOST_STEPS + 1), maintain_order=True)
        .agg(pl.col("hour").first(), *(pl.col(name).max() for name in names))
    )
    long = (
        busiest.select(
            *names, at=local.dt.replace_time_zone(None).dt.epoch("ms"), hour=local.dt.strftime("%Y-%m-%d %H:%M")
        )
        .unpivot(list(names), index=["at", "hour"], variable_name="book", value_name="orders")
        .with_columns(pl.col("book").replace(names))
    )
    colours = alt.Scale(domain=list(names.values()), range=[theme.QUIET, theme.ACCENT])
    lines = (
        alt.Chart(_inline(long))
        .mark_line(interpolate="step-after", strokeWidth=1.5)
        .encode(
            alt.X(
                "at:T",
                title=None,
                scale=alt.Scale(type="utc"),
                axis=alt.Axis(format=theme.DAY_AND_TIME, labelOverlap=True),
            ),
            alt.Y("orders:Q", title=tr("Orders an hour")),
            alt.Color("book:N", title=None, scale=colours),
            tooltip=[
                alt.Tooltip("hour:N", title=tr("Hour")),
                alt.Tooltip("book:N", title=tr("Book")),
                alt.Tooltip("orders:Q", title=tr("Orders"), format=","),
            ],
        )
    )
    layers: list[alt.Chart] = [lines]
    if limit is not None:
        line = alt.Chart(_inline(pl.DataFrame({"limit": [limit]}))).mark_rule(color=theme.BAD, strokeDash=[5, 4])
        layers.append(line.encode(alt.Y("limit:Q"), tooltip=alt.Tooltip("limit:Q", title=tr("Limit an hour"))))
    return alt.LayerChart(layer=layers).properties(width="container", height=200)


def _inline(rows: pl.DataFrame) -> alt.InlineData:
    """Within the chart itself. Data in a file of their own are gone when the browser asks for them, where a slider has
    drawn the next chart meanwhile."""
    return alt.InlineData(rows.to_dicts())
