"""The pretend Douyin refuses what the platform refuses, in the platform's order. Requests are signed here by hand."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pretend import APP_KEY, DAY, SECRETS, SHOP_ID, Sandbox, Wire

from connectors.sandbox.server import SECOND, wall

Start = Callable[..., Sandbox]
SECRET = SECRETS["TEST_SHOP_SECRET"]


class Caller:
    """Signs as the protocol says, and lets a test spoil any field."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.url = f"{sandbox.url}/douyin/douyin-main"
        self.token = ""

    def __call__(
        self, method: str, params: Any, *, without: str = "", md5: bool = False, **spoilt: str
    ) -> dict[str, Any]:
        body = params if isinstance(params, str) else json.dumps(params)
        query = {"app_key": APP_KEY, "method": method, "timestamp": str(int(time.time())), "v": "2"}
        query = {**query, "access_token": self.token, "sign_method": "" if md5 else "hmac-sha256", **spoilt}
        inner = "".join(f"{key}{query[key]}" for key in ("app_key", "method"))
        text = f"{SECRET}{inner}param_json{body}timestamp{query['timestamp']}v{query['v']}{SECRET}".encode()
        query["sign"] = hashlib.md5(text).hexdigest() if md5 else hmac.new(SECRET.encode(), text, "sha256").hexdigest()
        query = {key: value for key, value in {**query, **spoilt}.items() if value and key != without}
        response = httpx.post(f"{self.url}/{method.replace('.', '/')}", params=query, content=body.encode())
        assert response.status_code == 200
        envelope: dict[str, Any] = response.json()
        return envelope

    def grant(self) -> dict[str, Any]:
        data: dict[str, Any] = self("token.create", {"grant_type": "authorization_self", "shop_id": SHOP_ID})["data"]
        self.token = data["access_token"]
        return data


@pytest.fixture
def call(sandbox: Sandbox) -> Caller:
    caller = Caller(sandbox)
    caller.grant()
    return caller


def search(end: int, **changes: Any) -> dict[str, Any]:
    window = {"update_time_start": end // SECOND - 86_400, "update_time_end": end // SECOND}
    return {"page": 0, "size": 10, **window, "order_asc": True, **changes}


def test_both_ways_of_signing_are_known(call: Caller, end: int) -> None:
    assert call("order.searchList", search(end))["code"] == 10000
    assert call("order.searchList", search(end), md5=True)["code"] == 10000


@pytest.mark.parametrize(
    ("spoilt", "sub_code"),
    [
        ({"without": "timestamp", "app_key": "9", "sign": "x"}, "isv.parameter-missing"),
        ({"without": "sign", "app_key": "9"}, "isv.signature-missing"),
        ({"app_key": "9", "timestamp": "1", "sign": "x"}, "isv.app-id-invalid"),
        ({"timestamp": "1", "sign": "x", "access_token": "x"}, "isv.timestamp-invalid"),
        ({"sign": "x", "access_token": "x"}, "isv.signature-invalid"),
        ({"access_token": "x"}, "isv.access-token-no-existed"),
        ({"without": "access_token"}, "isv.access-token-missing"),
    ],
)
def test_the_first_fault_in_the_platforms_order_is_told(call: Caller, spoilt: dict[str, Any], sub_code: str) -> None:
    envelope = call("order.searchList", {"size": 0}, **spoilt)
    assert (envelope["sub_code"], envelope["data"]) == (sub_code, None)
    assert envelope["log_id"]


@pytest.mark.parametrize(
    "change",
    [{"size": 101}, {"size": 0}, {"page": -1}, {"page": "0"}, {"page": 200, "size": 100}, {"update_time_start": 1}],
)
def test_a_limit_is_an_error_not_a_truncation(call: Caller, end: int, change: dict[str, Any]) -> None:
    assert call("order.searchList", search(end, **change))["code"] == 40004


def test_params_that_are_no_object_are_refused(call: Caller) -> None:
    assert call("order.searchList", "[1]")["sub_code"] == "isv.parameter-invalid"


def test_asked_again_the_token_is_the_same_until_it_expires(start: Start) -> None:
    time_now = Wire(wall())
    call = Caller(start(time_now=time_now, token_lifetime_s=100))
    first = call.grant()
    assert call.grant()["access_token"] == first["access_token"]
    time_now.now += 101 * SECOND
    assert call("order.orderDetail", {})["sub_code"] == "isv.access-token-expired"
    assert call.grant()["access_token"] != first["access_token"]


def test_a_refreshed_token_kills_the_one_before(call: Caller) -> None:
    old = call.grant()
    refresh = {"grant_type": "refresh_token", "refresh_token": old["refresh_token"]}
    new = call("token.refresh", refresh)["data"]
    assert call("token.refresh", refresh)["code"] == 50001
    assert call("order.orderDetail", {})["sub_code"] == "isv.access-token-expired"
    call.token = new["access_token"]
    assert call("order.orderDetail", {})["code"] == 50002


def test_the_future_is_not_shown(start: Start, end: int) -> None:
    clock = Wire(end - 5 * DAY)
    call = Caller(start(clock=clock))
    call.grant()
    window = {"update_time_start": end // SECOND - 20 * 86_400, "update_time_end": end // SECOND, "size": 100}
    rows = call("order.searchList", search(end, **window))["data"]["shop_order_list"]
    assert rows
    now = clock.now // SECOND
    assert all(row[field] <= now for row in rows for field in ("create_time", "pay_time", "ship_time", "update_time"))


def test_nobody_is_shown_in_the_clear(call: Caller, end: int, world: Any) -> None:
    rows = call("order.searchList", search(end, size=50))["data"]["shop_order_list"]
    text = json.dumps(rows, ensure_ascii=False)
    shown = {row["order_id"] for row in rows}
    for person in world.persons.filter(world.persons["order_no"].is_in(shown)).to_dicts():
        assert not any(person[field] in text for field in ("name", "phone", "address"))
