"""Exports that tell of after-sale cases and of money that went back: such orders do not go by themselves."""

from __future__ import annotations

import pytest
import test_retelling
from structlog.testing import capture_logs

from orderhub_core.entry import start
from orderhub_core.entry.worker import Worker
from orderhub_core.flows import doubts
from orderhub_core.hub import Hub
from orderhub_core.i18n import translator
from orderhub_core.names import Names
from orderhub_core.store import homes

living = test_retelling.living
HEAD = "订单编号,订单状态,订单提交时间,支付完成时间,售后状态,商家编码,商品数量\n"


def taken(hub, tmp_path, text, mapping):
    path = tmp_path / "export.csv"
    path.write_text(text, encoding="utf-8")
    assert hub.import_file(path, mapping, on_error="reject-all", dry_run=False).refused == 0
    return {held.order_no: held.note for held in hub.holds.kept()}


def row(number, case, sku="HAT"):
    return f"{number},待发货,2026-01-01 10:00:00,2026-01-01 10:05:00,{case},{sku},1\n"


@pytest.mark.parametrize("case", ["退款成功", "退款中", "a word of next year"])
def test_an_order_with_a_case_is_held_and_goes_when_the_case_is_closed(living, tmp_path, case):
    held = taken(living, tmp_path, HEAD + row("A1", case) + row("A2", "-"), "douyin-export")
    assert held == {"A1": doubts.WANTED_BACK}
    closed = (
        HEAD.replace("售后状态", "售后状态,发货时间")
        + "A1,待发货,2026-01-01 10:00:00,2026-01-01 11:05:00,售后关闭,,HAT,1\n"
    )
    assert taken(living, tmp_path, closed, "douyin-export") == {}


def test_one_line_s_case_holds_the_order_whatever_row_it_stands_in(living, tmp_path):
    for number, rows in (("A1", ("-", "退款成功")), ("A2", ("退款成功", "-"))):
        text = HEAD + "".join(row(number, case, sku) for case, sku in zip(rows, ("HAT", "CUP"), strict=True))
        assert number in taken(living, tmp_path, text, "douyin-export")


def test_money_that_went_back_asks_what_is_still_to_be_sent(living, tmp_path):
    times = "2026-01-01 10:00:00,2026-01-01 10:05:00"
    amounts = "订单编号,订单状态,订单创建时间,订单付款时间,总金额,买家实际支付金额,退款金额\n" + "".join(
        f"{number},买家已付款,{times},100,100,{back}\n"
        for number, back in (("T1", "30.00"), ("T2", "0.00"), ("T3", "无退款申请"))
    )
    items = "主订单编号,订单状态,订单创建时间,订单付款时间,商家编码,购买数量\n" + "".join(
        f"{number},买家已付款,{times},HAT,1\n" for number in ("T1", "T2", "T3")
    )
    assert taken(living, tmp_path, amounts, "taobao-export") == {}
    assert taken(living, tmp_path, items, "taobao-items") == {"T1": doubts.REFUNDED}


def test_a_refunded_line_of_the_items_report_holds_its_order(living, tmp_path):
    times = "2026-01-01 10:00:00,2026-01-01 10:05:00"
    items = "主订单编号,订单状态,订单创建时间,订单付款时间,退款状态,商家编码,购买数量\n" + "".join(
        f"{number},买家已付款,{times},{case},{sku},1\n"
        for number, sku, case in (
            ("T1", "HAT", "没有申请退款"), ("T1", "CUP", "退款成功"), ("T2", "HAT", "没有申请退款"),
            ("T3", "HAT", "买家已经申请退款，等待卖家同意".replace("，", " ")), ("T4", "HAT", "退款关闭"),
        )
    )  # fmt: skip
    assert taken(living, tmp_path, items, "taobao-items") == dict.fromkeys(("T1", "T3"), doubts.WANTED_BACK)


def test_a_preview_tells_how_many_go_and_how_many_wait_for_a_person_as_it_comes_then(living, tmp_path):
    path = tmp_path / "export.csv"
    path.write_text(HEAD + row("A1", "退款成功") + row("A2", "-") + row("A3", "-"), encoding="utf-8")

    def fates(*, dry_run=False):
        told = living.import_file(path, "douyin-export", on_error="reject-all", dry_run=dry_run)
        return told.going, told.held, told.undecided

    assert fates(dry_run=True) == fates() == (2, 1, 0)
    assert fates(dry_run=True) == fates() == (0, 0, 0), "once"


def test_orders_that_no_rulebook_decides_on_are_counted(tmp_path):
    homes.init(home := homes.Home(tmp_path / "d"))
    hub = Hub(home)
    path = tmp_path / "export.csv"
    path.write_text(HEAD + row("A1", "-") + row("A2", "-").replace("待发货", "已发货"), encoding="utf-8")
    for dry_run in (True, False):
        told = hub.import_file(path, "douyin-export", on_error="reject-all", dry_run=dry_run)
        assert (told.going, told.held, told.undecided) == (0, 0, 1)
    hub.close()


def test_a_shop_whose_orders_come_by_files_alone_has_a_name_and_nobody_signs_in_there(tmp_path):
    homes.init(home := homes.Home(tmp_path / "d"))
    shops = '[[shops]]\nid = "yz"\nconnector = ""\nname = "有赞店"\n'
    (home.data / "orderhub.toml").write_text(shops, encoding="utf-8")
    path = tmp_path / "export.csv"
    path.write_text(HEAD + row("A1", "-"), encoding="utf-8")
    hub = Hub(home)
    told = hub.import_file(path, "douyin-export", on_error="reject-all", dry_run=False, into="yz")
    assert (told.shop, hub.frame("orders")["platform"].to_list()) == ("yz", ["douyin"])
    names = Names(hub.settings, translator("zh"))
    assert (names("shop", "yz"), names("source", "file/douyin/yz")) == ("有赞店", "有赞店的文件（douyin）")
    with capture_logs() as logs:
        start.check_connectors(hub)
        start.tell_doubts(hub, works=False)
    polls = [thread.name for thread in Worker(hub)._threads if "yz" in thread.name]
    assert ([log["event"] for log in logs], polls) == ([], [])
    hub.close()


def test_of_pinduoduo_s_export_only_what_is_owed_goes_and_what_was_refunded_never_does(living, tmp_path):
    head = "订单成交时间,订单号,订单状态,用户实付金额(元),商品数量(件),商家编码-规格维度,售后状态\n"
    rows = "".join(
        f"2026-06-06 13:41:00,{number},{status},18.80,1,HAT,{case}\n"
        for number, status, case in (
            ("P1", "待发货", "无售后或售后取消"), ("P2", "未发货，退款成功", "退款成功"),
            ("P3", "待发货", "售后处理中"), ("P4", "已发货，待收货", "无售后或售后取消"),
        )
    )  # fmt: skip
    path = tmp_path / "orders.csv"
    path.write_text(head + rows, encoding="utf-8")
    took = living.import_file(path, "pinduoduo-export", on_error="reject-all", dry_run=False)
    assert (took.shop, took.imported, took.going, took.held) == ("pinduoduo", 4, 1, 1)
    assert {held.order_no: held.note for held in living.holds.kept()} == {"P3": doubts.WANTED_BACK}
