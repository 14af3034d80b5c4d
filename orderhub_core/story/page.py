"""The page of one order: texts and tables of its `flows.retelling.Story`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from operator import itemgetter
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from orderhub_core.flows import doubts
from orderhub_core.flows.retelling import MOST_LIKE, SHORTEST_PART, Entry, Story
from orderhub_core.i18n import Named, Said, Tile, Translate, language_of, retold, yuan
from orderhub_core.model import FIRST_ADDED_LINE
from orderhub_core.rules.language.operators import Language
from orderhub_core.story import detail, words

ABOUT = "Where does this order stand, what happened to it, who said so, and what is still to be done?"
ASK = "Order number or tracking number"
FIRST = "Type or paste a number above; four characters of one are enough where you have no more."
MORE = "The newest {n} are shown; type more of the number to find others."
SHORT = "No order has the number {asked}; type at least {n} characters of one to find those that have them."
NOT_HERE = "A snapshot does not know what is still to be done: look at the hub itself."
LACKING = "It is to be sent, and nobody has told what is in it: until then no warehouse gets it."
KEPT = "Kept back by hand: as soon as it is to be sent it waits for a person."
ASKED = "A person is asked here: let it go or close it below; one parcel alone on the page of order health."
AXES = {"payment": "Payment", "fulfilment": "Fulfilment", "logistics": "Logistics", "after_sale": "After-sale"}
MOST = 500
"""Moments that one page shows; the file has all."""
LATE = timedelta(minutes=1)


def each(found: Story) -> Iterator[tuple[dict[str, Any], Story]]:
    """The orders, each with what is its own: several shops may have one number."""
    for order in found.orders.iter_rows(named=True):
        number, name = order["order_id"], (order["shop"], order["order_no"])
        mine = pl.col("order_id") == number
        yield (
            order,
            found._replace(
                orders=found.orders.filter(mine),
                lines=found.lines.filter(mine),
                life=[entry for entry in found.life if entry["order_id"] == number],
                ahead=[one for one in found.ahead if (one["shop"], one["order_no"]) == name],
                kept=[one for one in found.kept if one == number],
            ),
        )


def title(order: dict[str, Any], tr: Translate, names: Named) -> str:
    return tr("{order} of {shop}").format(order=order["order_no"], shop=names("shop", order["shop"]))


def tiles(order: dict[str, Any], zone: ZoneInfo, tr: Translate, names: Named) -> list[Tile]:
    """Where it stands, and on each axis, and what it is about."""
    since = order["headline_at"]
    when = tr("since {at}").format(at=words.local(since, zone)) if since else ""
    place, sent = order["warehouse"], order["tracking_no"]
    by = names("carrier", order["carrier"]) if order["carrier"] else ""
    odd = order["contradictions"]
    told = tr("steps that were not possible: {n}").format(n=odd) if odd else ""
    remark, tone = tr("; ").join(filter(None, (when, told))), "bad" if odd else "plain"
    axes = [(tr(name), words.state(order[axis], tr), "", "plain") for axis, name in AXES.items()]
    return [
        (tr("Now"), words.state(order["headline"], tr), remark, tone),
        *axes,
        (tr("Warehouse"), names("warehouse", place) if place else words.NOTHING, "", "plain"),
        (tr("Parcel"), sent or words.NOTHING, by, "plain"),
        (tr("Amount"), yuan(order["total_minor"]), _pieces(order, tr), "plain"),
    ]


def _pieces(order: dict[str, Any], tr: Translate) -> str:
    count = order["item_count"]
    return "" if count is None else tr("pieces: {n}").format(n=count)


def todo(found: Story, zone: ZoneInfo, tr: Translate, names: Named) -> list[Said]:
    """What is still to be done, and why it is not yet."""
    text = tr("{what}. {why}")
    return [
        (
            text.format(what=words.intended(one, tr, names), why=words.waits(one, zone, tr, names)),
            "warn" if one["state"] in ("person", "failing") else "info",
        )
        for one in found.ahead
    ]


def nothing(order: dict[str, Any], found: Story, tr: Translate, *, knows: bool) -> Said:
    """Where nothing is to be done, why; `knows`: whether that is known."""
    if not knows:
        return tr(NOT_HERE), "info"
    if is_kept(found):
        return tr(KEPT), "warn"
    owed = order["payment"] in doubts.OWED and (order["fulfilment"], order["logistics"]) == ("waiting", "none")
    if owed and found.lines.is_empty():
        return tr(LACKING), "warn"
    return tr("Nothing is left to be done."), "good"


def is_kept(found: Story) -> bool:
    """Whether it is to wait for a person as soon as it is to be sent."""
    return bool(found.kept)


def is_asked(found: Story) -> bool:
    """Whether it waits for a person's word."""
    return any(one["state"] == "person" for one in found.ahead)


