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
    reason: str = ""


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
            return Verdict(count, expected, f"entry {expected} is missing: the next one is {seq}")
        if link(at[lane].hash, tuple(fields)) != bytes(stored):
            return Verdict(count, seq, f"entry {seq} was changed after it was written")
        at[lane] = Head(seq, bytes(stored))
        count += 1
    for found, head in zip(at, heads, strict=True):
        if found != head:
            return Verdict(count, found.seq + lanes, f"the log ends at entry {found.seq}, but {head.seq} were written")
    return Verdict(count)
