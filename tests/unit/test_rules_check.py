"""Doubts about a rulebook, told without an order: against orders drawn at random, no claim may be wrong; what is
planted must be found."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from itertools import combinations

import pytest
import rules_oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from orderhub_core.flows import settled
from orderhub_core.rules import rulebook
from orderhub_core.rules.check import check, sentence
from orderhub_core.rules.dictionary import FIELDS, nearest
from orderhub_core.rules.language.vocabulary import of_book
from orderhub_core.rules.satisfying import Example, Want, Wish, example, holds, possible
from orderhub_core.rules.tree import Either, Every, Leaf, Lines, Not, Op

NOW = datetime(2026, 11, 1, tzinfo=UTC)
VALUES = {
    "channel": ["douyin", "taobao", "jd"],
    "province": ["广东省", "湖南省", "广西", ""],
    "total": [0, 9_999, 10_000, 10_001, 20_000],
    "paid_at": [NOW + timedelta(hours=step) for step in range(3)],
    "paid_time": [0, 60, 720, 1439],
    "paid_weekday": [1, 2, 6, 7],
    "storm": [True, False],
    "category": ["连体衣", "面膜"],
    "quantity": [1, 2, 3],
}
BESIDE = {"paid_weekday": [0, 9], "paid_time": [1200]}
"""Values that rules may name and orders here do not have."""
OF_LINES = ("category", "quantity")
ONE = (Op.IS, Op.IS_NOT)
ORDERED = (Op.LESS, Op.AT_MOST, Op.MORE, Op.AT_LEAST)


def leaf(name):
    values = st.sampled_from([value for value in (*VALUES[name], *BESIDE.get(name, ())) if value != ""])
    single = {"paid_at": ORDERED, "paid_time": ORDERED, "total": (*ONE, *ORDERED)}
    single |= {"quantity": (*ONE, *ORDERED), "paid_weekday": (*ONE, *ORDERED)}
    forms = [
        st.builds(lambda op, value: Leaf(name, op, (value,)), st.sampled_from(single.get(name, ONE)), values),
        st.sampled_from([Leaf(name, Op.IS_KNOWN), Leaf(name, Op.IS_MISSING)]),
    ]
    if name == "province":
        texts = st.sampled_from(["广", "东", "省", "广东"])
        forms.append(
            st.builds(lambda op, text: Leaf(name, op, (text,)), st.sampled_from([Op.CONTAINS, Op.STARTS_WITH]), texts)
        )
    if name not in ("storm", "paid_at", "paid_time"):
        some = st.lists(values, min_size=1, max_size=2).map(tuple)
        forms.append(st.builds(lambda op, some: Leaf(name, op, some), st.sampled_from([Op.AMONG, Op.NOT_AMONG]), some))
    if name in ("total", "paid_at", "paid_time", "paid_weekday", "quantity"):
        ends = st.tuples(values, values).filter(lambda pair: pair[0] != pair[1])
        if name != "paid_time":
            ends = ends.map(lambda pair: tuple(sorted(pair)))
        forms.append(ends.map(lambda pair: Leaf(name, Op.WITHIN, pair)))
    return st.one_of(forms)


def joined(parts):
    several = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return several.map(Every) | several.map(Either) | parts.map(Not)


of_lines = st.recursive(st.sampled_from(OF_LINES).flatmap(leaf), joined, max_leaves=3)
conditions = st.recursive(
    st.sampled_from(list(VALUES)).flatmap(leaf) | st.builds(Lines, st.sampled_from(["some", "every", "no"]), of_lines),
    joined,
    max_leaves=5,
)
lines = st.fixed_dictionaries({name: st.none() | st.sampled_from(VALUES[name]) for name in OF_LINES})
orders = st.fixed_dictionaries(
    {name: st.none() | st.sampled_from(VALUES[name]) for name in VALUES if name not in OF_LINES}
    | {"lines": st.lists(lines, max_size=3)}
)


def as_columns(order):
    """As the plain reading has it: values by the names of their columns."""
    own = {FIELDS[name].column: value for name, value in order.items() if name != "lines"}
    return own | {"lines": [{name: line[name] for name in OF_LINES} | {"gift_of": None} for line in order["lines"]]}


def truth(condition, order):
    return rules_oracle.truth(condition, as_columns(order))


@settings(max_examples=800, deadline=None)
@given(conditions, conditions, orders)
def test_nothing_that_an_order_meets_is_called_impossible(one, other, order):
    wants = {
        True: [Want.TRUE, Want.NOT_FALSE],
        False: [Want.FALSE, Want.NOT_TRUE],
        None: [Want.NOT_TRUE, Want.NOT_FALSE],
    }
    for want in wants[truth(one, order)]:
        for second in wants[truth(other, order)]:
            assert possible([Wish(one, want), Wish(other, second)])


of_categories = st.recursive(leaf("category"), joined, max_leaves=2)
few = st.one_of(
    leaf("total"),
    leaf("storm"),
    leaf("category"),
    st.builds(Lines, st.sampled_from(["some", "every", "no"]), of_categories),
)
EVERY_FEW = [
    {"total": total, "storm": storm, "lines": [{"category": name, "quantity": None} for name in names]}
    for total in (None, *(total + step for total in VALUES["total"] for step in (-1, 0, 1)))
    for storm in (None, True, False)
    for count in range(5)
    for names in combinations((None, *VALUES["category"], "another"), count)
]
"""All orders that can be told apart by such conditions: of its lines matters which there are, and whether any."""


@settings(max_examples=300, deadline=None)
@given(st.lists(few | few.map(Not), min_size=2, max_size=4).map(tuple))
def test_what_no_order_meets_is_called_impossible(parts):
    met = any(all(truth(part, order) for part in parts) for order in EVERY_FEW)
    assert possible([Wish(Every(parts), Want.TRUE)]) == met


@pytest.mark.parametrize(
    "conditions",
    [
        ["订单金额 >= 100", "订单金额 < 100"],
        ["渠道 = 抖音", "渠道 = 淘宝"],
        ["渠道 = 抖音", "渠道 属于 (淘宝, 京东)"],
        ["省份 开头是 湖", "省份 属于 (广东省, 广西)"],
        ["省份 含 南", "非 (省份 含 南)"],
        ["省份 缺失", "省份 = 广东省"],
        ["时刻 在 20:00 到 02:00", "时刻 在 08:00 到 20:00"],
        ["付款时间 >= 2026-11-02", "付款时间 < 2026-11-01"],
        ["暴雨", "非 暴雨"],
        ["有一行 (数量 >= 3)", "没有一行 (数量 >= 2)"],
        ["有一行 (品类 = 面膜)", "每一行 (品类 = 连体衣)"],
        ["品类 = 面膜", "没有一行 (品类 属于 (面膜, 连体衣))"],
        ["每一行 (品类 = 面膜)", "每一行 (品类 = 连体衣)"],
        ["没有一行 (品类 = 面膜)", "每一行 (品类 = 面膜)"],
    ],
)
def test_conditions_that_contradict_each_other_are_found(conditions):
    book = read([(" 且 ".join(f"({condition})" for condition in conditions), "标记 a")])
    assert [finding.code for finding in check(book)] == ["never_both"]


@pytest.mark.parametrize(
    "condition",
    [
        "时刻 < 00:00", "星期 = 8", "付款星期 < 周一", "非 (暴雨 或 非 暴雨)", "行数 < 1", "款数 = 0", "买家订单数 < 0",
        "复购间隔 <= -1",
    ],
)  # fmt: skip
def test_one_condition_may_be_impossible_alone(condition):
    assert [finding.code for finding in check(read([(condition, "标记 a")]))] == ["never"]


def test_a_condition_that_no_order_meets_is_not_blamed_on_the_one_beside_it():
    (found,) = check(read([("付款星期 = 8 且 渠道 = 抖音 且 订单金额 > 5", "标记 a")]))
    assert (found.code, [leaf.field for leaf in found.conditions]) == ("never_alone", ["paid_weekday"])


@pytest.mark.parametrize(
    "condition",
    [
        "品类 = 面膜 且 品类 = 连体衣",
        "省份 含 南 且 省份 含 湖 且 非 (省份 含 湖南)",
        "省份 开头是 湖 且 省份 开头是 湖南",
        "订单金额 > 99.99 且 订单金额 < 100.01",
        "时刻 >= 23:59",
        "时刻 在 23:59 到 24:00",
        "星期 >= 7",
        "有一行 (数量 >= 3) 且 有一行 (数量 < 3)",
        "非 (省份 = 广东省) 且 省份 已知",
        "订单金额 = 92233720368547758.07",
        "订单金额 < 0",
        "行数 <= 1 且 款数 < 2 且 买家订单数 = 0",
    ],
)
def test_what_can_hold_is_left_in_peace(condition):
    assert check(read([(condition, "标记 a")])) == []


def read(rules, match="all", otherwise=""):
    text = f'[[groups]]\nname = "g"\nmatch = "{match}"\n'
    text += f'otherwise = "{otherwise}"\n' if otherwise else ""
    for number, (when, then) in enumerate(rules, 1):
        text += f"[[groups.rules]]\nname = \"r{number}\"\nwhen = '{when}'\nthen = '{then}'\n"
    draft = rulebook.read(text)
    assert draft.mistakes == ()
    return draft.book


def found(book):
    return [(finding.code, finding.rule, finding.other) for finding in check(book)]


def test_of_two_rules_with_one_condition_the_second_is_told_to_contradict_the_first():
    rules = [("渠道 = 抖音 且 暴雨", "分仓 a"), ("storm = yes and channel = douyin", "分仓 b")]
    assert found(read(rules, "first", "分仓 c")) == [("contradicts", "r2", "r1")]


def test_a_rule_that_an_earlier_one_takes_everything_from_is_dead():
    rules = [
        ("订单金额 >= 100", "分仓 a"),
        ("订单金额 >= 200 且 渠道 = 抖音", "分仓 b"),
        ("渠道 = 抖音", "分仓 b"),
        ("渠道 属于 (抖音, 淘宝) 且 非 (渠道 = 淘宝)", "分仓 c"),
    ]
    assert found(read(rules, "first", "分仓 c")) == [("dead", "r2", "r1"), ("contradicts", "r4", "r3")]


def test_a_missing_value_keeps_a_rule_alive():
    rules = [("省份 != 广东省", "分仓 a"), ("非 (省份 = 广东省) 或 省份 缺失", "分仓 b")]
    assert found(read(rules, "first", "分仓 c")) == []


def test_an_order_without_lines_keeps_a_rule_alive():
    """Of such an order nothing is known of its lines, not even that none of them lacks something."""
    rules = [
        ("没有一行 (品类 缺失) 或 有一行 (品类 缺失)", "分仓 a"),
        ("行数 缺失 且 (品类 缺失 或 订单金额 >= 0)", "分仓 b"),
    ]
    assert found(read(rules, "first", "分仓 c")) == []


def test_nothing_comes_after_always():
    rules = [("总是", "分仓 a"), ("渠道 = 抖音", "分仓 b")]
    assert found(read(rules, "first")) == [("dead", "r2", "r1")]


def test_where_all_rules_act_those_that_want_different_warehouses_of_one_order_conflict():
    rules = [("渠道 = 抖音", "分仓 a"), ("订单金额 >= 100", "分仓 b"), ("渠道 = 淘宝", "分仓 b"), ("暴雨", "标记 x")]
    assert found(read(rules)) == [("conflict", "r2", "r1")]


@pytest.mark.parametrize("verb", ["拆单 按品类", "合并 同买家"])
def test_what_is_never_to_be_done_holds_over_others_which_is_noted_and_no_conflict(verb):
    never = f"{verb.split()[0]} 禁止"
    told = check(read([("渠道 = 抖音", verb), ("订单金额 >= 100", never), ("渠道 = 淘宝", never)]))
    assert [(one.code, one.level, one.rule, one.other) for one in told] == [("overruled", "note", "r2", "r1")]
    both = check(read([("渠道 = 抖音", f"分仓 a; {verb}"), ("订单金额 >= 100", f"分仓 b; {never}")]))
    assert [(one.code, one.verb) for one in both] == [("conflict", "assign_warehouse")]


def test_one_rule_cannot_want_two_warehouses():
    assert found(read([("渠道 = 抖音", "分仓 a; 分仓 b; 标记 x; 标记 y")])) == [("torn", "r1", "")]


def test_a_routing_group_that_leaves_orders_undecided_is_noted():
    assert found(read([("渠道 = 抖音", "分仓 a")], "first")) == [("gap", "", "")]
    assert found(read([("渠道 = 抖音", "分仓 a"), ("总是", "分仓 b")], "first")) == []


def test_asking_for_some_other_line_is_noted_with_what_was_probably_meant():
    book = read([("品类 != 面膜", "标记 a")])
    (finding,) = check(book)
    assert (finding.code, finding.level) == ("some_other_line", "note")
    assert "没有一行 (品类 = 面膜)" in sentence(finding, of_book(book), "zh")
    assert "no line (category = 面膜)" in sentence(finding, of_book(book), "en")


def test_a_province_that_is_probably_misspelt_is_noted_with_the_nearest():
    book = read([("省份 属于 (广冻省, 湖南, California)", "标记 a")])
    assert [sentence(finding, of_book(book), "zh") for finding in check(book)] == [
        "省份 = 广冻省 问的值不认识；最接近的是 省份 = 广东省"
    ]


def test_a_rule_of_many_alternatives_is_not_tried_to_the_end():
    many = " 且 ".join(f"(数量 = {n} 或 订单金额 = {n} 或 暴雨)" for n in range(40))
    assert check(read([(many, "标记 a"), (f"{many} 且 非 暴雨", "标记 b")])) == []


def test_a_rule_of_a_thousand_conditions_is_looked_at():
    assert check(read([(" 且 ".join(f"订单金额 != {n}" for n in range(1_000)), "标记 a")])) == []


@settings(max_examples=600, deadline=None)
@given(conditions)
def test_an_example_of_a_condition_meets_it(condition):
    """An order made by the search is held against the plain reading."""
    one = example([Wish(condition, Want.TRUE)])
    assert (one is not None) == possible([Wish(condition, Want.TRUE)])
    if one is not None:
        order = {name: one.values.get(name) for name in VALUES if name not in OF_LINES}
        order["lines"] = [{name: line.values.get(name) for name in OF_LINES} for line in one.lines]
        assert truth(condition, order) is holds(condition, one) is True


@settings(max_examples=300, deadline=None)
@given(conditions, orders)
def test_a_condition_of_an_order_is_read_as_plainly(condition, order):
    values = {name: None if value == "" else value for name, value in order.items() if name != "lines"}
    one = Example(values, tuple(Example(line) for line in order["lines"]))
    assert holds(condition, one) is truth(condition, order)


def book_of(*groups):
    """Groups as match, rules, otherwise."""
    texts = []
    for letter, (match, rules, otherwise) in zip("abc", groups, strict=False):
        texts.append(f"[[groups]]\nname = '{letter}'\nmatch = '{match}'")
        texts += [f"otherwise = '{otherwise}'"] if otherwise else []
        texts += [
            f"[[groups.rules]]\nname = '{letter}{n}'\nwhen = '{w}'\nthen = '{t}'" for n, (w, t) in enumerate(rules, 1)
        ]
    draft = rulebook.read("\n".join(texts))
    assert draft.mistakes == ()
    return draft.book


DEAR = ("订单金额 >= 5000", "挂起 人工审核")


@pytest.mark.parametrize(
    ("groups", "unsent"),
    [
        ([("all", [DEAR], "")], ["a1"]),
        ([("all", [("订单金额 >= 5000", "审批 主管")], "")], ["a1"]),
        ([("all", [("订单金额 >= 5000", "挂起 风控; 分仓 x")], "")], []),
        ([("first", [("暴雨", "分仓 x")], "分仓 y"), ("all", [DEAR], "")], []),
        ([("first", [("暴雨", "分仓 x")], ""), ("all", [DEAR], "")], ["b1"]),
        ([("first", [("总是", "分仓 x")], ""), ("all", [DEAR], "")], []),
        ([("first", [("订单金额 >= 100", "分仓 x")], ""), ("all", [DEAR], "")], []),
        ([("first", [("暴雨", "标记 x")], "分仓 y"), ("all", [DEAR], "")], ["b1"]),
        ([("first", [DEAR], "分仓 y")], ["a1"]),
        ([("first", [("总是", "标记 a"), DEAR], "")], []),
        ([("first", [("暴雨", "分仓 y")], "挂起 缺货")], ["otherwise"]),
    ],
)
def test_a_hold_of_an_order_that_may_get_no_warehouse_is_noted(groups, unsent):
    book = book_of(*groups)
    assert [finding.rule for finding in check(book) if finding.code == "unsent"] == unsent


def test_the_note_on_such_a_hold_says_what_to_do():
    book = book_of(("all", [DEAR], ""))
    (finding,) = check(book)
    assert finding.level == "note"
    assert "assign a warehouse, too" in sentence(finding, of_book(book), "en")
    assert "动作挂起也就落空" in sentence(finding, of_book(book), "zh")


def test_rules_on_parcels_are_doubted_as_others_are_and_not_held_against_rules_on_orders():
    text = """[[groups]]
