"""What warehouses have, from a file: one row per SKU, headings in Chinese or English."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from connectors.files.reading import ROW
from connectors.files.sheets import read_sheet
from orderhub_core.errors import UserMistake

COLUMNS = {
    "warehouse": ("text", ("warehouse_id", "仓库", "仓库编码", "仓库编号")),
    "sku": ("id", ("sku_id", "商品编码", "规格编码", "货号", "商家编码")),
    "on_hand": ("whole", ("quantity", "stock", "qty", "库存", "在库数量", "实物库存", "库存数量", "数量")),
    "safety": ("whole", ("safety_stock", "安全库存")),
}
MOST_PIECES = 1_000_000_000
MOST_TOLD = 5


def read_stock(path: Path, warehouse: str = "") -> pl.DataFrame:
    """warehouse, sku, on_hand, safety (null where it is not said), one row each. `warehouse`: of a file that does not
    say. Raises UserMistake for rows that cannot be meant, the first of them by their number."""
    sheet = read_sheet(path, COLUMNS, ["sku", "on_hand"] if warehouse else ["warehouse", "sku", "on_hand"], "UTC")
    rows = sheet.rows.with_columns(pl.col("warehouse").fill_null(warehouse)) if warehouse else sheet.rows
    if warehouse and (others := sorted(set(rows["warehouse"]) - {warehouse})):
        raise UserMistake(f"{path.name} speaks of {', '.join(others)}, and --warehouse of {warehouse}: leave one out")
    unread = pl.col(ROW).is_in(sheet.findings.filter(pl.col("column") == "safety")["first_row"].implode())
    lacking = {
        "no warehouse": pl.col("warehouse").is_null(),
        "no SKU that can be read": pl.col("sku").is_null(),
        "no number of pieces": pl.col("on_hand").is_null() | (pl.col("on_hand").abs() > MOST_PIECES),
        "the safety stock is no number of pieces": unread | (pl.col("safety").abs() > MOST_PIECES),
    }
    told = [f"row {row}: {what}" for what, rule in lacking.items() for row in rows.filter(rule)[ROW]]
    if told:
        more = f" and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else ""
        raise UserMistake(f"{path.name}: {'; '.join(told[:MOST_TOLD])}{more}. Mend them; nothing was taken in")
    return rows.drop(ROW)
