"""The audit of all orders in people's words. English here; each language translates it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Literal, NamedTuple, Protocol
from zoneinfo import ZoneInfo

import polars as pl

from orderhub_core.audit import texts
from orderhub_core.audit.consistency.audited import Audited, Incomparable
from orderhub_core.audit.sources import KEY
from orderhub_core.errors import OrderHubError, UserMistake
from orderhub_core.i18n import Named, Tile, Translate, by_id

Kind = Literal["info", "warn", "bad"]
"""How bad a note is."""

TITLE = "Audit of all orders"
INTRO = (
    "What every touchpoint shows of every order, compared by machine: where they differ, who is probably wrong, why."
)
NO_ORDERS = "There are no orders yet: connect a shop or import a file, and this page fills itself."
NO_ORDERS_THEN = "The hub knew of no orders at that moment: choose one after {since}."
TOO_FEW = (
    "Fewer than two touchpoints have shown orders: there is nothing to compare. Add [[touchpoints]] to the settings, "
    "and this page fills itself."
)
TOO_FEW_THEN = "Fewer than two touchpoints had shown orders at that moment: choose one after {since}."
TO_COME = "This moment is still to come: choose a past one."
NO_MOMENT = "Choose a day and a time first."
NONE = "All orders are consistent."
HELP = (
    "Equal and compatible orders are consistent; an order has its worst verdict. Lagging: the news is younger than "
    "this touchpoint usually takes, which is learned from the orders themselves. What was touched since this page "
    "was opened last is judged anew, and once a day everything."
)
PAST_HELP = (
    "A past moment is rebuilt from the log and from the messages that are still kept, and answers what this page "
    "answered then. That can take a minute."
)


class Rebuilt(Protocol):
    """A past moment: of how many orders it is not known what which touchpoint showed, or since when they are there."""

    @property
    def unknown(self) -> Mapping[str, int]: ...
    @property
    def undated(self) -> int: ...


def moment(chosen: datetime | None, zone: str, now: int) -> int:
    """What a picker says, a time of day in `zone`, as microseconds UTC. Raises UserMistake for none, or one that is
    still to come; its text is one of this module's, to be translated."""
    if chosen is None:
        raise UserMistake(NO_MOMENT)
    at = round(chosen.replace(tzinfo=ZoneInfo(zone)).timestamp() * 1_000_000)
    if at > now:
        raise UserMistake(TO_COME)
    return at


def local(at: int, zone: str) -> datetime:
    """As a picker shows it: the time of day there, without a zone."""
    return datetime.fromtimestamp(at // 1_000_000, UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


class Begun(NamedTuple):
    """From when on, at the latest, the hub knew of orders, and of what two touchpoints show; "" where it does not."""

    orders: str
    compared: str


def begun(events: pl.LazyFrame, sightings: pl.LazyFrame, zone: str) -> Begun:
    """Of the hub's frames, as times of day in `zone`."""
    first = events.select(pl.col("recorded_at").min()).collect().to_series()
    shown = sightings.group_by("touchpoint").agg(pl.col("seen_at").min()).sort("seen_at").collect()["seen_at"]
    moments = (one.min() for one in (first, shown[1:2]))
    return Begun(
        *(
            f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S} ({zone})" if isinstance(at, datetime) else ""
            for at in moments
        )
    )


def lost(error: OrderHubError, tr: Translate, *, then: Begun | None) -> tuple[str, Kind]:
    """Why there is no audit, as a note; `then`: of a past moment."""
    if isinstance(error, Incomparable):
        return tr(TOO_FEW_THEN).format(since=then.compared) if then and then.compared else tr(TOO_FEW), "info"
    return tr("The audit cannot be made: {reason}").format(reason=error.told(tr)), "bad"


def nothing(found: Audited, tr: Translate, *, then: Begun | None) -> str:
    """What an audit of no orders means; "" where there are some."""
    if not found.orders.is_empty():
        return ""
    return tr(NO_ORDERS_THEN).format(since=then.orders) if then and then.orders else tr(NO_ORDERS)


def as_of(found: Audited, zone: str, tr: Translate, *, then: bool) -> str:
    at = f"{local(found.as_of, zone):%Y-%m-%d %H:%M:%S}"
    return tr("As the hub knew it at {at} ({zone})." if then else "As of {at} ({zone}).").format(at=at, zone=zone)


