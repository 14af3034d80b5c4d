"""Ledgers and a period become a `Reconciliation`: totals, parts that sum to the gap, conflicts, findings, channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import polars as pl

from orderhub_core.audit.reconcile import causes, fees
from orderhub_core.audit.reconcile.causes import CAUSES, GROUPS, Cause
from orderhub_core.audit.reconcile.conflicts import conflicts
from orderhub_core.audit.reconcile.ledgers import FINDINGS, Ledgers, Source
from orderhub_core.audit.reconcile.period import Period
from orderhub_core.audit.sources import KEY

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US


class Allowed(msgspec.Struct, frozen=True):
    """What is still in order."""

    review_minutes: int = 30
    """Between payment and the ERP's review."""
    ship_hours: int = 48
    """From payment to the goods going out; and from there to the courier's first scan."""
    rounding_minor: int = 99
    """A difference up to this is rounding."""


class Totals(msgspec.Struct, frozen=True):
    """Sums of all rows of the period that can be counted, as whoever adds up the columns finds them. Minor units."""

    paid_minor: int
    refunded_minor: int
    outbound_minor: int

    @property
    def gap_minor(self) -> int:
        return self.paid_minor - self.refunded_minor - self.outbound_minor


class Reconciliation(msgspec.Struct, frozen=True):
    period: Period
    as_of: int
    """Whether something is late is judged as of this instant, microseconds UTC."""
    allowed: Allowed
    currency: str
    decimals: int
    totals: Totals
    orders: pl.DataFrame
    """One row per order of the period: shop, order_no, paid_minor, refunded_minor, outbound_minor, gap_minor (of the
    period), paid_at, reviewed_at, shipped_at, collected_at, refunded_at."""
    parts: pl.DataFrame
    """shop, order_no, `cause` (CAUSES), `part_minor`: they sum to each order's gap, and so to the whole."""
    conflicts: pl.DataFrame
    """As `conflicts.conflicts`."""
    findings: pl.DataFrame
    """As `ledgers.FINDINGS`."""
    channels: pl.DataFrame
    """As `fees.by_channel`."""
    unknown_fees: list[fees.Suggestion]
    origins: Mapping[Source, str]
    sources: Mapping[Source, int]
    """Rows of each ledger that there is."""

    def by_cause(self) -> pl.DataFrame:
        """`cause`, `group`, `orders`, `part_minor` of every cause that occurs, in the order of the table of causes."""
        group = {cause.value: group.value for cause, group in GROUPS.items()}
        return (
            self.parts.group_by("cause")
            .agg(orders=pl.struct(KEY).n_unique().cast(pl.Int64), part_minor=pl.col("part_minor").sum())
            .sort("cause")
            .select(
                "cause", pl.col("cause").cast(pl.String).replace_strict(group).alias("group"), "orders", "part_minor"
            )
        )

    def steps(self) -> pl.DataFrame:
        """From what was paid to what went out: `step` (paid, refunded, a cause, outbound), `from_minor`, `to_minor`.

        Each step begins where the one before it ended; the last one ends at what went out.
        """
        named = self.by_cause().filter(pl.col("part_minor") != 0)
        steps = ["refunded", *named["cause"].cast(pl.String).to_list()]
        moves = [-self.totals.refunded_minor, *(-part for part in named["part_minor"].to_list())]
        ends = pl.Series([self.totals.paid_minor, *moves], dtype=pl.Int64).cum_sum()
        last = ends[-1]
        return pl.DataFrame(
            {
                "step": ["paid", *steps, "outbound"],
                "from_minor": [0, *ends.to_list()[:-1], 0],
                "to_minor": [*ends.to_list(), last],
            },
            schema={"step": pl.String, "from_minor": pl.Int64, "to_minor": pl.Int64},
        )

    def of_cause(self, cause: str) -> pl.DataFrame:
        """The orders that a cause has a part of, the largest part first: `orders` with `part_minor`."""
        parts = self.parts.filter(pl.col("cause") == cause).group_by(KEY).agg(pl.col("part_minor").sum())
        return self.orders.join(parts, on=KEY).sort(pl.col("part_minor").abs(), "order_no", descending=[True, False])

    def document(self, limit: int | None = None) -> dict[str, Any]:
        """What `--json` prints. Money in minor units. `limit` cuts the conflicts listed; their total counts all."""
        found = self.by_cause()
        causes_said = found["cause"].cast(pl.String).to_list()
        listed = self.conflicts if limit is None else self.conflicts.head(limit)
        return {
            "period": {"name": self.period.name, "first": self.period.first, "last": self.period.last,
                       "time_zone": self.period.zone},
            "as_of": self.as_of,
            "allowed": msgspec.structs.asdict(self.allowed),
            "currency": self.currency,
            "sources": {source.value: {"rows": rows, "file": self.origins.get(source, "")}
                        for source, rows in self.sources.items()},
            "orders": self.orders.height,
            "totals": {**msgspec.structs.asdict(self.totals), "gap_minor": self.totals.gap_minor},
            "parts": dict(zip(causes_said, found["part_minor"].to_list(), strict=True)),
            "orders_by_cause": dict(zip(causes_said, found["orders"].to_list(), strict=True)),
            "conflicts_total": self.conflicts.height,
            "conflicts": listed.to_dicts(),
            "findings": self.findings.to_dicts(),
            "unknown_fees": self.unknown_fees,
            "channels": self.channels.to_dicts(),
        }  # fmt: skip


