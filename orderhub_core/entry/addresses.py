"""Where a process may listen, and under which names a browser on this machine finds it."""

from __future__ import annotations

import socket

from orderhub_core.errors import UserMistake

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 — recognised, not bound
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def check_free(host: str, port: int, option: str = "--") -> None:
    """Raises UserMistake when nothing can listen there. `option` is how the options that named it begin."""
    if not 1 <= port <= 65_535:
        text = "there is no port {port}: name one from 1 to 65535 with {option}port"
        raise UserMistake(text, port=port, option=option)
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise UserMistake(
            "{option}host {host} is not an address of this machine: 127.0.0.1 and ::1 always are",
            option=option,
            host=host,
        ) from None
    for family, kind, protocol, _, address in addresses:
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(address)
        except OSError as error:
            raise UserMistake(
                "cannot listen on {host}:{port} ({why}): name another with {option}port",
                host=host,
                port=port,
                why=error.strerror,
                option=option,
            ) from None


def own_origins(host: str, port: int) -> set[str]:
    """The addresses under which a browser on this machine reaches the console."""
    names = LOOPBACK if host in (*LOOPBACK, *EVERYWHERE) else (host,)
    return {f"http://{f'[{name}]' if ':' in name else name}:{port}" for name in names}
