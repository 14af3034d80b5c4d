"""What warehouses have, from a file: one row per SKU, headings in Chinese or English."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from connectors._kit.bounds import QUANTITY_MAX
from connectors.files.cells import ids
from connectors.files.reading import read_table
from orderhub_core.errors import UserMistake

HEADINGS = {
    "warehouse": ("warehouse", "warehouse_id", "仓库", "仓库编码", "仓库编号"),
    "sku": ("sku", "sku_id", "商品编码", "规格编码", "货号", "商家编码"),
    "on_hand": ("on_hand", "quantity", "stock", "qty", "库存", "在库数量", "实物库存", "库存数量", "数量"),
    "safety": ("safety", "safety_stock", "安全库存"),
}
MOST_TOLD = 5


def read_stock(path: Path, warehouse: str = "") -> pl.DataFrame:
    """warehouse, sku, on_hand, safety (null where it is not said), one row each. `warehouse`: of a file that has no
    column of that. Raises UserMistake for rows that cannot be read, the first of them by their number."""
    table = read_table(path)
    found = {
        field: next((one for one in table.columns if one.strip().casefold() in names), "")
        for field, names in HEADINGS.items()
    }
    if warehouse:
        found["warehouse"] = ""
    missing = [
        name for name in ("warehouse", "sku", "on_hand") if not found[name] and (name != "warehouse" or not warehouse)
    ]
    if missing:
        told = "; ".join(f"{field} ({', '.join(HEADINGS[field])})" for field in missing)
        raise UserMistake(f"{path.name}: no column of {told}; the warehouse may be said by --warehouse ID")
    none = pl.Series([None], dtype=pl.Int64).new_from_index(0, table.height)
    place = pl.Series([warehouse]).new_from_index(0, table.height)
    rows = pl.DataFrame(
        {
            "warehouse": table[found["warehouse"]].str.strip_chars() if found["warehouse"] else place,
            "sku": ids(table[found["sku"]]).value,
            "on_hand": _pieces(table[found["on_hand"]]),
            "safety": _pieces(table[found["safety"]]) if found["safety"] else none,
        }
    )
    _refuse(path, rows)
    return rows


def _pieces(raw: pl.Series) -> pl.Series:
    """Int64, also below zero; null where there is no such number."""
    text = raw.to_frame("raw").select(pl.col("raw").str.normalize("NFKC").str.strip_chars().str.replace_all(",", ""))
    pieces = text.to_series().str.extract(r"^([+-]?\d{1,9})(?:\.0+)?$").cast(pl.Int64)
    return pieces.set(pieces.abs() > QUANTITY_MAX, None)


def _refuse(path: Path, rows: pl.DataFrame) -> None:
    lacking = {
        "no warehouse": pl.col("warehouse").fill_null("") == "",
        "no SKU": pl.col("sku").is_null(),
        "no number of pieces": pl.col("on_hand").is_null(),
    }
    numbered = rows.with_row_index("row", offset=2)
    told = [
        f"row {number}: {what}" for what, rule in lacking.items() for number in numbered.filter(rule)["row"].to_list()
    ]  # fmt: skip
    if told:
        more = f" and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else ""
        raise UserMistake(f"{path.name}: {'; '.join(told[:MOST_TOLD])}{more}. Mend them; nothing was taken in")
