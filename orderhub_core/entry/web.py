"""What every web process of the hub shares: the server library's settings, probes as an app, and the smallest app there
is: webhooks and probes."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn
from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from orderhub_core import runtime
from orderhub_core.entry.connections import Connection, Stalled, most_of, raise_open_files
from orderhub_core.entry.probes import Probes

SWITCH_S = 0.0005
"""The writer's thread is done with the disk in half a millisecond; it should not wait ten times that for its turn."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)
LAST_ANSWERS_S = 20
"""What is under way when the process is told to stop is still answered, so long as that takes no longer."""
LOOK_EVERY = 20
"""Ticks of the server, of which a second has ten."""
MOST_ASKING = 8
"""Threads for probes, which pages cannot take up."""


class _Server(uvicorn.Server):
    """Told to stop, it answers what is under way and comes back; told twice, the process ends at once."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stalled = Stalled()

    def heed(self) -> None:
        for number in SIGNALS:
            signal.signal(number, self.handle_exit)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: the library would end the process with the signal, before whoever runs it can clear up."""
        yield

    async def on_tick(self, counter: int) -> bool:
        if counter % LOOK_EVERY == 0:
            for connection in self._stalled.look(self.server_state.connections, asyncio.get_running_loop().time()):
                connection.give_up()
        return await super().on_tick(counter)


def run(app: ASGIApp, *, host: str, port: int, begin: Callable[[], None] = lambda: None) -> None:
    """Serve until told to stop by SIGTERM or SIGINT, and return; `begin` what is to end in order then. Raises Stop when
    the process holds two SQLites."""
    runtime.check()

    class Bounded(Connection):
        most = most_of(raise_open_files())

    # Without a configuration of its own the server logs where, and how, everyone else does.
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=Bounded,
        workers=1,
        timeout_graceful_shutdown=LAST_ANSWERS_S,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,  # whom they concern has them from `forwarded`
    )
    server = _Server(config)
    server.heed()
    begin()
    sys.setswitchinterval(SWITCH_S)
    # What was imported lives as long as the process: never look through it for garbage while a sender waits.
    gc.collect()
    gc.freeze()
    server.run()


def forwarded(app: ASGIApp) -> ASGIApp:
    """The app, told by a proxy how its visitors came: by one on this machine, or those of FORWARDED_ALLOW_IPS. Webhooks
    ask for nothing of the kind, and it would be a fortieth of one."""
    trusted = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1,::1")
    return ProxyHeadersMiddleware(app, trusted_hosts=trusted)  # type: ignore[arg-type, return-value]


class Probed:
    """Probes as an app: the loop says what it knows, and that it lives; what asks the store is said in a thread."""

    def __init__(self, probes: Probes) -> None:
        self.probes, self.threads = probes, CapacityLimiter(MOST_ASKING)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, headers = scope["path"], Request(scope).headers
        answer = self.probes.at_once(path, headers)
        if answer is None:
            answer = await to_thread.run_sync(self.probes.answer, path, headers, limiter=self.threads)
        await Response(answer.body, answer.status, media_type=answer.content_type)(scope, receive, send)


class Doors:
    """Webhooks, and probes for everything else."""

    def __init__(self, hooks: ASGIApp, probes: Probes) -> None:
        self.hooks, self.probes = hooks, Probed(probes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http" and scope["path"].startswith("/hooks/"):
            await self.hooks(scope, receive, send)
        elif scope["type"] == "http":
            await self.probes(scope, receive, send)
        else:
            await send({"type": "websocket.close"})


async def _live(receive: Receive, send: Send) -> None:
    """Nothing to begin and nothing to end."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
