"""What a reviewer's page needs of every card, looked up once: the next card must not wait for a frame."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from orderhub_core.audit.report import Report
from orderhub_core.audit.sources import KEY
from orderhub_core.audit.spot.sheet import Card, Sheet

Key = tuple[str, str]
"""shop, order_no"""
Rows = Mapping[Key, list[dict[str, Any]]]


@dataclass(frozen=True, eq=False)
class Book:
    sheet: Sheet
    report: Report
    sample: pl.DataFrame
    """`shop`, `order_no`, `verdict` of the cards, in the order of judging."""
    verdicts: Mapping[Key, str]
    findings: Mapping[Key, dict[str, Any]]
    """The worst one of each order that has any."""
    told: Rows
    """`touchpoint`, `status`, `stage`, `at`."""
    events: Rows
    """`event`, `occurred_at`, `after`, `outcome`, `source`, `rule`: the order's life by the hub's log, oldest first."""

    @property
    def cards(self) -> tuple[Card, ...]:
        return self.sheet.cards

    def waiting(self, reviews: pl.DataFrame, reviewer: str) -> list[Key]:
        """The cards that this reviewer has not judged, in the order of judging."""
        done = set(reviews.filter(pl.col("reviewer") == reviewer).select(KEY).iter_rows())
        return [key for card in self.cards if (key := (card.shop, card.order_no)) not in done]


@dataclass(frozen=True, eq=False)
class Turn:
    """Where one reviewer stands at this moment."""

    book: Book
    reviews: pl.DataFrame
    """What all reviewers have said."""
    waiting: Sequence[Key]
    last: Mapping[str, Any] | None
    """The reviewer's latest judgement that holds, a row of `reviews`."""
    troubles: Sequence[tuple[str, Exception]]
    """The orders of which something was not taken, and why."""
    reviewer: str
    """"" where nobody has said who judges."""
    peek: bool
    """The machine's verdict is shown beforehand."""

    @property
    def key(self) -> Key | None:
        """The card to judge; None where none is left."""
        return self.waiting[0] if self.waiting else None


def book(sheet: Sheet, orders: pl.LazyFrame, events: pl.LazyFrame) -> Book:
    """`orders` and `events` as in `frames.SCHEMAS`: of the log only the cards' rows are read.
    Raises UserMistake as `Sheet.report`."""
    report = sheet.report()
    sample = sheet.cards_frame().select(KEY).join(report.orders, on=KEY, how="left", maintain_order="left")
    return Book(
        sheet=sheet,
        report=report,
        sample=sample,
        verdicts={(shop, order_no): verdict for shop, order_no, verdict in sample.iter_rows()},
        findings={(row["shop"], row["order_no"]): row for row in report.findings.to_dicts()},
        told=_by_order(report.told),
        events=_by_order(_events(sample.select(KEY), orders, events)),
    )


def _events(keys: pl.DataFrame, orders: pl.LazyFrame, events: pl.LazyFrame) -> pl.DataFrame:
    known = orders.select(*KEY, "order_id").join(keys.lazy(), on=KEY, how="semi").collect()
    own = events.join(known.lazy(), on="order_id", how="inner").filter(~pl.col("event").str.starts_with("audit."))
    told = own.select(*KEY, "event", "occurred_at", "after", "outcome", "source", "rule", "seq").collect()
    return told.sort("occurred_at", "seq").drop("seq")


def _by_order(rows: pl.DataFrame) -> Rows:
    found: defaultdict[Key, list[dict[str, Any]]] = defaultdict(list)
    for row in rows.to_dicts():
        found[row["shop"], row["order_no"]].append(row)
    return found
