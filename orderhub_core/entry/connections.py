"""Connections of a web process: how many there may be, and how long and how large what precedes a request may be. The
server library bounds none of that, and whoever has no secret can open them.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import Iterable
from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

LONGEST_HEAD_S, LONGEST_STILL_S = 20.0, 40.0
"""For a head to come; and for LEAST bytes of a body that is owed, or of an answer that is taken: whoever waits for the
body may say so before."""
LEAST = 2048
"""A phone at the edge of its network is twenty times as fast; a byte now and then would hold a place for ever."""
LARGEST_HEAD = 64 * 1024
"""Bytes, and what comes at once with the first of them."""
LARGEST_REST = 1024 * 1024
"""Bytes of a request that come although it was answered."""
MOST = 8192
"""Their heads alone may hold half a gigabyte."""
LEFT_FREE = 64
"""Open files for the store, pages and processes; at least a quarter of all."""


class Connection(HttpToolsProtocol):
    """One whose head or trailers grow over LARGEST_HEAD is told so and closed. Where `most` are open already, it takes
    the place of one that is unserved, or is asked to come back."""

    scope: dict[str, Any]  # type: ignore[assignment]  # empty at first, and without a method until its head is complete
    most = MOST
    _head = _received = 0
    _beside, _body_size = 0, 0
    _of: dict[str, Any] | None = None
    _body: bytearray | None = None
    """Bytes of one request that were no body, whose scope that is, and its body as it was left."""

    @property
    def is_unserved(self) -> bool:
        """Whether no answer is owed: it has sent no whole head, or nothing since, or more of what was answered; and has
        taken what it was sent."""
        done = self.cycle is None or self.cycle.response_complete
        return done and not self.transport.get_write_buffer_size()

    @property
    def stands(self) -> tuple[object, int]:
        """What changes as long as it goes on: of one that owes the rest of its body how many times LEAST came, of one
        that has not taken its answer how many are left, of any other nothing before its next request is whole."""
        if self.cycle is None or self.cycle.response_complete:
            return self.cycle, -(-self.transport.get_write_buffer_size() // LEAST)
        return self.cycle, self._received // LEAST

    @property
    def is_waited_for(self) -> bool:
        """Whether it is its turn: to begin, to send the rest of a body, or to take what it was sent."""
        return self.cycle is None or self.cycle.response_complete or self.cycle.more_body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if len(self.connections) >= self.most:
            self._make_room()
        super().connection_made(transport)
        self.scope = {}

    def data_received(self, data: bytes) -> None:
        before = self.scope
        self._received += len(data)
        HttpToolsProtocol.data_received(self, data)
        if "method" not in (scope := self.scope):
            self._more_of_a_head(len(data) if scope is before else 0)
        elif scope is before and self.cycle is not None:
            self._more_of_a_request(len(data))

    def _more_of_a_head(self, size: int) -> None:
        self._head = self._head + size if size else 0
        if self._head > LARGEST_HEAD:
            self._refuse()

    def _more_of_a_request(self, size: int) -> None:
        """Trailers come where the body grows no more. The library keeps them, too, and tells nobody."""
        if self._of is not self.scope:
            self._of, self._beside = self.scope, 0
        body = self.cycle.body  # another one once the app has taken what there was
        grown = len(body) > (self._body_size if body is self._body else 0)
        self._body, self._body_size = body if self.cycle.more_body else None, len(body)
        self._beside += 0 if grown else size
        if self.cycle.response_started:
            if self._beside > LARGEST_REST:
                self.give_up()
        elif self._beside > LARGEST_HEAD:
            self._refuse()

    def _refuse(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(STATUS_LINE[431] + b"content-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()

    def _make_room(self) -> None:
        """Senders complete a head in a moment, and open a connection anew where one was closed between two requests."""
        for other in self.connections:
            if isinstance(other, Connection) and other.is_unserved:
                other.give_up()
                return
        self.app = _come_back

    def give_up(self) -> None:
        self.connections.discard(self)  # and not only when the loop comes to it: others may come before
        self.transport.abort()


async def _come_back(scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(b"content-length", b"0"), (b"retry-after", b"1"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


class Stalled:
    """Which connections have been waited for too long and did next to nothing, as seen from look to look: timers of
    their own would cost every request."""

    def __init__(self) -> None:
        self._since: dict[Connection, tuple[object, float]] = {}

    def look(self, connections: Iterable[object], now: float) -> list[Connection]:
        waiting: dict[Connection, tuple[object, float]] = {}
        for one in connections:
            if isinstance(one, Connection) and one.is_waited_for:
                stood, since = self._since.get(one, (None, now))
                waiting[one] = (one.stands, since if stood == one.stands else now)
        self._since = waiting
        longest = {True: LONGEST_HEAD_S, False: LONGEST_STILL_S}
        return [one for one, (_, since) in waiting.items() if now - since >= longest[one.is_unserved]]


def raise_open_files() -> int:
    """As many as the system lets this process have; how many that is."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # some systems allow less than they say
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def most_of(files: int) -> int:
    """Connections of a process that may open so many files."""
    return max(1, min(MOST, files - max(LEFT_FREE, files // 4)))
