"""How the drawn orders fared, and how the weeks did: shares, with what the samples prove of each."""

from __future__ import annotations

import altair as alt
import polars as pl

from orderhub_core.audit import sampling
from orderhub_core.audit.texts import VERDICTS
from orderhub_core.audit.verdicts import CONSISTENT
from orderhub_core.charts import theme
from orderhub_core.i18n import Translate


def shares(by_verdict: dict[str, int], tr: Translate) -> pl.DataFrame:
    """One row per verdict: `verdict` (its name), `orders`, `share`, and the exact interval `low` to `high`."""
    total = sum(by_verdict.values())
    proved = [sampling.interval(count, total) for count in by_verdict.values()]
    return pl.DataFrame(
        {
            "verdict": [tr(VERDICTS[verdict]) for verdict in by_verdict],
            "consistent": [verdict in CONSISTENT for verdict in by_verdict],
            "orders": list(by_verdict.values()),
            "share": [count / total if total else 0.0 for count in by_verdict.values()],
            "low": [interval.low for interval in proved],
            "high": [interval.high for interval in proved],
        },
        schema_overrides={"orders": pl.Int64},
    )


def verdicts(rows: pl.DataFrame, tr: Translate) -> alt.LayerChart | alt.FacetChart:
    """Bars of `shares`; the thin rule is the interval in which the whole population's share lies."""
    across = alt.X(
        "share:Q", title=tr("Share of the sample"), axis=alt.Axis(format=".0%"), scale=alt.Scale(domain=[0, 1])
    )
    down = alt.Y("verdict:N", title=None, sort=None, axis=alt.Axis(labelLimit=220))
    hints = [
        alt.Tooltip("verdict:N", title=tr("Verdict")),
        alt.Tooltip("orders:Q", title=tr("Number of orders")),
        alt.Tooltip("low:Q", title=tr("At least"), format=".1%"),
        alt.Tooltip("high:Q", title=tr("At most"), format=".1%"),
    ]
    colour = alt.when(alt.datum.consistent).then(alt.value(theme.GOOD)).otherwise(alt.value(theme.BAD))
    base = alt.Chart(rows).encode(down)
    bars = base.mark_bar(height={"band": 0.62}).encode(x=across, color=colour, tooltip=hints)
    proved = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q"), x2=alt.X2("high:Q"), tooltip=hints)
    return alt.layer(bars, proved).properties(width="container", height=alt.Step(30))


def suspects(rows: pl.DataFrame, tr: Translate) -> alt.Chart:
    """Bars of `verdict` by number of `orders`, parted by `touchpoint`, which is probably wrong."""
    hints = [
        alt.Tooltip("verdict:N", title=tr("Verdict")),
        alt.Tooltip("touchpoint:N", title=tr("Probably wrong")),
        alt.Tooltip("orders:Q", title=tr("Number of orders"), format=","),
    ]
    bars = alt.Chart(rows).mark_bar(height={"band": 0.62})
    drawn: alt.Chart = bars.encode(
        alt.X("orders:Q", title=tr("Number of orders"), axis=alt.Axis(format=",d", tickMinStep=1)),
        alt.Y("verdict:N", title=None, sort=None, axis=alt.Axis(labelLimit=220)),
        alt.Color("touchpoint:N", title=tr("Probably wrong"), sort=None, legend=alt.Legend(columns=2)),
        tooltip=hints,
    )
    return drawn.properties(width="container", height=alt.Step(30))


def weeks(rows: pl.DataFrame, tr: Translate) -> list[alt.LayerChart]:
    """One point per week of `trend.rates`, the rule its exact interval. Weeks without judgements stay empty; where all
    do, there is no chart."""
    names = rows.filter(pl.col("judged") > 0).with_columns(pl.col("week").cast(pl.String))
    if names.is_empty():
        return []
    down = alt.Y("rate:Q", title=tr("Consistent"), axis=alt.Axis(format=".0%"), scale=alt.Scale(zero=False))
    hints = [
        alt.Tooltip("week:N", title=tr("Week of")),
        alt.Tooltip("judged:Q", title=tr("Judged")),
        alt.Tooltip("rate:Q", title=tr("Consistent"), format=".1%"),
        alt.Tooltip("low:Q", title=tr("At least"), format=".1%"),
        alt.Tooltip("high:Q", title=tr("At most"), format=".1%"),
    ]
    base = alt.Chart(names).encode(alt.X("week:O", title=tr("Week of"), axis=alt.Axis(labelAngle=0)), tooltip=hints)
    proved = base.mark_rule(strokeWidth=2).encode(alt.Y("low:Q", title=None), alt.Y2("high:Q"))
    drawn: alt.LayerChart = alt.LayerChart(layer=[proved, base.mark_point(size=80).encode(down)])
    return [drawn.properties(width="container", height=180)]
