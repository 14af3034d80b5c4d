"""Claims as numbers, for the pass of `turns`: orders in the order of their turns, their lines and candidates in runs,
the stock as a table of SKUs by warehouses, the room as counters of days by warehouses."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from orderhub_core.rules.claims import Question, Resources
from orderhub_core.rules.turns import CLOSED, Asked, Left, Taken

Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]
WITHOUT_LIMIT = 2**62
CELL, GATE = ["sku", "warehouse"], ["day", "warehouse"]
_ORDER = pl.col("order").cast(pl.Int64)
_GROUP = pl.coalesce("together", "line_no")


class Numbered(NamedTuple):
    orders: pl.DataFrame
    """In the order of their turns; `day`, and `order`, their number."""
    lines: pl.DataFrame
    candidates: pl.DataFrame
    supplies: pl.DataFrame
    skus: pl.Series
    """The names of the rows of the stock; one row more, of nothing, stands for what takes none and what has no name."""
    places: pl.Series
    days: pl.Series
    safety: Numbers
    """By cell of the stock."""
    limit: Numbers
    """By gate."""
    asked: Asked
    left: Left

    def blank(self) -> Taken:
        """Room for all that the pass can write down: at most a parcel for each candidate and for each group."""
        asked = self.asked
        candidates, lines = np.diff(asked.candidates), np.diff(asked.lines[asked.groups])
        groups = np.maximum(np.diff(asked.groups), 1)
        entries = len(asked.cell) + len(asked.sku) + int(np.minimum(candidates, groups).sum())
        lacks = int((candidates * np.maximum(lines, 1)).sum())
        return Taken.blank(lines=len(asked.sku), entries=entries, lacks=lacks)


def numbered(question: Question, resources: Resources, zone: str) -> Numbered:
    """Of a question without findings; see `resources.allocate`."""
    orders = _in_turn(question.orders, zone)
    turns = orders.select("order_id", "order", "day")
    lines = _of_orders(question.lines, turns, _GROUP, pl.col("line_no"))
    candidates = _of_orders(question.candidates, turns, pl.col("rank"))
    supplies = question.supplies.sort("at", maintain_order=True)
    places = _spoken_of(candidates["warehouse"], supplies["warehouse"])
    skus = _spoken_of(lines.filter("stocked")["sku"], supplies["sku"])
    days = orders["day"].unique().sort()
    stock, floor = _stock(resources.stock, skus, places)
    room, limit = _room(resources, days, places)
    place = codes(candidates["warehouse"], places)
    gate = codes(candidates["day"], days) * len(places) + place
    new_group = _starts(lines.select("order", _GROUP.alias("group")))
    asked = Asked(
        groups=_runs(lines["order"].to_numpy()[new_group], orders.height),
        lines=np.append(new_group, lines.height),
        candidates=_runs(candidates["order"].to_numpy(), orders.height),
        supplies=_arrived(orders, supplies),
        sku=np.where(lines["stocked"] & lines["sku"].is_not_null(), codes(lines["sku"], skus), len(skus)),
        need=lines["quantity"].cast(pl.Int64).to_numpy() * lines["stocked"].to_numpy(),
        place=place,
        gate=np.where(candidates["closed"].is_null().to_numpy(), gate, CLOSED),
        parcels=orders["parcels"].cast(pl.Int64).to_numpy(),
        partly=orders["partly"].cast(pl.Int64).to_numpy(),
        cell=codes(supplies["sku"], skus) * len(places) + codes(supplies["warehouse"], places),
        supplied=supplies["quantity"].to_numpy(),
    )
    left = Left(stock, floor, room, len(places))
    return Numbered(orders, lines, candidates, supplies, skus, places, days, -floor, limit, asked, left)


def _spoken_of(*columns: pl.Series) -> pl.Series:
    return pl.concat([column.unique() for column in columns]).unique().drop_nulls().sort()


def codes(column: pl.Series, words: pl.Series) -> Numbers:
    """Of each row the place of its word among `words`, which are sorted; -1 for what is not there."""
    if column.dtype == pl.String:
        found = column.cast(pl.Enum(words), strict=False).to_physical().cast(pl.Int64)
        return found.fill_null(-1).to_numpy()
    return words.search_sorted(column).cast(pl.Int64).to_numpy()


def _in_turn(orders: pl.DataFrame, zone: str) -> pl.DataFrame:
    ordered = orders.sort("turn", "paid_at", "order_id")
    day = pl.col("paid_at").dt.convert_time_zone(zone).dt.date()
    return ordered.with_columns(day=day).with_row_index("order")


def _of_orders(frame: pl.DataFrame, turns: pl.DataFrame, *then: pl.Expr) -> pl.DataFrame:
    """The rows of these orders, in the order of their turns and within one by `then`."""
    own = frame.join(turns, on="order_id", how="inner")
    return own.sort(pl.col("order"), *then, maintain_order=True)


def _runs(owner: Numbers, owners: int) -> Numbers:
    """Where the rows of each owner begin, of rows sorted by it; and where the last one's end."""
    return np.searchsorted(owner, np.arange(owners + 1))


def _starts(keys: pl.DataFrame) -> Numbers:
    """The rows at which another key begins."""
    order, group = keys["order"].to_numpy(), keys["group"].to_numpy()
    other = np.ones(len(order), np.bool_)
    other[1:] = (order[1:] != order[:-1]) | (group[1:] != group[:-1])
    return np.flatnonzero(other)


def _arrived(orders: pl.DataFrame, supplies: pl.DataFrame) -> Numbers:
    """How many supplies there are by each turn, and in the end all."""
    latest = orders["paid_at"].to_physical().cum_max().to_numpy()
    return np.append(np.searchsorted(supplies["at"].to_physical().to_numpy(), latest, "right"), supplies.height)


def _stock(stock: pl.DataFrame, skus: pl.Series, places: pl.Series) -> tuple[Numbers, Numbers]:
    """By cell: pieces that may be taken, and the same if nothing were on hand. Of two rows the lesser holds."""
    row, column = codes(stock["sku"], skus), codes(stock["warehouse"], places)
    known = (row >= 0) & (column >= 0)
    cell = row[known] * len(places) + column[known]
    on_hand, safety = (stock[name].to_numpy()[known] for name in ("on_hand", "safety"))
    cells = (len(skus) + 1) * len(places)
    free, floor = np.zeros(cells, np.int64), np.zeros(cells, np.int64)
    lesser_last = np.argsort(-on_hand, kind="stable")
    free[cell[lesser_last]] = (np.maximum(on_hand, 0) - safety)[lesser_last]
    floor[cell[lesser_last]] = -safety[lesser_last]
    return free, floor


def _room(resources: Resources, days: pl.Series, places: pl.Series) -> tuple[Numbers, Numbers]:
    """By gate: orders that may still be taken, and the limit."""
    gates = days.to_frame("day").join(places.to_frame("warehouse"), how="cross")
    told = gates.join(
        resources.limits.rename({"orders": "limit"}), on="warehouse", how="left", maintain_order="left"
    ).join(resources.booked, on=GATE, how="left", maintain_order="left")
    limit = told["limit"].fill_null(WITHOUT_LIMIT).to_numpy()
    return limit - told["orders"].fill_null(0).to_numpy(), limit
