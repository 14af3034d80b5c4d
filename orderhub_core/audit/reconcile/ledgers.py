"""The four ledgers as one schema, whether they come from files, from the hub's own frames or from a pretend world.

| ledger   | `amount_minor`            | `at`                                   | no `at` means              |
|----------|---------------------------|----------------------------------------|----------------------------|
| platform | what the buyer paid       | when it was paid; also `confirmed_at`  | not paid: does not count   |
| erp      | value of what went out    | when it went out; also `reviewed_at`   | the ERP holds it, not out  |
| refunds  | what went back            | when it went back                      | asked for, not yet paid    |
| courier  | none                      | the first scan; `status` a `Parcel`    | a label without a scan     |
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec
import polars as pl

from orderhub_core.frames import INSTANT
from orderhub_core.model import Event, Payment

CURRENCY, DECIMALS = "CNY", 2


class Source(StrEnum):
    PLATFORM = "platform"
    ERP = "erp"
    REFUNDS = "refunds"
    COURIER = "courier"


class Parcel(StrEnum):
    """The furthest that a courier's ledger says of a parcel."""

    LABELLED = "labelled"
    COLLECTED = "collected"
    DELIVERED = "delivered"
    RETURNED = "returned"
    LOST = "lost"


DEFERRED = "deferred"
"""The `status` in the platform's ledger of an order that is sent before it is paid."""


class Problem(StrEnum):
    """Why a row cannot be counted although it names an order."""

    AMOUNT = "amount"
    TIME = "time"


SOURCES = pl.Enum([source.value for source in Source])
_COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "shop": pl.String,
    "order_no": pl.String,
    "ref": pl.String,
    "amount_minor": pl.Int64,
    "currency": pl.String,
    "at": INSTANT,
    "reviewed_at": INSTANT,
    "confirmed_at": INSTANT,
    "freight_minor": pl.Int64,
    "discount_minor": pl.Int64,
    "status": pl.String,
    "problem": pl.String,
    "row_no": pl.Int64,
}
ENTRIES = pl.Schema(_COLUMNS)
"""One row per row of a ledger. `ref` is the ledger's own number of a payment or document, "" where it has none;
`status` is a `Parcel` (courier), DEFERRED (platform) or ""; `confirmed_at`: when the buyer confirmed to have it, or the
platform paid out; `problem` a `Problem` or null; `row_no` the row in its
file, null elsewhere."""

FEES = pl.Schema({"row_no": pl.Int64, "column": pl.String, "amount_minor": pl.Int64})
"""What stood in columns of amounts that are none of a ledger's own, in the rows of the platform's: fees, perhaps. A
cost is positive. Which order a fee is of, when and in which currency, its row says."""

FINDINGS = pl.Schema(
    {"finding": pl.String, "source": pl.String, "rows": pl.Int64, "first_row": pl.Int64, "detail": pl.String}
)
"""What is wrong with the data: its kind, the ledger, how many rows, the first of them, and what else there is to say.
No cell is repeated in `detail`."""


class Ledgers(msgspec.Struct, frozen=True):
    entries: Mapping[Source, pl.DataFrame]
    """`ENTRIES` per ledger; one that nobody has is left out."""
    fees: pl.DataFrame = pl.DataFrame(schema=FEES)
    findings: pl.DataFrame = pl.DataFrame(schema=FINDINGS)
    origins: Mapping[Source, str] = {}
    """Where each ledger comes from: the name of a file, or "" for the hub itself."""
    currency: str = CURRENCY
    decimals: int = DECIMALS
    """Digits that separate the currency's major from its minor unit."""

    def long(self) -> pl.DataFrame:
        """All rows under one another, with `source`.

        Where some ledger does not say which shop its orders are of, orders are told apart by their number alone, and
        the platform's ledger says the shop.
        """
        frames = [
            frame.select(pl.lit(source.value, SOURCES).alias("source"), *ENTRIES.names())
            for source, frame in self.entries.items()
            if frame.height
        ]
        if not frames:
            return pl.DataFrame(schema={"source": SOURCES, **ENTRIES})
        rows = pl.concat(frames)
        shopless = rows.group_by("source").agg((pl.col("shop") == "").any())
        if not shopless["shop"].any():
            return rows
        named = rows.filter((pl.col("shop") != "") & (pl.col("source") == Source.PLATFORM))
        shops = named.unique("order_no", keep="first", maintain_order=True).select("order_no", known="shop")
        return (
            rows.join(shops, on="order_no", how="left", maintain_order="left")
            .with_columns(shop=pl.col("known").fill_null(""))
            .drop("known")
        )

    def as_of(self) -> int | None:
        """The newest instant in the ERP's ledger, for that is how far one can know what went out; where it has none,
        the newest anywhere. Microseconds UTC."""
        erp = self.entries.get(Source.ERP, pl.DataFrame(schema=ENTRIES))
        for frames in ([erp], list(self.entries.values())):
            newest = [frame.select(pl.max_horizontal("at", "reviewed_at").max()).item() for frame in frames]
            if known := [instant for instant in newest if instant is not None]:
                return _micros(max(known))
        return None

    def first(self) -> int | None:
        """The oldest instant at which money or goods moved, microseconds UTC."""
        return self._moved(pl.col("at").min())

    def last(self) -> int | None:
        """The newest such instant."""
        return self._moved(pl.col("at").max())

    def _moved(self, end: pl.Expr) -> int | None:
        frames = [frame.select("at") for source, frame in self.entries.items() if source is not Source.COURIER]
        moved = pl.concat(frames).select(end).item() if frames else None
        return None if moved is None else _micros(moved)


