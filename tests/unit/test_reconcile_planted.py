"""Gaps planted in a pretend world's ledgers at known rates, through real files: which of them the reconciliation finds.

The answer key comes from the world and its dice; the ledgers are read back from CSV and XLSX as a user's would be.
"""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from orderhub_core.audit.reconcile.fees import Fee
from orderhub_core.audit.reconcile.ledgers import Source
from orderhub_core.audit.reconcile.period import whole
from orderhub_core.audit.reconcile.result import Reconciliation, reconcile
from orderhub_core.flows.ledgers import Chosen, Gathered, gather
from orderhub_core.frames import SCHEMAS
from orderhub_core.sim.world import Books, Plan, books, build

NOW = 1_790_000_000_000_000
DAY = 86_400_000_000
ZONE = "Asia/Shanghai"
PLAN = Plan(seed=5, orders=40_000, start=NOW - 12 * DAY, end=NOW + DAY)
FEWEST = 15
"""Fewer cases than this of a cause would prove nothing."""
PLANTED = ["no_erp_order", "partly_shipped", "freight", "discount", "rounding", "amount_differs", "duplicate",
           "currency_differs", "unreadable_amount", "unreadable_time", "shipped_after_refund", "lost_parcel",
           "shipped_unpaid", "unknown_to_platform", "refund_without_order", "not_shipped_yet", "past_ship_time",
           "refunded_before_shipping", "refunded_after_shipping", "balanced"]  # fmt: skip
RARE = ["refund_exceeds_paid", "not_collected"]


@pytest.fixture(scope="module")
def key() -> Books:
    return books(build(PLAN), NOW, rate=0.01)


@pytest.fixture(scope="module")
def gathered(key: Books, tmp_path_factory: pytest.TempPathFactory) -> Gathered:
    folder = tmp_path_factory.mktemp("books")
    files: dict[Source, Path] = {}
    for name, frame in key.ledgers().items():
        path = files[Source(name)] = folder / f"{name}.{'xlsx' if name == 'refunds' else 'csv'}"
        if path.suffix == ".xlsx":
            frame.write_excel(path)
        else:
            path.write_bytes(frame.write_csv().encode("gb18030" if name == "erp" else "utf-8"))
    return gather(Chosen(files), None)


@pytest.fixture(scope="module")
def found(gathered: Gathered) -> Reconciliation:
    known = gathered.ledgers
    first, last = known.first(), known.last()
    assert first is not None and last is not None
    return reconcile(known, whole(first, last, ZONE), as_of=NOW, words=gathered.words)


@pytest.mark.parametrize("cause", PLANTED + RARE)
def test_planted_gaps_are_found_and_nothing_else_is_called_so(key: Books, found: Reconciliation, cause: str) -> None:
    truth = set(key.causes.filter(pl.col("cause") == cause).select("order_no", "part_minor").rows())
    said = set(found.parts.filter(pl.col("cause") == cause).select("order_no", "part_minor").rows())
    right = len(truth & said)
    assert len(truth) >= (FEWEST if cause in PLANTED else 5)
    assert right / len(truth) >= 0.99, f"recall of {cause}: {right} of {len(truth)}"
    assert right / len(said) >= 0.99, f"precision of {cause}: {right} of {len(said)}"


def test_the_whole_gap_is_the_answer_key_s(key: Books, found: Reconciliation) -> None:
    assert found.totals.gap_minor == sum(key.causes["part_minor"])
    assert found.parts.height == key.causes.height


@pytest.mark.parametrize("conflict", ["reviewed_late", "reviewed_before_paid", "no_scan", "lost"])
def test_planted_conflicts_are_found_and_no_others(key: Books, found: Reconciliation, conflict: str) -> None:
    truth = set(key.conflicts.filter(pl.col("conflict") == conflict)["order_no"])
    said = set(found.conflicts.filter(pl.col("conflict") == conflict)["order_no"])
    assert len(truth) >= FEWEST
    assert truth == said


def test_no_conflict_is_found_that_nobody_planted(key: Books, found: Reconciliation) -> None:
    assert set(found.conflicts["conflict"].unique().to_list()) == set(key.conflicts["conflict"])


def test_fees_are_one_cost_and_the_new_one_is_suggested(key: Books, found: Reconciliation) -> None:
    (fee,) = found.unknown_fees
    assert (fee.column, fee.suggested) == ("直播坑位费", Fee.CHANNEL_COST)
    cents = key.platform["达人佣金"].drop_nulls().str.replace(".", "", literal=True).cast(pl.Int64)
    again = key.platform.is_duplicated().sum() // 2
    assert again > 0
    assert 0 < found.channels["channel_cost_minor"].sum() <= cents.sum()


def test_the_same_plan_makes_the_same_books() -> None:
    small = Plan(seed=9, orders=500, start=NOW - 3 * DAY, end=NOW)
    first, second = (books(build(small), NOW) for _ in range(2))
    assert all(first.ledgers()[name].equals(second.ledgers()[name]) for name in first.ledgers())
    assert first.causes.equals(second.causes)


@pytest.mark.parametrize("orders", [0, 1])
def test_hardly_a_world_has_books_too(orders: int) -> None:
    made = books(build(Plan(seed=9, orders=orders, start=NOW - 9 * DAY, end=NOW)), NOW)
    assert made.causes.height <= orders


def test_a_file_that_changes_while_it_is_read_is_told_apart_from_what_was_read(key: Books, tmp_path: Path) -> None:
    """The stamp is of the file as it was before; asked again, the hub sees another one and reads it again."""
    path = tmp_path / "platform.csv"
    key.ledgers()["platform"].head(5).write_csv(path)
    chosen = Chosen({Source.PLATFORM: path})
    before = chosen.stamp()

    def frame(name: str) -> pl.DataFrame:
        os.utime(path, (1, 1))  # somebody saves the file, after it was read and before the hub's frames are
        return pl.DataFrame(schema=SCHEMAS[name])

    assert gather(chosen, frame).stamp == before != chosen.stamp()
