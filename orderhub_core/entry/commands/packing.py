"""`orderhub packing check`: the three checks of parcels with gifts, over a hub or over files, as one table."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from orderhub_core import hub, registry, settings
from orderhub_core.effects import Notify
from orderhub_core.entry.commands import packing_combine
from orderhub_core.entry.options import ZONE, AsJson, At, InLanguage, Lang, Out, Zone, instant, moment, stored, tell
from orderhub_core.errors import UserMistake
from orderhub_core.flows import sheets
from orderhub_core.i18n import Named, Translate, by_id, translator
from orderhub_core.names import Names
from orderhub_core.packing import checks, texts
from orderhub_core.packing import floor as of_hub

app = typer.Typer(no_args_is_help=True, help="Parcels with gifts: before packing, while packing, after shipping.")
app.command()(packing_combine.combine)
app.command()(packing_combine.say)
PARCELS: sheets.Columns = {
    "order_no": sheets.ORDER_NO,
    "warehouse": sheets.WAREHOUSE,
    "paid_at": sheets.PAID_AT,
    "shipped_at": ("time", ("发货时间", "出库时间")),
    "tracking_no": ("id", ("运单号", "快递单号", "物流单号")),
    "keeper": ("text", ("仓管", "仓管员", "负责人")),
}
LINES: sheets.Columns = {
    "order_no": sheets.ORDER_NO,
    "sku": sheets.SKU,
    "quantity": sheets.PIECES,
    "gift": ("text", ("是否赠品", "赠品", "gift_of")),
}
ON_HAND: sheets.Columns = {
    "warehouse": sheets.WAREHOUSE,
    "sku": sheets.SKU,
    "on_hand": ("whole", ("库存", "可用库存", "现有库存", "剩余库存")),
}
SCANS: sheets.Columns = {
    "order_no": sheets.ORDER_NO,
    "code": ("id", ("条码", "扫描码", "扫码", "barcode")),
    "quantity": sheets.PIECES,
}


@app.command("check")
@stored
def check(
    orders: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CSV or XLSX, one row per order; else the hub's.")
    ] = None,
    lines: Annotated[Path | None, typer.Option(metavar="FILE", help="One row per line, gifts marked as such.")] = None,
    stock: Annotated[Path | None, typer.Option(metavar="FILE", help="Gift stock as the ERP has it now.")] = None,
    scans: Annotated[Path | None, typer.Option(metavar="FILE", help="What was scanned into boxes.")] = None,
    at: At = "",
    within: Annotated[int, typer.Option(min=0, help="Minutes that a parcel may be without a tracking number.")] = 15,
    zone: Zone = ZONE,
    notify: Annotated[str, typer.Option(metavar="ID", help="Tell keepers through this notifier of the settings.")] = "",
    out: Out = None,
    lang: InLanguage = Lang.EN,
    as_json: AsJson = False,
) -> int:
    """Gift stock before packing (go or hold), scans while packing (what is missing), and tracking numbers that have not
    come 15 minutes after shipping. Exit code 1 where something is wrong."""
    endpoint = _notifier(notify) if notify else None
    tr = translator(lang.value)
    table, notes, names = _checked((orders, lines, stock, scans), at, within * 60, zone, tr)
    sheets.write(table, out)
    told = [*texts.sentences(table, tr, names), *(f"! {note}" for note in notes)]
    tell(
        document(table, notes),
        "\n".join(told or [tr("nothing to check: no parcel holds a gift, is being packed or has just left")]),
        as_json=as_json,
    )
    if endpoint is not None:
        _notify(endpoint, table, tr, names)
    return int(table["verdict"].is_in(checks.BAD).any())


def _checked(
    files: tuple[Path | None, Path | None, Path | None, Path | None], at: str, within_s: int, zone: str,
    tr: Translate,
) -> tuple[pl.DataFrame, list[str], Named]:  # fmt: skip
    """The table, what to know of the files, and what people call a hub's shops. Raises UserMistake where the files are
    not enough."""
    orders, lines, stock, scans = files
    if orders is not None and lines is not None:
        floor, notes = _floor(orders, lines, stock, scans, zone)
        return checks.checks(floor, moment(at, zone), within_s=within_s), notes, by_id
    if any(file is not None for file in files):
        raise UserMistake("name both --orders and --lines; without any file the hub's own orders are checked")
    connected = hub.connect()
    now = instant(at, connected.settings.time_zone, "--at") if at else connected.as_of()
    return of_hub.table(connected.floor(now), now, within_s=within_s), [], Names(connected.settings, tr)


def _floor(
    orders: Path, lines: Path, stock: Path | None, scans: Path | None, zone: str
) -> tuple[checks.Floor, list[str]]:
    read = sheets.read(orders, PARCELS, ["order_no"], zone)
    parcels = sheets.once(read.rows, "order_no", orders).select(checks.PARCELS.names()).cast(checks.PARCELS)
    bought = sheets.read(lines, LINES, ["order_no", "sku", "quantity", "gift"], zone)
    goods = bought.rows.filter(pl.col("order_no").is_not_null()).select(
        "order_no",
        line_no=pl.int_range(1, pl.len() + 1),
        sku="sku",
        quantity=pl.col("quantity").fill_null(0).clip(0, 1_000_000),
        gift_of=pl.when(sheets.says_yes("gift")).then(1),
    )
    notes = [*read.notes, *bought.notes]
    there = scanned = None
    if stock is not None:
        own = sheets.read(stock, ON_HAND, ["sku", "on_hand"], zone)
        if "warehouse" in own.has and "warehouse" not in read.has:
            raise UserMistake(
                "{name} tells stock by warehouse, and {orders} has no column for the warehouse",
                name=stock.name,
                orders=orders.name,
            )
        there = own.rows.select(checks.ON_HAND.names()).cast(checks.ON_HAND)
        there = there if "warehouse" in own.has else _everywhere(there, parcels)
        notes += own.notes
        notes += [f"{stock.name}: {sku} stands at {n}; it counts as none" for sku, n in there.filter(
            pl.col("on_hand") < 0).select("sku", "on_hand").iter_rows()]  # fmt: skip
    if scans is not None:
        told = sheets.read(scans, SCANS, ["order_no", "code"], zone)
        scanned = told.rows.select(checks.SCANS.names()).cast(checks.SCANS)
        notes += told.notes
    if stray := goods.join(parcels, on="order_no", how="anti").height:
        notes.append(f"{lines.name}: {stray} lines belong to none of these orders")
    return checks.Floor(parcels, goods.cast(checks.LINES), there, scanned), notes


def _everywhere(stock: pl.DataFrame, parcels: pl.DataFrame) -> pl.DataFrame:
    """Stock that is told of no warehouse: that of the only one that there is. Raises UserMistake where there are
    several."""
    names = parcels["warehouse"].unique().to_list()
    if len(names) > 1:
        raise UserMistake("the orders are of several warehouses, and the stock does not say of which it is")
    return stock.with_columns(warehouse=pl.lit(names[0] if names else None, pl.String))


def document(table: pl.DataFrame, notes: list[str]) -> dict[str, Any]:
    which = [name for name in ("stage", "shop", "order_no") if name in table]  # two shops may have the same number
    by_stage = table.unique(which).group_by("stage", "verdict").len("orders").sort("stage", "verdict")
    faults = table.filter(pl.col("verdict").is_in(checks.BAD))
    return {"orders": by_stage.to_dicts(), "faults": faults.to_dicts(), "notes": notes}


def _notifier(name: str) -> settings.Endpoint:
    """Raises UserMistake for one that nobody has set up."""
    known = settings.load(hub.home().data).notifiers
    endpoint = next((each for each in known if each.id == name), None)
    if endpoint is None:
        names = ", ".join(each.id for each in known) or "none"
        raise UserMistake(
            "--notify {name}: there is no such notifier in the settings; there are: {names}", name=name, names=names
        )
    return endpoint


def _notify(endpoint: settings.Endpoint, table: pl.DataFrame, tr: Translate, names: Named) -> None:
    for keeper, text in texts.alerts(table, tr, names):
        title = tr("No tracking number: {keeper}").format(keeper=names("warehouse", keeper) or tr("the keeper"))
        key = hashlib.sha256(f"{title}\n{text}".encode()).hexdigest()
        registry.notifier(endpoint).push(Notify(endpoint.id, title, text), key)
