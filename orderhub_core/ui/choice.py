"""A table to choose rows of. What the browser sends of a choice is what the chosen rows say, not where they stand.

marimo names a row by its place, and an element by its cell and its number in it: while a page is drawn anew, a reader
still sees the old rows, but what is clicked goes to the new ones. Here a row's number is made of what it says, so a
choice among old rows finds the same row in the new table, or none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import marimo as mo
import polars as pl

NUMBER = "_marimo_row_id"
"""The column from which marimo takes the numbers of rows, where a frame has one."""
_EXACT = 2**12
"""A number of 64 bits divided by it is one that JavaScript holds exactly, and still is when a few are added."""


def numbered(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with NUMBER, the same for the same row; of rows that say the same, each has its own."""
    said = pl.Series(NUMBER, frame.hash_rows(seed=0) if frame.height else [], dtype=pl.UInt64) // _EXACT
    again = pl.int_range(pl.len(), dtype=pl.UInt64).over(NUMBER)
    return frame.with_columns(said.to_frame().select(pl.col(NUMBER) + again))


class Choice(mo.ui.table):
    """marimo's table over a frame, of which rows may be chosen. `initial_selection`: places of rows."""

    missed = False
    """Whether what it was last told is `stale`; the rows that it still has are its value."""
    places: Sequence[int] = ()
    """Where those rows stand in the frame."""

    def __init__(
        self,
        frame: pl.DataFrame,
        *,
        shown: pl.DataFrame | None = None,
        initial_selection: Iterable[int] | None = None,
        **options: Any,
    ) -> None:
        """`shown`: the same rows as they are shown, where they say otherwise; the value has those of the frame."""
        rows = numbered(frame)
        self._rows = frame
        self._numbers = rows[NUMBER].to_list()
        self._there = frozenset(self._numbers)
        first = [self._numbers[place] for place in initial_selection or ()]
        told = rows if shown is None else shown.with_columns(rows[NUMBER])
        super().__init__(told, **options, initial_selection=first or None)

    def stale(self, chosen: Iterable[int | str]) -> bool:
        """Whether a choice, as the browser sends it, has rows that this table has not."""
        return not self._there.issuperset(map(int, chosen))

    def _convert_value(self, value: Any) -> Any:
        chosen = set(map(int, value))
        self.missed = self.stale(chosen)
        self.places = [place for place, number in enumerate(self._numbers) if number in chosen]
        super()._convert_value(value)
        return self._rows[self.places]

    def _get_row_ids(self, args: Any) -> Any:
        # Asked for all rows, marimo lets the browser count them from 0.
        found = super()._get_row_ids(args)
        return replace(found, row_ids=self._numbers, all_rows=False) if found.all_rows else found
