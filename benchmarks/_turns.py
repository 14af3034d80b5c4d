"""Things measured side by side: each in a process of its own that warms up once and then takes its turn with the
others, so that whatever else the machine does falls on all alike."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]


class Runner:
    """One measured thing, waiting for its turn. `python FILE --serve WHAT ARGUMENTS…` must end in `serve`."""

    def __init__(self, file: str, what: str, *arguments: object, python: str = sys.executable) -> None:
        command = [python, file, "--serve", what, *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)} if python == sys.executable else dict(os.environ)
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self._child.stdout and self._child.stdout.readline().strip() == "ready", f"{what} did not warm up"
        self.seconds: list[float] = []
        self.worked: list[float] = []
        """Of the processor."""
        self.gigabytes = 0.0
        """The peak."""

    def turn(self) -> None:
        assert self._child.stdin and self._child.stdout
        print(file=self._child.stdin, flush=True)
        seconds, worked, self.gigabytes = json.loads(self._child.stdout.readline())
        self.seconds.append(seconds)
        self.worked.append(worked)

    @property
    def typical(self) -> float:
        return median(self.seconds)

    def times(self, other: Runner) -> tuple[float, float]:
        """How many times as long as the other, by the clock and by the processor: the median of the latest turns, each
        held against the other's next to it, so that a busy minute falls on both."""
        turns = min(len(self.seconds), len(other.seconds))
        by_clock, by_processor = (
            median(own / theirs for own, theirs in zip(mine[-turns:], others[-turns:], strict=True))
            for mine, others in ((self.seconds, other.seconds), (self.worked, other.worked))
        )
        return by_clock, by_processor

    def close(self) -> None:
        self._child.communicate()


def side_by_side(runners: Iterable[Runner], rounds: int) -> None:
    some = list(runners)
    for _ in range(rounds):
        for runner in some:
            runner.turn()


def serve(run: Callable[[], Any]) -> None:
    """In the measured process, which is warm: answer each line with the seconds of one run by the clock and by the
    processor, and the peak of memory in gigabytes."""
    print("ready", flush=True)
    for _ in sys.stdin:
        begun, worked = time.perf_counter(), time.process_time()
        run()
        print(json.dumps([time.perf_counter() - begun, time.process_time() - worked, _peak_gb()]), flush=True)


def _peak_gb() -> float:
    """Of this process alone: what `getrusage` says holds for whoever it was forked from, too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1e6


def python_with(package: str, folder: str, named: str) -> str:
    """The Python that was named, or one in `build/folder` that has the package: one that cannot be installed beside
    us."""
    if named:
        return named
    environment = ROOT / "build" / folder
    python = environment / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-qq", package], check=True)
    return str(python)


def bar(what: str, value: float, limit: float, *, at_least: bool = True) -> bool:
    """Print a figure beside its bar. Whether it is met."""
    met = value >= limit if at_least else value <= limit
    print(
        f"{what:<72}{value:>8.3f}  bar {'≥' if at_least else '≤'} {limit:<6g} {'met' if met else 'MISSED'}", flush=True
    )
    return met
