"""`orderhub presale deposits` and `batches`, over files as shops export them."""

from __future__ import annotations

import csv
import json

import fresh
import pytest
from typer.testing import CliRunner

from orderhub_core.entry.commands.presale import app
from orderhub_core.errors import UserMistake

ORDERS = """订单编号,商家编码,商品金额,定金,定金时间,尾款,尾款时间,退款金额,膨胀金额,应付尾款
P1,COAT,¥399.00,50,2026-10-24 20:00:00,299,2026-11-11 00:10:00,,100,299
P2,COAT,399,50,2026-10-24 20:00:00,,,,100,349
P3,COAT,399,50,2026-10-24 20:00:00,299.00,2026-11-11 00:10:00,399,100,299
P4,HAT,"1,099.00",50,2026-10-24 20:00:00,,,,,
"""
TERMS = """商家编码,定金,膨胀金额,尾款开始时间,尾款截止时间,定金可退
COAT,50,100,2026-11-11 00:00:00,2026-11-12 00:00:00,否
"""
LINES = """订单编号,商家编码,数量,付款时间,已取消
B1,COAT,1,2026-11-11 00:00:01,
B2,COAT,1,2026-11-11 00:00:02,
B3,COAT,1,2026-11-11 00:00:03,
B0,COAT,1,2026-11-11 00:00:00,是
"""
BATCHES = """商家编码,批次,件数,到货时间,延期至,承诺发货时间
COAT,一批,2,2026-11-20,2026-12-20,2026-11-25
COAT,二批,2,2026-12-01,,2026-12-05
"""


@pytest.fixture
def files(tmp_path):
    for name, text in {"orders": ORDERS, "terms": TERMS, "lines": LINES, "batches": BATCHES}.items():
        (tmp_path / f"{name}.csv").write_text(text, encoding="gb18030")
    return tmp_path


def run(*arguments):
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    if isinstance(done.exception, UserMistake):
        return 2, str(done.exception)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def deposits(folder, *more):
    own = ("--orders", folder / "orders.csv", "--terms", folder / "terms.csv", "--at", "2026-11-13 00:00")
    return run("deposits", *own, *more)


def batches(folder, *more):
    return run("batches", "--orders", folder / "lines.csv", "--batches", folder / "batches.csv", *more)


def test_a_ledger_of_deposits_sums_to_nothing_and_names_what_disagrees(files):
    code, said = deposits(files, "--json", "--out", files / "ledger.csv")
    told = json.loads(said)
    assert (code, told["states"]) == (1, {"settled": 2, "lapsed": 1, "waiting": 1})
    names = ("order_no", "finding", "expected_minor", "told_minor")
    assert [tuple(each[name] for name in names) for each in told["findings"]] == [
        ("P2", "due_differs", 29_900, 34_900),
        ("P3", "inflation_refunded", 34_900, 39_900),
        ("P4", "no_terms", 5_000, 5_000),
    ]
    assert told["sums"]["owed.inflation"] == -15_000 and told["sums"]["money.forfeited"] == -5_000
    assert sum(told["sums"].values()) == 0
    with (files / "ledger.csv").open(encoding="utf-8-sig") as file:
        assert sum(int(row["amount_minor"]) for row in csv.DictReader(file)) == 0


def test_people_read_it_in_their_language(files):
    said = deposits(files, "--lang", "zh")[1]
    assert "定金膨胀让利" in said and "各项合计 0.00" in said
    assert "! P3：实付 349.00 可退，却退了 399.00：把膨胀的部分也退了" in said
    assert "! P2: a balance of 299.00 is due, and the platform says 349.00" in deposits(files)[1]


