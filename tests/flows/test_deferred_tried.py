"""What is sent before it is paid, in the rule lab, in files of a snapshot, and decided once more: as the hub decides
on it, since it is owed."""

from __future__ import annotations

from functools import partial

import polars as pl
import pytest
from held_desk import Desk
from test_deferred_live import LIMITED, Frames
from versions import NOW, STORM

from orderhub_core.entry.commands import rules_questions
from orderhub_core.errors import UserMistake
from orderhub_core.flows.absorb import drain
from orderhub_core.flows.ground import Ground
from orderhub_core.flows.lab import Lab, Period
from orderhub_core.flows.regarding import histories
from orderhub_core.flows.reproduce import reproduce
from orderhub_core.model import Event as E
from orderhub_core.rules import exports, rulebook, turn
from orderhub_core.rules.lab import asked
from orderhub_core.settings import Settings

HOUR = 3_600_000_000
ASKS = """version = "1"
[[groups]]
name = "g"
match = "all"
[[groups.rules]]
name = "again"
when = "buyer_orders >= 1"
then = "tag again"
[[groups.rules]]
name = "new"
when = "buyer_orders = 0"
then = "tag new"
"""


class Copy(Frames):
    """As a board reads it."""

    settings = Settings()

    def remembered(self, question, compute):
        return compute()


@pytest.fixture
def desk(context, order):
    """A1 is paid at the door a day after it was accepted, A2 is paid in between, A3 is still to be paid, A4 was called
    off."""
    made = Desk(context, order, more=LIMITED)
    for name, hours, event in (("A1", 0, E.DEFERRED), ("A2", 1, E.PAID), ("A3", 2, E.DEFERRED), ("A4", 3, E.DEFERRED)):
        heard(made, name, NOW + hours * HOUR, E.PLACED, event)
    heard(made, "A1", NOW + 24 * HOUR, E.PAID)
    heard(made, "A4", NOW + 4 * HOUR, E.VOIDED)
    return made


def heard(desk, name, at, *events):
    desk._receive([desk._order(name, *events, at=at, total=20_000)])
    drain(desk.context, 100)


def told(frame, *columns):
    hours = (pl.col("paid_at", "headline_at").dt.epoch("us") - NOW) / HOUR if "headline_at" in frame.columns else []
    return frame.with_columns(hours).select("order_no", *columns).rows()


def test_the_lab_takes_an_order_since_it_is_owed_as_it_was_then(desk):
    lab = Lab(Copy(desk.store))
    columns = ("paid_at", "headline_at", "payment", "headline")
    assert told(lab.ground().orders, *columns) == [
        ("A1", 0, 0, "deferred", "accepted"),
        ("A2", 1, 1, "paid", "paid"),
        ("A3", 2, 2, "deferred", "accepted"),
        ("A4", 3, 3, "deferred", "accepted"),
    ]
    late = lab.periods()[1].since
    assert late is not None and (late.timestamp() * 1e6 - NOW) / HOUR == pytest.approx(3 - 24)
    begun = late.fromtimestamp((NOW + HOUR) / 1e6, late.tzinfo)
    ended = late.fromtimestamp((NOW + 3 * HOUR) / 1e6, late.tzinfo)
    assert [name for (name,) in told(lab.ground(Period(begun, ended)).orders)] == ["A2", "A3"]


def test_who_is_to_pay_later_has_a_right_to_gifts_and_its_turn_for_those_there_are_few_of(desk):
    book = rulebook.usable('version = "9"\n' + LIMITED.replace("FREE-1", "FREE-2"), "9")
    missed = Lab(Copy(desk.store)).missed(book)
    assert missed["order_no"].to_list() == ["A1"], "the first of the day, though the next was paid before it"
    every = rulebook.usable('version = "9"\n' + LIMITED.replace("FREE-1 limit 2 daily 1", "FREE-2"), "9")
    assert Lab(Copy(desk.store)).missed(every)["order_no"].to_list() == ["A1", "A2", "A3"], "not what was called off"


def test_the_lab_knows_of_its_buyer_what_was_paid_before_it_was_owed(desk):
    orders = asked.as_decided(Copy(desk.store).frame("orders"))
    ground = Ground(orders, Copy(desk.store).frame("lines"), None, partial(histories, desk.store))
    ground.wanted(rulebook.usable(ASKS, "1"))
    # A2 alone was paid before any other was owed.
    assert told(ground.orders, "buyer_orders") == [("A1", 0), ("A2", 0), ("A3", 1), ("A4", 1)]


@pytest.fixture
def files(desk, tmp_path):
    """As `orderhub db snapshot` writes them, with a pseudonym for the buyer."""
    for name in ("orders", "lines"):
        frame = Copy(desk.store).frame(name)
        frame = frame.with_columns(buyer=pl.lit("b")) if name == "orders" else frame
        frame.write_parquet(tmp_path / f"{name}.parquet")
    return tmp_path


def read(files, text):
    return exports.read(rulebook.usable(text, "r"), files / "orders.parquet", files / "lines.parquet")


def test_in_files_it_takes_its_turn_since_it_is_owed(files):
    text = 'version = "9"\n' + LIMITED
    found = exports.evaluate(read(files, text), rulebook.usable(text, "9"))
    assert found.decisions["order_no"].to_list() == ["A1"]
    assert found.findings.is_empty(), "nobody lacks a turn"


def test_in_files_its_buyer_has_bought_what_was_paid_by_then(files):
    orders = read(files, ASKS).orders
    assert dict(orders.select("order_no", "buyer_orders").rows()) == {"A1": 0, "A2": 0, "A3": 1, "A4": 1}


def test_a_file_s_own_answer_to_when_it_was_ordered_keeps_both_apart(files):
    exported = read(files, ASKS)
    number = dict(exported.orders.select("order_no", "order_id").rows())["A1"]
    every = rules_questions.answered(exported, rulebook.usable(ASKS, "1"), number, turn.Known(), "en", {})
    (told,) = (one.answer for one in every if one.question == "order_date")
    assert "accepted 2023-11-15 06:13:20" in told and "paid 2023-11-16 06:13:20" in told


def test_a_file_that_says_when_in_words_is_refused(files):
    path = files / "orders.parquet"
    pl.read_parquet(path).with_columns(deferred_at=pl.lit("noon")).write_parquet(path)
    with pytest.raises(UserMistake, match="'deferred_at' holds String, not instants with their time zone"):
        read(files, ASKS)


def test_what_ended_before_it_was_decided_and_held_when_it_was_owed_is_asked_for_again(context, order):
    desk = Desk(context, order, more=STORM)
    desk.signals.report("storm", "yes", since=NOW - 10 * HOUR, until=NOW - 5 * HOUR, by="ann")
    heard(desk, "A1", NOW - 6 * HOUR, E.PLACED, E.DEFERRED)
    heard(desk, "A1", NOW + HOUR, E.PAID)
    assert desk.effect()[2] == "rule wet holds it: address"
    assert reproduce(desk.context, 0, 1 << 62).differences == []
