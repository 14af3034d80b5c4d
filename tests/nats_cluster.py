"""A real cluster of three NATS servers on loopback, from the wheel: to be killed, started again and filled up."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import httpx
import nats
from nats.js import JetStreamContext
from ports import free_ports

SERVER = Path(sys.executable).parent / "nats-server"
NODES = 3
TRIES = 3
READY_S = 20.0
T = TypeVar("T")


class NatsCluster:
    """`sync` is the servers' `sync_interval`: "always" forces every write to disk before it is acknowledged."""

    def __init__(self, folder: Path, sync: str = "always") -> None:
        self.folder, self._sync = folder, sync
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._settle()

    def _settle(self) -> None:
        """Empty, on ports of its own."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        ports = free_ports(3 * NODES)
        self.clients, self.routes, self.monitors = ports[:NODES], ports[NODES : 2 * NODES], ports[2 * NODES :]
        for node in range(NODES):
            (self.folder / f"{node}.conf").write_text(self._config(node), encoding="utf-8")

    def _config(self, node: int) -> str:
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in self.routes)
        return f"""
            server_name: node{node}
            listen: "127.0.0.1:{self.clients[node]}"
            http: "127.0.0.1:{self.monitors[node]}"
            jetstream {{ store_dir: "{self.folder / str(node)}", sync_interval: {self._sync}, max_file_store: 4GB }}
            cluster {{ name: orderhub, listen: "127.0.0.1:{self.routes[node]}", routes: [{routes}] }}
        """

    def url(self, name: str, **options: object) -> str:
        """The address of one hub's inbox; tests that share a cluster give each its own name."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.clients)
        options = {"max_bytes": 256 * 1024 * 1024, **options}
        return f"nats://{hosts}/{name}?" + "&".join(f"{key}={value}" for key, value in options.items())

    def start(self) -> None:
        """Start the nodes that do not run."""
        started = sorted(set(range(NODES)) - self._processes.keys())
        for node in started:
            self._processes[node] = subprocess.Popen(
                [SERVER, "-c", self.folder / f"{node}.conf", "-l", self.folder / f"{node}.log"]
            )
        for node in started:
            _until_listening(self.clients[node], self._processes[node])

    def kill(self, *nodes: int) -> None:
        """kill -9, of all nodes when none is named."""
        for node in nodes or list(self._processes):
            process = self._processes.pop(node)
            process.kill()
            process.wait()

    def freeze(self, *nodes: int) -> None:
        """Stopped in their tracks, with all their connections."""
        for node in nodes:
            self._processes[node].send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        for process in self._processes.values():
            process.send_signal(signal.SIGCONT)

    def ask(self, question: Callable[[JetStreamContext], Awaitable[T]]) -> T:
        """Do something that the product does not."""

        async def asked() -> T:
            client = await nats.connect([f"nats://127.0.0.1:{self.clients[node]}" for node in self.running])
            try:
                return await question(client.jetstream(timeout=10))
            finally:
                await client.close()

        return asyncio.run(asked())

    def forget(self, name: str) -> None:
        """Delete the streams of one hub's inbox."""

        async def delete(jetstream: JetStreamContext) -> None:
            names = [str(info.config.name) for info in await jetstream.streams_info()]
            ours = [stream for stream in names if stream.startswith(f"{name}-inbox-")]
            await asyncio.gather(*(jetstream.delete_stream(stream) for stream in ours))

        self.ask(delete)

    def leader(self, stream: str) -> int:
        """The node that leads a stream."""

        async def leader(jetstream: JetStreamContext) -> str:
            cluster = (await jetstream.stream_info(stream)).cluster
            return str(cluster and cluster.leader)

        return int(self.ask(leader).removeprefix("node"))

    @property
    def running(self) -> list[int]:
        return sorted(self._processes)

    def __enter__(self) -> NatsCluster:
        """Once all nodes have found each other; on other ports if one of theirs was taken meanwhile."""
        for left in reversed(range(TRIES)):
            try:
                self.start()
                for node in range(NODES):
                    _until_healthy(self.monitors[node], self._processes[node])
            except BaseException as failure:
                self.kill()
                if not left or not isinstance(failure, RuntimeError):
                    raise
                self._settle()
            else:
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


def _until_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    def listening() -> bool:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True

    _until(listening, process, f"the NATS server on port {port} did not start")


def _until_healthy(port: int, process: subprocess.Popen[bytes]) -> None:
    """In touch with the cluster's leader, as its monitor says."""
    _until(
        lambda: httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=1).is_success,
        process,
        f"the NATS server with its monitor on port {port} found no cluster",
    )


def _until(ready: Callable[[], bool], process: subprocess.Popen[bytes], otherwise: str) -> None:
    deadline = time.monotonic() + READY_S
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError, httpx.HTTPError):
            if ready():
                return
        time.sleep(0.02)
    raise RuntimeError(otherwise)
