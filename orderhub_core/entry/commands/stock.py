"""`orderhub stock`: what warehouses have, what is left of it, and which orders took it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from orderhub_core import hub
from orderhub_core.entry.options import AsJson, By, Comment, counted, instant, stored, tell, who, written
from orderhub_core.flows import stocking
from orderhub_core.store.ledger import Entry, Left

app = typer.Typer(no_args_is_help=True)
Warehouse = Annotated[str, typer.Option(help="One of the settings.")]
MOST_LISTED = 1_000


@app.command()
@stored
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
    _tell(opened.stock.report(counts, by=who(by), at=moment, comment=comment), as_json=as_json)
    return 0


@app.command()
@stored
def ask(warehouse: Annotated[str, typer.Argument(help="One of the settings.")], as_json: AsJson = False) -> int:
    """Ask a warehouse what it has, and take that in as its report. `stock_every_s` of the settings has the worker do
    it."""
    if taken := hub.Hub(hub.home()).ask_stock(warehouse):
        _tell(taken, as_json=as_json)
    return 0


def _tell(done: stocking.Taken, *, as_json: bool) -> None:
    lines = [f"{counted(done.skus, 'SKU')} taken in: {', '.join(done.warehouses)}", *done.doubts]
    if done.let_go:
        more = ", …" if done.let_go > len(done.gone) else ""
        gone = f"{counted(done.let_go, 'held order')} let go, for what they waited for is there"
        lines.append(f"{gone}: {', '.join(done.gone)}{more}")
    tell(done._asdict(), "\n".join(lines), as_json=as_json)


@app.command("list")
@stored
def listed(warehouse: Warehouse = "", sku: str = "", as_json: AsJson = False) -> int:
    """What orders may still take, and how full the days of warehouses with a limit are."""
    opened = hub.Hub(hub.home())
    zone, stock = ZoneInfo(opened.settings.time_zone), opened.stock
    left = stock.left(warehouse=warehouse, sku=sku)
    booked = [] if sku else stock.booked(warehouse=warehouse)
    told = {name: written(at, zone) for name, at in stock.told().items()}
    lines = [f"{name}: as reported of {at}" for name, at in told.items() if not warehouse or name == warehouse]
    lines += [_left(one) for one in left[:MOST_LISTED]]
    if len(left) > MOST_LISTED:
        lines.append(f"… and {len(left) - MOST_LISTED:,} more: ask for one --warehouse or --sku, or all by --json")
    today = datetime.now(zone).date().isoformat()  # whose room is gone, that of days before
    lines += [
        f"{one.place}  {one.subject}: {counted(one.balance, 'order')} booked" for one in booked if one.subject >= today
    ]
    answer = {
        "reported": told,
        "stock": [one._asdict() for one in left],
        "days": [{"warehouse": one.place, "day": one.subject, "orders": one.balance} for one in booked],
    }
    tell(answer, "\n".join(lines) or "no warehouse reports its stock (`orderhub stock report FILE`)", as_json=as_json)
    return 0


@app.command()
@stored
def history(
    warehouse: Annotated[str, typer.Argument(help="One of the settings.")],
    sku: Annotated[str, typer.Argument(help="A SKU; or a day, like 2026-11-11.")],
    limit: Annotated[int, typer.Option(min=1)] = 50,
    as_json: AsJson = False,
) -> int:
    """Who took of a SKU there and what was reported of it, or who took a day's room; the newest first."""
    found = hub.Hub(hub.home()).stock.history(warehouse, sku, limit)
    lines = [_entry(one) for one in found]
    tell(
        {"entries": [one._asdict() for one in found]},
        "\n".join(lines) or "nothing was reported or taken",
        as_json=as_json,
    )
    return 0


def _left(one: Left) -> str:
    kept = f" ({one.safety:,} must stay)" if one.safety else ""
    return f"{one.place}  {one.subject}: {one.balance:,} left{kept}"


def _entry(one: Entry) -> str:
    who_ = f"order {one.order_no} ({one.shop})" if one.order_id else "reported"
    return f"{one.seq:>8}  {one.quantity:>+8,} → {one.balance:,}  {who_}"
