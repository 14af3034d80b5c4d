"""A plain file of what some touchpoint shows: order number, status word, update time, and whatever else it holds.

For the audit: nothing is dropped and nothing is judged here; a repeated order stays repeated.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from connectors.files.cells import Cells, counts, ids, money, texts, times
from connectors.files.mapping import Mapping, load_mapping
from connectors.files.observing import resolve
from connectors.files.reading import ROW, read_table
from orderhub_core.frames import INSTANT

PROBLEM, DAMAGED = "time_problem", "order_no_problem"
_OURS = ("order_no", "status", "updated_at")


def read_touchpoint(path: Path, mapping: Mapping | None = None, *, sheet: str | None = None) -> pl.DataFrame:
    """`order_no` String, `status` String, `updated_at` Datetime us UTC, `time_problem` and `order_no_problem`
    String, `row_no` Int64, and every other column of the file as String.

    Without a mapping the headings of the shipped mapping `generic` are known, and times without a zone are Beijing's.
    A status stays the touchpoint's own word; a damaged id stays as it is written, and `order_no_problem` says what
    ails it. A time that cannot be read is null and `time_problem` says why. A file of headings only has no rows. Raises
    UserMistake as `read_table` does, and where there is no column of order numbers or statuses.
    """
    chosen = load_mapping("generic") if mapping is None else mapping
    table = read_table(path, sheet=sheet)
    found = resolve(table.columns, chosen, required=("order_no", "status"))
    numbers = ids(table[found["order_no"]])
    ours = [numbers.value.alias("order_no"), texts(table[found["status"]]).value.alias("status")]
    if "updated_at" in found:
        instant, problem = times(table[found["updated_at"]], chosen.time_zone, mixed=chosen.mixed_times)
    else:
        instant = pl.repeat(None, table.height, dtype=pl.Int64, eager=True)
        problem = pl.repeat(None, table.height, dtype=pl.String, eager=True)
    ours += [
        instant.cast(INSTANT).alias("updated_at"),
        problem.alias(PROBLEM),
        numbers.problem.alias(DAMAGED),
        table[ROW],
    ]
    read = {found[field] for field in _OURS if field in found}
    others = table.select(pl.exclude(ROW, *read))
    clash = {name: f"{name} (file)" for name in (*_OURS, PROBLEM, DAMAGED) if name in others.columns}
    return pl.DataFrame(ours).hstack(others.rename(clash))


def read_values(raw: pl.Series, kind: str, mapping: Mapping | None = None) -> pl.DataFrame:
    """A column of such a file, read as `money` (Int64, minor units), `quantity` (Int64), `instant` (Datetime us UTC) or
    `identity` (String): `value`, and `raw`, the cell as written, null where it says nothing. A cell that cannot be read
    has a raw text and no value."""
    chosen = load_mapping("generic") if mapping is None else mapping
    value, problem = _cells(raw, kind, chosen)
    said = pl.select(pl.when(value.is_not_null() | problem.is_not_null()).then(raw)).to_series()
    return pl.DataFrame([value.alias("value"), said.alias("raw")])


def _cells(raw: pl.Series, kind: str, mapping: Mapping) -> Cells:
    match kind:
        case "money":
            return money(raw, mapping.decimals)
        case "quantity":
            return counts(raw)
        case "instant":
            read = times(raw, mapping.time_zone, mixed=mapping.mixed_times)
            return Cells(read.value.cast(INSTANT), read.problem)
        case _:
            value, problem = ids(raw)
            return Cells(pl.select(pl.when(problem.is_null()).then(value)).to_series(), problem)
