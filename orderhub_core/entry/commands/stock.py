"""`orderhub stock`: what warehouses have, what is left of it, and which orders took it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from orderhub_core import hub
from orderhub_core.entry.options import (
    AsJson,
    By,
    Comment,
    Out,
    columns,
    dated,
    instant,
    spoken,
    tell,
    tr,
    who,
    written,
)
from orderhub_core.flows import sheets, stocking
from orderhub_core.names import Names
from orderhub_core.packing import transfers as moving
from orderhub_core.store.ledger import Awaited, Entry

app = typer.Typer(no_args_is_help=True)
Warehouse = Annotated[str, typer.Option(help="One of the settings.")]
Sku = Annotated[str, typer.Option(help="Only this one.")]
MOST_LISTED = 1_000
SHELF = ("warehouse", "SKU", "counted", "counted at", "promised", "left", "must stay")
ENTRY = ("time", "change", "left", "order")
"""Headings."""


@app.command()
@spoken
def report(
    file: Annotated[
        Path, typer.Argument(help="CSV or XLSX: warehouse, sku, on_hand and safety, or 仓库, 商品编码, 库存, 安全库存.")
    ],
    warehouse: Annotated[str, typer.Option(help="Whose stock it is, if the file does not say.")] = "",
    at: Annotated[str, typer.Option(metavar="TIME", help="As of when; by default now.")] = "",
    comment: Comment = "",
    by: By = None,
    as_json: AsJson = False,
) -> int:
    """Say what warehouses have. What orders have taken, and has not left, is subtracted; then orders that come are sent
    where everything is there."""
    opened = hub.Hub(hub.home())
    moment = instant(at, opened.settings.time_zone, "--at") if at else None
    counts = stocking.read(file, warehouse)
    taken = opened.stock.report(counts, by=who(by), at=moment, comment=comment)
    _tell(taken, Names(opened.settings, tr), as_json=as_json)
    return 0


@app.command()
@spoken
def ask(warehouse: Annotated[str, typer.Argument(help="One of the settings.")], as_json: AsJson = False) -> int:
    """Ask a warehouse what it has, and take that in as its report. `stock_every_s` of the settings has the worker do
    it."""
    opened = hub.Hub(hub.home())
    if taken := opened.ask_stock(warehouse):
        _tell(taken, Names(opened.settings, tr), as_json=as_json)
    return 0


def _tell(done: stocking.Taken, names: Names, *, as_json: bool) -> None:
    warehouses = tr(", ").join(names("warehouse", one) for one in done.warehouses)
    lines = [tr("SKUs taken in: {count} ({warehouses})").format(count=f"{done.skus:,}", warehouses=warehouses)]
    lines += [doubt.told(tr) for doubt in done.doubts]
    if done.let_go:
        more = ", …" if done.let_go > len(done.gone) else ""
        text = tr("held orders let go, for what they waited for is there: {count} ({orders})")
        lines.append(text.format(count=f"{done.let_go:,}", orders=tr(", ").join(done.gone) + more))
    tell(done._asdict() | {"doubts": list(map(str, done.doubts))}, "\n".join(lines), as_json=as_json)


@app.command("list")
@spoken
def listed(warehouse: Warehouse = "", sku: Sku = "", as_json: AsJson = False) -> int:
    """What was counted, what orders have of it that have not left, what others may still take, and how full the days of
    warehouses with a limit are."""
    opened = hub.Hub(hub.home())
    zone, stock = ZoneInfo(opened.settings.time_zone), opened.stock
    place = stock.named(warehouse) if warehouse else ""
    found, booked = stock.shelves(warehouse=place, sku=sku), [] if sku else stock.booked(warehouse=place)
    told = {name: written(at, zone) for name, at in stock.told().items() if not place or name == place}
    names = Names(opened.settings, tr)
    lines = [
        tr("{name}: as reported of {at}").format(name=names.typed("warehouse", name), at=at)
        for name, at in told.items()
    ]
    if found:
        lines += ["", *columns(SHELF, [_shelf(one, zone, names) for one in found[:MOST_LISTED]])]
    lines += [_over(one, names) for one in found[:MOST_LISTED] if one.over]
    if len(found) > MOST_LISTED:
        text = tr("… and {count} more: ask for one --warehouse or --sku, or all by --json")
        lines.append(text.format(count=f"{len(found) - MOST_LISTED:,}"))
    today = datetime.now(zone).date().isoformat()  # whose room is gone, that of days before
    days = [(one.place, one.subject, one.balance) for one in booked if one.subject >= today]
    if rooms := [(names.typed("warehouse", place), *rest) for place, *rest in days]:
        lines += ["", *columns(("warehouse", "day", "orders"), rooms)]
    answer = {
        "reported": told,
        "stock": [dated(one._asdict(), zone) for one in found],
        "days": [{"warehouse": one.place, "day": one.subject, "orders": one.balance} for one in booked],
    }
    tell(answer, "\n".join(lines) or _nothing(place and names("warehouse", place)), as_json=as_json)
    return 0


def _nothing(place: str) -> str:
    if place:
        return tr("{name} has reported no stock (`orderhub stock report FILE`)").format(name=place)
    return tr("no warehouse reports its stock (`orderhub stock report FILE`)")


def _over(one: stocking.Shelf, names: Names) -> str:
    text = tr("! {name}: {over} of {sku} are promised beyond what was counted: see `orderhub stock history`")
    return text.format(name=names.typed("warehouse", one.warehouse), sku=one.sku, over=f"{one.over:,}")


def _shelf(one: stocking.Shelf, zone: ZoneInfo, names: Names) -> tuple[object, ...]:
    return (names.typed("warehouse", one.warehouse), *one[1:3], written(one.counted_at, zone), *one[4:])


@app.command()
@spoken
def history(
    warehouse: Annotated[str, typer.Argument(help="One of the settings.")],
    sku: Annotated[str, typer.Argument(help="A SKU; or a day, like 2026-11-11.")],
    limit: Annotated[int, typer.Option(min=1)] = 50,
    as_json: AsJson = False,
) -> int:
    """Who took of a SKU there and what was reported of it, or who took a day's room, the newest first; and whose pieces
    lie there that have not left."""
    opened = hub.Hub(hub.home())
    zone, stock = ZoneInfo(opened.settings.time_zone), opened.stock
    found, waiting = stock.history(warehouse, sku, limit), stock.awaited(warehouse, sku)
    shelf, heard = stock.shelves(warehouse=warehouse, sku=sku), stock.heard(found)
    names = Names(opened.settings, tr)
    lines = columns(SHELF, [_shelf(one, zone, names) for one in shelf]) if shelf else []
    if found:
        lines += ["", *columns(ENTRY, [_entry(one, heard.get(one.message), zone, names) for one in found])]
    if waiting:
        owed = [(written(one.owed_at, zone), one.pieces, _whose(one, names)) for one in waiting]
        lines += ["", tr("To orders that have not left:"), *columns(("owed since", "pieces", "order"), owed[:limit])]
        if len(owed) > limit:
            lines.append(tr("… and {count} more: --limit, or all by --json").format(count=f"{len(owed) - limit:,}"))
    answer = {
        "stock": [dated(one._asdict(), zone) for one in shelf],
        "entries": [dated({"at": heard.get(one.message), **one._asdict()}, zone) for one in found],
        "promised": [dated(one._asdict(), zone) for one in waiting],
    }
    tell(answer, "\n".join(lines).strip() or tr("nothing was reported or taken"), as_json=as_json)
    return 0


def _whose(one: Entry | Awaited, names: Names) -> str:
    return f"{one.order_no} ({names('shop', one.shop)})"


def _entry(one: Entry, heard: int | None, zone: ZoneInfo, names: Names) -> tuple[object, ...]:
    who_ = _whose(one, names) if one.order_id else tr("reported")
    return written(heard, zone), one.quantity, one.balance, who_


@app.command()
@spoken
def transfers(out: Out = None, as_json: AsJson = False) -> int:
    """What to bring from one warehouse to another, so that orders go which wait for it: who has more `priority` by the
    rules first, then whose promise ends first. `[[transfers]]` of the settings rank the routes and say what they cost.
    Exit code 1 where there is not enough to bring."""
    opened = hub.Hub(hub.home())
    planned = opened.stock.transfers()
    sheets.write(planned.moves, out)
    answer = {name: frame.to_dicts() for name, frame in planned._asdict().items()}
    tell(answer, "\n".join(moving.sentences(planned, tr, Names(opened.settings, tr))), as_json=as_json)
    return int((planned.orders["state"] == "nowhere").any() or not planned.owed.is_empty())
