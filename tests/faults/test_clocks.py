"""A clock that jumps by a day changes timestamps, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import clocks
import pytest

from orderhub_core.flows.dispatch import SECOND, next_try
from orderhub_core.flows.poll import poll
from orderhub_core.model import RawMessage
from orderhub_core.store import homes
from orderhub_core.store.homes import Home

pytestmark = pytest.mark.faults
DAY = clocks.DAY


def test_a_jumping_clock_changes_no_outcome() -> None:
    report = clocks.run(rounds=6, seed=1)
    assert report.fine, str(report)
    assert report.acknowledged


def test_a_target_that_asks_for_very_long_is_asked_again_while_clocks_can_be_trusted() -> None:
    assert next_try(1, 10**9, now=0, dice=Random(0)) == 6 * 3_600 * SECOND


class Platform:
    """Updates every ten minutes of the real time, which is its own."""

    def __init__(self) -> None:
        self.now, self.seen = 0, set[int]()

    def poll(self, since: int, until: int) -> Iterator[RawMessage]:
        self.seen.update(at for at in range(0, self.now, 600 * SECOND) if since <= at < until)
        yield from ()

    def clock(self) -> int:
        return self.now


@pytest.mark.parametrize("wrong", [DAY, -DAY])
def test_what_happened_under_a_wrong_clock_is_polled_when_it_is_right_again(sqlite_home: Home, wrong: int) -> None:
    store, platform = homes.open_store(sqlite_home), Platform()
    hour = 3_600 * SECOND
    for minute in range(0, 300, 5):
        platform.now = DAY + minute * 60 * SECOND
        error = wrong if 60 < minute < 180 else 0
        poll(store, "shop:s", platform, lambda group: [], now=platform.now + error, history_s=2 * 86_400)
    assert set(range(DAY, DAY + 4 * hour, 600 * SECOND)) <= platform.seen
    store.close()


@pytest.mark.parametrize("ahead_minutes", [15, 5 * 60])
def test_a_clock_that_is_always_ahead_misses_nothing(sqlite_home: Home, ahead_minutes: int) -> None:
    store, platform = homes.open_store(sqlite_home), Platform()
    for minute in range(0, 300, 5):
        platform.now = DAY + minute * 60 * SECOND
        ahead = platform.now + ahead_minutes * 60 * SECOND
        poll(store, "shop:s", platform, lambda group: [], now=ahead, history_s=86_400)
    assert set(range(DAY, platform.now - 600 * SECOND, 600 * SECOND)) <= platform.seen
    store.close()


def test_what_a_clock_that_was_ahead_asked_for_is_asked_for_by_a_hub_that_was_off_meanwhile(sqlite_home: Home) -> None:
    store, platform = homes.open_store(sqlite_home), Platform()
    hour = 3_600 * SECOND
    for now, ahead in ((DAY, 0), (DAY + hour, 5 * hour), (DAY + 7 * hour, 0)):
        platform.now = now
        poll(store, "shop:s", platform, lambda group: [], now=now + ahead, history_s=3_600)
    assert set(range(DAY, DAY + 7 * hour, 600 * SECOND)) <= platform.seen
    store.close()
