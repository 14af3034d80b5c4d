"""Reasons are kept in English, and told in Chinese to whoever reads Chinese."""

from __future__ import annotations

import re

import pytest

from orderhub_core.i18n import translator
from orderhub_core.rules import rewording

EN, ZH = translator("en"), translator("zh")
LACK = "nothing was taken: hangzhou: 0 of HOOD-02 left, 1 asked"


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("no rule before it holds", ["前面的规则都不成立"]),
        (f"no rule before it holds; {LACK}", ["前面的规则都不成立", LACK]),
        (
            "channel = douyin; some line: category = 连体衣 (category: 连体衣, 礼盒)",
            ["渠道 = 抖音", "有一行 (品类 = 连体衣)（品类：连体衣、礼盒）"],
        ),
        (
            "some line: sku_stock < 5 and quantity > 1 (sku_stock: S-1 3; quantity: 1, 2); total 9.5 not within 1 to 5",
            ["有一行 (商品库存 < 5 且 数量 > 1)（商品库存：S-1 3；数量：1、2）", "订单金额 9.5 非在 1 到 5"],
        ),
        (
            "province 广东省 in 广东省, 福建省, 湖南省, and 3 more",
            ["省份 广东省 属于 广东省、福建省、湖南省等，另有 3 个"],
        ),
        ("load(hangzhou) 95 > 90", ["负荷(hangzhou) 95 > 90"]),
        ("not every line: quantity > 1 (quantity: 1)", ["非 (每一行 (数量 > 1))（数量：1）"]),
        ("buyer_first = yes; storm is missing", ["首单 = 是", "暴雨 缺失"]),
        ("some line: sku_stock is missing (sku_stock: none)", ["有一行 (商品库存 缺失)（商品库存：无）"]),
        ("promised_at is known: 2026-11-11T10:00+08:00", ["承诺发货时间 已知：2026-11-11T10:00+08:00"]),
    ],
)
def test_a_reason_in_chinese(reason, told):
    assert rewording.parts(reason, ZH) == told


@pytest.mark.parametrize("reason", ["", "a ; b (x: ", "some line: what ever (no: thing); more", "gone_field 3 > 2"])
def test_what_cannot_be_read_any_more_comes_back_as_it_was(reason):
    assert "; ".join(rewording.parts(reason, ZH)) == reason
    assert "; ".join(rewording.parts(reason, EN)) == reason


def test_no_english_stays_where_all_of_a_reason_can_be_read():
    reason = (
        "some line: category contains 衣 (category: 衣服); paid_weekday saturday in saturday, sunday; "
        "paid_time 20:15 within 20:00 to 22:00"
    )
    assert not re.search("[A-Za-z]{2,}", " ".join(rewording.parts(reason, ZH)))
