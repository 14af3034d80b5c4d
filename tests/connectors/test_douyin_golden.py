"""Every push tag and every order status, word for word, against observations written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.channels import _douyin_push, _douyin_words, douyin
from orderhub_core.errors import Unreadable
from orderhub_core.model import Observation, OfNoOrder
from orderhub_core.settings import Endpoint

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))
ORDER_2 = json.loads((Path(__file__).parent / "golden" / "order-2-paid.json").read_text())["message"]


@pytest.fixture
def channel() -> douyin.Douyin:
    return douyin.connect(Endpoint(id="s", connector="douyin", app_key="k", secret_env="TEST_SHOP_SECRET"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_message(channel: douyin.Douyin, path: Path) -> None:
    golden = json.loads(path.read_text())
    expected = msgspec.convert(golden["observation"], Observation | None) or OfNoOrder()
    assert channel.decode(path.stem.partition("-")[0], json.dumps(golden["message"]).encode()) == expected


def test_every_status_and_every_speaking_tag_has_a_golden_message() -> None:
    messages = {path.stem: json.loads(path.read_text())["message"] for path in GOLDEN}
    orders = [message for name, message in messages.items() if name.startswith("order")]
    shown = {message[field] for message in orders for field in ("order_status", "main_status")}
    assert shown == set(_douyin_words.STATUSES)
    tags = {message["tag"] for name, message in messages.items() if name.startswith("push")}
    assert tags >= _douyin_push.MEANINGS.keys() | (_douyin_push.OF_NO_ORDER.keys() - {_douyin_push.TEST[0]})


def test_every_tag_is_read_or_passed_over_in_one_table() -> None:
    tables = (_douyin_push.MEANINGS, _douyin_push.TO_ASK, _douyin_push.PASSED_OVER, _douyin_push.OF_NO_ORDER)
    tags = [tag for table in tables for tag in table]
    published = {*range(100, 107), *range(108, 112), 113, 126, *range(200, 210), *range(211, 219), *range(224, 228)}
    assert sorted(map(int, tags)) == sorted({0, 400, 417} | published)


@pytest.mark.parametrize("change", [{"order_status": 77}, {"order_status": 77, "main_status": 0}])
def test_an_unknown_status_is_named(channel: douyin.Douyin, change: dict[str, int]) -> None:
    with pytest.raises(Unreadable, match="order_status 77 is new to us"):
        channel.decode("order", json.dumps({**ORDER_2, **change}).encode())


@pytest.mark.parametrize("field", ["after_sale_status", "after_sale_type", "refund_status"])
def test_an_unknown_after_sale_word_is_named(channel: douyin.Douyin, field: str) -> None:
    body = {**ORDER_2, "sku_order_list": [{"after_sale_info": {field: 99}}]}
    with pytest.raises(Unreadable, match=f"{field} 99 is new to us"):
        channel.decode("order", json.dumps(body).encode())


def push(tag: Any, data: Any) -> bytes:
    return json.dumps({"tag": tag, "msg_id": "m", "data": json.dumps(data)}).encode()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (push("999", {"p_id": 1}), "push tag 999 is new to us"),
        (push("101", {"p_id": 1, "pay_type": 2}), "push 101 has no pay_time that can be read"),
        (push("101", {}), "p_id"),
        (push("206", {"p_id": 1, "update_time": "soon"}), "push 206 has no update_time that can be read"),
        (push("104", {"p_id": 1, "logistics_msg": {"logistics_status": "77"}}), "logistics_status 77 is new to us"),
        (b"[" * 100_000, "push"),
        (b'{"tag":"101","data":"\xff"}', "push"),
    ],
)
def test_an_unreadable_push_says_why(channel: douyin.Douyin, body: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        channel.decode("push", body)


def test_milliseconds_are_refused_instead_of_misread(channel: douyin.Douyin) -> None:
    with pytest.raises(Unreadable, match="create_time"):
        channel.decode("order", json.dumps({**ORDER_2, "create_time": 1_763_000_000_000}).encode())


def test_an_unknown_kind_is_unreadable(channel: douyin.Douyin) -> None:
    with pytest.raises(Unreadable, match="message kind letter"):
        channel.decode("letter", b"{}")


@pytest.mark.parametrize("order_no", [2**53 + 1, 6_921_458_730_912_345_673, 2**63 - 1])
def test_ids_beyond_two_to_the_53_stay_exact(channel: douyin.Douyin, order_no: int) -> None:
    for said in (order_no, str(order_no)):
        assert channel.decode("push", push("100", {"p_id": said, "create_time": 1763000000})).order_no == str(order_no)
        assert channel.decode("order", json.dumps({**ORDER_2, "order_id": said}).encode()).order_no == str(order_no)


def test_only_masked_personal_fields_are_taken_over(channel: douyin.Douyin) -> None:
    clear: dict[str, Any] = {"post_receiver": "王小明", "post_tel": "19900001234", "encrypt_post_tel": "$$c$$"}
    clear["post_addr"] = {**ORDER_2["post_addr"], "detail": "文三路1号", "town": {"name": "西湖区"}}
    kept = msgspec.json.encode(channel.decode("order", json.dumps({**ORDER_2, **clear}).encode())).decode()
    assert "王*" in kept
    for secret in ("王小明", "19900001234", "$$c$$", "文三路1号", "西湖区"):
        assert secret not in kept


@pytest.mark.parametrize(("deadline", "booked"), [(0, 1763604800), (1763172800, 1763604800), (1763604800, 1763172800)])
def test_the_later_of_deadline_and_booked_day_is_promised(channel: douyin.Douyin, deadline: int, booked: int) -> None:
    body = {**ORDER_2, "exp_ship_time": deadline, "appointment_ship_time": booked}
    content = channel.decode("order", json.dumps(body).encode()).content  # type: ignore[union-attr]
    assert content is not None
    assert content.promised_at == 1763604800_000000
