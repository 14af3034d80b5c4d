"""`orderhub packing combine` and `say`: which orders go in one parcel, with reasons, and people's words on it."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import polars as pl
import typer

from orderhub_core import hub
from orderhub_core.entry.options import ZONE, AsJson, By, InLanguage, Lang, Zone, spoken, stored, tell, tr, who, written
from orderhub_core.errors import UserMistake
from orderhub_core.flows import sheets
from orderhub_core.flows.merging import Alone
from orderhub_core.i18n import translator
from orderhub_core.packing import combine as combining
from orderhub_core.packing import evidence, texts
from orderhub_core.people import Pairing

ORDERS: sheets.Columns = {
    "order_no": sheets.ORDER_NO,
    "channel": ("text", ("渠道", "平台", "platform", "店铺", "shop")),
    "paid_at": sheets.PAID_AT,
    "warehouse": sheets.WAREHOUSE,
    "province": ("text", ("省份", "收货省份")),
    "city": ("text", ("城市", "收货城市")),
    "phone": ("text", ("电话摘要", "手机摘要", "phone_digest")),
    "receiver": ("text", ("收件人摘要", "person_digest", "receiver_digest")),
    "address": ("text", ("地址摘要", "address_digest")),
    "buyer": ("text", ("买家", "买家标识", "buyer_ref", "buyer_key")),
    "sealed": ("text", ("密封", "禁止合并")),
    "refund": ("text", ("退款中", "已退款", "售后")),
    "presale": ("text", ("预售",)),
    "gone": ("text", ("已打包", "已发货")),
}
LINES: sheets.Columns = {
    "order_no": sheets.ORDER_NO,
    "sku": sheets.SKU,
    "quantity": sheets.PIECES,
}
WORDS: sheets.Columns = dict.fromkeys(combining.WORDS.names(), ("text", ()))
HEADINGS = [*combining.WORDS.names(), "at"]
FLAGS = ("sealed", "refund", "presale", "gone")
DIGESTS = ("phone", "receiver", "address")
DIGEST = r"^[0-9A-Fa-f]{16,128}$"
LIKE_A_PERSON = r"^\+?[\d\- ]{7,15}$|\p{Han}|@"
"""What a pseudonym never looks like: a number that can be called, a name, an address."""
_Words = Annotated[Path | None, typer.Option("--words", metavar="FILE", help="What people have said, by `say`.")]


@stored
def combine(
    orders: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="CSV or XLSX: one row per order, digests and no names; else the hub's."),
    ] = None,
    lines: Annotated[Path | None, typer.Option(metavar="FILE", help="Their lines, to see a repeated order.")] = None,
    words: _Words = None,
    merge: Annotated[int, typer.Option(help="Points from which on orders are packed together.")] = evidence.MERGE,
    ask: Annotated[int, typer.Option(help="Points from which on a person is asked.")] = evidence.ASK,
    zone: Zone = ZONE,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write every pair with its evidence as CSV.")] = None,
    lang: InLanguage = Lang.EN,
    as_json: AsJson = False,
) -> int:
    """Which orders go in one parcel, across channels, by several pieces of evidence; with the reasons. Without a file
    the hub's, which wait for others. Exit code 1 where a person is to be asked."""
    if ask > merge:
        raise UserMistake(
            "--ask {ask} is more than --merge {merge}: people are asked below what is certain", ask=ask, merge=merge
        )
    alone: list[Alone] = []
    if orders is not None:
        frame, notes = _orders(orders, lines, zone)
        found = combining.combine(frame, _words(words, zone), merge=merge, ask=ask)
    elif lines or words or (merge, ask) != (evidence.MERGE, evidence.ASK):
        raise UserMistake("--lines, --words, --merge and --ask are of --orders; without a file the hub's are shown")
    else:
        opened = hub.Hub(hub.home())
        found, notes, alone = opened.merging.standing(), [], opened.merging.alone()
        zone = opened.settings.time_zone
    sheets.write(found.pairs, out)
    tr = translator(lang.value)
    waits = [{"order_no": one.order_no, "until": written(one.until, ZoneInfo(zone))} for one in alone]
    text = tr("waits alone: {order_no}, for others that come until {until}")
    told = [*texts.combined(found, tr), *(f"  {text.format(**one)}" for one in waits), *(f"! {note}" for note in notes)]
    tell(document(found, notes, tr) | {"alone": waits}, "\n".join(told), as_json=as_json)
    return int((found.pairs["verdict"] == "ask").any())


