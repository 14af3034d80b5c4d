"""What one unit of work holds: the messages claimed, and everything their transaction will write."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Literal, NamedTuple

Row = tuple[Any, ...]
Receipt = Literal["new", "duplicate", "conflict"]


class Message(NamedTuple):
    """An inbox row."""

    id: int
    source: str
    message_id: str
    kind: str
    received_at: int
    body: bytes


class Claim(NamedTuple):
    """Messages to apply, and the state of the hub that the work is based on. A commit on an older one is refused."""

    messages: list[Message]
    upto: int
    version: int
    next_order_id: int
    log_seq: int
    log_hash: bytes
    replayed: bool = False
    """These were parked: applying them takes them out of there and leaves the watermark alone."""


class Writes:
    """Rows per table, in column order, for one transaction."""

    def __init__(self) -> None:
        self.upserts: defaultdict[str, list[Row]] = defaultdict(list)
        self.inserts: defaultdict[str, list[Row]] = defaultdict(list)
        self.new: defaultdict[str, list[Row]] = defaultdict(list)
        """Rows that are kept only if their key is not there yet."""
        self.retired_lines: list[Row] = []
        self.sightings: list[Row] = []
        self.latest_effects: list[Row] = []
        self.renewed_effects: list[Row] = []
        self.withdrawn: list[Row] = []
        """(note, key) of effects that must not be performed any more, if nobody has yet."""
        self.unparked: list[int] = []
        self.next_order_id = 1
        self.log_seq = 0
        self.log_hash = b""


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
