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
    waiting = np.bincount(numbers.lines["order"].to_numpy()[taken.candidate == NOWHERE], minlength=orders)
    outcome = np.select([parcels == 0, waiting > 0, parcels > 1], [3, 2, 1], 0)
    return pl.DataFrame(
        [
            numbers.orders["order_id"],
            _words(HOW.categories, outcome, "outcome").cast(HOW),
            pl.Series("parcels", parcels.astype(np.int32)),
        ]
    )


def _assigned(numbers: Numbered, taken: Taken) -> pl.DataFrame:
    goes = taken.candidate != NOWHERE
    place = np.where(goes, numbers.asked.place[taken.candidate], -1) if len(numbers.asked.place) else taken.candidate
    parcel = pl.Series("parcel", taken.parcel.astype(np.int32)).set(pl.Series(~goes), None)
    return numbers.lines.select("order_id", "line_no").with_columns(_words(numbers.places, place, "warehouse"), parcel)


def _lacks(numbers: Numbered, candidate: Numbers, line: Numbers, left: Numbers) -> pl.DataFrame:
    offered = numbers.candidates.select("order_id", "rank", "warehouse", "closed")[candidate]
    of_line = np.where(line >= 0, line, -1)
    wanted = _rows(pl.Series(numbers.asked.need), of_line)
    limit = _rows(pl.Series(numbers.limit), np.where(line == FULL, numbers.asked.gate[candidate], -1))
    what = np.select([line == CLOSED, line == FULL], [0, 1], 2)
    return offered.with_columns(
        _words(WHAT.categories, what, "lack").cast(WHAT),
        _rows(numbers.lines["line_no"], of_line),
        _rows(numbers.lines["sku"], of_line),
        pl.Series("left", left),
        wanted.zip_with(wanted.is_not_null(), limit).fill_null(0).alias("asked"),
    ).select(LACKS.names())


def _ledger(
    numbers: Numbered, order: Numbers, line: Numbers, counter: Numbers, quantity: Numbers, left: Numbers
) -> pl.DataFrame:
    """Of stock, what is on hand after each entry; of room, how much is booked: the pass counts what is left of both."""
    books, comes = (line == CAPACITY) & (order != SUPPLY), order == SUPPLY
    places = len(numbers.places)
    subjects = pl.concat([numbers.skus, numbers.days.dt.to_string("iso")])
    subject = counter // max(places, 1) + np.where(books, len(numbers.skus), 0)
    cell, gate = np.where(books, 0, counter), np.where(books, counter, 0)
    balance = np.where(books, numbers.limit[gate] - left, left + numbers.safety[cell]) if len(order) else left
    number = np.where(comes, -1, order)
    of_line = np.where(books | comes, -1, line)
    return pl.DataFrame(
        [
            _words(pl.Series(["stock", "capacity"]), books.astype(np.int64), "kind").cast(LEDGER["kind"]),
            _words(numbers.places, counter % max(places, 1), "place"),
            _words(subjects, subject, "subject"),
            _rows(numbers.orders["order_id"], number),
            _rows(numbers.lines["line_no"], of_line),
            pl.Series("quantity", np.where(books, 1, quantity)),
            pl.Series("balance", balance),
        ],
    )


def _words(words: pl.Series, rows: Numbers, name: str) -> pl.Series:
    return _rows(words.alias(name), rows)


def _rows(values: pl.Series, rows: Numbers) -> pl.Series:
    """The values of these rows; null where the row is -1."""
    known = pl.Series(rows)
    return values.gather(known.set(known < 0, None)) if len(rows) else values.clear()
