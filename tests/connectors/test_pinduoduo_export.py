"""Pinduoduo's order export, as its merchant back office writes it: what each row says, and what never goes out."""

from __future__ import annotations

import pytest

from connectors.files import decode, load_mapping, observe, parse_table
from orderhub_core.model import Observation

HEAD = (
    "订单成交时间,商品,订单号,订单状态,商品总价(元),邮费(元),店铺优惠折扣(元),平台优惠折扣(元),多多支付立减金额(元),"
    "用户实付金额(元),商家实收金额(元),商品数量(件),发货时间,确认收货时间,商品id,商品规格,样式ID,商家编码-规格维度,"
    "商家编码-商品维度,商家备注,售后状态,快递单号,快递公司\n"
)
FORMED, SENT, RECEIVED = "2026-06-06 13:41:00", "2026/6/7 10:00", "2026-06-09 10:00:00"


NO_CASE = "无售后或售后取消"


def row(
    number: str, status: str, case: str = NO_CASE, *, formed: str = FORMED, sent: str = "", received: str = "",
    parcel: str = "",
) -> str:  # fmt: skip
    """With the tabs that it puts behind what a spreadsheet would take for a number."""
    amounts, goods = "20.00,0.00,1.00,0.20,0,18.80\t,19.00", "754,红,99,HAT-RED,HAT"
    return f"{formed},帽子,{number}\t,{status},{amounts},2\t,{sent},{received},{goods},,{case},{parcel},申通快递\n"


def told(*rows: str) -> dict[str, Observation]:
    reading = observe(
        parse_table((HEAD + "".join(rows)).encode("gb18030"), "orders.csv"), load_mapping("pinduoduo-export")
    )
    assert reading.refused.is_empty(), reading.refused.to_dicts()
    seen = [decode(message.kind, message.body) for message in reading.messages]
    return {one.order_no: one for one in seen}


def test_a_row_tells_an_order_with_its_goods_and_what_its_buyer_pays() -> None:
    (one,) = told(row("260606-1", "待发货")).values()
    assert list(one.facts) == ["order.placed", "payment.paid"]
    content = one.content
    assert content is not None and content.lines is not None
    assert (content.total_minor, content.paid_minor, content.discount_minor) == (1_880, 1_880, 100)
    (line,) = content.lines
    assert (line.sku, line.name, line.quantity) == ("HAT-RED", "帽子", 2)


@pytest.mark.parametrize(
    ("status", "case", "more", "news"),
    [
        ("待发货", "售后处理中", {}, {"after_sale.applied"}),
        ("已发货，待收货", "无售后或售后取消", {"sent": SENT, "parcel": "773"}, {"fulfilment.shipped"}),
        ("已发货，待签收", "无售后或售后取消", {"sent": SENT}, {"fulfilment.shipped"}),
        ("已收货", "无售后或售后取消", {"sent": SENT, "received": RECEIVED}, {"fulfilment.shipped", "payment.settled"}),
        ("未发货，退款成功", "退款成功", {}, {"payment.refunded", "after_sale.refunded"}),
        (
            "已发货，退款成功", "退款成功", {"sent": SENT},
            {"payment.refunded", "after_sale.refunded", "fulfilment.shipped"},
        ),
    ],
)  # fmt: skip
def test_each_word_of_the_back_office_says_what_happened(status, case, more, news) -> None:
    (one,) = told(row("260606-1", status, case, **more)).values()
    assert set(one.facts) - {"order.placed", "payment.paid"} == news
    assert [parcel.tracking_no for parcel in one.parcels] == [
        number for name, number in more.items() if name == "parcel"
    ]


def test_a_row_without_any_time_is_refused_by_its_number() -> None:
    text = HEAD + row("260606-1", "已取消", formed="")
    reading = observe(parse_table(text.encode(), "orders.csv"), load_mapping("pinduoduo-export"))
    assert reading.refused["order_no"].to_list() == ["260606-1"]
    assert "time" in reading.refused["reason"][0]
