"""The tamper-evident log: every entry's hash covers its fields and the hash before it.

Changing, removing, inserting or reordering an entry breaks the chain at that entry; cutting off the tail
breaks the agreement with the head that `progress` keeps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

_encode = msgspec.msgpack.Encoder().encode
GENESIS = b"\0" * 32


def link(before: bytes, fields: tuple[Any, ...]) -> bytes:
    """The hash of an entry: BLAKE2b-256 over the hash before it and its fields as MessagePack."""
    return hashlib.blake2b(before + _encode(fields), digest_size=32).digest()


class Verdict(NamedTuple):
    entries: int
    broken_seq: int | None = None
    reason: str = ""


def verify(rows: Iterable[tuple[Any, ...]], head_seq: int, head_hash: bytes) -> Verdict:
    """Walk log rows (fields in column order, the hash last) and name the first entry that does not fit."""
    before, expected, count = GENESIS, 1, 0
    for *fields, stored in rows:
        seq = fields[0]
        if seq != expected:
            return Verdict(count, expected, f"entry {expected} is missing: the next one is {seq}")
        if link(before, tuple(fields)) != bytes(stored):
            return Verdict(count, seq, f"entry {seq} was changed after it was written")
        before, expected, count = bytes(stored), expected + 1, count + 1
    if count != head_seq or before != head_hash:
        return Verdict(count, expected, f"the log ends at entry {count}, but {head_seq} were written")
    return Verdict(count)
