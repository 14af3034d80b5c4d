"""Orders that show the same combination are judged once.

However many orders there are, touchpoints show few distinct combinations of meanings (hundreds). Their numbers are
found by counting in mixed radix, with the numbers that do not occur squeezed out in between.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from orderhub_core.audit.blocks import blocks, taken

Codes = npt.NDArray[np.integer]
Numbers = npt.NDArray[np.int32]

_MOST = 1 << 22
"""So many numbers are squeezed by counting; beyond, by sorting."""


def combinations(codes: Sequence[Codes], sizes: Sequence[int]) -> tuple[Numbers, npt.NDArray[np.int64]]:
    """Per order the number of its combination, and per combination (one column each) its codes.

    `codes[i]` are numbers from 0 to `sizes[i]` - 1, one per order.
    """
    numbers: npt.NDArray[np.integer] = np.zeros(len(codes[0]), dtype=np.int32)
    table = np.zeros((0, 1), dtype=np.int64)
    pending: list[int] = []
    span = 1
    for place, (code, size) in enumerate(zip(codes, sizes, strict=True)):
        if span * size > _MOST and pending:
            numbers, table = _squeezed(numbers, table, pending, span)
            pending, span = [], table.shape[1]
        numbers = numbers.astype(np.int32 if span * size <= _MOST else np.int64, copy=False)
        numbers *= size
        numbers += code
        pending.append(size)
        span *= size
        if place == len(codes) - 1:
            numbers, table = _squeezed(numbers, table, pending, span)
    return numbers.astype(np.int32, copy=False), table


def _squeezed(
    numbers: npt.NDArray[np.integer], table: npt.NDArray[np.int64], sizes: Sequence[int], span: int
) -> tuple[Numbers, npt.NDArray[np.int64]]:
    if span <= _MOST:
        present = np.zeros(span, dtype=np.bool_)
        for block in blocks(len(numbers)):
            present[numbers[block]] = True
        values = np.flatnonzero(present)
        squeezed = taken((np.cumsum(present) - 1).astype(np.int32), numbers)
    else:
        values, squeezed = np.unique(numbers, return_inverse=True)
    rest, columns = values, []
    for size in reversed(sizes):
        columns.append(rest % size)
        rest = rest // size
    return squeezed.astype(np.int32, copy=False), np.vstack([table[:, rest], *reversed(columns)])
