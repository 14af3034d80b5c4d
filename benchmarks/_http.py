"""A real server and a client cheap enough not to be what is measured.

    python benchmarks/_http.py KIND PORT      what `orderhub serve --no-worker` runs, with one of DOORS behind /hooks/

The client speaks raw HTTP/1.1 over connections that stay open, one request at a time on each, prepared and signed
beforehand.
"""

from __future__ import annotations

from orderhub_core.entry import cli  # isort: skip  # the one SQLite first

import asyncio
import contextlib
import hashlib
import hmac
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import _workload
import numpy as np
import uvloop

from connectors.channels import direct
from orderhub_core.entry import hooks
from orderhub_core.hub import Hub
from orderhub_core.model import RawMessage
from orderhub_core.store.unit import Receipt

ROOT = Path(__file__).parents[1]
TICKS = os.sysconf("SC_CLK_TCK")

# -- doors: what stands behind /hooks/


def ours(hub: Hub) -> Callable[..., Awaitable[None]]:
    return hooks.hooks(hub)


def noop(hub: Hub) -> Callable[..., Awaitable[None]]:
    """Reads the body, checks the HMAC, answers. Nothing is kept: the limit that the server library sets."""
    secret = _workload.SECRET.encode()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = dict(scope["headers"])
        text = headers[direct.TIMESTAMP.encode()] + b"." + body
        expected = b"v1=" + hmac.digest(secret, text, hashlib.sha256).hex().encode()
        proven = hmac.compare_digest(headers[direct.SIGNATURE.encode()], expected)
        status, answer = direct.SUCCESS if proven else (401, b"{}")
        sent = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": sent})
        await send({"type": "http.response.body", "body": answer})

    return app


