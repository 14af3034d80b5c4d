"""The audit of all orders that a running hub keeps up to date is the audit of all orders."""

from __future__ import annotations

import tempfile
from pathlib import Path

import fresh
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_shop import BOOK, SHOP, source

from orderhub_core.audit.consistency.audited import Audited, begin
from orderhub_core.errors import UserMistake
from orderhub_core.flows import audited
from orderhub_core.flows.absorb import drain
from orderhub_core.flows.audited import ANEW_US, Standing, whole
from orderhub_core.flows.context import Context
from orderhub_core.model import Event, Observation, RawMessage, Sighting
from orderhub_core.pseudonym import Pseudonyms
from orderhub_core.store import homes
from orderhub_core.store.homes import Home
from orderhub_core.store.known import KnownFrames

START = 1_790_000_000_000_000
MINUTE = 60_000_000
NUMBERS = ("A1", "A2", "A3", "A4")
WORDS = ("待付款", "待发货", "已发货", "已签收", "没人知道的词")

placed = st.tuples(
    st.just("order"), st.sampled_from(NUMBERS), st.sampled_from([Event.PLACED, Event.PAID, Event.SHIPPED])
)
shown = st.tuples(st.sampled_from(["crm", "page"]), st.sampled_from(NUMBERS), st.sampled_from(WORDS))
steps = st.lists(
    st.tuples(st.lists(st.one_of(placed, shown), max_size=5), st.sampled_from([0, 1, 20, 40, 280])), max_size=5
)
"""What is said, and how many minutes pass before: less than a day in all, after which it would begin anew."""
BEGIN = [("order", "A1", Event.PLACED), ("crm", "A1", "待付款"), ("page", "A1", "待付款")]


class Shop:
    """A hub with a clock of its own."""

    def __init__(self, home: Home) -> None:
        self.store = homes.open_store(home)
        self.context = Context(self.store, source, BOOK, Pseudonyms(b"a pepper of some length"))
        self.known = KnownFrames(self.store, home.data / "none")
        self.now, self._count = START, 0

    def hear(self, said: list, wait_min: int = 0) -> None:
        self.now += wait_min * MINUTE
        for origin, order_no, what in said:
            self._count += 1
            if origin == "order":
                kind, body = "order", Observation(order_no, {what.value: self.now}, self.now, None)
            else:
                kind, body = "sighting", Sighting(SHOP, order_no, what, self.now)
            name = SHOP if origin == "order" else origin
            message = RawMessage(name, str(self._count), kind, msgspec.json.encode(body))
            self.store.accept([message], self.now)
        drain(self.context, 100)

    def frame(self, name: str):
        return self.known.frame(name)

    def as_of(self) -> int:
        return self.now


@pytest.fixture
def shop(home):
    opened = Shop(home)
    yield opened
    opened.store.close()


def told(found: Audited) -> tuple:
    problems = found.problems.to_dicts()
    return (
        sorted(found.verdicts.rows()), found.by_verdict(), found.share(), sorted(problems, key=repr), found.as_of
    )  # fmt: skip


def check(shop: Shop, standing: Standing) -> None:
    found = standing.now()
    assert told(found) == told(
        begin(shop.frame("orders"), shop.frame("sightings"), shop.as_of(), calibration=found.calibration)
    )


@settings(max_examples=60, deadline=None)
@given(steps)
def test_going_on_answers_what_beginning_anew_answers(said):
    """Orders and touchpoints say new things, or nothing, while the clock moves on; it begins once only."""
    with tempfile.TemporaryDirectory() as folder:
        home = fresh.hub(Path(folder) / "data")
        shop, begun = Shop(home), []
        shop.hear(BEGIN)
        standing = Standing(shop.store, shop)
        anew, standing._anew = standing._anew, lambda *known: (begun.append(1), anew(*known))[1]
        check(shop, standing)
        for news, wait_min in said:
            shop.hear(news, wait_min)
            check(shop, standing)
        assert len(begun) == 1
        shop.store.close()


def test_a_step_judges_what_was_touched_and_no_other_order(shop, monkeypatch):
    shop.hear([("order", number, Event.PLACED) for number in NUMBERS])
    shop.hear([(name, number, "待付款") for name in ("crm", "page") for number in NUMBERS])
    standing = Standing(shop.store, shop)
    standing.now()
    shop.hear([("crm", "A2", "已发货"), ("order", "A3", Event.PAID)])
    judged, real = [], audited.frames.touched
    monkeypatch.setattr(audited.frames, "touched", lambda *asked: (judged.append(real(*asked)), judged[-1])[1])
    check(shop, standing)
    assert sorted(judged[0]["order_no"]) == ["A2", "A3"]
    check(shop, standing)
    assert judged[1].is_empty(), "nothing has happened since"


def test_news_that_come_while_it_reads_are_not_forgotten(shop, monkeypatch):
    """They stand in one frame and not yet in the other."""
    shop.hear(BEGIN)
    standing = Standing(shop.store, shop)
    standing.now()
    frame, late = shop.frame, [("crm", "A1", "已签收"), ("order", "A2", Event.PLACED)]

    def slow(name: str):
        read = frame(name)
        shop.hear(late if name == "orders" else [])
        return read

    monkeypatch.setattr(shop, "frame", slow)
    standing.now()
    monkeypatch.setattr(shop, "frame", frame)
    late.clear()
    check(shop, standing)
    assert standing.now().verdicts.height == 2


@pytest.mark.parametrize("why", ["a new touchpoint", "a day is over", "the clock was set back"])
def test_where_it_cannot_go_on_it_begins_anew(shop, why):
    shop.hear(BEGIN)
    standing = Standing(shop.store, shop)
    before = standing.now()
    if why == "a new touchpoint":
        shop.hear([("wms", "A1", "待付款")])
    shop.now += {"a day is over": ANEW_US, "the clock was set back": -MINUTE}.get(why, 0)
    found = standing.now()
    assert found.calibration is not before.calibration
    assert told(found) == told(whole(shop))
    assert found.touchpoints == (("crm", "page", "wms") if why == "a new touchpoint" else ("crm", "page"))


def test_before_two_touchpoints_have_shown_anything_it_says_so_and_then_begins(shop):
    standing = Standing(shop.store, shop)
    shop.hear(BEGIN[:2])
    with pytest.raises(UserMistake, match="fewer than two touchpoints"):
        standing.now()
    shop.hear(BEGIN[2:])
    check(shop, standing)


def test_a_new_process_begins_anew_and_says_the_same(shop):
    shop.hear(BEGIN)
    first = Standing(shop.store, shop)
    first.now()
    shop.hear([("crm", "A1", "已发货")], 90)
    assert told(first.now()) == told(Standing(shop.store, shop).now())
