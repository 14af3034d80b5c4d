"""Claims as numbers, for the pass of `turns`: orders in the order of their turns, their lines and candidates in runs,
the stock as a table of SKUs by warehouses, the room as counters of days by warehouses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from orderhub_core.rules.claims import Question, Resources
from orderhub_core.rules.turns import CLOSED, Asked, Left, Taken

Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]
WITHOUT_LIMIT = 2**62
CELL, GATE = ["sku", "warehouse"], ["day", "warehouse"]
_GROUP = pl.coalesce("together", "line_no")


class InTurn(NamedTuple):
    """Rows of orders in the order of their turns."""

    frame: pl.DataFrame
    order: Numbers
    """Of each row, the number of its order."""
    runs: Numbers
    """Where the rows of each order begin; and where the last one's end."""


class Numbered(NamedTuple):
    orders: pl.DataFrame
    """In the order of their turns."""
    lines: InTurn
    candidates: InTurn
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
    orders = question.orders.sort("turn", "paid_at", "order_id")
    turns = orders["order_id"]
    lines = in_turn(question.lines.with_columns(group=_GROUP), turns, ["group", "line_no"])
    candidates = in_turn(question.candidates, turns, ["rank"])
    supplies = question.supplies.sort("at", maintain_order=True)
    sku, stocked, warehouse = lines.frame["sku"], lines.frame["stocked"], candidates.frame["warehouse"]
    places = _spoken_of(warehouse, supplies["warehouse"])
    skus = _spoken_of(sku if stocked.all() else sku.filter(stocked), supplies["sku"])
    of_day = orders["paid_at"].dt.convert_time_zone(zone).dt.date()
    days = of_day.unique().sort()
    stock, floor = _stock(resources.stock, skus, places)
    room, limit = _room(resources, days, places)
    place = codes(warehouse, places)
    gate = np.repeat(codes(of_day, days) * len(places), np.diff(candidates.runs)) + place
    new_group = _starts(lines)
    row = codes(sku, skus)
    asked = Asked(
        groups=np.searchsorted(new_group, lines.runs),
        lines=np.append(new_group, len(lines.order)),
        candidates=candidates.runs,
        supplies=_arrived(orders, supplies),
        sku=np.where(stocked.to_numpy() & (row >= 0), row, len(skus)),
        need=lines.frame["quantity"].cast(pl.Int64).to_numpy() * stocked.to_numpy(),
        place=place,
        gate=_closed(gate, candidates.frame["closed"]),
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


def in_turn(frame: pl.DataFrame, turns: pl.Series, then: Sequence[str]) -> InTurn:
    """The rows of these orders (ids) in the order of their turns, and within one by the columns `then`, whole numbers;
    of equals in the order in which they were."""
    own = frame if _is_sorted(frame, ["order_id", *then]) else frame.sort("order_id", *then, maintain_order=True)
    own = own.slice(own["order_id"].null_count())
    ids, asked = own["order_id"].to_numpy(), turns.to_numpy()
    # Rows that are sorted by order lie in runs: taking the turns is to take the runs, and sorts nothing.
    first = np.flatnonzero(_changes(ids))
    owners, ends = ids[first], np.append(first, len(ids))
    if len(owners) == len(asked) and (owners == asked).all():
        return InTurn(own, np.repeat(np.arange(len(asked)), np.diff(ends)), ends)
    at = np.searchsorted(owners, asked)
    there = at < len(owners)
    there[there] = owners[at[there]] == asked[there]
    begins, sizes = np.zeros(len(asked), np.int64), np.zeros(len(asked), np.int64)
    begins[there], sizes[there] = ends[at[there]], np.diff(ends)[at[there]]
    runs = np.append(0, np.cumsum(sizes))
    rows = np.arange(runs[-1]) + np.repeat(begins - runs[:-1], sizes)
    return InTurn(own[rows], np.repeat(np.arange(len(asked)), sizes), runs)


def _is_sorted(frame: pl.DataFrame, by: Sequence[str]) -> bool:
    """By these columns of whole numbers, one after the other. A missing one comes first, and is not looked for."""
    columns = [frame[name] for name in by]
    if any(column.null_count() for column in columns):
        return False
    follows = np.ones(max(frame.height - 1, 0), np.bool_)
    for column in reversed(columns):
        numbers = column.to_numpy()
        before, after = numbers[:-1], numbers[1:]
        follows = (before < after) | ((before == after) & follows)
    return bool(follows.all())


def _changes(numbers: Numbers) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Where another one begins."""
    other = np.ones(len(numbers), np.bool_)
    np.not_equal(numbers[1:], numbers[:-1], out=other[1:])
    return other


def _starts(lines: InTurn) -> Numbers:
    """The rows at which another group of lines begins; a line without a number is a group of its own."""
    group = lines.frame["group"]
    begins = _changes(lines.order) | _changes(group.fill_null(0).to_numpy())
    return np.flatnonzero(begins | group.is_null().to_numpy() if group.null_count() else begins)


def _closed(gate: Numbers, why: pl.Series) -> Numbers:
    """Of each candidate its gate, or CLOSED."""
    return gate if why.null_count() == len(why) else np.where(why.is_null().to_numpy(), gate, CLOSED)


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
