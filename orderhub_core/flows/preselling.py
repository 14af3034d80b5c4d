"""Presale, live: what is to come in which batch, which order goes with it, and letting go whose batch is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import polars as pl

from orderhub_core.errors import UserMistake
from orderhub_core.flows import dealing, ops, rows, sheets
from orderhub_core.flows.reporting import OURSELVES
from orderhub_core.flows.stocking import MOST_PIECES, MOST_TOLD, Stock
from orderhub_core.frames import INSTANT
from orderhub_core.model import RawMessage
from orderhub_core.people import Release
from orderhub_core.presale.batches import BATCHES, INSTANT_AFTER, USE
from orderhub_core.store import presale
from orderhub_core.store.base import Store
from orderhub_core.store.presale import Batch, Kept
from orderhub_core.supply import Arrival, BatchPlan, Dealing

COLUMNS: sheets.Columns = {
    "sku": sheets.SKU,
    "batch": ("text", ("批次", "批次号")),
    "pieces": ("whole", ("件数", "数量", "批次数量")),
    "ready_at": ("time", ("到货时间", "计划到货", "计划时间")),
    "delayed_to": ("time", ("延期至", "最新到货")),
    "promised_at": ("time", ("承诺发货时间", "承诺时间")),
    "arrived_at": ("time", ("实际到货", "实际到货时间", "到货确认")),
}
MOST_BATCHES = 10_000
"""In one plan, which is one message and holds as a whole."""
BACK = "its batch {batch} is there"
ORDERS = pl.Schema(
    {
        "shop": pl.String(),
        "order_no": pl.String(),
        "batch": pl.String(),
        "at": INSTANT,
        "promised_at": INSTANT,
        "gone": pl.Boolean(),
        "moved": pl.Boolean(),
        "at_risk": pl.Boolean(),
        "was_at_risk": pl.Boolean(),
    }
)
"""One row per presale order of SKUs that come in batches: the batch that its last piece is in, and when that is ready;
null where no batch has enough, or nobody knows when. `gone`: it has its pieces, or may have left, and is at no risk."""
UNPLANNED = pl.Schema({"shop": pl.String(), "order_no": pl.String(), "sku": pl.String(), "pieces": pl.Int64()})
COMING = pl.Schema({**USE, "is_there": pl.Boolean(), "overdue": pl.Boolean()})
"""USE, and whether somebody has said that the batch is there, or should have by now."""


class Schedule(NamedTuple):
    orders: pl.DataFrame
    """ORDERS, in the order in which they came."""
    batches: pl.DataFrame
    """COMING."""
    unplanned: pl.DataFrame
    """`shop`, `order_no`, `sku` and `pieces` of presale orders that wait and that no batch is planned for, by SKU."""


def read(path: Path, zone: str) -> pl.DataFrame:
    """BATCHES, from a file. Raises UserMistake for rows that cannot be meant, the first of them by their number."""
    sheet = sheets.read(path, COLUMNS, ["sku", "batch", "pieces"], zone)
    lacking = {
        "no SKU": pl.col("sku").is_null(),
        "no batch": pl.col("batch").is_null(),
        "no number of pieces": ~pl.col("pieces").is_between(0, MOST_PIECES).fill_null(False),
        "this batch of the SKU stands there twice": ~pl.struct("sku", "batch").is_first_distinct(),
    }
    first: dict[int, str] = {}  # of each row one reason
    for what, rule in lacking.items():
        for row in sheet.rows.filter(rule)["row_no"]:
            first.setdefault(row, what)
    told = [f"row {row}: {what}" for row, what in first.items()]
    # What cannot be read of a SKU, a batch or its pieces is told by its row already.
    columns = sheet.findings["column"].to_list()
    notes = [note for note, name in zip(sheet.notes, columns, strict=True) if name not in ("sku", "batch", "pieces")]
    if told or notes:
        raise UserMistake(
            "{faults}. Mend {name}; nothing was taken in", faults="; ".join([*told, *notes][:MOST_TOLD]), name=path.name
        )
    return sheet.rows.select(BATCHES.names()).cast(BATCHES)


class Presale:
    """Of one hub."""

    def __init__(
        self, store: Store, clock: Callable[[], int], say: Callable[[Sequence[RawMessage]], None], stock: Stock
    ) -> None:
        self._store, self._clock, self._say, self._stock = store, clock, say, stock

    def kept(self) -> list[Batch]:
        """All batches that were said and not taken back."""
        return [one for one in presale.batches(self._store) if one.pieces]

    def plan(self, batches: pl.DataFrame, *, by: str, comment: str = "") -> list[str]:
        """Say what is to come: BATCHES. Those of them that are there, `arrived_at`, are dealt to the orders that wait,
        who paid first before who paid later, and whoever has all its pieces goes to its warehouse. Batches that are not
        named stay as they were; one of 0 pieces is taken back. Returns the numbers of the orders that went.

        Raises UserMistake for a batch that is there in the future, or no rows; then nothing is taken in.
        """
        now = self._clock()
        if batches.is_empty() or batches.height > MOST_BATCHES:
            raise UserMistake(
                "a plan has 1 to {most:,} batches; this one has {height:,}", most=MOST_BATCHES, height=batches.height
            )
        told = batches.with_columns(pl.col(INSTANT).dt.epoch("us"))
        for sku, batch, at in told.select("sku", "batch", "arrived_at").drop_nulls().iter_rows():
            _check_is_there(sku, batch, at, now)
        said = BatchPlan(tuple(told.rows()), by, comment)
        ops.check_batches(said)
        self._taken_in(ops.batches(said, now))
        return self.let_go()

    def arrived(self, sku: str, batch: str, *, by: str, at: int | None = None, pieces: int | None = None) -> list[str]:
        """Say that a batch is there, since `at` (microseconds UTC; now), and of how many pieces, if not of as many as
        are planned by then. Returns and raises as `plan`; also where no such batch is planned."""
        now = self._clock()
        said = Arrival(sku, batch, now if at is None else at, by, pieces)
        self._check_planned(said)
        _check_is_there(sku, batch, said.at, now)
        ops.check_arrival(said)
        self._taken_in(ops.arrival(said, now))
        self._check_planned(said)  # somebody may have taken it back meanwhile
        return self.let_go()

    def _check_planned(self, said: Arrival) -> None:
        names = [one.batch for one in self.kept() if one.sku == said.sku]
        if said.batch not in names:
            told = ", ".join(names) or "none of it"
            raise UserMistake(
                "no batch {batch} of {sku} is planned; there are {told}", batch=said.batch, sku=said.sku, told=told
            )

    def _taken_in(self, message: RawMessage) -> None:
        self._say([message])
        ops.check_taken_in(self._store, [message])

    def let_go(self) -> list[str]:
        """Deal what is there, and let go whoever has all its pieces and is kept for nothing else. Doing it again, or by
        several at once, or after another was killed half-way, is the same. Returns the numbers of the orders that went.
        """
        now = self._clock()
        if not any(one.arrived_at is not None for one in self.kept()):
            return []
        if dealing.waiting(dealing.standing(self._store, now)):
            self._say([ops.dealing(Dealing(OURSELVES), now)])
        free = self._free()
        words = [
            ops.release(
                Release(one.shop, one.order_no, BACK.format(batch=one.batch), OURSELVES, _parcel(one), one.note),
                one.version,  # workers that say the same of an order as it stands say it once
            )
            for one in free
        ]
        if not words:
            return []
        self._say(words)
        held = presale.held(self._store, map(_key, free))
        return list(dict.fromkeys(one.order_no for one in free if _key(one) not in held))

    def _free(self) -> list[Kept]:
        """Parcels that nothing but their batch has kept, of orders that are still what they were dealt. What its
        warehouse lacked, too, goes with its next report."""
        kept, now = presale.kept(self._store), self._clock()
        told = presale.reasons(self._store, {one.order_id for one in kept}) if kept else []
        waits = {
            order_id: "; ".join(
                why
                for one in some
                if one.action == "hold" and one.argument == "presale"
                for why in rows.holding(*one[1:4])
            )
            for order_id, some in groupby(told, key=lambda one: one.order_id)
        }
        closed = {name for name in {one.asked.warehouse for one in kept} if self._stock.is_closed(name, now)}
        goods = presale.goods(self._store, {one.order_id for one in kept}) if kept else {}
        return [
            one
            for one in kept
            if one.note == waits.get(one.order_id)
            and one.asked.warehouse not in closed
            and one.goods == goods.get(one.order_id)
        ]

    def schedule(self) -> Schedule:
        """Which order goes with which batch, as it is known now."""
        stands = dealing.standing(self._store, self._clock())
        planned, now = stands.planned, stands.now
        about = {str(one.order_id): (one.shop, one.order_no, one.taken) for one in stands.wanted}
        names = [about[number] for number in planned.orders["order_no"]]
        last = planned.lines.sort("at", nulls_last=True, maintain_order=True).group_by("order_no").agg(
            pl.col("batch").last()
        )  # fmt: skip
        orders = planned.orders.join(last, on="order_no", how="left", maintain_order="left").with_columns(
            pl.Series("shop", [name[0] for name in names], pl.String),
            pl.Series("order_no", [name[1] for name in names], pl.String),
            pl.Series("gone", [name[2] for name in names], pl.Boolean),
        )
        # What is overdue has a day for whose turn it is; there is none to tell.
        told = pl.when(pl.col("at") != now + INSTANT_AFTER).then("at").alias("at")
        risky = [pl.col(name) & ~pl.col("gone") for name in ("at_risk", "was_at_risk")]
        there = {(one.sku, one.batch) for one in self.kept() if one.arrived_at is not None}
        late = {
            (one.sku, one.batch)
            for one in self.kept()
            if (day := one.delayed_to or one.ready_at) is not None and day <= now.timestamp() * 1e6
        }
        which = planned.batches.select("sku", "batch").rows()
        batches = planned.batches.with_columns(
            pl.Series("is_there", [one in there for one in which], pl.Boolean),
            pl.Series("overdue", [one in late - there for one in which], pl.Boolean),
        )
        seen = set(planned.orders["order_no"])
        lost = [
            (one.shop, one.order_no, one.sku, one.quantity)
            for one in stands.wanted
            if str(one.order_id) not in seen and not one.taken
        ]
        unplanned = pl.DataFrame(lost, schema=UNPLANNED, orient="row").group_by(
            "shop", "order_no", "sku", maintain_order=True
        ).agg(pl.col("pieces").sum())  # fmt: skip
        return Schedule(
            orders.with_columns(told, *risky).select(ORDERS.names()),
            batches.with_columns(told).select(COMING.names()),
            unplanned,
        )


def _key(one: Kept) -> str:
    return rows.push_key(one.shop, one.order_no, one.asked.parcel or 1)


def _parcel(one: Kept) -> int:
    """The one of its parcels; 0: it goes whole."""
    return one.asked.parcel if one.asked.parcels > 1 else 0


def _check_is_there(sku: str, batch: str, at: int, now: int) -> None:
    if at > now:
        raise UserMistake(
            "{sku} {batch}: it cannot be there in the future already; leave that empty till it is", sku=sku, batch=batch
        )
