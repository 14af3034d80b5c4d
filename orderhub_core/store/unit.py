"""What one unit of work holds: the messages claimed, and everything their transaction will write."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

Row = tuple[Any, ...]
Receipt = Literal["new", "duplicate", "conflict"]


LONGEST_ID = 500
"""Characters of a message's id. Databases index keys of some two thousand bytes, and a character may be four."""


MOMENTS = 20
"""Bits of a moment that count the messages of its commit."""


class Message(NamedTuple):
    """An inbox row."""

    id: int
    source: str
    message_id: str
    kind: str
    received_at: int
    body: bytes


def lane_of(order_no: str, lanes: int) -> int:
    """The lane of an order. By its number alone, which a connector may tell before anyone knows the shop."""
    return zlib.crc32(order_no.encode("utf-8", "surrogatepass")) % lanes if lanes > 1 else 0


SLICE = 2_047
"""Bytes. A longer one is hashed with the interpreter handed over, and a busy process takes its time to give it back:
far longer than the hashing takes."""

_fresh = blake2b(digest_size=16)
"""Copied for every body: setting up a hash costs a fifth of hashing one."""


def digest_of(body: bytes) -> bytes:
    """What tells one body under an id from another."""
    digest = _fresh.copy()
    for at in range(0, len(body), SLICE):
        digest.update(body[at : at + SLICE])
    return digest.digest()


class Claim(NamedTuple):
    """Messages to apply, and the state of their lane that the work is based on. A commit on an older one is refused."""

    messages: list[Message]
    upto: int
    """The watermark once they are applied; 0 where none tells of them."""
    version: int
    next_order_id: int
    state: object
    """Which of all states that have this version: the end of the lane's log, or the `mark` of writes that are not
    committed yet."""
    lane: int = 0
    lanes: int = 1
    """How many there are: by so much order ids and log sequence numbers advance within a lane."""
    stamp: int = 0
    """What `changed_version` of every row of the commit will be."""
    queued: bool = False
    """They come from `todo`."""
    attempts: Mapping[int, int] = MappingProxyType({})
    """Message ids to the tries that failed for a passing reason, where there were any."""


class Requeued(NamedTuple):
    """A message that is to be claimed again: a row of `todo`."""

    lane: int
    id: int
    attempts: int = 0
    next_at: int = 0


class Hold(NamedTuple):
    """A person must look at an effect before it is performed, if nobody has yet, or has let it go after `since` (a
    moment; -1: it may go all the same). Of what is done a person is told who has said nothing of it after the moment
    `there`; -1: it has gone its way, or nothing is new. `withdrawn`: also of what was withdrawn before `since`.
    `beside`: as of `Calm`, where this may be over by itself."""

    why: str
    since: int
    there: int
    withdrawn: bool
    key: str
    beside: str = ""


class Calm(NamedTuple):
    """An effect need not be held for that any more. `beside`: what else it may be held for, and may be over, too."""

    why: str
    beside: str
    key: str


class Withdrawal(NamedTuple):
    """An effect must not be performed any more, if nobody has yet. `there`: as of `Hold`."""

    why: str
    there: int
    key: str


class Forestalled(NamedTuple):
    """Somebody else has seen to what an effect was to do, if nobody has performed it yet. `state`: what becomes of one
    that was not even tried, and that nobody has let go after `untried` (a moment): `withdrawn`, or `person` where that
    is not certain. What was tried may have arrived: a person's, if nobody has let it go after `since`. `told`: whether
    that is to be known of what waits for a person already."""

    state: str
    why: str
    untried: int
    since: int
    told: bool
    key: str


class Told(NamedTuple):
    """A person lets an effect go that is kept back, or has seen to it. `until`: how long it waits, where it waits for
    others to be packed with; `moment`: up to which it is known what is known of it; `act`: as of `people.Release`;
    `seen`: why it was kept back then, empty where nobody says."""

    note: str
    until: int
    moment: int
    act: str
    seen: str
    key: str


class Writes:
    """Rows per table, in column order, for one transaction."""

    def __init__(self) -> None:
        self.upserts: defaultdict[str, list[Row]] = defaultdict(list)
        self.inserts: defaultdict[str, list[Row]] = defaultdict(list)
        """Rows of orders that these create, or such as nothing else here can concern: no statement that comes before
        them in `statements.batches` may meet them, for a home may copy them first."""
        self.new: defaultdict[str, list[Row]] = defaultdict(list)
        """Rows that are kept only if their key is not there yet."""
        self.moved: list[Row] = []
        """Orders that consist of what they did: `statements.MOVED` and the order's id."""
        self.retired_lines: list[Row] = []
        self.unpaid: list[Row] = []
        """Orders of which no payment is known any more, if ever one was."""
        self.sightings: list[Row] = []
        self.reviews: list[Row] = []
        self.released: list[Told] = []
        self.freed: list[Row] = []
        """(note, until, key, why) of effects that the hub lets go, if they are held for that and nothing else."""
        self.words: list[tuple[str, Row]] = []
        """Statements on versions of the rulebook, on signals and on what is packed together, in the order in which they
        were said."""
        self.packed: set[str] = set()
        """Keys of effects that nobody leases or changes from before what is said of packing together is written until
        it is committed: whose word it is, and those it is packed with or is no longer."""
        self.latest_effects: list[Row] = []
        self.renewed_effects: list[Row] = []
        self.withdrawn: list[Withdrawal] = []
        self.held: list[Hold] = []
        self.calmed: list[Calm] = []
        self.forestalled: list[Forestalled] = []
        self.dismissed: list[Row] = []
        """(source, message id, reason, by, at) of parked messages that nobody needs to read any more."""
        self.requeued: list[Requeued] = []
        """Messages of the claim that were not applied: they belong to another lane, or wait for a better moment."""
        self.turn: tuple[int, int] | None = None
        """The ledger's last entry, and which was the last when this was planned; None where it takes no part in it."""
        self.counted: int | None = None
        """How many warehouses reported their stock when this was planned; None where that made no difference to it."""
        self.next_order_id = 1
        self.entries: Sequence[Row] = ()
        """For the log, but for their place in the chain: the store seals them as it commits."""
        self.mark = object()
        """Stands for the state that these lead to as long as nobody knows the end of its log."""
        self.log_hash = b""
        """Where the lane's log ends with them, sealed; true once they are committed."""


class Leased(NamedTuple):
    """An effect that this worker may perform until its lease runs out."""

    key: str
    order_id: int
    target: str
    payload: str
    generation: int
    attempts: int


class Finished(NamedTuple):
    leased: Leased
    state: Literal["done", "waiting", "person"]
    next_at: int
    note: str
    tried: bool = True
    """Whether the target may have heard of it."""


class Pulse(NamedTuple):
    """The live state of the flow. Ages in seconds."""

    received: int
    waiting: int
    oldest_waiting_s: float
    parked: int
    refused_signatures: int
    effects_waiting: int
    effects_for_person: int
    orders: int
    log_entries: int
