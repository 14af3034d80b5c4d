"""The tamper-evident log: every entry's hash covers its fields and the hash before it.

Changing, removing, inserting or reordering an entry breaks the chain at that entry; cutting off the tail
breaks the agreement with the head that `lanes` keeps. Every lane has a chain of its own: of n lanes, the entries of
one are numbered n apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from orderhub_core.errors import Fault

_encode = msgspec.msgpack.Encoder().encode
GENESIS = b"\0" * 32
_fresh = hashlib.blake2b(digest_size=32)
"""Copied for every entry: setting up a hash costs more than hashing one."""


def link(before: bytes, fields: tuple[Any, ...]) -> bytes:
    """The hash of an entry: BLAKE2b-256 over the hash before it and its fields as MessagePack."""
    digest = _fresh.copy()
    digest.update(before + _encode(fields))
    return digest.digest()


class Head(NamedTuple):
    """Where a lane's chain ends. `seq` is that of its last entry, or one step before its first."""

    seq: int
    hash: bytes


def extend(end: Head, entries: Iterable[tuple[Any, ...]], step: int = 1) -> tuple[list[tuple[Any, ...]], Head]:
    """Entries without seq and hash as rows of the log, and where the chain ends with them."""
    seq, before = end
    rows = []
    for entry in entries:
        seq += step
        fields = (seq, *entry)
        before = link(before, fields)
        rows.append((*fields, before))
    return rows, Head(seq, before)


class Verdict(NamedTuple):
    entries: int
    broken_seq: int | None = None
    reason: Fault | None = None
    """Why it is broken there."""


def starts(lanes: int) -> list[Head]:
    """The heads of a log without entries."""
    return [Head(lane + 1 - lanes, GENESIS) for lane in range(lanes)]


def verify(rows: Iterable[tuple[Any, ...]], heads: Sequence[Head]) -> Verdict:
    """Walk log rows (by seq; fields in column order, the hash last) and name the first entry that does not fit.

    `heads` are the ends of the lanes' chains, by lane.
    """
    lanes, count = len(heads), 0
    at = starts(lanes)
    for *fields, stored in rows:
        seq = fields[0]
        lane = (seq - 1) % lanes
        expected = at[lane].seq + lanes
        if seq != expected:
            text = "entry {expected} is missing: the next one is {next}"
            return Verdict(count, expected, Fault(text, expected=expected, next=seq))
        if link(at[lane].hash, tuple(fields)) != bytes(stored):
            return Verdict(count, seq, Fault("entry {seq} was changed after it was written", seq=seq))
        at[lane] = Head(seq, bytes(stored))
        count += 1
    for found, head in zip(at, heads, strict=True):
        if found != head:
            text = "the log ends at entry {last}, but {written} were written"
            return Verdict(count, found.seq + lanes, Fault(text, last=found.seq, written=head.seq))
    return Verdict(count)
