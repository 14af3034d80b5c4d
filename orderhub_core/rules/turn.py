"""One order of many at its turn: what those that were paid before it had left, where it could go, what that costs."""

from __future__ import annotations

from typing import Any, NamedTuple

import polars as pl

from orderhub_core.frames import LINES
from orderhub_core.model import FIRST_ADDED_LINE
from orderhub_core.rules import freight, ledger, routing, speeds
from orderhub_core.rules.actions import NEAREST
from orderhub_core.rules.asking import wanted
from orderhub_core.rules.claims import ASKING, BOOKED, Outcome, Question, Resources
from orderhub_core.rules.resources import allocate
from orderhub_core.rules.speeds import Run
from orderhub_core.rules.splitting import asked, column, parted, partly, ways
from orderhub_core.rules.ways import read

_PLACE = ("latitude", "longitude")


class Known(NamedTuple):
    """What may be known beside orders and lines; None: nobody has said."""

    stock: pl.DataFrame | None = None
    """claims.STOCK, before the first of the orders."""
    warehouses: pl.DataFrame | None = None
    """routing.WAREHOUSES."""
    weights: pl.DataFrame | None = None
    """`sku`, `weight_g`."""
    zones: pl.DataFrame | None = None
    tariffs: pl.DataFrame | None = None


class Case(NamedTuple):
    """One order at its turn."""

    order: dict[str, Any]
    zone: str
    """In which times are told."""
    lines: pl.DataFrame
    decisions: pl.DataFrame
    """DECISIONS of it; to be answered from, with the `parcel` that one is about, 0: the order. What is said of a parcel
    comes before what is said of its order."""
    outcome: Outcome | None
    """None where no stock is known."""
    stock: pl.DataFrame | None
    """STOCK at its turn, of its SKUs."""
    routes: pl.DataFrame
    """routing.ROUTES of it."""
    goes: pl.DataFrame
    """Its lines with the `parcel` and the `warehouse` that they go in and from; null where they go nowhere yet."""
    costs: pl.DataFrame
    """`parcel`, `warehouse`, `cost_minor`: each parcel from where it goes, and as parcel 0 the whole order from
    everywhere."""
    parcels: int = 1
    """Of which its decisions speak."""

    def of(self, verb: str) -> list[dict[str, Any]]:
        return self.decisions.filter(pl.col("action") == verb).to_dicts()


def case(order_id: int, orders: pl.DataFrame, lines: pl.DataFrame, decisions: pl.DataFrame, known: Known, *,
         zone: str, run: Run = speeds.plain) -> Case:  # fmt: skip
    """Of the order, once those that were paid before it have taken what they need; their gifts, too. `decisions`:
    DECISIONS of all the orders, their gifts granted."""
    row = orders.filter(pl.col("order_id") == order_id)
    own = decisions.filter(pl.col("order_id") == order_id)
    routes = _routes(orders, decisions, known)
    outcome, stock = None, None
    if known.stock is not None and "paid_at" in orders:
        asking = _asking(orders, decisions, routes["warehouse"].n_unique())
        earlier = _before(orders, row)
        left = Resources(known.stock, routing.limits(_warehouses(known, decisions)), pl.DataFrame(schema=BOOKED))
        needed, open_to = _with_gifts(lines, decisions), _allowed(routes, decisions)
        first = allocate(_question(asking, needed, open_to, earlier), left, zone=zone, run=run)
        left = ledger.after(left, first.ledger)
        outcome = allocate(_question(asking, needed, open_to, row["order_id"]), left, zone=zone)
        bought = needed.filter(pl.col("order_id") == order_id)["sku"].drop_nulls().unique()
        stock = left.stock.filter(pl.col("sku").is_in(bought.implode())).sort("sku", "warehouse")
    mine = lines.filter(pl.col("order_id") == order_id)
    told = routes.filter(pl.col("order_id") == order_id)
    goes = _goes(mine, outcome, own)
    return Case(row.to_dicts()[0], zone, mine, own, outcome, stock, told, goes, _costs(row, goes, known))


def _before(orders: pl.DataFrame, row: pl.DataFrame) -> pl.Series:
    """The orders whose turn comes before it."""
    turn = orders.filter(pl.col("paid_at").is_not_null()).sort("paid_at", "order_id")["order_id"]
    place = turn.index_of(row["order_id"][0])
    return turn.head(len(turn) if place is None else place)


def _question(asking: pl.DataFrame, lines: pl.DataFrame, routes: pl.DataFrame, ids: pl.Series) -> Question:
    own = pl.col("order_id").is_in(ids.implode())
    candidates = routes.select("order_id", "rank", "warehouse", "closed")
    return Question(asking.filter(own), wanted(lines).filter(own), candidates.filter(own))


