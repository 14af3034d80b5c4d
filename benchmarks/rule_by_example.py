"""How often a rule is found again from thirty marked orders, and how long that takes.

    python benchmarks/rule_by_example.py [--seeds N] [--drawn N] [--list]

Twenty planted rules and `--drawn` more per seed that dice make; how a user marks orders is told in
tests/unit/planted_rules.py. A rule is found again when the first candidate, asked of 20,000 orders of another world,
says the same of 99.5 % of them. The history has 100,000 orders. The first search prepares the history's columns, which
is told apart.

Bars, of every seed: 18 of the 20 planted rules; the median search takes less than a second. Exit code 1 when one is
missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "unit"))

from planted_rules import PLANTED, ZONE, drawn, index, marks, taken

from orderhub_core.rules import wording
from orderhub_core.rules.example import by_example
from orderhub_core.rules.index import Index
from orderhub_core.rules.tree import Condition

HISTORY, FRESH = 100_000, 20_000
AGREE = 0.995
BARS = {"found": 18, "seconds": 1.0}
SHARES = (0.003, 0.9)
"""Of the history, that a drawn rule takes: of a rarer one there is little to mark."""


class Trial:
    """Rules that are planted, marked, searched for and compared."""

    def __init__(self, told: bool) -> None:
        self.history, self.fresh, self.told = index(HISTORY, seed=7), index(FRESH, seed=8), told
        self.seconds: list[float] = []

    def found(self, name: str, rule: Condition, seed: int) -> bool:
        should, should_not = marks(rule, self.history, np.random.default_rng([seed, *name.encode()]))
        begun = time.perf_counter()
        best = by_example(self.history, should, should_not).candidates[0].condition
        self.seconds.append(time.perf_counter() - begun)
        planted, other = taken(self.fresh, rule, best)
        same = float((planted == other).mean())
        if self.told or same < AGREE:
            print(f"  {same:8.4f}  {name}: {wording.condition(rule, ZONE)}  ->  {wording.condition(best, ZONE)}")
        return same >= AGREE


def drawn_rules(history: Index, seed: int, count: int) -> Iterator[tuple[str, Condition]]:
    dice = np.random.default_rng(seed)
    made = 0
    while made < count:
        rule = drawn(dice)
        if SHARES[0] <= float(taken(history, rule)[0].mean()) <= SHARES[1]:
            made += 1
            yield f"drawn {made}", rule


def main(seeds: int, count: int, told: bool) -> int:
    trial, missed = Trial(told), False
    for seed in range(1, seeds + 1):
        found = sum(trial.found(name, rule, seed) for name, rule in PLANTED.items())
        missed |= found < BARS["found"]
        print(f"seed {seed}: {found} of {len(PLANTED)} planted rules")
        if count:
            more = sum(trial.found(name, rule, seed) for name, rule in drawn_rules(trial.history, seed, count))
            print(f"seed {seed}: {more} of {count} drawn rules")
    first, *others = trial.seconds
    middle = median(others)
    missed |= middle >= BARS["seconds"]
    print(f"first search {first:.2f} s, then median {middle:.2f} s, longest {max(others):.2f} s")
    return int(missed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--drawn", type=int, default=20)
    parser.add_argument("--list", action="store_true", help="every rule, and not only those that are not found")
    asked = parser.parse_args()
    raise SystemExit(main(asked.seeds, asked.drawn, asked.list))
