"""The credibility index in people's words. English here; each language translates it."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import polars as pl

from orderhub_core.audit.credibility import losses as lost
from orderhub_core.audit.credibility.change import Change
from orderhub_core.audit.credibility.freshness import RAW_S
from orderhub_core.audit.credibility.index import DIMENSIONS, Index
from orderhub_core.i18n import Named, Tile, Translate, by_id

PARTS = {"freshness": "Freshness", "consistency": "Consistency", "traceability": "Traceability"}
FIELDS = {
    "order": "The order itself",
    "payment": "Payment",
    "fulfilment": "Fulfilment",
    "logistics": "Logistics",
    "after_sale": "After-sale",
    "invoice": "Invoice",
    "status": "Status word",
    "decision": "Decision",
    "review": "Judgement",
}
CAUSES = {
    "late": "came later than its target",
    "ahead": "is dated in the future",
    "untimed": "has no time of its own",
    "silent": "source silent, order open",
    "lagging": "touchpoints disagree, news still young",
    "not_comparable": "cannot be compared",
    "unknown_word": "unknown word",
    "missing": "missing at a touchpoint",
    "duplicate": "held twice",
    "conflict": "touchpoints disagree",
    "no_source": "entry without a source",
    "no_message": "entry without its message",
    "no_rule": "decision without rule or version",
    "unreached": "state that the log does not lead to",
    "no_log": "order without a log",
}
NOBODY = {"freshness": "the hub", "consistency": "unclear which", "traceability": "the hub"}
"""What is said where no source is named."""
SEGMENTS = {"shop": "Shop", "warehouse": "Warehouse", "carrier": "Carrier"}
BASES = {
    "settings": "from the settings",
    "kind": "least for its kind",
    "polled": "twice its polling interval",
    "learned": "learned from its best day",
}
HELP = {
    "freshness": "Freshness: of the last word of every source on every field of an order, the share that reached the"
    " hub within that source's target. The target is the largest of 90 seconds (files: a day), twice the polling"
    " interval, and three times the median delay of the source's best day; the settings may name another. What happened"
    " before the hub first heard of a source is not counted.",
    "consistency": "Consistency: the share of orders whose touchpoints agree, that is whose verdict is equal or"
    " compatible. What is missing, unknown or cannot be compared never agrees.",
    "traceability": "Traceability: of all log entries and all present states of orders, the share that can be traced."
    " An entry names its source and its message, a decision also its rule and version; a state follows from the log.",
    "losses": "Every failed check costs 100 × the weight of its part ÷ the checks of that part. The points lost and the"
    " index add up to 100, however they are split.",
    "settings": "Weights and targets stand in orderhub.toml under [credibility]; docs/credibility.md tells how.",
}
PAST = (
    "By the day of placing, orders are counted as they stand now: of a touchpoint only its last word is at hand here."
    " What it showed on a past day must be read again from its messages, as long as they are kept; orderhub audit"
    " orders --as-of TIME does so, for one moment at a time. How soon the hub heard of things is known of every past"
    " day from the log."
)
NOT_CHECKED = "not checked"


def tiles(found: Index, tr: Translate) -> list[Tile]:
    """The index, its parts, and how much reached the hub within 90 seconds."""
    value = found.value
    parts = [_tile(found, part, tr) for part in PARTS]
    unchecked = tr(", ").join(tr(name) for part, name in PARTS.items() if part not in found.weights)
    without = tr("; nothing is known of: {parts}").format(parts=unchecked) if unchecked else ""
    words, raw = (int(found.by_source[name].sum()) for name in ("words", "raw"))
    return [
        (
            tr("Credibility index"),
            "–" if value is None else f"{value:.1f}",
            "" if value is None else tr("{points} of 100 points lost").format(points=f"{100 - value:.2f}") + without,
            "plain",
        ),
        *parts,
        (
            tr("Within {n} s").format(n=RAW_S),
            f"{raw / words:.1%}" if words else "–",
            tr("of last words, whatever their source can give"),
            "plain",
        ),
    ]


def _tile(found: Index, part: str, tr: Translate) -> Tile:
    share = found.parts[part]
    if share.rate is None:
        return tr(PARTS[part]), "–", tr(NOT_CHECKED), "plain"
    counts = tr("{good} of {of}").format(good=f"{share.good:,}", of=f"{share.of:,}")
    weight = tr("weight {weight}").format(weight=f"{found.weights[part]:.0%}")
    return tr(PARTS[part]), f"{share.rate:.2%}", f"{counts} · {weight}", "plain"


def formula(found: Index, tr: Translate) -> str:
    """How the index follows from its parts, with the figures put in."""
    if found.value is None:
        return tr("Nothing could be checked yet: there is no index.")
    sum_of = " + ".join(
        f"{weight:.3g} × {tr(PARTS[part])} {found.parts[part].rate:.4f}" for part, weight in found.weights.items()
    )
    sentence = tr("Index = 100 × ({sum}) = {value}.").format(sum=sum_of, value=f"{found.value:.2f}")
    left_out = [tr(PARTS[part]) for part in PARTS if part not in found.weights]
    if not left_out:
        return sentence
    without = tr("Left out, because nothing could be checked for it: {parts}. The others keep their proportions.")
    return f"{sentence} {without.format(parts=tr(', ').join(left_out))}"


def splits(tr: Translate) -> dict[str, tuple[str, ...]]:
    """What losses may be split by: names to dimensions."""
    alone = {tr(name): (key,) for key, name in SEGMENTS.items()}
    return {tr("Cause only"): (), **alone, tr("Shop, warehouse and carrier"): DIMENSIONS}


def labelled(rows: pl.DataFrame, tr: Translate, names: Named = by_id) -> pl.DataFrame:
    """`losses`, by name, with one more column `label`: where, on what, why."""
    there = [name for name in DIMENSIONS if name in rows.columns]
    called = rows.with_columns(_called(rows, name, name, names) for name in ("source", *there))
    dimensions = [pl.col(name).replace("", tr("(none)")) for name in there]
    label = pl.concat_str(
        _source(tr), _named("field", FIELDS, tr), _named("cause", CAUSES, tr), *dimensions, separator=" · "
    )
    return called.with_columns(label=label, part=_named("part", PARTS, tr))


def losses(rows: pl.DataFrame, tr: Translate) -> pl.DataFrame:
    """`losses` as a table; its first column counts the rows from 1."""
    dimensions = [
        pl.col(name).replace("", tr("(none)")).alias(tr(SEGMENTS[name])) for name in DIMENSIONS if name in rows.columns
    ]
    return rows.select(
        pl.int_range(1, pl.len() + 1).alias("#"),
        pl.col("points").round(4).alias(tr("Points lost")),
        pl.col("orders").alias(tr("Orders")),
        pl.col("checks").alias(tr("Checks")),
        _named("part", PARTS, tr).alias(tr("Part")),
        _source(tr).alias(tr("Source")),
        _named("field", FIELDS, tr).alias(tr("Field")),
        _named("cause", CAUSES, tr).alias(tr("Reason")),
        *dimensions,
    )


def chosen(rows: pl.DataFrame, picked: pl.DataFrame) -> dict[str, Any] | None:
    """The row of `losses` that is chosen in its table; None where none is."""
    return rows.row(picked["#"][0] - 1, named=True) if picked.height else None


def members(found: Index, loss: dict[str, Any], zone: str, tr: Translate) -> pl.DataFrame:
    """The orders of a loss as a table."""
    placed = pl.col("placed_at").dt.convert_time_zone(zone).dt.strftime("%Y-%m-%d %H:%M").fill_null("")
    rows = lost.members(found, loss)
    delay = [pl.col("delay_s").round().alias(tr("Delay, s"))] if rows["delay_s"].null_count() < rows.height else []
    return rows.select(
        pl.col("order_no").alias(tr("Order number")),
        *(pl.col(name).alias(tr(label)) for name, label in SEGMENTS.items()),
        placed.alias(tr("Placed")),
        pl.col("checks").alias(tr("Failed checks")),
        *delay,
    )


def title(loss: dict[str, Any], tr: Translate, names: Named = by_id) -> str:
    """What the orders of a loss have in common."""
    where = [names(name, loss[name]) or tr("(none)") for name in DIMENSIONS if name in loss]
    what = [
        names("source", loss["source"]) or tr(NOBODY[loss["part"]]),
        tr(FIELDS[loss["field"]]),
        tr(CAUSES.get(loss["cause"], loss["cause"])),
    ]
    sentence = tr("{what}: {orders} orders, {points} points")
    return sentence.format(
        what=" · ".join([*what, *where]), orders=f"{loss['orders']:,}", points=f"{loss['points']:.3f}"
    )


def sources(found: Index, tr: Translate) -> pl.DataFrame:
    """How fresh each source is on each field, the least fresh first."""
    words = pl.col("words")
    rows = found.by_source.with_columns(share=pl.col("fresh") / words, within=pl.col("raw") / words)
    return rows.sort("share", "source", "field").select(
        pl.col("source").alias(tr("Source")),
        _named("field", FIELDS, tr).alias(tr("Field")),
        words.alias(tr("Last words")),
        (100 * pl.col("share")).round(2).alias(tr("Fresh, %")),
        (100 * pl.col("within")).round(2).alias(tr("Within {n} s, %").format(n=RAW_S)),
        pl.col("target_s").round().cast(pl.Int64).alias(tr("Target, s")),
        _named("basis", BASES, tr).alias(tr("Target is")),
        pl.col("median_s").round(1).alias(tr("Median delay, s")),
        pl.when("silent").then(pl.lit(tr("silent"))).otherwise(pl.lit("")).alias(tr("Now")),
    )


def uncounted(found: Index, tr: Translate) -> str:
    """Of the words that were too old to say anything; empty where there were none."""
    text = tr("{n} last words are older than the hub's acquaintance with their source and say nothing of its speed.")
    return text.format(n=f"{found.history:,}") if found.history else ""


def sides(found: Index, tr: Translate, names: Named = by_id) -> dict[str, pl.Expr]:
    """Groups of orders that may be compared, by name: the last days and those before, shops, warehouses, carriers."""
    days = found.orders["day"].drop_nulls()
    groups = {} if days.is_empty() else _periods(days.min(), days.max(), tr)  # type: ignore[arg-type]  # a Date column
    for column, label in SEGMENTS.items():
        there = found.orders[column].unique().sort()
        if len(there) > 1:
            groups |= _alike({one: f"{tr(label)} {names(column, one) or tr('(none)')}" for one in there}, column)
    return groups


def _alike(said: dict[str, str], column: str) -> dict[str, pl.Expr]:
    """One carrier has several ids: all orders of those that people call alike."""
    return {text: pl.col(column).is_in([one for one, its in said.items() if its == text]) for text in said.values()}


def _periods(first: date, last: date, tr: Translate) -> dict[str, pl.Expr]:
    span = (last - first).days + 1
    length = 7 if span >= 14 else max(1, span // 2)
    turn = last - timedelta(days=length - 1)
    day = pl.col("day")
    return {
        tr("Placed in the {n} days before").format(n=length): (day < turn) & (day >= turn - timedelta(days=length)),
        tr("Placed in the last {n} days").format(n=length): day >= turn,
    }


def summary(change: Change, tr: Translate) -> str:
    """From what to what, and how much of it is mix and rate."""
    sentence = tr("From {before} to {after}: {points} points, of which mix {mix} and rate {rate}.")
    figures = {
        "mix": float(change.rows["mix"].sum()),
        "rate": float(change.rows["rate"].sum()),
        "points": change.after - change.before,
    }
    return sentence.format(
        before=f"{change.before:.2f}",
        after=f"{change.after:.2f}",
        **{name: f"{round(figure, 3) + 0.0:+.3f}" for name, figure in figures.items()},
    )


def called(change: Change, by: str, names: Named) -> Change:
    """What is `explained` by a column, its groups by name."""
    return msgspec.structs.replace(change, rows=change.rows.with_columns(_called(change.rows, "group", by, names)))


def changes(change: Change, tr: Translate) -> pl.DataFrame:
    """`Change.rows` as a table."""
    return change.rows.select(
        pl.col("group").replace("", tr("(none)")).alias(tr("Group")),
        _named("part", PARTS, tr).alias(tr("Part")),
        *(rounded(pl.col(name)).alias(tr(text)) for name, text in EFFECTS.items()),
    )


def rounded(points: pl.Expr) -> pl.Expr:
    """To four decimals, without a zero below zero."""
    near = points.round(4)
    return pl.when(near != 0).then(near).otherwise(0.0)  # polars leaves `+ 0.0` out


EFFECTS = {"mix": "Mix", "rate": "Rate", "points": "Together"}


def as_of(found: Index, zone: str, tr: Translate) -> str:
    moment = datetime.fromtimestamp(found.as_of / 1e6, ZoneInfo(zone))
    orders = f"{found.orders.height:,}"
    return tr("As of {time}, over {orders} orders.").format(time=f"{moment:%Y-%m-%d %H:%M}", orders=orders)


def _source(tr: Translate) -> pl.Expr:
    nobody = pl.col("part").cast(pl.String).replace_strict({part: tr(text) for part, text in NOBODY.items()})
    return pl.when(pl.col("source") == "").then(nobody).otherwise("source")


def _called(rows: pl.DataFrame, column: str, kind: str, names: Named) -> pl.Expr:
    return pl.col(column).replace({one: names(kind, one) for one in rows[column].unique().drop_nulls()})


def _named(column: str, names: dict[str, str], tr: Translate) -> pl.Expr:
    return pl.col(column).cast(pl.String).replace({name: tr(text) for name, text in names.items()})
