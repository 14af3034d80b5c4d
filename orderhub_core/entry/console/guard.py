"""Who may ask for what. Pure ASGI, because middleware made for requests never sees a websocket."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Collection
from contextlib import ExitStack
from urllib.parse import urlsplit

from itsdangerous import BadSignature, Signer
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orderhub_core.entry.console.headers import cookie, own_name
from orderhub_core.entry.console.owners import Owners
from orderhub_core.entry.console.refusal import refuse

SAFE = {"GET", "HEAD"}
SESSION_TTL_S = 120
"""How long marimo keeps a session that nobody is connected to."""

OPEN_PATHS = {"/", "/ws", "/sse", "/health", "/favicon.ico", "/public-files-sw.js"} | {
    f"/api/kernel/{verb}" for verb in ("set_ui_element_value", "set_model_value", "function_call")
}
OPEN_PREFIXES = ("/@file/", "/public/")
"""All that a page in run mode asks of marimo. Its other endpoints list sessions, paths and connections."""


class Border:
    """Refuses hosts that are not ours (DNS rebinding) and foreign origins (cross-site requests and websockets)."""

    def __init__(self, app: ASGIApp, *, origins: Collection[str]) -> None:
        self.app, self.origins = app, frozenset(origins)
        self.hosts = {urlsplit(origin).netloc for origin in origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = HTTPConnection(scope).headers
        if headers.getlist("host") != [headers.get("host")] or headers["host"] not in self.hosts:
            await refuse(scope, receive, send, 421, "This address is not one that this console answers to.")
        elif self._foreign(scope, headers.get("origin"), headers.get("sec-fetch-site")):
            await refuse(scope, receive, send, 403, "Another site sent this request; it was refused.")
        else:
            await self.app(scope, receive, send)

    def _foreign(self, scope: Scope, origin: str | None, site: str | None) -> bool:
        if scope["type"] == "websocket":
            return origin not in self.origins
        if scope["method"] in SAFE:
            return False
        return site == "cross-site" if origin is None else origin not in self.origins


class Guard:
    """Gives each visitor a signed random name and lets no one near another visitor's session."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        apps: Collection[str],
        origins: Collection[str],
        secret: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.app, self.apps, self.origins = app, tuple(apps), frozenset(origins)
        self.signer = Signer(secret, salt="orderhub.visitor", digest_method=hashlib.sha256)
        self.cookie = own_name("orderhub_visitor", secret)
        self.owners = Owners(keep_s=2 * SESSION_TTL_S, clock=clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        app = next((app for app in self.apps if scope["path"] == app or scope["path"].startswith(f"{app}/")), None)
        visitor = self._visitor(connection)
        if app is None:
            await self._pass(scope, receive, send, visitor)
        elif scope["path"] == app:
            await self._with_slash(scope, receive, send)
        elif not self._open(scope["path"].removeprefix(app)):
            await refuse(scope, receive, send, 404, "There is nothing here.")
        else:
            await self._enter(scope, receive, send, visitor, app)

    async def _enter(self, scope: Scope, receive: Receive, send: Send, visitor: str | None, app: str) -> None:
        """Into a marimo app: as oneself, and with every session that is named being one's own."""
        connection = HTTPConnection(scope)
        named = {*connection.query_params.getlist("session_id"), *connection.headers.getlist("marimo-session-id")}
        if "marimo-stable-session-id" in connection.headers or (named and visitor is None):
            await refuse(scope, receive, send, 403, "This session belongs to someone else.")
            return
        with ExitStack() as held:
            for session in named:
                try:
                    own = self.owners.claim((app, session), visitor or "")
                except OverflowError:
                    await refuse(scope, receive, send, 503, "Too many pages are open; try again in a few minutes.")
                    return
                if not own:
                    await refuse(scope, receive, send, 403, "This session belongs to someone else.")
                    return
                held.enter_context(self.owners.use((app, session)))
            await self._pass(scope, receive, send, visitor)

    async def _pass(self, scope: Scope, receive: Receive, send: Send, visitor: str | None) -> None:
        if visitor is not None or scope["type"] == "websocket":
            await self.app(scope, receive, send)
            return
        secure = f"https://{HTTPConnection(scope).headers.get('host')}" in self.origins
        fresh = cookie(self.cookie, self.signer.sign(secrets.token_urlsafe(16)).decode(), secure=secure)

        async def with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("Set-Cookie", fresh)
            await send(message)

        await self.app(scope, receive, with_cookie)

    async def _with_slash(self, scope: Scope, receive: Receive, send: Send) -> None:
        # marimo's own redirect is relative to the wrong folder, permanent, and loses the query.
        query = scope["query_string"].decode("latin-1")
        await RedirectResponse(f"{scope['path']}/" + (f"?{query}" if query else ""), 307)(scope, receive, send)

    def _visitor(self, connection: HTTPConnection) -> str | None:
        try:
            return self.signer.unsign(connection.cookies.get(self.cookie, "")).decode()
        except BadSignature:
            return None

    @staticmethod
    def _open(path: str) -> bool:
        return path in OPEN_PATHS or path.startswith(OPEN_PREFIXES)
