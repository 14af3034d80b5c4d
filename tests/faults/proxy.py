"""Bad weather between two ends that speak HTTP: a proxy on the loopback that knows where a message begins and ends, and
does to it what networks and middleboxes do. Its dice decide for each request; without trouble it is honest."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from random import Random
from typing import Any, NoReturn
from weakref import WeakSet

LONGEST_HELD_S = 0.3
LORIS_S = 1.2
"""How long a message is dripped, at most, before what is left of it is cut off."""
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: on, for no time. Closing then sends RST."""


class Cut(Exception):
    """This conversation is over."""


async def message(reader: asyncio.StreamReader) -> bytes:
    """One whole request or answer, or what came of it. Empty when nothing more comes."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = LENGTH.search(head)
        return head + await reader.readexactly(int(length[1]) if length else 0)
    except asyncio.IncompleteReadError as rest:
        return b"" if not rest.partial else _cut()


def _cut() -> NoReturn:
    raise Cut


class Talk:
    """A client's connection, and one of ours to the server on its behalf."""

    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.proxy, self._reader, self.writer = proxy, reader, writer
        self.server: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(self) -> bytes:
        return await message(self._reader)

    async def send(self, data: bytes) -> None:
        if self.server is None:
            self.server = await self.proxy.connected()
        self.server[1].write(data)
        await self.server[1].drain()

    async def answer(self) -> bytes:
        assert self.server is not None
        return await message(self.server[0]) or _cut()

    async def exchange(self, request: bytes) -> bytes:
        await self.send(request)
        self.proxy.passed += 1
        return await self.answer()

    async def reply(self, answer: bytes) -> None:
        self.writer.write(answer)
        await self.writer.drain()

    def close(self, *, reset: bool = False) -> None:
        for writer in (self.writer, self.server[1] if self.server else None):
            if writer is not None:
                if reset and (link := writer.get_extra_info("socket")) is not None:
                    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                writer.close()

    def reset(self) -> NoReturn:
        self.close(reset=True)
        raise Cut


Toxic = Callable[[Talk, bytes, Random], Awaitable[None]]


async def honest(talk: Talk, request: bytes, dice: Random) -> None:
    await talk.reply(await talk.exchange(request))


async def slow(talk: Talk, request: bytes, dice: Random) -> None:
    """Latency, and jitter between pieces."""
    await asyncio.sleep(dice.uniform(0.0, 0.05))
    await _in_pieces(talk.send, request, dice)
    talk.proxy.passed += 1
    await _in_pieces(talk.reply, await talk.answer(), dice)


async def _in_pieces(send: Callable[[bytes], Awaitable[None]], data: bytes, dice: Random) -> None:
    cuts = sorted(dice.randrange(len(data)) for _ in range(dice.randint(1, 4)))
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        await send(data[start:end])
        await asyncio.sleep(dice.uniform(0.0, 0.01))


async def reset(talk: Talk, request: bytes, dice: Random) -> None:
    """RST after a random byte, on the way there or back."""
    if dice.random() < 0.5:
        await talk.send(request[: dice.randrange(len(request))])
    else:
        answer = await talk.exchange(request)
        await talk.reply(answer[: dice.randrange(len(answer))])
    talk.reset()


async def half_closed(talk: Talk, request: bytes, dice: Random) -> None:
    """The client's side says that it is done, after a part of the request or all of it."""
    await talk.send(request[: dice.choice((dice.randrange(1, len(request)), len(request)))])
    assert talk.server is not None
    talk.server[1].write_eof()
    await talk.reply(await asyncio.wait_for(talk.answer(), LORIS_S))
    _cut()


async def truncated(talk: Talk, request: bytes, dice: Random) -> None:
    """An orderly end after a part of a body."""
    if dice.random() < 0.5:
        await talk.send(_part(request, dice))
    else:
        await talk.reply(_part(await talk.exchange(request), dice))
    _cut()


async def shortened(talk: Talk, request: bytes, dice: Random) -> None:
    """A middlebox that cuts a body and mends its length: only a signature can tell. Nobody may say yes to it."""
    head, _, body = request.partition(b"\r\n\r\n")
    if body and talk.proxy.proves:
        body = body[: dice.randrange(len(body))]
        head = LENGTH.sub(b"\r\ncontent-length: %d" % len(body), head)
        answer = await talk.exchange(head + b"\r\n\r\n" + body)
        if answer.split(b" ", 2)[1].startswith(b"2"):
            talk.proxy.wrong.append("a shortened body was acknowledged")
    _cut()


async def dripping(talk: Talk, request: bytes, dice: Random) -> None:
    """A slow loris: a byte now and then, and never the whole of it."""
    if dice.random() < 0.5:
        await _drip(talk.send, request, dice)
    else:
        await _drip(talk.reply, await talk.exchange(request), dice)
    talk.reset()


async def _drip(send: Callable[[bytes], Awaitable[None]], data: bytes, dice: Random) -> None:
    at = dice.randrange(len(data))
    await send(data[:at])
    for _ in range(int(dice.uniform(0.2, LORIS_S) / 0.05)):
        await asyncio.sleep(0.05)
        await send(data[at : at + 1] if at < len(data) - 1 else b"")
        at += 1


