"""A small town of orders for the browser tests: quick to make, the same every time, and like nothing in particular."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl

from orderhub_core import frames, model
from orderhub_core.store import snapshot

START = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
PROVINCES = ["浙江", "广东", "四川", "江苏", "山东", "北京", "湖北", "福建"]


def write(folder: Path, orders: int = 2_000) -> None:
    """A snapshot with `orders` orders over ten days, one log entry and one sighting for each."""
    dice = np.random.default_rng(11)
    words = [word.value for word in model.Headline]
    count = pl.int_range(orders, eager=True)
    placed = pl.Series(dice.integers(0, 10 * 86_400, orders)).sort() * 1_000_000 + int(START.timestamp() * 1_000_000)
    town = pl.DataFrame(
        {
            "order_id": count + 1,
            "shop": pl.Series(dice.choice(["douyin-main", "douyin-outlet"], orders)),
            "platform": pl.repeat("douyin", orders, eager=True),
            "order_no": (count + 6_900_000_000_000_000_000).cast(pl.String),
            "placed_at": placed.cast(frames.INSTANT),
            "headline": pl.Series(dice.choice(words, orders), dtype=pl.String),
            "province": pl.Series(dice.choice(PROVINCES, orders)),
            "total_minor": pl.Series(dice.integers(990, 99_900, orders)),
        }
    )
    snapshot.write(
        folder,
        {
            "orders": _whole("orders", town),
            "events": _whole(
                "events", town.select("order_id", seq="order_id", event=pl.lit("order.placed"), occurred_at="placed_at")
            ),
            "sightings": _whole(
                "sightings", town.select("shop", "order_no", touchpoint=pl.lit("page"), status=pl.lit("已发货"))
            ),
        },
        snapshot.Meta(as_of=int((START + dt.timedelta(days=10)).timestamp() * 1_000_000), seq=0),
    )


def _whole(name: str, known: pl.DataFrame) -> pl.DataFrame:
    schema = frames.SCHEMAS[name]
    missing = [pl.lit(None, kind).alias(column) for column, kind in schema.items() if column not in known.columns]
    return known.with_columns(missing).select(schema.names()).cast(dict(schema))