@spoken
def say(
    what: Annotated[Literal["apart", "together"], typer.Argument(help="Part two orders, or answer a doubt.")],
    order_no: Annotated[str, typer.Argument(help="The one order's number.")],
    other: Annotated[str, typer.Argument(help="The other one's.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    words: Annotated[
        Path | None,
        typer.Option(
            "--words", metavar="FILE", help="The file that keeps it, and is only added to; else the hub does."
        ),
    ] = None,
    shop: Annotated[str, typer.Option(help="Of the one order, where several shops have such a one.")] = "",
    other_shop: Annotated[str, typer.Option(help="Of the other one.")] = "",
    by: By = None,
) -> int:
    """Keep a person's word on two orders: who has said it, when and why. The last word on a pair holds, until they have
    gone to their warehouse."""
    if words is None:
        _tell_hub(Pairing(shop, order_no, other_shop, other, what, reason, who(by)))
        return 0
    if order_no == other:
        raise UserMistake("{order_no} and {other} are one order", order_no=order_no, other=other)
    if not reason.strip():
        raise UserMistake("--reason is empty: say why, for whoever reads it next")
    row = [order_no, other, what, who(by), reason, datetime.now(UTC).isoformat(timespec="seconds")]
    try:
        fresh = not words.exists()
        with words.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([HEADINGS, row] if fresh else [row])
    except OSError as error:
        raise UserMistake(
            "--words {words}: cannot be written ({why})", words=words, why=error.strerror or error
        ) from None
    told = tr("{order}, {other}: {what}, kept in {place}")
    typer.echo(told.format(order=order_no, other=other, what=tr(what), place=words))
    return 0


def _tell_hub(said: Pairing) -> None:
    heard = hub.Hub(hub.home()).merging.say(said)
    told = tr("{order}, {other}: {what}, kept in {place}")
    typer.echo(told.format(order=said.order_no, other=said.other, what=tr(said.say), place=tr("the log")))
    if heard.gone:
        told = tr("! gone to the warehouse before that, and nothing changes there: {orders}")
        typer.echo(told.format(orders=tr(", ").join(heard.gone)))
    if heard.absent:
        told = tr("! waits for no other order, as no rule says so, or a person holds it: {orders}")
        typer.echo(told.format(orders=tr(", ").join(heard.absent)))


def _orders(path: Path, lines: Path | None, zone: str) -> tuple[pl.DataFrame, list[str]]:
    """evidence.ORDERS. Raises UserMistake for a file that holds what identifies people."""
    read = sheets.read(path, ORDERS, ["order_no", "paid_at"], zone)
    rows = sheets.once(read.rows, "order_no", path)
    _no_persons(rows, path)
    whole = rows.with_columns(
        *(sheets.says_yes(flag).alias(flag) for flag in FLAGS),
        place=pl.concat_str("province", "city", separator=" "),
        asks=pl.lit(None, pl.String),
    )
    if lines is None:
        return whole.with_columns(skus=pl.lit(None, pl.String)).select(evidence.ORDERS.names()), [*read.notes]
    own = sheets.read(lines, LINES, ["order_no", "sku"], zone)
    each = own.rows.drop_nulls(["order_no", "sku"]).group_by("order_no", "sku").agg(
        pl.col("quantity").fill_null(1).sum()).sort("sku")  # fmt: skip
    held = each.group_by("order_no").agg(skus=pl.format("{} × {}", "sku", "quantity").str.join(", "))
    told = whole.join(held, on="order_no", how="left", maintain_order="left")
    return told.select(evidence.ORDERS.names()), [*read.notes, *own.notes]


def _no_persons(rows: pl.DataFrame, path: Path) -> None:
    for column in DIGESTS:
        if (~rows[column].drop_nulls().str.contains(DIGEST)).any():
            raise UserMistake(
                "{name}: the column {column} does not hold digests (16 or more hexadecimal signs);"
                " names, phones and addresses are not read here",
                name=path.name,
                column=column,
            )
    if rows["buyer"].drop_nulls().str.contains(LIKE_A_PERSON).any():
        raise UserMistake(
            "{name}: the column buyer holds what identifies people; give the channel's pseudonyms", name=path.name
        )


def _words(path: Path | None, zone: str) -> pl.DataFrame:
    if path is None or not path.exists():
        return combining.WORDS.to_frame()
    rows = sheets.read(path, WORDS, ["order_no", "other", "say"], zone).rows
    known = rows["say"].is_in(["apart", "together"])
    if not known.all():
        row = rows.filter(~known.fill_null(False))["row_no"][0]
        raise UserMistake("{name}, row {row}: say is neither apart nor together", name=path.name, row=row)
    return rows.select(combining.WORDS.names()).cast(combining.WORDS)


def document(found: combining.Combined, notes: list[str], tr: Any) -> dict[str, Any]:
    groups = found.groups.group_by("group", maintain_order=True).agg("order_no")
    told = found.pairs.filter(pl.col("verdict") != "apart")
    return {
        "groups": groups.to_dicts(),
        "pairs": [
            {
                **{name: row[name] for name in ("order_no", "other", "verdict", "score")},
                "reasons": texts.reasons(row, tr),
            }
            for row in told.iter_rows(named=True)
        ],
        "crowds": found.crowds.to_dicts(),
        "notes": notes,
    }
