"""Long campaigns: `campaign.py NAME --rounds N --seed S` runs one harness and prints what it found; `all` runs every
one with its usual number of rounds and ends with a table. Exit code 1 when a promise was broken."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from report import Report

from orderhub_core import runtime  # noqa: F401  (one SQLite per process, before anyone imports it)


class Harness(NamedTuple):
    """The module that holds `run`, and how many rounds are a long campaign."""

    module: str
    rounds: int
    variant: str = ""


HARNESSES: dict[str, Harness] = {
    "controls": Harness("controls", 1),
    "kills": Harness("kills", 500, "sqlite"),
    "kills-twins": Harness("kills", 300, "sqlite-twins"),
    "kills-postgres": Harness("kills", 200, "postgres"),
    "kills-postgres-twins": Harness("kills", 200, "postgres-twins"),
    "powercut": Harness("powercut", 100_000),
    "disk": Harness("disk", 2_000),
    "locks": Harness("locks", 50),
    "clocks": Harness("clocks", 200),
    "stateful": Harness("stateful", 1_000_000),
    "network": Harness("network", 500),
    "jetstream": Harness("jetstream", 100),
}


def harness(name: str) -> Callable[[int, int], Report]:
    chosen = HARNESSES[name]
    module = importlib.import_module(chosen.module)
    if not chosen.variant:
        run: Callable[[int, int], Report] = module.run
        return run
    return lambda rounds, seed: module.run(rounds, seed, module.PLANS[chosen.variant], chosen.variant)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=[*HARNESSES, "all"])
    parser.add_argument("--rounds", type=int, help="kills, cuts or steps; default: those of a long campaign")
    parser.add_argument("--seed", type=int, help="replays a run, as far as the operating system allows")
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else time.time_ns() % 2**31
    reports = []
    for name in HARNESSES if asked.name == "all" else [asked.name]:
        print(f"== {name}, seed {seed}", flush=True)
        reports.append(_run(name, asked.rounds or HARNESSES[name].rounds, seed))
        print(reports[-1], flush=True)
    if len(reports) > 1:
        _table(reports)
    return int(not all(report.fine for report in reports))


def _run(name: str, rounds: int, seed: int) -> Report:
    try:
        run = harness(name)
    except ModuleNotFoundError as missing:
        return Report(name, seed, broken=[f"this harness cannot be loaded: {missing}"])
    return run(rounds, seed)


def _table(reports: list[Report]) -> None:
    columns = ("rounds", "acknowledged", "lost", "doubled", "double_effects")
    print(f"\n{'harness':28}{'seed':>12}" + "".join(f"{name.replace('_', ' '):>16}" for name in columns) + "   result")
    for report in reports:
        figures = "".join(f"{getattr(report, name):>16,}" for name in columns)
        print(f"{report.name:28}{report.seed:>12}{figures}   {'fine' if report.fine else 'BROKEN'}")


if __name__ == "__main__":
    sys.exit(main())
