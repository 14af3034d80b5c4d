"""Beyond one database's intake: messages are acknowledged by a NATS JetStream cluster and applied into PostgreSQL.

The cluster holds what still is to be applied and nothing else; the database holds what was, with its bodies. A
message moves in one PostgreSQL transaction, together with the orders it changed; then the cluster forgets it. Whoever
dies between the two leaves messages that the next reader finds in the database already and drops.

Why no consumers, acknowledged one by one: each acknowledgement is a round of consensus, and after a crash the next
reader would get newer messages before those that the dead one held. Here one purge per batch settles all of it,
and a lane is always read from its oldest message.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec
import psycopg

from orderhub_core.errors import Fault, Later, Unreachable
from orderhub_core.model import RawMessage
from orderhub_core.store import statements
from orderhub_core.store._nats import Cluster, Parcel, State, Stored
from orderhub_core.store._nats_address import address, stream_of
from orderhub_core.store._nats_doubts import doubts
from orderhub_core.store.lanes import Overtaken
from orderhub_core.store.postgres import THIS_LANE, PostgresStore, _translate
from orderhub_core.store.unit import LONGEST_ID, Claim, Message, Pulse, Receipt, Row, Writes, digest_of, lane_of

LARGEST_PAYLOAD = 1_000_000
"""Less than a server's `max_payload` (1 MiB unless configured); a larger message goes straight to the database."""
LOST = "jetstream"
"""The source of the hub's own notes about messages that the cluster acknowledged and no longer has, and about what is
there and no message."""


