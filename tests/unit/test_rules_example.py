"""Rules found by example: planted ones come back, what is told of them is what a plain reading counts, and marks that
no rule fits are owned up to."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_rules import PLANTED, ZONE, index, marks, taken
from rules_oracle import conditions, lines_frame, order_lists, orders_frame, truth
from small_rules import one_of, rulebook, total_from

from orderhub_core.errors import UserMistake
from orderhub_core.frames import LINES
from orderhub_core.rules.dictionary import FIELDS
from orderhub_core.rules.example import by_example, rounding
from orderhub_core.rules.example.atoms import Atom
from orderhub_core.rules.example.search import search
from orderhub_core.rules.example.trees import tree
from orderhub_core.rules.index import Index
from orderhub_core.rules.tree import Either, Every, Leaf, Op, leaves

MANY = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="module")
def history():
    return index(30_000, seed=7)


@pytest.fixture(scope="module")
def fresh():
    return index(20_000, seed=8)


def same(one, other, on):
    first, second = taken(on, one, other)
    return float((first == second).mean())


def test_planted_rules_are_found_again(history, fresh):
    lost = {}
    for name, rule in PLANTED.items():
        should, should_not = marks(rule, history, np.random.default_rng([1, *name.encode()]))
        assert len(should) + len(should_not) <= 30
        best = by_example(history, should, should_not).candidates[0]
        if same(rule, best.condition, fresh) < 0.995:
            lost[name] = best.condition
    assert len(lost) <= 2, lost


def test_many_conditions_cost_no_more_memory_than_a_few_and_what_tells_the_orders_apart_is_found():
    """Product names of many words have each word as a condition; memory would grow with their square."""
    dice, wanted = np.random.default_rng(3), (1 << 30) - 1
    others = [1 << int(dice.integers(30, 60)) for _ in range(2)]
    words = [int(mask) for mask in dice.integers(0, 1 << 60, 6_000)]
    masks = [*words, wanted | others[0], *words, wanted | others[1], *words]
    lengths = np.linspace(5, 10, len(masks))
    tracemalloc.start()
    best, *_ = search([Atom(Every(), *each) for each in zip(masks, lengths, strict=True)], wanted, 60)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (best.joints, set(best.atoms)) == (("and",), {6_000, 12_001})
    assert peak < 500_000_000


@MANY
@given(order_lists.filter(lambda orders: len(orders) > 1), st.data())
def test_what_is_told_of_a_candidate_is_what_a_plain_reading_counts(orders, data):
    ids = [order["order_id"] for order in orders]
    marked = data.draw(st.lists(st.sampled_from(ids), min_size=2, unique=True))
    cut = data.draw(st.integers(1, len(marked) - 1))
    should, should_not = marked[:cut], marked[cut:]
    book = rulebook(routing={("all", "hz"): Every(), ("dear", "gz"): total_from(100)})
    found = by_example(Index(orders_frame(orders), lines_frame(orders), zone=ZONE), should, should_not, book=book)
    for each in found.candidates:
        takes = {order["order_id"] for order in orders if truth(each.condition, order) is True}
        assert set(each.missed) == set(should) - takes
        assert set(each.wrongly) == set(should_not) & takes
        assert (each.taken, each.counter_examples) == (len(takes), len(takes - set(marked)))
        assert set(each.nearest) == takes - set(marked)  # there are few of them: each is named
        dear = {order["order_id"] for order in orders if (order["total_minor"] or 0) >= 100}
        counted = {overlap.rule: (overlap.orders, overlap.both) for overlap in each.overlaps}
        assert counted.get("all", (0, 0))[1] == len(takes)
        assert counted.get("dear", (len(dear), 0)) == (len(dear), len(takes & dear))
    if found.candidates:
        wrong = {*found.candidates[0].missed, *found.candidates[0].wrongly}
        assert wrong <= {each for pair in found.alike for each in (pair.should, pair.should_not)}


@MANY
@given(order_lists, st.lists(conditions, min_size=1, max_size=3), st.data())
def test_conditions_that_are_written_as_one_say_the_same(orders, parts, data):
    joints = data.draw(st.lists(st.sampled_from(["and", "or"]), min_size=len(parts) - 1, max_size=len(parts) - 1))
    plain = parts[0]
    for joint, part in zip(joints, parts[1:], strict=True):
        plain = (Every if joint == "and" else Either)((plain, part))
    made = tree(joints, parts)
    assert [truth(made, o) is True for o in orders] == [truth(plain, o) is True for o in orders]


def but(field, value):
    return Leaf(field, Op.IS_NOT, (value,))


@pytest.mark.parametrize(
    ("joint", "left", "right", "one"),
    [
        ("and", Leaf("total", Op.LESS, (9,)), total_from(3), Leaf("total", Op.WITHIN, (3, 9))),
        ("or", Leaf("shop", Op.IS, ("a",)), one_of("shop", "b", "c"), one_of("shop", "a", "b", "c")),
        ("and", but("shop", "a"), but("shop", "b"), Leaf("shop", Op.NOT_AMONG, ("a", "b"))),
    ],
)  # fmt: skip
def test_what_is_said_of_one_field_is_said_once(joint, left, right, one):
    assert tree([joint], [left, right]) == one


def orders_of(*rows):
    """Shop and total of each; ids from 1."""
    made = [{"order_id": n, "shop": shop, "total_minor": total} for n, (shop, total) in enumerate(rows, 1)]
    schema = {"order_id": pl.Int64, "shop": pl.String, "total_minor": pl.Int64}
    return Index(pl.DataFrame(made, schema=schema), pl.DataFrame(schema=LINES), zone=ZONE)


def test_the_number_is_one_that_people_write():
    history = orders_of(("a", 28_912), ("a", 31_377), ("a", 12_345), ("a", 47_001))
    assert by_example(history, [2, 4], [1, 3]).candidates[0].condition == total_from(30_000)


def test_a_list_of_exceptions_names_no_more_than_it_must():
    wanted = [(f"w{number}", 50_000) for number in range(9)]
    not_wanted = [
        ("x", 50_000),
        ("y", 50_000),
        ("z", 50_000),
        ("w1", 10_000),
        ("w2", 10_000),
        ("e", 10_000),
        ("f", 9_000),
    ]
    history = orders_of(*wanted, *not_wanted)
    best = by_example(history, range(1, 10), range(10, 17)).candidates[0]
    assert best.separates
    (exceptions,) = [leaf for leaf in leaves(best.condition) if leaf.field == "shop"]
    assert (exceptions.op, set(exceptions.values)) == (Op.NOT_AMONG, {"x", "y", "z"})


def test_an_order_that_lacks_the_value_is_never_taken():
    history = orders_of(("a", 40_000), ("a", 50_000), ("b", 10_000), ("b", None), ("a", None))
    by_total, *_ = by_example(history, [1, 2], [3, 5]).candidates
    assert (by_total.missed, by_total.wrongly, by_total.taken) == ((), (), 2)


def test_orders_that_nothing_tells_apart_are_named():
    history = orders_of(("a", 100), ("a", 100), ("b", 900), ("b", 800), ("c", 100))
    found = by_example(history, [1, 3, 4], [2, 5])
    best = found.candidates[0]
    assert not best.separates
    assert len(best.missed) + len(best.wrongly) == 1
    (pair,) = found.alike
    assert (pair.should, pair.should_not, pair.differ_in) == (1, 2, ())


def test_counter_examples_are_those_most_like_what_is_not_wanted():
    rows = [("a", 30_000), ("a", 60_000), ("a", 10_000), ("a", 90_000), ("a", 20_000), ("a", 31_000)]
    found = by_example(orders_of(*rows), [1, 2], [3, 5]).candidates[0]
    assert found.condition == total_from(30_000)
    assert (found.counter_examples, found.nearest) == (2, (6, 4))


def test_candidates_disagree_about_the_orders_that_would_decide():
    rows = [("a", 50_000), ("a", 60_000), ("b", 10_000), ("b", 20_000), ("a", 15_000), ("b", 70_000)]
    first, second, *_ = by_example(orders_of(*rows), [1, 2], [3, 4]).candidates
    assert first.undecided == ()
    assert set(second.undecided) == {5, 6}


@pytest.mark.parametrize(
    ("should", "should_not", "says"),
    [
        ([], [1], "that the rule should take"),
        ([1], [], "that the rule should not take"),
        ([1, 2], [2], "order 2 is marked twice"),
        ([1], [77], "order 77 is marked, but not in the history"),
        (list(range(1, 41)), list(range(41, 80)), "79 orders are marked: 60 at most"),
    ],
)
def test_marks_that_no_rule_can_be_made_of(should, should_not, says):
    with pytest.raises(UserMistake, match=says):
        by_example(orders_of(("a", 1), ("b", 2)), should, should_not)


@given(st.integers(0, 10**7), st.integers(1, 10**6), st.sampled_from(["total", "quantity", "paid_time"]))
def test_no_number_of_the_gap_is_rounder(low, width, name):
    field, high = FIELDS[name], low + width
    found = rounding.roundest(low, high, field, 10**6)
    assert low < found <= high
    some = {
        low + 1,
        high,
        *(n for step in (10, 100, 500, 1000, 5000, 10_000) for n in [high // step * step] if n > low),
    }
    assert all(rounding.bits(found, field, 10**6) <= rounding.bits(n, field, 10**6) for n in some)


@given(st.datetimes(datetime(2001, 1, 1), datetime(2036, 1, 1)))
def test_instants_are_round_by_the_wall_clock(at):
    at = at.replace(tzinfo=UTC)
    assert rounding.instant(rounding.local_us(at, ZONE), ZONE) == at
    field, day = FIELDS["paid_at"], 86_400_000_000
    start = rounding.local_us(at, ZONE)
    midnight = rounding.instant(rounding.roundest(start, start + day, field, 60 * day), ZONE)
    assert midnight.astimezone(rounding.ZoneInfo(ZONE)).strftime("%H:%M:%S") == "00:00:00"
