"""The pass of `turns` at two speeds, with the same answers: plain Python for batches, machine code for histories."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from orderhub_core.rules.turns import PARTS, Asked, Left, Taken, run

Run = Callable[[Asked, Left, Taken], None]
_Part = TypeVar("_Part", Asked, Left, Taken)


def plain(asked: Asked, left: Left, taken: Taken) -> None:
    """The pass in plain Python; for batches, of which each has hardly begun when machine code would be made."""
    run(_listed(asked), changed := _listed(left), written := _listed(taken))
    for arrays, lists in ((left, changed), (taken, written)):
        for array, numbers in zip(arrays, lists, strict=True):
            if isinstance(numbers, list):
                array[:] = numbers


def _listed(part: _Part) -> _Part:
    return type(part)(*(each.tolist() if isinstance(each, np.ndarray) else each for each in part))


@lru_cache
def compiled() -> Run:
    """The pass as machine code, for histories. Made once and kept beside this file, or where the user's caches are;
    where neither can be written, each process takes some seconds to make its own."""
    # Here and not above: what only decides batches does without numba's memory.
    from numba import njit
    from numba.extending import register_jitable

    # Else each call hands over all that the arrays consist of, which takes longer than most parts do.
    inlined = register_jitable(forceinline=True)
    for part in PARTS:
        inlined(part)
    made: Any
    try:
        made = njit(cache=True)(run)
    except RuntimeError:
        made = njit(run)
    fast: Run = made
    return fast
