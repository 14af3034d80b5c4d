"""What no store can hold is refused by every decoder, and what strangers say is repeated with care."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pretend import Sandbox

from connectors import files
from connectors._kit.echo import echoed
from connectors.channels import douyin
from connectors.touchpoints import desk
from orderhub_core.errors import Unreadable
from orderhub_core.settings import Endpoint

ORDER = json.loads((Path(__file__).parent / "golden" / "order-2-paid.json").read_text())["message"]
AT = 1_763_000_000_000_000
ROW = {"order_no": "1", "facts": {"order.placed": AT}}


@pytest.fixture
def channel() -> douyin.Douyin:
    return douyin.connect(Endpoint(id="s", connector="douyin", app_key="k", secret_env="TEST_SHOP_SECRET"))


def line(**fields: Any) -> dict[str, Any]:
    return {"sku_order_list": [{**ORDER["sku_order_list"][0], **fields}]}


@pytest.mark.parametrize(("numbers", "told"), [((1, 2, 1), "two lines have the line_no 1"), ((1, 1000), "1 to 999")])
def test_lines_that_the_hub_could_not_keep_apart(numbers: tuple[int, ...], told: str) -> None:
    content = {"lines": [{"line_no": number, "sku": "A"} for number in numbers]}
    with pytest.raises(Unreadable, match=told):
        files.decode("row", json.dumps({**ROW, "content": content}).encode())


@pytest.mark.parametrize(
    "change",
    [
        line(item_num=3_000_000_000),
        line(item_num=1e20),
        line(item_num=0),
        line(item_num=1_000_001),
        line(origin_amount=2**63),
        line(product_name="a\0b"),
        {"order_id": 2**64},
        {"order_id": "9" * 65},
        {"pay_amount": 2**63},
        {"pay_amount": -1},
        {"update_time": 0},
        {"create_time": 946_684_799},
        {"pay_time": 4_102_444_801},
        {"exp_ship_time": 1},
        {"buyer_words": "\0"},
        {"mask_post_receiver": "\\\0"},
        {"logistics_info": [{"tracking_no": "x" * 201}]},
    ],
)
def test_a_douyin_order_that_no_store_can_hold(channel: douyin.Douyin, change: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        channel.decode("order", json.dumps({**ORDER, **change}).encode())


def test_a_backslash_before_a_u_is_no_nul(channel: douyin.Douyin) -> None:
    seen = channel.decode("order", json.dumps({**ORDER, "buyer_words": "\\u0000"}).encode())
    assert seen.content is not None
    assert seen.content.note == "\\u0000"


@pytest.mark.parametrize(
    "data",
    [
        {"p_id": 2**64, "create_time": 1_763_000_000},
        {"p_id": 1, "create_time": 946_684_799},
        {"p_id": 1, "create_time": "2100-01-02T00:00:00"},
        {"p_id": 1, "create_time": 1_763_000_000, "logistics_msg": {"logistics_code": "a\0"}},
    ],
)
def test_a_push_that_no_store_can_hold(channel: douyin.Douyin, data: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        channel.decode("push", json.dumps({"tag": "100", "data": json.dumps(data)}).encode())


@pytest.mark.parametrize("msg_id", ["a\0b", "x" * 201, 2**64])
def test_a_push_whose_id_no_store_can_hold_gets_another(
    channel: douyin.Douyin, msg_id: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "_prove", lambda headers, body: None)
    (message,) = channel.unpack({}, json.dumps([{"tag": "100", "msg_id": msg_id, "data": "{}"}]).encode())
    assert message.message_id.startswith("unreadable:")


@pytest.mark.parametrize(
    "change",
    [
        {"order_no": ""},
        {"order_no": "9" * 65},
        {"order_no": "1\0"},
        {"shop": "s\0"},
        {"status": "\0"},
        {"status": "x" * 201},
        {"updated_at": "1999-12-31T23:59:59+00:00"},
        {"updated_at": "9999-12-31T23:59:59+00:00"},
    ],
)
def test_a_touchpoint_row_that_no_store_can_hold(sandbox: Sandbox, change: dict[str, str]) -> None:
    row = {"shop": "s", "order_no": "1", "status": "x", "updated_at": "2026-01-01T00:00:00+08:00"}
    touchpoint = desk.connect(sandbox.desk("page"))
    assert touchpoint.decode("row", json.dumps(row).encode()).order_no == "1"
    with pytest.raises(Unreadable):
        touchpoint.decode("row", json.dumps({**row, **change}).encode())


@pytest.mark.parametrize(
    "change",
    [
        {"order_no": "9" * 65},
        {"order_no": "1\0"},
        {"facts": {"order.placed": 2**64}},
        {"facts": {"order.placed": 0}},
        {"facts": {"order.dreamt": AT}},
        {"at": 1},
        {"content": {"promised_at": 2**63}},
        {"content": {"total_minor": 2**63}},
        {"content": {"freight_minor": -1}},
        {"content": {"lines": [{"line_no": 1, "sku": "A", "quantity": 3_000_000_000}]}},
        {"content": {"lines": [{"line_no": 2**63, "sku": "A"}]}},
        {"content": {"person": {"name": "\0"}}},
        {"content": {"warehouse": "x" * 201}},
        {"parcels": [{"tracking_no": "x" * 201}]},
    ],
)
def test_a_row_of_a_file_that_no_store_can_hold(change: dict[str, Any]) -> None:
    assert files.decode("row", json.dumps(ROW).encode()).order_no == "1"
    with pytest.raises(Unreadable):
        files.decode("row", json.dumps({**ROW, **change}).encode())


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (77, "77"),
        ("已发货", "已发货"),
        ("卖家已发货，等待买家确认", "卖家已发货，等待买家确认"),
        ("In transit", "In transit"),
        ("13800138000", "***********"),
        ("call 138-0013-8000", "call ***-****-****"),
        ("2026-02-30", "****-**-**"),
        ("wang@example.org", "(not shown)"),
        ("a\nb", "(not shown)"),
        ("a\0b", "(not shown)"),
        ("", "(not shown)"),
    ],
)
def test_a_strangers_word_is_repeated_with_care(said: object, told: str) -> None:
    assert echoed(said) == told


@given(st.text() | st.from_regex(r"[0-9 .:a-z-]{0,80}") | st.integers())
def test_no_echo_is_long_or_holds_a_long_number(said: object) -> None:
    told = echoed(said)
    assert 0 < len(told) <= 40
    assert not any(told[start : start + 7].isdecimal() for start in range(len(told) - 6))


def test_the_reason_of_an_unknown_word_repeats_it_with_care(channel: douyin.Douyin) -> None:
    for tag in ("13800138000", "王小明 13800138000 " * 1000):
        with pytest.raises(Unreadable) as caught:
            channel.decode("push", json.dumps({"tag": tag, "data": '{"p_id": 1}'}).encode())
        assert "138" not in str(caught.value)
        assert len(str(caught.value)) < 100
        with pytest.raises(Unreadable) as caught:
            channel.decode(tag, b"{}")
        assert "138" not in str(caught.value)
