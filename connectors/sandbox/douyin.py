"""The pretend Douyin: token and order calls that refuse what the platform refuses, in the platform's order.

Missing parameter, app key, timestamp, sign, token, business parameter, rate limit; always HTTP 200, always the
platform's envelope. Signing is written here a second time, from the protocol, so that it can disagree with the
connector's.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.sandbox import douyin_order
from connectors.sandbox.ledger import Ledger

Clock = Callable[[], int]
"""Microseconds UTC."""

SECOND = 1_000_000
SKEW_S = 600
TOKEN_S = 7 * 86_400
OLDEST_S = 90 * 86_400
PAGE_SIZE, DEEPEST = 100, 10_000
REQUIRED = ("app_key", "method", "timestamp", "v", "sign")


class Refused(Exception):
    """What the envelope says instead of data."""

    def __init__(self, code: int, sub_code: str, text: str) -> None:
        super().__init__(text)
        self.code, self.sub_code = code, sub_code


class Tokens:
    """One pair at a time: asked again it is the same pair, until it expires or is refreshed away."""

    def __init__(self, clock: Clock, lifetime_s: float) -> None:
        self._clock, self._lifetime = clock, int(lifetime_s * SECOND)
        self._lock = threading.Lock()
        self._access, self._refresh, self._expires_at = "", "", 0
        self._known: set[str] = set()

    def create(self) -> dict[str, Any]:
        with self._lock:
            if self._clock() >= self._expires_at:
                self._renew()
            return self._pair()

    def refresh(self, refresh_token: str) -> dict[str, Any]:
        with self._lock:
            if not refresh_token or refresh_token != self._refresh:
                raise Refused(50001, "dop.token-generate-failed:token-invalid", "refresh_token无效")
            self._renew()
            return self._pair()

    def check(self, access: str) -> None:
        if access == self._access and self._clock() < self._expires_at:
            return
        if access in self._known:
            raise Refused(40003, "isv.access-token-expired", "access_token已过期")
        raise Refused(40003, "isv.access-token-no-existed", "access_token不存在")

    def _renew(self) -> None:
        self._access, self._refresh = secrets.token_hex(16), secrets.token_hex(16)
        self._expires_at = self._clock() + self._lifetime
        self._known.add(self._access)

    def _pair(self) -> dict[str, Any]:
        left = max(0, self._expires_at - self._clock()) // SECOND
        return {"access_token": self._access, "refresh_token": self._refresh, "expires_in": left}


class Douyin:
    """One shop. `clock` says how much of its world has happened; `wall` times signatures and tokens."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        app_key: str,
        secret: str,
        shop_id: str,
        clock: Clock,
        wall: Clock,
        token_lifetime_s: float = TOKEN_S,
        calls_per_s: int = 0,
    ) -> None:
        self.ledger, self.app_key, self.secret, self.shop_id = ledger, app_key, secret, shop_id
        self.tokens = Tokens(wall, token_lifetime_s)
        self._clock, self._wall, self._calls_per_s = clock, wall, calls_per_s
        self._recent: deque[int] = deque()
        self._calls: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "token.create": self._token_create,
            "token.refresh": self._token_refresh,
            "order.searchList": self._search_list,
            "order.orderDetail": self._order_detail,
        }

    def routes(self) -> list[Route]:
        return [Route("/{group}/{call}", self._answer, methods=["POST"])]

    async def _answer(self, request: Request) -> Response:
        method = "{group}.{call}".format(**request.path_params)
        body = (await request.body()).decode("utf-8", "replace")
        envelope = await run_in_threadpool(self._envelope, method, dict(request.query_params), body)
        return Response(json.dumps(envelope, ensure_ascii=False), media_type="application/json")

    def _envelope(self, method: str, query: dict[str, str], body: str) -> dict[str, Any]:
        answer = {"code": 10000, "msg": "success", "sub_code": "", "sub_msg": "", "log_id": secrets.token_hex(10)}
        try:
            self._admit(method, query, body)
            return {**answer, "data": self._calls[method](_object(body))}
        except Refused as refusal:
            told = {"code": refusal.code, "msg": str(refusal), "sub_code": refusal.sub_code, "sub_msg": str(refusal)}
            return {**answer, **told, "data": None}

    def _admit(self, method: str, query: dict[str, str], body: str) -> None:
        missing = [name for name in REQUIRED if not query.get(name)]
        if missing:
            named = {"sign": "isv.signature-missing"}.get(missing[0], "isv.parameter-missing")
            raise Refused(40001, named, f"缺少参数{missing[0]}")
        if query["app_key"] != self.app_key:
            raise Refused(40003, "isv.app-id-invalid", "app_key不存在")
        if query["method"] != method or method not in self._calls:
            raise Refused(40003, "isv.method-invalid", f"method与路径不符或不存在: {method}")
        stamp = query["timestamp"]
        if not stamp.isdecimal() or abs(int(stamp) - self._wall() // SECOND) > SKEW_S:
            raise Refused(40003, "isv.timestamp-invalid", "timestamp与服务器时间相差超过10分钟")
        if not hmac.compare_digest(self._sign(query, body).encode(), query["sign"].encode()):
            raise Refused(40003, "isv.signature-invalid", "签名错误")
        if not method.startswith("token."):
            if not query.get("access_token"):
                raise Refused(40001, "isv.access-token-missing", "缺少access_token")
            self.tokens.check(query["access_token"])
        self._throttle()

    def _sign(self, query: dict[str, str], body: str) -> str:
        stamp, version = query["timestamp"], query["v"]
        inner = f"app_key{query['app_key']}method{query['method']}param_json{body}timestamp{stamp}v{version}"
        text = f"{self.secret}{inner}{self.secret}".encode()
        if query.get("sign_method") == "hmac-sha256":
            return hmac.digest(self.secret.encode(), text, "sha256").hex()
        return hashlib.new("md5", text, usedforsecurity=False).hexdigest()

    def _throttle(self) -> None:
        now = self._wall()
        while self._recent and self._recent[0] <= now - SECOND:
            self._recent.popleft()
        if self._calls_per_s and len(self._recent) >= self._calls_per_s:
            raise Refused(60000, "isv.traffic-limited", "调用过于频繁")
        self._recent.append(now)

    def _token_create(self, params: dict[str, Any]) -> dict[str, Any]:
        if params.get("grant_type") != "authorization_self":
            raise Refused(50001, "dop.token-generate-failed:grant-type-invalid", "grant_type不支持")
        if str(params.get("shop_id")) != self.shop_id:
            raise Refused(50001, "dop.token-generate-failed:no-authorization", "店铺未授权")
        return {**self.tokens.create(), "scope": "SCOPE", "shop_id": int(self.shop_id), "shop_name": self.shop_id}

    def _token_refresh(self, params: dict[str, Any]) -> dict[str, Any]:
        return {**self.tokens.refresh(str(params.get("refresh_token", ""))), "shop_id": int(self.shop_id)}

    def _search_list(self, params: dict[str, Any]) -> dict[str, Any]:
        now = self._clock() // SECOND
        page, size = _whole(params, "page"), _whole(params, "size")
        if not 1 <= size <= PAGE_SIZE:
            raise Refused(40004, "isv.parameter-invalid:4001", f"size超出范围1-{PAGE_SIZE}")
        if page * size > DEEPEST:
            raise Refused(40004, "isv.parameter-invalid:4002", f"page*size不能超过{DEEPEST}")
        by = "create_time" if "create_time_start" in params else "update_time"
        start, end = _whole(params, f"{by}_start"), _whole(params, f"{by}_end")
        if start > end or start < now - OLDEST_S:
            raise Refused(40004, "isv.parameter-invalid:4003", "时间范围错误: 只支持查询近90天的订单")
        listed = self.ledger.created if by == "create_time" else self.ledger.updated
        found = listed(start, end, now)
        found = found if params.get("order_asc") else found[::-1]
        rows = [self._body(position, now) for position in found[page * size : (page + 1) * size]]
        return {"page": page, "size": size, "total": len(found), "shop_order_list": rows}

    def _order_detail(self, params: dict[str, Any]) -> dict[str, Any]:
        known = self.ledger.find(str(params.get("shop_order_id", "")), self._clock() // SECOND)
        if known is None:
            raise Refused(50002, "isv.business-failed:order-not-found", "订单不存在")
        return {"shop_order_detail": douyin_order.body(known, int(self.shop_id))}

    def _body(self, position: int, now: int) -> dict[str, Any]:
        return douyin_order.body(self.ledger.order(position, now), int(self.shop_id))


def _object(body: str) -> dict[str, Any]:
    try:
        params = json.loads(body)
    except ValueError:
        params = None
    if not isinstance(params, dict):
        raise Refused(40003, "isv.parameter-invalid", "param_json不是JSON对象")
    return params


def _whole(params: dict[str, Any], name: str) -> int:
    value = params.get(name)
    if type(value) is not int or value < 0:
        raise Refused(40004, "isv.parameter-invalid:4000", f"{name}缺失或不是整数")
    return value
