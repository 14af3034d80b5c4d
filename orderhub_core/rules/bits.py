"""Truth of many rows as a bitmap, eight to a byte: what is joined by `and` and `or` thousands of times a second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

Bits = np.ndarray[tuple[int], np.dtype[np.uint8]]
"""Past the last row it holds zeros."""
Bools = np.ndarray[tuple[int], np.dtype[np.bool_]]
Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]


def pack(truth: pl.Series | Bools) -> Bits:
    """Of a column without missing values."""
    return np.packbits(truth.to_numpy() if isinstance(truth, pl.Series) else truth)


def unpack(bits: Bits, height: int) -> Bools:
    return np.unpackbits(bits, count=height).view(np.bool_)


def everywhere(height: int) -> Bits:
    return np.packbits(np.ones(height, np.bool_))


def nowhere(height: int) -> Bits:
    return np.zeros((height + 7) // 8, np.uint8)


def joined(op: Any, parts: Sequence[Bits]) -> Bits:
    """By one of numpy's bitwise functions; of two at least one new bitmap is made."""
    if len(parts) == 1:
        return parts[0]
    found: Bits = op(parts[0], parts[1])
    for part in parts[2:]:
        op(found, part, out=found)
    return found


def first(truths: Sequence[Bits], height: int) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    """Of each row the number of the first that is true there, from 1; 0 where none is.

    The number is put together from its binary digits, each a bitmap like the truths: so a rule costs a few passes
    over an eighth of a byte per row, and not one over all rows.
    """
    free = everywhere(height)
    digits = [nowhere(height) for _ in range(len(truths).bit_length())]
    for number, truth in enumerate(truths, 1):
        new = truth & free
        free ^= new
        for place, digit in enumerate(digits):
            if number >> place & 1:
                np.bitwise_or(digit, new, out=digit)
    found = np.zeros(height, np.uint32)
    for place, digit in enumerate(digits):
        found |= np.unpackbits(digit, count=height).astype(np.uint32) << np.uint32(place)
    return found
