"""`orderhub packing check`: over files as shops export them, and what it says of files that do not fit."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import ClassVar

import pytest
from typer.testing import CliRunner

from orderhub_core.entry.commands.packing import app
from orderhub_core.errors import UserMistake

ORDERS = """订单编号,付款时间,发货时间,运单号,仓管
A1,2026-11-11 10:00:00,,,李
A2,2026-11-11 09:00:00,,,李
A3,2026-11-11 08:00:00,2026-11-11 11:45:00,,李
A4,2026-11-11 08:00:00,2026-11-11 11:46:00,,王
A5,2026-11-11 08:00:00,2026-11-11 11:00:00,SF1,王
"""
LINES = """订单编号,商家编码,数量,是否赠品
A1,BODY,1,否
A1,POUCH,1,是
A2,BODY,1,
A2,POUCH,1,是
A9,BODY,1,
"""
STOCK = "商家编码,库存\nPOUCH,1\n"
SCANS = "订单编号,条码\nA2,A2\nA2,BODY\n"


@pytest.fixture
def files(tmp_path):
    for name, text in {"orders": ORDERS, "lines": LINES, "stock": STOCK, "scans": SCANS}.items():
        (tmp_path / f"{name}.csv").write_text(text, encoding="gb18030")
    return tmp_path


def run(folder, *more, only=("orders", "lines", "stock", "scans")):
    options = [part for name in only for part in (f"--{name}", str(folder / f"{name}.csv"))]
    done = CliRunner().invoke(app, ["check", *options, "--at", "2026-11-11 12:00:00", *more])
    if isinstance(done.exception, UserMistake):
        return 2, str(done.exception)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def test_all_three_checks_are_one_table(files):
    code, said = run(files, "--json", "--out", str(files / "table.csv"))
    told = json.loads(said)
    assert code == 1
    assert [(row["stage"], row["verdict"], row["orders"]) for row in told["orders"]] == [
        ("before_packing", "go", 1), ("before_packing", "hold", 1), ("while_packing", "fail", 1),
        ("after_shipping", "ok", 1), ("after_shipping", "wait", 1), ("after_shipping", "alert", 1),
    ]  # fmt: skip
    faults = [(row["order_no"], row["verdict"], row["item"], row["sku"], row["keeper"]) for row in told["faults"]]
    # A2 paid first and has the only pouch, which then was not scanned into its box.
    assert faults == [("A1", "hold", "gift", "POUCH", "李"), ("A2", "fail", "gift", "POUCH", "李"),
                      ("A3", "alert", "tracking_no", None, "李")]  # fmt: skip
    assert told["notes"] == ["lines.csv: 1 lines belong to none of these orders"]
    assert len((files / "table.csv").read_text(encoding="utf-8-sig").splitlines()) == 1 + 6


def test_people_read_it_in_their_language(files):
    _, said = run(files, "--lang", "zh")
    assert "打包前：赠品有货吗？ 放行 1、挂起 1" in said or "打包前：赠品有货吗？ 挂起 1、放行 1" in said
    assert "A1：挂起：赠品 POUCH 需要 1 件，只剩 0 件" in said and "A3：告警：" in said


def test_what_is_not_told_is_not_asked(files):
    code, said = run(files, "--json", only=("orders", "lines"))
    assert code == 1 and {row["stage"] for row in json.loads(said)["orders"]} == {"after_shipping"}
    assert run(files, "--within", "60", only=("orders", "lines"))[0] == 0


class Listening(BaseHTTPRequestHandler):
    told: ClassVar[list[dict[str, str]]] = []

    def do_POST(self):
        self.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_keepers_are_told_through_a_notifier(files, monkeypatch):
    box = files / "data"
    box.mkdir()
    with HTTPServer(("127.0.0.1", 0), Listening) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        settings = (
            f'[[notifiers]]\nid = "wecom"\nconnector = "apprise"\nurl = "json://127.0.0.1:{server.server_port}"\n'
        )
        (box / "orderhub.toml").write_text(settings, encoding="utf-8")
        monkeypatch.setenv("ORDERHUB_DATA", str(box))
        run(files, "--notify", "wecom", "--lang", "zh")
        server.shutdown()
    (told,) = Listening.told
    assert told["title"] == "没有运单号：李" and "A3：告警" in told["message"] and "A4" not in told["message"]
    options = [f"--{name}={files / name}.csv" for name in ("orders", "lines")]
    assert CliRunner().invoke(app, ["check", *options, "--notify", "nobody"]).output == "", "refused before it is told"
    assert run(files, "--notify", "nobody") == (
        2, "--notify nobody: there is no such notifier in the settings; there are: wecom",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("orders", "单子\nA1\n", "orders.csv: no column for order_no"),
        ("orders", ORDERS + "A1,,,,\n", "orders.csv, row 7: order_no A1 stands twice; keep one row"),
        ("lines", "订单编号,商家编码,数量\nA1,BODY,1\n", "lines.csv: no column for gift"),
        ("stock", "仓库,商家编码,库存\nhz,POUCH,1\n", "stock.csv tells stock by warehouse"),
        ("stock", "", "stock.csv: the file is empty"),
    ],
)
def test_files_that_do_not_fit_end_in_one_sentence(files, name, text, told):
    (files / f"{name}.csv").write_text(text, encoding="utf-8")
    code, said = run(files)
    assert (code, told in said) == (2, True), said


def test_cells_that_cannot_be_read_are_told_and_count_as_nothing(files):
    (files / "stock.csv").write_text("商家编码,库存\nPOUCH,很多\n", encoding="utf-8")
    _, said = run(files)
    assert "! stock.csv, on_hand: 1 cells, the first in row 2: this is not a whole number" in said
    assert "A2: hold: of the gift POUCH 1 are needed and 0 are left" in said
