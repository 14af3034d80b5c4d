"""Poll: push is a hint, polling is the truth. Windows overlap, so that a row that moved is seen again; the
inbox knows what it has seen. How far a source was read, its own clock says, too: ours may be ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import Protocol

import structlog

from orderhub_core.model import RawMessage
from orderhub_core.store.base import Store
from orderhub_core.store.unit import Receipt

log = structlog.get_logger()

SECOND = 1_000_000
OVERLAP_S = 600
"""Read again what was updated in the last ten minutes: platforms publish late."""
FURTHEST_OFF_S = 30 * 86_400
"""A source whose clock is further behind than that is not asked by it."""
AT_ONCE_S = 86_400
"""Of a longer time it is asked day by day: what fails on the last day does not begin with the first again."""


class Pollable(Protocol):
    def poll(self, since: int, until: int) -> Iterator[RawMessage]: ...
    def clock(self) -> int | None: ...


def poll(
    store: Store,
    name: str,
    source: Pollable,
    receive: Callable[[Sequence[RawMessage]], Sequence[Receipt]],
    *,
    now: int,
    history_s: int,
    page: int = 500,
) -> int:
    """Receive what changed at a source since the last poll (at first: `history_s` back). Returns how many were new.

    The cursor moves only after everything before it is on disk: a poll that dies is repeated. It never goes further
    than the source's own clock showed as its list began: what lies beyond has not happened there, and comes later.
    """
    upto = store.cursor_of(name)
    # A cursor in the future was set by a clock that ran ahead: what happened meanwhile was never asked for.
    since = now - history_s * SECOND if upto is None or upto > now else upto - OVERLAP_S * SECOND
    new = 0
    while since < now:
        until = min(now, since + AT_ONCE_S * SECOND)
        messages = source.poll(since, until)
        first = list(islice(messages, 1))
        theirs = source.clock()
        ahead_s = 0 if theirs is None or upto is None else (upto - theirs) // SECOND
        if theirs is not None and OVERLAP_S < ahead_s < FURTHEST_OFF_S:
            # The cursor was set by the hub's own clock, ahead of the source's: nobody asked for what came before it.
            upto, since = None, theirs - history_s * SECOND
            store.set_cursor(name, since)
            continue
        messages = chain(first, messages)
        while group := list(islice(messages, page)):
            new += sum(receipt == "new" for receipt in receive(group))
        reached = until if theirs is None else min(until, theirs)
        if theirs is not None and reached < until - OVERLAP_S * SECOND:
            behind_s = (now - theirs) // SECOND
            log.warning("clocks differ: mend the hub's, or the source's", source=name, source_behind_s=behind_s)
        if reached > since:
            # Another worker may have come further meanwhile; what lies in the future holds nobody.
            further = store.cursor_of(name) or 0
            store.set_cursor(name, reached if further > now else max(reached, further))
            if reached < until:
                break
        since = until
    return new
