"""How a rule has an order split, as decisions and trees have it in one word: `category`, or `category at most 3`.

What such a word is made of is known here alone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

MOST_PARCELS = 10
"""Of one order, whatever rules say."""
LIMITS = range(2, MOST_PARCELS + 1)
"""What a rule may say of its own. One parcel is what `actions.NEVER` asks for."""
_AT_MOST = " at most "
_NUMBERS = {str(number): number for number in LIMITS}


class Way(NamedTuple):
    kind: str
    """One of the words of `split`."""
    limit: int | None = None
    """Of parcels; None where the rule says none."""

    @property
    def most(self) -> int:
        """Parcels that an order may go in. What would need one more goes with the last."""
        return self.limit or MOST_PARCELS


@lru_cache(maxsize=1024)
def read(argument: str) -> Way:
    """Of an argument of `split`. Raises ValueError for a limit that is none of LIMITS."""
    kind, limited, number = argument.partition(_AT_MOST)
    if not limited:
        return Way(kind)
    if number not in _NUMBERS:
        raise ValueError(number)
    return Way(kind, _NUMBERS[number])


def written(way: Way) -> str:
    """What `read` reads as this way."""
    return way.kind if way.limit is None else f"{way.kind}{_AT_MOST}{way.limit}"
