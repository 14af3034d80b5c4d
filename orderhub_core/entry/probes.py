"""Is the process alive, is it ready, and what does it count: `/healthz`, `/readyz` and `/metrics`.

Whoever asks for health learns only that; metrics tell shops and volumes, so they are for those who may know.
"""

from __future__ import annotations

import contextlib
import hmac
import shutil
import socket
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache, partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import NamedTuple

from orderhub_core.entry.asking import Asking
from orderhub_core.entry.metrics import Meters
from orderhub_core.errors import Busy, OrderHubError, Stop, StoreMissing, UserMistake
from orderhub_core.hub import Hub
from orderhub_core.store import homes

LEAST_FREE_BYTES = 64 * 1024 * 1024
SCHEMA_HOLDS_S = 60.0
READINESS_S, PAGE_S = 3.0, 10.0
"""How long whoever asks waits for a store that does not answer."""
FORMATS = 8
"""Of a page of metrics: as many are asked for at once, should anybody try."""
PATHS = ("/healthz", "/readyz", "/metrics")
TEXT = "text/plain; charset=utf-8"


class Answer(NamedTuple):
    status: int
    body: bytes
    content_type: str = TEXT


class Ready:
    """Whether a process over a hub may be given work: what takes its messages in answers, and writes down those that
    come, its database answers in this version's schema, its disk has room, and `others` (each raises an OrderHubError)
    agree.

    One that only shows does not accept. One that only accepts does not need the database where a cluster takes the
    messages in.
    """

    def __init__(self, hub: Hub, *others: Callable[[], None], accepts: bool = True, applies: bool = True) -> None:
        self._hub = hub
        asked = [hub.store.ready_to_accept, hub.failing.check] if accepts else []
        if applies or not hub.home.inbox:
            asked.append(self._database)
        self._checks = (*asked, self._disk, *others)
        self._schema_until = float("-inf")

    def __call__(self) -> None:
        """Raises an OrderHubError that says what is missing."""
        for check in self._checks:
            check()

    def _database(self) -> None:
        if time.monotonic() >= self._schema_until:
            self._schema()
        self._hub.flow.glance()

    def _schema(self) -> None:
        """Before anything else is read: in another's, nothing may be where it is looked for."""
        if outdated := homes.outdated(self._hub.home):
            homes.refuse_later(self._hub.home)
            raise StoreMissing(
                "the schema of {parts} is not this version's: run `orderhub db init`", parts=tuple(outdated)
            )
        self._schema_until = time.monotonic() + SCHEMA_HOLDS_S

    def _disk(self) -> None:
        free = shutil.disk_usage(self._hub.home.data).free
        if free < LEAST_FREE_BYTES:
            raise Busy("the disk of the data folder is nearly full: {free} MiB are free", free=free // 1024**2)


def takes_webhooks(hub: Hub) -> Callable[[], None]:
    """Whether any shop of the settings can take some: raises Stop, with the reason of the first, where none can."""

    def check() -> None:
        reasons = []
        for shop in hub.settings.live_shops:
            try:
                hub.channel(shop.id)
            except UserMistake as mistake:
                reasons.append(mistake)
            else:
                return
        if reasons:
            raise Stop("no shop takes webhooks: {why}", why=reasons[0])

    return check


class Probes:
    """Answers for one process. With a `token`, metrics are for whoever shows it (`Authorization: Bearer …`); without
    one, for requests to one of `hosts`, so that no page in a browser can have them fetched under another name."""

    def __init__(
        self, meters: Meters | None, ready: Callable[[], None], *, token: str | None, hosts: Collection[str]
    ) -> None:
        self._ready = Asking(ready, READINESS_S)
        self._page = lru_cache(FORMATS)(lambda accept: Asking(partial(meters.page, accept), PAGE_S)) if meters else None
        self._proof = f"Bearer {token}".encode() if token else None
        self._hosts = frozenset(hosts)

    def at_once(self, path: str, headers: Mapping[str, str]) -> Answer | None:
        """What is known without the store; None where that must be asked. `headers` have lower-case names."""
        if path == "/healthz":
            return Answer(200, b"ok")
        if path == "/readyz":
            return None
        if path != "/metrics" or self._page is None:
            return Answer(404, b"there is nothing here")
        return self._refusal(headers)

    def answer(self, path: str, headers: Mapping[str, str]) -> Answer:
        """May wait for the store, though not for long: not for an event loop."""
        if (known := self.at_once(path, headers)) is not None:
            return known
        try:
            if path == "/metrics" and self._page is not None:
                return Answer(200, *self._page(Meters.format_of(headers.get("accept", "")))())
            self._ready()
        except (OrderHubError, OSError) as failure:
            return Answer(503, str(failure).encode())
        return Answer(200, b"ready")

    def _refusal(self, headers: Mapping[str, str]) -> Answer | None:
        if self._proof is not None:
            shown = headers.get("authorization", "").encode()
            return None if hmac.compare_digest(shown, self._proof) else Answer(401, b"show the token: Bearer ...")
        return None if headers.get("host", "") in self._hosts else Answer(421, b"not the name of this process")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        super().__init__((host, port), handler)


@contextlib.contextmanager
def serving(probes: Probes, host: str, port: int) -> Iterator[None]:
    """Answer probes in threads of their own, for a process that serves nothing else."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 5.0
        server_version, sys_version = "orderhub", ""

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = probes.answer(self.path.partition("?")[0], headers)
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Whoever asks for health every few seconds fills no log."""

    server = _Server(host, port, Handler)
    thread = Thread(target=server.serve_forever, name="probes", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
