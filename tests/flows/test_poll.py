"""Polling: the cursor moves only after everything before it is on disk, and what fails is simply done again."""

import pytest

from orderhub_core.errors import Unreachable
from orderhub_core.flows.poll import OVERLAP_S, SECOND, poll
from orderhub_core.hub import Hub
from orderhub_core.model import RawMessage
from orderhub_core.store import homes

NOW = 1_700_000_000_000_000
DAY_S = 86_400


class Shelf:
    """A source that remembers the windows it was asked for, and may break half-way."""

    def __init__(self, count, breaks_after=None, clock=None):
        self.count, self.breaks_after, self.windows, self._clock = count, breaks_after, [], clock

    def clock(self):
        return self._clock

    def poll(self, since, until):
        self.windows.append((since, until))
        for n in range(self.count):
            if n == self.breaks_after:
                raise Unreachable("shop-1 does not answer")
            yield RawMessage("shop-1", f"m{n}", "order", b"{}")


@pytest.fixture
def store(sqlite_home):
    opened = homes.open_store(sqlite_home)
    yield opened
    opened.close()


def run(store, shelf, now=NOW):
    return poll(store, "shop:1", shelf, lambda group: store.accept(group, NOW), now=now, history_s=3_600, page=10)


def test_the_first_poll_looks_back_and_the_next_overlaps(store):
    shelf = Shelf(25)
    assert run(store, shelf) == 25
    assert run(store, shelf, NOW + 60 * SECOND) == 0
    assert shelf.windows == [
        (NOW - 3_600 * SECOND, NOW),
        (NOW - OVERLAP_S * SECOND, NOW + 60 * SECOND),
    ]


def test_a_long_time_is_asked_for_day_by_day_and_what_is_done_is_not_asked_for_again(store):
    class Flaky(Shelf):
        def poll(self, since, until):
            yield from super().poll(since, until)
            if len(self.windows) == 3:
                raise Unreachable("shop-1 does not answer")

    def week(shelf):
        taken = lambda group: store.accept(group, NOW)  # noqa: E731
        return poll(store, "shop:1", shelf, taken, now=NOW, history_s=7 * DAY_S)

    shelf = Flaky(1)
    with pytest.raises(Unreachable):
        week(shelf)
    assert store.cursor_of("shop:1") == NOW - 5 * DAY_S * SECOND
    again = Shelf(1)
    week(again)
    since = NOW - (5 * DAY_S + OVERLAP_S) * SECOND
    assert again.windows[0] == (since, since + DAY_S * SECOND)
    assert again.windows[-1][1] == NOW
    assert all(a[1] == b[0] for a, b in zip(again.windows, again.windows[1:], strict=False))


def test_who_catches_up_puts_nobody_back(store):
    """Two workers poll one source: one from long ago, day by day, the other has just been there."""

    class Slow(Shelf):
        def poll(self, since, until):
            yield from super().poll(since, until)
            if len(self.windows) == 1:
                store.set_cursor("shop:1", NOW - 60 * SECOND)

    store.set_cursor("shop:1", NOW - 3 * DAY_S * SECOND)
    stood = []

    def taken(group):
        stood.append(store.cursor_of("shop:1"))
        return store.accept(group, NOW)

    poll(store, "shop:1", Slow(1), taken, now=NOW, history_s=0)
    assert stood == [NOW - 60 * SECOND] * 4
    assert store.cursor_of("shop:1") == NOW


def test_a_hub_whose_clock_is_ahead_comes_as_far_as_the_source_and_no_further(store):
    hours = 5 * 3_600 * SECOND
    shelf = Shelf(1, clock=NOW)
    run(store, shelf, NOW + hours)
    assert store.cursor_of("shop:1") is None, "all that was asked for lies in the source's future"
    store.set_cursor("shop:1", NOW - 60 * SECOND)
    run(store, shelf, NOW + hours)
    assert store.cursor_of("shop:1") == NOW
    again = Shelf(1, clock=NOW + 6 * 3_600 * SECOND)
    run(store, again, NOW + 6 * 3_600 * SECOND)
    assert again.windows[0][0] == NOW - OVERLAP_S * SECOND


def test_a_hub_that_is_a_year_ahead_does_not_ask_for_each_day_of_it(store):
    store.set_cursor("shop:1", NOW - 60 * SECOND)
    shelf = Shelf(1, clock=NOW)
    run(store, shelf, NOW + 365 * DAY_S * SECOND)
    assert (len(shelf.windows), store.cursor_of("shop:1")) == (1, NOW)


def test_of_a_source_whose_clock_is_long_behind_all_is_read_and_nothing_taken_for_done(store):
    store.set_cursor("shop:1", NOW - 3 * DAY_S * SECOND)
    shelf = Shelf(1, clock=0)
    run(store, shelf)
    assert shelf.windows[-1][1] == NOW
    assert store.cursor_of("shop:1") == NOW - 3 * DAY_S * SECOND


def test_a_cursor_that_the_hubs_own_clock_has_set_ahead_of_the_source_is_set_right(store):
    """As versions left it that did not look at the source's clock."""
    ahead = NOW + 2 * 3_600 * SECOND
    store.set_cursor("shop:1", ahead)
    shelf = Shelf(1, clock=NOW)
    run(store, shelf, ahead + 60 * SECOND)
    assert shelf.windows[-1][0] == NOW - 3_600 * SECOND
    assert store.cursor_of("shop:1") == NOW


def test_what_changes_while_a_long_list_is_read_is_after_the_cursor(store):
    """How late it was there counts from when the list began."""

    class Long(Shelf):
        def poll(self, since, until):
            for message in super().poll(since, until):
                yield message
                self._clock += 60 * SECOND

    store.set_cursor("shop:1", NOW - 60 * SECOND)
    run(store, Long(25, clock=NOW), NOW + 3_600 * SECOND)
    assert store.cursor_of("shop:1") == NOW


def test_a_poll_that_breaks_keeps_what_came_and_starts_again(store):
    with pytest.raises(Unreachable):
        run(store, Shelf(25, breaks_after=23))
    assert store.cursor_of("shop:1") is None
    assert store.waiting()[0] == 20
    again = Shelf(25)
    assert run(store, again, NOW + SECOND) == 5
    assert again.windows[0][0] == NOW + SECOND - 3_600 * SECOND
    assert store.waiting()[0] == 25


def test_an_unreachable_platform_is_told_by_name_and_nothing_is_lost(sqlite_home, monkeypatch):
    monkeypatch.setenv("TEST_POLL_SECRET", "x" * 16)
    (sqlite_home.data / "orderhub.toml").write_text(
        '[[shops]]\nid = "shop-9"\nconnector = "douyin"\nurl = "http://127.0.0.1:9/none"\napp_key = "k"\n'
        'secret_env = "TEST_POLL_SECRET"\ntimeout_s = 1.0\noptions = { shop_id = "1" }\n',
        encoding="utf-8",
    )
    hub = Hub(sqlite_home)
    with pytest.raises(Unreachable, match="shop-9"):
        hub.poll_shop("shop-9", history_s=3_600)
    assert hub.store.cursor_of("shop:shop-9") is None
    hub.close()
