"""Webhooks: prove the sender, write the messages down, then answer. A raw ASGI app, because here the framework is
the cost. The body is not parsed beyond what the platform's connector needs to split it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import cast

import structlog
from starlette.types import Receive, Scope, Send

from orderhub_core.errors import BadClock, BadSignature, Busy, Later, OrderHubError, TooLarge, UserMistake
from orderhub_core.hub import Hub
from orderhub_core.ports import Channel

log = structlog.get_logger()

PREFIX = "/hooks/"
Field = tuple[bytes, bytes]
Answer = tuple[int, bytes, list[Field]]
JSON = (b"content-type", b"application/json")
LONGEST_BODY_S = 20.0
"""A sender who takes longer holds memory and a connection, perhaps on purpose, and is asked to come back."""
QUIET_S = 60.0
"""Why deliveries are asked to come again is told anew once that has not happened for so long."""
LONGEST_WRITE_S, RETRY_S = 10.0, 5.0
"""A sender who waits longer is asked to come back: what is being written then may still be, and is known again."""


class _TooSlow(Later):
    """Sending the body takes too long."""


class _Gone(Later):
    """The sender went away while sending the body: nobody waits for an answer."""


class _NoRoom(Later):
    """Bodies that are being sent hold too much memory together."""


def hooks(hub: Hub) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """`POST /hooks/{shop}` for every shop of the settings."""
    door = _Door(hub)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        status, body, more = await door.answer(scope, receive)
        headers = [JSON, (b"content-length", b"%d" % len(body)), *more]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


class _Patience:
    """Cancels requests whose body does not come, or is not written down. One timer for all: one for each would cost a
    good part of a request, and hardly ever run out."""

    def __init__(self) -> None:
        self._until: dict[asyncio.Task[object], float] = {}
        self._ended: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, loop: asyncio.AbstractEventLoop) -> asyncio.Task[object]:
        """The request of this task: its body is read."""
        task = cast("asyncio.Task[object]", asyncio.current_task(loop))
        self._until[task] = loop.time() + LONGEST_BODY_S
        if self._timer is None:
            self._timer = loop.call_later(min(LONGEST_BODY_S, LONGEST_WRITE_S) / 4, self._look, loop)
        return task

    def is_read(self, task: asyncio.Task[object], loop: asyncio.AbstractEventLoop) -> None:
        """Now it is written down."""
        self._until[task] = loop.time() + LONGEST_WRITE_S

    def has_ended(self, task: asyncio.Task[object]) -> bool:
        """Whether it was cancelled here; then it goes on."""
        if task not in self._ended:
            return False
        task.uncancel()
        return True

    def end(self, task: asyncio.Task[object]) -> None:
        del self._until[task]
        self._ended.discard(task)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for task, until in self._until.items():
            if until <= now and task not in self._ended:
                self._ended.add(task)
                task.cancel()
        self._timer = None
        if self._until:
            self._timer = loop.call_later(min(LONGEST_BODY_S, LONGEST_WRITE_S) / 4, self._look, loop)


def _overdue(*, is_read: bool) -> Later:
    if is_read:
        return Busy(
            "it was not written down within {seconds:g} s; send it again",
            seconds=LONGEST_WRITE_S,
            after_s=RETRY_S,
        )
    return _TooSlow("the body did not come within {seconds:g} s", seconds=LONGEST_BODY_S)


class _Door:
    def __init__(self, hub: Hub) -> None:
        self.hub, self.most = hub, hub.settings.limits.body_bytes
        self.channels: dict[str, Channel] = {}
        self.patience = _Patience()
        self.arriving = 0
        """Bytes of bodies of which more is to come. Most bodies come in one piece, and cost no counting."""
        self.closed: set[str] = set()
        """Shops that take nothing yet, and whose operator has been told."""
        self.put_off: dict[str, float] = {}
        """Why deliveries were asked to come again, as sentences with blanks, and when last."""

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        shop = scope["path"].removeprefix(PREFIX).strip("/")
        if scope["method"] != "POST":
            return 405, b'{"message":"POST deliveries here"}', [(b"allow", b"POST")]
        channel = self.channels.get(shop)
        if channel is None:
            if self.hub.settings.shop(shop) is None:
                return 404, b'{"message":"no such shop"}', []
            channel = self._open(shop)
            if channel is None:
                return 503, b'{"message":"this shop is not ready; come back later"}', [(b"retry-after", b"60")]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if not (length := headers.get("content-length", "0")).isdecimal():
            return 400, b'{"message":"content-length is not a number"}', [(b"connection", b"close")]
        loop, messages = asyncio.get_running_loop(), None
        task = self.patience.begin(loop)
        try:
            messages = channel.unpack(headers, await self._body(length, receive))
            if messages:
                self.patience.is_read(task, loop)
                await self.hub.receiver.deliver(messages)
            return (*channel.answer(None), [])
        except asyncio.CancelledError:
            if not self.patience.has_ended(task):
                raise
            return self._refuse(shop, channel, _overdue(is_read=messages is not None))
        except Exception as failure:  # noqa: BLE001 — told apart and answered below, whatever it is
            return self._refuse(shop, channel, failure)
        finally:
            self.patience.end(task)

    def _open(self, shop: str) -> Channel | None:
        """None while the shop's settings are not complete: the operator is told once, the platform comes back."""
        try:
            channel = self.channels[shop] = self.hub.channel(shop)
        except UserMistake as mistake:
            if shop not in self.closed:
                self.closed.add(shop)
                log.error("a shop takes no webhooks", shop=shop, reason=str(mistake))
            return None
        self.closed.discard(shop)
        return channel

    def _refuse(self, shop: str, channel: Channel, failure: Exception) -> Answer:
        more: list[Field] = []
        match failure:
            case BadClock():
                self.hub.receiver.turn_away(shop, "bad_clock")
            case BadSignature():
                self.hub.receiver.turn_away(shop, "bad_signature")
            case TooLarge():
                more = [(b"connection", b"close")]
            case _TooSlow():
                self.hub.receiver.turn_away(shop, "too_slow")
                more = [(b"retry-after", b"1"), (b"connection", b"close")]
            case _NoRoom():
                more = [(b"retry-after", b"1"), (b"connection", b"close")]
            case _Gone():
                pass
            case Later():
                more = [(b"retry-after", b"%d" % round(failure.after_s or 1))]
                self.hub.failing.failed(shop, failure)
                self._tell_put_off(failure)
            case OrderHubError():
                log.error("webhook refused", shop=shop, reason=str(failure))
            case bug:  # the server would log its text, which may hold a person's data
                log.error("internal", shop=shop, kind=type(bug).__name__)
                return (*channel.answer(Later("internal error")), [])
        return (*channel.answer(failure), more)

    def _tell_put_off(self, failure: Later) -> None:
        """Once for as long as it lasts, and not for each delivery: there may be thousands a second."""
        now = time.monotonic()
        if now - self.put_off.get(failure.text, float("-inf")) > QUIET_S:
            log.warning("deliveries are asked to come again", reason=str(failure))
        self.put_off[failure.text] = now

    async def _body(self, length: str, receive: Receive) -> bytes:
        """Raises TooLarge and _NoRoom as soon as it is known, without reading on."""
        most = self.most
        if len(length) > len(str(most)) + 20 or int(length) > most:
            raise TooLarge("the body is over {most} bytes", most=most)
        parts: list[bytes] = []
        size, held, more = 0, 0, True
        try:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _Gone("the sender went away")
                part: bytes = message.get("body", b"")
                parts.append(part)
                size += len(part)
                if size > most:
                    raise TooLarge("the body is over {most} bytes", most=most)
                if more := message.get("more_body", False):
                    held += len(part)
                    self._make_room(len(part), held)
        finally:
            self.arriving -= held
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _make_room(self, more: int, held: int) -> None:
        """Raises _NoRoom. A body alone is always let in: sent again, it would be no smaller."""
        self.arriving += more
        if self.arriving > self.hub.settings.limits.waiting_bytes and self.arriving > held:
            raise _NoRoom("too many large bodies come at once; send again in a moment", after_s=1.0)
