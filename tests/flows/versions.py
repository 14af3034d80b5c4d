"""A hub's flow whose rulebook has versions."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from reading import rows
from small_shop import source

from orderhub_core.flows import ops
from orderhub_core.flows.absorb import drain
from orderhub_core.flows.context import Source
from orderhub_core.flows.editions import Editions
from orderhub_core.flows.places import places
from orderhub_core.flows.reporting import Signals
from orderhub_core.model import Event as E
from orderhub_core.rules.tree import Rulebook
from orderhub_core.settings import Endpoint, Settings

NOW = 1_700_000_000_000_000


STORM = """[[groups]]
name = "weather"
match = "all"
[[groups.rules]]
name = "wet"
when = "storm"
then = "hold address; tag wet"
"""


def text(version, warehouse, more=""):
    routing = f'[[groups]]\nname = "routing"\nmatch = "first"\notherwise = "assign {warehouse}"\n'
    return f'version = "{version}"\n{routing}{more}'


GIFT = """[[groups]]
name = "gifts"
match = "all"
[[groups.rules]]
name = "welcome"
when = "total >= 1"
then = "gift FREE-1"
"""
HOLD = GIFT.replace("gifts", "care").replace("gift FREE-1", "hold risk")
NEVER = GIFT.replace("total >= 1", "total >= 300 and total < 200")


class Bench:
    """A hub's flow, and the versions of its rulebook. Orders are named as they come: A1, A2 …"""

    def __init__(self, context, order, *, settings=None, folder=Path()):
        def known(name):
            return Source("", "", ops.decode) if name == ops.OPS else source(name)

        self.context = context._replace(source=known, book=Rulebook(), places=places(settings or Settings()))
        self._order = order
        self._ticks, self._numbers = count(NOW), count(1)
        self.store = context.store
        self.editions = Editions(
            self.store, self.clock, self._receive, lambda said: self._receive(said) or drain(self.context, 100),
            settings or Settings(), folder,
        )  # fmt: skip

        self.signals = Signals(self.store, self.clock, lambda said: self._receive(said) or drain(self.context, 100),
                               settings or Settings(shops=(Endpoint("shop-1", "douyin"),)), Rulebook())  # fmt: skip

    def clock(self):
        return next(self._ticks)

    def _receive(self, messages):
        self.store.accept(messages, self.clock())

    def orders(self, many=1, total=20_000, **rest):
        """Their numbers."""
        names = [f"A{next(self._numbers)}" for _ in range(many)]
        self._receive([self._order(name, E.PLACED, E.PAID, at=NOW, total=total, **rest) for name in names])
        drain(self.context, 100)
        return names

    def news(self, name, *events, **rest):
        """Of an order."""
        self._receive([self._order(name, *events, at=next(self._ticks), **rest)])

    def published(self, *versions):
        for version in versions:
            self.editions.change("publish", version, by="ann")

    def decided(self, column="version", shadow=0):
        return dict(
            rows(
                self.context,
                f"SELECT order_no, {column} FROM decisions JOIN orders USING (order_id)"
                f" WHERE place = 0 AND shadow = {shadow}",
            )
        )

    def states(self):
        return {one.version: one.state for one in self.editions.kept()}
