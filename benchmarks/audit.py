"""The three-way verdict on a million orders beside a bare join and beside datacompy; growth; the incremental pass.

    python benchmarks/audit.py [--orders N] [--rounds N] [--datacompy PYTHON] [--without-datacompy]

Everything reads the same three Parquet files (order_no, status, at; rows shuffled, as exports are), each in a process
of its own that warms up once and then takes its turn with the others, so that whatever else the machine does falls on
all alike. datacompy cannot be installed beside us (it wants polars < 1.45): it gets an environment of its own, made in
build/datacompy unless --datacompy names one, with the polars it asks for, and does what it can of the same work: the
three pairs, compared column by column. It is spared the update times, and that words differ which mean the same.

Growth is that of a single audit, as people run it: each in a new process that has audited a few orders before, small
and large by turns, and of the turns' ratios the median. An audit repeated in one process is shown beside it: there the
small one gets the pages of its last repeat back from the allocator, the large one new ones from the kernel.

Bars: at least 5 times as fast as datacompy; at least 0.6 of a bare polars join and comparison; ten times the orders in
at most 11 times the time and 4 GB; a pass after 1 % changed in at most 5 % of the whole pass. Exit code 1 when one is
missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import _turns
import polars as pl
from _turns import Runner, bar, python_with, side_by_side

NAMES = ("page", "crm", "wms")
COLUMNS = ["order_no", "status", "at"]
DAY_US = 86_400_000_000
START = 1_756_684_800_000_000
BARS = {"datacompy": 5.0, "bare": 0.6, "growth": 11.0, "gigabytes": 4.0, "incremental": 0.05}


def as_of() -> int:
    return START + 61 * DAY_US


def make(folder: Path, orders: int) -> None:
    """The three files, from a world with faults at its usual rates."""
    from orderhub_core.sim.world import BIG_SHOPS, Plan, build

    plan = Plan(seed=7, orders=orders, start=START, end=START + 60 * DAY_US, shops=BIG_SHOPS)
    sightings = build(plan).until(as_of())["sightings"]
    for name in NAMES:
        own = sightings.filter(pl.col("touchpoint") == name).select(COLUMNS)
        own.sample(fraction=1, shuffle=True, seed=3).write_parquet(folder / f"{name}.parquet")


def make_large(folder: Path, small: Path, times: int) -> None:
    """The same orders under other numbers, `times` over: ten million would not fit while a world is built."""
    for name in NAMES:
        rows = pl.read_parquet(small / f"{name}.parquet")
        copies = (
            rows.with_columns(order_no=(pl.col("order_no").cast(pl.UInt64) + copy * 10**18).cast(pl.String))
            for copy in range(times)
        )
        pl.concat(copies).sample(fraction=1, shuffle=True, seed=5).write_parquet(folder / f"{name}.parquet")


# --- what is measured: run in a process of its own -------------------------------------------------------------------


def bare(folder: Path) -> None:
    """Two full joins and two comparisons: what polars alone makes of the question."""
    page, crm, wms = (pl.scan_parquet(folder / f"{name}.parquet").select("order_no", "status") for name in NAMES)
    joined = page.join(crm, on="order_no", how="full", coalesce=True, suffix="_crm").join(
        wms, on="order_no", how="full", coalesce=True, suffix="_wms"
    )
    same = (pl.col("status") == pl.col("status_crm")) & (pl.col("status_crm") == pl.col("status_wms"))
    joined.with_columns(same=same).collect()


def ours(folder: Path) -> None:
    """Verdicts per order and touchpoint, delays learned, lagging told from conflict."""
    from orderhub_core.audit.report import audit

    frames = {name: pl.scan_parquet(folder / f"{name}.parquet").select(COLUMNS) for name in NAMES}
    audit(frames, as_of=as_of()).by_verdict()


def explained(folder: Path) -> None:
    """And every finding with who is probably wrong, why, and the raw words."""
    from orderhub_core.audit.report import audit

    frames = {name: pl.scan_parquet(folder / f"{name}.parquet").select(COLUMNS) for name in NAMES}
    assert audit(frames, as_of=as_of()).problems.height


def incremental(folder: Path) -> Callable[[], None]:
    """A pass over the hundredth of the orders that changed, given their rows."""
    from orderhub_core.audit import passes
    from orderhub_core.audit.report import audit

    frames = {name: pl.read_parquet(folder / f"{name}.parquet", columns=COLUMNS) for name in NAMES}
    first = passes.whole(audit(frames, as_of=as_of()))
    keys = first.judged.keys.sample(fraction=0.01, seed=1)
    changed = {
        name: rows.with_columns(status=pl.lit("delivered"), at=pl.col("at") + pl.duration(minutes=5))
        for name, rows in passes.rows_of(frames, keys).items()
    }
    assert len(first.index.marks)
    return lambda: str(passes.refreshed(first, changed, keys, as_of=as_of()).touchpoints) and None


def pairwise(folder: Path) -> None:
    from datacompy import PolarsCompare

    frames = {name: pl.read_parquet(folder / f"{name}.parquet", columns=["order_no", "status"]) for name in NAMES}
    for one, other in (("page", "crm"), ("page", "wms"), ("crm", "wms")):
        PolarsCompare(frames[one], frames[other], join_columns="order_no").matches()


def serve(what: str, folder: Path, warm_up: Path) -> None:
    run: Callable[[], Any] = incremental(folder) if what == "incremental" else lambda: globals()[what](folder)
    run() if warm_up == folder else globals()[what](warm_up)
    _turns.serve(run)


def runner_of(what: str, folder: Path, *, warm_up: Path | None = None, python: str = sys.executable) -> Runner:
    return Runner(__file__, what, folder, warm_up or folder, python=python)


def once(folder: Path, warm_up: Path, so_far: Runner | None) -> Runner:
    """One audit in a process of its own, told together with those before."""
    runner = runner_of("ours", folder, warm_up=warm_up)
    runner.turn()
    runner.close()
    if so_far is not None:
        runner.seconds, runner.worked = so_far.seconds + runner.seconds, so_far.worked + runner.worked
        runner.gigabytes = max(so_far.gigabytes, runner.gigabytes)
    return runner


def compared(what: str, ratio: tuple[float, float], limit: float, *, at_least: bool) -> bool:
    """The clock decides; the processor's time shows whether it was disturbed."""
    return bar(f"{what} ({ratio[1]:.3f} by the processor)", ratio[0], limit, at_least=at_least)


