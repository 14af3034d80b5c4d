"""Webhooks: prove the sender, write the messages down, then answer. A raw ASGI app, because here the framework is
the cost. The body is not parsed beyond what the platform's connector needs to split it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from starlette.types import Receive, Scope, Send

from orderhub_core.errors import BadSignature, Later, OrderHubError, TooLarge, UserMistake
from orderhub_core.hub import Hub
from orderhub_core.ports import Channel

PREFIX = "/hooks/"
Answer = tuple[int, bytes, list[tuple[bytes, bytes]]]


def hooks(hub: Hub) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """`POST /hooks/{shop}` for every shop of the settings."""
    most = hub.settings.limits.body_bytes

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        status, body, more = await _answer(hub, scope, receive, most)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *more]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


async def _answer(hub: Hub, scope: Scope, receive: Receive, most: int) -> Answer:
    shop = scope["path"].removeprefix(PREFIX).strip("/")
    if scope["method"] != "POST":
        return 405, b'{"message":"POST deliveries here"}', [(b"allow", b"POST")]
    try:
        channel = hub.channel(shop)
    except UserMistake:
        return 404, b'{"message":"no such shop"}', []
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    try:
        body = await _body(headers, receive, most)
        messages = channel.unpack(headers, body)
        if messages:
            await asyncio.wrap_future(hub.receiver.submit(messages))
    except BadSignature as failure:
        await asyncio.to_thread(hub.store.count, shop, "bad_signature")
        return _refusal(channel, failure, [])
    except TooLarge as failure:
        return _refusal(channel, failure, [(b"connection", b"close")])
    except Later as failure:
        return _refusal(channel, failure, [(b"retry-after", str(round(failure.after_s or 1)).encode())])
    return (*channel.answer(None), [])


def _refusal(channel: Channel, failure: OrderHubError, more: list[tuple[bytes, bytes]]) -> Answer:
    return (*channel.answer(failure), more)


async def _body(headers: dict[str, str], receive: Receive, most: int) -> bytes:
    """Raises TooLarge as soon as it is known, without reading on."""
    if int(headers.get("content-length") or 0) > most:
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
