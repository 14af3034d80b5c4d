"""Bars: from a fresh clone to a console that answers <= 3 min (with a reachable registry); a second start <= 8 s.

Clones this checkout into an empty folder and runs README's command there, as a new user would.
"""

from __future__ import annotations

import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
FRESH_BAR_S, AGAIN_BAR_S, REPEATS = 180.0, 8.0, 3


def started(clone: Path) -> float:
    """Seconds from `make demo` to the printed address, at which the console has answered."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ORDERHUB_")}
    begun = time.perf_counter()
    process = subprocess.Popen(
        ["make", "demo", "DEMO=--port 18700"],
        cwd=clone,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**clean, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )
    told: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        told.append(line)
        if re.search(r"open http://", line):
            break
    else:
        raise SystemExit("the demonstration did not start:\n" + "".join(told))
    seconds = time.perf_counter() - begun
    os.killpg(process.pid, signal.SIGINT)
    process.wait(60)
    return seconds


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        clone = Path(name) / "orderhub"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        fresh = started(clone)
        again = [started(clone) for _ in range(REPEATS)]
    second = statistics.median(again)
    met = fresh <= FRESH_BAR_S and second <= AGAIN_BAR_S
    print(f"fresh clone to a console that answers: {fresh:.0f} s (bar <= {FRESH_BAR_S:.0f})")
    print(
        f"second start: {second:.1f} s, median of {REPEATS}"
        f" ({min(again):.1f} to {max(again):.1f}; bar <= {AGAIN_BAR_S:.0f})"
    )
    print("met" if met else "MISSED")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
