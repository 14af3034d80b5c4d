"""The closed list of what the hub may do outside. Nobody but `flows.dispatch` performs one.

`once` effects are keyed by their cause and never merged; of `latest` effects with one key, a newer
waiting one replaces the older. No effect carries personal data.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Mode = Literal["once", "latest"]


class FetchOrder(msgspec.Struct, frozen=True, tag="fetch_order"):
    """Ask the channel for the whole order: its push was only a hint."""

    shop: str
    order_no: str

    mode: Mode = "latest"

    @property
    def target(self) -> str:
        return self.shop


class WarehouseLine(msgspec.Struct, frozen=True):
    sku: str
    quantity: int
    gift_of: str = ""
    """SKU of the line that this gift travels with; empty for goods that were sold."""


class PushToWarehouse(msgspec.Struct, frozen=True, tag="push_to_warehouse"):
    """Hand the order to its warehouse, gifts bound to their parents."""

    shop: str
    order_no: str
    warehouse: str
    lines: tuple[WarehouseLine, ...]

    mode: Mode = "once"

    @property
    def target(self) -> str:
        return self.warehouse


class Notify(msgspec.Struct, frozen=True, tag="notify"):
    """Tell people. The text holds no personal data."""

    channel: str
    title: str
    text: str

    mode: Mode = "once"

    @property
    def target(self) -> str:
        return self.channel


Effect = FetchOrder | PushToWarehouse | Notify


def encode(effect: Effect) -> bytes:
    return msgspec.json.encode(effect)


def decode(payload: bytes | str) -> Effect:
    effect: Effect = msgspec.json.decode(payload, type=Effect)
    return effect
