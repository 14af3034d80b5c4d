"""Stock: what warehouses report to have, in a file or by a program, and what is left of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import polars as pl

from orderhub_core.errors import OrderHubError, Term, UserMistake
from orderhub_core.flows import naming, ops, reporting, sheets
from orderhub_core.flows.editions import in_force
from orderhub_core.flows.reporting import OURSELVES
from orderhub_core.flows.restocking import fitting, waiting
from orderhub_core.flows.transferring import transfers
from orderhub_core.model import RawMessage
from orderhub_core.people import Release
from orderhub_core.ports import Warehouse
from orderhub_core.rules.transfers import Planned
from orderhub_core.rules.tree import Rulebook
from orderhub_core.settings import Settings
from orderhub_core.store import aside, ledger
from orderhub_core.store.aside import Lacking
from orderhub_core.store.base import Store
from orderhub_core.supply import StockReport

MOST_SKUS = 100_000
"""Of one warehouse in one report, which is one message and holds as a whole: some 3 MB."""
COUNTED = pl.Schema({"warehouse": pl.String(), "sku": pl.String(), "on_hand": pl.Int64(), "safety": pl.Int64()})
"""One row per SKU in a warehouse: pieces that lie there, and those that orders must leave; null: as the settings
say."""

COLUMNS: sheets.Columns = {
    "warehouse": ("text", ("warehouse_id", "仓库", "仓库编码", "仓库编号")),
    "sku": ("id", ("sku_id", "商品编码", "规格编码", "货号", "商家编码")),
    "on_hand": ("whole", ("quantity", "stock", "qty", "库存", "在库数量", "实物库存", "库存数量", "数量")),
    "safety": ("whole", ("safety_stock", "安全库存")),
}
MOST_PIECES = 1_000_000_000
MOST_TOLD = 5
RECENT = 100
"""Reports that are looked at for what was counted."""
MOST_NAMED = 20
MOST_DOUBTS = 20
"""Of one kind that are told."""
FIRST = "{warehouse}: this is its first report; what it does not name counts as not there, and orders that need it wait"
BACK = "{warehouse} has reported that everything is there"
EARLY_US = 900_000
"""Of a second: workers that ask in turn need not wait for each other's clocks."""


def read(path: Path, warehouse: str = "") -> pl.DataFrame:
    """COUNTED, from a file, one row per SKU; as it is written, whatever the settings say. `warehouse`: of a file that
    does not say. Raises UserMistake for rows that cannot be meant, the first of them by their number."""
    required = ["sku", "on_hand"] if warehouse else ["warehouse", "sku", "on_hand"]
    sheet = sheets.read(path, COLUMNS, required, "UTC")
    rows = sheet.rows.with_columns(pl.col("warehouse").fill_null(warehouse)) if warehouse else sheet.rows
    if warehouse and (others := sorted(set(rows["warehouse"]) - {warehouse})):
        raise UserMistake(
            "{name} speaks of {others}, and --warehouse of {warehouse}: leave one out",
            name=path.name,
            others=tuple(others),
            warehouse=warehouse,
        )
    unread = pl.col("row_no").is_in(sheet.findings.filter(pl.col("column") == "safety")["first_row"].implode())
    lacking = {
        "no warehouse": pl.col("warehouse").is_null(),
        "no SKU that can be read": pl.col("sku").is_null(),
        "no number of pieces": pl.col("on_hand").is_null() | (pl.col("on_hand").abs() > MOST_PIECES),
        "the safety stock is no number of pieces": unread | (pl.col("safety").abs() > MOST_PIECES),
    }
    told = [(row, Term(what)) for what, rule in lacking.items() for row in rows.filter(rule)["row_no"]]
    if told:
        some = [UserMistake("row {row}: {what}", row=row, what=what) for row, what in sorted(told)[:MOST_TOLD]]
        text = "{name}: {told}. Rows to be mended: {n}; nothing was taken in"
        raise UserMistake(text, name=path.name, told=tuple(some), n=len(told))
    return rows.select(COUNTED.names())


