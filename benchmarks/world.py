"""How long a world of a million orders takes, from plan to snapshot on disk, and how much memory.

    python benchmarks/world.py [ORDERS]

Limits at 1,000,000 orders on two shared cores: 60 s, 6 GB.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from orderhub_core.sim.world import BIG_SHOPS, Plan, build
from orderhub_core.store import snapshot

DAY = 86_400_000_000
START = 1_756_684_800_000_000
"""2025-09-01 in Shanghai's morning."""


def main(orders: int) -> None:
    plan = Plan(seed=7, orders=orders, start=START, end=START + 60 * DAY, shops=BIG_SHOPS)
    as_of = plan.end + 30 * DAY
    marks = [time.perf_counter()]
    world = build(plan)
    marks.append(time.perf_counter())
    frames = world.until(as_of)
    marks.append(time.perf_counter())
    with tempfile.TemporaryDirectory() as folder:
        snapshot.write(Path(folder) / "snapshot", frames, snapshot.Meta(as_of=as_of, seq=0))
        marks.append(time.perf_counter())
        megabytes = sum(file.stat().st_size for file in Path(folder).rglob("*.parquet")) / 1e6
    built, until, written = (after - before for before, after in pairwise(marks))
    print(f"{'orders':>12} {'build s':>8} {'until s':>8} {'write s':>8} {'total s':>8} {'peak GB':>8} {'disk MB':>8}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{orders:>12,} {built:>8.1f} {until:>8.1f} {written:>8.1f} {marks[-1] - marks[0]:>8.1f}"
        f" {peak:>8.2f} {megabytes:>8.0f}"
    )
    rows = {"timeline": world.timeline, "all sightings": world.sightings, "planted": world.planted, **frames}
    print(", ".join(f"{name} {frame.height:,}" for name, frame in rows.items()))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
