"""Who owns which marimo session.

A marimo session id works like a key: whoever names it is let in, may steer the page and read it. So each id
belongs to the visitor who first named it, until the session is surely gone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

Key = tuple[str, str]
"""The app's address and the session id: ids are unique only within an app."""

GLANCES = 64
"""How many of the longest unused entries one claim looks at for room, so that a full table stays cheap."""


@dataclass(slots=True)
class _Claim:
    visitor: str
    used_at: float
    in_use: int = 0


class Owners:
    """A bounded table. Only an entry that nobody has used for `keep_s` gives way, never a live one.

    `keep_s` must exceed the time for which marimo keeps a session that nobody is connected to.
    """

    def __init__(self, *, keep_s: float, clock: Callable[[], float], limit: int = 20_000) -> None:
        self.keep_s, self.clock, self.limit = keep_s, clock, limit
        self._claims: OrderedDict[Key, _Claim] = OrderedDict()

    def __len__(self) -> int:
        return len(self._claims)

    def claim(self, key: Key, visitor: str) -> bool:
        """True when the session is this visitor's. Raises OverflowError when it is new and every place is in use."""
        known = self._claims.get(key)
        if known is None or self._expired(known):
            self._claims.pop(key, None)
            self._make_room()
            known = self._claims[key] = _Claim(visitor, self.clock())
        if known.visitor != visitor:
            return False
        self._touch(key, known)
        return True

    @contextmanager
    def use(self, key: Key) -> Iterator[None]:
        """Hold the entry for as long as a request or connection lasts."""
        claim = self._claims[key]
        claim.in_use += 1
        try:
            yield
        finally:
            claim.in_use -= 1
            self._touch(key, claim)

    def _touch(self, key: Key, claim: _Claim) -> None:
        claim.used_at = self.clock()
        self._claims.move_to_end(key)

    def _expired(self, claim: _Claim) -> bool:
        return not claim.in_use and self.clock() - claim.used_at > self.keep_s

    def _make_room(self) -> None:
        for _ in range(GLANCES):
            if len(self._claims) < self.limit:
                return
            key, oldest = next(iter(self._claims.items()))
            if self._expired(oldest):
                del self._claims[key]
            elif oldest.in_use:
                self._touch(key, oldest)
            else:
                break
        if len(self._claims) >= self.limit:
            raise OverflowError(f"{self.limit} sessions are open")
