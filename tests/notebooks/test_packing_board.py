"""The packing floor and `orderhub packing check` say the same, over a living hub whose warehouse reports its stock."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import fresh
import pytest
from typer.testing import CliRunner

from orderhub_core import hub
from orderhub_core.entry import cli
from orderhub_core.flows import stocking

NOTEBOOK = "packing"
RULEBOOK = """version = "1"
[[groups]]
name = "routing"
match = "first"
otherwise = "assign hangzhou"
[[groups]]
name = "gifts"
match = "all"
[[groups.rules]]
name = "pouch"
when = "total >= 100"
then = "gift POUCH"
"""
EXPORT = """order_no,status,placed_at,paid_at,total,sku,quantity
P1,paid,2026-01-01 10:00:00,2026-01-01 10:01:00,100,S-1,1
P2,paid,2026-01-01 10:00:00,2026-01-01 10:02:00,200,S-1,1
"""


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[hub.Hub]:
    """Two orders with a gift each, and one gift that is there: found out after they were decided."""
    monkeypatch.delenv("ORDERHUB_SNAPSHOT", raising=False)
    monkeypatch.setenv("ORDERHUB_DATA", str(tmp_path))
    hub.connect.cache_clear()
    fresh.hub(tmp_path)
    (tmp_path / "rules.toml").write_text(RULEBOOK, encoding="utf-8")
    warehouse = '[[warehouses]]\nid = "hangzhou"\nconnector = ""\nprovince = "浙江省"\n'
    (tmp_path / "orderhub.toml").write_text(f'rulebook = "rules.toml"\n{warehouse}', encoding="utf-8")
    (tmp_path / "paid.csv").write_text(EXPORT, encoding="utf-8")
    (tmp_path / "stock.csv").write_text("warehouse,sku,on_hand\nhangzhou,POUCH,1\nhangzhou,S-1,9\n", encoding="utf-8")
    opened = hub.connect()
    assert isinstance(opened, hub.Hub)
    opened.import_file(tmp_path / "paid.csv", "generic", on_error="reject-all", dry_run=False)
    opened.stock.report(stocking.read(tmp_path / "stock.csv"), by="ann")
    yield opened
    opened.close()
    hub.connect.cache_clear()


def shown(outputs: tuple[object, ...]) -> str:
    return re.sub(r"<[^>]*>", " ", " ".join(str(getattr(output, "text", "")) for output in outputs if output))


def test_the_board_and_the_command_say_the_same(board: ModuleType, packed: hub.Hub) -> None:
    outputs, names = board.app.run()
    done = CliRunner().invoke(cli.build("packing"), ["packing", "check", "--json"])
    told = json.loads(done.stdout.splitlines()[-1])
    assert done.exit_code == 1
    assert [(one["verdict"], one["orders"]) for one in told["orders"]] == [("go", 1), ("hold", 1)]
    (fault,) = told["faults"]
    assert (fault["order_no"], fault["sku"], fault["needed"], fault["there"]) == ("P2", "POUCH", 1, 0)
    assert names["found"].filter(names["found"]["verdict"] == "hold")["order_no"].to_list() == ["P2"]
    assert "Wait for a gift" in shown(outputs)


def test_a_snapshot_says_that_nobody_knows_what_lies_there(board: ModuleType, packed: hub.Hub, tmp_path: Path,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    CliRunner().invoke(cli.build("db"), ["db", "snapshot", "--out", str(tmp_path / "copy")])
    monkeypatch.setenv("ORDERHUB_SNAPSHOT", str(tmp_path / "copy"))
    hub.connect.cache_clear()
    outputs, _ = board.app.run()
    assert "No warehouse reports its stock" in shown(outputs)


def test_half_of_the_files_is_a_mistake(packed: hub.Hub) -> None:
    done = CliRunner().invoke(cli.build("packing"), ["packing", "check", "--orders", "orders.csv"])
    assert "name both --orders and --lines" in str(done.exception)


def test_what_is_to_be_brought_is_told_on_the_page_and_by_the_command(
    board: ModuleType, packed: hub.Hub, tmp_path: Path
) -> None:
    places = "".join(f'[[warehouses]]\nid = "{name}"\nconnector = ""\n' for name in ("hangzhou", "guangzhou"))
    (tmp_path / "orderhub.toml").write_text(f'rulebook = "rules.toml"\n{places}', encoding="utf-8")
    hub.connect.cache_clear()
    opened = hub.connect()
    assert isinstance(opened, hub.Hub)
    (tmp_path / "stock.csv").write_text("warehouse,sku,on_hand\nguangzhou,POUCH,5\n", encoding="utf-8")
    opened.stock.report(stocking.read(tmp_path / "stock.csv"), by="ann")
    (tmp_path / "later.csv").write_text(EXPORT.replace("P", "Q"), encoding="utf-8")
    opened.import_file(tmp_path / "later.csv", "generic", on_error="reject-all", dry_run=False)
    outputs, names = board.app.run()
    assert names["planned"].moves.rows() == [("guangzhou", "hangzhou", "POUCH", 3, 1, 2)]
    assert "To be brought from another warehouse" in shown(outputs)
    done = CliRunner().invoke(
        cli.build("stock"), ["stock", "transfers", "--lang", "zh", "--out", str(tmp_path / "moves.csv")]
    )
    assert (done.exit_code, done.stdout.splitlines()) == (
        0, ["guangzhou → hangzhou：3 件；可随之发出的订单：2", "    POUCH × 3（订单：2；其中 1 件给已通知该仓的订单）"]
    )  # fmt: skip
    assert (tmp_path / "moves.csv").read_text(encoding="utf-8-sig").splitlines()[1] == "guangzhou,hangzhou,POUCH,3,1,2"
    opened.close()