def per_request(hub: Hub) -> Callable[..., Awaitable[None]]:
    """What a tutorial shows: a commit for every request."""
    return _inline(hub, lambda messages: hub.store.accept(messages, time.time_ns() // 1_000))


def kept_nowhere(hub: Hub) -> Callable[..., Awaitable[None]]:
    """Ours, which also splits a request into messages and finds the id of each, with nothing behind it."""
    return _inline(hub, lambda messages: ["new"] * len(messages))


def _inline(hub: Hub, accept: Callable[[Sequence[RawMessage]], list[Receipt]]) -> Callable[..., Awaitable[None]]:
    class Inline:
        def __init__(self) -> None:
            self.turn_away = hub.receiver.turn_away

        def deliver(self, messages: Sequence[RawMessage]) -> asyncio.Future[list[Receipt]]:
            done: asyncio.Future[list[Receipt]] = asyncio.get_running_loop().create_future()
            done.set_result(accept(messages))
            return done

        def close(self) -> None:
            """Nothing waits."""

    hub.__dict__["receiver"] = Inline()
    return hooks.hooks(hub)


DOORS = {"ours": ours, "noop": noop, "per_request": per_request, "kept_nowhere": kept_nowhere}

# -- the server's process


class Running(NamedTuple):
    process: subprocess.Popen[bytes]
    port: int

    def cpu_s(self) -> float:
        return cpu_s(self.process.pid)

    def stop(self, how: int = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait(30)


def family(pid: int) -> list[Path]:
    """A process and its children, in /proc."""
    told = [file.read_text(encoding="ascii").split() for file in Path(f"/proc/{pid}/task").glob("*/children")]
    return [Path(f"/proc/{number}") for number in (pid, *(child for children in told for child in children))]


def cpu_s(pid: int) -> float:
    """Seconds of processor time that a process and its children have used, those that have ended too."""
    times = [(one / "stat").read_text(encoding="ascii").rpartition(")")[2].split()[11:13] for one in family(pid)]
    ended = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[13:15]
    return sum(map(int, (*ended, *(ticks for two in times for ticks in two)))) / TICKS


def memory_mb(pid: int) -> float:
    """What a process and its children hold of the memory, their share of what they share with others (PSS), in MB."""
    rollups = [(one / "smaps_rollup").read_text(encoding="ascii") for one in family(pid)]
    return sum(int(rollup.partition("Pss:")[2].split()[0]) for rollup in rollups) / 1024


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(data: Path, **more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ORDERHUB_")}
    ours = {_workload.SECRET_ENV: _workload.SECRET, "ORDERHUB_DATA": str(data), "ORDERHUB_LOG": "error"}
    return {**clean, **ours, **more}


def start(arguments: Sequence[str], data: Path, port: int, *, patience_s: float = 60.0, **more: str) -> Running:
    """A process of this Python, once it answers at its port."""
    command = [sys.executable, *arguments]
    process = subprocess.Popen(command, env=environment(data, **more), cwd=ROOT, stdout=subprocess.DEVNULL)
    until = time.monotonic() + patience_s
    while True:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10):
            return Running(process, port)
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            raise SystemExit(f"{' '.join(command)} did not start")
        time.sleep(0.01)


@contextlib.contextmanager
def serving(kind: str, data: Path) -> Iterator[Running]:
    port = free_port()
    running = start(["benchmarks/_http.py", kind, str(port)], data, port)
    try:
        yield running
    finally:
        running.stop()


# -- the client


def signed(bodies: Sequence[bytes], port: int) -> list[bytes]:
    """Whole requests, signed for now."""
    at = int(time.time())
    return [_request(body, direct.sign(body, _workload.SECRET, at), port) for body in bodies]


def _request(body: bytes, headers: Mapping[str, str], port: int) -> bytes:
    lines = [
        f"POST /hooks/{_workload.SHOP} HTTP/1.1",
        f"host: 127.0.0.1:{port}",
        "content-type: application/json",
        "user-agent: bench",
        "accept: */*",
        f"content-length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Fired(NamedTuple):
    """What became of a volley. Latencies in milliseconds."""

    began: float
    """When its first byte was sent, as `perf_counter` tells it."""
    seconds: float
    statuses: Counter[int]
    p50_ms: float
    p99_ms: float
    client_cpu_s: float

    @property
    def acknowledged(self) -> int:
        return self.statuses[200]


def fire(port: int, requests: Sequence[bytes], connections: int, *, per_s: float | None = None) -> Fired:
    """Send all of them and wait for the answers: as fast as they are answered, or `per_s` if that is less.

    The disk is quiet when it begins: what was measured before must not be flushed by the first commit of this.
    """
    os.sync()
    return uvloop.run(_fire(port, requests, connections, per_s))


async def _fire(port: int, requests: Sequence[bytes], connections: int, per_s: float | None) -> Fired:
    loop = asyncio.get_running_loop()
    volley = _Volley(iter(requests), len(requests), loop.create_future(), per_s)
    for _ in range(connections):
        await loop.create_connection(lambda: _Connection(volley), "127.0.0.1", port)
    used, began = _own_cpu_s(), time.perf_counter()
    volley.began = began
    for connection in volley.connections:
        connection.go_on()
    await volley.done
    seconds = time.perf_counter() - began
    for connection in volley.connections:
        connection.transport.close()
    p50, p99 = np.percentile(volley.latencies, (50, 99)) * 1_000
    return Fired(began, seconds, volley.statuses, float(p50), float(p99), _own_cpu_s() - used)


def _own_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class _Volley:
    def __init__(self, requests: Iterator[bytes], count: int, done: asyncio.Future[None], per_s: float | None) -> None:
        self.requests, self.left, self.done, self.per_s = requests, count, done, per_s
        self.began, self.sent = 0.0, 0
        self.connections: list[_Connection] = []
        self.statuses: Counter[int] = Counter()
        self.latencies: list[float] = []


class _Connection(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, volley: _Volley) -> None:
        self.volley, self.buffer, self.sent_at = volley, b"", 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.transport = transport  # type: ignore[assignment]
        self.volley.connections.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.volley.done.done():
            self.volley.done.set_exception(ConnectionError("the server hung up"))

    def go_on(self) -> None:
        volley = self.volley
        if volley.per_s is not None:
            due = volley.began + volley.sent / volley.per_s
            volley.sent += 1
            if (early := due - time.perf_counter()) > 0:
                asyncio.get_running_loop().call_later(early, self.send)
                return
        self.send()

    def send(self) -> None:
        request = next(self.volley.requests, None)
        if request is not None:
            self.sent_at = time.perf_counter()
            self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, rule, body = self.buffer.partition(b"\r\n\r\n")
        if not rule:
            return
        length = head.lower().partition(b"content-length: ")[2]
        if len(body) < int(length.partition(b"\r\n")[0]):
            return
        volley, self.buffer = self.volley, b""
        volley.latencies.append(time.perf_counter() - self.sent_at)
        volley.statuses[int(head[9:12])] += 1
        volley.left -= 1
        if volley.left:
            self.go_on()
        elif not volley.done.done():
            volley.done.set_result(None)


def main(kind: str, port: str) -> int:
    from orderhub_core.entry.commands import serve

    serve.hooks = DOORS[kind]  # type: ignore[attr-defined]
    sys.argv = ["orderhub", "serve", "--no-worker", "--port", port]
    return cli.main()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
