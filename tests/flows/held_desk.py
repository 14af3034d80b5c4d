"""A hub's flow with a warehouse, and somebody who looks after what is held."""

from __future__ import annotations

import random

import msgspec
from reading import rows
from versions import GIFT, NOW, Bench, text

from orderhub_core.errors import RefusedByTarget, Unreachable
from orderhub_core.flows.absorb import drain
from orderhub_core.flows.dispatch import dispatch
from orderhub_core.flows.gates import Gates
from orderhub_core.flows.holding import Holds
from orderhub_core.model import Content, Line, Observation, RawMessage
from orderhub_core.settings import BaseSettings, Endpoint, Settings, WarehouseSettings

SETTINGS = Settings(shops=(Endpoint("shop-1", "douyin"),), warehouses=(WarehouseSettings("hangzhou", "dock"),))
BASES = Settings(shops=SETTINGS.shops, warehouses=SETTINGS.warehouses, bases=(BaseSettings("suzhou", "dock"),))
SPLIT = GIFT.replace("gift FREE-1", "split sku")
LATER = 1_000_000_000


class Desk(Bench):
    """With a warehouse, and somebody who looks after what is held."""

    def __init__(self, context, order, settings=SETTINGS, more=GIFT):
        super().__init__(context, order, settings=settings)
        self.editions.save(text("v1", "hangzhou", more), by="ann")
        self.published("v1")
        self.pushed, self.settings = [], settings
        self.at = NOW
        self.holds = Holds(
            self.store, self.clock, lambda said: self._receive(said) or drain(self.context, 100), settings
        )

    def say(self, name, *events, **rest):
        self.news(name, *events, **rest)
        drain(self.context, 100)

    def first_of(self, name, *events):
        """A first word on an order."""
        self._receive([self._order(name, *events, at=NOW, total=20_000)])
        drain(self.context, 100)

    def buy(self, name, *events, **pieces):
        """News of an order that consists of these pieces, by SKU."""
        lines = tuple(Line(number, sku, "n", "c", many, 100) for number, (sku, many) in enumerate(pieces.items(), 1))
        content = Content(total_minor=20_000, paid_minor=20_000, buyer_ref="b", lines=lines) if lines else None
        at = next(self._ticks)
        body = msgspec.json.encode(Observation(name, {event.value: at for event in events}, at, content))
        self._receive([RawMessage("shop-1", f"{name}:{at}", "order", body)])
        drain(self.context, 100)

    def push(self, perform=None, *, limit=10):
        self.at += LATER
        dispatch(
            self.store, perform or (lambda effect, key: self.pushed.append(key)), gates=Gates({}, lambda: 0.0),
            clock=lambda: self.at, leases=lambda: self.at, owner="me", dice=random.Random(1), limit=limit, attempts=3,
        )  # fmt: skip

    def give_up(self):
        for _ in range(3):
            self.at += 3_600 * 1_000_000
            self.push(down)

    def effect(self, key="push:shop-1:A1"):
        ((state, attempts, note),) = rows(self.context, f"SELECT state, attempts, note FROM outbox WHERE key = '{key}'")
        return state, attempts, note


def down(effect, key):
    raise Unreachable("no answer")


def refused(effect, key):
    raise RefusedByTarget("no such order there")
