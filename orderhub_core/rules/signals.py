"""What goes on outside: how many watch a livestream, where it storms, which carrier is down. Each is a value that holds
from one instant to another, everywhere or for one subject."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from typing import Any, NamedTuple

import polars as pl

from orderhub_core.frames import INSTANT
from orderhub_core.rules.dictionary import Field

SIGNALS = pl.Schema(
    [
        ("signal", pl.String()),
        ("of", pl.String()),
        ("subject", pl.String()),
        ("number", pl.Int64()),
        ("word", pl.String()),
        ("since", INSTANT),
        ("until", INSTANT),
    ]
)
"""One row per report. `signal`: the column of a field of the dictionary. `of`: the column of orders that `subject` is a
value of, e.g. `province`; empty where it holds for all orders. `number` is what numbers, money and flags (1 or 0) have,
`word` what text has. It holds from `since` up to, not including, `until`; null: until further notice."""

Reports = pl.DataFrame | Callable[[Field], pl.DataFrame]
"""SIGNALS, or who reads those that one field asks for."""

PERIODS = pl.Schema([("subject", pl.String()), ("value", pl.Int64()), ("since", INSTANT)])
"""What held of a signal, period by period: from `since` up to the next row of the same subject; null: nothing known."""


class _Report(NamedTuple):
    since: Any
    until: Any
    value: Any


def of(reports: Reports | None, field: Field) -> pl.DataFrame:
    """SIGNALS of one field."""
    if reports is None:
        return SIGNALS.to_frame()
    told = reports if isinstance(reports, pl.DataFrame) else reports(field)
    return told.filter(pl.col("signal") == field.signal)


def periods(reports: pl.DataFrame, column: str) -> pl.DataFrame:
    """PERIODS of one signal of one kind (`column`: number or word). Where reports overlap, the one that began last
    holds; when it ends, the one before it holds again, if that has not ended."""
    lasting = reports.filter(pl.col("until").is_null() | (pl.col("until") > pl.col("since")))
    told = lasting.select("subject", "since", "until", value=column).sort("since", maintain_order=True)
    told = told.with_columns(next=pl.col("since").shift(-1).over("subject"))
    overlap = (pl.col("until").is_null() & pl.col("next").is_not_null()) | (pl.col("until") > pl.col("next"))
    told = told.with_columns(overlap=overlap.fill_null(False).any().over("subject"))
    both = pl.concat([_one_by_one(told.filter(~pl.col("overlap"))), _overlapping(told.filter("overlap"))])
    return both.sort("since", maintain_order=True)


def _one_by_one(told: pl.DataFrame) -> pl.DataFrame:
    """Of subjects of which each report ends before the next begins, as of what is measured again and again."""
    ended = told.filter(pl.col("next").is_null() | (pl.col("until") < pl.col("next"))).drop_nulls("until")
    nothing = pl.lit(None, told["value"].dtype).alias("value")
    return pl.concat(
        [told.select("subject", "value", "since"), ended.select("subject", nothing, pl.col("until").alias("since"))]
    )


def _overlapping(told: pl.DataFrame) -> pl.DataFrame:
    rows: list[tuple[str, Any, Any]] = []
    for (subject,), some in told.group_by("subject", maintain_order=True):
        reports = (_Report(*row) for row in some.select("since", "until", "value").iter_rows())
        rows += [(str(subject), value, since) for since, value in _in_turn(reports)]
    return pl.DataFrame(rows, schema={**PERIODS, "value": told["value"].dtype}, orient="row")


def _in_turn(reports: Iterable[_Report]) -> Iterator[tuple[Any, Any]]:
    """The instants at which another value begins to hold. Reports come in the order in which they began."""
    open_ones: list[tuple[int, _Report]] = []  # the newest first
    for number, report in enumerate(reports):
        yield from _ending(open_ones, report.since)
        heappush(open_ones, (-number, report))
        yield report.since, report.value
    yield from _ending(open_ones, None)


def _ending(open_ones: list[tuple[int, _Report]], before: Any) -> Iterator[tuple[Any, Any]]:
    """What holds after each end of the newest report, up to an instant; None: to the end of all."""
    while open_ones:
        _, newest = open_ones[0]
        if newest.until is None or (before is not None and newest.until > before):
            return
        heappop(open_ones)
        while open_ones and open_ones[0][1].until is not None and open_ones[0][1].until <= newest.until:
            heappop(open_ones)
        yield newest.until, open_ones[0][1].value if open_ones else None


def as_of(orders: pl.DataFrame, at: pl.Series, reports: pl.DataFrame, column: str) -> pl.Series:
    """The value that held for each order, or line, at its instant: its subject's where one is reported, else what holds
    for all; null where nothing is known."""
    found = pl.Series(column, [None], dtype=SIGNALS[column]).new_from_index(0, orders.height)
    for (of,), some in reports.group_by("of", maintain_order=True):
        subject = orders[str(of)].cast(pl.String) if of else pl.Series([""]).new_from_index(0, orders.height)
        asked = pl.DataFrame({"row": range(orders.height), "at": at, "subject": subject}).drop_nulls().sort("at")
        joined = asked.join_asof(
            periods(some, column), left_on="at", right_on="since", by="subject", check_sortedness=False
        )
        own = pl.DataFrame({"row": range(orders.height)}).join(
            joined.select("row", "value"), on="row", how="left", maintain_order="left"
        )["value"]
        found = own.zip_with(own.is_not_null(), found) if of else found.zip_with(found.is_not_null(), own)
    return found
