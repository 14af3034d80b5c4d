"""Mappings are files that people write: the shipped ones are sound, and a slip is told with its line."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from connectors.files import decode, load_mapping, observe, parse_table, shipped_mappings
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
    assert shipped_mappings() == [
        "douyin-export", "generic", "olist", "pinduoduo-export", "taobao-export", "taobao-items",
    ]  # fmt: skip
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
        ('"shipped"', '"shipped"\n[after_sale]\n"退款" = "refund"', "line 12: after-sale word '退款' means 'refund'"),
        ('"shipped"', '["shipped", "paid"]', "line 10: status '已发货' may mean one status"),
    ],
)
def test_a_slip_is_told_with_its_line(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    with pytest.raises(UserMistake) as caught:
        load_mapping(written(tmp_path, GOOD.replace(old, new)))
    assert sentence in str(caught.value)
    assert "mine.toml" in str(caught.value)


def test_an_unknown_name_lists_the_shipped_ones() -> None:
    with pytest.raises(UserMistake, match="mappings: douyin-export, generic, olist, pinduoduo-export, taobao-export"):
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
ITEMS = """\
子订单编号,主订单编号,标题,价格,购买数量,外部系统编号,商品属性,订单状态,商家编码,订单创建时间
4830000000000000111,="4830000000000000017",被子,199.00,1,Q,白,"买家已付款,等待卖家发货",Q-WHITE,2026-06-18 00:00:03
4830000000000000112,="4830000000000000017",枕头,39.00,2,P,,"买家已付款,等待卖家发货",P-1,2026-06-18 00:00:03
"""
GENERIC = "Order No;Status;Created_At;Amount\nA-1;paid;2026-06-18 08:00;10\nA-2;待发货;2026-06-18 08:01;10\n"


@pytest.mark.parametrize(
    ("name", "text", "encoding", "orders"),
    [
        ("taobao-export", TAOBAO, "gb18030", ["4830000000000000017", "4830000000000000018"]),
        ("taobao-items", ITEMS, "gb18030", ["4830000000000000017"]),
        ("douyin-export", DOUYIN, "utf-8-sig", ["6920000000000000017"]),
        ("generic", GENERIC, "utf-8", ["A-1", "A-2"]),
    ],
)
def test_the_shipped_mappings_read_their_exports(name: str, text: str, encoding: str, orders: list[str]) -> None:
    reading = observe(parse_table(text.encode(encoding), "f"), load_mapping(name))
    assert reading.refused.rows() == []
    assert [message.message_id.split(":")[0] for message in reading.messages] == orders


def test_taobao_s_items_say_what_is_in_an_order_and_nothing_of_its_money() -> None:
    (message,) = observe(parse_table(ITEMS.encode("gb18030"), "f"), load_mapping("taobao-items")).messages
    content = decode(message.kind, message.body).content
    assert content is not None and content.lines is not None
    assert [(line.sku, line.name, line.quantity, line.price_minor) for line in content.lines] == [
        ("Q-WHITE", "被子", 1, 19_900), ("P-1", "枕头", 2, 3_900),
    ]  # fmt: skip
    assert (content.total_minor, content.paid_minor) == (None, None)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("广东省 广州市 越秀区 某路1号(510180)", ("广东省", "广州市")),
        ("广西壮族自治区 南宁市 青秀区 某路", ("广西壮族自治区", "南宁市")),
        ("上海 上海市 闵行区 某镇", ("上海", "上海市")),
        ("** 广州市 越秀区 某路", ("", "")),
        ("某路1号", ("", "")),
        ("广东省 广州市", ("", "")),
    ],
)
def test_taobao_s_address_begins_with_province_and_city(address: str, told: tuple[str, str]) -> None:
    text = f"订单编号,订单状态,收货地址 ,订单创建时间\n17,等待卖家发货,{address},2026-06-18 00:00:03\n"
    (message,) = observe(parse_table(text.encode("gb18030"), "f"), load_mapping("taobao-export")).messages
    content = decode(message.kind, message.body).content
    assert content is not None and content.person is not None
    assert (content.province, content.city) == told
    assert content.person.address == address


def test_a_column_of_provinces_is_believed_before_the_address(tmp_path: Path) -> None:
    mapping = load_mapping("taobao-export")
    mine = msgspec.structs.replace(mapping, columns={**mapping.columns, "province": "省"})
    row = "17,等待卖家发货,广东省 广州市 越秀区,浙江省,2026-06-18 00:00:03"
    text = f"订单编号,订单状态,收货地址,省,订单创建时间\n{row}\n"
    (message,) = observe(parse_table(text.encode(), "f"), mine).messages
    content = decode(message.kind, message.body).content
    assert content is not None and (content.province, content.city) == ("浙江省", "广州市")
