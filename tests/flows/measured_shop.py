"""A shop with two warehouses whose stock and room are measured, minute by minute."""

from __future__ import annotations

from reading import rows
from versions import NOW, Bench

from orderhub_core.flows.absorb import drain
from orderhub_core.flows.measuring import Measures
from orderhub_core.flows.stocking import Stock
from orderhub_core.model import Event as E
from orderhub_core.rules.tree import Rulebook
from orderhub_core.settings import Endpoint, Settings, WarehouseSettings

EVER = (0, 1 << 62)
MINUTE = 60_000_000
SETTINGS = Settings(
    shops=(Endpoint("shop-1", "douyin"),),
    warehouses=(
        WarehouseSettings("hangzhou", "dock", province="浙江省", orders_per_day=10),
        WarehouseSettings("guangzhou", "dock", province="广东省"),
    ),
    time_zone="UTC",
)


class Shop(Bench):
    def __init__(self, context, order):
        super().__init__(context, order, settings=SETTINGS)
        self.now = NOW
        say = lambda said: self._receive(said) or drain(self.context, 100)  # noqa: E731
        self.stock = Stock(self.store, self.clock, say, SETTINGS, Rulebook())
        self.measures = Measures(self.store, self.clock, say, SETTINGS, self.stock, Rulebook())

    def clock(self):
        return self.now

    def later(self, minutes=1.0):
        self.now += int(minutes * MINUTE)

    def measured(self):
        return [(one.field, *row) for one in self.measures.measure() for row in one.rows]

    def sold(self, many=1, at=None):
        """Paid now."""
        names = [f"A{next(self._numbers)}" for _ in range(many)]
        paid = self.now if at is None else at
        self._receive([self._order(name, E.PLACED, E.PAID, at=paid, total=20_000) for name in names])
        drain(self.context, 100)
        return names

    def tags(self, name):
        return {tag for (tag,) in rows(self.context, "SELECT argument FROM decisions JOIN orders USING (order_id)"
                                       f" WHERE action = 'tag' AND order_no = '{name}'")}  # fmt: skip