def _micros(instant: object) -> int:
    return int(pl.Series([instant], dtype=INSTANT).to_physical().item())


def entries(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame in the schema of `ENTRIES`; columns that it lacks say nothing, and no text is null."""
    missing = [pl.lit(None).alias(name) for name in ENTRIES.names() if name not in frame.columns]
    whole = frame.with_columns(missing).select(pl.col(name).cast(kind) for name, kind in ENTRIES.items())
    return whole.with_columns(pl.col("shop", "ref", "currency", "status").fill_null(""))


def from_hub(orders: pl.DataFrame, events: pl.DataFrame) -> dict[Source, pl.DataFrame]:
    """The hub's own frames (`frames.ORDERS`, `frames.EVENTS`) as ledgers, for whoever has no other.

    What went out is worth the order's total, and was reviewed when its stock was locked. An order that is paid later is
    in the platform's ledger before it is paid. The hub hears of a whole
    refund how much it was (all that was paid), of a partial one only that there was one: its amount is a problem. So is
    that of a payment of 0 for an order that costs something: a source that tells of payments without amounts.
    """
    happened = events.filter(pl.col("outcome") == "applied")
    locked = (
        happened.filter(pl.col("event") == Event.LOCKED).group_by("order_id").agg(reviewed_at=pl.min("occurred_at"))
    )
    settled = events.filter(pl.col("event") == Event.SETTLED, pl.col("outcome").is_in(["applied", "late"]))
    confirmed = settled.group_by("order_id").agg(confirmed_at=pl.min("occurred_at"))
    deferred = happened.filter(pl.col("event") == Event.DEFERRED).select("order_id", status=pl.lit(DEFERRED)).unique()
    paid = orders.filter(pl.col("paid_at").is_not_null() | (pl.col("payment").cast(pl.String) == Payment.DEFERRED))
    for told_of in (deferred, confirmed):
        paid = paid.join(told_of, on="order_id", how="left", maintain_order="left")
    held = paid.join(locked, on="order_id", how="left")
    unknown = pl.col("paid_at").is_not_null() & (pl.col("paid_minor") == 0) & (pl.col("total_minor") > 0)
    whole = pl.col("event") == Event.REFUNDED
    back = (
        happened.filter(pl.col("event").is_in([Event.REFUNDED, Event.PARTLY_REFUNDED]))
        .unique(["order_id", "event"], keep="first", maintain_order=True)
        .join(orders, on="order_id")
        .filter(whole | (pl.col("payment") != "refunded"))
    )
    base = ["shop", "order_no", "currency"]
    told = whole & ~unknown
    scanned = orders.filter(pl.col("tracking_no").is_not_null() | pl.col("collected_at").is_not_null())
    return {
        Source.PLATFORM: entries(
            paid.select(
                *base,
                "status",
                "confirmed_at",
                amount_minor=pl.when(~unknown).then("paid_minor"),
                at="paid_at",
                problem=pl.when(unknown).then(pl.lit(Problem.AMOUNT.value)),
            )
        ),
        Source.ERP: entries(held.select(*base, "reviewed_at", amount_minor="total_minor", at="shipped_at")),
        Source.REFUNDS: entries(
            back.select(
                *base,
                amount_minor=pl.when(told).then("paid_minor"),
                at="occurred_at",
                problem=pl.when(~told).then(pl.lit(Problem.AMOUNT.value)),
            )
        ),
        Source.COURIER: entries(scanned.select(*base, _parcel().alias("status"), at="collected_at")),
    }


def untold(own: Mapping[Source, pl.DataFrame]) -> pl.DataFrame:
    """`FINDINGS` on ledgers of `from_hub`: payments and refunds of which nobody has told the hub how much they were."""
    kinds = {Source.PLATFORM: "unknown_paid", Source.REFUNDS: "unknown_refund"}
    counts = {source: (own[source]["problem"] == Problem.AMOUNT.value).sum() for source in kinds if source in own}
    said = [(kinds[source], source.value, count, None, "") for source, count in counts.items() if count]
    return pl.DataFrame(said, schema=FINDINGS, orient="row")


def _parcel() -> pl.Expr:
    logistics = pl.col("logistics").cast(pl.String)
    return (
        pl.when(logistics == "lost")
        .then(pl.lit(Parcel.LOST.value))
        .when(logistics.is_in(["returning", "returned", "refused"]))
        .then(pl.lit(Parcel.RETURNED.value))
        .when(logistics == "delivered")
        .then(pl.lit(Parcel.DELIVERED.value))
        .when(pl.col("collected_at").is_not_null())
        .then(pl.lit(Parcel.COLLECTED.value))
        .otherwise(pl.lit(Parcel.LABELLED.value))
    )
