"""One deadline for a whole call. httpx counts each read anew, so a far side that drips holds its caller for ever."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Thread
from typing import Any

import httpcore
import httpx

from orderhub_core.settings import LONGEST_TIMEOUT_S

PIECE = 4096
"""Bytes the kernel takes in one go once it takes any: httpcore counts each of its sends anew, too."""
_until: ContextVar[float] = ContextVar("_until")


@contextmanager
def within(seconds: float | None) -> Iterator[None]:
    """All that this thread sends and reads inside shares `seconds`; then it is httpx.TimeoutException."""
    token = _until.set(time.monotonic() + min(seconds or LONGEST_TIMEOUT_S, LONGEST_TIMEOUT_S))
    try:
        yield
    finally:
        _until.reset(token)


def bind(client: httpx.Client) -> None:
    """Make `client`, proxies from the environment included, heed `within` and send only there. No public door."""
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx.HTTPTransport):
            transport._pool._network_backend = Backend()


def _left(over: type[httpcore.TimeoutException]) -> float:
    if (left := _until.get() - time.monotonic()) <= 0:
        raise over("the time for the whole call is over")
    return left


class Stream(httpcore.NetworkStream):
    """A connection whose every step has only what is left of the call under way; between calls it is kept."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner
        self.close, self.get_extra_info = inner.close, inner.get_extra_info  # type: ignore[method-assign]

    def read(self, max_bytes: int, timeout: Any = None) -> bytes:
        return self._inner.read(max_bytes, _left(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: Any = None) -> None:
        for start in range(0, len(buffer), PIECE):
            self._inner.write(buffer[start : start + PIECE], _left(httpcore.WriteTimeout))

    def start_tls(self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: Any = None) -> Stream:
        return Stream(self._inner.start_tls(ssl_context, server_hostname, _left(httpcore.ConnectTimeout)))


class Backend(httpcore.SyncBackend):
    def connect_tcp(self, host: str, port: int, timeout: Any = None, *rest: Any, **more: Any) -> Stream:
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        found = _addresses(host, port)
        for others, address in zip(range(len(found), 0, -1), found, strict=True):
            # One address that swallows everything leaves the next its share.
            share = _left(httpcore.ConnectTimeout) / others
            try:
                return Stream(super().connect_tcp(address, port, share, *rest, **more))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


def _addresses(host: str, port: int) -> list[str]:
    """Looked up in a thread of its own, because the system's resolver heeds no deadline."""
    answer: Future[list[str]] = Future()

    def look() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answer.set_result(list(dict.fromkeys(str(address[0]) for *_, address in found)))
        except (OSError, UnicodeError) as error:
            answer.set_exception(httpcore.ConnectError(str(error)))

    Thread(target=look, daemon=True).start()
    try:
        return answer.result(_left(httpcore.ConnectTimeout))
    except TimeoutError:
        raise httpcore.ConnectTimeout(f"no address of {host} in time") from None
