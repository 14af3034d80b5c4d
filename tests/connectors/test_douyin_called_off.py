"""What of a whole Douyin order is still to be delivered decides when it was delivered and paid."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from connectors.channels import douyin
from orderhub_core.errors import Unreadable

GOLDEN = Path(__file__).parent / "golden"
CASH = json.loads((GOLDEN / "order-3-cash-received.json").read_text())["message"]
PAID = json.loads((GOLDEN / "order-2-paid.json").read_text())["message"]
FIRST_LINE = PAID["sku_order_list"][0]["order_id"]
TAKEN = CASH["sku_order_list"][0]["logistics_receipt_time"]
SECOND = 1_000_000
RECEIVED = {"payment.paid": TAKEN * SECOND, "logistics.delivered": TAKEN * SECOND}


def received(order: dict[str, Any], *lines: dict[str, int]) -> dict[str, int]:
    """The instants of payment and delivery of the order, each of whose lines is changed so."""
    changed = [line | change for line, change in zip(order["sku_order_list"], lines, strict=True)]
    facts = douyin.decode("order", json.dumps(order | {"sku_order_list": changed}).encode()).facts
    return {event: at for event, at in facts.items() if event in RECEIVED}


@pytest.mark.parametrize("status", [4, 21, 22, 39])
def test_a_line_that_is_called_off_keeps_nobody_waiting(status: int) -> None:
    assert received(CASH, {}, {"order_status": status, "logistics_receipt_time": 0}) == RECEIVED


def test_a_line_that_is_still_to_come_is_waited_for() -> None:
    assert received(CASH, {}, {"logistics_receipt_time": 0}) == {}
    assert received(CASH, {"order_status": 39}, {"logistics_receipt_time": 0}) == {}


def test_what_was_taken_and_then_sent_back_was_paid_all_the_same() -> None:
    returned = CASH | {"order_status": 39, "main_status": 39}
    earlier = {"order_status": 39, "logistics_receipt_time": TAKEN - 60}
    assert received(returned, {"order_status": 39}, earlier) == RECEIVED
    assert received(CASH, {}, earlier) == RECEIVED


def test_an_order_of_which_nobody_took_anything_is_not_paid() -> None:
    called_off = {"order_status": 4, "logistics_receipt_time": 0}
    assert received(CASH, called_off, called_off) == {}


@pytest.mark.parametrize("change", [{}, {"pay_type": 2}, {"order_status": 1, "main_status": 1}])
def test_an_order_without_any_instant_is_refused_by_its_update_time(change: dict[str, int]) -> None:
    timeless = CASH | dict.fromkeys(("update_time", "pay_time", "ship_time", "finish_time"), 0) | change
    timeless |= {"sku_order_list": [line | {"logistics_receipt_time": 0} for line in CASH["sku_order_list"]]}
    with pytest.raises(Unreadable, match="the update time lies outside"):
        douyin.decode("order", json.dumps(timeless).encode())


def lines_of(order: dict[str, Any]) -> list[tuple[int, str, int | None]]:
    content = douyin.decode("order", json.dumps(order).encode()).content
    return [(line.line_no, line.sku, line.gift_of) for line in content.lines]


def gift(**status: int) -> dict[str, Any]:
    """A paid order of two lines and a gift for the first, whose status is another."""
    lines = PAID["sku_order_list"]
    third = lines[0] | {"order_id": "6921458730912345673", "code": "FREE", "master_sku_order_id_list": [FIRST_LINE]}
    return PAID | {"sku_order_list": [lines[0] | status, lines[1], third]}


@pytest.mark.parametrize("status", [4, 21])
def test_a_line_that_was_called_off_before_it_was_sent_is_sent_no_more(status: int) -> None:
    """Whoever lets the rest of a partly refunded order go sends what stands in it."""
    whole = [(1, "SKU-0", None), (2, "SKU-1", None), (3, "FREE", 1)]
    assert lines_of(gift()) == whole
    assert lines_of(gift(order_status=status)) == whole[1:], "the others keep their numbers"


@pytest.mark.parametrize("status", [3, 5, 22, 39])
def test_a_line_that_was_sent_stays_whatever_became_of_it(status: int) -> None:
    assert [number for number, *_ in lines_of(gift(order_status=status))] == [1, 2, 3]


def test_an_order_that_is_over_altogether_tells_what_it_was() -> None:
    off = {"order_status": 4}
    over = PAID | off | {"main_status": 4, "sku_order_list": [line | off for line in PAID["sku_order_list"]]}
    assert len(lines_of(over)) == 2
    assert len(lines_of(over | {"order_status": 2, "main_status": 2})) == 2, "its own status may come later"


def test_the_lines_are_numbered_alike_in_whatever_order_they_come() -> None:
    for lines in permutations(gift()["sku_order_list"]):
        assert lines_of(PAID | {"sku_order_list": list(lines)}) == lines_of(gift())


@pytest.mark.parametrize("status", [6, 12])
def test_a_price_that_was_protected_keeps_nothing_back(status: int) -> None:
    """The buyer gets a part of the money back, and all of the goods."""
    case = {"after_sale_info": {"after_sale_status": status, "after_sale_type": 6, "refund_status": 3}}
    lines = [line | case for line in PAID["sku_order_list"]]
    protected = douyin.decode("order", json.dumps(PAID | {"sku_order_list": lines}).encode())
    plain = douyin.decode("order", json.dumps(PAID).encode())
    assert (protected.facts, protected.cases, protected.content) == (plain.facts, (), plain.content)


@pytest.mark.parametrize("tag", ["200", "201", "206"])
@pytest.mark.parametrize(("kind", "keeps"), [(6, False), ("6", False), (2, True), (None, True)])
def test_a_push_of_a_price_that_was_protected_is_no_case(tag: str, kind: object, *, keeps: bool) -> None:
    data = {"p_id": 1, "aftersale_id": 2, "s_id": 3, "update_time": TAKEN, "refund_amount": 500}
    said = {"tag": tag, "msg_id": "m", "data": json.dumps(data | ({} if kind is None else {"aftersale_type": kind}))}
    seen = douyin.decode("push", json.dumps(said).encode())
    assert (bool(seen.facts), bool(seen.cases)) == (keeps, keeps)
