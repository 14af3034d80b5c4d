"""What rules ask of the hub's own warehouses: how full the day is, and what is left of a SKU, whether they name it or
a line has it.

It is measured once a minute and reported like any other signal. So it holds for the orders that were paid then, in
whatever batches they come, and is found again when they are decided once more. What nobody's rule asks for is not
measured, and what somebody else reports is left to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from hashlib import blake2b
from itertools import chain
from zoneinfo import ZoneInfo

import msgspec

from orderhub_core.flows import ops
from orderhub_core.flows.editions import in_force
from orderhub_core.flows.reporting import OURSELVES
from orderhub_core.flows.stocking import EARLY_US, Stock
from orderhub_core.model import RawMessage
from orderhub_core.rules import needs
from orderhub_core.rules.dictionary import MEASURED, Field
from orderhub_core.rules.tree import Rulebook
from orderhub_core.settings import Settings
from orderhub_core.signals import Measurement
from orderhub_core.store import signals
from orderhub_core.store.base import Store

EVERY_S = 60.0
LASTS_US, RENEWED_US = 600_000_000, 150_000_000
"""How long a figure holds if nobody measures again, and how long before its end it is said again."""
MOST_FIGURES = 10_000
"""In one message."""
CURSOR = "measures"


class Measures:
    """Of one hub. `first`: the book that speaks until a version is published."""

    def __init__(
        self, store: Store, clock: Callable[[], int], say: Callable[[Sequence[RawMessage]], None], settings: Settings,
        stock: Stock, first: Rulebook,
    ) -> None:  # fmt: skip
        self._store, self._clock, self._say, self._stock, self._first = store, clock, say, stock, first
        self._zone = ZoneInfo(settings.time_zone)
        self._limits = {one.id: one.orders_per_day for one in settings.warehouses if one.orders_per_day}

    def measure(self) -> list[Measurement]:
        """Report what has changed since it was measured last, or would hold no longer; not again before EVERY_S are
        over, whichever worker asks. Returns what was reported."""
        wanted = self._wanted()
        now = self._clock()
        if not wanted or not self._is_time(now):
            return []
        own = ((field, [one for one in wanted if one.signal == name]) for name, field in MEASURED.items())
        said = [word for field, some in own if some for word in self._news(field, some, now)]
        if said:
            self._say([_message(one, now) for one in said])
        return said

    def _wanted(self) -> list[Field]:
        books = in_force(self._store, self._first)
        both = [books.active, *([books.candidate] if books.candidate is not None else [])]
        return [field for book in both for field in needs.signals(book) if field.about]

    def _is_time(self, now: int) -> bool:
        before = self._store.cursor_of(CURSOR)
        if before is not None and 0 <= now - before < EVERY_S * EARLY_US:
            return False
        self._store.set_cursor(CURSOR, now)
        return True

    def _news(self, field: Field, wanted: Sequence[Field], now: int) -> Iterator[Measurement]:
        """What there is to say of one of MEASURED."""
        holding = [one for one in signals.holding(self._store, now, [field.name]) if one.since <= now]
        newest = {one.subject: one for one in reversed(holding)}  # those that began last are the first
        others = {subject for subject, one in newest.items() if one.by != OURSELVES}
        figures = self._loads(wanted, now) if field.about == "warehouse" else self._left(wanted)
        figures = {subject: figure for subject, figure in figures.items() if subject not in others}
        changed = [
            (subject, figure)
            for subject, figure in sorted(figures.items())
            if subject not in newest or newest[subject].number != figure
        ]
        own = [one for one in holding if one.by == OURSELVES]
        over = sorted({one.subject for one in own} - figures.keys())
        until = min((one.until or now for one in own), default=0)
        if renewed := until - now < RENEWED_US:
            until = now + LASTS_US
        if not (changed or over or (own and renewed)):
            return
        for start in range(0, len(changed) or 1, MOST_FIGURES):
            some, ended = tuple(changed[start : start + MOST_FIGURES]), () if start else tuple(over)
            yield Measurement(field.name, field.about, now, until, OURSELVES, some, ended)

    def _loads(self, wanted: Sequence[Field], now: int) -> dict[str, int]:
        """Whole percent that are reached. None of a warehouse that takes any number of orders a day."""
        day = datetime.fromtimestamp(now / 1e6, self._zone).date().isoformat()
        limits = {one.subject: self._limits[one.subject] for one in wanted if one.subject in self._limits}
        return {
            warehouse: 100 * sum(one.balance for one in self._stock.booked(warehouse=warehouse, day=day)) // limit
            for warehouse, limit in limits.items()
        }

    def _left(self, wanted: Sequence[Field]) -> dict[str, int]:
        """Nothing where no warehouse reports its stock. Of a SKU that rules name and that no report has named there is
        nothing; of others that no report has named nothing is known."""
        if not self._stock.told():
            return {}
        left = {one.subject: 0 for one in wanted if one.subject}
        whatever = any(one.told for one in wanted)
        for shelf in self._stock.left() if whatever else chain.from_iterable(self._stock.left(sku=sku) for sku in left):
            left[shelf.subject] = left.get(shelf.subject, 0) + max(0, shelf.balance - shelf.safety)
        return left


def _message(said: Measurement, at: int) -> RawMessage:
    body = msgspec.json.encode(said)
    which = blake2b(body, digest_size=16).hexdigest()  # one look may have more to say than a message holds
    return RawMessage(ops.OPS, f"measurement:{said.field}:{at}:{which}", "measurement", body, ops.TURN_KEY)
