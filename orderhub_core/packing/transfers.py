"""What is to be brought from one warehouse to another, in people's words. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from orderhub_core.i18n import Translate
from orderhub_core.rules.transfers import Planned

MOST_NAMED = 20
NOBODY = "No order waits for pieces that another warehouse could give."
HEADS = {
    "source": "From warehouse",
    "target": "To warehouse",
    "sku": "SKU",
    "pieces": "Pieces",
    "orders": "Orders that go with it",
    "distance_km": "Kilometres",
    "cost_minor": "Cost",
}


def sentences(planned: Planned, tr: Translate) -> Iterator[str]:
    """The routes with what goes by each, then who goes without, and who cannot go."""
    for source, target, pieces, orders, km, cost in planned.routes.iter_rows():
        far = "" if km is None else tr(", {km} km").format(km=f"{km:,.0f}")
        paid = "" if cost is None else tr(", cost {cost}").format(cost=_yuan(cost))
        told = tr("{source} → {target}{far}: {pieces} pieces{paid}; orders that go with it: {orders}")
        yield told.format(source=source, target=target, far=far, pieces=f"{pieces:,}", paid=paid, orders=f"{orders:,}")
        own = planned.moves.filter(pl.col("source") == source, pl.col("target") == target)
        for sku, some, number in own.select("sku", "pieces", "orders").iter_rows():
            yield "    " + tr("{sku} × {pieces} (orders: {orders})").format(sku=sku, pieces=some, orders=number)
    yield from remarks(planned, tr)


def remarks(planned: Planned, tr: Translate) -> Iterator[str]:
    """Who goes without anything brought, and who cannot go whatever is brought."""
    states = planned.orders["state"]
    if planned.orders.is_empty():
        yield tr(NOBODY)
    if there := int((states == "there").sum()):
        text = tr("Orders that go with the next report of their own warehouse, everything being there: {orders}")
        yield text.format(orders=f"{there:,}")
    short = planned.orders.filter(pl.col("state") == "nowhere")
    by_sku = short.group_by("sku", maintain_order=True).agg(pl.col("order_no"), pl.len().alias("orders"))
    for sku, names, orders in by_sku.sort("orders", descending=True, maintain_order=True).head(MOST_NAMED).iter_rows():
        more = tr(", …") if orders > MOST_NAMED else ""
        text = tr(
            "! {sku}: no warehouse that may give it has enough; orders that wait for it: {orders} ({names}{more})"
        )
        yield text.format(sku=sku, orders=f"{orders:,}", names=tr(", ").join(names[:MOST_NAMED]), more=more)
    if (rest := by_sku.height - MOST_NAMED) > 0:
        yield tr("! … and {n} more SKUs: `orderhub stock transfers --json` has all").format(n=f"{rest:,}")


def table(planned: Planned, tr: Translate) -> pl.DataFrame:
    """MOVES with the whole of each route, a row per SKU; the cost is that of the route."""
    whole = planned.routes.select("source", "target", "distance_km", pl.col("cost_minor") / 100)
    joined = planned.moves.join(whole, on=["source", "target"], how="left", maintain_order="left")
    return joined.with_columns(pl.col("distance_km").round(0)).rename({name: tr(head) for name, head in HEADS.items()})


def _yuan(minor: int) -> str:
    return f"{minor // 100:,}.{minor % 100:02d}"
