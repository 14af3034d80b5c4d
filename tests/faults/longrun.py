"""A long campaign of the stateful harness in pieces, each noted in a file with its seed: `longrun.py --log FILE` goes
on where the file ends. It stops at the first broken promise, or, terminated, after the piece that it is at. Any piece
runs again by `.ci/faults stateful --seed S --rounds N` with its number of steps.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # a step decides on a handful of orders
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from orderhub_core import runtime  # noqa: F401  (one SQLite per process, before anyone imports it)

ROOT = Path(__file__).parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", type=Path, required=True, help="one JSON object per piece")
    parser.add_argument("--rounds", type=int, default=1_000_000, help="steps in all, those of the file with them")
    parser.add_argument("--piece", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1, help="of the first piece; each has the next number")
    asked = parser.parse_args()
    import stateful

    logging.getLogger("psycopg").setLevel(logging.ERROR)  # connections that are cut on purpose
    asked_to_end: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: asked_to_end.append(number))
    done = [json.loads(line) for line in asked.log.read_text().splitlines()] if asked.log.exists() else []
    seed = max((piece["seed"] + 1 for piece in done), default=asked.seed)
    steps = sum(piece["steps"] for piece in done if piece["fine"])
    commit = _commit()
    while steps < asked.rounds and not asked_to_end:
        report = stateful.run(min(asked.piece, asked.rounds - steps), seed, homes="both")
        steps += report.rounds if report.fine else 0
        _note(asked.log, seed=seed, steps=report.rounds, seconds=round(report.seconds, 1), fine=report.fine,
              acknowledged=report.acknowledged, total=steps, commit=commit, broken=report.broken)  # fmt: skip
        if not report.fine:
            print(report)
            return 1
        seed += 1
    print(f"{steps:,} steps, the last piece with seed {seed - 1}")
    return 0


def _note(log: Path, **what: Any) -> None:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = json.dumps({"at": at, **what}, ensure_ascii=False)
    with log.open("a") as file:
        file.write(f"{line}\n")
    print(line, flush=True)


def _commit() -> str:
    """What runs; with a plus where it was changed since."""
    head = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    changed = subprocess.run(["git", "status", "--porcelain", "-uno"], cwd=ROOT, capture_output=True, text=True)
    return head.stdout.strip() + "+" * bool(changed.stdout)


if __name__ == "__main__":
    sys.exit(main())