def shown(what: str, runner: Runner) -> None:
    times = ", ".join(f"{seconds:.3f}" for seconds in sorted(runner.seconds))
    print(
        f"  {what:<12} median {runner.typical:.3f} s  of {times}"
        f"  processor {median(runner.worked):.3f} s  peak {runner.gigabytes:.2f} GB"
    )


def measure(folder: Path, asked: argparse.Namespace) -> bool:
    small, large, tiny = folder / "small", folder / "large", folder / "tiny"
    for path in (small, large, tiny):
        path.mkdir()
    make(small, asked.orders)
    runners = {what: runner_of(what, small) for what in ("bare", "ours", "explained", "incremental")}
    if not asked.without_datacompy:
        python = python_with("datacompy==1.1.0", "datacompy", asked.datacompy)
        runners["pairwise"] = runner_of("pairwise", small, python=python)
    side_by_side(runners.values(), asked.rounds)
    for what, runner in runners.items():
        shown(what, runner)
        if what != "ours":
            runner.close()
    ours, bare = runners["ours"], runners["bare"]
    met = [compared("speed against a bare polars join + compare", bare.times(ours), BARS["bare"], at_least=True)]
    if "pairwise" in runners:
        pairs = runners["pairwise"].times(ours)
        met.append(compared("speed against datacompy", pairs, BARS["datacompy"], at_least=True))
    share = runners["incremental"].times(ours)
    met.append(compared("pass after 1 % changed, share", share, BARS["incremental"], at_least=False))
    print(f"{'with every finding explained, against the bare join':<72}{bare.times(runners['explained'])[0]:>8.3f}")
    make_large(large, small, 10)
    make(tiny, 2_000)
    one = ten = None
    for _ in range(asked.rounds):
        one, ten = once(small, tiny, one), once(large, tiny, ten)
    assert one and ten
    shown("one", one)
    shown("ten", ten)
    met.append(compared("ten times the orders", ten.times(one), BARS["growth"], at_least=False))
    met.append(bar("peak memory of that, GB", ten.gigabytes, BARS["gigabytes"], at_least=False))
    repeated = runner_of("ours", large)
    side_by_side([ours, repeated], asked.rounds)
    by_clock, by_processor = repeated.times(ours)
    print(f"{f'the same repeated ({by_processor:.3f} by the processor)':<72}{by_clock:>8.3f}")
    for runner in (ours, repeated):
        runner.close()
    return all(met)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--datacompy", default="", metavar="PYTHON")
    parser.add_argument("--without-datacompy", action="store_true")
    parser.add_argument("--serve", nargs=3, metavar=("WHAT", "FOLDER", "WARM_UP"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        what, *folders = asked.serve
        serve(what, *map(Path, folders))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        return 0 if measure(Path(folder), asked) else 1


if __name__ == "__main__":
    raise SystemExit(main())