def reconcile(
    ledgers: Ledgers,
    period: Period,
    *,
    as_of: int | None = None,
    allowed: Allowed | None = None,
    words: Mapping[str, fees.Fee] | None = None,
) -> Reconciliation:
    """Every cent of the gap of the period gets one cause; the law stands in `causes`.

    `as_of` is when the data was taken; else as `Ledgers.as_of` says, else the period's end. `words` as
    `fees.dictionary`.
    """
    allowed = allowed or Allowed()
    at = ledgers.as_of() if as_of is None else as_of
    at = period.end if at is None else at
    courier = bool(ledgers.entries.get(Source.COURIER, pl.DataFrame()).height)
    rows = causes.marked(ledgers.long(), period.start, period.end, ledgers.currency)
    found = causes.lives(rows)
    late = at - allowed.ship_hours * HOUR_US
    orders = _orders(found)
    parts = causes.split(found, late_before=late, courier=courier, tolerance=allowed.rounding_minor)
    known_fees = fees.named(_fees(ledgers, rows), fees.dictionary() if words is None else words)
    unknown = fees.suggestions(known_fees, found.select(*KEY, paid_minor="paid"))
    return Reconciliation(
        period=period,
        as_of=at,
        allowed=allowed,
        currency=ledgers.currency,
        decimals=ledgers.decimals,
        totals=Totals(*(int(orders[name].sum()) for name in Totals.__struct_fields__)),
        orders=orders,
        parts=parts.sort("cause", *KEY),
        conflicts=conflicts(found, as_of=at, review_minutes=allowed.review_minutes, scan_before=late, courier=courier),
        findings=pl.concat([ledgers.findings, _findings(rows, ledgers.currency, unknown)]),
        channels=fees.by_channel(orders, known_fees),
        unknown_fees=unknown,
        origins=ledgers.origins,
        sources={source: frame.height for source, frame in ledgers.entries.items()},
    )


def _orders(found: pl.DataFrame) -> pl.DataFrame:
    sums = {"paid": "paid_minor", "refunded": "refunded_minor", "outbound": "outbound_minor"}
    return (
        found.with_columns((pl.col(f"{name}_in") + pl.col(f"{name}_again")).alias(sum_) for name, sum_ in sums.items())
        .with_columns(gap_minor=pl.col("paid_minor") - pl.col("refunded_minor") - pl.col("outbound_minor"))
        .select(
            *KEY,
            *sums.values(),
            "gap_minor",
            *(f"{event}_at" for event in ("paid", "reviewed", "shipped", "collected", "refunded")),
        )
    )


def _fees(ledgers: Ledgers, rows: pl.DataFrame) -> pl.DataFrame:
    """The fees with what is known of their rows: shop, order_no, `counts`, `inside`."""
    said = rows.filter(pl.col("source") == Source.PLATFORM.value).select("row_no", *KEY, "counts", "inside")
    return ledgers.fees.join(said, on="row_no", maintain_order="left")


def _findings(rows: pl.DataFrame, currency: str, unknown: list[fees.Suggestion]) -> pl.DataFrame:
    """What the rows themselves and the unknown fees give to tell."""
    kinds = {"duplicate": pl.col("again") & pl.col("counts"), "currency_differs": pl.col("foreign")}
    said = [
        rows.filter(holds)
        .group_by("source", maintain_order=True)
        .agg(rows=pl.len().cast(pl.Int64), first_row=pl.col("row_no").first())
        .select(
            pl.lit(kind).alias("finding"),
            pl.col("source").cast(pl.String),
            "rows",
            "first_row",
            detail=pl.lit(currency if kind == "currency_differs" else ""),
        )
        for kind, holds in kinds.items()
    ]
    fresh = pl.DataFrame(
        [("unknown_fee", Source.PLATFORM.value, fee.rows, None, fee.column) for fee in unknown],
        schema=FINDINGS,
        orient="row",
    )
    return pl.concat([*said, fresh])


__all__ = ["CAUSES", "Allowed", "Cause", "Reconciliation", "Totals", "reconcile"]
