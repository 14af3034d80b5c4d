"""Walking numbered pages of a list whose rows move while we read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Generic, NamedTuple, TypeVar

from orderhub_core.errors import Throttled, Unreachable

Row = TypeVar("Row")

RISES = 20
"""In one walk. Rows leave a window of the past, and hardly ever join it: a total that rises more often than that does
not tell what has moved."""
WAITS, LONGEST_WAIT_S = 10, 60.0
"""How often in a row, and how long, we wait for a source that asks us to slow down. Of one that asks for more the walk
is given up."""


class Page(NamedTuple, Generic[Row]):
    rows: Sequence[Row]
    total: int
    """How many rows the whole list has, as told with this very page."""


def walk(
    read: Callable[[int], Page[Row]],
    size: int,
    first: Page[Row],
    who: str,
    wait: Callable[[float], None] = time.sleep,
) -> Iterator[Row]:
    """Every row of a list of `who` that is numbered from page 0, of which `first` was just read. A row may come twice.

    A row updated meanwhile leaves the window and those behind it move forward, over the page boundary and past
    our eyes. The total tells: when it falls by n, step back far enough to see n rows again.

    Who is asked to slow down in the middle waits, and goes on where it was: to begin anew would take as many calls
    again, and come no further. Raises Unreachable for a list whose totals cannot be true.
    """
    number, page, known, rises = 0, first, first.total, 0
    while True:
        yield from page.rows
        gone, known = known - page.total, page.total
        rises += gone < 0
        if rises > RISES:
            raise Unreachable(
                "{who}: the total of its list goes up and down; does one server answer, or several?", who=who
            )
        if gone > 0:
            number = max(0, number - -(-gone // size))
        elif (number + 1) * size >= known:
            return
        elif not page.rows:
            raise Unreachable(
                "{who}: its list has {known} rows by its own account, and page {number} has none",
                who=who,
                known=known,
                number=number,
            )
        else:
            number += 1
        page = _patiently(partial(read, number), wait)


def _patiently(read: Callable[[], Page[Row]], wait: Callable[[float], None]) -> Page[Row]:
    for tried in range(WAITS):
        try:
            return read()
        except Throttled as asked:
            wait_s = min(LONGEST_WAIT_S, 2.0**tried) if asked.after_s is None else asked.after_s
            if wait_s > LONGEST_WAIT_S:
                raise
            wait(wait_s)
    return read()