class Envelope(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A message on the wire. In the payload, since a header keeps neither blanks nor line ends."""

    source: str
    message_id: str
    kind: str
    received_at: int
    body: bytes


Read = tuple[int, Envelope]
"""A message and its sequence number."""

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Envelope).decode


class Batch(NamedTuple):
    """A lane's oldest messages, sorted out: what is applied with this claim, and what the cluster may then forget."""

    lane: int
    upto: int
    cursor: str
    """Under which the database remembers `upto`."""
    fresh: list[tuple[Envelope, bytes]]
    """With their digests."""
    conflicts: list[Row]


def parcel(message: RawMessage, received_at: int, lanes: int) -> Parcel:
    """The id tells contents apart, too: the same message id with another body must get through, as a conflict."""
    name = blake2b(digest_size=16)
    for part in (message.source.encode(), message.message_id.encode(), message.body):
        name.update(len(part).to_bytes(8, "little"))
        name.update(part)
    envelope = Envelope(message.source, message.message_id, message.kind, received_at, message.body)
    return Parcel(lane_of(message.key or message.message_id, lanes), name.hexdigest(), _pack(envelope))


def unbroken(stored: Sequence[Stored], first: int) -> list[Stored]:
    """As many as follow each other without a hole, from `first` on."""
    return [entry for number, entry in enumerate(stored, first) if entry.sequence == number]


def sorted_out(
    read: Iterable[Envelope], known: dict[tuple[str, str], bytes]
) -> tuple[list[tuple[Envelope, bytes]], list[Row]]:
    """What nobody has applied yet, with its digest, and what contradicts it. `known`: digests in the database."""
    seen = dict(known)
    fresh: list[tuple[Envelope, bytes]] = []
    conflicts: list[Row] = []
    for envelope in read:
        key, digest = (envelope.source, envelope.message_id), digest_of(envelope.body)
        if key not in seen:
            seen[key] = digest
            fresh.append((envelope, digest))
        elif seen[key] != digest:
            conflicts.append((*key, digest, envelope.received_at, envelope.body))
    return fresh, conflicts


class JetStreamStore(PostgresStore):
    """Accepting needs the cluster only; applying needs both."""

    def __init__(self, database: str, inbox: str) -> None:
        super().__init__(database)
        self.cluster = Cluster(address(inbox))
        self._batch: Batch | None = None
        """What the claim at hand was read from; belongs to the thread that holds the claim."""
        self._compared = False
        """Whether what the cluster has forgotten was compared, of every lane, with what the database has: once after a
        start, for a backup that was restored may be older."""

    def close(self) -> None:
        super().close()
        self.cluster.close()

    def accept(self, messages: Sequence[RawMessage], received_at: int) -> list[Receipt]:
        """When this returns, a quorum of the cluster has them. Raises Unreachable or Busy: some may be stored then,
        none is acknowledged. A contradiction of an earlier message is found when it is applied, and recorded there.
        """
        parcels = [parcel(message, received_at, self.cluster.address.lanes) for message in messages]
        large = [k for k, p in enumerate(parcels) if len(p.payload) > LARGEST_PAYLOAD]
        firsts: dict[str, int] = {}
        for k, p in enumerate(parcels):
            if len(p.payload) <= LARGEST_PAYLOAD:
                firsts.setdefault(p.id, k)
        receipts: list[Receipt] = ["duplicate"] * len(messages)
        there = self.cluster.publish([parcels[k] for k in firsts.values()])
        for k, known in zip(firsts.values(), there, strict=True):
            receipts[k] = "duplicate" if known else "new"
        if large:
            told = super().accept([messages[k] for k in large], received_at)
            for k, receipt in zip(large, told, strict=True):
                receipts[k] = receipt
        return receipts

    def ready_to_accept(self) -> None:
        """Raises Unreachable unless the cluster has a quorum; the database is not asked."""
        self.cluster.see_quorum()

    # -- claiming

    def _claim(self, connection: psycopg.Connection[Any], limit: int, now: int) -> Claim | None:
        """What the database took in itself comes first: large messages, and what waited before there was a cluster."""
        while True:
            self._batch = None
            if (claim := super()._claim(connection, limit, now)) is not None:
                return claim
            found = self._oldest(connection, limit, now)
            if found is None:
                return None
            claim, batch = found
            if batch.fresh:
                self._batch = batch
                return claim._replace(messages=self._numbered(connection, batch))
            with connection.cursor() as cursor:
                self._settle(cursor, batch, [])
            connection.commit()
            self._forget(batch)

    def _oldest(self, connection: Any, limit: int, now: int) -> tuple[Claim, Batch] | None:
        """The beginning of the lane whose first message waits longest, of those that no other worker has."""
        states = self.cluster.states()
        empty = [] if self._compared else self._forgotten(connection, states)
        self._compared = self._compared or (not empty and len(states) == self.cluster.address.lanes)
        waiting = sorted((state.since, lane) for lane, state in states.items() if state.messages)
        for lane in [*empty, *(lane for _, lane in waiting)]:
            claim = self._take_lane(connection, THIS_LANE, lane % self.lanes)
            if claim is None:
                continue
            state = states[lane]
            if not state.messages:
                batch = self._sorted_out(connection, lane, state._replace(since=now), [])
                if batch.fresh:  # else another worker has told it meanwhile, and the lane has gone on
                    return claim, batch
                continue
            stored = unbroken(self.cluster.read(lane, state.first, limit), state.first)
            if not stored:
                # That replica lags behind, or what it should have is gone: the leader decides which.
                stored = [entry for entry in [self.cluster.next(lane, state.first)] if entry is not None]
            if stored:
                return claim, self._sorted_out(connection, lane, state, stored)
        return None

    def _forgotten(self, connection: Any, states: Mapping[int, State]) -> list[int]:
        """Lanes that are empty, and were emptied further than the database knows: perhaps nothing comes there any more
        that would show it."""
        named = {self._cursor(lane, state): lane for lane, state in states.items() if not state.messages}
        found = connection.execute("SELECT name, upto FROM cursor WHERE name = ANY(%s)", (list(named),))
        known = dict(found.fetchall())
        return [lane for name, lane in named.items() if missing(name, states[lane], known.get(name, 0), [])]

    def _cursor(self, lane: int, state: State) -> str:
        return f"{stream_of(self.cluster.address, lane)}@{state.born}"

    def _sorted_out(self, connection: Any, lane: int, state: State, stored: Sequence[Stored]) -> Batch:
        name = self._cursor(lane, state)
        row = connection.execute("SELECT upto FROM cursor WHERE name = %s", (name,)).fetchone()
        upto = 0 if row is None else row[0]
        read = [
            *missing(name, state, upto, stored),
            *((entry.sequence, opened(name, state, entry)) for entry in stored),
        ]
        known = self._digests(connection, [envelope for _, envelope in read])
        read += counted_anew(name, state, upto, read, known)
        upto = stored[-1].sequence if stored else state.first - 1
        return Batch(lane, upto, name, *sorted_out([envelope for _, envelope in read], known))

    def _digests(self, connection: Any, envelopes: Sequence[Envelope]) -> dict[tuple[str, str], bytes]:
        rows = connection.execute(
            "SELECT source, message_id, digest FROM inbox JOIN unnest(%s::text[], %s::text[])"
            " AS asked (source, message_id) USING (source, message_id)",
            ([e.source for e in envelopes], [e.message_id for e in envelopes]),
        )
        return {(source, message_id): bytes(digest) for source, message_id, digest in rows}

    def _numbered(self, connection: Any, batch: Batch) -> list[Message]:
        rows = connection.execute(
            "SELECT nextval(pg_get_serial_sequence('inbox', 'id')) FROM generate_series(1, %s)", (len(batch.fresh),)
        ).fetchall()
        return [
            Message(number, e.source, e.message_id, e.kind, e.received_at, e.body)
            for (number,), (e, _) in zip(rows, batch.fresh, strict=True)
        ]

    # -- committing

    def commit(self, claim: Claim, writes: Writes) -> None:
        batch = self._batch
        super().commit(claim, writes)
        if batch is not None:
            with contextlib.suppress(Later):  # what stays is found in the database by the next reader, and dropped
                self._forget(batch)

    def _write(self, cursor: Any, claim: Claim, writes: Writes) -> None:
        super()._write(cursor, claim, writes)
        if self._batch is not None:
            self._settle(cursor, self._batch, claim.messages)

    def _settle(self, cursor: Any, batch: Batch, messages: Sequence[Message]) -> None:
        """Write down what the cluster may forget once this is committed."""
        try:
            with cursor.copy("COPY inbox (id, source, message_id, kind, received_at, digest, body) FROM STDIN") as copy:
                for message, (_, digest) in zip(messages, batch.fresh, strict=bool(messages)):
                    copy.write_row((*message[:5], digest, message.body))
        except psycopg.errors.UniqueViolation:
            raise Overtaken("the same message was applied from elsewhere meanwhile") from None
        cursor.executemany(_translate(statements.RECORD_CONFLICT), batch.conflicts)
        cursor.execute(_translate(statements.upsert("cursor")), (batch.cursor, batch.upto))

    def _forget(self, batch: Batch) -> None:
        self.cluster.purge(batch.lane, batch.upto)

    def give_back(self) -> None:
        if self._claimant == threading.get_ident():
            self._batch = None
        super().give_back()

    # -- telling

    def waiting(self) -> tuple[int, int | None]:
        count, oldest = super().waiting()
        states = [state for state in self.cluster.states().values() if state.messages]
        ages = [state.since for state in states] + ([] if oldest is None else [oldest])
        return count + sum(state.messages for state in states), min(ages, default=None)

    def waits_since(self) -> int | None:
        states = self.cluster.states()  # first: what is put off meanwhile goes from there to the database
        if len(states) < self.cluster.address.lanes:
            raise Unreachable("a lane of the cluster has no leader; nothing was lost, the work waits")
        ages = [super().waits_since(), *(state.since for state in states.values() if state.messages)]
        return min((age for age in ages if age is not None), default=None)

    def waiting_among(self, source: str, message_ids: Sequence[str]) -> int:
        """Those of which the database knows nothing yet are still in the cluster."""
        known = self.message_ids(source, message_ids)
        return len(set(message_ids)) - len(known) + self.waiting_of(list(known.values()))

    def doubts(self) -> list[Fault]:
        """What weakens an acknowledgement of this cluster, or of the database after it, one sentence each, as far as
        their servers tell."""
        found = doubts(self.cluster.address)
        with contextlib.suppress(Later):  # messages are taken in without the database, too
            found += super().doubts()
        return found

    def pulse(self, now: int) -> Pulse:
        pulse = super().pulse(now)
        return pulse._replace(received=pulse.received + sum(s.messages for s in self.cluster.states().values()))


def opened(cursor: str, state: State, entry: Stored) -> Envelope:
    """The message that was put there; of what is none of the hub's a note in its stead, so that it holds nobody up. The
    note has what it was, to be looked at."""
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
        found = _unpack(entry.payload)
        if _is_storable(found):
            return found
    text = f"message {entry.sequence} of {cursor} is none of the hub's: somebody else writes there\n"
    return Envelope(LOST, f"{cursor}:{entry.sequence} unreadable", "lost", state.since, text.encode() + entry.payload)


def _is_storable(envelope: Envelope) -> bool:
    """As all are that the hub itself puts there."""
    words = (envelope.source, envelope.message_id, envelope.kind)
    return all(len(word) <= LONGEST_ID and "\0" not in word for word in words) and abs(envelope.received_at) < 1 << 63


def missing(cursor: str, state: State, upto: int, stored: Sequence[Stored]) -> list[Read]:
    """A note, as if it were a message, where the lane goes on later than it should, or is empty and should not be:
    something acknowledged is gone. `upto`: the last that the database has, 0 before the first."""
    expected, found = upto + 1, stored[0].sequence if stored else state.first
    if found <= expected:
        return []
    span = f"{expected}-{found - 1}"
    text = (
        f"messages {span} of {cursor}, which the cluster had acknowledged, are neither there nor here: it has lost"
        " them, or the hub was restored from a backup that is older than they are"
    )
    return [(found, Envelope(LOST, f"{cursor}:{span}", "lost", state.since, text.encode()))]


def counted_anew(
    cursor: str, state: State, upto: int, read: Sequence[Read], known: dict[tuple[str, str], bytes]
) -> list[Read]:
    """A note where numbers that were applied stand for messages that nobody knows: the cluster forgot its end."""
    for sequence, envelope in read:
        if sequence <= upto and (envelope.source, envelope.message_id) not in known:
            text = f"the cluster went back behind message {upto} of {cursor}: what it acknowledged after it may be lost"
            name = f"{cursor}:{sequence}-{upto} again at {state.since}"
            return [(sequence, Envelope(LOST, name, "lost", state.since, text.encode()))]
    return []


def open_jetstream(database: str, inbox: str) -> JetStreamStore:
    """Connects at its first use. Raises UserMistake when an address cannot be understood."""
    return JetStreamStore(database, inbox)


def init_jetstream(inbox: str) -> None:
    """Make the streams of the inbox, or check them. Doing it again changes nothing.

    Raises UserMistake when they stand with other settings, Unreachable when the cluster does not answer or has
    fewer servers than the replicas that were asked for.
    """
    cluster = Cluster(address(inbox))
    try:
        cluster.make()
    finally:
        cluster.close()