class Taken(NamedTuple):
    """What became of a report."""

    skus: int
    warehouses: list[str]
    doubts: list[UserMistake]
    """What was taken in otherwise than it was written, or may not be known to mean what it does."""
    let_go: int = 0
    """Orders, or parcels of orders, that had waited for what is there now."""
    gone: tuple[str, ...] = ()
    """The numbers of the first of them."""


class Shelf(NamedTuple):
    """Of one SKU in one warehouse. Instants in microseconds UTC; None: the report has expired, or the newest RECENT
    of the warehouse do not name it."""

    warehouse: str
    sku: str
    counted: int | None
    counted_at: int | None
    promised: int
    """Pieces of paid orders that are to leave it and have not."""
    left: int
    must_stay: int

    @property
    def over(self) -> int:
        """Pieces that are promised beyond what was counted."""
        return 0 if self.counted is None else max(0, self.promised - max(0, self.counted))


class Stock:
    """Of one hub. `first`: the book that speaks until a version is published; its words name warehouses, too."""

    def __init__(
        self, store: Store, clock: Callable[[], int], say: Callable[[Sequence[RawMessage]], None], settings: Settings,
        first: Rulebook,
    ) -> None:  # fmt: skip
        self._store, self._clock, self._say, self._settings, self._first = store, clock, say, settings, first
        self._places = {one.id: one for one in settings.warehouses}

    def report(self, counts: pl.DataFrame, *, by: str, at: int | None = None, comment: str = "") -> Taken:
        """Say what warehouses have, `at` an instant (microseconds UTC; now): COUNTED. It is taken in when this returns:
        what is to leave a warehouse and has not is subtracted, and who has waited for what is there now is let go.
        SKUs that are not named stay as they were; in a warehouse that reports any, what was never named is not there.

        Raises UserMistake for a warehouse that the settings do not have, or no rows; then nothing is taken in.
        """
        now = self._clock()
        if at is not None and not ops.EARLIEST <= at <= now:
            raise UserMistake("stock is reported as of now or a moment before, not of one that is still to come (--at)")
        rows, doubts = self._sound(counts)
        said = list(self._reports(rows, now if at is None else at, by, comment))
        for report in said:
            ops.check_stock(report)
        late = [one for one in dict.fromkeys(report.warehouse for report in said) if self._told(one) > said[0].at]
        if late:
            raise UserMistake(
                "{late}: a later report has been taken in already; this one says nothing new", late=tuple(late)
            )
        known = self.told()
        doubts += [UserMistake(FIRST, warehouse=one.warehouse) for one in said if one.warehouse not in known]
        messages = [ops.stock(report, now) for report in said]
        self._say(messages)
        ops.check_taken_in(self._store, messages)
        names = list(rows["warehouse"].unique(maintain_order=True))
        gone = [order_no for name in names for order_no in self._followed(name)]
        return Taken(rows["sku"].n_unique(), names, doubts, len(gone), tuple(gone[:MOST_NAMED]))

    def catch_up(self) -> int:
        """See to what follows from reports whose taker was killed before it could, or whose warehouse was closed. How
        many orders, or parcels of orders, went. Raises what a warehouse fails with, once the others were seen to."""
        gone, failed = 0, None
        for warehouse in self.told().keys() & self._places.keys():
            try:
                gone += len(self._followed(warehouse))
            except OrderHubError as failure:
                failed = failure
        if failed is not None:
            raise failed
        return gone

    def _followed(self, warehouse: str) -> list[str]:
        """What follows from its reports, each in turn, that nobody has seen to yet: who goes now, by number. Said once
        more, it changes nothing. While the warehouse is closed that waits."""
        name = f"let go:{warehouse}"
        new = ledger.reports(self._store, warehouse, self._store.cursor_of(name) or 0)
        if not new or self.is_closed(warehouse, self._clock()):
            return []
        gone = []
        for number, message in new:
            for report in self._store.messages([message]):
                if report.body is not None:  # else it has expired
                    gone += self._let_go(warehouse, number, report.body)
            self._store.set_cursor(name, number)
        return gone

    def ask(self, warehouse: str, connected: Callable[[str], Warehouse], *, every_s: float = 0) -> Taken | None:
        """Ask a warehouse what it has, and take that in as its report. `connected`: where warehouses are reached. With
        `every_s` not again before so many seconds are over, whichever worker asks; then None.

        Raises as the warehouse's connector and `report`.
        """
        warehouse = self.named(warehouse)
        asked, name = self._clock(), f"stock:{warehouse}"  # what leaves while the answer is on its way is in it
        if every_s:
            before = self._store.cursor_of(name)
            if before is not None and 0 <= asked - before < every_s * EARLY_US:
                return None
            self._store.set_cursor(name, asked)
        told = connected(warehouse).stock(warehouse)
        counts = pl.DataFrame([(warehouse, *row) for row in told.rows], schema=COUNTED, orient="row")
        # Its clock may be ahead of ours.
        return self.report(counts, by=warehouse, at=asked if told.at is None else min(told.at, asked))

    def _let_go(self, warehouse: str, number: int, report: bytes) -> list[str]:
        """Who has waited for what is there now needs nobody's word: the hub says it. Returns their numbers."""
        now = self._clock()
        lacking = [one for one in aside.lacking(self._store, warehouse, number) if self._has_room(warehouse, one, now)]
        named = {sku for sku, *_ in msgspec.json.decode(report, type=StockReport).rows}
        there = self.left(warehouse=warehouse) if lacking else []
        left = {one.subject: (one.balance, one.safety) for one in there if one.subject in named}
        why = BACK.format(warehouse=warehouse)
        words = [
            Release(one.shop, one.order_no, why, OURSELVES, one.parcel, one.why)
            for one in fitting(waiting(lacking), left)
        ]
        if words:
            self._say([ops.release(said, now) for said in words])
        return [said.order_no for said in words]

    def is_closed(self, warehouse: str, now: int) -> bool:
        """Whether nothing is to go there now."""
        told = reporting.is_closed(self._store, now, warehouse)
        known = self._places.get(warehouse)
        return told if told is not None else known is not None and not known.enabled

    def _has_room(self, warehouse: str, one: Lacking, now: int) -> bool:
        """Who waits has no place among the orders of a day: where these have an end, nobody goes before it is over."""
        if not self._places[warehouse].orders_per_day or one.owed_at is None:
            return True
        zone = ZoneInfo(self._settings.time_zone)
        day, today = (datetime.fromtimestamp(at / 1e6, zone).date() for at in (one.owed_at, now))
        return day < today

    def named(self, word: str) -> str:
        """The warehouse that is called so. Raises UserMistake for one that neither the settings nor the ledger know."""
        return word if word in self.told() else naming.named([word], self._known())[word]

    def _known(self) -> dict[str, str]:
        return naming.warehouses(self._settings, in_force(self._store, self._first).active)

    def left(self, *, warehouse: str = "", sku: str = "") -> list[ledger.Left]:
        """What orders may still take, by warehouse and SKU."""
        return ledger.left(self._store, "stock", place=warehouse, subject=sku)

    def shelves(self, *, warehouse: str = "", sku: str = "") -> list[Shelf]:
        """The same, with what was counted and what is promised to orders. Raises UserMistake as `named`."""
        warehouse = self.named(warehouse) if warehouse else ""
        left = self.left(warehouse=warehouse, sku=sku)
        places = dict.fromkeys(one.place for one in left)
        promised = {place: ledger.promised(self._store, place, self._clock()) for place in places}
        counted = {place: self._counted(place) for place in places}
        shelves = []
        for one in left:
            on_hand, at = counted[one.place].get(one.subject, (None, None))
            owed = promised[one.place].get(one.subject, 0)
            shelves.append(Shelf(one.place, one.subject, on_hand, at, owed, one.balance, one.safety))
        return shelves

    def _counted(self, warehouse: str) -> dict[str, tuple[int, int]]:
        """By SKU the pieces that its last report named, and as of when; of reports that have not expired, the newest
        RECENT."""
        numbers = sorted(message for _, message in ledger.newest_reports(self._store, warehouse, RECENT))
        bodies = [one.body for one in self._store.messages(numbers) if one.body is not None]
        found: dict[str, tuple[int, int]] = {}
        for said in (msgspec.json.decode(body, type=StockReport) for body in bodies):
            found |= {sku: (on_hand, said.at) for sku, on_hand, _ in said.rows}
        return found

    def awaited(self, warehouse: str, sku: str) -> list[ledger.Awaited]:
        """Whose pieces lie there and have not left. Raises UserMistake as `named`."""
        return ledger.awaited(self._store, self.named(warehouse), sku, self._clock())

    def booked(self, *, warehouse: str = "", day: str = "") -> list[ledger.Left]:
        """Orders that the days of warehouses with a limit have."""
        return ledger.left(self._store, "capacity", place=warehouse, subject=day)

    def told(self) -> dict[str, int]:
        """Warehouses that report their stock, and as of when they did last (microseconds UTC)."""
        return ledger.told(self._store)

    def transfers(self) -> Planned:
        """What to bring from one warehouse to another, so that orders go which wait for it."""
        now = self._clock()
        return transfers(
            self._store, self._settings, now, lambda name: not self.is_closed(name, now),
            lambda name, one: self._has_room(name, one, now),
        )  # fmt: skip

    def history(self, warehouse: str, subject: str, limit: int) -> list[ledger.Entry]:
        """Who took of a SKU there, and what was reported of it; or who took a day's room. The newest first. Raises
        UserMistake as `named`."""
        warehouse = self.named(warehouse)
        return ledger.newest(self._store, place=warehouse, subject=subject, limit=limit)

    def heard(self, entries: Sequence[ledger.Entry]) -> dict[int, int]:
        """By their messages, when what brought these entries was received (microseconds UTC)."""
        return {one.id: one.received_at for one in self._store.messages(sorted({one.message for one in entries}))}

    def _told(self, warehouse: str) -> int:
        return self.told().get(warehouse, 0)

    def _sound(self, counts: pl.DataFrame) -> tuple[pl.DataFrame, list[UserMistake]]:
        known = {one.id: one.safety_stock for one in self._settings.warehouses}
        meant = naming.named(counts["warehouse"].cast(pl.String).fill_null("").unique().to_list(), self._known())
        counts = counts.with_columns(pl.col("warehouse").replace_strict(meant, return_dtype=pl.String))
        if counts.is_empty():
            raise UserMistake("the report has no rows: it says nothing of any SKU")
        negative = counts.filter(pl.col("on_hand") < 0)
        twice = counts.filter(pl.struct("warehouse", "sku").is_duplicated())
        text = "{warehouse}: {sku} is reported at {on_hand}; it counts as none"
        told = negative.select("warehouse", "sku", "on_hand").head(MOST_DOUBTS)
        doubts = [UserMistake(text, **row) for row in told.iter_rows(named=True)]
        text = "{warehouse}: {sku} is reported twice; the lesser counts"
        told = twice.select("warehouse", "sku").unique(maintain_order=True)
        doubts += [UserMistake(text, **row) for row in told.head(MOST_DOUBTS).iter_rows(named=True)]
        if (more := negative.height + told.height - len(doubts)) > 0:
            doubts.append(UserMistake("and {n:,} more of that kind", n=more))
        usual = pl.col("warehouse").replace_strict(known, return_dtype=pl.Int64)
        rows = counts.group_by("warehouse", "sku", maintain_order=True).agg(
            pl.col("on_hand").min().clip(0), pl.col("safety").max()
        )
        return rows.with_columns(pl.col("safety").fill_null(usual).clip(0)), doubts

    def _reports(self, rows: pl.DataFrame, at: int, by: str, comment: str) -> Iterator[StockReport]:
        for (warehouse,), some in rows.group_by("warehouse", maintain_order=True):
            if some.height > MOST_SKUS:
                raise UserMistake(
                    "{warehouse}: a report has {most:,} SKUs at most; report the rest after it",
                    warehouse=warehouse,
                    most=MOST_SKUS,
                )
            yield StockReport(str(warehouse), at, tuple(some.select("sku", "on_hand", "safety").rows()), by, comment)
