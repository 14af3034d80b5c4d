"""Connections of a web process, over real sockets: whoever has no secret cannot hold up those who have."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import time

import pytest
import uvicorn
from ports import free_port
from uvicorn.server import ServerState

from orderhub_core.entry import connections
from orderhub_core.entry.connections import (
    LARGEST_HEAD,
    LARGEST_REST,
    LEAST,
    LONGEST_HEAD_S,
    LONGEST_STILL_S,
    Connection,
    Stalled,
    most_of,
)

POST = b"POST / HTTP/1.1\r\nhost: hub\r\ncontent-length: %d\r\n\r\n"
LARGE = 32 << 20
WHOLE = POST % 2 + b"ok"
BEGUN = b"POST / HTTP/1.1\r\nhost: hub\r\nx: "


class Served:
    """A server of `most` connections whose requests are read and answered, except for those to /held and /early."""

    def __init__(self, most):
        self.most, self.go, self.state = most, asyncio.Event(), ServerState()
        self.writers = []

    async def app(self, scope, receive, send):
        if scope["path"] == "/held":
            await self.go.wait()
        size = LARGE if scope["path"] == "/large" else 0
        while scope["path"] == "/" and (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % size)]})
        await send({"type": "http.response.body", "body": bytes(size)})

    async def __aenter__(self):
        bounded = type("Bounded", (Connection,), {"most": self.most})
        config = uvicorn.Config(self.app, interface="asgi3", log_config=None, date_header=False, server_header=False)
        config.load()
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(
            lambda: bounded(config=config, server_state=self.state, app_state={}), "127.0.0.1", 0
        )
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.go.set()
        self.server.close()
        for writer in self.writers:
            writer.close()
        while self.state.connections or self.state.tasks:
            await asyncio.sleep(0.01)

    async def open(self, *parts):
        """A sender, once the server has read each of the parts."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.05)
        return reader, writer


async def status(reader):
    """Of the answer; None where there is none."""
    with contextlib.suppress(ConnectionError):
        line = await asyncio.wait_for(reader.readline(), 10)
        return int(line.split()[1]) if line else None


async def ended(reader):
    """Whether the server closes it."""
    with contextlib.suppress(ConnectionError):
        await asyncio.wait_for(reader.read(), 10)
    return True