def test_a_late_batch_moves_orders_and_says_whose_promise_that_breaks(files):
    code, said = batches(files, "--json", "--out", files / "schedule.csv")
    told = json.loads(said)
    assert code == 1
    assert [(row["order_no"], row["planned"], row["batch"], row["at_risk"]) for row in told["lines"]] == [
        ("B1", "一批", "二批", True), ("B2", "一批", "二批", True), ("B3", "二批", "一批", True),
    ]  # fmt: skip
    assert told["orders"][0]["at"].startswith("2026-12-01T00:00:00+08:00")
    assert "! B3：承诺 2026-12-05 00:00 前，2026-12-20 00:00 才到货" in batches(files, "--lang", "zh")[1]


def test_batches_in_time_put_nothing_at_risk(files):
    (files / "batches.csv").write_text(BATCHES.replace("2026-12-20", ""), encoding="utf-8")
    code, said = batches(files)
    assert (code, "orders: 3, moved: 0, promises at risk: 0, of which not so as planned: 0" in said) == (0, True), said


def test_orders_that_no_batch_has_enough_for_are_told(files):
    (files / "batches.csv").write_text("商家编码,批次,件数,到货时间\nCOAT,一批,2,2026-11-20\n", encoding="utf-8")
    assert "! orders for which no batch has enough, or whose batch has no day: 1" in batches(files)[1]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("terms", "商家编码,定金,膨胀金额\nCOAT,50,40\n", "terms.csv, row 2: a deposit needs an amount and a worth"),
        ("terms", "商家编码,定金,膨胀金额\nCOAT,fifty,100\n", "terms.csv, row 2: a deposit needs an amount"),
        ("terms", "商家编码,定金,膨胀金额\nA,1,2\nA,1,2\n", "terms.csv, row 3: there are terms for this SKU already"),
        ("orders", ORDERS + "P1,COAT,1,1,,,,,,\n", "orders.csv, row 6: order_no P1 stands twice"),
        ("orders", "订单编号,定金\nP1,50\n", "orders.csv: no column for goods"),
    ],
)
def test_files_that_do_not_fit_end_in_one_sentence(files, name, text, told):
    (files / f"{name}.csv").write_text(text, encoding="utf-8")
    code, said = deposits(files)
    assert (code, told in said) == (2, True), said


@pytest.fixture
def hub_data(tmp_path, monkeypatch):
    monkeypatch.setenv("ORDERHUB_DATA", "")  # commands set it, for the process that they are
    fresh.hub(tmp_path / "data")
    return tmp_path / "data"


def test_what_is_said_of_batches_is_kept_by_the_hub_and_told(files, hub_data):
    kept = ("--data", hub_data)
    assert run("schedule", *kept) == (
        0, "orders with a batch: 0, let go: 0, promises at risk: 0, of which not so as planned: 0\n"
    )  # fmt: skip
    assert run("plan", files / "batches.csv", "--by", "ann", *kept) == (0, "rows taken in: 2\n")
    assert run("arrived", "COAT", "一批", "--pieces", 1, "--by", "ann", *kept) == (0, "COAT 一批 is there\n")
    said = run("schedule", "--json", *kept)[1]
    told = json.loads(said.splitlines()[-1])["batches"]
    assert [(one["batch"], one["pieces"], one["is_there"]) for one in told] == [("一批", 1, True), ("二批", 2, False)]
    assert run("arrived", "COAT", "三批", *kept)[0] == 2
    assert "一批，" in run("schedule", "--lang", "zh", *kept)[1]


@pytest.mark.parametrize("row", ["COAT,,2,2026-11-20,,", "COAT,一批,two,2026-11-20,,", "COAT,一批,2,some day,,"])
def test_a_plan_with_a_row_that_cannot_be_meant_is_refused_whole(tmp_path, hub_data, row):
    (tmp_path / "plan.csv").write_text(f"{BATCHES}{row}\n", encoding="utf-8")
    code, said = run("plan", tmp_path / "plan.csv", "--by", "ann", "--data", hub_data)
    assert (code, "nothing was taken in" in said) == (2, True)
    assert said.count("row 4: ") == 1 or said.count("in row 4: ") == 1, "told once"
    assert "row 2" not in said
