"""A rule that is built by choosing is the rule that its line says, and the rest of the draft stays as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rule_trees import books, conditions, deeds

from orderhub_core.rules import rulebook
from orderhub_core.rules.dictionary import FIELDS
from orderhub_core.rules.lab import board, forming
from orderhub_core.rules.lab.forming import Form
from orderhub_core.rules.language import validity
from orderhub_core.rules.language.parsing import parse_condition
from orderhub_core.rules.language.vocabulary import of_book
from orderhub_core.rules.tree import Either, Every, Group, Rule

DRAFT = board.BOOK["zh"] + "# 留着的备注\n"
EMPTY = dict.fromkeys(forming.asks(DRAFT, "zh")) | {"group": "赠品", "joined": "every"}
GIFT = {"field1": "total", "op1": ">=", "value1": "500", "verb": "add_gift", "argument": "FREE-02 × 2 限量 100"}


def chosen(**answer):
    return EMPTY | answer


def form(text=DRAFT, lang="zh"):
    return Form(("v1", None), text, lang)


def test_a_rule_is_added_to_a_draft_and_what_was_written_stays():
    built = form().build(chosen(**GIFT, name="满500"))
    assert built.text.startswith(DRAFT.rstrip())
    assert built.said == ("已加进 赠品：订单金额 >= 500 → 赠品 FREE-02 × 2 限量 100", "good")
    book, mistakes = rulebook.read(built.text)
    assert mistakes == () and [rule.name for rule in book.groups[-1].rules] == ["满299", "满500"]
    assert forming.given(built, ("v1", None)) == (built.text, "")
    assert forming.given(built, ("v2", None)) is None and form(built.text).told(built) == [built.said]


def test_a_rule_of_an_earlier_group_comes_last_in_it_and_what_was_written_stays_in_any_language():
    answer = chosen(field1="paid_time", op1=">=", value1="20:00", verb="assign_warehouse", argument="chengdu")
    built = form(lang="en").build(answer | {"group": "分仓"})
    routing, gifts = rulebook.read(built.text).book.groups
    assert [rule.name for rule in routing.rules] == ["华南", "rule-1"] and len(gifts.rules) == 1
    assert [line for line in DRAFT.splitlines() if line and line not in built.text.splitlines()] == []
    assert routing.otherwise == rulebook.read(DRAFT).book.groups[0].otherwise


def test_where_a_draft_must_be_written_anew_it_is_said():
    inline = 'version = "v"\ngroups = [{ name = "g", match = "all", rules = [] }]  # dense\n'
    text, (said, tone) = form(inline).build(chosen(**GIFT, group="g"))[1:]
    assert tone == "warn" and "注释" in said and len(rulebook.read(text).book.groups[0].rules) == 1


def test_what_stands_in_quotation_marks_stands_for_itself():
    named = {"field2": "product_name", "op2": "contains", "value2": '"急"', "verb": "tag", "argument": "x"}
    answer = chosen(field1="sku", op1="in", value1='"A, B"，C、“D；E”', **named)
    when = rulebook.read(form().build(answer).text).book.groups[-1].rules[-1].when
    assert [leaf.values for leaf in when.parts] == [("A, B", "C", "D；E"), ("急",)]


@pytest.mark.parametrize("joined", [Every, Either])
def test_several_conditions_are_the_line_that_says_them(joined):
    answer = chosen(
        group="new first", joined="either" if joined is Either else "every", field1="province", op1="in",
        value1="广东、浙江省，上海", field2="total", op2="within", value2="100 到 300", field3="storm", op3="=",
        value3="是", verb="tag", argument="慢",
    )  # fmt: skip
    book = rulebook.read(form().build(answer).text).book
    added = book.groups[-1]
    sign = " 或 " if joined is Either else " 且 "
    line = sign.join(["省份 属于 (广东, 浙江, 上海)", "订单金额 在 100 到 300", "暴雨 = 是"])
    assert (added.match, added.rules[0].when) == ("first", parse_condition(line, of_book(book)).when)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({}, "请在条件 1 里选规则要问什么。\n\n请选动作。"),
        (GIFT | {"op1": "contains"}, "条件 1，订单金额：可用的运算：= != 属于"),
        (GIFT | {"op1": None}, "条件 1，订单金额：可用的运算"),
        (GIFT | {"value1": " "}, "条件 1，订单金额：请写值"),
        (GIFT | {"value1": "很多"}, "条件 1，订单金额："),
        (GIFT | {"field2": "channel", "op2": "=", "value2": "抖因"}, "最接近的是 抖音"),
        (GIFT | {"field2": "paid_time", "op2": "within", "value2": "20:00"}, "条件 2，付款时刻："),
        (GIFT | {"verb": "hold", "argument": "随便"}, "随便"),
        (GIFT | {"argument": ""}, "第 "),
        (GIFT | {"name": "满299"}, "分组 赠品 里已有规则 满299。"),
        (GIFT | {"name": "500"}, "500"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_added(answer, told):
    assert told in form().lacks(chosen(**answer))
    assert form().build(chosen(**answer)).text == DRAFT


def test_to_a_draft_that_cannot_be_read_nothing_is_added():
    broken = DRAFT.replace("订单金额 >= 299", "订单金额 >= 很多")
    assert "请先改好草稿的文字" in form(broken).lacks(chosen(**GIFT))
    assert "not_toml" not in form("[").lacks(chosen(**GIFT)) and form("[").lacks(chosen(**GIFT))


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_field_and_verb_can_be_chosen_once(lang):
    asked = form(lang=lang).asked
    assert list(asked["field1"].options.values()) == list(FIELDS)
    assert not [one.label for one in asked.values() if one.value is not None and one.value not in one.options]


@given(books(), st.sampled_from(["first", "all"]), conditions, deeds, st.data())
def test_whatever_is_added_the_text_says_the_book_with_the_rule(book, match, when, then, data):
    group = data.draw(st.sampled_from([*(group.name for group in book.groups), "another"]))
    taken = {rule.name for known in book.groups if known.name == group for rule in known.rules}
    rule = Rule(next(name for name in (f"n-{n}" for n in range(99)) if name not in taken), validity.tidy(when), then)
    text = rulebook.dump(book)
    longer, _ = rulebook.with_rule(text, book, Group(group, match), rule, "en")
    read, mistakes = rulebook.read(longer)
    assert mistakes == ()
    before = {known.name: known.rules for known in book.groups}
    assert {known.name: known.rules for known in read.groups} == before | {group: (*before.get(group, ()), rule)}


PARCELS = (
    DRAFT
    + """
