"""Walking numbered pages of a list whose rows move while we read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

Row = TypeVar("Row")


class Page(NamedTuple, Generic[Row]):
    rows: Sequence[Row]
    total: int
    """How many rows the whole list has, as told with this very page."""


def walk(read: Callable[[int], Page[Row]], size: int, first: Page[Row]) -> Iterator[Row]:
    """Every row of a list that is numbered from page 0, of which `first` was just read. A row may come twice.

    A row updated meanwhile leaves the window and those behind it move forward, over the page boundary and past
    our eyes. The total tells: when it falls by n, step back far enough to see n rows again.
    """
    number, page, known = 0, first, first.total
    while True:
        yield from page.rows
        gone, known = known - page.total, page.total
        if gone > 0:
            number = max(0, number - -(-gone // size))
        elif (number + 1) * size < known:
            number += 1
        else:
            return
        page = read(number)
