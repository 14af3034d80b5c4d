"""One place where HTTP's failures become ours: who failed, where, and what to do next."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from email.utils import mktime_tz, parsedate_tz
from typing import Any, NoReturn

import httpx

from connectors._kit import deadline
from connectors._kit.echo import echoed
from orderhub_core.errors import (
    BadCredentials,
    NobodyThere,
    OrderHubError,
    OtherwiseThere,
    RefusedByTarget,
    Throttled,
    Unconnected,
    Unreachable,
    UserMistake,
)

# Anything else from 400 on is a refusal; from 500 on it is the other side's own trouble.
REFUSALS: dict[int, type[OrderHubError]] = {401: BadCredentials, 403: BadCredentials, 409: OtherwiseThere}
PASSING = frozenset({408, 425})
"""Below 500, and yet of the moment: as is being sent elsewhere, which a balancer may do while it is mended."""
MOST_BYTES = 16 << 20
"""Of one answer, unpacked."""
LONGEST_AFTER_S, LONGEST_TROUBLE_S = 7 * 86_400.0, 900.0
"""Who asks for more is asked again all the same: who refuses us for now, and who is in trouble."""


class Link(httpx.Client):
    """A client that closes its connections when nobody holds it any more: ports have no closing hour. It knows how late
    it was at the other side as that answered last."""

    clock: int | None = None
    """By its Date header, microseconds UTC; None where there was none."""

    def send(self, request: httpx.Request, **how: Any) -> httpx.Response:
        response = super().send(request, **how)
        date = _date(response.headers.get("date", ""))
        self.clock = None if date is None else int(date) * 1_000_000
        return response

    def __del__(self) -> None:
        # One that could not even be built has no state to close.
        if hasattr(self, "_state"):
            self.close()


def client(url: str, timeout_s: float, who: str, headers: Mapping[str, str] | None = None) -> Link:
    """A pooled client, safe to share between threads. Paths are relative to `url`, which may itself have a path. Raises
    UserMistake for a url that is no address, and for headers that cannot be sent."""
    if not _is_address(url):  # which is not repeated: a password may stand in it
        raise UserMistake("{id}: its url is none; write one that begins with http:// or https:// and a host", id=who)
    if not all(value.isascii() and value.isprintable() for value in (headers or {}).values()):
        text = "{id}: its secret cannot be sent: it must be one line of letters, digits and signs"
        raise UserMistake(text, id=who)
    # At INFO httpx writes whole addresses down, and some platforms carry their token in the query.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # What comes packed may be a thousand times as large, and nobody asked for it.
    told = {"accept-encoding": "identity", **(headers or {})}
    link = Link(base_url=url, timeout=timeout_s, headers=told, follow_redirects=False)
    deadline.bind(link)
    return link


def _is_address(url: str) -> bool:
    try:
        read = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return read.scheme in ("http", "https") and bool(read.host)


def ask(link: httpx.Client, request: httpx.Request, who: str, *, absent_ok: bool = False) -> httpx.Response:
    """The answer, if it is a 2xx, or a 404 where that is an answer too. Raises Later or NeedsPerson.

    The whole call, from looking up the address to the body's last byte, has the client's `timeout_s`, and its body
    MOST_BYTES. The text names the address without its query and user, and no header: they may hold secrets.
    """
    where = place(request)
    try:
        with deadline.within(link.timeout.read):
            response = _received(link.send(request, stream=True), who, where)
    except httpx.LocalProtocolError as error:  # whose text may repeat a header
        raise NobodyThere(
            "{who}: nothing can be sent to {where} ({kind})", who=who, where=where, kind=type(error).__name__
        ) from None
    except httpx.TimeoutException as error:
        raise (Unconnected if isinstance(error, httpx.ConnectTimeout) else Unreachable)(
            "{who}: no answer from {where} in time; is that system running and reachable?", who=who, where=where
        ) from None
    except httpx.RequestError as error:
        reason = str(error) or type(error).__name__
        raise (Unconnected if isinstance(error, httpx.ConnectError) else Unreachable)(
            "{who}: cannot reach {where} ({reason}); check its url and that it is running",
            who=who,
            where=where,
            reason=reason,
        ) from None
    if not (response.is_success or (absent_ok and response.status_code == 404)):
        _refuse(response, who, where)
    return response


def place(request: httpx.Request) -> str:
    """The address without what may hold a secret."""
    return str(request.url.copy_with(query=None, userinfo=b""))


def _received(response: httpx.Response, who: str, where: str) -> httpx.Response:
    """The answer with its body. Raises Unreachable for a larger one than anybody has reason to send."""
    pieces, size = [], 0
    try:
        for piece in response.iter_bytes():
            pieces.append(piece)
            if (size := size + len(piece)) > MOST_BYTES:
                raise Unreachable(
                    "{who}: {where} answers with more than {most} MiB; is that system well?",
                    who=who,
                    where=where,
                    most=MOST_BYTES >> 20,
                )
    finally:
        response.close()
    headers = [(name, value) for name, value in response.headers.raw if name.lower() != b"content-encoding"]
    return httpx.Response(response.status_code, headers=headers, content=b"".join(pieces), request=response.request)


def _refuse(response: httpx.Response, who: str, where: str) -> NoReturn:
    status = response.status_code
    told = {"who": who, "where": where, "status": status, "phrase": response.reason_phrase}
    said = OrderHubError("{who}: {where} answered {status} {phrase}", **told)
    after_s = _seconds(response.headers.get("retry-after", ""))
    if after_s is not None and after_s >= 60:
        said = OrderHubError("{said}, and asks for {minutes:.0f} min of quiet", said=said, minutes=after_s / 60)
    if status == 429:
        raise Throttled("{said}; it asks us to slow down", said=said, after_s=after_s)
    if status >= 500 or status in PASSING:
        # A page that stands in front of it while it is mended may say any time.
        after_s = None if after_s is None else min(after_s, LONGEST_TROUBLE_S)
        raise Unreachable("{said}; its own trouble", said=said, after_s=after_s)
    if response.is_redirect:
        raise Unreachable(
            "{said}: is its url another one now, or does something stand before it?", said=said, after_s=after_s
        )
    # What a warehouse answers may repeat the receiver, and this text is kept with the effect and logged.
    raise REFUSALS.get(status, RefusedByTarget)("{said}: {answer}", said=said, answer=echoed(_read(response.content)))


def _read(body: bytes) -> str:
    """Whatever its header says of how it is written."""
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return body.decode("gb18030", "replace")


def _seconds(retry_after: str) -> float | None:
    """Seconds, or what is left until a date; None for anything else."""
    if retry_after.isascii() and retry_after.isdecimal():
        return min(LONGEST_AFTER_S, float(retry_after[:9]))
    date = _date(retry_after)
    return None if date is None else min(LONGEST_AFTER_S, max(0.0, date - time.time()))


def _date(said: str) -> float | None:
    """Seconds since 1970; None for what is no date."""
    date = parsedate_tz(said) if len(said) < 64 else None
    try:
        return None if date is None else float(mktime_tz(date))
    except (ValueError, OverflowError):
        return None
