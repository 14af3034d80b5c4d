"""Reasons and parents: the order's own values, written as the language writes them; gifts with the line that earned
them."""

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from rules_oracle import lines_frame, orders_frame

from orderhub_core.frames import INSTANT
from orderhub_core.rules import wording
from orderhub_core.rules.decide import decide
from orderhub_core.rules.dictionary import FIELDS
from orderhub_core.rules.language.values import written
from orderhub_core.rules.tree import ALWAYS, Action, Either, Every, Group, Leaf, Lines, Not, Op, Rule, Rulebook

ORDER = {
    "order_id": 1, "platform": "douyin", "shop": "a", "province": "浙江省", "total_minor": 77_005,
    "paid_at": datetime(2026, 11, 11, 12, 30, tzinfo=UTC),
    "lines": [
        {"line_no": 1, "sku": "G", "category": "面膜", "quantity": 1, "price_minor": 0, "gift_of": 3},
        {"line_no": 2, "sku": "S1", "category": "面膜", "quantity": 1, "price_minor": 20_000, "gift_of": None},
        {"line_no": 3, "sku": "S2", "category": "连体衣", "quantity": 5, "price_minor": 2_500, "gift_of": None},
        {"line_no": 4, "sku": "S3", "category": "面膜", "quantity": 2, "price_minor": 2_500, "gift_of": None},
    ],
}  # fmt: skip
MONDAY = datetime(2026, 11, 9, tzinfo=UTC)


def decided(when, verb="add_gift"):
    book = Rulebook("v", (Group("g", "all", (Rule("r", when, (Action(verb, "X"),)),)),))
    return decide(orders_frame([ORDER]), lines_frame([ORDER]), book).row(0, named=True)


def reason(when):
    return decided(when)["reason"]


class TestReasons:
    def test_a_value_that_is_the_one_asked_for_is_told_once(self):
        assert reason(Leaf("channel", Op.IS, ("douyin",))) == "channel = douyin"

    def test_a_threshold_is_told_with_the_value(self):
        assert reason(Leaf("total", Op.AT_LEAST, (9_900,))) == "total 770.05 >= 99"

    def test_what_is_denied_is_told_as_its_opposite(self):
        assert reason(Not(Leaf("total", Op.AT_LEAST, (90_000,)))) == "total 770.05 < 900"
        assert reason(Not(Leaf("shop", Op.CONTAINS, ("b",)))) == "shop a not contains b"

    def test_of_alternatives_only_those_that_hold_are_told(self):
        either = Either((Leaf("shop", Op.IS, ("b",)), Leaf("total", Op.MORE, (1,)), Leaf("province", Op.IS_MISSING)))
        assert reason(Every((Leaf("channel", Op.IS_KNOWN), either))) == "channel is known: douyin; total 770.05 > 0.01"

    def test_lines_are_told_with_all_that_they_have(self):
        assert reason(Leaf("category", Op.IS, ("面膜",))) == "some line: category = 面膜 (category: 连体衣, 面膜)"
        none = Lines("no", Leaf("quantity", Op.MORE, (5,)))
        assert reason(none) == "no line: quantity > 5 (quantity: 1, 2, 5)"
        assert reason(Not(Lines("every", Leaf("sku", Op.IS, ("S1",))))) == "not every line: sku = S1 (sku: S1, S2, S3)"

    def test_a_time_of_day_is_that_of_the_zone(self):
        assert reason(Leaf("paid_time", Op.WITHIN, (1_200, 60))) == "paid_time 20:30 within 20:00 to 01:00"

    def test_a_long_list_is_cut_short(self):
        wanted = tuple(f"省{n}" for n in range(6))
        assert reason(Leaf("province", Op.NOT_AMONG, wanted)) == "province 浙江省 not in 省0, 省1, 省2, and 3 more"

    def test_no_condition_is_said_to_be_none(self):
        assert reason(ALWAYS) == "no condition"


class TestParents:
    def parent(self, when):
        return decided(when)["parent"]

    def test_the_first_line_that_meets_all_that_is_asked_of_lines(self):
        both = Every((Leaf("category", Op.IS, ("面膜",)), Leaf("quantity", Op.AT_LEAST, (2,))))
        assert self.parent(both) == 4
        assert self.parent(Lines("some", both)) == 4

    def test_else_the_first_that_meets_some_of_it(self):
        assert self.parent(Every((Leaf("sku", Op.IS, ("S3",)), Leaf("sku", Op.IS, ("S2",))))) == 3

    def test_else_the_first_that_is_no_gift(self):
        assert self.parent(Leaf("total", Op.MORE, (1,))) == 2
        assert self.parent(Lines("no", Leaf("sku", Op.IS, ("S9",)))) == 2

    def test_what_is_no_gift_has_no_parent(self):
        assert decided(Leaf("sku", Op.IS, ("S3",)), "tag")["parent"] is None


@settings(deadline=None)
@given(st.integers(-(10**9), 10**9), st.integers(0, 1_439), st.booleans(), st.integers(0, 10**6))
def test_columns_are_written_as_the_language_writes_values(number, minute, flag, seconds):
    values = {
        "total": number,
        "item_count": number,
        "paid_weekday": minute % 7 + 1,
        "paid_time": minute,
        "storm": flag,
        "paid_at": MONDAY + timedelta(seconds=seconds),
    }
    for name, value in values.items():
        field = FIELDS[name]
        column = pl.Series(field.column, [value, None])
        told = pl.DataFrame([column.cast(INSTANT) if name == "paid_at" else column])
        found = told.select(own=wording.column(field, "Asia/Shanghai"))["own"].to_list()
        assert found == [written(value, field, wording.speech("Asia/Shanghai"), "en"), None]
