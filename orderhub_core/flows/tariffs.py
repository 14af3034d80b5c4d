"""What parcels cost, from files that people write: `weights.csv` (sku, weight_g), `zones.csv` (warehouse, province,
zone) and `tariffs.csv` (warehouse, zone, from_g, base_minor, step_g, step_minor). What they mean: `rules.freight`."""

from __future__ import annotations

from collections.abc import Mapping
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
    return Prices(**{name: table(folder / f"{name}.csv", schema) for name, schema in _FILES.items()})


def table(path: Path, schema: pl.Schema, optional: Mapping[str, str] | None = None) -> pl.DataFrame:
    """A CSV file with these columns; of optional ones, what stands for a cell that is empty or not there: nothing at
    all where that is empty, too. Raises UserMistake."""
    text = read_text(path, path.stem)
    try:
        frame = pl.read_csv(text.encode(), infer_schema=False)
    except pl.exceptions.PolarsError:
        raise UserMistake("{path} is no CSV file with a line of headings", path=path) from None
    absent = {name: pl.lit("") for name in optional or () if name in schema and name not in frame}
    frame = frame.with_columns(**absent)
    if missing := [name for name in schema if name not in frame]:
        raise UserMistake(
            "{path}: there is no column {missing!r}; it has {columns}",
            path=path,
            missing=missing[0],
            columns=tuple(frame.columns),
        )
    told = frame.select(schema.names())
    for name, dtype in schema.items():
        words = told[name].str.strip_chars()
        if optional and name in optional:
            words = words.fill_null("").replace("", optional[name] or None)
        cast = _cast(words, dtype)
        wrong = cast.is_null() & words.is_not_null() if optional and optional.get(name) == "" else cast.is_null()
        if wrong.any():
            row = int(wrong.arg_max() or 0) + 2
            raise UserMistake(
                "{path}, line {row}: {name} is {told!r}; write a value like the others'",
                path=path,
                row=row,
                name=name,
                told=told[name][row - 2],
            )
        told = told.with_columns(cast)
    return told


def _cast(words: pl.Series, dtype: pl.DataType | type[pl.DataType]) -> pl.Series:
    if dtype == pl.Boolean:
        return words.str.to_lowercase().replace_strict({"true": True, "false": False}, default=None, return_dtype=dtype)
    return words.cast(dtype, strict=False)
