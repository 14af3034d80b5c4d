"""Douyin's edge: the request signature, the proof of a push, and the answer to it."""

from __future__ import annotations

import hashlib
import hmac
import json
from functools import lru_cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.channels.douyin import MOST_PUSHES, Douyin, connect, sign
from orderhub_core.errors import BadSignature, Busy, Stop, TooLarge, Unreadable, UserMistake
from orderhub_core.settings import Endpoint

SECRET = "2ad2355c-01d0-11f8-91dc-05a8cd1054b1"
APP_KEY = "3409409348479354011"
REQUEST = {
    "app_key": APP_KEY,
    "method": "product.getGoodsCategory",
    "param_json": '{"cid":"12","page":"1"}',
    "timestamp": "2020-09-15 14:48:13",
    "v": "2",
    "sign_method": "hmac-sha256",
}
SIGNED = "7bb73a7e14f593bbac6615fc5c30bf6ccc348c060e80e9a2edd96744a1fb8312"
PUSH = (
    b'[{"tag":"101","msg_id":"69389225441002304180:101:1:1630373504:6938922544100","data":"{\\"p_id\\":'
    b'4837328765348566675,\\"s_ids\\":[4837328765348566675],\\"shop_id\\":77977,\\"order_status\\":2,\\"order_type\\":0,'
    b'\\"pay_time\\":1630373504,\\"pay_type\\":1,\\"pay_amount\\":1990,\\"biz\\":2}"}]'
)
MD5 = {"app-id": APP_KEY, "event-sign": "7a045ce378a5a92ddab94a715714d622"}
HMAC = {
    "app-id": APP_KEY,
    "event-sign": "5afe6220c53b5bec174c6b1675e9738d3229190bfeab0904945e972685f32322",
    "sign-method": "hmac-sha256",
}


@lru_cache
def vector_shop() -> Douyin:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VECTOR_SECRET", SECRET)
        return connect(Endpoint(id="shop", connector="douyin", app_key=APP_KEY, secret_env="VECTOR_SECRET"))


@pytest.fixture
def channel() -> Douyin:
    return vector_shop()


def proven(body: bytes) -> dict[str, str]:
    text = APP_KEY.encode() + body + SECRET.encode()
    return {**HMAC, "event-sign": hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()}


def test_the_known_request_is_signed_as_known() -> None:
    assert sign(REQUEST, SECRET) == SIGNED


def test_an_object_is_signed_as_its_sorted_compact_text() -> None:
    assert sign({**REQUEST, "param_json": {"page": "1", "cid": "12"}}, SECRET) == SIGNED


def test_the_version_defaults_to_two_and_unsigned_fields_do_not_matter() -> None:
    bare = {key: value for key, value in REQUEST.items() if key not in ("v", "sign_method")}
    assert sign({**bare, "access_token": "t"}, SECRET) == SIGNED


@pytest.mark.parametrize("field", ["app_key", "method", "param_json", "timestamp", "v"])
def test_each_signed_field_matters(field: str) -> None:
    assert sign({**REQUEST, field: "other"}, SECRET) != SIGNED


@pytest.mark.parametrize("headers", [MD5, HMAC, {**MD5, "sign-method": "MD5"}])
def test_a_proven_push_is_split(channel: Douyin, headers: dict[str, str]) -> None:
    (message,) = channel.unpack(headers, PUSH)
    assert (message.source, message.kind) == ("shop", "push")
    assert message.message_id == "69389225441002304180:101:1:1630373504:6938922544100"
    assert b"[" + message.body + b"]" == PUSH
    assert channel.decode(message.kind, message.body).order_no == "4837328765348566675"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"app-id": APP_KEY},
        {**MD5, "app-id": "another-app"},
        {**MD5, "event-sign": ""},
        {**MD5, "event-sign": HMAC["event-sign"]},
        {**HMAC, "event-sign": MD5["event-sign"]},
        {**HMAC, "event-sign": "é" * 64},
    ],
)
def test_an_unproven_push_is_refused(channel: Douyin, headers: dict[str, str]) -> None:
    with pytest.raises(BadSignature, match="shop"):
        channel.unpack(headers, PUSH)


@given(st.integers(0, len(PUSH) - 1), st.integers(1, 255))
def test_no_byte_can_be_changed(position: int, flip: int) -> None:
    body = bytearray(PUSH)
    body[position] ^= flip
    with pytest.raises(BadSignature):
        vector_shop().unpack(HMAC, bytes(body))


def test_every_item_but_the_consoles_test_is_a_message_of_its_own(channel: Douyin) -> None:
    items = [
        {"tag": "0", "msg_id": "0", "data": ""},
        {"tag": "100", "msg_id": "a", "data": "{}"},
        {"tag": 101, "msg_id": 12, "data": "{}"},
        {"no": "head"},
        7,
        {"tag": "228", "msg_id": "b", "data": "{}"},
        {"tag": "400", "msg_id": "c", "data": "{}"},
        {"tag": 417, "msg_id": "d", "data": "{}"},
        {"tag": "0", "msg_id": "e", "data": ""},
    ]
    body = json.dumps(items).encode()
    messages = channel.unpack(proven(body), body)
    assert [message.message_id.partition(":")[0] for message in messages] == [
        "a",
        "12",
        "unreadable",
        "unreadable",
        "b",
        "c",
        "d",
        "e",
    ]
    assert len({message.message_id for message in messages}) == 8
    assert [json.loads(message.body) for message in messages] == items[1:]


@pytest.mark.parametrize("body", [b"", b"{}", b"[1,", b"\xff\xfe", b"[" * 100_000])
def test_a_proven_body_nobody_can_split_is_kept_whole(channel: Douyin, body: bytes) -> None:
    (message,) = channel.unpack(proven(body), body)
    assert message.body == body
    assert message.message_id.startswith("unreadable:")
    assert channel.unpack(proven(body), body) == [message]
    with pytest.raises(Unreadable):
        channel.decode(message.kind, message.body)


def test_the_platform_is_answered_in_its_own_words(channel: Douyin) -> None:
    assert channel.answer(None) == (200, b'{"code":0,"msg":"success"}')
    statuses = [channel.answer(failure)[0] for failure in (BadSignature("x"), TooLarge("x"), Busy("x"), Stop("x"))]
    assert statuses == [401, 413, 503, 503]
    assert all(json.loads(channel.answer(failure)[1])["code"] for failure in (BadSignature("x"), Busy("x")))


def test_more_pushes_than_one_delivery_may_have_are_refused(channel: Douyin) -> None:
    """Two bytes each: a million of them would be no large body."""

    def sent(count: int) -> bytes:
        return b"[" + b",".join([b"7"] * count) + b"]"

    assert len(channel.unpack(proven(sent(MOST_PUSHES)), sent(MOST_PUSHES))) == MOST_PUSHES
    over = sent(MOST_PUSHES + 1)
    with pytest.raises(TooLarge, match="shop: 10001 pushes") as refusal:
        channel.unpack(proven(over), over)
    status, body = channel.answer(refusal.value)
    assert (status, json.loads(body)["code"]) == (413, 40042)


def test_a_shop_without_key_or_secret_says_what_to_set() -> None:
    with pytest.raises(UserMistake, match=r"shop: .*app_key and secret_env"):
        connect(Endpoint(id="shop", connector="douyin", secret_env="TEST_SHOP_SECRET"))
    with pytest.raises(UserMistake, match="NOT_THERE"):
        connect(Endpoint(id="shop", connector="douyin", app_key="k", secret_env="NOT_THERE"))
