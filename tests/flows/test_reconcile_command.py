"""`orderhub audit reconcile`: over files alone, over a hub, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fastexcel
import pytest
from typer.testing import CliRunner

from orderhub_core import hub
from orderhub_core.entry.commands.audit import app
from orderhub_core.errors import OrderHubError
from orderhub_core.sim.world import Plan, build
from orderhub_core.store import snapshot

NOW = 1_790_000_000_000_000
DAY = 86_400_000_000
PLATFORM = "订单编号,实付金额,支付时间,店铺\nA1,100.00,2026-11-01 10:00:00,抖音\nA2,50,2026-11-02 10:00:00,抖音\n"
ERP = (
    "平台单号,出库金额,出库时间,审核时间\n"
    "A1,100.00,2026-11-01 20:00:00,2026-11-01 10:31:00\n"
    "=B9,7,2026-11-03 09:00:00,\n"
)


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["reconcile", *map(str, arguments)])
    if isinstance(done.exception, OrderHubError):
        return 2, str(done.exception)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def answer(*arguments: object) -> dict[str, Any]:
    code, said = run(*arguments, "--json")
    assert code == 0, said
    document: dict[str, Any] = json.loads(said.splitlines()[-1])
    assert sum(document["parts"].values()) == document["totals"]["gap_minor"]
    return document


@pytest.fixture
def files(tmp_path: Path) -> list[object]:
    (tmp_path / "p.csv").write_text(PLATFORM, encoding="utf-8")
    (tmp_path / "e.csv").write_text(ERP, encoding="gb18030")
    return ["--platform", tmp_path / "p.csv", "--erp", tmp_path / "e.csv", "--data", tmp_path / "nowhere"]


def test_files_need_no_hub(files: list[object]) -> None:
    said = answer(*files)
    assert said["totals"] == {"paid_minor": 15_000, "refunded_minor": 0, "outbound_minor": 10_700, "gap_minor": 4_300}
    assert said["parts"] == {"balanced": 0, "not_shipped_yet": 5_000, "unknown_to_platform": -700}
    assert [(row["order_no"], row["conflict"], row["minutes"]) for row in said["conflicts"]] == [
        ("A1", "reviewed_late", 31)
    ]


def test_conflicts_are_listed_under_a_heading_that_counts_them(files: list[object]) -> None:
    said = run(*files)[1].splitlines()
    place = said.index("Conflicts for finance to look at, the worst first: 1")
    assert said[place + 1].split() == ["A1", "Reviewed", "late", "after", "payment"]
    assert "for finance" not in run(*files, "--review-minutes", 31)[1]


def test_it_is_told_in_chinese_and_so_is_the_workbook(files: list[object], tmp_path: Path) -> None:
    code, said = run(*files, "--lang", "zh", "--xlsx", tmp_path / "out.xlsx")
    lines = said.splitlines()
    assert code == 0
    assert lines[0] == "2026-11-01 至 2026-11-03（Asia/Shanghai），CNY，订单 3 单；是否过时效截至 2026-11-03 09:00"
    assert [line.split() for line in lines[1:5]] == [
        ["实付金额", "150.00"], ["退款金额", "0.00"], ["出库金额", "107.00"], ["差额", "43.00"],
    ]  # fmt: skip
    assert lines[5] == "差额原因："
    assert ["未发货（发货时效内）", "1", "50.00"] in [line.split() for line in lines]
    assert lines[-2:] == ["需财务查看的冲突，最严重的在前：1 处", "  A1  付款后审核过迟"]
    assert fastexcel.read_excel(tmp_path / "out.xlsx").sheet_names[0] == "合计"


def test_a_period_cuts_both_sides(files: list[object]) -> None:
    assert answer(*files, "--period", "2026-11-01")["totals"]["gap_minor"] == 0
    assert answer(*files, "--from", "2026-11-02")["totals"]["gap_minor"] == 4_300


def test_a_period_of_which_nothing_is_known_is_no_balance(files: list[object]) -> None:
    for option in (["--period", "2026-10"], ["--from", "2026-11-04", "--until", "2026-11-30"]):
        code, told = run(*files, *option, "--fail-over", "0")
        assert (code, "what is known goes from 2026-11-01 to 2026-11-03" in told) == (2, True)


def test_what_is_allowed_is_the_user_s_to_say(files: list[object]) -> None:
    assert answer(*files, "--review-minutes", 31)["conflicts_total"] == 0
    assert "no_erp_order" in answer(*files, "--ship-hours", 1)["parts"]
    assert "no_erp_order" in answer(*files, "--as-of", "2026-11-30T00:00:00+08:00")["parts"]


def test_what_is_late_is_told_with_its_limit_and_where_that_comes_from(files: list[object]) -> None:
    assert answer(*files)["allowed"] == {"review_minutes": 30, "ship_hours": 48, "rounding_minor": 99}
    _, said = run(*files, "--ship-hours", 24)
    assert "Time to ship: 24 h from payment, and as long again to the courier's first scan; review: 30 min" in said
    assert "--ship-hours or --review-minutes" in said


@pytest.mark.parametrize(("amount", "code"), [("43", 0), ("42.99", 1), ("0", 1)])
def test_a_gap_that_is_too_large_ends_with_1(files: list[object], amount: str, code: int) -> None:
    assert run(*files, "--fail-over", amount)[0] == code


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--fail-over", "much"], "--fail-over 'much': write an amount"),
        (["--fail-over", "nan"], "--fail-over 'nan'"),
        (["--fail-over", "1e999999"], "--fail-over '1e999999'"),
        (["--fail-over", "-1"], "--fail-over '-1'"),
        (["--period", "9999-12-31"], "1900 to 2999"),
        (["--period", "0001-01"], "1900 to 2999"),
        (["--until", "9999-12-31"], "1900 to 2999"),
        (["--period", "2026-13"], "write a month like"),
        (["--period", "2026-11", "--from", "2026-11-02"], "leave --from and --until out"),
        (["--from", "2026-11-09", "--until", "2026-11-02"], "before it begins"),
        (["--from", "soon"], "write a day like"),
        (["--refunds", "missing.csv"], "there is no such file"),
        (["--fees", "missing.toml"], "missing.toml cannot be read"),
        (["--xlsx", "no/such/folder/x.xlsx"], "cannot be written"),
    ],
)
def test_a_mistake_is_one_sentence(files: list[object], wrong: list[object], said: str) -> None:
    code, text = run(*files, *wrong)
    assert code == 2
    assert said in text
    assert "\n" not in text.strip()


@pytest.mark.parametrize("option", ["--ship-hours", "--review-minutes"])
def test_hours_that_nobody_waits_are_refused(files: list[object], option: str) -> None:
    code, text = run(*files, option, 999_999_999_999)
    assert (code, f"'{option}'" in text) == (2, True)
    assert run(*files, "--fail-over", "0E999999")[0] == 1


def test_the_workbook_opens_and_holds_what_was_said(files: list[object], tmp_path: Path) -> None:
    assert run(*files, "--xlsx", tmp_path / "out.xlsx")[0] == 0
    book = fastexcel.read_excel((tmp_path / "out.xlsx").read_bytes())
    assert book.sheet_names == ["Totals", "Causes", "Orders", "Conflicts", "Channels", "Findings"]
    totals = book.load_sheet("Totals").to_polars()
    assert totals["Amount"].to_list()[-1] == 43.0
    assert totals["Amount"].to_list()[:-2] and sum(totals["Amount"].to_list()[:-2]) == totals["Amount"].to_list()[-2]
    orders = book.load_sheet("Orders", dtypes="string").to_polars()
    assert set(orders["Order"]) == {"A2", "=B9"}  # a text, not a formula


@pytest.fixture
def taking_in(sqlite_home: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], object]]:
    """A hub without any ledger of its own: takes in the text of an export."""
    monkeypatch.setenv("ORDERHUB_DATA", str(sqlite_home.data))
    hub.connect.cache_clear()
    connected = hub.connect()
    assert isinstance(connected, hub.Hub)
    path = sqlite_home.data / "orders.csv"

    def take_in(text: str) -> object:
        path.write_text(text, encoding="utf-8")
        return connected.import_file(path, "generic", on_error="reject-all", dry_run=False)

    yield take_in
    connected.close()
    hub.connect.cache_clear()


def test_a_hub_without_files_reconciles_its_own_orders(taking_in: Callable[[str], object]) -> None:
    taking_in(
        "订单号,订单状态,下单时间,付款时间,发货时间,退款时间,订单金额,实付金额\n"
        "N1,已发货,2026-11-01 09:00:00,2026-11-01 09:01:00,2026-11-01 15:00:00,,80.00,80.00\n"
        "N2,已付款,2026-11-01 09:00:00,2026-11-01 09:01:00,,,20.00,20.00\n"
        "N3,已退款,2026-11-01 09:00:00,2026-11-01 09:01:00,,2026-11-02 09:00:00,10.00,10.00\n"
    )
    said = answer()
    assert said["totals"]["gap_minor"] == 11_000 - 1_000 - 8_000
    # What the hub itself tells is known now: an order of long ago is late, though nothing has happened since.
    assert said["parts"] == {"balanced": 0, "refunded_before_shipping": 0, "past_ship_time": 2_000}
    quiet = answer("--period", "2026-11-03"), answer("--from", "2026-11-03")
    assert [one["totals"]["gap_minor"] for one in quiet] == [0, 0], "a day on which nothing happened is known, too"
    said = answer("--as-of", "2026-11-01T15:00:00+08:00")
    assert said["parts"] == {"balanced": 0, "refunded_before_shipping": 0, "not_shipped_yet": 2_000}


def test_paid_by_nobody_knows_how_much_is_not_unpaid(taking_in: Callable[[str], object]) -> None:
    taking_in(
        "order_no,status,placed_at,paid_at,shipped_at,refunded_at,total\n"
        "N1,shipped,2026-11-01 09:00:00,2026-11-01 09:01:00,2026-11-01 15:00:00,,80.00\n"
        "N2,paid,2026-11-01 09:00:00,2026-11-01 09:01:00,,,20.00\n"
        "N3,refunded,2026-11-01 09:00:00,2026-11-01 09:01:00,,2026-11-02 09:00:00,10.00\n"
        "N4,shipped,2026-11-01 09:00:00,2026-11-01 09:01:00,2026-11-01 15:00:00,,0.00\n"
    )
    said = answer()
    assert said["parts"] == {"balanced": 0, "unreadable_amount": -8_000}
    assert said["orders_by_cause"] == {"balanced": 1, "unreadable_amount": 3}
    told = {(row["source"], row["finding"], row["rows"]) for row in said["findings"]}
    assert told == {("platform", "unknown_paid", 3), ("refunds", "unknown_refund", 1)}
    assert "Platform: orders that are paid, but nobody has told how much: 3; import a column" in run()[1]


def test_what_the_buyer_confirmed_is_looked_for_by_nobody(taking_in: Callable[[str], object]) -> None:
    taking_in(
        "订单号,订单状态,下单时间,付款时间,发货时间,完成时间,订单金额,实付金额,运单号\n"
        "N1,交易成功,2026-11-01 09:00:00,2026-11-01 09:01:00,2026-11-01 15:00:00,2026-11-05 09:00:00,80.00,80.00,\n"
        "N2,交易成功,2026-11-01 09:00:00,2026-11-01 09:01:00,2026-11-01 15:00:00,2026-11-05 09:00:00,80.00,80.00,SF1\n"
        "N3,已发货,2026-11-01 09:00:00,2026-11-01 09:01:00,2026-11-01 15:00:00,,20.00,20.00,SF2\n"
    )
    told = run()[1]
    assert "  N3  Shipped, but the courier never scanned it" in told
    assert "N1" not in told and "N2" not in told


def test_a_snapshot_reconciles_what_lies_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan(seed=3, orders=400, start=NOW - 9 * DAY, end=NOW)
    snapshot.write(tmp_path / "s", build(plan).until(NOW), snapshot.Meta(as_of=NOW))
    monkeypatch.setenv("ORDERHUB_SNAPSHOT", str(tmp_path / "s"))
    hub.connect.cache_clear()
    own = answer()
    assert own["sources"]["erp"]["file"] == ""
    assert set(own["parts"]) <= {"balanced", "refunded_before_shipping", "refunded_after_shipping", "not_shipped_yet",
                                 "past_ship_time", "not_collected"}  # fmt: skip
    (tmp_path / "s" / "reconcile").mkdir()
    (tmp_path / "s" / "reconcile" / "erp.csv").write_text(ERP, encoding="utf-8")
    other = answer()
    assert other["sources"]["erp"] == {"rows": 2, "file": "erp.csv"}
    assert other["totals"]["outbound_minor"] == 10_700
    (tmp_path / "s" / "reconcile" / "erp.xlsx").write_bytes(b"")
    assert "keep one ledger erp" in run()[1]
    hub.connect.cache_clear()
