"""Calls to Douyin's open platform: signed, with a token that renews itself, failures typed by what to do next."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from connectors._kit import http
from connectors._kit.echo import refusal, sentence
from orderhub_core.errors import BadCredentials, OrderHubError, RefusedByTarget, Throttled, Unreachable
from orderhub_core.settings import Endpoint

URL = "https://openapi-fxg.jinritemai.com"
SUCCESS = 10000
ReadT = TypeVar("ReadT")
SIGNED = ("app_key", "method", "param_json", "timestamp", "v")

FAILURES: dict[int, type[OrderHubError]] = {
    20000: Unreachable,
    20001: Unreachable,
    70000: Unreachable,
    60000: Throttled,
    30001: BadCredentials,
    30002: BadCredentials,
    50001: BadCredentials,
}
"""Codes whose meaning is clear without the sub code. The rest, unknown ones included, were understood and refused."""

STALE = ("isv.access-token-expired", "isv.access-token-invalid", "isv.access-token-no-existed")
SIGN_IN = ("isv.signature-invalid", "isv.app-id-invalid", "isv.timestamp-invalid", *STALE)
"""As whom, or when, we say to ask. Nothing was done; once that is mended (our clock, perhaps) it may be asked again."""


def compact(params: object) -> str:
    """JSON as the platform signs it: keys sorted at every depth, no spaces, `<`, `>` and `&` left alone."""
    return json.dumps(params, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sign(params: Mapping[str, object], secret: str) -> str:
    """The hmac-sha256 request signature: `secret + key value ... + secret` over the five signed keys, in this order.

    `param_json` is signed as the very text that is sent; an object is written by `compact` first. The access
    token and the method of signing are not signed.
    """
    values: dict[str, object] = {"v": "2", **params}
    if not isinstance(values["param_json"], str):
        values["param_json"] = compact(values["param_json"])
    text = secret + "".join(f"{key}{values[key]}" for key in SIGNED) + secret
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


class Answer(msgspec.Struct):
    code: int
    msg: str = ""
    sub_code: str = ""
    sub_msg: str = ""
    log_id: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


class Token(msgspec.Struct):
    access_token: str


ANSWER, TOKEN = msgspec.json.Decoder(Answer), msgspec.json.Decoder(Token)


class Api:
    """One shop's line to the platform. Threads may share it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._shop, self._app_key, self._secret = endpoint.id, endpoint.app_key, endpoint.secret()
        self._shop_id = endpoint.options.get("shop_id", "")
        headers = {"content-type": "application/json", "from": "sdk", "x-open-no-old-err-code": "1"}
        self._link = http.client(endpoint.url or URL, endpoint.timeout_s, endpoint.id, headers)
        self._lock = threading.Lock()
        self._token = ""

    def call(self, path: str, params: Mapping[str, object]) -> bytes:
        """The answer's `data`, unread. Raises Later or NeedsPerson, with the platform's log_id in the text."""
        token = self._valid_token(stale="")
        answer = self._post(path, params, token)
        if answer.sub_code in STALE:
            answer = self._post(path, params, self._valid_token(stale=token))
        return self._data(path, answer)

    def clock(self) -> int | None:
        """What the platform's clock showed in its last answer."""
        return self._link.clock

    def _valid_token(self, *, stale: str) -> str:
        """The cached token. `stale` is the one just refused: only the first thread to come back with it renews."""
        with self._lock:
            if self._token in ("", stale):
                self._token = self._create_token()
            return self._token

    def _create_token(self) -> str:
        if not self._shop_id:
            raise BadCredentials(
                "{shop}: set options.shop_id to the shop's number on Douyin; no token without it", shop=self._shop
            )
        grant = {"code": "", "grant_type": "authorization_self", "shop_id": self._shop_id}
        data = self._data("/token/create", self._post("/token/create", grant, ""))
        return self._read(TOKEN, data, "/token/create").access_token

    def _post(self, path: str, params: Mapping[str, object], token: str) -> Answer:
        body = compact(params)
        query = {
            "app_key": self._app_key,
            "method": path.strip("/").replace("/", "."),
            "timestamp": str(int(time.time())),
            "v": "2",
        }
        query |= {"sign": sign({**query, "param_json": body}, self._secret), "sign_method": "hmac-sha256"}
        if token:
            query["access_token"] = token
        request = self._link.build_request("POST", path, params=query, content=body.encode())
        response = http.ask(self._link, request, self._shop)
        return self._read(ANSWER, response.content, path)

    def _data(self, path: str, answer: Answer) -> bytes:
        if answer.code == SUCCESS:
            return bytes(answer.data)
        default = BadCredentials if answer.sub_code in SIGN_IN else RefusedByTarget
        failure = FAILURES.get(answer.code, default)
        # This text is kept with the effect and logged, and nobody promises that theirs repeats nothing of the order.
        raise failure(
            f"{self._shop}: Douyin refused {path}: {sentence(answer.sub_msg or answer.msg)} "
            f"(code {answer.code}, {answer.sub_code or 'no sub code'}, log_id {answer.log_id or 'none'})"
        )

    def _read(self, decoder: msgspec.json.Decoder[ReadT], content: bytes, path: str) -> ReadT:
        try:
            return decoder.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unreachable(
                "{shop}: {url}{path} did not answer as Douyin does ({why})",
                shop=self._shop,
                url=self._link.base_url,
                path=path,
                why=refusal(error),
            ) from None
