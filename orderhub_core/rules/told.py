"""What the pass of `turns` wrote down, as frames again."""

from __future__ import annotations

import numpy as np
import polars as pl

from orderhub_core.rules.claims import HOW, LACKS, LEDGER, WHAT, Outcome
from orderhub_core.rules.numbered import Numbered, Numbers
from orderhub_core.rules.turns import CAPACITY, CLOSED, FULL, NOWHERE, SUPPLY, Taken


def told(numbers: Numbered, taken: Taken, findings: pl.DataFrame) -> Outcome:
    entries, lacks = (int(count) for count in taken.counts)
    order, line, counter, quantity, left = (column[:entries] for column in taken[3:8])
    booked = order[(line == CAPACITY) & (order != SUPPLY)]
    return Outcome(
        _outcomes(numbers, taken, booked),
        _assigned(numbers, taken),
        _lacks(numbers, *(column[:lacks] for column in taken[8:11])),
        _ledger(numbers, order, line, counter, quantity, left),
        findings,
    )


def _outcomes(numbers: Numbered, taken: Taken, booked: Numbers) -> pl.DataFrame:
    orders = numbers.orders.height
    parcels = np.bincount(booked, minlength=orders)
    waiting = np.bincount(numbers.lines.order[taken.candidate == NOWHERE], minlength=orders)
    outcome = np.select([parcels == 0, waiting > 0, parcels > 1], [3, 2, 1], 0)
    return pl.DataFrame(
        [
            numbers.orders["order_id"],
            _rows(pl.Series("outcome", HOW.categories, HOW), outcome),
            pl.Series("parcels", parcels.astype(np.int32)),
        ]
    )


def _assigned(numbers: Numbered, taken: Taken) -> pl.DataFrame:
    goes = taken.candidate != NOWHERE
    place = np.where(goes, numbers.asked.place[taken.candidate], -1) if len(numbers.asked.place) else taken.candidate
    parcel = pl.Series("parcel", taken.parcel.astype(np.int32))
    return numbers.lines.frame.select("order_id", "line_no").with_columns(
        _rows(numbers.places.alias("warehouse"), place), parcel if goes.all() else parcel.set(pl.Series(~goes), None)
    )


def _lacks(numbers: Numbered, candidate: Numbers, line: Numbers, left: Numbers) -> pl.DataFrame:
    offered = numbers.candidates.frame.select("order_id", "rank", "warehouse", "closed")[candidate]
    of_line, full = line >= 0, line == FULL
    asked = np.zeros(len(line), np.int64)
    asked[of_line] = numbers.asked.need[line[of_line]]
    asked[full] = numbers.limit[numbers.asked.gate[candidate[full]]]
    what, lines = np.select([line == CLOSED, full], [0, 1], 2), numbers.lines.frame
    return offered.with_columns(
        _rows(pl.Series("lack", WHAT.categories, WHAT), what),
        *(_rows(lines[name], np.where(of_line, line, -1)) for name in ("line_no", "sku")),
        pl.Series("left", left),
        pl.Series("asked", asked),
    ).select(LACKS.names())


def _ledger(
    numbers: Numbered, order: Numbers, line: Numbers, counter: Numbers, quantity: Numbers, left: Numbers
) -> pl.DataFrame:
    """Of stock, what is on hand after each entry; of room, how much is booked: the pass counts what is left of both."""
    comes = order == SUPPLY
    books = (line == CAPACITY) & ~comes
    subject, place = np.divmod(counter, max(len(numbers.places), 1))
    subjects = pl.concat([numbers.skus, numbers.days.dt.to_string("iso")])
    of_gate = np.where(books, len(numbers.safety), 0)
    of_counter = np.concatenate([numbers.safety, numbers.limit, [0]])[counter + of_gate]
    return pl.DataFrame(
        [
            _rows(pl.Series("kind", ["stock", "capacity"], LEDGER["kind"]), books.astype(np.int64)),
            _rows(numbers.places.alias("place"), place),
            _rows(subjects.alias("subject"), subject + np.where(books, len(numbers.skus), 0)),
            _rows(numbers.orders["order_id"], order),
            _rows(numbers.lines.frame["line_no"], np.where(books | comes, -1, line)),
            pl.Series("quantity", np.where(books, 1, quantity)),
            pl.Series("balance", of_counter + np.where(books, -left, left)),
        ],
    )


def _rows(values: pl.Series, rows: Numbers) -> pl.Series:
    """The values of these rows; null where the row is below 0."""
    none = rows < 0
    if not none.any():
        return values[rows]
    return pl.concat([values, pl.Series([None], dtype=values.dtype)])[np.where(none, len(values), rows)]
