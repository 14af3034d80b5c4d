"""Running the console. One worker: a marimo session lives in one process."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from orderhub_core import runtime
from orderhub_core.errors import UserMistake

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 — recognised, not bound
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def run(app: ASGIApp, *, host: str, port: int) -> None:
    """Serve until told to stop. Raises Stop when the process holds two SQLites."""
    runtime.check()
    # Without a configuration of its own the server logs where, and how, everyone else does.
    uvicorn.run(
        app,
        host=host,
        port=port,
        workers=1,
        log_config=None,
        log_level="warning",
        server_header=False,
        date_header=False,
    )


def check_free(host: str, port: int) -> None:
    """Raises UserMistake when nothing can listen there."""
    if not 1 <= port <= 65_535:
        raise UserMistake(f"there is no port {port}: name one from 1 to 65535 with --port")
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise UserMistake(f"--host {host} is not an address of this machine: 127.0.0.1 and ::1 always are") from None
    for family, kind, protocol, _, address in addresses:
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(address)
        except OSError as error:
            raise UserMistake(f"cannot listen on {host}:{port} ({error.strerror}): name another with --port") from None


def own_origins(host: str, port: int) -> set[str]:
    """The addresses under which a browser on this machine reaches the console."""
    names = LOOPBACK if host in (*LOOPBACK, *EVERYWHERE) else (host,)
    return {f"http://{f'[{name}]' if ':' in name else name}:{port}" for name in names}


def kept_secret(file: Path) -> str:
    """The secret that signs cookies, made once and kept readable to its owner only."""
    with contextlib.suppress(FileNotFoundError):
        return file.read_text(encoding="ascii")
    # Whole or not at all: of two processes that start together, one makes the secret and both read it.
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}-{secrets.token_hex(8)}")
    with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as text:
        text.write(secrets.token_urlsafe(32))
    with contextlib.suppress(FileExistsError):
        file.hardlink_to(fresh)
    fresh.unlink()
    return file.read_text(encoding="ascii")
