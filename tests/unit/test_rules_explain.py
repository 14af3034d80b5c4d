"""A single order explained: the nine questions as far as rules answer them, near misses, and what is missing."""

from datetime import UTC, datetime
from itertools import combinations

import pytest
from hypothesis import given, settings
from rules_oracle import books, decisions, lines_frame, order_lists, orders_frame, truth

from orderhub_core.rules.explain import explain
from orderhub_core.rules.reason import pieces
from orderhub_core.rules.tree import Action, Either, Every, Group, Leaf, Lines, Not, Op, Rule, Rulebook

MANY = settings(max_examples=60, deadline=None)
ORDER = {
    "order_id": 1, "platform": "douyin", "shop": "a", "province": "浙江省", "total_minor": 25_000,
    "paid_at": datetime(2026, 11, 11, 12, 30, tzinfo=UTC),
    "lines": [
        {"line_no": 1, "sku": "S1", "category": "连体衣", "quantity": 1, "price_minor": 20_000, "gift_of": None},
        {"line_no": 2, "sku": "S2", "category": "面膜", "quantity": 2, "price_minor": 2_500, "gift_of": None},
    ],
}  # fmt: skip


def explained(order, book):
    return explain(orders_frame([order]), lines_frame([order]), book)


@MANY
@given(order_lists, books)
def test_it_says_what_was_decided_and_never_that_something_missing_holds(orders, book):
    for order in orders:
        told = explained(order, book)
        acting = [(a.group, a.rule) for a in told.answers if a.outcome == "acts"]
        assert acting == list(dict.fromkeys(row[1:3] for row in decisions([order], book)))
        for group in book.groups:
            for rule in group.rules:
                (answer,) = (a for a in told.answers if (a.group, a.rule) == (group.name, rule.name))
                assert [a.holds for a in answer.conditions] == [truth(p.asked, order) for p in pieces(rule.when)]
                known = truth(rule.when, order)
                assert (answer.outcome in ("acts", "passed over")) == (known is True)
                assert (answer.outcome == "unknown") == (known is None)
                if known is None:
                    assert any(asked.missing for asked in answer.conditions)


def settled(condition, order, changed, positive=True):
    """Whether it would be true, were these pieces as the rule wants them."""
    match condition:
        case Leaf() | Lines():
            return positive if condition in changed else truth(condition, order)
        case Not(part):
            found = settled(part, order, changed, not positive)
            return None if found is None else not found
        case Every(parts):
            values = [settled(part, order, changed, positive) for part in parts]
            return False if False in values else None if None in values else True
        case Either(parts):
            values = [settled(part, order, changed, positive) for part in parts]
            return True if True in values else None if None in values else False
    raise AssertionError(condition)


@MANY
@given(order_lists, books)
def test_what_a_rule_lacks_would_make_it_hold_and_nothing_less_would(orders, book):
    for order in orders[:2]:
        told = explained(order, book)
        for group in book.groups:
            for rule in group.rules:
                asked = list(dict.fromkeys(piece.asked for piece in pieces(rule.when)))
                if len(asked) < len(list(pieces(rule.when))) or len(asked) > 6:
                    continue  # one condition may stand in it twice, once denied
                fewest = next(
                    (n for n in range(len(asked) + 1) for some in combinations(asked, n)
                     if settled(rule.when, order, some) is True), None,
                )  # fmt: skip
                (answer,) = (a for a in told.answers if (a.group, a.rule) == (group.name, rule.name))
                assert len(answer.lacks) == (fewest or 0)


def assign(warehouse):
    return (Action("assign_warehouse", warehouse),)


BOOK = Rulebook(
    "2026-11-22",
    (
        Group(
            "routing",
            "first",
            (
                Rule("south", Leaf("province", Op.AMONG, ("广东省", "湖南省")), assign("guangzhou")),
                Rule(
                    "onesies",
                    Every((Leaf("channel", Op.IS, ("douyin",)), Leaf("category", Op.IS, ("连体衣",)))),
                    assign("hangzhou"),
                ),
                Rule("big", Leaf("total", Op.AT_LEAST, (20_000,)), assign("chengdu")),
            ),
            assign("suzhou"),
        ),
        Group(
            "the rest",
            "all",
            (
                Rule("two-kinds", Leaf("line_count", Op.AT_LEAST, (2,)), (Action("split", "category"),)),
                Rule("evening", Leaf("paid_time", Op.WITHIN, (1200, 60)), (Action("carrier", "sf"),)),
                Rule("dear", Leaf("total", Op.MORE, (20_000,)), (Action("hold", "review"), Action("priority", "100"))),
                Rule("far", Leaf("city", Op.IS, ("拉萨市",)), (Action("hold", "courier"),)),
            ),
        ),
    ),
)


@pytest.fixture
def told():
    frame = orders_frame([ORDER]).with_columns(city=None)
    return explain(frame, lines_frame([ORDER]), BOOK)


def why(told, verb):
    """The rules behind what was decided of this kind."""
    return [a for a in told.answers if a.outcome == "acts" and verb in {action.verb for action in a.then}]


def why_not(told, verb, *arguments):
    """The rules that want this and did not act."""
    return [
        a
        for a in told.answers
        if a.outcome != "acts"
        and any(action.verb == verb and action.argument in (arguments or (action.argument,)) for action in a.then)
    ]


class TestTheNineQuestions:
    """Of the list of an optimisation explainer; what is asked of shipping cost and ship date rules do not decide."""

    def test_why_it_was_split(self, told):
        (answer,) = why(told, "split")
        assert answer.rule == "two-kinds"
        assert (answer.conditions[0].condition, answer.conditions[0].own) == ("line_count >= 2", {"line_count": "2"})

    def test_why_a_further_warehouse_and_not_another(self, told):
        (answer,) = why(told, "assign_warehouse")
        assert (answer.rule, answer.then) == ("onesies", assign("hangzhou"))
        (south,) = why_not(told, "assign_warehouse", "guangzhou")
        assert (south.outcome, south.lacks[0].condition) == ("fails", "province in (广东省, 湖南省)")
        assert south.lacks[0].own == {"province": "浙江省"}
        (big,) = why_not(told, "assign_warehouse", "chengdu")
        assert (big.outcome, big.before, big.lacks) == ("passed over", "onesies", ())

    def test_no_alternative_is_left_out(self, told):
        assert [answer.rule for answer in why_not(told, "assign_warehouse")] == ["south", "big", "otherwise"]

    def test_why_it_was_upgraded(self, told):
        assert [a.rule for a in why(told, "carrier")] == ["evening"]
        assert why(told, "carrier")[0].conditions[0].own == {"paid_time": "20:30"}
        assert [a.rule for a in why(told, "priority")] == ["dear"]

    def test_why_it_is_not_shipped(self, told):
        assert [a.rule for a in why(told, "hold")] == ["dear"]
        (far,) = why_not(told, "hold")
        assert far.outcome == "unknown"
        assert far.lacks[0].missing
        assert far.lacks[0].own == {"city": None}

    def test_what_it_costs_and_when_it_was_ordered_are_told_with_its_values(self, told):
        assert told.values["total"] == "250"
        assert told.values["category"] == "连体衣, 面膜"
        assert told.values["paid_time"] == "20:30"

    def test_the_decisions_come_with_it(self, told):
        assert told.decisions["rule"].to_list() == ["onesies", "two-kinds", "evening", "dear", "dear"]
