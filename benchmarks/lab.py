"""The rule lab: from a slider's new value to the redrawn matrix, and to everything else on the page.

    python benchmarks/lab.py [--orders N] [--lines-each N] [--rules N] [--rounds N]

A million order lines, 50 rules in force and 50 in the draft, which are two books with nothing in common. The index of
the orders is kept, as the app keeps it; each turn moves the threshold of one rule of the draft to a value that was not
asked before, decides with both books and draws:

    matrix    deciding twice, the matrix, and its chart as the browser gets it
    page      the same, and differences, hours, parcels and what changed
    traffic   of the draft: hits, shadows, overlaps, what each rule is worth
    cliffs    orders near any of its thresholds

The matrix is verified against `decide.decided`, the table of decisions that the live path carries out, before anything
is measured. Bar: matrix in at most 1.5 s. Exit code 1 when it is missed.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _turns
from _turns import Runner, bar, side_by_side

BAR_S = 1.5
MOVED = "rule-3"
WHATS = ("matrix", "page", "traffic", "cliffs")


def _lines(orders: Any, each: int) -> Any:
    import numpy as np
    import polars as pl

    dice, count = np.random.default_rng(3), orders.height * each
    return pl.DataFrame(
        {
            "order_id": np.repeat(orders["order_id"].to_numpy(), each),
            "line_no": np.tile(np.arange(1, each + 1, dtype=np.int32), orders.height),
            "sku": [f"SKU-{n}" for n in dice.integers(0, 400, count)],
            "category": dice.choice(["cup", "shirt", "mask", "onesie"], count),
            "quantity": dice.integers(1, 4, count).astype(np.int32),
            "price_minor": dice.integers(500, 30_000, count),
            "gift_of": pl.Series([None], dtype=pl.Int32).new_from_index(0, count),
        }
    )


def _with_lines(book: Any) -> Any:
    """Every fifth rule also asks of the lines, and some split, hold and give."""
    import msgspec

    from orderhub_core.rules.tree import Action, Every, Group, Leaf, Lines, Op, Rule

    (routing,) = book.groups
    rules = tuple(
        msgspec.structs.replace(
            rule,
            when=Every((*rule.when.parts, Lines("some", Leaf("quantity", Op.AT_LEAST, (2,))))),
            then=(*rule.then, Action("split", "category")),
        )
        if number % 5 == 0
        else rule
        for number, rule in enumerate(routing.rules)
    )
    gifts = tuple(
        Rule(f"gift-{n}", Leaf("total", Op.AT_LEAST, (10_000 * n,)), (Action("add_gift", f"GIFT-{n}", n),))
        for n in (1, 3, 9)
    )
    held = Rule("dear", Leaf("total", Op.AT_LEAST, (110_000,)), (Action("hold", "review"),))
    groups = (
        msgspec.structs.replace(routing, rules=rules),
        Group("gifts", "all", gifts),
        Group("holds", "all", (held,)),
    )
    return msgspec.structs.replace(book, groups=groups)


def prepared(folder: Path) -> tuple[Any, Any, Any]:
    """The index, the book in force, and the draft."""
    import _rulebook
    import polars as pl

    from orderhub_core.rules.index import Index

    index = Index(
        pl.read_parquet(folder / "orders.parquet"), pl.read_parquet(folder / "lines.parquet"), zone="Asia/Shanghai"
    )
    count = int((folder / "rules").read_text())
    return index, *(_with_lines(_rulebook.book(_rulebook.asks(count, seed=seed))) for seed in (2, 9))


def moving(folder: Path) -> tuple[Any, Any, Callable[[], Any]]:
    from orderhub_core.rules.lab.thresholds import with_threshold

    index, before, draft = prepared(folder)
    values = itertools.count(7_001, 13)
    return index, before, lambda: with_threshold(draft, MOVED, 4, 0, next(values))


def matrix(folder: Path) -> Callable[[], Any]:
    from orderhub_core.charts import lab as charts
    from orderhub_core.rules.lab import board
    from orderhub_core.rules.lab.comparing import compare

    index, before, moved = moving(folder)
    words = board.words(before, "en")

    def redraw() -> Any:
        compared = compare(index, before, moved())
        return charts.matrix(compared.matrix(), board.VERB, words).to_dict(), compared

    redraw()
    return redraw


def page(folder: Path) -> Callable[[], Any]:
    from orderhub_core.rules.lab import parcels
    from orderhub_core.rules.lab.loads import Loads

    redraw = matrix(folder)

    def whole() -> Any:
        _, compared = redraw()
        loads = Loads(compared)
        return compared.differences(), compared.changed_by_verb(), loads.overloads(), parcels.splits(compared)

    whole()
    return whole


def traffic(folder: Path) -> Callable[[], Any]:
    from orderhub_core.rules.lab.traffic import traffic as told

    index, _, moved = moving(folder)
    told(index, moved())
    return lambda: told(index, moved())


def cliffs(folder: Path) -> Callable[[], Any]:
    from orderhub_core.rules.lab.thresholds import cliffs as told

    index, _, moved = moving(folder)
    told(index, moved())
    return lambda: told(index, moved())


def verified(folder: Path) -> bool:
    """Whether the matrix is what the tables of decisions of both books say."""
    import polars as pl

    from orderhub_core.rules.decide import decided
    from orderhub_core.rules.lab.comparing import compare

    index, *books = prepared(folder)
    sides = [
        decided(index, book)
        .filter(pl.col("action") == "assign_warehouse")
        .unique("order_id", keep="first", maintain_order=True)
        .select("order_id", pl.col("argument").alias(name))
        for name, book in zip(("from", "to"), books, strict=True)
    ]
    every = index.raw_orders.select("order_id")
    for side in sides:
        every = every.join(side, on="order_id", how="left", maintain_order="left")
    expected = every.group_by("from", "to").len("orders").sort("orders", "from", "to", descending=[True, False, False])
    return compare(index, *books).matrix().select("from", "to", "orders").rows() == expected.rows()


def make(folder: Path, asked: argparse.Namespace) -> None:
    import _rulebook
    import polars as pl

    orders = _rulebook.orders(asked.orders).with_columns(paid_at="placed_at", currency=pl.lit("CNY"))
    orders.write_parquet(folder / "orders.parquet")
    _lines(orders, asked.lines_each).write_parquet(folder / "lines.parquet")
    (folder / "rules").write_text(str(asked.rules), encoding="ascii")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=500_000)
    parser.add_argument("--lines-each", type=int, default=2)
    parser.add_argument("--rules", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--serve", nargs=2, metavar=("WHAT", "FOLDER"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        _turns.serve(globals()[asked.serve[0]](Path(asked.serve[1])))
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, asked)
        same = verified(folder)
        size = (
            f"{asked.orders:,} orders, {asked.orders * asked.lines_each:,} lines, {asked.rules} + {asked.rules} rules"
        )
        print(f"{size}: the matrix {'is' if same else 'IS NOT'} what the decisions say", flush=True)
        runners = {what: Runner(__file__, what, folder) for what in WHATS}
        side_by_side(runners.values(), asked.rounds)
        for what, runner in runners.items():
            told = ", ".join(f"{seconds:.3f}" for seconds in sorted(runner.seconds))
            print(f"  {what:<10} median {runner.typical:.3f} s of {told}   {runner.gigabytes:.2f} GB")
            runner.close()
    return (
        0
        if bar("from the slider to the redrawn matrix, s", runners["matrix"].typical, BAR_S, at_least=False) and same
        else 1
    )


if __name__ == "__main__":
    raise SystemExit(main())
