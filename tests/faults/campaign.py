"""Long campaigns: `campaign.py NAME --rounds N --seed S` runs one harness and prints what it found; `all` runs every
one with its usual number of rounds and ends with a table. Exit code 1 when a promise was broken."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from report import Report

from orderhub_core import runtime  # noqa: F401  (one SQLite per process, before anyone imports it)

sys.path.insert(1, str(Path(__file__).parents[1]))  # what all tests share


class Harness(NamedTuple):
    """The module that holds `run`, how many rounds are a long campaign, and what `run` is asked besides."""

    module: str
    rounds: int
    besides: Mapping[str, Any] = MappingProxyType({})


HARNESSES: dict[str, Harness] = {
    "controls": Harness("controls", 1),
    "kills": Harness("kills", 500, {"plan": "sqlite"}),
    "kills-twins": Harness("kills", 300, {"plan": "sqlite-twins"}),
    "kills-backlog": Harness("kills", 200, {"plan": "sqlite-backlog"}),
    "kills-scribe": Harness("kills", 200, {"plan": "sqlite-scribe"}),
    "kills-postgres": Harness("kills", 200, {"plan": "postgres"}),
    "kills-postgres-twins": Harness("kills", 200, {"plan": "postgres-twins"}),
    "powercut": Harness("powercut", 100_000),
    "disk": Harness("disk", 2_000),
    "locks": Harness("locks", 50),
    "clocks": Harness("clocks", 200),
    "stateful": Harness("stateful", 1_000_000, {"homes": "both"}),
    "network": Harness("network", 500),
    "jetstream": Harness("jetstream", 100),
}


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
    """A harness that fails itself is a line of the table like any other."""
    module, _, besides = HARNESSES[name]
    try:
        report: Report = importlib.import_module(module).run(rounds, seed, **besides)
    except Exception as failure:  # noqa: BLE001 — the table is printed all the same
        traceback.print_exc()
        return Report(name, seed, broken=[f"the harness itself failed: {type(failure).__name__}: {failure}"])
    return report


def _table(reports: list[Report]) -> None:
    columns = ("rounds", "acknowledged", "lost", "doubled", "double_effects")
    print(f"\n{'harness':28}{'seed':>12}" + "".join(f"{name.replace('_', ' '):>16}" for name in columns) + "   result")
    for report in reports:
        figures = "".join(f"{getattr(report, name):>16,}" for name in columns)
        print(f"{report.name:28}{report.seed:>12}{figures}   {'fine' if report.fine else 'BROKEN'}")


if __name__ == "__main__":
    sys.exit(main())
