"""First match of 50 rules on a million orders beside zen-engine and beside polars written by hand; 200 rules; the live
path with 50 rules beside the same without.

    python benchmarks/rules.py [--orders N] [--rounds N] [--zen PYTHON] [--without-zen] [--live-orders N]

Everybody gets the same rules and orders, answers with the number of the first rule that holds, and is verified equal.
Each runs in a process of its own that warms up once and then takes its turn with the others, so that whatever else the
machine does falls on all alike. zen-engine gets an environment of its own, made in build/zen unless --zen names one,
a static loader, contexts that are ready in memory, and a share of the orders (it is verified on all of them).

Ours: `changed` keeps its index and is given a rulebook of which one rule is new, as in the rule lab; `prepared` keeps
the columns and knows no rule yet; `fresh` begins with the frame. By hand: the fastest of three ways, on prepared
columns.

Bars: `changed` at least 100 times as fast as zen-engine; `prepared` at least half as fast as polars by hand; 200 rules
in at most 5 times the time of 50; absorbing with 50 rules keeps at least 0.8 of its rate without any. Exit code 1 when
one is missed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import _turns
from _turns import Runner, bar, python_with, side_by_side

ZEN = "zen-engine==2.1.3"
ZEN_SHARE = 20_000
TEXTS = ("platform", "province", "city", "payment")
BARS = {"zen": 100.0, "hand": 0.5, "growth": 5.0, "live": 0.8}
Answer = Callable[[], Any]
"""The number of the first rule that holds, of each order."""


# --- what is measured: run in a process of its own -------------------------------------------------------------------


def _frame(folder: Path) -> Any:
    import polars as pl

    return pl.read_parquet(folder / "orders.parquet")


def _index(folder: Path) -> Any:
    from orderhub_core import frames
    from orderhub_core.rules.index import Index

    return Index(_frame(folder), frames.empty("lines"), zone="Asia/Shanghai")


def _numbers(index: Any, book: Any) -> Any:
    from orderhub_core.rules.bits import first
    from orderhub_core.rules.compile import conditions

    return first(index.holds(conditions(book)), index.orders.height)


def changed(folder: Path, count: int = 50) -> Answer:
    import _rulebook

    index, rules = _index(folder), _rulebook.asks(count)
    _numbers(index, _rulebook.book(rules))
    others = iter(_rulebook.asks(10_000, seed=5))
    turn = itertools.count()

    def answer() -> Any:
        if next(turn) == 0:
            return _numbers(index, _rulebook.book(rules))
        return _numbers(index, _rulebook.book([*rules[:-1], next(others)]))

    return answer


def prepared(folder: Path, count: int = 50) -> Answer:
    import _rulebook

    index, book = _index(folder), _rulebook.book(_rulebook.asks(count))

    def answer() -> Any:
        index.orders.known.clear()
        return _numbers(index, book)

    return answer


def prepared_200(folder: Path) -> Answer:
    return prepared(folder, 200)


def changed_200(folder: Path) -> Answer:
    return changed(folder, 200)


def fresh(folder: Path) -> Answer:
    import _rulebook

    book = _rulebook.book(_rulebook.asks(50))
    orders = _index(folder).raw_orders
    from orderhub_core import frames
    from orderhub_core.rules.index import Index

    return lambda: _numbers(Index(orders, frames.empty("lines"), zone="Asia/Shanghai"), book)


def decided(folder: Path) -> Answer:
    """Not only the number: the whole table of decisions with every reason."""
    import _rulebook

    from orderhub_core.rules.decide import decided as decide

    index, book = _index(folder), _rulebook.book(_rulebook.asks(50))

    def answer() -> Any:
        index.orders.known.clear()
        decide(index, book)
        return _numbers(index, book)

    return answer


def _enums(folder: Path) -> Any:
    import polars as pl

    frame = _frame(folder).with_columns(pl.when(pl.col(name) != "").then(pl.col(name)).alias(name) for name in TEXTS)
    return frame.with_columns(pl.col(name).cast(pl.Enum(frame[name].unique().drop_nulls().sort())) for name in TEXTS)


def hand_chain(folder: Path) -> Answer:
    """One when/then chain, its common parts shared by the optimiser."""
    import _rulebook
    import polars as pl

    frame = _enums(folder)
    chain: Any = pl
    for number, rule in enumerate(_rulebook.asks(50), 1):
        chain = chain.when(_rulebook.by_hand(rule)).then(pl.lit(number, pl.UInt8))
    return lambda: frame.lazy().select(rule=chain.otherwise(pl.lit(0, pl.UInt8))).collect()["rule"].to_numpy()


def hand_coalesce(folder: Path) -> Answer:
    import _rulebook
    import polars as pl

    frame = _enums(folder)
    each = [
        pl.when(_rulebook.by_hand(rule)).then(pl.lit(number, pl.UInt8))
        for number, rule in enumerate(_rulebook.asks(50), 1)
    ]
    chosen = pl.coalesce(*each, pl.lit(0, pl.UInt8))
    return lambda: frame.lazy().select(rule=chosen).collect()["rule"].to_numpy()


def hand_matrix(folder: Path) -> Answer:
    """All truths as columns, then the first of them."""
    import _rulebook
    import polars as pl

    frame = _enums(folder)
    rules = _rulebook.asks(50)
    truths = [_rulebook.by_hand(rule).alias(str(number)) for number, rule in enumerate(rules, 1)]
    chosen = pl.coalesce(
        *(pl.when(pl.col(str(n))).then(pl.lit(n, pl.UInt8)) for n in range(1, len(rules) + 1)), pl.lit(0, pl.UInt8)
    )
    return lambda: frame.lazy().select(truths).select(rule=chosen).collect()["rule"].to_numpy()


def zen(folder: Path) -> Answer:
    from zen import ZenEngine

    table = json.loads((folder / "zen.json").read_text(encoding="utf-8"))
    engine = ZenEngine({"loader": {"type": "static", "content": {"rules": table}}})
    with (folder / "contexts.ndjson").open(encoding="utf-8") as lines:
        contexts = [json.loads(line) for line in itertools.islice(lines, ZEN_SHARE)]
    verified = iter([True])

    def number(context: dict[str, Any]) -> int:
        return int(engine.evaluate("rules", context)["result"].get("rule", 0))

    def answer() -> list[int]:
        if next(verified, False):
            with (folder / "contexts.ndjson").open(encoding="utf-8") as lines:
                return [number(json.loads(line)) for line in lines]
        return [number(context) for context in contexts]

    return answer


def serve(what: str, folder: Path) -> None:
    """Warm up, writing down the first answer."""
    answer: Answer = globals()[what](folder)
    (folder / f"{what}.txt").write_text(",".join(map(str, answer())), encoding="ascii")
    _turns.serve(answer)


# --- side by side ----------------------------------------------------------------------------------------------------


def make(folder: Path, orders: int) -> None:
    import _rulebook
    import polars as pl

    frame = _rulebook.orders(orders)
    frame.write_parquet(folder / "orders.parquet")
    table = _rulebook.zen_table(_rulebook.asks(50))
    (folder / "zen.json").write_text(json.dumps(table), encoding="utf-8")
    contexts = frame.drop("order_id").with_columns(pl.col("placed_at").cast(pl.Int64))
    contexts.write_ndjson(folder / "contexts.ndjson")


HAND = ("hand_chain", "hand_coalesce", "hand_matrix")
OURS = ("changed", "prepared", "fresh", "decided")


def measure(folder: Path, asked: argparse.Namespace) -> bool:
    make(folder, asked.orders)
    runners = {what: Runner(__file__, what, folder) for what in (*OURS, *HAND, "prepared_200", "changed_200")}
    if not asked.without_zen:
        runners["zen"] = Runner(__file__, "zen", folder, python=python_with(ZEN, "zen", asked.zen))
    answers = {what: (folder / f"{what}.txt").read_bytes() for what in runners if "200" not in what}
    odd = [what for what, answer in answers.items() if answer != answers["fresh"]]
    print(f"answers on {asked.orders:,} orders: {'DIFFER: ' + ', '.join(odd) if odd else 'all equal'}", flush=True)
    side_by_side(runners.values(), asked.rounds)
    for what, runner in runners.items():
        rate = (min(ZEN_SHARE, asked.orders) if what == "zen" else asked.orders) / runner.typical
        told = ", ".join(f"{seconds:.3f}" for seconds in sorted(runner.seconds))
        print(f"  {what:<14} {rate:>12,.0f} orders/s   median {runner.typical:.3f} s  of {told}")
        runner.close()
    took = {what: runner.typical for what, runner in runners.items()}
    met = [not odd]
    if "zen" in took:
        zen_took = took["zen"] * asked.orders / min(ZEN_SHARE, asked.orders)
        met.append(
            bar("speed against zen-engine, index kept, one rule changed", zen_took / took["changed"], BARS["zen"])
        )
        for what in ("prepared", "fresh", "decided"):
            print(f"{f'  the same, {what}':<58}{zen_took / took[what]:>8.2f}")
    by_hand = min(took[what] for what in HAND)
    met.append(
        bar("speed against polars by hand, nothing known of the rules", by_hand / took["prepared"], BARS["hand"])
    )
    growth = took["prepared_200"] / took["prepared"]
    met.append(bar("200 rules in the time of 50", growth, BARS["growth"], at_least=False))
    growth = took["changed_200"] / took["changed"]
    met.append(bar("the same, index kept, one rule changed", growth, BARS["growth"], at_least=False))
    return all(met)


def live(root: Path, orders: int, rounds: int) -> bool:
    """Absorbing five-event lives without a rulebook, and with one of 50 rules of which the last is everybody's."""
    import _rulebook
    import _workload
    from absorb import WARMING, absorb_all, accept, checked, opened, timed, warmed  # first: one SQLite per process

    from orderhub_core.rules.tree import Rulebook

    os.environ[_workload.SECRET_ENV] = _workload.SECRET
    messages = _workload.messages(orders)
    books = {
        "without rules": Rulebook(),
        "with 2 rules": _rulebook.live_book(2),
        "with 50 rules": _rulebook.live_book(50),
    }
    rates: dict[str, list[float]] = {name: [] for name in books}
    worked: dict[str, list[float]] = {name: [] for name in books}
    for turn in range(rounds):
        for name, rules in books.items():
            hub = opened(root / f"{name}-{turn}")
            hub.__dict__["context"] = hub.context._replace(book=rules)
            pipeline = warmed(hub)
            accept(hub, messages)
            cost = timed(lambda: absorb_all(pipeline))  # noqa: B023 — called here
            pipeline.close()
            rates[name].append(len(messages) / cost.wall * 1e6)
            worked[name].append(cost.cpu)
            checked(hub)
            if rules.groups:
                ((decided,),) = hub.store.query("hub", "SELECT count(DISTINCT order_id) FROM decisions")
                assert decided == orders + WARMING
            hub.close()
    for name, some in rates.items():
        print(f"  absorb {name:<16}{median(some):>10,.0f} events/s")
    few, kept = (
        [mine / other for other, mine in zip(rates[name], rates["with 50 rules"], strict=True)]
        for name in ("with 2 rules", "without rules")
    )
    by_processor = [bare / ruled for bare, ruled in zip(worked["without rules"], worked["with 50 rules"], strict=True)]
    print(f"{'  the same by the processor time of planning and writing':<58}{median(by_processor):>8.2f}")
    print(f"{'  of the rate with 2 rules, which decide and push as much':<58}{median(few):>8.2f}")
    return bar("absorbing keeps of its rate", median(kept), BARS["live"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--zen", default="", metavar="PYTHON")
    parser.add_argument("--without-zen", action="store_true")
    parser.add_argument("--live-orders", type=int, default=8_000, help="0: leave the live path out")
    parser.add_argument("--live-only", action="store_true")
    parser.add_argument("--serve", nargs=2, metavar=("WHAT", "FOLDER"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        serve(asked.serve[0], Path(asked.serve[1]))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        met = asked.live_only or measure(Path(folder), asked)
        if asked.live_orders:
            met = live(Path(folder), asked.live_orders, asked.rounds) and met
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