def test_a_head_that_grows_without_end_is_refused_and_closed():
    async def sent():
        async with Served(9) as served:
            reader, writer = await served.open(BEGUN)
            with contextlib.suppress(ConnectionError):
                for _ in range(2 * LARGEST_HEAD // 8192):
                    writer.write(b"x" * 8192)
                    await writer.drain()
            return await status(reader), await ended(reader)

    assert asyncio.run(sent()) == (431, True)


@pytest.mark.parametrize(("path", "told"), [(b"/", 431), (b"/held", 431), (b"/early", 200)])
def test_trailers_that_grow_without_end_are_closed(path, told):
    async def sent():
        async with Served(9) as served:
            begun = BEGUN.replace(b"/ ", path + b" ").replace(b"x: ", b"transfer-encoding: chunked\r\n\r\n0\r\n")
            reader, writer = await served.open(begun)
            with contextlib.suppress(ConnectionError):
                for _ in range(2 * LARGEST_REST // 8192):
                    writer.write(b"x: " + b"x" * 8192 + b"\r\n")
                    await writer.drain()
            return await status(reader), await ended(reader)

    assert asyncio.run(sent()) in [(told, True), (None, True)]


@pytest.mark.parametrize("path", [b"/", b"/early"])
def test_a_body_that_comes_in_many_pieces_is_no_trailer(path):
    async def sent():
        async with Served(9) as served:
            reader, writer = await served.open(POST.replace(b"/ ", path + b" ") % (4 * LARGEST_HEAD))
            for _ in range(4):
                for _ in range(4):
                    writer.write(b"x" * (LARGEST_HEAD // 4))
                    await writer.drain()
                    await asyncio.sleep(0.01)
            writer.write(WHOLE)
            told = [await status(reader)]
            await reader.readuntil(b"\r\n\r\n")
            return [*told, await status(reader)]

    assert asyncio.run(sent()) == [200, 200]


def test_a_large_body_and_the_head_that_follows_it_are_none_that_grows():
    async def sent():
        body = b"x" * (4 * LARGEST_HEAD)
        async with Served(9) as served:
            reader, _ = await served.open(POST % len(body) + body + BEGUN, b"y" * 100, b"\r\n\r\n")
            told = [await status(reader)]
            await reader.readuntil(b"\r\n\r\n")
            return [*told, await status(reader)]

    assert asyncio.run(sent()) == [200, 200]


@pytest.mark.parametrize(
    ("parts", "stalls"),
    [
        ([], True),
        ([b"\r\n"], True),
        ([BEGUN], True),
        ([WHOLE, BEGUN], True),
        ([POST.replace(b"/ ", b"/early ") % 9 + b"x"], True),
        ([WHOLE], True),
        ([POST % 9 + b"x"], False),
        ([b"GET /held HTTP/1.1\r\n\r\n"], False),
    ],
)
def test_who_sends_no_whole_head_is_given_up_and_nobody_who_is_served(parts, stalls):
    async def looked():
        async with Served(9) as served:
            stalled, (reader, _) = Stalled(), await served.open(*parts)
            found = [len(stalled.look(served.state.connections, now)) for now in (0, LONGEST_HEAD_S - 0.1)]
            overdue = stalled.look(served.state.connections, LONGEST_HEAD_S)
            for one in overdue:
                one.give_up()
            return found, len(overdue), overdue != [] and await ended(reader)

    assert asyncio.run(looked()) == ([0, 0], int(stalls), stalls)


def test_a_body_that_does_not_go_on_is_given_up_later_and_one_that_does_is_not():
    async def looked():
        async with Served(9) as served:
            stalled, (_, writer) = Stalled(), await served.open(POST % (9 * LEAST) + b"x")
            found = [len(stalled.look(served.state.connections, now)) for now in (0, LONGEST_STILL_S - 0.1)]
            writer.write(b"y" * LEAST)
            await asyncio.sleep(0.05)
            return found + [len(stalled.look(served.state.connections, LONGEST_STILL_S * n)) for n in (1, 1.9, 2)]

    assert asyncio.run(looked()) == [0, 0, 0, 0, 1]


def test_a_body_that_drips_is_given_up_and_one_that_comes_slowly_is_not():
    """A byte now and then would hold a place for as long as anybody likes."""

    async def looked(piece):
        async with Served(9) as served:
            stalled, (_, writer) = Stalled(), await served.open(POST % LARGE)
            told = []
            for n in range(8):
                told.append(len(stalled.look(served.state.connections, n * LONGEST_STILL_S / 2)))
                writer.write(b"y" * piece)
                await asyncio.sleep(0.05)
            return max(told)

    assert (asyncio.run(looked(1)), asyncio.run(looked(LEAST // 2))) == (1, 0)


def test_an_answer_that_is_taken_slowly_is_not_cut_off_and_one_that_is_not_taken_is():
    async def looked():
        async with Served(9) as served:
            stalled, (reader, _) = Stalled(), await served.open(b"GET /large HTTP/1.1\r\n\r\n")
            told = []
            for n in range(4):
                told.append(len(stalled.look(served.state.connections, n * LONGEST_STILL_S)))
                await reader.readexactly(LARGE // 8)
                await asyncio.sleep(0.05)
            still = [len(stalled.look(served.state.connections, n * LONGEST_STILL_S)) for n in (4, 5)]
            return told, still

    assert asyncio.run(looked()) == ([0, 0, 0, 0], [0, 1])


def test_a_head_is_given_the_whole_time_after_the_one_before():
    async def looked():
        async with Served(9) as served:
            stalled, (_, writer) = Stalled(), await served.open(BEGUN)
            stalled.look(served.state.connections, 0)
            writer.write(b"\r\n\r\n" + BEGUN)
            await asyncio.sleep(0.05)
            return [len(stalled.look(served.state.connections, now)) for now in (LONGEST_HEAD_S, 2 * LONGEST_HEAD_S)]

    assert asyncio.run(looked()) == [0, 1]


def test_where_all_places_are_taken_a_sender_has_that_of_one_who_sends_nothing():
    async def sent():
        async with Served(3) as served:
            for _ in range(3):
                await served.open(BEGUN)
            told = []
            for _ in range(5):
                reader, _ = await served.open(WHOLE)
                told.append(await status(reader))
            return told, len(served.state.connections)

    assert asyncio.run(sent()) == ([200] * 5, 3)


def test_where_all_places_are_served_a_sender_is_asked_to_come_back():
    async def sent():
        async with Served(2) as served:
            held = [await served.open(b"GET /held HTTP/1.1\r\n\r\n") for _ in range(2)]
            reader, _ = await served.open(WHOLE)
            refused = (await reader.read()).lower()
            served.go.set()
            return refused, [await status(reader) for reader, _ in held]

    refused, told = asyncio.run(sent())
    assert refused.startswith(b"http/1.1 503 ")
    assert b"retry-after: 1\r\n" in refused
    assert told == [200, 200]


@pytest.mark.parametrize(("files", "most"), [(64, 1), (256, 192), (1024, 768), (10**6, connections.MOST)])
def test_connections_leave_files_for_everything_else(files, most):
    assert most_of(files) == most


def test_as_many_files_are_opened_as_the_system_allows():
    text = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 300));"
        "from orderhub_core.entry.connections import raise_open_files;"
        "print(raise_open_files(), resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    assert subprocess.run([sys.executable, "-c", text], capture_output=True, text=True).stdout == "300 (300, 300)\n"


SERVER = """
import sys
from orderhub_core.entry import connections, web

async def app(scope, receive, send):
    raise AssertionError("nothing is sent whole")

connections.LONGEST_HEAD_S = 0.1
web.run(app, host="127.0.0.1", port=int(sys.argv[1]))
"""


@pytest.mark.server
def test_a_process_of_ours_gives_up_who_sends_no_whole_head():
    port, deadline = free_port(), time.monotonic() + 60
    with subprocess.Popen([sys.executable, "-c", SERVER, str(port)]) as process:
        try:
            while process.poll() is None and time.monotonic() < deadline:
                with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)) as slow:
                    slow.settimeout(60)
                    slow.sendall(BEGUN)
                    assert slow.recv(1) == b""
                    break
                time.sleep(0.05)
            with socket.create_connection(("127.0.0.1", port)) as large, contextlib.suppress(ConnectionError):
                large.settimeout(60)
                for _ in range(99):
                    large.sendall(BEGUN + b"x" * LARGEST_HEAD)
                assert large.recv(12) == b"HTTP/1.1 431"
        finally:
            process.terminate()
    assert process.returncode == 0
