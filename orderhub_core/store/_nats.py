"""A NATS JetStream cluster as the store sees it: lanes that keep what was published until it is purged.

Every lane is a stream of its own, with one subject: its sequence numbers have no holes, so whoever reads one can
see that nothing is missing, and whatever stands in it is still to be applied. There are no consumers: no
redelivery clock runs, and a reader that dies leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from orderhub_core.errors import Busy, Unreachable, UserMistake
from orderhub_core.store._nats_address import Address, config_of, stream_of, subject_of
from orderhub_core.store._nats_connection import FULL, PAUSE_S, TRY_S, Connection, Problem

MAKE_PATIENCE_S = 30.0
"""A cluster that was just started first has to find itself."""
LOOK_S = 2.0
"""Whoever asks whether a process is ready waits for the answer."""
UNKNOWN_TRIES = 10
MOST_IN_FLIGHT = 1_000
MOST_READ_BYTES = 16 * 1024 * 1024
NO_STREAM, NO_MESSAGE, EXISTS = 10_059, 10_037, 10_058


class Parcel(NamedTuple):
    """What is published. The same `id` again, within the stream's window, is stored once."""

    lane: int
    id: str
    payload: bytes


class State(NamedTuple):
    """What a lane holds: sequences `first` to `last`. `since` is when the oldest was stored, microseconds UTC."""

    messages: int
    first: int
    last: int
    since: int
    born: int
    """When the stream was made, microseconds UTC: one that is made anew counts from 1 again."""


class Stored(NamedTuple):
    sequence: int
    payload: bytes


class _Ack(msgspec.Struct):
    duplicate: bool = False
    error: Problem | None = None


_ack = msgspec.json.Decoder(_Ack)


class _Group:
    """Publications whose acknowledgements are awaited together."""

    def __init__(self) -> None:
        self.open: set[int] = set()
        self.acks: dict[int, _Ack] = {}
        self.woken = asyncio.Event()

    def take(self, index: int, ack: _Ack) -> None:
        self.acks[index] = ack
        self.open.discard(index)
        if not self.open:
            self.woken.set()

    def unacknowledged(self, indexes: Sequence[int]) -> list[int]:
        return [k for k in indexes if k not in self.acks or self.acks[k].error is not None]


