"""Says in the log that the process is not ready any more, and when it is again: whoever looks later is to find both,
also where nobody asked for `/readyz`."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import structlog

from orderhub_core.entry.asking import Asking
from orderhub_core.entry.probes import READINESS_S, Ready
from orderhub_core.errors import OrderHubError
from orderhub_core.hub import Hub

log = structlog.get_logger()

LOOK_EVERY_S = 2.0


def _reason(failure: Exception) -> str:
    """Of a mistake of the hub's own only its kind: its text may hold a person's data."""
    return str(failure) if isinstance(failure, OrderHubError | OSError) else f"internal error: {type(failure).__name__}"


@contextlib.contextmanager
def watching(hub: Hub, *, accepts: bool = True, applies: bool = True) -> Iterator[None]:
    """While this lasts, one line of the log with the reason where what `Ready` asks for is missing, however long, and
    one when it is there again. What a worker's own threads do they say themselves."""
    ended = threading.Event()
    look = Asking(Ready(hub, accepts=accepts, applies=applies), READINESS_S)

    def watch() -> None:
        since: float | None = None
        while not ended.wait(LOOK_EVERY_S):
            try:
                look()
            except Exception as failure:  # noqa: BLE001 — whatever it is: who has stopped looking tells no outage
                if since is None and not ended.is_set():
                    since = time.monotonic()
                    log.warning("not ready", reason=_reason(failure))
                continue
            if since is not None:
                log.info("ready again", after_s=round(time.monotonic() - since, 1))
                since = None

    threading.Thread(target=watch, name="watch", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
