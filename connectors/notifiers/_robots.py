"""Group robots of WeCom, DingTalk, Feishu and Lark, asked by ourselves.

What they refuse (too many messages in a minute, a wrong sign, a word that is missing) they refuse with HTTP 200 and
say so in the body, which Apprise does not read; and it writes DingTalk's sign so that the robot reads another one.
Apprise still reads their addresses.
"""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import Callable, Mapping
from typing import Any

import apprise
import httpx
import msgspec
from apprise.plugins.dingtalk import NotifyDingTalk
from apprise.plugins.feishu import NotifyFeishu
from apprise.plugins.lark import NotifyLark
from apprise.plugins.wecombot import NotifyWeComBot

from connectors._kit import http
from orderhub_core.effects import Notify
from orderhub_core.errors import OrderHubError


class Answer(msgspec.Struct):
    """As WeCom and DingTalk say it, as Feishu and Lark do, and as those did before."""

    errcode: int | None = None
    code: int | None = None
    status: int | None = msgspec.field(name="StatusCode", default=None)

    @property
    def took(self) -> bool:
        said = {self.errcode, self.code, self.status} - {None}
        return said == {0}


WECOM_MOST = 2_048
"""Bytes of a text; a longer one is refused."""
ANSWER = msgspec.json.Decoder(Answer)
Letter = tuple[str, Mapping[str, str], Mapping[str, Any]]
"""Where it goes, the query that is added, and the body."""


def _dingtalk(service: Any, text: str) -> Letter:
    stamp = str(round(time.time() * 1_000))
    signed = {"timestamp": stamp, "sign": sign(service.secret, stamp)} if service.secret else {}
    body = {"msgtype": "text", "text": {"content": text}, "at": {"atMobiles": service.targets, "isAtAll": False}}
    return service.notify_url.format(token=service.token), signed, body


def _wecom(service: Any, text: str) -> Letter:
    whole = text.encode()
    if len(whole) > WECOM_MOST:
        text = whole[: WECOM_MOST - len("…".encode())].decode(errors="ignore") + "…"
    return service.api_url, {}, {"msgtype": "text", "text": {"content": text}}


def _feishu(service: Any, text: str) -> Letter:
    return service.notify_url.format(token=service.token), {}, {"msg_type": "text", "content": {"text": text}}


def _lark(service: Any, text: str) -> Letter:
    return service.webhook_url, {}, {"msg_type": "text", "content": {"text": text}}


LETTERS: dict[type[apprise.NotifyBase], Callable[[Any, str], Letter]] = {
    NotifyDingTalk: _dingtalk,
    NotifyFeishu: _feishu,
    NotifyLark: _lark,
    NotifyWeComBot: _wecom,
}


def sign(secret: str, stamp: str) -> str:
    """Of DingTalk, as base64; whoever sends it in a query writes that for a query, once."""
    return base64.b64encode(hmac.digest(secret.encode(), f"{stamp}\n{secret}".encode(), "sha256")).decode()


def asked(service: apprise.NotifyBase, who: str, timeout_s: float) -> Callable[[Notify], bool] | None:
    """How a robot is told, and whether it took that; None of a service that is none."""
    if (write := LETTERS.get(type(service))) is None:
        return None
    link = http.client(write(service, "")[0], timeout_s, who)

    def tell(effect: Notify) -> bool:
        address, query, body = write(service, f"{effect.title}\n{effect.text}")
        request = link.build_request("POST", httpx.URL(address).copy_merge_params(query), json=body)
        try:
            return ANSWER.decode(http.ask(link, request, who).content).took
        except (OrderHubError, msgspec.DecodeError, UnicodeDecodeError):  # whose text may hold the robot's key
            return False

    return tell