def tiles(found: Audited, tr: Translate) -> list[Tile]:
    share, counts = found.share(), found.by_verdict()
    named = found.problems.filter(pl.col("probably_wrong") != "")
    told = tr("{n} of {total} orders").format(n=f"{share.consistent:,}", total=f"{share.of:,}")
    whose = tr("of {n} the figures tell who is probably wrong").format(n=f"{named.n_unique(KEY):,}")
    return [
        (tr("Consistent"), "–" if share.rate is None else f"{share.rate:.2%}", told, "plain"),
        (tr("Not consistent"), f"{share.of - share.consistent:,}", whose, "plain"),
        (tr(texts.VERDICTS["conflict"]), f"{counts['conflict']:,}", tr("no story makes all of them right"), "plain"),
        (tr(texts.VERDICTS["lagging"]), f"{counts['lagging']:,}", tr("should mend themselves"), "plain"),
    ]


def gaps(found: Rebuilt, tr: Translate, names: Named = by_id) -> list[tuple[str, Kind]]:
    """What of a past moment could not be rebuilt, as notes."""
    lost = tr(
        "Not known any more: what {name} showed of {n} orders then. It was seen again since, and the older messages "
        "have expired. These count as not comparable."
    )
    said = [lost.format(name=names("touchpoint", name), n=f"{count:,}") for name, count in found.unknown.items()]
    if found.undated:
        text = tr("Not dated: {n} orders of which the log says nothing. They count as known.")
        said.append(text.format(n=f"{found.undated:,}"))
    return [(text, "warn") for text in said]


def verdicts(found: Audited, tr: Translate) -> pl.DataFrame:
    """One row per verdict that occurs, mildest first."""
    total = max(found.share().of, 1)
    rows = [(tr(texts.VERDICTS[code]), n, f"{n / total:.2%}") for code, n in found.by_verdict().items() if n]
    return pl.DataFrame(rows, schema=[tr("Verdict"), tr("Number of orders"), tr("Share")], orient="row")


def touchpoints(found: Audited, tr: Translate) -> pl.DataFrame:
    """One row per touchpoint: in how many orders it is probably wrong, and how late it may be."""
    wrong = dict(found.problems.group_by("probably_wrong").agg(pl.struct(KEY).n_unique()).iter_rows())
    rows = []
    for name in found.touchpoints:
        lag = found.calibration.lag(name)
        how = tr("learned from {n} orders").format(n=f"{lag.observed:,}") if lag.learned else tr("not learned yet")
        rows.append((name, wrong.get(name, 0), round(lag.allowed_s / 60, 1), how))
    names = ["Touchpoint", "Probably wrong in", "May lag, minutes", "How that is known"]
    return pl.DataFrame(rows, schema=[tr(name) for name in names], orient="row")


def suspects(found: Audited, tr: Translate, names: Named = by_id) -> pl.DataFrame:
    """`verdict`, `touchpoint` (which is probably wrong) and the number of `orders`: worst first."""
    rows = found.problems.group_by("verdict", "probably_wrong").agg(orders=pl.struct(KEY).n_unique())
    rows = rows.sort("verdict", "probably_wrong", descending=[True, False])
    whose = {one: names("touchpoint", one) if one else tr("nobody can tell") for one in rows["probably_wrong"].unique()}
    wrong = pl.col("probably_wrong").replace(whose)
    return rows.select(_named("verdict", texts.VERDICTS, tr), wrong.alias("touchpoint"), "orders")


def choices(found: Audited, tr: Translate) -> dict[str, str]:
    """The verdicts of the orders listed, by name: what a reader may choose among."""
    told = found.problems["verdict"].cast(pl.String).unique().to_list()
    return {tr(name): code for code, name in texts.VERDICTS.items() if code in told}


def problems(
    found: Audited, only: Iterable[str], zone: str, tr: Translate, names: Named = by_id
) -> pl.DataFrame:  # fmt: skip
    """The inconsistent orders, worst first; `only` some verdicts. What a column is called is told by `names`."""
    chosen = list(only)
    rows = found.problems.filter(pl.col("verdict").cast(pl.String).is_in(chosen)) if chosen else found.problems
    heals = pl.col("heals_at").dt.convert_time_zone(zone).dt.strftime("%Y-%m-%d %H:%M").fill_null("")
    said = [
        pl.col("values").struct.field(name).fill_null(tr("(nothing)")).alias(_says(name, tr, names))
        for name in found.touchpoints
    ]
    return rows.select(
        pl.col("shop").alias(tr("Shop")),
        pl.col("order_no").alias(tr("Order number")),
        _named("verdict", texts.VERDICTS, tr).alias(tr("Verdict")),
        *said,
        pl.col("probably_wrong").alias(tr("Probably wrong")),
        _named("cause", texts.CAUSES, tr).alias(tr("Why")),
        heals.alias(tr("Should mend itself by")),
    )


def _says(touchpoint: str, tr: Translate, names: Named) -> str:
    return tr("{name} says").format(name=names("touchpoint", touchpoint))


def _named(column: str, words: dict[str, str], tr: Translate) -> pl.Expr:
    return pl.col(column).cast(pl.String).replace({code: tr(name) for code, name in words.items()})
