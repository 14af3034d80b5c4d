"""One place where HTTP's failures become ours: who failed, where, and what to do next."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import NoReturn

import httpx

from connectors._kit import deadline
from connectors._kit.echo import echoed
from orderhub_core.errors import BadCredentials, NeedsPerson, OrderHubError, RefusedByTarget, Throttled, Unreachable

# Anything else from 400 on is a refusal; from 500 on it is the other side's own trouble.
REFUSALS: dict[int, type[OrderHubError]] = {401: BadCredentials, 403: BadCredentials}


class Link(httpx.Client):
    """A client that closes its connections when nobody holds it any more: ports have no closing hour."""

    def __del__(self) -> None:
        # One that could not even be built has no state to close.
        if hasattr(self, "_state"):
            self.close()


def client(url: str, timeout_s: float, headers: Mapping[str, str] | None = None) -> Link:
    """A pooled client, safe to share between threads. Paths are relative to `url`, which may itself have a path."""
    # At INFO httpx writes whole addresses down, and some platforms carry their token in the query.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    link = Link(base_url=url, timeout=timeout_s, headers=headers, follow_redirects=False)
    deadline.bind(link)
    return link


def ask(link: httpx.Client, request: httpx.Request, who: str, *, absent_ok: bool = False) -> httpx.Response:
    """The answer, if it is a 2xx, or a 404 where that is an answer too. Raises Later or NeedsPerson.

    The whole call, from looking up the address to the body's last byte, has the client's `timeout_s`.
    The text names the address without its query, and no header: both may hold secrets.
    """
    where = str(request.url.copy_with(query=None))
    try:
        with deadline.within(link.timeout.read):
            response = link.send(request)
    except httpx.UnsupportedProtocol:
        raise NeedsPerson(
            f"{who}: {where} is no address to call; its url must begin with http:// or https://"
        ) from None
    except httpx.TimeoutException:
        raise Unreachable(f"{who}: no answer from {where} in time; is that system running and reachable?") from None
    except httpx.RequestError as error:
        reason = str(error) or type(error).__name__
        raise Unreachable(f"{who}: cannot reach {where} ({reason}); check its url and that it is running") from None
    if not (response.is_success or (absent_ok and response.status_code == 404)):
        _refuse(response, who, where)
    return response


def _refuse(response: httpx.Response, who: str, where: str) -> NoReturn:
    status = response.status_code
    said = f"{who}: {where} answered {status} {response.reason_phrase}"
    if status == 429:
        raise Throttled(f"{said}; it asks us to slow down", after_s=_seconds(response.headers.get("retry-after", "")))
    if status >= 500:
        raise Unreachable(f"{said}; its own trouble", after_s=_seconds(response.headers.get("retry-after", "")))
    # What a warehouse answers may repeat the receiver, and this text is kept with the effect and logged.
    raise REFUSALS.get(status, RefusedByTarget)(f"{said}: {echoed(response.text)}")


def _seconds(retry_after: str) -> float | None:
    return float(retry_after) if retry_after.isdecimal() else None
