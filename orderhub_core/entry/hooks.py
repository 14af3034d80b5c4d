"""Webhooks: prove the sender, write the messages down, then answer. A raw ASGI app, because here the framework is
the cost. The body is not parsed beyond what the platform's connector needs to split it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from starlette.types import Receive, Scope, Send

from orderhub_core.errors import BadSignature, Later, OrderHubError, TooLarge, UserMistake
from orderhub_core.hub import Hub
from orderhub_core.ports import Channel

log = structlog.get_logger()

PREFIX = "/hooks/"
Answer = tuple[int, bytes, list[tuple[bytes, bytes]]]


def hooks(hub: Hub) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """`POST /hooks/{shop}` for every shop of the settings."""
    closed: set[str] = set()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        status, body, more = await _answer(hub, scope, receive, closed)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *more]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


async def _answer(hub: Hub, scope: Scope, receive: Receive, closed: set[str]) -> Answer:
    shop = scope["path"].removeprefix(PREFIX).strip("/")
    if scope["method"] != "POST":
        return 405, b'{"message":"POST deliveries here"}', [(b"allow", b"POST")]
    if hub.settings.shop(shop) is None:
        return 404, b'{"message":"no such shop"}', []
    channel = _channel(hub, shop, closed)
    if channel is None:
        return 503, b'{"message":"this shop is not ready; come back later"}', [(b"retry-after", b"60")]
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    if not (length := headers.get("content-length", "0")).isdecimal():
        return 400, b'{"message":"content-length is not a number"}', [(b"connection", b"close")]
    try:
        return await _take(hub, channel, headers, await _body(length, receive, hub.settings.limits.body_bytes))
    except BadSignature as failure:
        hub.receiver.turn_away(shop, "bad_signature")
        return _refusal(channel, failure, [])
    except TooLarge as failure:
        return _refusal(channel, failure, [(b"connection", b"close")])
    except Later as failure:
        return _refusal(channel, failure, [(b"retry-after", str(round(failure.after_s or 1)).encode())])
    except OrderHubError as failure:
        log.error("webhook refused", shop=shop, reason=str(failure))
        return _refusal(channel, failure, [])
    except Exception as bug:  # noqa: BLE001 — the server would log its text, which may hold a person's data
        log.error("internal", shop=shop, kind=type(bug).__name__)
        return _refusal(channel, Later("internal error"), [])


def _channel(hub: Hub, shop: str, closed: set[str]) -> Channel | None:
    """None while the shop's settings are not complete: the operator is told once, the platform comes back."""
    try:
        channel = hub.channel(shop)
    except UserMistake as mistake:
        if shop not in closed:
            closed.add(shop)
            log.error("a shop takes no webhooks", shop=shop, reason=str(mistake))
        return None
    closed.discard(shop)
    return channel


async def _take(hub: Hub, channel: Channel, headers: dict[str, str], body: bytes) -> Answer:
    messages = channel.unpack(headers, body)
    if messages:
        await hub.receiver.deliver(messages)
    return (*channel.answer(None), [])


def _refusal(channel: Channel, failure: OrderHubError, more: list[tuple[bytes, bytes]]) -> Answer:
    return (*channel.answer(failure), more)


async def _body(length: str, receive: Receive, most: int) -> bytes:
    """Raises TooLarge as soon as it is known, without reading on."""
    if len(length) > len(str(most)) + 20 or int(length) > most:
        raise TooLarge(f"the body is over {most} bytes")
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Later("the sender went away")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise TooLarge(f"the body is over {most} bytes")
        if not message.get("more_body"):
            return b"".join(parts)
