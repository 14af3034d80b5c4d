"""What people have judged, as a frame."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from orderhub_core.frames import INSTANT
from orderhub_core.store.base import Store

COLUMNS = "audit, shop, order_no, nullif(consistent, -1), reviewer, note, at"
SCHEMA = pl.Schema(
    {
        **dict.fromkeys(("audit", "shop", "order_no"), pl.String()),
        "consistent": pl.Boolean(),
        **dict.fromkeys(("reviewer", "note"), pl.String()),
        "at": pl.Int64(),
    }
)


def reviews(store: Store, audits: Sequence[str]) -> pl.DataFrame:
    """`audit`, `shop`, `order_no`, `consistent` (null where taken back), `reviewer`, `note`, `at` of some audits."""
    sql = f"SELECT {COLUMNS} FROM reviews WHERE {store.among('audit')}"
    rows = store.query("hub", sql, (store.listed(audits),))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").cast({"at": INSTANT})
