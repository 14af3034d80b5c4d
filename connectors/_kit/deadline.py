"""One deadline for a whole call. httpx counts each read anew, so a far side that drips holds its caller for ever."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from threading import Thread
from typing import Any, TypeVar

import httpcore
import httpx

from orderhub_core.settings import LONGEST_TIMEOUT_S

PIECE = 4096
"""Bytes the kernel takes in one go once it takes any: httpcore counts each of its sends anew, too."""
T = TypeVar("T")
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
    answer = apart(partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM))
    try:
        found = answer.result(_left(httpcore.ConnectTimeout))
    except TimeoutError:
        raise httpcore.ConnectTimeout(f"no address of {host} in time") from None
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(str(error)) from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def apart(work: Callable[[], T]) -> Future[T]:
    """What heeds no deadline, the system's resolver for one, in a thread of its own: whoever waits for the answer may
    stop waiting, and the process ends without it."""
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(work())
        except Exception as failure:  # noqa: BLE001 — raised where somebody waits for the answer
            answer.set_exception(failure)

    Thread(target=run, daemon=True).start()
    return answer
