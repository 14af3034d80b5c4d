"""What rules ask of the hub's own warehouses: how full the day is, and what is left of a SKU.

It is measured once a minute and reported like any other signal. So it holds for the orders that were paid then, in
whatever batches they come, and is found again when they are decided once more. What nobody's rule asks for is not
measured, and what somebody else reports is left to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from orderhub_core.flows import ops
from orderhub_core.flows.editions import in_force
from orderhub_core.flows.stocking import EARLY_US, OURSELVES, Stock
from orderhub_core.model import RawMessage, Signal
from orderhub_core.rules.dictionary import Field
from orderhub_core.rules.needs import asked
from orderhub_core.rules.tree import Rulebook
from orderhub_core.settings import Settings
from orderhub_core.store import signals
from orderhub_core.store.base import Store
from orderhub_core.store.signals import Reported

EVERY_S = 60.0
LASTS_US, RENEWED_US = 600_000_000, 150_000_000
"""How long a figure holds if nobody measures again, and how long before its end it is said again."""
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

    def measure(self) -> list[Signal]:
        """Report what has changed since it was measured last, or would hold no longer; not again before EVERY_S are
        over, whichever worker asks. Returns what was reported."""
        wanted = self._wanted()
        now = self._clock()
        if not wanted or not self._is_time(now):
            return []
        holding = signals.holding(self._store, now)
        said = [one for field in wanted for one in self._news(field, holding, now)]
        if said:
            self._say([ops.signal(one, now) for one in said])
        return said

    def _wanted(self) -> list[Field]:
        """In the order of their names."""
        books = in_force(self._store, self._first)
        both = [books.active, *([books.candidate] if books.candidate is not None else [])]
        found = {field.name: field for book in both for field, _ in asked(book) if field.subject}
        return [found[name] for name in sorted(found)]

    def _is_time(self, now: int) -> bool:
        before = self._store.cursor_of(CURSOR)
        if before is not None and 0 <= now - before < EVERY_S * EARLY_US:
            return False
        self._store.set_cursor(CURSOR, now)
        return True

    def _news(self, field: Field, holding: Sequence[Reported], now: int) -> Iterator[Signal]:
        known = next(
            (
                one
                for one in holding  # those that began last first
                if (one.field, one.subject) == (field.signal, field.subject) and one.since <= now
            ),
            None,
        )
        if known is not None and known.by != OURSELVES:
            return
        figure = self._load(field.subject, now) if field.about == "warehouse" else self._left(field.subject)
        if figure is None:
            return
        if known is None or known.number != figure or (known.until or now) - now < RENEWED_US:
            yield Signal(field.signal, figure, now, OURSELVES, now + LASTS_US, field.about, field.subject)

    def _load(self, warehouse: str, now: int) -> int | None:
        """Whole percent that are reached. None of a warehouse that takes any number of orders a day."""
        if warehouse not in self._limits:
            return None
        day = datetime.fromtimestamp(now / 1e6, self._zone).date().isoformat()
        booked = self._stock.booked(warehouse=warehouse, day=day)
        return 100 * sum(one.balance for one in booked) // self._limits[warehouse]

    def _left(self, sku: str) -> int | None:
        """None where no warehouse reports its stock. Of what none has named there is nothing."""
        if not self._stock.told():
            return None
        return sum(max(0, one.balance - one.safety) for one in self._stock.left(sku=sku))
