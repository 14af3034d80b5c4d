"""Running the console. One worker: a marimo session lives in one process."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from orderhub_core import runtime


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
