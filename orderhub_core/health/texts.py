"""A diagnosis in people's words: names, sentences, tiles, and tables with headings in the reader's language.

The names are English; each language translates them. Instants are shown in the time zone that is passed in.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import polars as pl

from orderhub_core.health import thresholds
from orderhub_core.health.blockages import Blockage, Rival
from orderhub_core.health.diagnosis import Diagnosis
from orderhub_core.health.thresholds import Threshold
from orderhub_core.i18n import Named, Tile, Translate, by_id

SLOW_S = 60
"""A message that has waited longer than this many seconds is a bad sign."""

INTRO = "What comes in right now, where orders stay too long, and where to go first, at most three places."
ONCE = (
    "The costliest place comes first. An order counts at one place only; “everywhere” is what no place of its stage"
    " explains."
)
LIMITS = (
    "Overdue is what stays at one stage for longer than its limit, counted from when it came there: {limits}. {where}"
)
OWN_TABLE = "The limits are the hub's own ({file}); `orderhub diagnose --thresholds FILE` takes others."
OTHER_TABLE = "The limits stand in {file}."
WITHOUT_LINES = (
    "{said} To be sent, but nothing says what is in them, so that no warehouse gets them: {n} ({orders}). Import the"
    " report of their items."
)
FEW = 5
"""Orders named in a sentence."""
NOT_APART = "the orders do not tell it apart from {places}"

HEADLINES = {
    "pending_payment": "Awaiting payment",
    "accepted": "To ship before payment",
    "paid": "Paid",
    "designing": "In design",
    "producing": "In production",
    "short": "Out of stock",
    "locked": "Stock locked",
    "labelled": "Label printed",
    "partly_shipped": "Partly shipped",
    "shipped": "Shipped",
    "in_transit": "In transit",
    "delivered": "Delivered",
    "completed": "Completed",
    "after_sale": "After-sale",
    "intercepted": "Intercepted",
    "returned": "Returned",
    "refunded": "Refunded",
    "cancelled": "Cancelled",
}
SEGMENTS = {"warehouse": "Warehouse", "carrier": "Carrier", "shop": "Shop", "province": "Province"}
COLUMNS = {**SEGMENTS, "platform": "Platform", "tracking_no": "Tracking number"}
"""What a limit may be narrowed by."""
STEPS = {
    "placed_paid": "Placed → paid or accepted",
    "paid_shipped": "Paid or accepted → shipped",
    "shipped_collected": "Shipped → collected",
    "collected_delivered": "Collected → delivered",
}
AXES = {
    "order": "Placed orders",
    "payment": "Payment",
    "fulfilment": "Fulfilment",
    "logistics": "Logistics",
    "after_sale": "After-sale",
    "invoice": "Invoice",
}
LEVELS = {"ok": "On time", "warn": "At risk", "act": "Overdue"}


def place(blockage: Blockage, tr: Translate, names: Named = by_id) -> str:
    """Where it is stuck, as a title: the stage, and the segment to blame if there is one."""
    where = _segment(blockage, tr, names) if blockage.segment else tr("everywhere")
    return f"{tr(HEADLINES[blockage.headline])} · {where}"


def _segment(one: Blockage | Rival, tr: Translate, names: Named) -> str:
    return f"{tr(SEGMENTS[one.segment])} {names(one.segment, one.value) if one.value else tr('(none)')}"


def tiles(per_minute: pl.DataFrame, as_of: int, zone: str, tr: Translate) -> list[Tile]:
    """The live figures of `flow.per_minute`. `as_of` in microseconds UTC."""
    fresh = tr("As of {time}").format(time=_clock(as_of, zone, "%Y-%m-%d %H:%M:%S"))
    return [
        (tr("Events in the last hour"), f"{per_minute['events'].sum():,}", fresh, "plain"),
        _busiest(per_minute, zone, tr),
    ]


def _busiest(per_minute: pl.DataFrame, zone: str, tr: Translate) -> Tile:
    minutes = per_minute.group_by("minute").agg(pl.col("events").sum()).sort("events", "minute", descending=True)
    if minutes.is_empty():
        return tr("Busiest minute"), "0", "", "plain"
    at, events = minutes.row(0)
    return (
        tr("Busiest minute"),
        f"{events:,}",
        tr("at {time}").format(time=f"{at.astimezone(ZoneInfo(zone)):%H:%M}"),
        "plain",
    )


def summary(found: Diagnosis, zone: str, tr: Translate) -> str:
    """The whole diagnosis in one sentence."""
    return sentence(found, _clock(found.as_of, zone, "%Y-%m-%d %H:%M"), tr)


def sentence(found: Diagnosis, time: str, tr: Translate) -> str:
    """As `summary`, of a time that is written already."""
    line = tr("Diagnosis as of {time}: {open} of {all} orders open, {overdue} overdue, {risk} at risk.")
    counts = {"open": found.open_orders.height, "all": found.orders, "overdue": found.overdue, "risk": found.at_risk}
    told = line.format(time=time, **{name: f"{count:,}" for name, count in counts.items()})
    if not (lacking := found.without_lines.height):
        return told
    named = tr(", ").join([*found.without_lines["order_no"].head(FEW), *["…"] * (lacking > FEW)])
    return tr(WITHOUT_LINES).format(said=told, n=f"{lacking:,}", orders=named)


def lines(found: Diagnosis, tr: Translate, names: Named = by_id) -> list[str]:
    """The worst blockages, a line each, worst first."""
    titles = zip(ranked(found, tr, names), found.worst, strict=True)
    return [f"{title}{tr(': ')}{_facts(blockage, tr, names)}" for title, blockage in titles]


def ranked(found: Diagnosis, tr: Translate, names: Named = by_id) -> list[str]:
    """Titles of the worst blockages with their rank, worst first."""
    return [f"{rank}. {place(blockage, tr, names)}" for rank, blockage in enumerate(found.worst, 1)]


def cards(found: Diagnosis, tr: Translate, names: Named = by_id) -> list[Tile]:
    """The worst blockages, worst first."""
    return [
        (title, tr("{n} overdue").format(n=f"{blockage.orders:,}"), _facts(blockage, tr, names), "bad")
        for title, blockage in zip(ranked(found, tr, names), found.worst, strict=True)
    ]


def _facts(blockage: Blockage, tr: Translate, names: Named) -> str:
    line = tr("{n} of {open} open orders, {hours} h over, oldest {oldest} h; {often}").format(
        n=f"{blockage.orders:,}",
        open=f"{blockage.open:,}",
        hours=f"{blockage.over_hours:,.0f}",
        oldest=f"{blockage.oldest_hours:,.0f}",
        often=_often(blockage, tr) if blockage.segment else tr("no single place stands out"),
    )
    rivals = [
        tr("{place} ({often})").format(place=_segment(rival, tr, names), often=_often(rival, tr))
        for rival in blockage.rivals
    ]
    return tr("; ").join([line, tr(NOT_APART).format(places=tr(", ").join(rivals))]) if rivals else line


def _often(one: Blockage | Rival, tr: Translate) -> str:
    often = tr("overdue {n} times as often as the rest of the stage (at least {low})")
    return often.format(n=f"{one.lift:.1f}", low=f"{one.lift_low:.1f}")


def notes(found: Diagnosis, tr: Translate) -> list[str]:
    """How blockages are to be read, where there are several."""
    return [tr(ONCE)] if len(found.worst) > 1 else []


def limits(found: Diagnosis, tr: Translate, names: Named = by_id) -> str:
    """From when on an order is overdue, stage by stage, and where that stands."""
    stages: dict[float, list[str]] = {}
    for row in found.limits:
        stages.setdefault(row.act_hours, []).append(_of(row, tr, names))
    each = [
        tr("{hours} h: {stages}").format(hours=f"{hours:g}", stages=tr(", ").join(names))
        for hours, names in sorted(stages.items())
    ]
    where = tr(OTHER_TABLE if found.limits_from else OWN_TABLE).format(file=found.limits_from or thresholds.PRESET)
    return tr(LIMITS).format(limits=tr("; ").join(each), where=where)


def _of(row: Threshold, tr: Translate, names: Named) -> str:
    """Which orders a limit holds for."""
    stage, (column, _, value) = tr(HEADLINES[row.headline.value]), row.segment.partition("=")
    if not row.segment:
        return stage
    told = names(column, value) if value else tr("none")
    return tr("{stage} ({column}: {value})").format(stage=stage, column=tr(COLUMNS[column]), value=told)


def orders(members: pl.DataFrame, zone: str, tr: Translate) -> pl.DataFrame:
    """The orders of a blockage (`blockages.members`) as a table."""
    return members.select(
        pl.col("order_no").alias(tr("Order")),
        pl.col("headline_at").dt.convert_time_zone(zone).dt.strftime("%m-%d %H:%M").alias(tr("Since")),
        pl.col("age_h").round(1).alias(tr("Hours here")),
        pl.col("act_h").alias(tr("Limit, h")),
        pl.col("over_h").round(1).alias(tr("Hours over")),
        *(pl.col(name).fill_null("").alias(tr(label)) for name, label in SEGMENTS.items()),
    )


def stages(rows: pl.DataFrame, tr: Translate) -> pl.DataFrame:
    """`Diagnosis.stages` as a table."""
    return rows.select(
        _named("headline", HEADLINES, tr).alias(tr("Stage")),
        pl.col("orders").alias(tr("Open orders")),
        pl.col("warn").alias(tr("At risk")),
        pl.col("act").alias(tr("Overdue")),
        pl.col("p50_h").round(1).alias(tr("Median, h")),
        pl.col("p90_h").round(1).alias(tr("9 of 10, h")),
        pl.col("oldest_h").round(1).alias(tr("Oldest, h")),
    )


def steps(rows: pl.DataFrame, tr: Translate) -> pl.DataFrame:
    """`Diagnosis.steps` as a table."""
    return rows.select(
        _named("step", STEPS, tr).alias(tr("Step")),
        pl.col("orders").alias(tr("Orders")),
        pl.col("p50_h").round(2).alias(tr("Median, h")),
        pl.col("p90_h").round(2).alias(tr("9 of 10, h")),
        pl.col("p99_h").round(2).alias(tr("99 of 100, h")),
    )


def _named(column: str, names: dict[str, str], tr: Translate) -> pl.Expr:
    return pl.col(column).cast(pl.String).replace({name: tr(text) for name, text in names.items()})


def _clock(at: int, zone: str, form: str) -> str:
    return f"{datetime.fromtimestamp(at / 1e6, ZoneInfo(zone)):{form}}"
