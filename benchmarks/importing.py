"""Bar: importing a 100,000-row CSV >= 0.25 of a bare `executemany` of the same rows.

The yardstick writes, from memory, exactly the rows that the import left in every table of both files: the same
statements' columns, the same batches, the same pragmas, one commit per batch. The import does that and reads the
CSV, checks every cell, folds, settles, decides, hashes the log chain, and separates personal data.
"""

from __future__ import annotations

from orderhub_core import runtime  # isort: skip

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from orderhub_core.hub import Hub
from orderhub_core.store import homes, sqlite, statements
from orderhub_core.store.tables import PARTS

ROWS, BATCH, REPEATS, BAR = 100_000, 1_000, 5, 0.25
MAPPING = """
name = "bench"
shop = "bench"
[columns]
order_no = "order_no"
status = "status"
placed_at = "placed_at"
paid_at = "paid_at"
shipped_at = "shipped_at"
total = "total"
receiver_name = "name"
receiver_phone = "phone"
receiver_address = "address"
province = "province"
tracking_no = "tracking_no"
[status]
shipped = "shipped"
paid = "paid"
"""


def export(path: Path) -> None:
    dice = np.random.default_rng(1)
    at = pl.Series(dice.integers(1_760_000_000, 1_763_000_000, ROWS))
    shipped = pl.Series(dice.random(ROWS) < 0.7)

    def text(seconds: pl.Series) -> pl.Series:
        return pl.from_epoch(seconds, "s").dt.strftime("%Y-%m-%d %H:%M:%S")

    pl.DataFrame(
        {
            "order_no": [f"48373287{n:011d}" for n in range(ROWS)],
            "status": pl.select(pl.when(shipped).then(pl.lit("shipped")).otherwise(pl.lit("paid"))).to_series(),
            "placed_at": text(at),
            "paid_at": text(at + 60),
            "shipped_at": pl.select(pl.when(shipped).then(text(at + 40_000)).otherwise(None)).to_series(),
            "total": [f"{value / 100:.2f}" for value in dice.integers(1_000, 90_000, ROWS)],
            "name": ["某某"] * ROWS,
            "phone": [f"199{n:08d}" for n in range(ROWS)],
            "address": [f"人民路 {n} 号" for n in range(ROWS)],
            "province": ["浙江省"] * ROWS,
            "tracking_no": pl.select(
                pl.when(shipped).then(pl.Series([f"SF{n:012d}" for n in range(ROWS)])).otherwise(None)
            ).to_series(),
        }
    ).write_csv(path)


def imported(folder: Path, csv: Path, mapping: Path) -> float:
    home = homes.Home(folder)
    homes.init(home)
    hub = Hub(home)
    begun = time.perf_counter()
    result = hub.import_file(csv, str(mapping), on_error="reject-all", dry_run=False)
    seconds = time.perf_counter() - begun
    assert result.imported == ROWS, result
    hub.close()
    return seconds


def written(folder: Path) -> dict[str, dict[str, list[tuple[object, ...]]]]:
    """Every row of every table, part by part."""
    store = homes.open_store(homes.Home(folder))
    rows = {
        part: {name: store.query(part, f"SELECT * FROM {name}") for name in metadata.tables}
        for part, metadata in PARTS.items()
    }
    store.close()
    return rows


def batches(
    tables: dict[str, list[tuple[object, ...]]], main: str
) -> Iterator[list[tuple[str, list[tuple[object, ...]]]]]:
    """The rows of each commit: a batch of the main table and the matching share of the others."""
    count = -(-len(tables[main]) // BATCH)
    for at in range(count):
        yield [
            (name, rows[len(rows) * at // count : len(rows) * (at + 1) // count])
            for name, rows in tables.items()
            if rows and name not in ("lanes",)
        ]


def bare(folder: Path, rows: dict[str, dict[str, list[tuple[object, ...]]]]) -> float:
    homes.init(homes.Home(folder))
    begun = time.perf_counter()
    for part, main in (("inbox", "inbox"), ("hub", "orders")):
        connection = sqlite.connect(sqlite.file_of(folder, part), writer=True)
        for batch in batches(rows[part], main):
            connection.execute("BEGIN IMMEDIATE")
            for name, some in batch:
                connection.executemany(statements.insert(name), some)
            connection.execute("COMMIT")
        connection.close()
    return time.perf_counter() - begun


def main() -> int:
    runtime.check()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        csv, mapping = root / "export.csv", root / "bench.toml"
        export(csv)
        mapping.write_text(MAPPING, encoding="utf-8")
        imported(root / "first", csv, mapping)
        rows = written(root / "first")
        ours, limit = [], []
        for n in range(REPEATS):
            limit.append(bare(root / f"bare{n}", rows))
            ours.append(imported(root / f"import{n}", csv, mapping))
    count = sum(len(some) for part in rows.values() for some in part.values())
    ratios = [low / high for low, high in zip(limit, ours, strict=True)]
    ratio = statistics.median(ratios)
    print(f"bare executemany of {count:,} rows: {statistics.median(limit):.2f} s (median of {REPEATS})")
    print(f"import of {ROWS:,} CSV rows: {statistics.median(ours):.2f} s, {ROWS / statistics.median(ours):,.0f} rows/s")
    print(
        f"ratio {ratio:.2f} (min {min(ratios):.2f}, max {max(ratios):.2f});"
        f" bar >= {BAR}: {'met' if ratio >= BAR else 'MISSED'}"
    )
    return 0 if ratio >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
