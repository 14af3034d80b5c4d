"""What a hub holds, in figures that two copies of it must agree on: rows per table, and the heads of its log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from orderhub_core.store.archive import Lane

HEADS = "SELECT lane, log_seq, log_hash FROM lanes ORDER BY lane"

Ask = Callable[[str, str], list[tuple[Any, ...]]]
"""A part and a query to its rows."""


class Contents(NamedTuple):
    counts: dict[str, int]
    lanes: list[Lane]


def contents(ask: Ask, tables: Mapping[str, Iterable[str]], *, heads: bool = True) -> Contents:
    """Rows per table of those named per part, and the heads of the log."""
    counts = {
        table: ask(part, f"SELECT count(*) FROM {table}")[0][0] for part, names in tables.items() for table in names
    }
    return Contents(counts, lanes(ask) if heads else [])


def lanes(ask: Ask) -> list[Lane]:
    return [Lane(lane, seq, bytes(head).hex()) for lane, seq, head in ask("hub", HEADS)]
