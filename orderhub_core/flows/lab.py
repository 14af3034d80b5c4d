"""What the rule lab works on: past orders as the hub decided on them, the books that there are, and what warehouses can
do and cost.

What parcels cost stands in the folder `freight` of the hub's data (or of a snapshot): `weights.csv` (sku, weight_g),
`zones.csv` (warehouse, province, zone) and `tariffs.csv` (warehouse, zone, from_g, base_minor, step_g, step_minor).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import polars as pl

from orderhub_core.errors import UserMistake
from orderhub_core.flows import intend
from orderhub_core.flows.editions import Editions
from orderhub_core.rules import freight, needs, rulebook
from orderhub_core.rules.index import Index
from orderhub_core.rules.lab import asked, thresholds, traffic
from orderhub_core.rules.lab.comparing import Comparison
from orderhub_core.rules.lab.loads import CAPACITY
from orderhub_core.rules.lab.missed import missed_gifts
from orderhub_core.rules.lab.parcels import WEIGHTS, Prices
from orderhub_core.rules.lab.result import Pick, Result, picked, result
from orderhub_core.rules.lab.wants import Wanted, wanted
from orderhub_core.rules.tree import Rulebook
from orderhub_core.settings import Settings, read_text
from orderhub_core.store.books import Edition
from orderhub_core.store.homes import Home

FREIGHT = "freight"
_FILES = {"weights": WEIGHTS, "zones": freight.ZONES, "tariffs": freight.TARIFFS}


class Ground:
    """Orders on which any number of books are tried, for all sessions of a process: each condition is computed once."""

    def __init__(self, orders: pl.DataFrame, lines: pl.DataFrame, reports: pl.DataFrame | None = None) -> None:
        self.orders, self.lines, self._reports = orders, lines, reports
        self._indexes: dict[str, Index] = {}
        self._lock = threading.RLock()
        """An index learns while it answers."""

    def index(self, zone: str) -> Index:
        with self._lock:
            if zone not in self._indexes:
                self._indexes[zone] = Index(self.orders, self.lines, zone=zone, reports=self._reports)
            return self._indexes[zone]

    def wanted(self, book: Rulebook) -> Wanted:
        """Raises UserMistake for what the book asks and the orders do not have."""
        needs.check(book, self.orders.schema, self.lines.schema)
        with self._lock:
            return wanted(self.index(book.zone), book)

    def compared(self, before: Wanted, draft: Rulebook) -> Comparison:
        return Comparison(self.index(draft.zone), before, self.wanted(draft))

    def result(self, compared: Comparison, capacity: pl.DataFrame | None, prices: Prices | None) -> Result:
        with self._lock:
            return result(compared, capacity, prices)

    def traffic(self, book: Rulebook) -> traffic.Traffic:
        with self._lock:
            return traffic.traffic(self.index(book.zone), book)

    def cliffs(self, book: Rulebook) -> pl.DataFrame:
        with self._lock:
            return thresholds.cliffs(self.index(book.zone), book)

    def scale(self, book: Rulebook, one: thresholds.Threshold) -> thresholds.Scale:
        with self._lock:
            return thresholds.scale(self.index(book.zone), one)

    def picked(self, found: Result, draft: Rulebook, pick: Pick) -> pl.DataFrame:
        """The orders that somebody wants to see, with what both books want of them."""
        with self._lock:
            return found.compared.told(picked(found, draft, pick))

    def missed(self, book: Rulebook) -> pl.DataFrame:
        """Gifts that these orders should have been given and were not; see `missed_gifts`."""
        needs.check(book, self.orders.schema, self.lines.schema)
        return missed_gifts(Index(self.orders, self.lines, zone=book.zone, reports=self._reports), book)

    def order(self, order_id: int) -> tuple[pl.DataFrame, pl.DataFrame]:
        """One of them, and its lines, to be explained."""
        return tuple(frame.filter(pl.col("order_id") == order_id) for frame in (self.orders, self.lines))  # type: ignore[return-value]  # two of them


class Place(Protocol):
    """A hub, or a snapshot of one."""

    settings: Settings

    def frame(self, name: str) -> pl.DataFrame: ...
    def remembered(self, question: Hashable, compute: Callable[[], Any]) -> Any: ...


@runtime_checkable
class Living(Protocol):
    """A hub that has versions."""

    home: Home
    editions: Editions


@runtime_checkable
class Copy(Protocol):
    folder: Path


class Period(NamedTuple):
    """Instants of payment, from the first up to, not including, the second; None: without end."""

    since: datetime | None = None
    until: datetime | None = None


ALWAYS = Period()


class Lab:
    """Over a hub, or over a snapshot, which has no versions."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.editions = place.editions if isinstance(place, Living) else None
        self._folder = (
            place.home.data if isinstance(place, Living) else place.folder if isinstance(place, Copy) else None
        )

    def ground(self, period: Period = ALWAYS) -> Ground:
        """The orders that were paid then, as the hub decided on them; kept until the frames change."""
        return self._place.remembered(("rule lab", period), lambda: self._ground(period))  # type: ignore[no-any-return]

    def _ground(self, period: Period) -> Ground:
        return Ground(asked.as_decided(self._paid(period)), self._place.frame("lines"))

    def _paid(self, period: Period) -> pl.DataFrame:
        orders = self._place.frame("orders")
        wanted = [pl.col("paid_at") >= period.since] if period.since else []
        return orders.filter(*wanted, *([pl.col("paid_at") < period.until] if period.until else []), True)

    def missed(self, book: Rulebook, period: Period = ALWAYS) -> pl.DataFrame:
        """Gifts missing from past orders whose buyers are still entitled to them, with what the hub had added."""
        paid = self._paid(period)
        entitled = paid.filter(pl.col("order_id").is_in(asked.entitled(paid).implode()))
        return Ground(asked.as_decided(entitled), self._place.frame("lines")).missed(book)

    def periods(self) -> dict[int, Period]:
        """The last so many days up to the newest payment, by their number; 0 for all."""
        newest = self._place.frame("orders")["paid_at"].max()
        spans = {0: ALWAYS}
        if isinstance(newest, datetime):
            spans |= {days: Period(newest - timedelta(days=days)) for days in (1, 7, 30)}
        return spans

    # -- books

    def kept(self) -> list[Edition]:
        """Versions, the newest first; a snapshot has none."""
        return [] if self.editions is None else self.editions.kept()

    def text(self, version: str) -> str:
        """Of a version that is kept, or where there is none the file of the settings."""
        if self.editions is not None and any(one.version == version for one in self.kept()):
            return self.editions.text(version)
        return self.file()

    def file(self) -> str:
        """The text of the settings' rulebook; empty where they name none, or it does not lie here."""
        if self._folder is None or not self._place.settings.rulebook:
            return ""
        path = self._folder / self._place.settings.rulebook
        return read_text(path, "rulebook") if path.is_file() else ""

    def active(self) -> str:
        """The text of the book that decides now; empty where none does."""
        found = [one.version for one in self.kept() if one.state == "active"]
        return self.text(found[0]) if found else self.file()

    # -- warehouses

    def capacity(self) -> pl.DataFrame:
        """CAPACITY, as the settings have it."""
        known = [(w.id, w.orders_per_hour) for w in self._place.settings.warehouses if w.orders_per_hour]
        return pl.DataFrame(known, schema=CAPACITY, orient="row")

    def prices(self) -> Prices | None:
        """None where no tariffs lie in the hub's folder. Raises UserMistake for files that cannot be used."""
        return None if self._folder is None else prices(self._folder / FREIGHT)


