"""Ports of loopback for servers that a test starts: nobody else's, and nobody else's a moment later; and a server."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORTS = range(12_000, 30_000)
"""Below those that Linux gives to outgoing connections: none of them may take a port between its choice and its use."""
_chosen = random.SystemRandom()  # a test's seed must not lead two processes to the same ports


def free_ports(count: int) -> list[int]:
    """All held at once while they are chosen, so that no two are the same."""
    held: list[socket.socket] = []
    try:
        while len(held) < count:
            with contextlib.suppress(OSError):
                held.append(socket.create_server(("127.0.0.1", _chosen.choice(PORTS))))
        return [taken.getsockname()[1] for taken in held]
    finally:
        for taken in held:
            taken.close()


def free_port() -> int:
    return free_ports(1)[0]


@contextlib.contextmanager
def answering(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a server whose requests it handles."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
