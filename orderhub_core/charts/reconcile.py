"""From paid to shipped as a picture: one bar per cause, each beginning where the one before it ended."""

from __future__ import annotations

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
WHOLE = ("paid", "outbound")
"""The two ends of the way."""
ROOM = 0.04
"""Of the axis beyond the outermost bar."""


def steps(found: Reconciliation, tr: Translate) -> pl.DataFrame:
    """`Reconciliation.steps` in major units with what a chart shows: `name`, `kind`, `said`, `label` (both), `start`,
    `end`, `whole` (a total)."""
    groups = {cause.value: GROUPS[cause].value for cause in Cause}
    names = {code: tr(name) for code, name in (texts.STEPS | texts.CAUSES).items()}
    kinds = {"total": tr("Total"), **{code: tr(name) for code, name in texts.KINDS.items()}}
    rows = found.steps()
    kind = pl.col("step").replace_strict(groups, default="total")
    return rows.select(
        pl.col("step").replace(names).alias("name"),
        kind.replace(kinds).alias("kind"),
        pl.Series("said", _said(rows, found.decimals), dtype=pl.String),
        start=texts.major("from_minor", found.decimals),
        end=texts.major("to_minor", found.decimals),
        whole=pl.col("step").is_in(WHOLE),
    ).with_columns(label=pl.format("{}  {}", "name", "said"))


def _said(rows: pl.DataFrame, decimals: int) -> list[str]:
    """The amount of each step, with its sign on the way between the two totals."""
    moves = rows.select("step", pl.col("to_minor") - pl.col("from_minor")).iter_rows()
    return [("+" if move > 0 and step not in WHOLE else "") + texts.amount(move, decimals) for step, move in moves]


def waterfall(found: Reconciliation, tr: Translate) -> alt.LayerChart:
    """What was paid, the steps down and up, and what went out, each under its name and amount: phones are narrow.

    The two totals are lines, not bars: the axis begins near the steps, so that small ones can be seen.
    """
    rows = steps(found, tr)
    present = set(rows["kind"])
    kinds = {
        tr("Total"): COLOURS["total"],
        **{tr(texts.KINDS[code]): COLOURS[code] for code in COLOURS if code != "total"},
    }
    shown = {name: colour for name, colour in kinds.items() if name in present}
    ends = pl.concat([rows["end"], rows["start"].filter(~rows["whole"])])
    low, high = float(ends.min() or 0), float(ends.max() or 0)  # type: ignore[arg-type]  # a column of floats
    room = (high - low or abs(high) or 1) * ROOM
    axis = alt.Axis(format=",.0f", tickCount=3)
    across = alt.Scale(domain=[low - room, high + room], zero=False, nice=False)
    colour = alt.Color(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=list(shown), range=list(shown.values())),
        legend=alt.Legend(columns=2),
    )
    hints = [alt.Tooltip("name:N", title=tr("Step")), alt.Tooltip("said:N", title=tr("Amount"))]
    base = alt.Chart(rows).encode(alt.Y("label:N", title=None, sort=rows["label"].to_list(), axis=theme.ABOVE))
    bars = base.transform_filter("!datum.whole").mark_bar(height=11, yOffset=9)
    bars = bars.encode(
        alt.X("start:Q", title=found.currency, axis=axis, scale=across), alt.X2("end:Q"), colour, tooltip=hints
    )
    totals = base.transform_filter("datum.whole").mark_tick(thickness=4, size=17, yOffset=9)
    totals = totals.encode(alt.X("end:Q", scale=across), colour, tooltip=hints)
    drawn: alt.LayerChart = alt.LayerChart(layer=[bars, totals])
    return drawn.properties(width="container", height=alt.Step(38))
