"""Failures that pass: tried again a few times without holding up others, then parked; the database's own never park."""

from __future__ import annotations

import msgspec
import pytest
from reading import rows

from orderhub_core.errors import Busy, Unreachable, UserMistake
from orderhub_core.flows.absorb import absorb, drain
from orderhub_core.flows.replay import replay
from orderhub_core.model import Event
from orderhub_core.store import homes

E = Event
NOW = 1_700_000_000_000_000


class Weather:
    """A source that cannot be had while it storms, and a clock to wait by."""

    def __init__(self, context, after_s=None):
        self.storms, self.tries, self.now = True, 0, NOW
        self.failure = Unreachable("the touchpoint does not answer", after_s=after_s)
        self.context = context._replace(source=self.source, clock=lambda: self.now)
        self._calm = context.source

    def source(self, name):
        if name == "away":
            self.tries += 1
            if self.storms:
                raise self.failure
        return self._calm("shop-1" if name == "away" else name)

    def later(self, seconds):
        self.now += seconds * 1_000_000
        return drain(self.context, 10)


def test_a_failure_that_passes_holds_up_no_other_message(context, order):
    weather = Weather(context)
    context.store.accept([order("A1", E.PLACED, origin="away"), order("A2", E.PLACED)], NOW)
    assert list(weather.later(0).values()) == ["imported"]
    assert rows(context, "SELECT order_no FROM orders") == [("A2",)]
    assert (context.store.waiting()[0], weather.tries) == (1, 1)
    assert weather.later(1) == {}
    assert weather.tries == 1
    weather.storms = False
    assert list(weather.later(1).values()) == ["imported"]
    assert rows(context, "SELECT order_no FROM orders ORDER BY order_no") == [("A1",), ("A2",)]
    assert context.store.waiting()[0] == 0
    assert context.store.verify_log().broken_seq is None


def test_it_is_tried_three_times_then_parked_and_replayed(home, context, order):
    weather = Weather(context)
    context.store.accept([order("A1", E.PLACED, origin="away")], NOW)
    assert weather.later(0) == {}
    assert weather.later(2) == {}
    # Another process goes on counting where this one stopped.
    weather.context = weather.context._replace(store=homes.open_store(home))
    assert weather.later(9) == {}
    assert weather.tries == 2
    assert list(weather.later(1).values()) == ["parked"]
    assert weather.tries == 3
    ((number, reason),) = rows(context, "SELECT id, reason FROM parked")
    assert reason == "tried 3 times: the touchpoint does not answer"
    assert (weather.later(3_600), context.store.waiting()[0]) == ({}, 0)
    weather.storms = False
    assert list(replay(weather.context, [number], 10).values()) == ["imported"]
    weather.context.store.close()


def test_who_asks_for_time_gets_it(context, order):
    weather = Weather(context, after_s=30.0)
    context.store.accept([order("A1", E.PLACED, origin="away")], NOW)
    for seconds, tries in ((0, 1), (29, 1), (1, 2), (29, 2), (1, 3)):
        weather.later(seconds)
        assert weather.tries == tries


def test_a_database_that_is_busy_parks_nothing(context, order, monkeypatch):
    context.store.accept([msgspec.structs.replace(order("A1", E.PLACED), key="A1")], NOW)
    with monkeypatch.context() as busy:
        busy.setattr(context.store, "order_rows", lambda keys: (_ for _ in ()).throw(Busy("locked")))
        for _ in range(5):
            with pytest.raises(Busy):
                absorb(context, 10)
    assert rows(context, "SELECT count(*) FROM parked") == [(0,)]
    assert list(drain(context, 10).values()) == ["imported"]


def test_what_a_person_must_mend_is_parked_with_its_own_words(context, order):
    def source(name):
        raise UserMistake("shop-1: a direct shop needs secret_env in its settings")

    context.store.accept([order("A1", E.PLACED)], NOW)
    drain(context._replace(source=source), 10)
    assert rows(context, "SELECT reason FROM parked") == [("shop-1: a direct shop needs secret_env in its settings",)]