class Cluster:
    """One connection per process, made at the first call; safe to use from several threads.

    Every method raises Unreachable when no quorum answers in time, Busy when there is no room, BadCredentials, and
    UserMistake when the streams are not what the address asks for.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._connection = Connection(address, self._wake)
        self._replies: tuple[Client, str] | None = None
        self._groups: dict[int, _Group] = {}
        self._begun = 0
        self._checked = False

    def publish(self, parcels: Sequence[Parcel]) -> list[bool]:
        """Whether each was there already. When this returns a quorum holds all of them."""
        return self._connection.run(self._publish(parcels))

    def states(self) -> dict[int, State]:
        """By lane, as their leaders say. A lane without a leader is left out."""
        return self._connection.run(self._states())

    def see_quorum(self) -> None:
        """Raises Unreachable unless some lane has one just now: publishing tries for longer."""
        self._connection.run(self._see_quorum(), LOOK_S)

    def read(self, lane: int, first: int, limit: int) -> list[Stored]:
        """What any replica holds from `first` on, in order; one that lags behind knows less than the leader."""
        return self._connection.run(self._read(lane, first, limit))

    def next(self, lane: int, first: int) -> Stored | None:
        """The leader's word: the oldest message that is not before `first`."""
        return self._connection.run(self._next(lane, first))

    def purge(self, lane: int, upto: int) -> None:
        """Forget a lane's messages up to and with `upto`."""
        name = stream_of(self.address, lane)
        self._connection.run(self._connection.ask(f"STREAM.PURGE.{name}", {"seq": upto + 1}))

    def make(self) -> None:
        """Make the streams that are missing, and check those that stand."""
        self._connection.run(self._make(), MAKE_PATIENCE_S)

    def close(self) -> None:
        self._connection.close()

    def _wake(self) -> None:
        """The connection broke: what is under way must be asked again, at once."""
        for group in self._groups.values():
            group.woken.set()

    async def _client(self) -> Client:
        """Connected to streams that are what we were promised."""
        client = await self._connection.connected()
        if not self._checked:
            await asyncio.gather(*map(self._check, range(self.address.lanes)))
            self._checked = True
        return client

    # -- publishing

    async def _publish(self, parcels: Sequence[Parcel]) -> list[bool]:
        found: list[bool] = []
        for at in range(0, len(parcels), MOST_IN_FLIGHT):
            found += await self._publish_group(parcels[at : at + MOST_IN_FLIGHT])
        return found

    async def _publish_group(self, parcels: Sequence[Parcel]) -> list[bool]:
        """Ask until all are acknowledged: an unanswered one may be stored, and its id makes asking again harmless."""
        group, number = _Group(), self._begun
        self._begun += 1
        self._groups[number] = group
        repeated: set[int] = set()
        left = list(range(len(parcels)))
        try:
            while left:
                await self._send(parcels, left, group, number)
                left = group.unacknowledged(left)
                problems = [ack.error.err_code for k in left if (ack := group.acks.get(k)) and ack.error]
                if not FULL.isdisjoint(problems):
                    raise Busy("the cluster has no room left for messages; nothing was lost, send again in a moment")
                if left:
                    repeated.update(left)
                    await asyncio.sleep(PAUSE_S)
        finally:
            del self._groups[number]
        # One that we sent twice is its own duplicate.
        return [group.acks[k].duplicate and k not in repeated for k in range(len(parcels))]

    async def _send(self, parcels: Sequence[Parcel], indexes: Sequence[int], group: _Group, number: int) -> None:
        client = await self._client()
        replies = await self._listening(client)
        group.open = set(indexes)
        group.woken.clear()
        for k in indexes:
            lane, name, payload = parcels[k]
            group.acks.pop(k, None)
            with contextlib.suppress(nats.errors.OutboundBufferLimitError, nats.errors.ConnectionClosedError):
                await client.publish(
                    subject_of(self.address, lane),
                    payload,
                    reply=f"{replies}.{number}.{k}",
                    headers={"Nats-Msg-Id": name},
                )
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(group.woken.wait(), TRY_S)

    async def _listening(self, client: Client) -> str:
        """The subject below which acknowledgements come."""
        if self._replies is None or self._replies[0] is not client:
            self._replies = (client, client.new_inbox())
            await client.subscribe(f"{self._replies[1]}.>", cb=self._acknowledged, pending_bytes_limit=-1)
        return self._replies[1]

    async def _acknowledged(self, message: Msg) -> None:
        _, number, index = message.subject.rsplit(".", 2)
        group = self._groups.get(int(number))
        if group is not None:
            # Without data: nobody listens on that subject, since the lane has no leader yet.
            ack = _ack.decode(message.data) if message.data else _Ack(error=Problem())
            group.take(int(index), ack)

    # -- reading

    async def _read(self, lane: int, first: int, limit: int) -> list[Stored]:
        client = await self._client()
        replies = await client.subscribe(client.new_inbox(), pending_bytes_limit=-1)
        request = {"seq": first, "batch": limit, "max_bytes": MOST_READ_BYTES}
        subject = f"$JS.API.DIRECT.GET.{stream_of(self.address, lane)}"
        found: list[Stored] = []
        try:
            await client.publish(subject, msgspec.json.encode(request), reply=replies.subject)
            while True:
                message = await replies.next_msg(timeout=TRY_S)
                headers = message.headers or {}
                if "Status" in headers:
                    return found
                found.append(Stored(int(headers["Nats-Sequence"]), message.data))
        except nats.errors.TimeoutError:
            return found
        finally:
            with contextlib.suppress(nats.errors.Error):
                await replies.unsubscribe()

    async def _next(self, lane: int, first: int) -> Stored | None:
        request = {"seq": first, "next_by_subj": subject_of(self.address, lane)}
        verb = f"STREAM.MSG.GET.{stream_of(self.address, lane)}"
        answer = await self._connection.ask(verb, request, known={NO_MESSAGE})
        return None if answer.message is None else Stored(answer.message.seq, answer.message.data)

    async def _states(self) -> dict[int, State]:
        await self._client()
        lanes = range(self.address.lanes)
        states = await asyncio.gather(*map(self._state, lanes))
        found = {lane: state for lane, state in zip(lanes, states, strict=True) if state is not None}
        if not found:
            raise Unreachable("no lane of the cluster has a leader; nothing was lost, the work waits")
        return found

    async def _state(self, lane: int) -> State | None:
        try:
            answer = await self._connection.ask(f"STREAM.INFO.{stream_of(self.address, lane)}", patience_s=TRY_S)
        except TimeoutError:
            return None
        if answer.state is None or answer.created is None:
            return None
        messages, first, last, since = msgspec.structs.astuple(answer.state)
        return State(messages, first, last, _microseconds(since), _microseconds(answer.created))

    async def _see_quorum(self) -> None:
        await self._client()
        if not any(await asyncio.gather(*map(self._has_quorum, range(self.address.lanes)))):
            raise Unreachable("no lane of the cluster has a quorum; nothing was lost, the work waits")

    async def _has_quorum(self, lane: int) -> bool:
        """As its leader says: it is some 20 s before one that lost it steps down, and then anybody left may answer."""
        try:
            answer = await self._connection.ask(f"STREAM.INFO.{stream_of(self.address, lane)}", patience_s=TRY_S)
        except TimeoutError:
            return False
        if (group := answer.cluster) is None:
            return True  # a single server
        return bool(group.leader) and 2 * (1 + sum(peer.current for peer in group.replicas)) > 1 + len(group.replicas)

    # -- the streams

    async def _make(self) -> None:
        await asyncio.gather(*map(self._make_one, range(self.address.lanes)))
        if await self._config(stream_of(self.address, self.address.lanes)):
            raise UserMistake(
                "--inbox: this hub's inbox has more than {lanes} lanes on that cluster; name as many as when it"
                " was made with `lanes=`, or what waits in the others would never be applied",
                lanes=self.address.lanes,
            )

    async def _make_one(self, lane: int) -> None:
        name = stream_of(self.address, lane)
        if not await self._config(name):
            await self._connection.ask(f"STREAM.CREATE.{name}", config_of(self.address, lane), known={EXISTS})
        await self._check(lane)

    async def _check(self, lane: int) -> None:
        """Raises UserMistake when the stream is not what was asked for: fewer replicas would mean less than we say."""
        name = stream_of(self.address, lane)
        stands = await self._config(name)
        for _ in range(UNKNOWN_TRIES):
            if not stands:  # one that was just made may not be known everywhere
                await asyncio.sleep(PAUSE_S)
                stands = await self._config(name)
        if not stands:
            raise UserMistake(
                "--inbox: there is no stream {name} on that cluster: run `orderhub db init` with it", name=name
            )
        for field, value in config_of(self.address, lane).items():
            if stands.get(field) != value:
                raise UserMistake(
                    "--inbox: the stream {name} has {field} {stands!r}, not {value!r}: change the address, or the"
                    " stream with `nats stream edit`",
                    name=name,
                    field=field,
                    stands=stands.get(field),
                    value=value,
                )

    async def _config(self, name: str) -> dict[str, object]:
        return (await self._connection.ask(f"STREAM.INFO.{name}", known={NO_STREAM})).config


def _microseconds(at: datetime) -> int:
    return int(at.timestamp() * 1e6)
