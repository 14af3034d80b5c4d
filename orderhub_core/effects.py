"""The closed list of what the hub may do outside. Nobody but `flows.dispatch` performs one.

`once` effects are keyed by their cause and never merged; of `latest` effects with one key, a newer
waiting one replaces the older. No effect carries personal data.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from orderhub_core.errors import NobodyThere

Mode = Literal["once", "latest"]


class FetchOrder(msgspec.Struct, frozen=True, tag="fetch_order"):
    """Ask the channel for the whole order: its push was only a hint."""

    shop: str
    order_no: str

    mode: Mode = "latest"

    @property
    def target(self) -> str:
        return self.shop


class WarehouseLine(msgspec.Struct, frozen=True, gc=False):
    sku: str
    quantity: int
    gift_of: str = ""
    """SKU of the line that this gift travels with; empty for goods that were sold."""


class Marks(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What rules say of how an order is to be handled."""

    carrier: str = ""
    """Who takes the parcel; empty where the warehouse chooses."""
    tags: tuple[str, ...] = ()
    priority: int = 0
    """Points; the more, the sooner it is picked."""


class Companion(msgspec.Struct, frozen=True, order=True):
    """An order that is packed together with another one."""

    shop: str
    order_no: str


class PushToWarehouse(msgspec.Struct, frozen=True, tag="push_to_warehouse", omit_defaults=True):
    """Hand the order, or one parcel of it, to its warehouse, gifts bound to their parents."""

    shop: str
    order_no: str
    warehouse: str
    lines: tuple[WarehouseLine, ...]
    marks: Marks = Marks()
    parcel: int = 1
    """Its number within the order."""
    parcels: int = 1
    """In how many the order goes."""
    pack_with: tuple[Companion, ...] = ()
    """Orders that go in one parcel with it, each of which says so of this one."""

    mode: Mode = "once"

    @property
    def target(self) -> str:
        return self.warehouse


class OrderProduction(msgspec.Struct, frozen=True, tag="order_production"):
    """Have a production base make what was ordered."""

    shop: str
    order_no: str
    base: str
    number: str
    """Of the work order: the same order has the same one, however often it is asked for."""
    lines: tuple[WarehouseLine, ...]

    mode: Mode = "once"

    @property
    def target(self) -> str:
        return self.base


class Notify(msgspec.Struct, frozen=True, tag="notify"):
    """Tell people. The text holds no personal data."""

    channel: str
    title: str
    text: str

    mode: Mode = "once"

    @property
    def target(self) -> str:
        return self.channel


Effect = FetchOrder | PushToWarehouse | OrderProduction | Notify


def encode(effect: Effect) -> bytes:
    return msgspec.json.encode(effect)


def decode(payload: bytes | str) -> Effect:
    """Raises NobodyThere for one that another version of the hub has written, and this one does not know."""
    try:
        effect: Effect = msgspec.json.decode(payload, type=Effect)
    except msgspec.ValidationError:
        raise NobodyThere(
            "another version of the hub wanted this, and this one does not know it: go on with that"
        ) from None
    return effect
