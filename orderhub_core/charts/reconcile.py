"""From paid to shipped as a picture: one bar per cause, each beginning where the one before it ended."""

from __future__ import annotations

from typing import Literal

import altair as alt
import polars as pl

from orderhub_core.audit.reconcile import texts
from orderhub_core.audit.reconcile.causes import GROUPS, Cause
from orderhub_core.audit.reconcile.result import Reconciliation
from orderhub_core.charts import theme
from orderhub_core.i18n import Translate

COLOURS = {
    "total": theme.ACCENT,
    "timing": theme.QUIET,
    "open": theme.CATEGORIES[1],
    "loss": theme.BAD,
    "books": theme.CATEGORIES[4],
    "data": theme.CATEGORIES[3],
}
ROOM = 0.04
"""Of the axis beyond the outermost bar."""
WIDE = 0.45
"""A bar that takes more of the axis than this has its figure inside."""
INK = "#757f8f"
"""Of figures outside bars: read on light cards and on dark ones."""
PLACES: tuple[tuple[str, str, Literal["left", "right"], int, str], ...] = (
    ("left", "left", "right", -6, INK),
    ("right", "right", "left", 6, INK),
    ("inside", "right", "right", -6, "white"),
)
"""Where a figure stands: its name, the end of the bar that it keeps to, its alignment, distance and colour."""


def steps(found: Reconciliation, tr: Translate) -> pl.DataFrame:
    """`Reconciliation.steps` in major units with what a chart shows: `name`, `kind`, `said`, `start`, `end`, `whole`
    (a total), its ends `left` and `right`, and where its figure has room (`beside`, see PLACES)."""
    groups = {cause.value: GROUPS[cause].value for cause in Cause}
    names = {code: tr(name) for code, name in (texts.STEPS | texts.CAUSES).items()}
    kinds = {"total": tr("Total"), **{code: tr(name) for code, name in texts.KINDS.items()}}
    rows = found.steps()
    moves = (rows["to_minor"] - rows["from_minor"]).to_list()
    kind = pl.col("step").replace_strict(groups, default="total")
    return (
        rows.select(
            pl.col("step").replace(names).alias("name"),
            kind.replace(kinds).alias("kind"),
            pl.Series("said", [texts.amount(move, found.decimals) for move in moves], dtype=pl.String),
            start=texts.major("from_minor", found.decimals),
            end=texts.major("to_minor", found.decimals),
            whole=pl.col("step").is_in(["paid", "outbound"]),
        )
        .with_columns(
            left=pl.when("whole").then("end").otherwise(pl.min_horizontal("start", "end")),
            right=pl.when("whole").then("end").otherwise(pl.max_horizontal("start", "end")),
        )
        .with_columns(beside=_beside())
    )


def _beside() -> pl.Expr:
    left, right = pl.col("left"), pl.col("right")
    return (
        pl.when(right - left > WIDE * (right.max() - left.min()))
        .then(pl.lit("inside"))
        .when(left + right > left.min() + right.max())
        .then(pl.lit("left"))
        .otherwise(pl.lit("right"))
    )


def waterfall(found: Reconciliation, tr: Translate) -> alt.LayerChart:
    """What was paid, the steps down and up, and what went out.

    The two totals are lines, not bars: the axis begins near the steps, so that small ones can be seen.
    """
    rows = steps(found, tr)
    present = set(rows["kind"])
    kinds = {
        tr("Total"): COLOURS["total"],
        **{tr(texts.KINDS[code]): COLOURS[code] for code in COLOURS if code != "total"},
    }
    shown = {name: colour for name, colour in kinds.items() if name in present}
    low, high = (float(end or 0) for end in rows.select(pl.min("left"), pl.max("right")).row(0))
    room = (high - low or abs(high) or 1) * ROOM
    axis = alt.Axis(format=",.0f", tickCount=4)
    across = alt.Scale(domain=[low - room, high + room], zero=False, nice=False)
    colour = alt.Color(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=list(shown), range=list(shown.values())),
        legend=alt.Legend(columns=2),
    )
    hints = [alt.Tooltip("name:N", title=tr("Step")), alt.Tooltip("said:N", title=tr("Amount"))]
    down = alt.Y("name:N", title=None, sort=rows["name"].to_list(), axis=alt.Axis(labelLimit=220))
    base = alt.Chart(rows).encode(down)
    bars = base.transform_filter("!datum.whole").mark_bar(height={"band": 0.62})
    bars = bars.encode(
        alt.X("start:Q", title=found.currency, axis=axis, scale=across), alt.X2("end:Q"), colour, tooltip=hints
    )
    totals = base.transform_filter("datum.whole").mark_tick(thickness=4, size=20)
    totals = totals.encode(alt.X("end:Q", scale=across), colour, tooltip=hints)
    words = [
        base.transform_filter(f"datum.beside == '{place}'")
        .mark_text(align=align, dx=dx, fontSize=11, color=ink)
        .encode(alt.X(f"{end}:Q", scale=across), alt.Text("said:N"))
        for place, end, align, dx, ink in PLACES
    ]
    drawn: alt.LayerChart = alt.LayerChart(layer=[bars, totals, *words]).properties(
        width="container", height=alt.Step(26)
    )
    return drawn
