"""The headers that every answer of the console carries."""

from __future__ import annotations

import hashlib

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orderhub_core.entry.console.refusal import LANGUAGE_COOKIE, language

YEAR_S = 365 * 24 * 3600

POLICY = {
    "default-src": "'self'",
    # marimo starts from inline scripts, and Vega compiles every chart's expressions with Function().
    "script-src": "'self' 'unsafe-inline' 'unsafe-eval'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "connect-src": "'self' data: blob:",
    "worker-src": "'self' blob:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'self'",
}
CONTENT_SECURITY_POLICY = "; ".join(f"{name} {value}" for name, value in POLICY.items())

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def cookie(name: str, value: str, *, secure: bool, hidden: bool = True, age_s: int = YEAR_S) -> str:
    """A Set-Cookie value. `hidden` keeps it from scripts, `secure` from plain HTTP."""
    flags = ("; HttpOnly" if hidden else "") + ("; Secure" if secure else "")
    return f"{name}={value}; Path=/; Max-Age={age_s}; SameSite=Lax{flags}"


def own_name(cookie: str, secret: str) -> str:
    """The cookie's name for this console: cookies do not tell ports apart, and one machine may run two consoles."""
    return f"{cookie}_{hashlib.sha256(secret.encode()).hexdigest()[:8]}"


class Headers:
    """Adds them; takes away marimo's cross-origin permission; remembers the language of pages."""

    def __init__(self, app: ASGIApp, *, origins: frozenset[str]) -> None:
        self.app, self.origins = app, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        connection = HTTPConnection(scope)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._dress(connection, MutableHeaders(scope=message))
            await send(message)

        await self.app(scope, receive, with_headers)

    def _dress(self, connection: HTTPConnection, headers: MutableHeaders) -> None:
        for name in [name for name in headers if name.startswith("access-control-")]:
            del headers[name]
        headers.update(ALWAYS)
        if not headers.get("content-type", "").startswith("text/html"):
            return
        headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        headers["Cache-Control"] = "no-store"
        spoken = language(connection)
        if connection.cookies.get(LANGUAGE_COOKIE) != spoken:
            secure = f"https://{connection.headers.get('host')}" in self.origins
            headers.append("Set-Cookie", cookie(LANGUAGE_COOKIE, spoken, secure=secure, hidden=False))
