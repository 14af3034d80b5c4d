"""Everything that decides a world, and the dice that follow from it."""

from __future__ import annotations

import zlib

import msgspec
import numpy as np
import numpy.typing as npt

from orderhub_core.errors import UserMistake

Seconds = npt.NDArray[np.int64]
"""Instants or spans in whole seconds: platforms state no finer ones."""
Codes = npt.NDArray[np.int8]
"""Positions in a small closed list; negative for none."""
Rows = npt.NDArray[np.int32]
"""Positions of orders; `order_id` is one more."""

SECOND = 1_000_000
HOUR_S = 3600
DAY_S = 86_400
EARLIEST, LATEST = 946_684_800, 2_114_380_800
"""2000-01-01 and 2037-01-01: order numbers have 19 digits between them."""

BIG_SHOPS: tuple[tuple[str, str], ...] = (
    ("douyin-main", "douyin"),
    ("douyin-outlet", "douyin"),
    ("taobao-flag", "taobao"),
    ("pdd-value", "pdd"),
    ("mini-program", "weixin"),
)
"""Five shops on four platforms, for worlds of a million orders."""


class Plan(msgspec.Struct, frozen=True):
    """Same plan, same world, byte for byte. Instants are microseconds UTC; rates are shares between 0 and 1."""

    seed: int
    orders: int
    start: int
    """First instant at which an order may be placed."""
    end: int
    """Last such instant. Arrivals follow the day curve of Asia/Shanghai between the two, unless they are `steady`."""
    shops: tuple[tuple[str, str], ...] = (("douyin-main", "douyin"), ("douyin-outlet", "douyin"))
    """(shop id, platform); earlier shops sell more."""

    steady: bool = False
    """Orders come evenly at all hours: a demonstration is looked at in the middle of the night, too."""

    unpaid: float = 0.06
    """Share of orders that nobody pays: voided 30 minutes after they were placed."""
    refunded: float = 0.03
    """Refunded before shipping."""
    stuck: float = 0.02
    """Never locked (a fifth), never labelled (two fifths) or never shipped (two fifths)."""
    intercepted: float = 0.003
    """Stopped between warehouse and carrier, then refunded."""
    returned: float = 0.04
    """Sent back after delivery, then refunded. What remains of 1 is the normal course."""

    late: float = 0.03
    """Per touchpoint and word: the word can be read half an hour to two days after its own update time."""
    twice: float = 0.01
    """The same row is shown again later."""
    never: float = 0.015
    """The row is missing: the touchpoint stays at its word before, or does not know the order."""
    wrong: float = 0.005
    """The row has the word of another stage."""

    outage_warehouse: str = "guangzhou"
    """Its label printer breaks down once; empty for a world without an outage."""
    outage_at: int | None = None
    """Microseconds UTC; None stands for 18 hours before `end`, so that it is not over when the last order comes."""
    outage_h: float = 24.0
    """How long no label is printed; what waited is printed in the four hours afterwards."""
    outage_stuck: float = 0.2
    """Share of the waiting labels that are never printed. These orders are stuck on top of the rate `stuck`."""

    @property
    def outage_s(self) -> tuple[int, int]:
        """First second of the outage and first second after it."""
        at = max(self.start, self.end - 18 * HOUR_S * SECOND) if self.outage_at is None else self.outage_at
        return at // SECOND, at // SECOND + round(self.outage_h * HOUR_S)

    def dice(self, *subject: str) -> np.random.Generator:
        """A stream of its own per subject, so that a new subject never shifts what another one drew."""
        words = [zlib.crc32(word.encode()) for word in subject]
        return np.random.Generator(np.random.SFC64([self.seed, *words]))


FATE_RATES = ("unpaid", "refunded", "stuck", "intercepted", "returned")
FAULT_RATES = ("late", "twice", "never", "wrong")


def check(plan: Plan) -> None:
    """Raises UserMistake when no world follows from the plan."""
    if plan.orders < 0 or plan.seed < 0:
        raise UserMistake(
            "a world of {orders} orders with seed {seed}: neither may be negative", orders=plan.orders, seed=plan.seed
        )
    first_s, last_s = -(-plan.start // SECOND), plan.end // SECOND
    if not EARLIEST <= first_s <= last_s <= LATEST:
        raise UserMistake("a world needs start and end between 2000 and 2037 in microseconds UTC, start first")
    if not plan.shops or len({shop for shop, _ in plan.shops}) < len(plan.shops):
        raise UserMistake("a world needs at least one shop, each with an id of its own")
    for group in (FATE_RATES, FAULT_RATES, ("outage_stuck",)):
        rates = [getattr(plan, name) for name in group]
        if min(rates) < 0 or sum(rates) > 1:
            raise UserMistake("the rates {group} must not be negative, and together at most 1", group=tuple(group))
