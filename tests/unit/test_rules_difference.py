"""What differs between two rulebooks, as a reviewer would tell it."""

from __future__ import annotations

import pytest

from orderhub_core.rules import rulebook
from orderhub_core.rules.difference import differences

BOOK = """version = "1"
[[groups]]
name = "routing"
match = "first"
otherwise = "assign hangzhou"
[[groups.rules]]
name = "onesies"
when = "category = 连体衣"
then = "assign guangzhou"
[[groups.rules]]
name = "south"
when = "province = 广东省"
then = "assign shenzhen"
[[groups]]
name = "gifts"
match = "all"
[[groups.rules]]
name = "large"
when = "total >= 299"
then = "gift FREE-1"
[[groups.rules]]
name = "first"
when = "channel = douyin"
then = "tag new"
"""
_, ROUTING, ONESIES, SOUTH, GIFTS, LARGE, FIRST = (f"[[{part}" for part in BOOK.split("[["))


def book(text):
    read, mistakes = rulebook.read(text)
    assert not mistakes
    return read


HEAD = 'version = "2"\n'


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (HEAD + ROUTING + ONESIES + SOUTH + GIFTS + LARGE + FIRST, []),
        (
            HEAD + ROUTING + ONESIES + SOUTH + GIFTS + LARGE.replace("299", "399") + FIRST,
            [("changed", "gifts", "large", "total >= 299 -> gift FREE-1", "total >= 399 -> gift FREE-1")],
        ),
        (
            HEAD + ROUTING + ONESIES + GIFTS + LARGE + FIRST,
            [("removed", "routing", "south", "province = 广东省 -> assign shenzhen", "")],
        ),
        (
            HEAD + ROUTING + SOUTH + ONESIES + GIFTS + LARGE + FIRST,
            [("moved", "routing", "south", "", "province = 广东省 -> assign shenzhen")],
        ),
        (HEAD + ROUTING + ONESIES + SOUTH + GIFTS + FIRST + LARGE, []),
        (
            HEAD + ROUTING.replace("assign hangzhou", "assign beijing") + ONESIES + SOUTH + GIFTS + LARGE + FIRST,
            [("changed", "routing", "otherwise", "assign hangzhou", "assign beijing")],
        ),
        (
            HEAD + ROUTING + ONESIES + SOUTH + GIFTS.replace("all", "first") + LARGE + FIRST,
            [("settings", "gifts", "match", "all", "first")],
        ),
        (
            HEAD + 'zone = "UTC"\n' + ROUTING + ONESIES + SOUTH + GIFTS + LARGE + FIRST,
            [("settings", "", "zone", "Asia/Shanghai", "UTC")],
        ),
        (
            HEAD + ROUTING + ONESIES + SOUTH + GIFTS + LARGE + FIRST + FIRST.replace('"first"', '"second"'),
            [("added", "gifts", "second", "", "channel = douyin -> tag new")],
        ),
        (
            HEAD + GIFTS + LARGE + FIRST + ROUTING + ONESIES + SOUTH,
            [("settings", "", "groups", "routing, gifts", "gifts, routing")],
        ),
    ],
    ids=["nothing", "a threshold", "a rule is gone", "another comes first", "the order of rules that all act",
         "otherwise", "how they are matched", "the zone", "a rule more", "another group speaks first"],
)  # fmt: skip
def test_a_difference_is_told_as_a_reviewer_would(after, told):
    found = differences(book(BOOK), book(after))
    assert [(one.kind, one.group, one.rule, one.before, one.after) for one in found] == told


def test_two_words_that_look_alike_and_mean_different_things_are_a_difference():
    words = '[words.warehouse]\n"东仓" = "{}"\n'
    rule = (
        '[[groups]]\nname = "g"\nmatch = "all"\n[[groups.rules]]\nname = "r"\nwhen = "total >= 1"\nthen = "分仓 东仓"\n'
    )
    before, after = (book(HEAD + words.format(place) + rule) for place in ("hangzhou", "guangzhou"))
    (found,) = differences(before, after, "zh")
    assert (found.kind, found.before) == ("changed", found.after)


def test_which_of_two_that_want_an_order_somewhere_comes_first_is_a_difference_where_all_act():
    rules = [
        f'[[groups.rules]]\nname = "{name}"\nwhen = "total >= 1"\nthen = "assign {place}"\n'
        for name, place in (("one", "hangzhou"), ("two", "guangzhou"))
    ]
    group = HEAD + '[[groups]]\nname = "g"\nmatch = "all"\n'
    (found,) = differences(book(group + "".join(rules)), book(group + "".join(reversed(rules))))
    assert (found.kind, found.rule) == ("moved", "two")


def test_a_group_that_is_asked_of_parcels_instead_of_orders_is_another_one():
    tags = GIFTS + FIRST.replace("tag new", "carrier sf")
    of_parcels = tags.replace("[[groups", "[[parcels")
    (told,) = differences(book(HEAD + tags), book(HEAD + of_parcels))
    assert told == ("settings", "gifts", "match", "all", "[[parcels]] all")
    (changed,) = differences(book(HEAD + of_parcels), book(HEAD + of_parcels.replace("douyin", "taobao")))
    assert (changed.kind, changed.group, changed.rule) == ("changed", "gifts", "first")
