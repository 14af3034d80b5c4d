"""The secret that the console keeps."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path


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
