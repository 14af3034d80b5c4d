"""Clocks that jump by a day, both ways, in the midst of work: timestamps may be wrong, outcomes may not.

The same messages go through the product twice, once under a clock that jumps whenever anybody looks at it. Targets
refuse now and then and are tried again later, and a worker dies holding leases. In the end every order, line, log
entry and effect is the same, and nothing waits for yesterday to come again.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from life import SECOND, Product, Told, deliveries_of, state_of
from report import Report

NAME = "clocks"
DAY = 86_400 * SECOND
START = 1_700_000_000 * SECOND
LONGEST_LOOK = 400
"""How many seconds of the clock, jumps apart, may pass until everything is done: a lease and some backoff."""


def run(rounds: int, seed: int) -> Report:
    """So many lives under a jumping clock, each compared with the same life under a steady one."""
    report, began = Report(NAME, seed), time.monotonic()
    for number in range(seed, seed + rounds):
        _life(report, number)
        report.rounds += 1
    report.seconds = time.monotonic() - began
    return report


class Jumping(Product):
    """`odds` that the clock jumps at any look. With any, targets refuse some effects at first."""

    def __init__(self, folder: Path, told: Told, mark: Callable[[str, Any], None], dice: Random, odds: float) -> None:
        self._dice, self._odds, self._refused, self._died = dice, odds, set[str](), False
        super().__init__(folder, told, mark, now=START)

    def _clock(self) -> int:
        if self._dice.random() < self._odds:
            self.jump(self._dice.choice((-1, 1)))
        return super()._clock()

    def jump(self, days: int) -> None:
        self._now += days * DAY

    def hurdle(self, key: str) -> None:
        from orderhub_core.errors import Unreachable

        if self._odds and key not in self._refused and self._dice.random() < 0.5:
            self._refused.add(key)
            raise Unreachable("no answer")

    def die_with_leases(self) -> None:
        """Another worker takes what is due, and is never seen again."""
        from orderhub_core.flows.dispatch import LEASE_S

        if self._died:
            return  # a try that nobody finished is a try: three deaths are a person's business
        self._died, now = True, self._clock()
        self.store.lease(now=now, until=now + LEASE_S * SECOND, owner="dead", limit=3)


def _life(report: Report, number: int) -> None:
    dice = Random(number)
    deliveries = deliveries_of(dice)
    steady, _ = _lived(deliveries, dice, odds=0.0)
    jumpy, told = _lived(deliveries, dice, odds=0.1)
    report.acknowledged += len(told.acknowledged)
    for name, rows in steady.items():
        if rows != jumpy[name]:
            gone = [row for row in rows if row not in jumpy[name]]
            new = [row for row in jumpy[name] if row not in rows]
            report.broken.append(f"seed {number}: a jumping clock changed {name}: without {gone[:2]}, with {new[:2]}")


def _lived(deliveries: list[list[Any]], dice: Random, odds: float) -> tuple[dict[str, list[Any]], Told]:
    from orderhub_core.store import homes

    with tempfile.TemporaryDirectory() as folder:
        homes.init(homes.Home(Path(folder)))
        told = Told()
        product = Jumping(Path(folder), told, told.take, dice, odds)
        for at in range(0, len(deliveries), 3):
            product.deliver(deliveries[at : at + 3])
            product.absorb(10)
            if odds and dice.random() < 0.3:
                product.die_with_leases()
            product.dispatch(2)
        product.finish([])
        if odds:
            product.jump(-1)  # at the worst moment, and it stays so
            product._odds = 0.0
        for _ in range(LONGEST_LOOK):
            product.dispatch(10)
        state = state_of(product.store)
        product.close()
    return state, told


if __name__ == "__main__":
    import sys

    print(run(int(sys.argv[1]), int(sys.argv[2])))
