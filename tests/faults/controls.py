"""Eight ways to break the product, and the harness that must find each within a minute. One that is missed proves
that the harness proves nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import NamedTuple

import kills
import locks
import powercut
from kills import Plan
from report import Report

NAME = "controls"
IN_TIME_S = 60.0
KILLS = 60


class Control(NamedTuple):
    """`broken` runs the harness over the broken product; `shows` says whether it found out what is wrong."""

    broken: Callable[[int], Report]
    shows: Callable[[Report], bool]


def _struck(plan: Plan) -> Callable[[int], Report]:
    return lambda seed: kills.run(KILLS, seed, plan)


def _cut(control: str) -> Callable[[int], Report]:
    return lambda seed: powercut.run(500, seed, control)


def _never_applied(report: Report) -> bool:
    return any("I3 neither waiting nor applied" in line for line in report.broken)


CONTROLS: dict[str, Control] = {
    "synchronous=NORMAL": Control(_cut("synchronous=NORMAL"), lambda report: report.lost > 0),
    "synchronous=OFF": Control(_cut("synchronous=OFF"), lambda report: report.lost > 0),
    "acknowledge before commit": Control(
        _struck(Plan(sabotage="acknowledge before commit", victims=("accept", "feed"), stop_early=True)),
        lambda report: report.lost > 0,
    ),
    "acknowledge when handed over": Control(
        _struck(
            replace(
                kills.PLANS["sqlite-scribe"],
                blows={"kill": 1},
                victims=("accept",),
                sabotage="acknowledge when handed over",
                stop_early=True,
            )
        ),
        lambda report: report.lost > 0,
    ),
    "id cursor": Control(
        _struck(
            Plan(
                "postgres",
                team=("feed", "feed", "feed", "apply", "dispatch"),
                blows={"freeze": 1},
                victims=("feed",),
                sabotage="id cursor",
                chatter=0.05,
                poison=0.94,  # each message leaves something, and nothing costs an effect
                delivery=12,
                batch=1_000,
                stop_early=True,
            )
        ),
        _never_applied,
    ),
    "second SQLite copy": Control(lambda seed: locks.run(5, seed, "apsw"), lambda report: bool(report.broken)),
    "dedup index dropped": Control(
        _struck(Plan(sabotage="dedup index dropped", stop_early=True)), lambda report: report.doubled > 0
    ),
    "effect key not deterministic": Control(
        _struck(Plan(sabotage="effect key not deterministic", victims=("dispatch",), per_home=5, stop_early=True)),
        lambda report: report.double_effects > 0,
    ),
}


def missed(name: str, seed: int) -> str:
    """Empty when the harness found out what is wrong with the broken product."""
    report = CONTROLS[name].broken(seed)
    return "" if CONTROLS[name].shows(report) else f"{name}: NOT CAUGHT: {report}"


def run(rounds: int, seed: int) -> Report:
    """All of them, `rounds` times over, each within a minute."""
    dice, report, began = Random(seed), Report(NAME, seed), time.monotonic()
    for name in list(CONTROLS) * rounds:
        number, since = dice.randrange(2**31), time.monotonic()
        wrong = missed(name, number)
        took = time.monotonic() - since
        if took > IN_TIME_S:
            wrong = wrong or f"{name}: caught, but only after {took:.0f} s"
        print(wrong or f"{name}: caught in {took:.0f} s, seed {number}", flush=True)
        report.rounds += 1
        report.broken += [wrong] if wrong else []
    print(f"controls: {report.rounds - len(report.broken)}/{report.rounds} caught", flush=True)
    report.seconds = time.monotonic() - began
    return report
