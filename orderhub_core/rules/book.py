"""The rulebook: a TOML file that business people own. Routing rules (the first that holds decides) and gift
rules (every one that holds gives).

    version = "2026-11-22"
    default_warehouse = "hangzhou"

    [[routing]]
    name = "douyin-onesies"
    when = { platform = "douyin", category = ["连体衣"] }
    warehouse = "hangzhou"

    [[gift]]
    name = "autumn-pouch"
    when = { total_min = "299.00", paid_from = 2026-11-01T00:00:00+08:00, paid_until = 2026-12-01T00:00:00+08:00 }
    sku = "GIFT-POUCH"
    title = "秋季化妆包"

A condition that asks for a value the order does not have never holds.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

import msgspec

from orderhub_core.errors import UserMistake


class When(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that are given must hold. Lists mean any of; `category` and `sku` ask whether some line has it."""

    shop: str | list[str] = []
    platform: str | list[str] = []
    province: str | list[str] = []
    category: str | list[str] = []
    sku: str | list[str] = []
    total_min: str | None = None
    """In the currency's major unit, as people write it."""
    paid_from: datetime | None = None
    paid_until: datetime | None = None


class Routing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    warehouse: str
    when: When = When()


class Gift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    sku: str
    title: str = ""
    quantity: int = 1
    when: When = When()


class Book(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str = "none"
    default_warehouse: str = ""
    routing: tuple[Routing, ...] = ()
    gift: tuple[Gift, ...] = ()


def load(path: Path) -> Book:
    """Raises UserMistake that names the file and the field."""
    try:
        book = msgspec.toml.decode(path.read_bytes(), type=Book)
    except OSError as error:
        raise UserMistake(f"rulebook {path} cannot be read ({error.strerror})") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserMistake(f"rulebook {path}: {error}") from None
    for name, when in [(rule.name, rule.when) for rule in book.routing] + [
        (gift.name, gift.when) for gift in book.gift
    ]:
        _check(f"rulebook {path}: rule {name}", when)
    names = [rule.name for rule in book.routing] + [gift.name for gift in book.gift]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise UserMistake(f"rulebook {path}: the name {repeated[0]!r} stands twice; decisions are kept by rule name")
    return book


def _check(where: str, when: When) -> None:
    try:
        minor(when.total_min or "0")
    except InvalidOperation:
        raise UserMistake(f'{where}: {when.total_min!r} is no amount; write it like "299.00"') from None
    for instant in (when.paid_from, when.paid_until):
        if instant is not None and instant.tzinfo is None:
            raise UserMistake(f"{where}: {instant} needs its zone, e.g. {instant.isoformat()}+08:00")


def minor(amount: str) -> int:
    """Major units as people write them, in minor units of a currency with two decimals."""
    return int(Decimal(amount) * 100)
