"""The frames of orders that contend for stock and room: what they ask, what there is, and what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from orderhub_core.frames import INSTANT

ASKING = pl.Schema(
    {"order_id": pl.Int64(), "turn": pl.Int64(), "paid_at": INSTANT, "parcels": pl.Int32(), "partly": pl.Boolean()}
)
"""Orders that ask. They take turns by `turn`, then `paid_at`, then `order_id`. `turn`: 0, or in a replay the batch in
which the order was decided: a live hub hears of some orders late, and they took what was left then. `parcels`: how many
it may go in; 1 where it must not be split. `partly`: what is there may go before the rest; the rest counts as a parcel.
"""
WANTED = pl.Schema(
    {
        "order_id": pl.Int64(),
        "line_no": pl.Int32(),
        "sku": pl.String(),
        "quantity": pl.Int32(),
        "together": pl.Int32(),
        "stocked": pl.Boolean(),
    }
)
"""Their lines. Lines with the same `together` never part, nor does the line that has it for its number; so a gift has
that of its parent (LINES has it as `gift_of`). Null: the line stands alone. Not `stocked`: made to order, takes
nothing from stock."""
CANDIDATES = pl.Schema({"order_id": pl.Int64(), "rank": pl.Int32(), "warehouse": pl.String(), "closed": pl.String()})
"""Where an order may go, the lowest rank first; see `routing`. `closed`: why the warehouse takes nothing at the order's
instant; null: it is open."""
STOCK = pl.Schema({"warehouse": pl.String(), "sku": pl.String(), "on_hand": pl.Int64(), "safety": pl.Int64()})
"""Pieces on hand, and how many of them orders must leave. What has no row is not there."""
LIMITS = pl.Schema({"warehouse": pl.String(), "orders": pl.Int64()})
"""Orders that a warehouse takes in a day; without a row, or null: any number."""
BOOKED = pl.Schema({"warehouse": pl.String(), "day": pl.Date(), "orders": pl.Int64()})
"""Orders that it has taken of a day. An order counts for the day on which it was paid, in the zone that is passed in;
one that goes in parcels counts in each of its warehouses."""
SUPPLIES = pl.Schema({"at": INSTANT, "warehouse": pl.String(), "sku": pl.String(), "quantity": pl.Int64()})
"""Pieces that come in, or go where negative: there for every order paid at that instant or later."""

HOW = pl.Enum(["whole", "split", "partial", "short"])
OUTCOMES = pl.Schema({"order_id": pl.Int64(), "outcome": HOW, "parcels": pl.Int32()})
"""One row per order, in the order of their turns. `short`: it took nothing."""
ASSIGNED = pl.Schema({"order_id": pl.Int64(), "line_no": pl.Int32(), "warehouse": pl.String(), "parcel": pl.Int32()})
"""One row per line. `warehouse` and `parcel` (from 1) are null where it goes nowhere yet."""
WHAT = pl.Enum(["closed", "full", "stock"])
LACKS = pl.Schema(
    {
        "order_id": pl.Int64(),
        "rank": pl.Int32(),
        "warehouse": pl.String(),
        "lack": WHAT,
        "line_no": pl.Int32(),
        "sku": pl.String(),
        "left": pl.Int64(),
        "asked": pl.Int64(),
        "closed": pl.String(),
    }
)
"""Why each candidate before the one that took the whole order did not: one row, or one per line that it did not have.
Of `stock`, `left` are the pieces that the order's lines before leave and `asked` the line's; of `full`, `asked` is the
limit of orders a day and `left` what is left of it: none, or fewer where the limit was lowered."""
LEDGER = pl.Schema(
    {
        "kind": pl.Enum(["stock", "capacity", "quota"]),
        "place": pl.String(),
        "subject": pl.String(),
        "order_id": pl.Int64(),
        "line_no": pl.Int32(),
        "quantity": pl.Int64(),
        "balance": pl.Int64(),
    }
)
"""What was taken, only ever added to; in the order in which it was. `stock`: pieces of the SKU `subject` in the
warehouse `place`, and how many are on hand after it; no order: a supply. `capacity`: an order booked for the day
`subject`, and how many are then. `quota`: see `quotas`. Of one resource each balance is the one before and the
quantity."""
FINDINGS = pl.Schema(
    {
        "finding": pl.Enum(["negative_stock", "stated_twice", "no_quantity", "no_sku", "not_paid", "quota_twice"]),
        "warehouse": pl.String(),
        "subject": pl.String(),
        "order_id": pl.Int64(),
        "line_no": pl.Int32(),
        "value": pl.Int64(),
    }
)
"""`negative_stock`: treated as none. `stated_twice`: two rows of the stock for the same; the lesser holds.
`no_quantity`: a line of no pieces or fewer; takes none. `no_sku`: a line that asks for a piece without a name, which
no warehouse has. `not_paid`: an order without an instant has no turn, and is not decided. `quota_twice`: two rows of
quotas for the rule `subject`; of each limit the lesser holds."""


def findings(found: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """FINDINGS of these names: of each frame those of its columns that they have."""
    told = [
        frame.with_columns(finding=pl.lit(name, FINDINGS["finding"])).match_to_schema(
            FINDINGS, missing_columns="insert", extra_columns="ignore"
        )
        for name, frame in found.items()
        if frame.height
    ]
    return pl.concat([pl.DataFrame(schema=FINDINGS), *told])


class Resources(NamedTuple):
    stock: pl.DataFrame
    limits: pl.DataFrame
    booked: pl.DataFrame


class Outcome(NamedTuple):
    orders: pl.DataFrame
    lines: pl.DataFrame
    lacks: pl.DataFrame
    ledger: pl.DataFrame
    findings: pl.DataFrame


class Question(NamedTuple):
    """Who asks for what: ASKING, WANTED, CANDIDATES, and the SUPPLIES of the same time."""

    orders: pl.DataFrame
    lines: pl.DataFrame
    candidates: pl.DataFrame
    supplies: pl.DataFrame = pl.DataFrame(schema=SUPPLIES)
