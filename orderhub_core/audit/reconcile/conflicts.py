"""What two ledgers say of one order that cannot both be in order, for finance to look at: times and parcels, not sums.

Several conflicts of one order are one line of the queue. Advice stands in `texts`.
"""

from __future__ import annotations

from enum import StrEnum

import polars as pl

from orderhub_core.audit.reconcile.ledgers import Source
from orderhub_core.audit.sources import KEY
from orderhub_core.frames import INSTANT

MINUTE_US = 60_000_000


class Conflict(StrEnum):
    """The worst comes first."""

    SHIPPED_BEFORE_PAID = "shipped_before_paid"
    LOST = "lost"
    SCANNED_NOT_SHIPPED = "scanned_not_shipped"
    NO_SCAN = "no_scan"
    REVIEWED_BEFORE_PAID = "reviewed_before_paid"
    REVIEWED_LATE = "reviewed_late"


CONFLICTS = pl.Enum([conflict.value for conflict in Conflict])


def conflicts(found: pl.DataFrame, *, as_of: int, review_minutes: int, scan_before: int, courier: bool) -> pl.DataFrame:
    """One row per conflict of the orders of `causes.lives`: shop, order_no, `conflict` (CONFLICTS), `first_at` and
    `then_at` (what was compared, either may be null), `minutes` between them, `paid_minor`. Worst first, then longest.

    `scan_before`: what went out before this instant should have been scanned by the courier (microseconds UTC).
    """
    paid, reviewed, shipped, scanned = (
        pl.col(name) for name in ("paid_at", "reviewed_at", "shipped_at", "collected_at")
    )
    now, due = (pl.lit(at).cast(INSTANT) for at in (as_of, scan_before))
    apart = pl.duration(minutes=review_minutes)
    both = pl.col(f"has_{Source.PLATFORM.value}") & pl.col(f"has_{Source.ERP.value}")
    before = both & ~pl.col("deferred")  # these should have been paid first
    erp = pl.lit(courier) & pl.col(f"has_{Source.ERP.value}")
    rules: dict[Conflict, tuple[pl.Expr, pl.Expr, pl.Expr]] = {
        Conflict.SHIPPED_BEFORE_PAID: (before & (shipped < paid), shipped, paid),
        Conflict.LOST: (pl.col("lost"), shipped, scanned),
        Conflict.SCANNED_NOT_SHIPPED: (
            erp & shipped.is_null() & scanned.is_not_null() & ~pl.col("no_time"),
            scanned,
            now,
        ),
        Conflict.NO_SCAN: (
            erp
            & scanned.is_null()
            & (shipped < due)
            & ~pl.col("lost")
            & ~pl.col("arrived")
            & pl.col("refunded_at").is_null(),
            shipped,
            now,
        ),
        Conflict.REVIEWED_BEFORE_PAID: (before & (paid - reviewed > apart), reviewed, paid),
        Conflict.REVIEWED_LATE: (both & (reviewed - paid > apart), paid, reviewed),
    }
    rows = [
        found.filter(holds.fill_null(False)).select(
            *KEY,
            pl.lit(conflict.value, CONFLICTS).alias("conflict"),
            first.alias("first_at"),
            then.alias("then_at"),
            ((then - first).dt.total_microseconds() // MINUTE_US).alias("minutes"),
            pl.col("paid").alias("paid_minor"),
        )
        for conflict, (holds, first, then) in rules.items()
    ]
    return pl.concat(rows).sort(["conflict", "minutes", *KEY], descending=[False, True, False, False], nulls_last=True)