async def doubled(talk: Talk, request: bytes, dice: Random) -> None:
    """The same request again: at the same time, right after it, or when nobody thinks of it any more."""
    wait_s = dice.choice((0.0, 0.0, dice.uniform(0.0, LONGEST_HELD_S)))
    talk.proxy.later(_again(talk.proxy, request, wait_s))
    if not wait_s and dice.random() < 0.5:
        await asyncio.sleep(0.01)
    await honest(talk, request, dice)


async def _again(proxy: Proxy, request: bytes, wait_s: float) -> None:
    await asyncio.sleep(wait_s)
    reader, writer = await proxy.connected()
    try:
        writer.write(request)
        await message(reader)
    finally:
        writer.close()


async def overtaken(talk: Talk, request: bytes, dice: Random) -> None:
    """Held back until some that came later are through."""
    clock = asyncio.get_running_loop().time
    until, deadline = talk.proxy.passed + dice.randint(1, 3), clock() + LONGEST_HELD_S
    while talk.proxy.passed < until and clock() < deadline:
        await asyncio.sleep(0.003)
    await honest(talk, request, dice)


async def unanswered(talk: Talk, request: bytes, dice: Random) -> None:
    """The request got through; that it did, nobody hears."""
    await talk.exchange(request)
    if dice.random() < 0.5:
        talk.reset()
    _cut()


def _part(data: bytes, dice: Random) -> bytes:
    body = data.index(b"\r\n\r\n") + 4
    return data[: dice.randrange(body, len(data)) if body < len(data) else body - 1]


TOXICS: dict[str, Toxic] = {
    toxic.__name__: toxic
    for toxic in (slow, reset, half_closed, truncated, shortened, dripping, doubled, overtaken, unanswered)
}
A_MOMENT_S = 0.1
"""Some turns of the loop, on a slow machine, too."""
WEIGHTS = [3.0, 2.0, 1.0, 2.0, 1.0, 0.4, 2.0, 2.0, 2.0]


class Proxy:
    """Before the server at port `upstream`, in a thread of its own. `proves` says that the server can tell a body that
    was tampered with."""

    def __init__(self, upstream: int, seed: str, *, proves: bool) -> None:
        self.upstream, self.proves, self._seed = upstream, proves, seed
        self.trouble = 0.0
        """The part of all requests to which something happens."""
        self.passed = 0
        self.tally: Counter[str] = Counter()
        self.wrong: list[str] = []
        # Never listens: keeps the port ours while the proxy refuses.
        self._kept = socket.socket()
        self._kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._kept.bind(("127.0.0.1", 0))
        self.port: int = self._kept.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._late: set[asyncio.Task[None]] = set()
        self._links: WeakSet[asyncio.WriteTransport] = WeakSet()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._do(self._listen())

    @property
    def settled(self) -> bool:
        """Nothing that was held back is still to come."""
        return not self._late

    def refuse(self, seconds: float) -> None:
        """Nobody listens for a while."""
        self.tally["refused"] += 1
        self._loop.call_soon_threadsafe(self.later, self._refuse(seconds))

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._late.add(task)
        task.add_done_callback(self._is_over)

    async def connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """With the server."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        self._links.add(writer.transport)
        return reader, writer

    def close(self) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._kept.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def _is_over(self, task: asyncio.Task[None]) -> None:
        self._late.discard(task)
        if not task.cancelled():
            task.exception()  # a copy that finds nobody is lost like any other

    async def _listen(self) -> None:
        if self._listener is None:
            self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port, reuse_port=True)

    async def _refuse(self, seconds: float) -> None:
        if self._listener is None:
            return
        self._listener.close()
        self._listener = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.sleep(seconds)
        await self._listen()

    async def _end(self) -> None:
        if self._listener is not None:
            self._listener.close()
        await asyncio.sleep(A_MOMENT_S)  # who was let in just now is being served then
        while tasks := [*self._tasks, *self._late]:  # under load some are let in even now
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(A_MOMENT_S)
        for link in list(self._links):
            link.abort()  # one that was closed waits for whoever does not read what is left to be sent
        await asyncio.sleep(A_MOMENT_S)  # what was closed just now is gone then

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk, task = Talk(self, reader, writer), asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._links.add(writer.transport)
        try:
            while request := await talk.request():
                toxic, dice = self._chosen()
                await toxic(talk, request, dice)
        except (Cut, OSError, TimeoutError, asyncio.CancelledError):
            pass
        finally:
            talk.close()
            self._tasks.discard(task)

    def _chosen(self) -> tuple[Toxic, Random]:
        dice = Random(f"{self._seed}:{self.tally.total()}")
        happens = dice.random() < self.trouble
        name = dice.choices(list(TOXICS), WEIGHTS)[0] if happens else "honest"
        self.tally[name] += 1
        return (TOXICS[name] if happens else honest), dice