[[parcels]]
name = "快递"
match = "first"
otherwise = "标记 其他"

[[parcels.rules]]
name = "杭州"
when = "发货仓 = hangzhou"
then = "快递 顺丰"
"""
)


def test_a_rule_on_parcels_is_added_to_theirs_and_only_what_they_may_want():
    answer = chosen(group="快递", field1="parcels", op1=">=", value1="2", verb="carrier", argument="中通")
    built = form(PARCELS).build(answer)
    assert built.said == ("已加进 快递：包裹数 >= 2 → 快递 中通", "good")
    assert built.text.startswith(PARCELS.rstrip())
    book = rulebook.read(built.text).book
    assert [rule.name for rule in book.parcels[0].rules] == ["杭州", "规则-1"]
    assert book.groups == rulebook.read(PARCELS).book.groups
    assert "不能只对订单的一个包裹做" in form(PARCELS).lacks(answer | {"verb": "hold", "argument": "人工审核"})
    assert "只有包裹才有" in form(PARCELS).lacks(answer | {"group": "赠品"})


def test_a_first_group_on_parcels_is_made():
    answer = chosen(group="new parcels", field1="warehouse", op1="=", value1="hangzhou", verb="tag", argument="A")
    book = rulebook.read(form().build(answer).text).book
    (group,) = book.parcels
    assert (group.match, len(group.rules), book.groups) == ("all", 1, rulebook.read(DRAFT).book.groups)
