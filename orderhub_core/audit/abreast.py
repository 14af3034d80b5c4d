"""The same work on each touchpoint, on as many cores as there are. Same results in the same order as one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")

WORTHWHILE = 50_000
"""Rows from which on handing work to threads costs less than it gains."""


def each(work: Callable[[Given], Made], things: Iterable[Given], rows: int) -> Sequence[Made]:
    """`work` done on every thing; `rows` says how much that is. polars and numpy let go of the interpreter lock."""
    listed = list(things)
    if rows < WORTHWHILE or len(listed) < 2:
        return [work(thing) for thing in listed]
    with ThreadPoolExecutor(len(listed)) as threads:
        return list(threads.map(work, listed))
