"""The packing floor for its keepers: counts, what is at fault, and what a box still lacks, in people's words. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

import polars as pl

from orderhub_core.health.holds import reasons
from orderhub_core.i18n import Named, Said, Tile, Translate, by_id
from orderhub_core.packing.checks import BAD
from orderhub_core.packing.texts import called, fault, whose

WHOSE = ["shop", "order_no"]
MOST = 1_000
"""Rows that one page shows."""
CUT = "The first {n} are shown; `orderhub packing check --out FILE` writes all."
EVERYWHERE = "All warehouses"
FINE = {
    "before_packing": "No order waits for a gift.",
    "after_shipping": "Every parcel that has left has a tracking number, or has just left.",
}
NOT_ASKED = "No warehouse reports its stock, so nobody knows whether gifts are there."
NO_BOX = "No order has that order or tracking number."
OFF = "{order} ({shop}) is not to be packed: {state}"
OFF_WAITS = "{order} ({shop}) waits for others that go in one parcel with it, do not pack it yet"
OFF_HELD = "{order} ({shop}) is held, do not pack it: {why}"
STOPPED = ("cancelled", "intercepted", "refunded")
"""Headlines of which no box is packed."""
TOGETHER = "{order} goes in one parcel with {others}."
SENT = "{order} is said to have left {hours} h ago: pack it only if it is still here."
WHOLE = "{order} ({shop}): everything is in the box."
NO_CODES = "Scan the box, then everything that goes into it."
HOUR_US = 3_600_000_000
AGES = {
    "under an hour": 1, "1 to 4 hours": 4, "4 to 12 hours": 12, "12 to 24 hours": 24, "1 to 2 days": 48,
    "more than 2 days": 10**6,
}  # fmt: skip
"""Since payment, and how many hours each ends after."""
LATE_H = 24
"""What platforms fine first is a parcel that has not left after a day."""
NEEDED = {"main": "to be packed: {needed} × {sku}", "gift": "to be packed, a gift: {needed} × {sku}"}


def warehouses(orders: pl.DataFrame, tr: Translate, names: Named = by_id) -> dict[str, str]:
    """Names to choose from and their ids, all of them first; "" stands for all."""
    there = orders["warehouse"].drop_nulls().unique().sort()
    return {tr(EVERYWHERE): "", **{names("warehouse", one): one for one in there}}


def of(table: pl.DataFrame, warehouse: str) -> pl.DataFrame:
    """The rows of one warehouse, or of all. `table`: any with a column `warehouse`."""
    return table.filter(pl.col("warehouse") == warehouse) if warehouse else table


def tiles(table: pl.DataFrame, orders: pl.DataFrame, tr: Translate) -> list[Tile]:
    """Orders by what their check says; of the first check only where it was asked. `orders`: those on the floor."""
    counted = table.unique(["stage", "shop", "order_no"]).group_by("verdict").len()
    n = {str(verdict): orders for verdict, orders in counted.iter_rows()}
    asked = (table["stage"] == "before_packing").any()
    gifts: list[Tile] = [
        (tr("Gifts are there"), f"{n.get('go', 0):,}", tr("ready to be packed"), "plain"),
        (tr("Wait for a gift"), f"{n.get('hold', 0):,}", tr("do not pack"), "bad" if n.get("hold") else "plain"),
    ]
    late, waiting = n.get("alert", 0), orders["shipped_at"].null_count()
    return [
        (tr("To be packed"), f"{waiting:,}", tr("paid, and still here"), "plain"),
        *(gifts if asked else []),
        (tr("No tracking number"), f"{late:,}", tr("left 15 minutes ago or more"), "bad" if late else "plain"),
        (tr("Number still to come"), f"{n.get('wait', 0):,}", tr("left just now"), "plain"),
        (tr("Left, with a number"), f"{n.get('ok', 0):,}", tr("in the last three days"), "plain"),
    ]


def ages(orders: pl.DataFrame, now: int, tr: Translate) -> pl.DataFrame:
    """How long orders have waited to be packed, since they were owed: `age`, `orders`, `late`, one row per span.
    `now`: microseconds UTC. Of whom nobody knows that is not counted."""
    waited = orders.filter(pl.col("shipped_at").is_null()).select(
        hours=(now - pl.col("paid_at").cast(pl.Int64)) / HOUR_US
    )
    ends = list(AGES.values())
    rows = [
        (tr(name), waited.filter(pl.col("hours") < end, pl.col("hours") >= begin).height, begin >= LATE_H)
        for (name, end), begin in zip(AGES.items(), [-(10**6), *ends[:-1]], strict=True)
    ]
    return pl.DataFrame(rows, schema={"age": pl.String, "orders": pl.Int64, "late": pl.Boolean}, orient="row")


def faults(table: pl.DataFrame, stage: str, tr: Translate) -> pl.DataFrame:
    """What is at fault in one check, an order's things one below the other; at most MOST."""
    own = table.filter(pl.col("stage") == stage, pl.col("verdict").is_in(BAD)).head(MOST)
    told = [(row["order_no"], row["shop"], row["warehouse"], fault(row, tr)) for row in own.iter_rows(named=True)]
    names = [tr("Order"), tr("Shop"), tr("Warehouse"), tr("What is wrong")]
    return pl.DataFrame(told, schema=dict.fromkeys(names, pl.String), orient="row")