def prices(folder: Path) -> Prices | None:
    """What parcels cost, from the files of a folder; None where it has none of them. Raises UserMistake."""
    if not any((folder / f"{name}.csv").exists() for name in _FILES):
        return None
    return Prices(**{name: _table(folder / f"{name}.csv", schema) for name, schema in _FILES.items()})


def _table(path: Path, schema: pl.Schema) -> pl.DataFrame:
    text = read_text(path, f"{path.stem} of the freight")
    try:
        frame = pl.read_csv(text.encode(), infer_schema=False)
    except pl.exceptions.PolarsError:
        raise UserMistake(f"{path} is no CSV file with a line of headings") from None
    if missing := [name for name in schema if name not in frame]:
        raise UserMistake(f"{path}: there is no column {missing[0]!r}; it has {', '.join(frame.columns)}")
    told = frame.select(schema.names())
    for name, dtype in schema.items():
        cast = told[name].str.strip_chars().cast(dtype, strict=False)
        if cast.null_count():
            row = int(cast.is_null().arg_max() or 0) + 2
            raise UserMistake(f"{path}, line {row}: {name} is {told[name][row - 2]!r}; write a value like the others'")
        told = told.with_columns(cast)
    return told


class Draft(NamedTuple):
    """A text as the lab takes it: with mistakes it is only shown."""

    book: Rulebook
    mistakes: tuple[Any, ...]
    refused: str
    """Why the hub could not carry it out, though it can be read; empty where it could."""


def draft(text: str) -> Draft:
    book, mistakes = rulebook.read(text)
    if mistakes:
        return Draft(book, mistakes, "")
    try:
        intend.refuse(book)
    except UserMistake as mistake:
        return Draft(book, (), str(mistake))
    return Draft(book, (), "")
