"""What absorbing needs besides the messages: who speaks how, which rules decide, and what there is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from orderhub_core.flows import editions
from orderhub_core.flows.counters import Counters, LiveCounters
from orderhub_core.flows.places import NOWHERE, Places
from orderhub_core.flows.recent import Recent
from orderhub_core.flows.regarding import Buyers, LiveBuyers
from orderhub_core.model import Decoded
from orderhub_core.pseudonym import Pseudonyms
from orderhub_core.rules.inforce import Choice
from orderhub_core.rules.tree import Rulebook
from orderhub_core.store.ahead import Reads
from orderhub_core.store.base import Store


def wall_clock() -> int:
    """Microseconds UTC."""
    return time.time_ns() // 1_000


class Source(NamedTuple):
    """Who speaks: the shop its orders belong to, and how to read it. `live` sources can be asked for a whole order."""

    shop: str
    platform: str
    decode: Callable[[str, bytes], Decoded]
    live: bool = False


class Context(NamedTuple):
    """What absorbing needs besides the messages."""

    store: Store
    source: Callable[[str], Source]
    """Raises Unreadable for a source that the settings do not know, Later for one that cannot be had just now."""
    book: Rulebook
    """Speaks until a version is published in the hub itself."""
    pseudonyms: Pseudonyms
    recent: Recent | None = None
    """Remembers the orders of `store` between batches; without it they are read each time."""
    clock: Callable[[], int] = wall_clock
    in_force: Callable[[Store, Rulebook], Choice] = editions.in_force
    places: Places = NOWHERE
    merge_wait_us: int = 0
    """How long an order waits for others that it may be packed with, where a rule asks for that."""
    counters: Callable[[Reads, str], Counters] = LiveCounters
    """What is left in those places, for one batch; told the zone of their days."""
    buyers: Callable[[Reads], Buyers] = LiveBuyers