def scanned(text: str) -> list[str]:
    """The codes of a field that a scanner types into: one to a line, or parted by blanks or commas."""
    return [code for code in re.split(r"[\s,，;；]+", text) if code]


def _off(one: Off, tr: Translate, names: Named) -> str:
    whose = {"order": one.order_no, "shop": names("shop", one.shop)}
    if one.held:
        return tr(OFF_HELD).format(**whose, why=reasons(one.held, tr, names))
    if one.waits:
        return tr(OFF_WAITS).format(**whose)
    return tr(OFF).format(**whose, state=tr(one.headline.replace("_", " ")))


def together(beside: Sequence[tuple[str, str]], tr: Translate) -> list[Said]:
    """Of `floor.beside`."""
    return [(tr(TOGETHER).format(order=order, others=others), "info") for order, others in beside]


def sent(gone: Sequence[tuple[str, int]], now: int, tr: Translate) -> list[Said]:
    """What a keeper must know of boxes that `floor.sent` tells. `now`: microseconds UTC."""
    return [(tr(SENT).format(order=order, hours=f"{max(0, now - at) / HOUR_US:.1f}"), "warn") for order, at in gone]


class Off(Protocol):
    """As `flows.packing.Off`."""

    @property
    def shop(self) -> str: ...
    @property
    def order_no(self) -> str: ...
    @property
    def headline(self) -> str: ...
    @property
    def held(self) -> str: ...
    @property
    def waits(self) -> bool: ...


def box(
    name: str, table: pl.DataFrame, codes: Sequence[str], off: Sequence[Off], tr: Translate, names: Named = by_id
) -> list[Said]:
    """What the scans of a box say, of the rows of floor.boxed; before anything is scanned, what belongs there. `off`:
    the orders of that name as they are now, which may not be packed though the floor still has them: it is looked at
    now and then only."""
    if not name:
        return [(tr(NO_CODES), "info")]
    if table.is_empty():
        return [(_off(one, tr, names), "bad") for one in off] or [(tr(NO_BOX), "bad")]
    kept = {(one.shop, one.order_no): one for one in off if one.held or one.headline in STOPPED}
    rows = table.select(WHOSE).rows()
    stopped: list[Said] = [(_off(one, tr, names), "bad") for row, one in kept.items() if row in rows]
    return [*stopped, *_packed(table.filter([row not in kept for row in rows]), codes, tr, names)]


def _packed(table: pl.DataFrame, codes: Sequence[str], tr: Translate, names: Named) -> list[Said]:
    """Of orders that may be packed."""
    if not codes:
        return [
            (tr(NEEDED[row["item"]]).format(needed=row["needed"], sku=called(row, tr)), "info")
            if row["item"] in NEEDED
            else (fault(row, tr), "bad")
            for row in table.iter_rows(named=True)
            if row["item"]
        ]
    several = table.n_unique(WHOSE) > 1  # parcels of one order, or two shops' orders of one number
    return [
        (f"{whose(row, names)}{tr(': ')}{fault(row, tr)}" if several else fault(row, tr), "bad")
        if row["verdict"] == "fail"
        else (tr(WHOLE).format(order=row["order_no"], shop=names("shop", row["shop"])), "good")
        for row in table.iter_rows(named=True)
    ]
