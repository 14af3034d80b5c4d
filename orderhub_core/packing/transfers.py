"""What is to be brought from one warehouse to another, in people's words. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from orderhub_core.i18n import Named, Said, Translate, by_id, yuan
from orderhub_core.rules.transfers import Planned

MOST_NAMED = 20
TITLE = "To be brought from another warehouse"
NOBODY = "No order waits for pieces that another warehouse could give."
HEADS = {
    "source": "From warehouse",
    "target": "To warehouse",
    "sku": "SKU",
    "pieces": "Pieces",
    "owed": "Of them for orders that it was told of",
    "orders": "Orders that go with it",
    "distance_km": "Kilometres",
    "cost_minor": "Cost of the whole route",
}
UNKNOWN = ("distance_km", "cost_minor")
"""Columns that are left out where nothing is known of any row."""


def sentences(planned: Planned, tr: Translate, names: Named = by_id) -> Iterator[str]:
    """The routes with what goes by each, then who goes without, and who cannot go."""
    for source, target, pieces, orders, km, cost in planned.routes.iter_rows():
        far = "" if km is None else tr(", {km} km").format(km=f"{km:,.0f}")
        paid = "" if cost is None else tr(", cost {cost}").format(cost=yuan(cost))
        told = tr("{source} → {target}{far}: {pieces} pieces{paid}; orders that go with it: {orders}")
        blanks = {"far": far, "pieces": f"{pieces:,}", "paid": paid, "orders": f"{orders:,}"}
        yield told.format(source=names("warehouse", source), target=names("warehouse", target), **blanks)
        own = planned.moves.filter(pl.col("source") == source, pl.col("target") == target)
        for sku, some, owed, number in own.select("sku", "pieces", "owed", "orders").iter_rows():
            text = "{sku} × {pieces} (orders: {orders}; for those that it was told of: {owed} pieces)"
            text = tr(text if owed else "{sku} × {pieces} (orders: {orders})")
            yield "    " + text.format(sku=sku, pieces=some, orders=number, owed=owed)
    for text, tone in notes(planned, tr, names=names):
        yield f"! {text}" if tone == "bad" else text


def notes(planned: Planned, tr: Translate, warehouse: str = "", names: Named = by_id) -> list[Said]:
    """Who goes without anything brought, and who cannot go whatever is brought. `warehouse`: of those that wait there
    only."""
    orders = planned.orders.filter(pl.col("warehouse") == warehouse) if warehouse else planned.orders
    said: list[Said] = []
    owed = planned.owed.filter(pl.col("warehouse") == warehouse) if warehouse else planned.owed
    if orders.is_empty() and owed.is_empty() and planned.moves.is_empty():
        said.append((tr(NOBODY), "good"))
    if there := int((orders["state"] == "there").sum()):
        text = tr("Orders that go with the next report of their own warehouse, everything being there: {orders}")
        said.append((text.format(orders=f"{there:,}"), "info"))
    short = orders.filter(pl.col("state") == "nowhere").group_by("sku", maintain_order=True)
    by_sku = short.agg(pl.col("order_no"), pl.len().alias("orders")).sort(
        "orders", descending=True, maintain_order=True
    )
    for sku, waiting, number in by_sku.head(MOST_NAMED).iter_rows():
        more = tr(", …") if number > MOST_NAMED else ""
        text = tr("{sku}: no warehouse that may give it has enough; orders that wait for it: {orders} ({names}{more})")
        some = tr(", ").join(waiting[:MOST_NAMED])
        said.append((text.format(sku=sku, orders=f"{number:,}", names=some, more=more), "bad"))
    for (name,), rows in owed.group_by("warehouse", maintain_order=True):
        text = tr("{warehouse} was told of orders whose pieces it does not have, nor may anybody give them: {pieces}")
        each = [tr("{sku} × {pieces}").format(sku=sku, pieces=n) for _, sku, n in rows.head(MOST_NAMED).iter_rows()]
        more = tr(", …") if rows.height > MOST_NAMED else ""
        said.append((text.format(warehouse=names("warehouse", str(name)), pieces=tr(", ").join(each) + more), "bad"))
    if (rest := by_sku.height - MOST_NAMED) > 0:
        text = tr("… and {n} more SKUs: `orderhub stock transfers --json` has all")
        said.append((text.format(n=f"{rest:,}"), "bad"))
    return said


def table(planned: Planned, tr: Translate, warehouse: str = "") -> pl.DataFrame:
    """MOVES with the distance of each route, a row per SKU; the first row of a route has what all of it costs.
    `warehouse`: only what it gives or gets."""
    route = ["source", "target"]
    whole = planned.routes.select(*route, pl.col("distance_km").round(0), pl.col("cost_minor") / 100)
    joined = planned.moves.join(whole, on=route, how="left", maintain_order="left").with_columns(
        pl.when(pl.int_range(pl.len()).over(route) == 0).then("cost_minor")
    )
    if warehouse:
        joined = joined.filter((pl.col("source") == warehouse) | (pl.col("target") == warehouse))
    told = [name for name in HEADS if name not in UNKNOWN or joined[name].count()]
    return joined.select(pl.col(name).alias(tr(HEADS[name])) for name in told)
