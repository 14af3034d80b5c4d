"""What parcels cost, from files that people write: `weights.csv` (sku, weight_g), `zones.csv` (warehouse, province,
zone) and `tariffs.csv` (warehouse, zone, from_g, base_minor, step_g, step_minor). What they mean: `rules.freight`."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from orderhub_core.errors import UserMistake
from orderhub_core.rules import freight
from orderhub_core.rules.lab.parcels import WEIGHTS, Prices
from orderhub_core.settings import read_text

_FILES = {"weights": WEIGHTS, "zones": freight.ZONES, "tariffs": freight.TARIFFS}


def read(folder: Path) -> Prices | None:
    """What parcels cost, from the files of a folder; None where it has none of them. Raises UserMistake."""
    if not any((folder / f"{name}.csv").exists() for name in _FILES):
        return None
    return Prices(**{name: _table(folder / f"{name}.csv", schema) for name, schema in _FILES.items()})


def _table(path: Path, schema: pl.Schema) -> pl.DataFrame:
    text = read_text(path, f"{path.stem} of the freight")
    try:
        frame = pl.read_csv(text.encode(), infer_schema=False)
    except pl.exceptions.PolarsError:
        raise UserMistake(f"{path} is no CSV file with a line of headings") from None
    if missing := [name for name in schema if name not in frame]:
        raise UserMistake(f"{path}: there is no column {missing[0]!r}; it has {', '.join(frame.columns)}")
    told = frame.select(schema.names())
    for name, dtype in schema.items():
        cast = told[name].str.strip_chars().cast(dtype, strict=False)
        if cast.null_count():
            row = int(cast.is_null().arg_max() or 0) + 2
            raise UserMistake(f"{path}, line {row}: {name} is {told[name][row - 2]!r}; write a value like the others'")
        told = told.with_columns(cast)
    return told
