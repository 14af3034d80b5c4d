"""Ports of loopback for servers that a test starts: nobody else's, and nobody else's a moment later."""

from __future__ import annotations

import contextlib
import random
import socket

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
