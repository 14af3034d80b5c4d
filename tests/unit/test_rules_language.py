"""The readable line: both languages, mixed, full-width; what is printed is read as the same rule; and what is wrong is
told with its place and the nearest right word."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rule_lines import read_line
from rule_trees import OWN, conditions, deeds

from orderhub_core import i18n
from orderhub_core.rules.dictionary import FIELDS, Kind
from orderhub_core.rules.language import mistakes, validity
from orderhub_core.rules.language.operators import FITTING
from orderhub_core.rules.language.parsing import parse_actions, parse_condition
from orderhub_core.rules.language.printing import print_actions, print_condition, print_rule
from orderhub_core.rules.language.vocabulary import vocabulary
from orderhub_core.rules.tree import ALWAYS, Action, Either, Every, Leaf, Lines, Not, Op, Rule

SPEECH = vocabulary(OWN)
DOUYIN = Leaf("channel", Op.IS, ("douyin",))
ONESIE = Leaf("category", Op.IS, ("连体衣",))
STORM = Leaf("storm", Op.IS, (True,))


def read(text):
    parsed = parse_condition(text, SPEECH)
    assert parsed.mistakes == (), mistakes.told(parsed.mistakes, str)
    return parsed.when


def wrong(text):
    """Code, marked text and suggestion of each mistake in a rule."""
    found = read_line(text, SPEECH).mistakes
    return [(one.code, one.text[one.start : one.end], one.suggestion) for one in found]


@pytest.mark.parametrize(
    "text",
    [
        "渠道 = 抖音 且 品类 = 连体衣 → 分仓 杭州仓",
        "channel = douyin and category = 连体衣 -> assign hangzhou",
        "渠道 = douyin AND category 是 “连体衣” => 分仓 hangzhou",
        "渠道＝抖音　且　品类＝连体衣→分仓 主仓",
        "渠道是抖音 且 商品明细.品类等于连体衣 → assign_warehouse 杭州仓",
        '(platform is "douyin") && (((品类 == 「连体衣」))) -> 分仓 "hangzhou"',
    ],
)
def test_one_rule_in_either_language_or_both(text):
    parsed = read_line(text, SPEECH)
    assert (parsed.when, parsed.then, parsed.mistakes) == (
        Every((DOUYIN, ONESIE)),
        (Action("assign_warehouse", "hangzhou"),),
        (),
    )


@pytest.mark.parametrize(
    ("text", "leaf"),
    [
        ("订单金额 >= 299", Leaf("total", Op.AT_LEAST, (29_900,))),
        ("订单金额 满299.00", Leaf("total", Op.AT_LEAST, (29_900,))),
        ("total at least ¥299.5", Leaf("total", Op.AT_LEAST, (29_950,))),
        ("金额 ≥ ￥２９９元", Leaf("total", Op.AT_LEAST, (29_900,))),
        ("实付 在 0.01 到 100", Leaf("paid_amount", Op.WITHIN, (1, 10_000))),
        ("数量 > 2", Leaf("quantity", Op.MORE, (2,))),
        ("省份 属于 (广东省, 湖南)", Leaf("province", Op.AMONG, ("广东省", "湖南省"))),
        ("省份 在（广东、湖南省）", Leaf("province", Op.AMONG, ("广东省", "湖南省"))),
        ('省份 属于 ("广东")', Leaf("province", Op.AMONG, ("广东",))),
        ("channel not in (douyin, 拼多多)", Leaf("channel", Op.NOT_AMONG, ("douyin", "pinduoduo"))),
        ("channel is not Douyin", Leaf("channel", Op.IS_NOT, ("douyin",))),
        ("渠道 = 视频号", Leaf("channel", Op.IS, ("wechat_channels",))),
        ("时刻 在 20:00 到 02:00", Leaf("paid_time", Op.WITHIN, (1200, 120))),
        ("时刻 在 20：00~24:00", Leaf("paid_time", Op.WITHIN, (1200, 1440))),
        ("星期 属于 (周六, sunday)", Leaf("paid_weekday", Op.AMONG, (6, 7))),
        ("星期 = 3", Leaf("paid_weekday", Op.IS, (3,))),
        ("商品名称 含新年福袋", Leaf("product_name", Op.CONTAINS, ("新年福袋",))),
        ("sku starts with GIFT-", Leaf("sku", Op.STARTS_WITH, ("GIFT-",))),
        ("city is known", Leaf("city", Op.IS_KNOWN)),
        ("城市 缺失", Leaf("city", Op.IS_MISSING)),
        ("暴雨", STORM),
        ("storm = no", Leaf("storm", Op.IS, (False,))),
        ("暴雨 是 是", STORM),
    ],
)
def test_a_condition_as_people_write_it(text, leaf):
    assert read(text) == leaf


SHANGHAI_NOVEMBER = datetime(2026, 10, 31, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["2026-11-01T00:00+08:00", "2026-11-01", "2026-11-01 00:00", "2026-11-01T00:00:00", "2026-10-31T16:00Z"]
)
def test_a_time_without_an_offset_is_meant_in_the_rulebooks_zone(text):
    assert read(f"付款时间 >= {text}") == Leaf("paid_at", Op.AT_LEAST, (SHANGHAI_NOVEMBER,))


def test_a_time_window():
    window = read("付款时间 在 2026-11-01T00:00+08:00 到 2026-12-01T00:00+08:00")
    assert window == Leaf("paid_at", Op.WITHIN, (SHANGHAI_NOVEMBER, SHANGHAI_NOVEMBER + timedelta(days=30)))


def test_a_local_time_that_comes_twice_must_say_which_is_meant():
    berlin = vocabulary((), "Europe/Berlin")
    found = parse_condition("paid_at >= 2026-10-25T02:30", berlin).mistakes
    assert [one.code for one in found] == ["unclear_instant"]
    assert parse_condition("paid_at >= 2026-10-25T02:30+02:00", berlin).mistakes == ()


def test_or_binds_less_than_and_and_not_takes_one_condition():
    assert read("channel = douyin or storm and not category = 连体衣") == Either((DOUYIN, Every((STORM, Not(ONESIE)))))
    assert read("(渠道 = 抖音 或 暴雨) 且 非 品类 = 连体衣") == Every((Either((DOUYIN, STORM)), Not(ONESIE)))
    assert read("not (channel = douyin and storm)") == Not(Every((DOUYIN, STORM)))
    assert read("商品名称 不含 福袋") == Not(Leaf("product_name", Op.CONTAINS, ("福袋",)))


@pytest.mark.parametrize(
    ("text", "which"),
    [
        ("some line", "some"),
        ("any line", "some"),
        ("有一行", "some"),
        ("every line", "every"),
        ("每一行", "every"),
        ("no line", "no"),
        ("没有一行", "no"),
    ],
)
def test_conditions_on_one_and_the_same_line(text, which):
    two = Leaf("quantity", Op.AT_LEAST, (2,))
    assert read(f"{text} (category = 连体衣 且 数量 >= 2)") == Lines(which, Every((ONESIE, two)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("分仓 杭州仓", [Action("assign_warehouse", "hangzhou")]),
        ("赠品 GIFT-01 × 2；标记 VIP加急单", [Action("add_gift", "GIFT-01", 2), Action("tag", "VIP加急单")]),
        ("gift 福袋 x 2件, 通知 ops", [Action("add_gift", "GIFT-01", 2), Action("notify", "ops")]),
        ("hold 风控 且 优先级 加急", [Action("hold", "risk"), Action("priority", "100")]),
        ("priority +5 and priority -5", [Action("priority", "5"), Action("priority", "-5")]),
        ("拆单 按品类; merge never", [Action("split", "category"), Action("merge", "never")]),
        ("拆单 按品类 最多 3；split sku at most 10",
         [Action("split", "category at most 3"), Action("split", "sku at most 10")]),
        ("split 按现货 至多２个, 拆单 按仓库 At Most 3 parcels 且 标记 a",
         [Action("split", "stock at most 2"), Action("split", "warehouse at most 3"), Action("tag", "a")]),
        ("拆单 按SKU 不超过 4 个包裹", [Action("split", "sku at most 4")]),
        ("快递 顺丰; work order 最近", [Action("carrier", "sf"), Action("work_order", "nearest")]),
        ('tag "two words"; approve 运营主管', [Action("tag", "two words"), Action("approve", "运营主管")]),
    ],
)  # fmt: skip
def test_several_actions_in_one_line(text, expected):
    parsed = parse_actions(text, SPEECH)
    assert (list(parsed.then), parsed.mistakes) == (expected, ())


@settings(max_examples=600, deadline=None)
@given(conditions, st.sampled_from(["en", "zh"]), st.sampled_from(["Asia/Shanghai", "UTC", "America/New_York"]))
@example(Every(), "en", "UTC")
@example(Every((Every((DOUYIN, STORM)), Every(), Not(Not(ONESIE)))), "zh", "UTC")
def test_what_is_printed_is_read_as_the_same_tree(tree, language, zone):
    speech = vocabulary(OWN, zone)
    assert validity.mistakes(tree, speech) == []
    told = print_condition(tree, speech, language)
    assert "\n" not in told
    parsed = parse_condition(told, speech)
    assert (parsed.when, parsed.mistakes) == (tree, ()), told


@settings(max_examples=300, deadline=None)
@given(deeds, st.sampled_from(["en", "zh"]))
def test_actions_survive_being_printed(then, language):
    assert validity.action_mistakes(then, SPEECH) == []
    parsed = parse_actions(told := print_actions(then, SPEECH, language), SPEECH)
    assert (parsed.then, parsed.mistakes) == (then, ()), told


SCRAPS = ["渠道", "total", "=", "在", "到", "(", ")", "抖音", "299", "且", "or", "not", "→", "分仓", "×", "2", '"', ","]
SCRAPS += ["拆单", "按品类", "never", "最多", "at", "most", "最多3", "11"]
SCRAPS += ["some", "line", "满299", "暴雨", "含", "is", "known", "->", "gift", "杭州仓", "20:00", "2026-11-01", "属于"]


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=40) | st.lists(st.sampled_from(SCRAPS), max_size=12).map(" ".join))
def test_whatever_is_written_is_part_of_a_rule_or_told_to_be_none(text):
    for parse in (parse_condition, parse_actions):
        parsed = parse(text, SPEECH)
        for language in ("en", "zh"):
            for mistake in parsed.mistakes:
                assert 0 <= mistake.start <= mistake.end <= len(text)
                assert mistakes.sentence(mistake, i18n.translator(language))
            if not parsed.mistakes:
                assert parse(_printed(parsed, language), SPEECH) == parsed


def _printed(parsed, language):
    return (
        print_actions(parsed.then, SPEECH, language) if parsed.then else print_condition(parsed.when, SPEECH, language)
    )


@pytest.mark.parametrize(
    ("language", "told"), [("en", "split category at most 3; split stock"), ("zh", "拆单 按品类 最多 3; 拆单 按现货")]
)
def test_how_many_parcels_there_may_be_is_told_in_either_language(language, told):
    then = (Action("split", "category at most 3"), Action("split", "stock"))
    assert print_actions(then, SPEECH, language) == told


@pytest.mark.parametrize(
    ("argument", "code", "word"),
    [
        *(
            (f"category at most {number}", "bad_parcels", f"category at most {number}")
            for number in ("1", "11", "03", "３", "many", "", "3 ")
        ),
        ("never at most 3", "never_several", None),
        ("colour at most 3", "unknown_value", "colour"),
    ],
)
def test_a_tree_that_nobody_wrote_as_a_line_allows_no_other_number_of_parcels(argument, code, word):
    """As tables of TOML and forms may have it."""
    (mistake,) = validity.action_mistakes([Action("split", argument)], SPEECH)
    assert (mistake.code, dict(mistake.blanks).get("word")) == (code, word)


@pytest.mark.parametrize("written", ["最多三个", "最多 三个", "最多两个包裹", "at most and tag a"])
def test_what_is_no_number_of_parcels_is_one_mistake_and_is_told_as_that(written):
    codes = [mistake.code for mistake in parse_actions(f"split category {written}", SPEECH).mistakes]
    assert codes == ["bad_parcels"]


def test_who_allows_too_many_parcels_is_told_how_many_there_may_be():
    (mistake,) = parse_actions("拆单 按品类 最多 11", SPEECH).mistakes
    assert mistakes.sentence(mistake, i18n.translator("en")) == (
        "最多 11: a rule may allow 2 to 10 parcels; to keep the order in one, write `split never`"
    )
    assert mistakes.sentence(mistake, i18n.translator("zh")) == (
        "最多 11：规则可以允许 2 到 10 个包裹；只要一个就写 `拆单 禁止`"
    )


def test_the_chinese_line_reads_as_chinese():
    tree = Every((DOUYIN, Not(Leaf("province", Op.AMONG, ("广东省",))), Leaf("total", Op.WITHIN, (9_900, 29_950))))
    then = (Action("assign_warehouse", "hangzhou"), Action("add_gift", "FREE-01", 2))
    told = print_rule(Rule("r", tree, then), SPEECH, "zh")
    assert told == "渠道 = 抖音 且 非 (省份 属于 (广东省)) 且 订单金额 在 99 到 299.50 → 分仓 杭州仓; 赠品 FREE-01 × 2"
    assert print_condition(tree, SPEECH, "en") == (
        "channel = douyin and not (province in (广东省)) and total within 99 to 299.50"
    )
    assert print_actions(then, SPEECH, "en") == "assign hangzhou; gift FREE-01 × 2"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("渠到 = 抖音 → 分仓 a", [("unknown_field", "渠到", "渠道")]),
        ("Channel = douyin → 分仓 a", [("unknown_field", "Channel", "channel")]),
        ("chanel = douyin → 分仓 a", [("unknown_field", "chanel", "channel")]),
        ("渠道 = 抖因 → 分仓 a", [("unknown_value", "抖因", "抖音")]),
        ("payment = payed → tag a", [("unknown_value", "payed", "paid")]),
        ("sku startswith a → tag a", [("unknown_operator", "startswith", "starts with")]),
        ("渠道 = 抖音 → 分藏 a", [("unknown_verb", "分藏", "分仓")]),
        ("渠道 = 抖音 → 挂起 风空", [("unknown_value", "风空", "风控")]),
        ("渠道 > 抖音 → 分仓 a", [("unfit_operator", ">", "")]),
        ("订单金额 含 299 → 分仓 a", [("unfit_operator", "含", "")]),
        ("付款时间 = 2026-11-01 → 分仓 a", [("unfit_operator", "=", "")]),
        ("订单金额 >= 很多 → 分仓 a", [("bad_amount", "很多", "")]),
        ("订单金额 >= 1,299 → 分仓 a", [("thousands", "1,299", "")]),
        ("订单金额 >= 299.999 → 分仓 a", [("too_many_decimals", "299.999", "")]),
        ("数量 >= 1.5 → 分仓 a", [("too_many_decimals", "1.5", "")]),
        ("数量 >= 99999999999999999999 → 分仓 a", [("too_large", "99999999999999999999", "")]),
        ("付款时间 > 昨天 → 分仓 a", [("bad_instant", "昨天", "")]),
        ("付款时间 > 2026-02-30 → 分仓 a", [("bad_instant", "2026-02-30", "")]),
        ("时刻 > 25:00 → 分仓 a", [("bad_time_of_day", "25:00", "")]),
        ("时刻 > 24:00 → 分仓 a", [("bad_time_of_day", "24:00", "")]),
        ("暴雨 = 大 → 分仓 a", [("bad_flag", "大", "")]),
        ("订单金额 在 20 到 10 → 分仓 a", [("empty_window", "20 到 10", "")]),
        ("时刻 在 20:00 到 20:00 → 分仓 a", [("empty_window", "20:00 到 20:00", "")]),
        ("付款时间 在 2026-12-01 到 2026-11-01 → tag a", [("empty_window", "2026-12-01 到 2026-11-01", "")]),
        ("订单金额 在 20 → 分仓 a", [("expected_to", "20", "")]),
        ("省份 属于 广东省 → 分仓 a", [("expected_list", "广东省", "")]),
        ("渠道 = 且 暴雨 → 分仓 a", [("expected_value", "且", "")]),
        ("渠道 抖音 → 分仓 a", [("unknown_operator", "抖音", "")]),
        ("渠道 → 分仓 a", [("expected_operator", "", "")]),
        ("省份 = 广东 或 湖南 → 分仓 a", [("one_of_several", "湖南", "")]),
        ("渠道 = 抖音 且 爆雨 → 分仓 a", [("unknown_field", "爆雨", "暴雨")]),
        ("渠道=抖音且品类=连体衣 → 分仓 a", [("unspaced", "抖音且品类", "")]),
        ("渠道名 = 抖音 → 分仓 a", [("unspaced", "渠道名", "")]),
        ("品类 = 新年 福袋 → 分仓 a", [("expected_more", "福袋", "")]),
        ("(渠道 = 抖音 → 分仓 a", [("unclosed_bracket", "(", "")]),
        ("渠道 = 抖音) → 分仓 a", [("stray_bracket", ")", "")]),
        ('渠道 = "抖音 → 分仓 a', [("unclosed_quote", '"', "")]),
        ("每一行 (渠道 = 抖音) → 分仓 a", [("order_field_in_lines", "渠道", "")]),
        ("有一行 (没有一行 (SKU = a)) → 分仓 a", [("lines_in_lines", "没有一行", "")]),
        ("SKU = '' 或 SKU = \"\" → 分仓 a", [("empty_text", '""', "")]),
        ("渠道 = 抖音 → 标记 a → 标记 b", [("expected_more", "→", "")]),
        ("渠道 = 抖音 → ", [("expected_action", "", "")]),
        ("渠道 = 抖音 → 分仓", [("no_argument", "分仓", "")]),
        ("渠道 = 抖音 → 分仓 a × 2", [("no_quantity", "× 2", "")]),
        ("渠道 = 抖音 → 赠品 a × 0", [("bad_quantity", "0", "")]),
        ("渠道 = 抖音 → 赠品 a × 很多", [("bad_quantity", "很多", "")]),
        ("渠道 = 抖音 → 优先级 5000", [("bad_priority", "5000", "")]),
        ("渠道 = 抖音 → 拆单 按品类 最多 11", [("bad_parcels", "最多 11", "")]),
        ("渠道 = 抖音 → 拆单 按品类 最多1个", [("bad_parcels", "最多1个", "")]),
        ("channel = douyin -> split sku at most; tag a", [("bad_parcels", "at most", "")]),
        ("always -> split sku at most a few", [("bad_parcels", "at most a", ""), ("expected_more", "few", "")]),
        ("渠道 = 抖音 → 拆单 禁止 最多 3", [("never_several", "最多 3", "")]),
        ("channel = douyin -> merge buyer at most 3", [("expected_more", "at", "")]),
        ("非 " * 70 + "暴雨 → 分仓 a", [("too_deep", "非", "")]),
        ("(" * 5000 + "暴雨 → 分仓 a", [("too_deep", "(", "")]),
    ],
)  # fmt: skip
def test_a_mistake_points_at_the_word_and_suggests_the_nearest(text, expected):
    assert wrong(text) == expected


def test_one_of_several_values_is_told_as_a_list():
    (mistake,) = parse_condition("channel = douyin or taobao", SPEECH).mistakes
    assert mistakes.sentence(mistake, str) == (
        "taobao is no condition; to ask for one of several values write channel in (douyin, taobao)"
    )


def test_all_that_is_wrong_with_a_line_is_told_at_once():
    found = wrong("渠到 = 抖音 且 付款时间 > 昨天 且 渠道 = 抖因 → 分藏 杭州仓; 赠品; hold risk")
    assert [code for code, *_ in found] == [
        "unknown_field",
        "bad_instant",
        "unknown_value",
        "unknown_verb",
        "no_argument",
    ]


def test_the_mark_stands_under_the_word_though_chinese_is_twice_as_wide():
    (mistake,) = parse_condition("渠道 = 抖音 且 省 = 广东", SPEECH).mistakes
    sentence, line, mark = mistakes.lines(mistake, i18n.translator("zh"))
    assert sentence == "第 11 列：没有字段 省；最接近的是 省份"
    assert line == "  渠道 = 抖音 且 省 = 广东"
    assert mark == "  " + " " * 15 + "^^"


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_can_be_asked_whether_it_is_missing(kind):
    assert {Op.IS_KNOWN, Op.IS_MISSING} <= set(FITTING[kind])


def test_no_name_stands_for_two_fields():
    said = [name for field in FIELDS.values() for name in {field.name, field.zh, *field.aliases}]
    assert len(said) == len(set(said))


@pytest.mark.parametrize("field", FIELDS.values(), ids=lambda field: field.name)
def test_every_field_is_known_by_all_its_names(field):
    for name in (field.name, field.zh, *field.aliases):
        assert read(f"{name} 已知") == Leaf(field.name, Op.IS_KNOWN)


def test_always_is_no_condition():
    assert read("always") == read("总是") == ALWAYS
