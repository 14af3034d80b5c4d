"""Mappings are files that people write: the shipped ones are sound, and a slip is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.files import load_mapping, observe, parse_table, shipped_mappings
from orderhub_core.errors import UserMistake

GOOD = """
name = "mine"
shop = "shop"

[columns]
order_no = "no"
placed_at = ["placed", "下单时间"]

[status]
"已发货" = "shipped"
"""


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_shipped_mappings_load_and_mean_something() -> None:
    assert shipped_mappings() == ["douyin-export", "generic", "olist", "taobao-export"]
    for name in shipped_mappings():
        mapping = load_mapping(name)
        assert mapping.name == name
        assert all(mapping.states(word) or mapping.headline(word) for word in mapping.status)


def test_a_mapping_of_ones_own(tmp_path: Path) -> None:
    mapping = load_mapping(written(tmp_path, GOOD))
    assert (mapping.name, mapping.source, mapping.time_zone) == ("mine", "file:mine", "Asia/Shanghai")
    assert mapping.headings("placed_at") == ["placed", "下单时间"]


def test_a_mapping_s_currency_has_the_word_that_others_have_for_it(tmp_path: Path) -> None:
    assert load_mapping(written(tmp_path, 'currency = "RMB"\n' + GOOD)).currency == "CNY"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('shop = "shop"', 'shop = "shop"\ncolour = "red"', "line 4: the mapping contains unknown field `colour`"),
        ('shop = "shop"', "shop = 3", "line 3: Expected `str`, got `int` at `shop`"),
        ('shop = "shop"', "", "missing required field `shop`"),
        ('shop = "shop"', 'shop = "shop"\nmoney = "cents"', "line 4: Invalid enum value 'cents' at `money`"),
        ('shop = "shop"', 'shop = "shop"\ntime_zone = "Beijing"', "line 4: there is no time zone 'Beijing'"),
        ('shop = "shop"', 'shop = "shop', "not valid TOML"),
        ('order_no = "no"', 'order_nr = "no"', "line 6: 'order_nr' is not a field (did you mean 'order_no'?)"),
        ('order_no = "no"', "", "must say under which heading order_no stands"),
        ('"shipped"', '"shiped"', "line 10: status '已发货' means 'shiped'"),
        ('"shipped"', '"shiped"', "(did you mean 'shipped'?)"),
        ('"shipped"', '["shipped", "paid"]', "line 10: status '已发货' may mean one status"),
    ],
)
def test_a_slip_is_told_with_its_line(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    with pytest.raises(UserMistake) as caught:
        load_mapping(written(tmp_path, GOOD.replace(old, new)))
    assert sentence in str(caught.value)
    assert "mine.toml" in str(caught.value)


def test_an_unknown_name_lists_the_shipped_ones() -> None:
    with pytest.raises(UserMistake, match="shipped mappings: douyin-export, generic, olist, taobao-export"):
        load_mapping("taobao")


def test_a_mapping_saved_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(GOOD.encode("gb18030"))
    with pytest.raises(UserMistake, match="must be saved as UTF-8"):
        load_mapping(str(path))


TAOBAO = """\
订单编号,总金额,买家实际支付金额,订单状态,联系手机,订单创建时间,付款时间,物流单号
="4830000000000000017",￥99.00,99.00,卖家已发货，等待买家确认,'13800000000,2026-06-18 00:00:03,2026-06-18 00:01,No:SF1
="4830000000000000018",1.00,0.00,交易关闭,'13900000000,2026-06-18 00:00:04,,null
"""
DOUYIN = """\
主订单编号,子订单编号,选购商品,商品数量,商家编码,商品单价,订单应付金额,订单提交时间,订单状态
\t6920000000000000017,\t1,连体衣,1,LTY-01,59.90,59.90,2026/06/18 00:00:03,待发货
\t6920000000000000017,\t2,面膜,2,MM-02,9.90,19.80,2026/06/18 00:00:03,待发货
"""
GENERIC = "Order No;Status;Created_At;Amount\nA-1;paid;2026-06-18 08:00;10\nA-2;待发货;2026-06-18 08:01;10\n"


@pytest.mark.parametrize(
    ("name", "text", "encoding", "orders"),
    [
        ("taobao-export", TAOBAO, "gb18030", ["4830000000000000017", "4830000000000000018"]),
        ("douyin-export", DOUYIN, "utf-8-sig", ["6920000000000000017"]),
        ("generic", GENERIC, "utf-8", ["A-1", "A-2"]),
    ],
)
def test_the_shipped_mappings_read_their_exports(name: str, text: str, encoding: str, orders: list[str]) -> None:
    reading = observe(parse_table(text.encode(encoding), "f"), load_mapping(name))
    assert reading.refused.rows() == []
    assert [message.message_id.split(":")[0] for message in reading.messages] == orders
