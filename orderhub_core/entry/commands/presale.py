"""`orderhub presale`: deposits that count for more than was paid, and batches of what is still to come; over files, and
of the hub's own orders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import polars as pl
import typer

from orderhub_core import hub
from orderhub_core.entry.options import (
    ZONE,
    AsJson,
    At,
    By,
    Comment,
    InLanguage,
    Lang,
    Out,
    Zone,
    instant,
    moment,
    spoken,
    stored,
    tell,
    tr,
    who,
)
from orderhub_core.errors import UserMistake
from orderhub_core.flows import preselling, sheets
from orderhub_core.flows.stocking import MOST_NAMED
from orderhub_core.i18n import translator
from orderhub_core.names import Names
from orderhub_core.presale import batches as plans
from orderhub_core.presale import deposits as reckoning
from orderhub_core.presale import texts

app = typer.Typer(no_args_is_help=True, help="Presales: what deposits are worth, and which batch an order goes with.")
BOUGHT: sheets.Columns = {
    "order_no": sheets.ORDER_NO,
    "sku": sheets.SKU,
    "quantity": sheets.PIECES,
    "goods": ("money", ("商品金额", "商品总价", "预售价")),
    "freight": ("money", ("运费",)),
    "discount": ("money", ("优惠金额", "优惠")),
    "deposit": ("money", ("定金", "实付定金", "已付定金")),
    "deposit_at": ("time", ("定金时间", "定金支付时间", "付定金时间")),
    "balance": ("money", ("尾款", "实付尾款", "已付尾款")),
    "balance_at": ("time", ("尾款时间", "尾款支付时间", "付尾款时间")),
    "refunded": ("money", ("退款金额", "已退金额")),
    "refunded_at": ("time", ("退款时间",)),
    "shop_fault": ("text", ("商家责任", "商家取消")),
    "told_worth": ("money", ("膨胀金额", "定金抵扣", "定金膨胀")),
    "told_due": ("money", ("应付尾款",)),
    "told_paid": ("money", ("实付总额", "实付金额")),
}
TERMS: sheets.Columns = {
    "sku": sheets.SKU,
    "deposit": ("money", ("定金",)),
    "worth": ("money", ("膨胀金额", "抵扣金额", "膨胀后")),
    "since": ("time", ("尾款开始时间", "尾款开始")),
    "until": ("time", ("尾款截止时间", "尾款截止")),
    "refundable": ("text", ("定金可退", "可退")),
}
LINES: sheets.Columns = {
    "order_no": sheets.ORDER_NO,
    "sku": sheets.SKU,
    "quantity": sheets.PIECES,
    "paid_at": ("time", ("付款时间", "支付时间", "定金时间")),
    "promised_at": ("time", ("承诺发货时间", "承诺时间")),
    "cancelled": ("text", ("已取消", "已退款", "是否取消")),
}
_Orders = Annotated[Path, typer.Option("--orders", metavar="FILE", help="CSV or XLSX of presale orders.")]


@app.command()
def deposits(
    orders: _Orders,
    terms: Annotated[Path, typer.Option(metavar="FILE", help="What deposits are worth, by SKU.")],
    at: At = "",
    zone: Zone = ZONE,
    out: Out = None,
    lang: InLanguage = Lang.EN,
    as_json: AsJson = False,
) -> None:
    """A ledger of deposits: what each order owes and what became of its money, to the cent, and where the platform says
    otherwise. Exit code 1 where it does."""
    read, promised = (
        sheets.read(orders, BOUGHT, ["order_no", "goods", "deposit"], zone),
        sheets.read(terms, TERMS, ["deposit", "worth"], zone),
    )
    bought = _bought(sheets.once(read.rows, "order_no", orders))
    found, findings = reckoning.settle(bought, _terms(promised.rows, terms), moment(at, zone))
    books = reckoning.ledger(found)
    sheets.write(books, out)
    tr, notes = translator(lang.value), [*read.notes, *promised.notes]
    told = [*texts.deposits(found, books, findings, tr), *(f"! {note}" for note in notes)]
    sums = {f"{book}.{account}": amount for book, account, amount in books.group_by(
        "book", "account", maintain_order=True).agg(pl.col("amount_minor").sum()).iter_rows()}  # fmt: skip
    states = dict(found["state"].cast(pl.String).value_counts(sort=True).iter_rows())
    answer = {
        "states": states,
        "sums": sums,
        "orders": found.to_dicts(),
        "findings": findings.to_dicts(),
        "notes": notes,
    }
    tell(answer, "\n".join(told), as_json=as_json)
    if findings.height:
        raise typer.Exit(1)


@app.command()
def batches(
    orders: _Orders,
    batches: Annotated[Path, typer.Option("--batches", metavar="FILE", help="What comes when, by SKU.")],
    zone: Zone = ZONE,
    out: Out = None,
    lang: InLanguage = Lang.EN,
    as_json: AsJson = False,
) -> None:
    """Which batch each order goes with, as planned and as it is known now; first paid, first served. Exit code 1 where
    a promise is at risk."""
    read = sheets.read(orders, LINES, ["order_no", "sku", "quantity"], zone)
    coming = sheets.read(batches, preselling.COLUMNS, ["sku", "batch", "pieces", "ready_at"], zone)
    wanted = read.rows.filter(pl.col("order_no").is_not_null(), ~sheets.says_yes("cancelled"))
    lines = wanted.with_columns(taken=None).select(plans.LINES.names())
    there = coming.rows.select(plans.BATCHES.names())
    found = plans.schedule(lines.cast(plans.LINES), there.cast(plans.BATCHES))
    found = plans.Planned(*(_local(frame, zone) for frame in found))
    sheets.write(found.lines, out)
    tr, notes = translator(lang.value), [*read.notes, *coming.notes]
    told = [*texts.batches(found, tr), *(f"! {note}" for note in notes)]
    answer = {name: frame.to_dicts() for name, frame in found._asdict().items()} | {"notes": notes}
    tell(answer, "\n".join(told), as_json=as_json)
    if found.orders["at_risk"].any():
        raise typer.Exit(1)


@app.command()
@spoken
def plan(
    file: Annotated[Path, typer.Argument(help="CSV or XLSX: what comes when, by SKU and batch.")],
    comment: Comment = "",
    by: By = None,
    as_json: AsJson = False,
) -> int:
    """Say in which batches comes what the hub's orders wait for. Whoever has all its pieces in batches that are there
    goes to its warehouse, first paid, first served."""
    opened = hub.Hub(hub.home())
    coming = preselling.read(file, opened.settings.time_zone)
    gone = opened.presale.plan(coming, by=who(by), comment=comment)
    _tell_gone(tr("rows taken in: {count}").format(count=f"{coming.height:,}"), gone, as_json=as_json)
    return 0


@app.command()
@spoken
def arrived(
    sku: Annotated[str, typer.Argument(help="Of which SKU.")],
    batch: Annotated[str, typer.Argument(help="The batch, as the plan names it.")],
    pieces: Annotated[int | None, typer.Option(min=1, help="If they are not as many as were planned.")] = None,
    at: Annotated[str, typer.Option(metavar="TIME", help="Since when; by default now.")] = "",
    by: By = None,
    as_json: AsJson = False,
) -> int:
    """Say that a batch is there. Whoever has all its pieces now goes to its warehouse."""
    opened = hub.Hub(hub.home())
    since = instant(at, opened.settings.time_zone, "--at") if at else None
    gone = opened.presale.arrived(sku, batch, by=who(by), at=since, pieces=pieces)
    _tell_gone(tr("{sku} {batch} is there").format(sku=sku, batch=batch), gone, as_json=as_json)
    return 0


def _tell_gone(taken: str, gone: list[str], *, as_json: bool) -> None:
    more = ", …" if len(gone) > MOST_NAMED else ""
    text = tr("orders let go: {count} ({orders})")
    named = [text.format(count=f"{len(gone):,}", orders=tr(", ").join(gone[:MOST_NAMED]) + more)] if gone else []
    tell({"let_go": gone}, "\n".join([taken, *named]), as_json=as_json)


@app.command()
@stored
def schedule(out: Out = None, lang: InLanguage = Lang.EN, as_json: AsJson = False) -> int:
    """Which of the hub's orders goes with which batch, and when; first paid, first served. Exit code 1 where a promise
    is at risk, a batch is overdue, or nobody has said when comes what an order waits for."""
    opened = hub.Hub(hub.home())
    found = preselling.Schedule(
        *(_local(frame, opened.settings.time_zone) for frame in opened.presale.schedule())
    )  # fmt: skip
    sheets.write(found.orders, out)
    tr = translator(lang.value)
    told = texts.schedule(*found, tr, Names(opened.settings, tr))
    tell({name: frame.to_dicts() for name, frame in found._asdict().items()}, "\n".join(told), as_json=as_json)
    return int(found.orders["at_risk"].any() or found.batches["overdue"].any() or found.unplanned.height > 0)


def _bought(rows: pl.DataFrame) -> pl.DataFrame:
    amounts = {name: f"{name}_minor" for name, (holds, _) in BOUGHT.items() if holds == "money"}
    named = rows.with_columns(shop_fault=sheets.says_yes("shop_fault")).rename(amounts)
    return named.select(reckoning.BOUGHT.names()).cast(reckoning.BOUGHT)


def _terms(rows: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Raises UserMistake for terms that cannot be meant."""
    named = rows.with_columns(refundable=sheets.says_yes("refundable")).rename(
        {"deposit": "deposit_minor", "worth": "worth_minor"}
    )
    less = named.filter((pl.col("worth_minor") < pl.col("deposit_minor")).fill_null(True))
    if less.height:
        raise UserMistake(
            "{name}, row {row}: a deposit needs an amount and a worth that is not less",
            name=path.name,
            row=less["row_no"][0],
        )
    twice = named.filter(pl.col("sku").is_duplicated())
    if twice.height:
        raise UserMistake(
            "{name}, row {row}: there are terms for this SKU already; keep one row",
            name=path.name,
            row=twice["row_no"][1],
        )
    return named.select(reckoning.TERMS.names()).cast(reckoning.TERMS)


def _local(frame: pl.DataFrame, zone: str) -> pl.DataFrame:
    return frame.with_columns(pl.col(pl.Datetime("us", "UTC")).dt.convert_time_zone(ZoneInfo(zone).key))
