"""The access token, where one is set: asked for once, then remembered by a signed cookie."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection
from urllib.parse import parse_qsl, urlencode

from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from orderhub_core.entry.console import pages
from orderhub_core.entry.console.headers import cookie, own_name
from orderhub_core.entry.console.refusal import language, refuse

LOGIN = "/login"
FORM_BYTES = 4_096


class Gate:
    """Lets in whoever shows the token, in the address (`?token=`) or in the form; to all others it shows the form."""

    def __init__(self, app: ASGIApp, *, token: str, secret: str, origins: Collection[str]) -> None:
        self.app, self.token, self.origins = app, token.encode(), frozenset(origins)
        # Proves that the token was shown without holding it; another token or secret makes it void.
        self.proof = hmac.new(secret.encode(), b"orderhub.gate:" + self.token, hashlib.sha256).hexdigest()
        self.cookie = own_name("orderhub_pass", secret)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        if scope["type"] == "http" and scope["path"] == LOGIN and scope["method"] == "POST":
            answer = await self._signed_in(Request(scope, receive))
        elif scope["type"] == "http" and self._is_token(connection.query_params.get("token", "")):
            answer = self._let_in(connection, without_token(scope))
        elif self._was_here(connection):
            await self.app(scope, receive, send)
            return
        elif scope["type"] == "websocket" or "text/html" not in connection.headers.get("accept", ""):
            await refuse(scope, receive, send, 401, "Open this console with its access token first.")
            return
        else:
            answer = self._form(connection, without_token(scope), wrong="token" in connection.query_params)
        await answer(scope, receive, send)

    async def _signed_in(self, request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > FORM_BYTES:
                break
        fields = dict(parse_qsl(body[:FORM_BYTES].decode("utf-8", "replace")))
        after = same_site(fields.get("next", "/"))
        if self._is_token(fields.get("token", "")):
            return self._let_in(request, after)
        return self._form(request, after, wrong=True)

    def _form(self, connection: HTTPConnection, after: str, *, wrong: bool) -> Response:
        return HTMLResponse(pages.login(language(connection), after=after, wrong=wrong), 401)

    def _let_in(self, connection: HTTPConnection, after: str) -> Response:
        secure = f"https://{connection.headers.get('host')}" in self.origins
        answer = RedirectResponse(after, 303, {"Cache-Control": "no-store"})
        answer.headers.append("Set-Cookie", cookie(self.cookie, self.proof, secure=secure))
        return answer

    def _is_token(self, shown: str) -> bool:
        return hmac.compare_digest(shown.encode(), self.token)

    def _was_here(self, connection: HTTPConnection) -> bool:
        shown = connection.cookies.get(self.cookie, "")
        return hmac.compare_digest(shown.encode(), self.proof.encode())


def same_site(path: str) -> str:
    """A path on this site: `//elsewhere` and `/\\elsewhere` would leave it."""
    return "/" + path.replace("\\", "/").lstrip("/") if path.isprintable() else "/"


def without_token(scope: Scope) -> str:
    """The address that was asked for, as a path on this site, without its token."""
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    rest = urlencode([(name, value) for name, value in query if name != "token"])
    return same_site(scope["path"]) + (f"?{rest}" if rest else "")