def _with_gifts(lines: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    """LINES, those of the gifts that rules add among them, each bound to its parent."""
    told = lines.select(
        (pl.col(name) if name in lines else pl.lit(None)).cast(dtype).alias(name) for name, dtype in LINES.items()
    )
    given = decisions.filter(pl.col("action") == "add_gift").select(
        "order_id",
        line_no=(pl.int_range(pl.len()).over("order_id") + FIRST_ADDED_LINE).cast(pl.Int32),
        sku="argument",
        quantity="quantity",
        gift_of="parent",
    )
    return pl.concat([told, given.match_to_schema(LINES, missing_columns="insert")])


def _asking(orders: pl.DataFrame, decisions: pl.DataFrame, places: int) -> pl.DataFrame:
    """claims.ASKING: an order that a rule splits by warehouse or stock may go from as many places as there are."""
    told = orders.select("order_id", "paid_at").join(ways(decisions), on="order_id", how="left", maintain_order="left")
    way = pl.col("way").fill_null("")
    return told.select(
        "order_id", "paid_at", turn=pl.lit(0, pl.Int64), parcels=asked(way, places), partly=partly(way)
    ).match_to_schema(ASKING)


def _warehouses(known: Known, decisions: pl.DataFrame) -> pl.DataFrame:
    """Those that are told, and those that rules name beside them."""
    named = decisions.filter((pl.col("action") == "assign_warehouse") & (pl.col("argument") != NEAREST))["argument"]
    stocked = known.stock["warehouse"] if known.stock is not None else named.clear()
    told = routing.WAREHOUSES.to_frame() if known.warehouses is None else known.warehouses
    names = pl.concat([stocked, named]).drop_nulls().unique(maintain_order=True)
    rest = names.filter(~names.is_in(told["warehouse"].implode())).to_frame("warehouse")
    return pl.concat([told, rest.match_to_schema(routing.WAREHOUSES, missing_columns="insert")])


def _routes(orders: pl.DataFrame, decisions: pl.DataFrame, known: Known) -> pl.DataFrame:
    """Where orders may go: where a rule sends them first, then the nearest, then the others."""
    if "paid_at" not in orders:
        return routing.ROUTES.to_frame()
    sent = decisions.filter((pl.col("action") == "assign_warehouse") & (pl.col("argument") != NEAREST))
    wished = sent.group_by("order_id", maintain_order=True).agg(wished="argument")
    places = [pl.col(name) if name in orders else pl.lit(None, pl.Float64).alias(name) for name in _PLACE]
    going = orders.select("order_id", "paid_at", *places).join(wished, on="order_id", how="left", maintain_order="left")
    return routing.routes(going, _warehouses(known, decisions), routing.NO_WINDOW)


def _allowed(routes: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    """ROUTES that an order may take: the one that a rule names alone, as it is live."""
    sent = decisions.filter(pl.col("action") == "assign_warehouse").group_by("order_id", maintain_order=True)
    named = sent.agg(named=pl.col("argument").first()).filter(pl.col("named") != NEAREST)
    told = routes.join(named, on="order_id", how="left", maintain_order="left")
    return told.filter(pl.col("named").is_null() | (pl.col("named") == pl.col("warehouse"))).drop("named")


def _costs(row: pl.DataFrame, goes: pl.DataFrame, known: Known) -> pl.DataFrame:
    """`parcel`, `warehouse`, `cost_minor`."""
    if known.weights is None or known.zones is None or known.tariffs is None or "province" not in row:
        return pl.DataFrame(schema={"parcel": pl.Int64, "warehouse": pl.String, "cost_minor": pl.Int64})
    weighed = goes.join(known.weights, on="sku", how="left", maintain_order="left").with_columns(
        weight_g=pl.col("quantity").cast(pl.Int64) * pl.col("weight_g")
    )
    both = pl.concat([weighed, weighed.with_columns(parcel=pl.lit(0, pl.Int64))]).drop_nulls("parcel")
    parcels = both.group_by("parcel", maintain_order=True).agg(
        pl.col("warehouse").first(),
        weight_g=pl.when(pl.col("weight_g").null_count() == 0).then(pl.col("weight_g").sum()),
    )
    asked = parcels.select(
        order_id="parcel", province=pl.lit(row["province"].cast(pl.String)[0]).cast(pl.String), weight_g="weight_g"
    )
    costs = freight.costs(asked, known.zones, known.tariffs).rename({"order_id": "parcel"})
    from_own = costs.join(parcels.select("parcel", own="warehouse"), on="parcel", how="left", maintain_order="left")
    return from_own.filter((pl.col("parcel") == 0) | (pl.col("warehouse") == pl.col("own"))).drop("own")


def _goes(lines: pl.DataFrame, outcome: Outcome | None, decisions: pl.DataFrame) -> pl.DataFrame:
    """As of `Case`."""
    if outcome is not None:
        placed = outcome.lines.select("line_no", "warehouse", parcel=pl.col("parcel").cast(pl.Int64))
        return _by_kind(lines.join(placed, on="line_no", how="left", maintain_order="left"), decisions)
    sent = decisions.filter((pl.col("action") == "assign_warehouse") & (pl.col("argument") != NEAREST))["argument"]
    whole = lines.with_columns(
        warehouse=pl.lit(sent[0] if len(sent) else None, pl.String), parcel=pl.lit(1 if len(sent) else None, pl.Int64)
    )
    return _by_kind(whole, decisions)


def _by_kind(goes: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    """With a parcel for each kind, where a rule wants that and the order goes."""
    way = next(iter(ways(decisions)["way"]), "")
    if column(way) not in goes:
        return goes
    gift_of = pl.col("gift_of") if "gift_of" in goes else pl.lit(None, pl.Int32)
    kinds = goes.select(
        "order_id", "line_no", gift_of=gift_of, kind=column(way), most=pl.lit(read(way).most, pl.Int32)
    )  # fmt: skip
    parcels = parted(kinds).select("line_no", of_kind=pl.col("parcel").cast(pl.Int64))
    told = goes.join(parcels, on="line_no", how="left", maintain_order="left")
    return told.with_columns(pl.when(pl.col("parcel").is_not_null()).then("of_kind").alias("parcel")).drop("of_kind")
