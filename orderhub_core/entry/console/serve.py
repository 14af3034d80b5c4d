"""Running the console. One worker: a marimo session lives in one process."""

from __future__ import annotations

import secrets
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from orderhub_core import runtime


def run(app: ASGIApp, *, host: str, port: int) -> None:
    """Serve until told to stop. Raises Stop when the process holds two SQLites."""
    runtime.check()
    uvicorn.run(app, host=host, port=port, workers=1, log_level="warning", server_header=False, date_header=False)


def own_origins(host: str, port: int) -> set[str]:
    """The addresses under which a browser on this machine reaches the console."""
    names = {"127.0.0.1", "localhost"} if host in ("127.0.0.1", "localhost", "0.0.0.0", "::") else {host}  # noqa: S104
    return {f"http://{name}:{port}" for name in names}


def kept_secret(file: Path) -> str:
    """The secret that signs cookies, made once and kept readable to its owner only."""
    try:
        return file.read_text(encoding="ascii")
    except FileNotFoundError:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(fresh := secrets.token_urlsafe(32), encoding="ascii")
        return fresh