def moments(found: Story, zone: ZoneInfo, tr: Translate, names: Named) -> list[tuple[str, str, str]]:
    """When it happened, the earliest first, what, and who said so; of a long story the end."""
    in_turn = sorted(found.life, key=itemgetter("occurred_at"))
    shown = []
    for entry, told in zip(in_turn, _told(in_turn, zone, tr, names), strict=True):
        _, what, change, _, who, more = told
        said = filter(None, (who, _known_later(entry, zone, tr), more))
        shown.append(
            (words.local(entry["occurred_at"], zone), "  ".join(filter(None, (what, change))), tr("; ").join(said))
        )
    return shown[-MOST:]


def _known_later(entry: Entry, zone: ZoneInfo, tr: Translate) -> str:
    """Where the hub has learnt it long after."""
    late = entry["recorded_at"] - entry["occurred_at"] > LATE
    return tr("known here since {at}").format(at=words.local(entry["recorded_at"], zone)) if late else ""


def table(found: Story, zone: ZoneInfo, tr: Translate, names: Named) -> pl.DataFrame:
    """The whole story, for a file."""
    heads = ("Known since", "What happened", "Change", "When it happened", "Said by", "Details")
    schema = pl.Schema({tr(head): pl.String() for head in heads})
    return pl.DataFrame(_told(found.life, zone, tr, names), schema=schema, orient="row")


def _told(
    life: Sequence[Entry], zone: ZoneInfo, tr: Translate, names: Named
) -> list[tuple[str, str, str, str, str, str]]:
    language: Language = "zh" if language_of(tr) == "zh" else "en"
    return [
        (
            words.clock(entry["recorded_at"], zone),
            words.what(entry, tr, names),
            words.change(entry, tr),
            words.clock(entry["occurred_at"], zone),
            detail.source(entry, names),
            detail.told(entry, zone, language, tr, names),
        )
        for entry in life
    ]


def bought(found: Story, tr: Translate) -> pl.DataFrame:
    """What it consists of: what was bought, and gifts, which no shop has a number for."""
    bought = pl.when(pl.col("line_no") < FIRST_ADDED_LINE).then(pl.col("line_no").cast(pl.String))
    return found.lines.select(
        bought.otherwise(pl.lit("")).alias(tr("Line")),
        pl.col("sku").alias("SKU"),
        pl.col("name").alias(tr("Goods")),
        pl.col("quantity").alias(tr("Pieces")),
        pl.when(pl.col("gift_of").is_null()).then(pl.lit("")).otherwise(pl.lit(tr("a gift"))).alias(tr("Remark")),
    )


def lost(found: Story, asked: str, tr: Translate) -> list[Said]:
    """Of a number that no order has: what may have become of it."""
    seems = tr("Message {id}, which is parked, seems to speak of it: {why}. Order health lists what is parked.")
    parked: list[Said] = [(seems.format(id=number, why=retold(why, tr)), "warn") for number, why in found.parked]
    if found.like.height:
        text = tr("Orders with {asked} in their number, or in their parcel's, the newest first:")
        more = [(tr(MORE).format(n=MOST_LIKE), "info")] if found.like.height == MOST_LIKE else list[Said]()
        return [(text.format(asked=asked), "info"), *more, *parked]
    if len(asked) < SHORTEST_PART and not parked:
        return [(tr(SHORT).format(asked=asked, n=SHORTEST_PART), "warn")]
    text = tr("No order has the number {asked}: check it, or import the export of its shop.")
    return [(text.format(asked=asked), "warn"), *parked]


def near(found: Story, tr: Translate, names: Named) -> list[tuple[str, str]]:
    """The text of a link, and the number that it leads to."""
    return [
        (f"{title(order, tr, names)}{tr(': ')}{words.state(order['headline'], tr)}", order["order_no"])
        for order in found.like.iter_rows(named=True)
    ]
