"""Saying no over either protocol, in the visitor's language."""

from __future__ import annotations

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from orderhub_core import i18n

LANGUAGE_COOKIE = "orderhub_lang"
WS_REFUSED = 4403


def language(connection: HTTPConnection) -> str:
    """What the visitor reads, from the address, the cookie of the last choice, or the browser."""
    return i18n.choose(
        connection.query_params.get("lang"),
        connection.cookies.get(LANGUAGE_COOKIE),
        connection.headers.get("accept-language"),
    )


async def refuse(scope: Scope, receive: Receive, send: Send, status: int, sentence: str) -> None:
    """End the request with a status and a sentence; end a handshake before it is accepted."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": WS_REFUSED})
        return
    text = i18n.translator(language(HTTPConnection(scope)))(sentence)
    await PlainTextResponse(text, status, {"Cache-Control": "no-store"})(scope, receive, send)
