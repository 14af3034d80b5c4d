"""The pretend brand's campaign: what its rulebook gives, beside what its terms say, read order by order in Python.

    python benchmarks/gifts.py [--orders N] [--seed N]

Twelve combinations of gifts in one stream, the cases at their edges among them. The terms are read by
`tests/gift_oracle.py`, which knows no rulebook and no engine.

Bar: no order is given anything else than what is due. Exit code 1 when one is.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import polars as pl

from orderhub_core.rules import gifts, rulebook, speeds
from orderhub_core.rules.decide import decide
from orderhub_core.sim.world import campaign as world

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from gift_oracle import NOTHING, tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=60_000)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    made, book = world.campaign(given.seed, given.orders), rulebook.read(world.rulebook()).book
    run = speeds.compiled()
    gifts.given(decide(made.orders.head(99), made.lines, book), made.orders, book, run=run)  # makes the machine code
    begun = time.perf_counter()
    found = gifts.given(decide(made.orders, made.lines, book), made.orders, book, run=run)
    seconds = time.perf_counter() - begun
    had = found.decisions.filter(pl.col("action") == "add_gift").select("order_id", "argument", "quantity")
    told = tally(made.orders.iter_rows(named=True), made.lines.iter_rows(named=True), had.iter_rows())
    print(f"{'kind':<42}{'orders':>9}{'due':>9}{'given':>9}{'wrong':>7}")
    for row in told:
        print(f"{row.kind:<42}{row.orders:>9,}{row.due:>9,}{row.given:>9,}{row.wrong:>7,}")
    kinds, wrong = sum(row.kind != NOTHING for row in told), sum(row.wrong for row in told)
    right = 1 - wrong / max(made.orders.height, 1)
    print(f"{kinds} kinds, {made.orders.height:,} orders decided and granted in {seconds:.2f} s; right: {right:.2%}")
    if wrong or kinds != 12:
        sys.exit(1)


if __name__ == "__main__":
    main()
