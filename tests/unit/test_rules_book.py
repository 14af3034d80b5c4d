"""Rulebooks as files: what is written is loaded, in lines or in tables; a wrong book is never loaded in part."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from string import Formatter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rule_trees import OWN, books, conditions, deeds

from orderhub_core import i18n
from orderhub_core.errors import UserMistake
from orderhub_core.rules import booktables, check, names, rulebook
from orderhub_core.rules.language import mistakes, validity
from orderhub_core.rules.language.tables import Tables
from orderhub_core.rules.language.vocabulary import OWN_WORDS
from orderhub_core.rules.tree import Action, Either, Every, Group, Leaf, Lines, Not, Op, Rule, Rulebook, Word

ONESIE = Leaf("category", Op.IS, ("连体衣",))
BOOK = """
version = "2026-11-22"
zone = "Asia/Shanghai"

[words.warehouse]
"杭州仓" = "hangzhou"

[[groups]]
name = "routing"
match = "first"
otherwise = "分仓 杭州仓"

[[groups.rules]]
name = "douyin-onesies"
when = "渠道 = 抖音 且 品类 = 连体衣"
then = "分仓 杭州仓"
note = "他们的连体衣只在杭州"

[[groups]]
name = "满赠"
match = "all"

[[groups.rules]]
name = "over-299"
when = { type = "every", parts = [
  { type = "leaf", field = "total", op = ">=", values = [29900] },
  { type = "leaf", field = "paid_at", op = ">=", values = [2026-11-01T00:00:00+08:00] },
] }
then = { verb = "add_gift", argument = "FREE-02", quantity = 2 }
"""


DEEP = ".a" * 5_000 + " = 1"
"""After a key: tables so deep within each other that Python does not print them."""
HUGE = "0x" + "f" * 5_000
"""A number that Python does not print, either."""


def codes(text):
    return [mistake.code for mistake in rulebook.read(text).mistakes]


def one_rule(rule='name = "r"\nwhen = "always"\nthen = "tag a"', *, head="", group='name = "g"\nmatch = "all"'):
    return f"{head}\n[[groups]]\n{group}\n[[groups.rules]]\n{rule}\n"


def test_lines_and_tables_are_the_same_tree(tmp_path: Path):
    path = tmp_path / "rules.toml"
    path.write_text(BOOK, encoding="utf-8")
    onesies = Every((Leaf("channel", Op.IS, ("douyin",)), Leaf("category", Op.IS, ("连体衣",))))
    campaign = Every(
        (
            Leaf("total", Op.AT_LEAST, (29_900,)),
            Leaf("paid_at", Op.AT_LEAST, (datetime(2026, 10, 31, 16, tzinfo=UTC),)),
        )
    )
    hangzhou = (Action("assign_warehouse", "hangzhou"),)
    assert rulebook.load(path) == Rulebook(
        "2026-11-22",
        (
            Group("routing", "first", (Rule("douyin-onesies", onesies, hangzhou, "他们的连体衣只在杭州"),), hangzhou),
            Group("满赠", "all", (Rule("over-299", campaign, (Action("add_gift", "FREE-02", 2),)),)),
        ),
        "Asia/Shanghai",
        (Word("warehouse", "杭州仓", "hangzhou"),),
    )


def test_a_file_that_an_editor_put_a_byte_order_mark_in_loads(tmp_path: Path):
    path = tmp_path / "rules.toml"
    path.write_text(BOOK, encoding="utf-8-sig")
    assert rulebook.load(path) == rulebook.read(BOOK).book


@settings(max_examples=150, deadline=None)
@given(books())
def test_a_dumped_book_loads_as_the_same(book):
    for language in ("en", "zh"):
        draft = rulebook.read(rulebook.dump(book, language))
        assert draft.mistakes == ()
        assert draft.book == book


@settings(max_examples=200, deadline=None)
@given(conditions, deeds)
def test_a_tree_survives_the_tables_of_a_form(when, then):
    """By way of JSON, where an instant is a text."""
    for tables in (msgspec.to_builtins, lambda tree: msgspec.json.decode(msgspec.json.encode(tree))):
        reader = Tables(())
        assert (reader.condition(tables(when)), reader.actions(tables(then)), reader.mistakes) == (when, then, [])


def test_a_form_may_join_a_single_condition():
    when = '{type = "either", parts = [{type = "leaf", field = "storm", op = "=", values = [true]}]}'
    draft = rulebook.read(one_rule(f'name = "r"\nwhen = {when}\nthen = "tag a"'))
    assert draft.book.groups[0].rules[0].when == Leaf("storm", Op.IS, (True,))
    assert draft.mistakes == ()


def test_single_joints_are_taken_out_wherever_they_stand():
    storm = Leaf("storm", Op.IS, (True,))
    inside = Either((Every((storm,)), Not(Either((storm,))), Every((Every((storm,)), Lines("no", Every((ONESIE,)))))))
    assert validity.tidy(inside) == Either((storm, Not(storm), Every((storm, Lines("no", ONESIE)))))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("version = ", ["not_toml"]),
        ("a = " + "[" * 3000, ["not_toml"]),
        ("version = " + "1" * 5000, ["not_toml"]),
        (f"version = {HUGE}", ["wrong_type"]),
        ('versoin = "7"', ["unknown_key"]),
        ("version = 7", ["wrong_type"]),
        ('zone = "Asia/Shanghi"', ["unknown_zone"]),
        ('zone = "Asia"', ["unknown_zone"]),
        ('zone = "../etc"', ["unknown_zone"]),
        ('groups = "all"', ["wrong_type"]),
        ("groups = [1]", ["wrong_type"]),
        ('[words]\nwarehouse = "x"', ["wrong_type"]),
        ('[words.warehuse]\n"杭州仓" = "x"', ["unknown_word_of"]),
        ('[words.total]\n"一百" = "100"', ["unknown_word_of"]),
        ('[words.warehouse]\n"杭州 仓" = "x"', ["unspeakable"]),
        ('[words.warehouse]\n"且" = "x"', ["unspeakable"]),
        ('[words.warehouse]\n"杭州仓" = ""', ["wrong_type"]),
        ('[words.channel]\n"抖音" = "tiktok"', ["word_taken"]),
        ('[words.channel]\n"抖乐" = "Douyin"', ["word_taken"]),
        ('[words.warehouse]\n"杭州仓" = "x"\n[words."仓库"]\n"杭州仓" = "y"', ["word_taken"]),
        (one_rule(group='name = "g"'), ["missing_key"]),
        (one_rule(group='name = "g"\nmatch = "any"'), ["unknown_match"]),
        (one_rule(group='name = "g"\nmatch = "all"\notherwise = "tag a"'), ["otherwise_of_all"]),
        (one_rule(group='name = "g"\nmatch = ["all"]'), ["wrong_type"]),
        (one_rule(group='name = "g"\nmatch' + DEEP), ["wrong_type"]),
        (one_rule() + one_rule(), ["twice", "twice"]),
        (one_rule('when = "always"\nthen = "tag a"'), ["missing_key"]),
        (one_rule('name = ""\nwhen = "always"\nthen = "tag a"'), ["name_empty"]),
        (one_rule('name = "老板要看的"\nwhen = "always"\nthen = "tag a"'), ["bad_name"]),
        (one_rule('name = "otherwise"\nwhen = "always"\nthen = "tag a"'), ["reserved"]),
        (one_rule('name = "r"\nthen = "tag a"'), ["missing_key"]),
        (one_rule('name = "r"\nwhen = "always"'), ["missing_key"]),
        (one_rule('name = "r"\nwhen = ""\nthen = ""'), ["empty", "expected_action"]),
        (one_rule('name = "r"\nwhen = "channel = douyin -> tag a"\nthen = "tag a"'), ["stray_arrow"]),
        (one_rule('name = "r"\nwhen = 5\nthen = 5'), ["wrong_type", "wrong_type"]),
        (one_rule('name = "r"\nwhen = "always"\nthen = []'), ["no_action"]),
        (one_rule('name = "r"\nwhen = "always"\nthen = [5]'), ["wrong_type"]),
        (one_rule('name = "r"\nwhen = "always"\nthen = {verb = "tag", argument = 5}'), ["bad_action"]),
        (one_rule('name = "r"\nwhen = "always"\nthen = {verb = "tga", argument = "a"}'), ["unknown_verb"]),
        (one_rule('name = "r"\nwhen = "always"\nthen = {verb = "hold", argument = "a"}'), ["unknown_value"]),
        (one_rule('name = "r"\nwhen = "always"\nthen = {verb = "split", argument = "sku at most 11"}'),
         ["bad_parcels"]),
        (one_rule('name = "r"\nwhen = "always"\nthen = {verb = "priority", argument = "07"}'), ["bad_priority"]),
        (one_rule('name = "r"\nwhen = {}\nthen = "tag a"'), ["missing_key"]),
        (one_rule('name = "r"\nwhen.type' + DEEP + '\nthen = "tag a"'), ["wrong_type"]),
        (one_rule('name = "r"\nwhen.type = "leaf"\nwhen.field' + DEEP + '\nwhen.op' + DEEP + '\nthen = "tag a"'),
         ["wrong_type", "wrong_type"]),
        (one_rule('name = "r"\nwhen.type = "lines"\nwhen.part.type = "every"\nwhen.which' + DEEP + '\nthen = "tag a"'),
         ["wrong_type"]),
        (one_rule('name = "r"\nthen = "tag a"\nwhen = {type = "leaf", field = "total", op = "=", '
                  f"values = [{HUGE}]}}"),
         ["too_large"]),
        (one_rule(f'name = "r"\nwhen = "always"\nthen = {{verb = "add_gift", argument = "a", quantity = {HUGE}}}'),
         ["bad_action"]),
        (one_rule('name = "r"\nwhen = {type = "lief"}\nthen = "tag a"'), ["unknown_sort"]),
        (one_rule('name = "r"\nwhen = {type = "either"}\nthen = "tag a"'), ["too_few_parts"]),
        (one_rule('name = "r"\nwhen = {type = "not"}\nthen = "tag a"'), ["wrong_type"]),
        (one_rule('name = "r"\nwhen = {type = "leaf", field = "storm", op = "="}\nthen = "tag a"'), ["wrong_count"]),
        (one_rule('name = "r"\nwhen = {type = "leaf", field = "storm", op = "=", values = [1]}\nthen = "tag a"'),
         ["bad_value"]),
        (one_rule('name = "r"\nwhen = {type = "leaf", field = "total", op = "=", values = [1.5]}\nthen = "tag a"'),
         ["wrong_type"]),
        (one_rule('name = "r"\nwhen = {type = "leaf", field = "total", op = "~", values = [1]}\nthen = "tag a"'),
         ["unknown_operator"]),
        (one_rule('name = "r"\nwhen = {type = "leaf", field = "paid_at", op = "<", values = [2026-11-01T00:00:00]}\n'
                  'then = "tag a"'), ["bad_instant"]),
        (one_rule('name = "r"\nwhen = {type = "lines", which = "some", part = {type = "leaf", field = "storm", '
                  'op = "=", values = [true]}}\nthen = "tag a"'), ["order_field_in_lines"]),
    ],
)  # fmt: skip
def test_every_mistake_is_told_by_name(text, expected):
    draft = rulebook.read(text)
    assert [mistake.code for mistake in draft.mistakes] == expected
    for language in ("en", "zh"):
        assert mistakes.told(draft.mistakes, i18n.translator(language))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "groups = [1]",
            "groups[1]: groups[1] must be a table `[[groups]]` (of parcels `[[parcels]]`) with name, match and rules",
        ),
        ("[groups]\nname = 'g'", "groups must be tables `[[groups]]`, each with name, match and rules"),
        (
            "[[groups]]\nname = 'g'\nmatch = 'all'\nrules = ['total > 5 -> tag a']",
            "g: rules[1] must be a table `[[groups.rules]]` (of parcels `[[parcels.rules]]`) with name, when and then",
        ),
        (
            "[[groups]]\nname = 'g'\nmatch = 'all'\nrules = 'total > 5 -> tag a'",
            "g: rules must be tables `[[groups.rules]]` (of parcels `[[parcels.rules]]`), each with name, when and"
            " then",
        ),
    ],
)
def test_what_should_be_a_table_is_told_with_what_it_holds(text, told):
    assert mistakes.told(rulebook.read(text).mistakes, str) == told


def test_all_mistakes_are_told_at_once_and_nothing_is_loaded(tmp_path: Path):
    path = tmp_path / "rules.toml"
    path.write_text(BOOK.replace("抖音", "抖因").replace("FREE-02", "").replace('"all"', '"al"'), encoding="utf-8")
    with pytest.raises(UserMistake) as told:
        rulebook.load(path)
    text = str(told.value)
    assert text.startswith(f"rulebook {path}: 3 mistakes\n")
    assert "routing, douyin-onesies, when, column 6: 渠道 has no value 抖因" in text
    assert "the nearest is 抖音\n  渠道 = 抖因 且 品类 = 连体衣\n         ^^^^\n" in text
    assert "3 处错误" in told.value.told(i18n.translator("zh"))


@pytest.mark.parametrize("content", [None, "版本 = 1".encode("gb18030")])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, content: bytes | None):
    path = tmp_path / "rules.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserMistake, match=r"rules\.toml"):
        rulebook.load(path)


def test_a_book_of_ten_thousand_brackets_is_told_to_be_too_deep():
    deep = '{type = "not", part = ' * 70 + '{type = "every"}' + "}" * 70
    assert codes(one_rule(f'name = "r"\nwhen = {deep}\nthen = "tag a"')) == ["too_deep"]
    assert codes(one_rule('name = "r"\nwhen = "' + "(" * 10_000 + '"\nthen = "tag a"')) == ["too_deep"]


def test_a_word_of_the_business_may_name_a_platform_that_the_dictionary_does_not_know():
    draft = rulebook.read(
        one_rule('name = "r"\nwhen = "渠道 = 视频号"\nthen = "tag a"', head='[words."渠道"]\n"视频号" = "wx"')
    )
    assert draft.book.groups[0].rules[0].when == Leaf("channel", Op.IS, ("wx",))
    assert draft.mistakes == ()


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("老板要看的", "boss_report_flag"),
        ("VIP Urgent", "vip_urgent"),
        ("bossReport", "boss_report"),
        ("加急 订单", "urgent_order"),
        ("搞一下抖音", "douyin"),
        ("2026-campaign", "n_2026_campaign"),
        ("a$b", "a_b"),
        ("赶紧", ""),
    ],
)
def test_a_name_that_is_no_term_is_refused_with_one_that_is(name, suggestion):
    refused = names.judge(name)
    assert refused is not None
    assert refused.suggestion == suggestion
    assert suggestion == "" or names.judge(suggestion) is None


@pytest.mark.parametrize("name", ["boss_report_flag", "over-299", "r", "抖音连体衣", "满299赠品", "vip2"])
def test_a_term_is_accepted(name):
    assert names.judge(name) is None


def test_names_are_told_apart_by_capitals():
    assert names.judge("Urgent") == names.Refused("capitals", "urgent")


def test_what_a_business_may_have_words_for_includes_its_places_and_goods():
    assert {"warehouse", "shop", "sku", "carrier", "tag", "channel"} <= OWN_WORDS
    assert {word.of for word in OWN} <= OWN_WORDS


def blanks(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("text", [*mistakes.MISTAKES.values(), *mistakes.KINDS.values(), *check.FINDINGS.values()])
def test_every_sentence_exists_in_chinese(text):
    chinese = i18n.translator("zh")(text)
    assert chinese != text
    assert blanks(chinese) == blanks(text)


KEYS = ["version", "zone", "words", "groups", "name", "match", "rules", "otherwise", "when", "then", "note", "type"]
KEYS += ["field", "op", "values", "parts", "part", "which", "verb", "argument", "quantity", "warehouse", "channel", "x"]
WORDS = ["first", "all", "leaf", "every", "either", "not", "lines", "some", "total", "paid_at", "=", "within", "hold"]
WORDS += ["渠道 = 抖音", "tag a", "risk", "UTC", "2026-11-01T00:00:00Z", ""]
scalars = st.sampled_from(WORDS) | st.integers(-3, 3) | st.booleans() | st.floats() | st.datetimes() | st.dates()
nested = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner), max_leaves=25
)


@settings(max_examples=600, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS[:4]), nested) | nested.map(lambda when: wrapped("when", when)))
def test_whatever_tables_a_file_holds_end_in_a_book_or_in_sentences(tables):
    book, wrong = booktables.book_of(tables)
    for language in ("en", "zh"):
        assert bool(mistakes.told(wrong, i18n.translator(language))) == bool(wrong)
    if not wrong:
        assert rulebook.read(rulebook.dump(book)).book == book
        check.check(book)


def wrapped(key, value):
    rule = {"name": "r", "when": "always", "then": "tag a", key: value}
    return {"groups": [{"name": "g", "match": "all", "rules": [rule]}]}


@pytest.mark.parametrize(
    "head",
    [
        'version = "v1"  # spring sale',
        '"version" = "v1"',
        "  version='v1'",
        "# no version",
        'version = "v1"\r',
        "# version = \"v1\"\nversion = 'v1'",
    ],
)
def test_another_version_changes_nothing_else_of_the_text(head):
    body = '\n[[groups]]\nname = "g"\nmatch = "all"\n[[groups.rules]]\nname = "r"\nwhen = "总是"\nthen = "标记 A"\n'
    body += 'note = """\nversion = 2 of the idea\n"""\n'
    text = head + body
    told = rulebook.with_version(text, 'v"2')
    book, mistakes = rulebook.read(told)
    assert (mistakes, book.version) == ((), 'v"2')
    assert (told.endswith(body) and [line for line in head.splitlines() if "#" in line] != []) or body in told
    assert "# spring sale" not in head or "# spring sale" in told
    assert rulebook.with_version(text, rulebook.read(text).book.version) == text