name = "of-orders"
match = "all"
[[groups.rules]]
name = "any"
when = "total >= 1"
then = "carrier zto; assign hangzhou"
[[parcels]]
name = "carriers"
match = "first"
[[parcels.rules]]
name = "dear"
when = "parcels >= 2"
then = "carrier sf"
[[parcels.rules]]
name = "never"
when = "parcels >= 3 and warehouse = hangzhou"
then = "carrier yto"
[[parcels.rules]]
name = "none"
when = "parcels >= 3 and parcels < 2"
then = "tag X"
[[parcels.rules]]
name = "less"
when = "parcels < 1"
then = "tag X"
"""
    found = [(one.code, one.group, one.rule) for one in check(rulebook.read(text).book)]
    assert found == [("dead", "carriers", "never"), ("never_both", "carriers", "none"), ("never", "carriers", "less")]


def test_the_name_that_may_be_meant_is_found_among_all_there_are():
    known = {f"SKU-{number:05d}": False for number in range(5_000)} | {"ZEBRA-HOODIE": False}
    given = rulebook.usable(
        '[[groups]]\nname = "g"\nmatch = "all"\n[[groups.rules]]\nname = "r"\nwhen = "total > 1"\n'
        'then = "gift ZEBRA-HODIE"\n',
        "book",
    )
    (said,) = settled.unheard(given, known)
    assert said.endswith("; 'ZEBRA-HOODIE'?")


letters = st.text("ab-C1连衣", max_size=6)


@settings(max_examples=300, deadline=None)
@given(letters, st.lists(letters, max_size=8))
def test_the_nearest_of_many_is_what_comparing_each_finds(word: str, known: list[str]):
    folded: dict[str, str] = {}
    for each in known:
        folded.setdefault(each.casefold(), each)
    found = get_close_matches(word.casefold(), folded, n=1, cutoff=0.6 if word.isascii() else 0.5)
    assert nearest(word, known) == (folded[found[0]] if found else "")
