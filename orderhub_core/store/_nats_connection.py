"""One connection to a NATS JetStream cluster, for callers that wait.

The client is asynchronous and the store is not: its loop runs in a thread of its own. Errors leave here in the
hub's own terms.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Collection, Coroutine
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import nats
import nats.errors
from nats.aio.client import Client

from orderhub_core.errors import BadCredentials, Busy, OrderHubError, Unreachable, UserMistake
from orderhub_core.store._nats_address import Address

PATIENCE_S = 5.0
"""How long a call tries: through a short election, but not longer than a sender waits."""
TRY_S = 1.5
PAUSE_S = 0.1
RECONNECT_S = 0.1
"""Between two attempts at one server."""
OLDEST = (2, 11)
"""The first version of the server that reads many messages in one request."""

FULL = {10_002, 10_023, 10_028, 10_047, 10_077}
"""JetStream's codes for: no room left in this account, server or stream."""
UNSUITABLE = {10_005, 10_074}
"""Too few servers for so many replicas: some may be about to come."""

T = TypeVar("T")


class Problem(msgspec.Struct):
    code: int = 0
    err_code: int = 0
    description: str = ""


class StreamState(msgspec.Struct):
    messages: int
    first_seq: int
    last_seq: int
    first_ts: datetime


class Found(msgspec.Struct):
    seq: int
    data: bytes = b""


class Peer(msgspec.Struct):
    current: bool = False
    """The leader has heard of it in the last seconds, and it has all."""


class Group(msgspec.Struct):
    """The servers that hold a stream."""

    leader: str = ""
    replicas: list[Peer] = []
    """All but the leader."""


class Answer(msgspec.Struct):
    """The fields of JetStream's answers that matter here."""

    error: Problem | None = None
    config: dict[str, Any] = {}
    created: datetime | None = None
    state: StreamState | None = None
    cluster: Group | None = None
    message: Found | None = None


_answer = msgspec.json.Decoder(Answer)


class Connection:
    """Made at the first call; safe to use from several threads. `broken` is called when it breaks."""

    def __init__(self, address: Address, broken: Callable[[], None]) -> None:
        self.address, self._broken = address, broken
        self.client: Client | None = None
        self._loop = asyncio.new_event_loop()
        self._attempt: asyncio.Future[None] | None = None
        self._heard: Exception | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def run(self, work: Coroutine[Any, Any, T], patience_s: float = PATIENCE_S) -> T:
        """What `work` returns. Raises Unreachable, BadCredentials, or what `work` raises of the hub's own."""
        with self._lock:
            if self._loop.is_closed():
                work.close()
                raise Unreachable("this store is closed")
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop.run_forever, name="jetstream", daemon=True)
                self._thread.start()
        return asyncio.run_coroutine_threadsafe(_translated(work, patience_s), self._loop).result()

    def close(self) -> None:
        with self._lock:
            if self._thread is not None:
                with contextlib.suppress(Exception):
                    asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(PATIENCE_S)
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._thread.join()
                self._thread = None
            self._loop.close()

    async def _close(self) -> None:
        if self.client is not None:
            await self.client.close()
        # A task that waits for a connection may miss that it was cancelled once.
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=PAUSE_S)

    async def connected(self) -> Client:
        """The client, once its connection stands; the caller's patience bounds the wait."""
        while self.client is None or not self.client.is_connected:
            if self._attempt is None or (self._attempt.done() and (self.client is None or self.client.is_closed)):
                self._heard = None
                self._attempt = asyncio.ensure_future(self._connect())
            # A task of its own connects: nobody who gives up waiting can leave the client half connected.
            await asyncio.wait([self._attempt], timeout=PAUSE_S / 5)
            if isinstance(self._heard, nats.errors.AuthorizationError):
                raise self._heard
            if self._attempt.done():
                self._attempt.result()
                await asyncio.sleep(PAUSE_S / 5)
        return self.client

    async def _connect(self) -> None:
        client = await nats.connect(
            list(self.address.servers),
            name="orderhub",
            error_cb=self._hear,
            disconnected_cb=self._disconnected,
            connect_timeout=1,
            reconnect_time_wait=RECONNECT_S,
            max_reconnect_attempts=-1,
            ping_interval=2,
        )
        version = client.connected_server_version
        if (version.major, version.minor) < OLDEST:
            await client.close()
            raise UserMistake("--inbox: the servers are too old ({version}); run NATS 2.12 or newer", version=version)
        self.client = client

    async def _hear(self, error: Exception) -> None:
        """The client tells of every lost connection; the call that needed it will say so."""
        self._heard = error

    async def _disconnected(self) -> None:
        self._broken()

    async def ask(
        self, verb: str, request: Any = None, *, known: Collection[int] = (), patience_s: float | None = None
    ) -> Answer:
        """A call of JetStream's API, repeated while nobody leads. Errors in `known` are an answer."""
        body = b"" if request is None else msgspec.json.encode(request)
        async with asyncio.timeout(patience_s):
            while True:
                client = await self.connected()
                with contextlib.suppress(nats.errors.TimeoutError, nats.errors.NoRespondersError):
                    answer = _answer.decode((await client.request(f"$JS.API.{verb}", body, timeout=TRY_S)).data)
                    if answer.error is None or answer.error.err_code in known:
                        return answer
                    _raise_final(answer.error)
                await asyncio.sleep(PAUSE_S)


def _raise_final(problem: Problem) -> None:
    """What asking again cannot help."""
    if problem.err_code in FULL:
        raise Busy("the cluster has no room left; nothing was lost, the work waits")
    if problem.code == 400 and problem.err_code not in UNSUITABLE:
        raise UserMistake("--inbox: the cluster refused: {description}", description=problem.description)


async def _translated(work: Coroutine[Any, Any, T], patience_s: float) -> T:
    """The client's own errors in the hub's terms; no address or password in them."""
    try:
        return await asyncio.wait_for(work, patience_s)
    except OrderHubError:
        raise
    except nats.errors.AuthorizationError:
        raise BadCredentials("the cluster refused our credentials: mend the user and password of --inbox") from None
    except (nats.errors.Error, TimeoutError, OSError) as error:
        kind = type(error).__name__
    raise Unreachable("the message cluster does not answer ({kind}); nothing was lost, the work waits", kind=kind)
