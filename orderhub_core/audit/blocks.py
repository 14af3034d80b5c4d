"""Long arrays, worked on in pieces that fit the processor's cache: ten times the rows then take ten times as long, and
what is needed in between takes no memory worth mentioning. And arrays beside one another, worked on at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

BLOCK = 1 << 16

Entry = TypeVar("Entry", bound=np.generic)
Given = TypeVar("Given")
Made = TypeVar("Made")


def blocks(size: int) -> Iterator[slice]:
    return (slice(at, min(at + BLOCK, size)) for at in range(0, size, BLOCK))


def taken(table: npt.NDArray[Entry], places: npt.NDArray[np.integer]) -> npt.NDArray[Entry]:
    """`table[..., places]`, where -1 is the last entry. Raises nothing for places beyond: there must be none."""
    result = np.empty((*table.shape[:-1], len(places)), dtype=table.dtype)
    for block in blocks(len(places)):
        result[..., block] = table.take(places[block], axis=-1, mode="wrap")
    return result


def at_once(work: Callable[[Given], Made], given: Iterable[Given], rows: int) -> list[Made]:
    """What `work` makes of each, in their order, on as many threads as polars has: it, numpy and files let go of the
    interpreter. Where there are few `rows` in all, one after the other is sooner. Raises what the first that fails
    raises."""
    if rows < BLOCK:
        return [work(one) for one in given]
    with ThreadPoolExecutor(pl.thread_pool_size()) as threads:
        return list(threads.map(work, given))
