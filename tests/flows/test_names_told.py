"""Commands tell people of shops, warehouses and carriers by their names, with the id where it is to be typed next; in
JSON ids stay."""

from __future__ import annotations

import json
from pathlib import Path

import fastexcel
import pytest
from typer.testing import CliRunner

from orderhub_core import hub
from orderhub_core.entry import cli
from orderhub_core.model import RawMessage
from orderhub_core.store import homes

SETTINGS = """rulebook = "r.toml"
[[shops]]
id = "main"
connector = "direct"
name = "旗舰店"
[[warehouses]]
id = "hangzhou"
connector = "dock"
name = "杭州仓"
[[warehouses]]
id = "guangzhou"
connector = "dock"
name = "广州仓"
"""
RULES = """version = "{version}"
[[groups]]
name = "routing"
match = "first"
otherwise = "assign {place}"
[[groups]]
name = "care"
match = "all"
[[groups.rules]]
name = "dear"
when = "total >= 200"
then = "hold review"
[[groups.rules]]
name = "early"
when = "total >= 300"
then = "hold presale"
[[groups.rules]]
name = "pouch"
when = "total >= 100"
then = "gift POUCH"
[[groups.rules]]
name = "courier"
when = "total >= 100"
then = "carrier jtsd"
"""
EXPORT = """order_no,status,placed_at,paid_at,total,paid,sku,quantity
P1,paid,2026-01-01 10:00:00,2026-01-01 10:01:00,100,100,S-1,1
P2,paid,2026-01-01 10:00:00,2026-01-01 10:02:00,200,200,S-1,1
"""
STOCK = "warehouse,sku,on_hand\nhangzhou,S-1,9\nhangzhou,POUCH,9\nguangzhou,S-1,0\n"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A command over a hub with two orders, of which P2 waits for a person."""
    monkeypatch.delenv("ORDERHUB_SNAPSHOT", raising=False)
    monkeypatch.setenv("ORDERHUB_DATA", str(tmp_path))
    hub.connect.cache_clear()
    homes.init(homes.Home(tmp_path))
    files = {"orderhub.toml": SETTINGS, "paid.csv": EXPORT, "stock.csv": STOCK}
    files |= {"r.toml": RULES.format(version="1", place="hangzhou")}
    files |= {"new.toml": RULES.format(version="2", place="guangzhou")}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    def told(*words: str) -> str:
        done = CliRunner().invoke(cli.build(words[0]), list(words))
        assert done.exit_code in (0, 1), done.output
        return done.stdout

    told("import", str(tmp_path / "paid.csv"), "--mapping", "generic", "--shop", "main")
    told("stock", "report", str(tmp_path / "stock.csv"))
    yield told
    hub.connect.cache_clear()


def test_what_is_held_is_told_by_names_and_the_shop_can_be_typed(run):
    assert run("holds", "list").startswith("旗舰店 (main) P2  to 杭州仓 since ")
    assert '"shop":"main"' in run("holds", "list", "--json") and "旗舰店" not in run("holds", "list", "--json")
    assert run("holds", "release", "P2", "--reason", "seen").startswith("旗舰店 P2 goes to 杭州仓;")


def test_stock_is_told_by_names_and_ids_to_ask_by(run, tmp_path):
    listed = run("stock", "list").splitlines()
    assert listed[0].startswith("广州仓 (guangzhou): as reported of ")
    assert any(line.startswith("杭州仓 (hangzhou)") and " S-1 " in line for line in listed)
    assert "P1 (旗舰店)" in run("stock", "history", "hangzhou", "S-1")
    assert "SKUs taken in: 2 (杭州仓, 广州仓)" in run("stock", "report", str(tmp_path / "stock.csv"))


def test_an_order_s_log_is_told_by_names(run):
    told = run("log", "show", "P1")
    assert told.startswith("P1 (旗舰店) is now: ") and "杭州仓" in told and "J&T Express" in told
    assert "hangzhou" not in told and "jtsd" not in told
    assert json.loads(run("log", "show", "P1", "--json"))["orders"][0]["shop"] == "main"


def test_the_packing_floor_and_its_keepers_are_told_by_names(run, tmp_path):
    (tmp_path / "none.csv").write_text("warehouse,sku,on_hand\nhangzhou,POUCH,0\n", encoding="utf-8")
    run("stock", "report", str(tmp_path / "none.csv"))
    assert "  P1 (旗舰店): hold: of the gift POUCH" in run("packing", "check")


def test_a_workbook_for_finance_has_names_beside_ids(run, tmp_path):
    run("audit", "reconcile", "--xlsx", str(tmp_path / "out.xlsx"))
    orders = fastexcel.read_excel(tmp_path / "out.xlsx").load_sheet("Orders").to_polars()
    assert set(orders.select("Shop", "Shop (name)").rows()) == {("main", "旗舰店")}


def test_the_inbox_is_told_by_names_and_ids_to_ask_by(run):
    hub.connect().receive([RawMessage("main", "m1", "order", b"{}")])
    hub.connect().drain()
    assert "  旗舰店 (main): last received " in run("inbox", "status")
    assert "  旗舰店 (main)  m1  order, " in run("inbox", "parked")


def test_who_waits_for_a_batch_that_nobody_plans_is_told_by_name(run, tmp_path):
    none = tmp_path / "none.csv"
    none.write_text("warehouse,sku,on_hand\nhangzhou,S-1,0\nhangzhou,POUCH,0\n", encoding="utf-8")
    run("stock", "report", str(none))
    late = EXPORT.replace("P1", "P3").replace("P2", "P4").replace(",200,200", ",300,300")
    (tmp_path / "late.csv").write_text(late, encoding="utf-8")
    run("import", str(tmp_path / "late.csv"), "--mapping", "generic", "--shop", "main")
    told = run("presale", "schedule")
    assert "main" not in told and "! 旗舰店 P4: no batch is planned of S-1" in told


def test_the_rule_lab_s_commands_tell_names_and_the_orders_of_files_by_what_everybody_knows(run, tmp_path):
    told = run("rules", "replay", str(tmp_path / "new.toml"))
    assert "  杭州仓 | 广州仓 | 2 | " in told and "  J&T Express | J&T Express | 2 | " in told
    assert "hangzhou" not in told and "jtsd" not in told
    gifts = (tmp_path / "new.toml").read_text(encoding="utf-8").replace("gift POUCH", "gift BAG")
    (tmp_path / "gifts.toml").write_text(gifts, encoding="utf-8")
    assert "  旗舰店 | P1 | " in run("rules", "sweep", "--rules", str(tmp_path / "gifts.toml"))
    run("db", "snapshot", "--out", str(tmp_path / "copy"))
    filed = [f"--{name}={tmp_path / 'copy'}" for name in ("orders", "lines")]
    told = run("rules", "replay", str(tmp_path / "new.toml"), *filed)
    assert "guangzhou" in told and "J&T Express" in told
