"""Walking a list page by page: every row that is there all the time, in a number of calls that has an end."""

from __future__ import annotations

from random import Random

import pytest

from connectors._kit.paging import LONGEST_WAIT_S, Page, walk
from orderhub_core.errors import Throttled, Unreachable

SIZE = 10


class Shelf:
    """A list that can change between two calls, and a doorkeeper who lets so many calls in at once."""

    def __init__(self, rows: list[int], allowed: int = 10_000, after_s: float | None = 6.0) -> None:
        self.rows, self.allowed, self.after_s = rows, allowed, after_s
        self.calls, self.asked, self.waited = 0, list[int](), list[float]()

    def read(self, number: int) -> Page[int]:
        if self.calls >= self.allowed:
            raise Throttled("slow down", after_s=self.after_s)
        self.calls += 1
        self.asked.append(number)
        return Page(self.rows[number * SIZE : (number + 1) * SIZE], len(self.rows))

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.calls = 0

    def walked(self) -> list[int]:
        return list(walk(self.read, SIZE, self.read(0), "shop-1", self.wait))


@pytest.mark.parametrize("seed", range(20))
def test_rows_that_stay_are_all_seen_while_others_leave(seed: int) -> None:
    dice = Random(seed)
    shelf = Shelf(list(range(95)))
    staying = set(dice.sample(shelf.rows, 60))
    read = shelf.read

    def thinning(number: int) -> Page[int]:
        page = read(number)
        leaving = [row for row in shelf.rows if row not in staying][: dice.randrange(4)]
        shelf.rows = [row for row in shelf.rows if row not in leaving]
        return page

    shelf.read = thinning  # type: ignore[method-assign]
    assert staying <= set(shelf.walked())


def test_who_is_asked_to_slow_down_goes_on_where_it_was() -> None:
    shelf = Shelf(list(range(12 * SIZE)), allowed=5)
    assert shelf.walked() == list(range(12 * SIZE))
    assert shelf.asked == list(range(12))
    assert shelf.waited == [6.0, 6.0]


def test_who_does_not_say_how_long_is_given_more_time_each_time() -> None:
    shelf = Shelf(list(range(2 * SIZE)), allowed=1, after_s=None)

    def wait(seconds: float) -> None:
        shelf.waited.append(seconds)
        shelf.calls = 0 if len(shelf.waited) == 3 else 1

    rows = walk(shelf.read, SIZE, shelf.read(0), "shop-1", wait)
    assert list(rows) == list(range(2 * SIZE))
    assert shelf.waited == [1.0, 2.0, 4.0]


def test_who_asks_for_an_hour_is_left_alone() -> None:
    shelf = Shelf(list(range(3 * SIZE)), allowed=1, after_s=LONGEST_WAIT_S + 1)
    with pytest.raises(Throttled):
        shelf.walked()
    assert shelf.waited == []


def test_totals_that_go_up_and_down_for_ever_are_told() -> None:
    """Two servers behind one name, of which one is a little behind."""
    shelf = Shelf(list(range(100)))
    read, all_rows = shelf.read, shelf.rows

    def by_turns(number: int) -> Page[int]:
        shelf.rows = all_rows[: 100 - len(shelf.asked) % 2]
        return read(number)

    shelf.read = by_turns  # type: ignore[method-assign]
    with pytest.raises(Unreachable, match="shop-1: the total of its list goes up and down"):
        shelf.walked()
    assert len(shelf.asked) < 200


def test_a_page_with_nothing_in_it_before_the_end_is_told() -> None:
    with pytest.raises(Unreachable, match="page 0 has none"):
        list(walk(lambda _: Page([], 10**12), SIZE, Page([], 10**12), "shop-1"))
