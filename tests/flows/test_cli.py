"""The command line as a user meets it: answers, one line of JSON, exit codes, and sentences instead of tracebacks."""

from __future__ import annotations

import json
import re
import socket
import sys
from importlib.metadata import version

import pytest

from connectors.files.mapping import SHIPPED
from orderhub_core.entry import cli
from orderhub_core.entry.options import counted
from orderhub_core.hub import Hub
from orderhub_core.model import RawMessage
from orderhub_core.store import homes, snapshot
from orderhub_core.store.revisions import REVISIONS

PAGE = """order_no,status,updated_at
A1,已发货,2026-01-01T10:00:00+08:00
A2,待付款,2026-01-01T10:00:00+08:00
A2,待付款,2026-01-01T10:00:00+08:00
"""
CRM = "订单号,状态,更新时间\nA1,已交付快递,2026-01-01 10:00:00\nA2,客户已收,2026-01-01 10:00:00\n"
WMS = "order_no,status,updated_at\nA1,已出库,2026-01-01T10:00:00+08:00\n"


@pytest.fixture
def orderhub(monkeypatch, capsys, tmp_path):
    """Run a command; gives its exit code, output and error output."""
    monkeypatch.chdir(tmp_path)
    for name in ("ORDERHUB_DATA", "ORDERHUB_DATABASE_URL", "ORDERHUB_SNAPSHOT", "ORDERHUB_PEPPER"):
        monkeypatch.setenv(name, "")

    def run(*arguments):
        from orderhub_core.hub import connect

        connect.cache_clear()
        monkeypatch.setattr(sys, "argv", ["orderhub", *map(str, arguments)])
        try:
            code = cli.main()
        except SystemExit as end:
            code = end.code or 0
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.fixture
def export(tmp_path):
    path = tmp_path / "export.csv"
    path.write_text("order_no,status,placed_at,total\nB1,paid,2026-01-01 10:00:00,12.50\n", encoding="utf-8")
    return path


def last_object(out):
    return json.loads(out.strip().splitlines()[-1])


@pytest.mark.parametrize(("count", "said"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1_000, "1,000 rows")])
def test_one_is_not_many(count, said):
    assert counted(count, "row") == said


def test_help_names_every_command(orderhub):
    code, out, _ = orderhub("--help")
    assert code == 0
    for command in ("demo", "serve", "worker", "import", "audit", "simulate", "diagnose", "log", "db", "inbox"):
        assert command in out


def test_which_version_and_schema_this_is(orderhub):
    code, out, _ = orderhub("--version")
    assert code == 0
    assert out.startswith(f"OrderHub {version('orderhub')} ")
    assert all(revision in out for revision in REVISIONS.values())


def test_import_ends_with_one_object_and_the_log_is_whole(orderhub, export, tmp_path):
    orderhub("db", "init", "--data", tmp_path / "d")
    code, out, _ = orderhub("import", export, "--mapping", "generic", "--data", tmp_path / "d", "--json")
    answer = last_object(out)
    assert code == 0
    assert {name: answer[name] for name in ("rows", "imported", "updated", "unchanged", "refused")} == {
        "rows": 1, "imported": 1, "updated": 0, "unchanged": 0, "refused": 0,
    }  # fmt: skip
    code, out, _ = orderhub("log", "verify", "--data", tmp_path / "d", "--json")
    assert (code, last_object(out)["whole"]) == (0, True)
    code, out, _ = orderhub("log", "show", "B1", "--data", tmp_path / "d")
    assert code == 0
    assert "  Paid  unpaid → paid  (happened 2026-01-01" in out
    now, *entries = out.splitlines()
    assert now == "B1 (imported) is now: paid"
    assert all("+08:00  " in line and "+08:00, " in line and "Z" not in line for line in entries), "the settings' zone"


def test_import_says_how_many_orders_no_warehouse_will_get_and_how_to_mend_it(orderhub, export, tmp_path):
    orderhub("db", "init", "--data", tmp_path / "d")
    for step in ("--dry-run", "--lang=en"):
        _, out, _ = orderhub("import", export, "--mapping", "generic", step, "--data", tmp_path / "d")
        assert "no warehouse gets them: 1; import the report of their items" in out
    _, out, _ = orderhub("import", export, "--mapping", "generic", "--lang", "zh", "--data", tmp_path / "d")
    assert "不知道买了什么商品的订单 1 张" in out
    _, out, _ = orderhub("diagnose", "--lang", "zh", "--data", tmp_path / "d")
    assert "没有仓库会收到的有 1 单（B1）" in out
    _, out, _ = orderhub("diagnose", "--json", "--data", tmp_path / "d")
    assert last_object(out)["without_lines"] == [{"shop": "imported", "order_no": "B1"}]
    export.write_text(export.read_text("utf-8").replace("total\nB1", "sku\nB2"), "utf-8")
    _, out, _ = orderhub("import", export, "--mapping", "generic", "--data", tmp_path / "d")
    assert "no warehouse" not in out


def test_a_report_of_yes_or_no_is_told_as_it_was_given(orderhub, export, tmp_path):
    orderhub("db", "init", "--data", tmp_path / "d")
    orderhub("import", export, "--mapping", "generic", "--data", tmp_path / "d")
    for signal, value, told in (("storm", "yes", "storm yes"), ("livestream_audience", "1200", "audience 1,200")):
        code, out, err = orderhub("signals", "report", signal, value, "--by", "ann", "--data", tmp_path / "d")
        assert (code, told in out) == (0, True), err
    told = orderhub("signals", "list", "--data", tmp_path / "d")[1].splitlines()
    storm = next(line for line in told if line.startswith("storm yes from"))
    name = storm.rpartition("(")[2].rstrip(")")
    assert orderhub("signals", "end", name, "--by", "ann", "--data", tmp_path / "d")[0] == 0
    later = ("livestream_audience", "7", "--from", "2099-01-01", "--by", "ann", "--data", tmp_path / "d")
    assert orderhub("signals", "report", *later)[1].startswith("[to come] livestream_audience 7")
    marks = [line.split(" ")[0] for line in orderhub("signals", "list", "--data", tmp_path / "d")[1].splitlines()]
    assert marks.count("[over]") == 1 and marks.count("[to") == 1 and marks.count("livestream_audience") == 1


def test_a_tampered_log_exits_1_and_names_the_entry(orderhub, export, tmp_path):
    orderhub("db", "init", "--data", tmp_path / "d")
    orderhub("import", export, "--mapping", "generic", "--data", tmp_path / "d")
    store = homes.open_store(homes.Home(tmp_path / "d"))
    with store.transaction("hub") as cursor:
        cursor.execute("DROP TRIGGER log_no_update")
        cursor.execute("UPDATE log SET after = 'cancelled' WHERE seq = 2")
    store.close()
    code, out, _ = orderhub("log", "verify", "--data", tmp_path / "d", "--json")
    assert code == 1
    assert last_object(out)["broken_seq"] == 2


@pytest.mark.parametrize("rows", ["", "\n\n", "\n,,,\n"])
def test_a_heading_without_rows_is_no_data(orderhub, tmp_path, rows):
    (tmp_path / "head.csv").write_text("order_no,status,placed_at,total" + rows, encoding="utf-8")
    (tmp_path / "page.csv").write_text(PAGE, encoding="utf-8")
    code, _, err = orderhub("audit", "files", "--touchpoint", "page=page.csv", "--touchpoint", "crm=head.csv")
    assert (code, "crm: head.csv has a heading and no rows" in err) == (2, True)
    code, out, err = orderhub("import", "head.csv", "--mapping", "generic", "--json")
    assert (code, last_object(out)["rows"]) == (2, 0)
    assert "head.csv has a heading and no rows" in err


def test_a_file_with_refused_rows_exits_2_and_says_how_to_mend(orderhub, export, tmp_path):
    orderhub("db", "init", "--data", tmp_path / "d")
    export.write_text(export.read_text() + "B2,vanished,2026-01-01 10:00:00,1\n", encoding="utf-8")
    code, out, err = orderhub("import", export, "--mapping", "generic", "--data", tmp_path / "d", "--json")
    assert code == 2
    assert last_object(out)["imported"] == 0
    assert "skip-failed" in err
    code, out, _ = orderhub(
        "import", export, "--mapping", "generic", "--data", tmp_path / "d", "--json", "--on-error", "skip-failed"
    )
    answer = last_object(out)
    assert (code, answer["imported"], answer["refused"]) == (0, 1, 1)
    assert answer["reasons"][0]["row_no"] == 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["import", "none.csv", "--mapping", "generic"], "none.csv"),
        (["import", "none.csv", "--mapping", "no-such"], "olist"),
        (
            ["import", "none.csv"],
            "--mapping is missing: name a TOML file or one of the shipped mappings: douyin",
        ),
        (["log", "verify", "--data", "nowhere"], "orderhub db init"),
        (["db", "init", "--database", "mysql://x"], "postgresql://"),
        (["db", "init", "--database", "postgresql://u@host:port/x"], "port"),
        (["log", "verify", "--database", "postgresql://u@host:99999/x"], "port"),
        (["log", "verify", "--database", "postgresql://u@[host/x"], "host"),
        (["log", "verify", "--database", "postgresql://u@host/x?bogus=1"], "option"),
        (["demo", "--orders", "10", "--out", "/dev/null/world"], "--out"),
        (["audit", "files", "--touchpoint", "page"], "NAME=FILE"),
        (["audit", "files", "--touchpoint", "page=none.csv", "--touchpoint", "crm=none.csv"], "none.csv"),
        (["serve", "--host", "0.0.0.0"], "ORDERHUB_TOKEN"),
        (["serve", "--snapshot", "nowhere"], "snapshot"),
        (["nonsense"], "nonsense"),
    ],
)
def test_a_users_mistake_is_one_sentence_and_exit_code_2(orderhub, arguments, told):
    code, out, err = orderhub(*arguments)
    assert code == 2
    assert told in err
    assert "Traceback" not in out + err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["log", "verify", "--data", "nowhere"], "nowhere 里没有中枢：用 `orderhub db init --data nowhere` 建一个"),
        (["log", "show", "Z9"], "data 里没有订单 'Z9'：请核对单号，或先导入该店铺的导出文件"),
        (["holds", "release", "Z9", "--reason", "x"], "中枢里没有订单 Z9：请核对单号"),
        (["holds", "list", "--shop", "nobody"], "没有店铺 nobody；已有：无"),
        (["import", "none.csv", "--mapping", "generic"], "none.csv：没有这个文件"),
        (
            ["import", "none.csv", "--mapping", "no-such"],
            "没有映射 'no-such'：请写一个 TOML 文件，或随附的映射之一：douyin",
        ),
        (["rules", "publish", "v9"], "没有保存过版本 'v9'"),
        (["rules", "check", "none.toml"], "规则书 none.toml 无法读取（"),
        (["rules", "eval", "--rules", "none.toml", "--orders", "o", "--out", "x"], "规则书 none.toml 无法读取（"),
        (["rules", "explain", "A1", "--rules", "none.toml", "--orders", "o"], "规则书 none.toml 无法读取（"),
        (["audit", "orders", "--as-of", "soon"], "--as-of 'soon'：请写成"),
        (["log", "verify", "--database", "mysql://x"], "--database 须为 PostgreSQL 地址：写成 postgresql://"),
        (["serve", "--host", "0.0.0.0"], "--host 0.0.0.0 会让别人也能访问"),
    ],
)
def test_a_users_mistake_is_told_in_the_language_that_was_asked_for(orderhub, arguments, told):
    orderhub("db", "init")
    code, _, err = orderhub(*arguments, "--lang", "zh")
    assert (code, told in err) == (2, True), err
    assert len(err.splitlines()) == 1


def test_who_cannot_reach_the_database_learns_where_and_how_to_mend_it(orderhub):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        asked = ("db", "init", "--database", f"postgresql://lou-7:pw-7@{place}/shop")
        (code, _, err), (_, _, chinese) = orderhub(*asked), orderhub(*asked, "--lang", "zh")
    assert code == 3
    assert (
        f"cannot connect to PostgreSQL at {place}, database shop (Connection refused): start the server, or mend" in err
    )
    assert f"连不上 {place} 的 PostgreSQL，数据库 shop（Connection refused）：请启动服务器，或改正" in chinese
    assert "pw-7" not in err + chinese and "lou-7" not in err + chinese


@pytest.mark.postgres
def test_a_database_that_does_not_exist_is_told_apart_from_a_server_that_does_not_run(orderhub, postgres_server):
    nowhere = postgres_server.replace("/postgres?", "/nobodys?")
    code, _, err = orderhub("db", "init", "--database", nowhere)
    assert (code, 'database nobodys (database "nobodys" does not exist)' in err) == (3, True), err
    code, _, err = orderhub("db", "check", "--database", nowhere)
    assert (code, 'database "nobodys" does not exist' in err) == (3, True), err
    stranger = postgres_server.replace("//postgres:", "//lou-7:pw-7")
    code, _, err = orderhub("db", "init", "--database", stranger)
    assert (code, "does not exist" in err, "lou-7" in err, "pw-7" in err) == (3, True, False, False), err


def test_what_is_wrong_with_a_rulebook_is_told_in_the_language_that_was_asked_for(orderhub, tmp_path):
    (tmp_path / "bad.toml").write_text('version = "1"\nodd = 1\n', encoding="utf-8")
    _, _, err = orderhub("rules", "eval", "--rules", "bad.toml", "--orders", "o", "--out", "x", "--lang", "zh")
    assert "odd" in err and "there is no key" not in err, err
    _, _, err = orderhub("rules", "eval", "--rules", "bad.toml", "--orders", "o", "--out", "x")
    assert "there is no key odd" in err, "and in English, where none was"


def test_whoever_lets_an_order_go_that_there_is_not_learns_what_where_and_how(orderhub, export, tmp_path):
    orderhub("db", "init", "--data", tmp_path / "d")
    orderhub("import", export, "--mapping", "generic", "--data", tmp_path / "d")

    def released(*arguments):
        code, _, err = orderhub("holds", "release", *arguments, "--reason", "looked at", "--data", tmp_path / "d")
        assert code == 2
        return err

    assert "the hub knows no order B9: check the number" in released("B9")
    assert "orderhub holds list" in released("B9")
    assert "there is no shop nowhere" in released("B1", "--shop", "nowhere")
    assert "order B1 is not kept from its warehouse" in released("B1")


def test_a_damaged_database_is_told_and_exits_3(orderhub, tmp_path):
    orderhub("db", "init", "--data", tmp_path / "d")
    for path in (tmp_path / "d").glob("hub.db*"):
        path.write_bytes(b"this is no database" * 1_000)
    for command in (["log", "verify"], ["db", "init"]):
        code, out, err = orderhub(*command, "--data", tmp_path / "d")
        assert code == 3, command
        assert "Traceback" not in out + err
        assert "damaged" in err
    code, out, err = orderhub("db", "check", "--data", tmp_path / "d")  # asked about damage, that is its answer
    assert (code, "db restore" in out, "Traceback" in out + err) == (1, True, False)


def test_a_restored_hub_is_told_by_the_clock_of_its_people(orderhub, tmp_path):
    assert orderhub("db", "init", "--data", tmp_path / "d")[0] == 0
    assert orderhub("db", "backup", tmp_path / "kept", "--data", tmp_path / "d")[0] == 0
    code, out, _ = orderhub("db", "restore", tmp_path / "kept", "--data", tmp_path / "again")
    assert (code, re.search(r"holds the hub of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+08:00:", out) is not None) == (0, True)


def test_a_bug_is_told_without_the_data_it_stumbled_over(orderhub, tmp_path, monkeypatch):
    from orderhub_core.entry.commands import db

    def stumble(home):
        raise KeyError("张三丰 19900001234")

    monkeypatch.setattr(db.homes, "init", stumble)
    monkeypatch.setenv("ORDERHUB_DEBUG", "")
    code, out, err = orderhub("db", "init", "--data", tmp_path / "d")
    assert code == 3
    assert "KeyError in test_cli.py" in err
    assert "19900001234" not in out + err


def test_a_port_that_is_taken_is_told(orderhub, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, err = orderhub("serve", "--data", tmp_path / "d", "--port", port)
    assert code == 2
    assert str(port) in err
    assert "--port" in err


def test_audit_of_three_files_needs_no_database(orderhub, tmp_path):
    for name, text in (("page", PAGE), ("crm", CRM), ("wms", WMS)):
        (tmp_path / f"{name}.csv").write_text(text, encoding="gb18030" if name == "crm" else "utf-8-sig")
    files = [part for name in ("page", "crm", "wms") for part in ("--touchpoint", f"{name}={tmp_path / name}.csv")]
    code, out, _ = orderhub("audit", "files", *files, "--sample", 100, "--seed", 7, "--json")
    answer = last_object(out)
    assert code == 0
    assert answer["population"]["orders"] == 2
    assert answer["population"]["consistent"] == 1
    verdicts = {finding["order_no"]: finding for finding in answer["findings"]}
    assert "A2" in verdicts
    assert verdicts["A2"]["values"].keys() >= {"page", "crm"}
    assert answer["sample"]["interval"] == {"low": 0.5, "high": 0.5, "level": 0.95}, "all of them were drawn"
    interval = last_object(orderhub("audit", "files", *files, "--sample", 1, "--json")[1])["sample"]["interval"]
    assert interval["high"] - interval["low"] == 0.5, "one of two was"
    assert not (tmp_path / "data").exists()
    code, _, _ = orderhub("audit", "files", *files, "--fail-under", "0.9")
    assert code == 1


def test_what_an_audit_of_files_does_not_compare_is_told(orderhub, tmp_path):
    at = "2026-11-11 10:00:00"
    (tmp_path / "page.csv").write_text(
        f"order_no,status,total_price,updated_at\nA1,paid,1,{at}\n1.23E+17,paid,1,{at}\n"
    )
    (tmp_path / "crm.csv").write_text(f"order_no,status,金额,updated_at\nA1,paid,999,{at}\nA2,paid,1,{at}\n")
    files = [part for name in ("page", "crm") for part in ("--touchpoint", f"{name}={tmp_path / name}.csv")]
    code, out, err = orderhub("audit", "files", *files, "--as-of", "2026-12-01T00:00:00+08:00")
    assert code == 0
    assert "! shown by one system alone, and compared with nothing (page: total_price; crm: Order total)" in out
    assert "! page: rows with damaged order numbers are left out (1)" in out and "1.23E" not in out
    assert "first row 3: a spreadsheet has rounded this number" in err
    answer = last_object(orderhub("audit", "files", *files, "--json")[1])
    assert (answer["alone"], answer["left_out"]) == ({"page": ["total_price"], "crm": ["total"]}, {"page": 1})
    (tmp_path / "bad.csv").write_text(f"order_no,status,updated_at\n1.23E+17,paid,{at}\n")
    code, _, err = orderhub("audit", "files", *files[:2], "--touchpoint", f"wms={tmp_path / 'bad.csv'}")
    assert code == 2 and "all order numbers of bad.csv are damaged" in err
    _, out, err = orderhub("audit", "files", *files, "--preset", "service")
    assert "not compared, nor shown: total_price" in err


def test_a_big_world_goes_to_parquet_and_can_be_diagnosed(orderhub, tmp_path, monkeypatch):
    code, out, _ = orderhub("demo", "--orders", 2_000, "--out", tmp_path / "world", "--json")
    assert (code, last_object(out)["orders"]) == (0, 2_000)
    assert snapshot.scan(tmp_path / "world", "orders").collect().height == 2_000
    code, _, _ = orderhub("demo", "--orders", 1_000, "--out", tmp_path / "world", "--json")
    assert code == 0, "a world takes the place of a world"
    assert snapshot.scan(tmp_path / "world", "orders").collect().height == 1_000
    monkeypatch.setenv("ORDERHUB_SNAPSHOT", str(tmp_path / "world"))
    code, out, _ = orderhub("diagnose", "--json")
    found = last_object(out)
    assert (code, found["orders"]) == (0, 1_000)
    assert 0 < found["overdue"] < found["open"]
    assert found["blockages"]
    code, _, _ = orderhub("diagnose", "--fail-over", found["overdue"])
    assert code == 0
    code, _, _ = orderhub("diagnose", "--fail-over", found["overdue"] - 1)
    assert code == 1


@pytest.mark.parametrize("command", [["demo", "--orders", "10"], ["db", "snapshot"]])
def test_a_folder_that_is_no_snapshot_is_left_as_it_is(orderhub, export, tmp_path, command):
    home = tmp_path / "d"
    orderhub("db", "init", "--data", home)
    orderhub("import", export, "--mapping", "generic", "--data", home)
    before = {path.name for path in home.iterdir()}
    code, out, err = orderhub(*command, "--data", home, "--out", home)
    assert code == 2
    assert "--out" in err
    assert "Traceback" not in out + err
    assert {path.name for path in home.iterdir()} == before
    code, out, _ = orderhub("log", "verify", "--data", home, "--json")
    assert (code, last_object(out)["entries"] > 0) == (0, True)


def test_a_dry_run_without_a_hub_leaves_no_trace(orderhub, export, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    code, out, _ = orderhub("import", export, "--mapping", "generic", "--dry-run", "--json")
    assert (code, last_object(out)["imported"]) == (0, 1)
    assert sorted(tmp_path.rglob("*")) == before


def test_replaying_what_is_not_parked_is_told(orderhub, tmp_path):
    orderhub("db", "init", "--data", tmp_path / "d")
    code, _, err = orderhub("inbox", "replay", "999", "--data", tmp_path / "d")
    assert code == 2
    assert "999" in err
    assert orderhub("inbox", "replay", "--data", tmp_path / "d")[0] == 0


def test_a_log_whose_end_is_unknown_is_broken(orderhub, export, tmp_path):
    orderhub("db", "init", "--data", tmp_path / "d")
    orderhub("import", export, "--mapping", "generic", "--data", tmp_path / "d")
    store = homes.open_store(homes.Home(tmp_path / "d"))
    with store.transaction("hub") as cursor:
        cursor.execute("DELETE FROM lanes")
    store.close()
    code, out, _ = orderhub("log", "verify", "--data", tmp_path / "d")
    assert code == 1
    assert "table lanes" in out
    code, out, err = orderhub("db", "check", "--data", tmp_path / "d")
    assert code in (1, 3)
    assert "table lanes" in out + err
    assert "internal" not in err


def test_a_damaged_snapshot_is_told(orderhub, tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "snapshot.json").write_bytes(b'{"as_of": ')
    code, _, err = orderhub("serve", "--snapshot", tmp_path / "s")
    assert code == 2
    assert "snapshot.json is damaged" in err


def test_simulate_and_diagnose_answer_in_json(orderhub, export, tmp_path):
    orderhub("db", "init", "--data", tmp_path / "d")
    code, out, _ = orderhub("simulate", "--orders", 2_000, "--seed", 7, "--json")
    rehearsed = last_object(out)
    assert (code, rehearsed["seed"], rehearsed["figures"]["orders"]) == (0, 7, 2_000)
    assert last_object(orderhub("simulate", "--orders", 2_000, "--seed", 7, "--json")[1]) == rehearsed
    orderhub("import", export, "--mapping", "generic", "--data", tmp_path / "d")
    code, out, _ = orderhub("diagnose", "--data", tmp_path / "d", "--json")
    assert (code, last_object(out)["orders"]) == (0, 1)


@pytest.fixture
def unread(tmp_path, monkeypatch):
    """A hub with five parked messages of two sources and one that contradicts the first."""
    made = homes.Home(tmp_path / "d")
    homes.init(made)
    (made.data / "orderhub.toml").write_text('time_zone = "Asia/Tokyo"\n')
    opened = Hub(made)
    opened.receive([RawMessage("stranger", f"m{n}", "order", b"{}") for n in range(4)])
    opened.receive([RawMessage("other", "m9", "push", b'{"who": "Zhang San"}')])
    opened.receive([RawMessage("stranger", "m0", "order", b'{"other": "Zhang San"}')])
    opened.drain()
    opened.close()
    return ["--data", made.data]


def test_parked_messages_are_told_in_full_by_reason_and_source(orderhub, unread):
    code, out, _ = orderhub("inbox", "parked", *unread, "--json")
    answer = last_object(out)
    assert (code, answer["parked"], len(answer["messages"])) == (0, 5, 5)
    assert [(row["source"], row["messages"]) for row in answer["reasons"]] == [("stranger", 4), ("other", 1)]
    first = answer["messages"][0]
    assert (first["kind"], first["bytes"]) == ("order", 2)
    assert first["received_at"].endswith("+09:00")
    assert first["parked_at"].endswith("+09:00")
    assert 0 <= first["age_s"] < 600
    _, out, _ = orderhub("inbox", "parked", *unread, "--limit", 2)
    assert "messages parked: 5; the oldest 2 of them" in out
    assert "4  stranger: no shop or touchpoint named 'stranger' in the settings" in out
    assert ("m1" in out, "m2" in out) == (True, False)
    _, out, _ = orderhub("inbox", "parked", *unread, "--source", "other")
    assert "push, 20 bytes, received" in out
    assert ("m0" in out, "Zhang" in out) == (False, False)


def test_a_conflict_is_told_without_what_it_says(orderhub, unread):
    code, out, _ = orderhub("inbox", "conflicts", *unread)
    assert code == 0
    assert "messages against an earlier one of the same id: 1" in out
    assert "22 bytes" in out
    assert "2 bytes, digest" in out
    assert "Zhang" not in out
    answer = last_object(orderhub("inbox", "conflicts", *unread, "--json")[1])
    (row,) = answer["messages"]
    assert (answer["conflicts"], row["message_id"], row["bytes"], row["first_bytes"]) == (1, "m0", 22, 2)
    assert row["digest"] != row["first_digest"]
    assert "no conflict" in orderhub("inbox", "conflicts", *unread, "--source", "other")[1]


def test_dismissing_wants_a_reason_and_is_taken_back_by_replaying(orderhub, unread):
    code, _, err = orderhub("inbox", "dismiss", 1, *unread)
    assert (code, "reason" in err) == (2, True)
    code, _, err = orderhub("inbox", "dismiss", 1, "--reason", "  ", *unread)
    assert (code, "needs a reason" in err) == (2, True)
    code, out, _ = orderhub("inbox", "dismiss", 1, 3, "--reason", "noise of a test", "--by", "ann", *unread)
    assert code == 0, out
    assert last_object(orderhub("inbox", "status", *unread, "--json")[1])["parked"] == 3
    code, _, err = orderhub("inbox", "dismiss", 3, 4, "--reason", "noise", *unread)
    assert code == 2
    assert re.search(
        r"dismissed already: 3 at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(noise of a test\); `orderhub inbox replay`", err
    )
    code, _, err = orderhub("inbox", "dismiss", 9, "--reason", "noise", *unread)
    assert (code, "not parked: 9" in err) == (2, True)
    assert last_object(orderhub("inbox", "parked", *unread, "--json")[1])["parked"] == 3, "none of them was dismissed"
    listed = last_object(orderhub("inbox", "parked", "--dismissed", *unread, "--json")[1])["messages"]
    assert [(row["id"], row["dismissal"], row["dismissed_by"]) for row in listed] == [
        (1, "noise of a test", "ann"),
        (3, "noise of a test", "ann"),
    ]
    assert "by ann: noise of a test" in orderhub("inbox", "parked", "--dismissed", *unread)[1]
    code, out, _ = orderhub("inbox", "replay", *unread, "--json")
    assert last_object(out)["tried"] == 3, "all means all that wait for a person"
    code, out, _ = orderhub("inbox", "replay", 1, *unread, "--json")
    assert last_object(out) == {"tried": 1, "parked": 1}
    assert last_object(orderhub("inbox", "parked", *unread, "--json")[1])["parked"] == 4
    assert orderhub("db", "check", *unread)[0] == 0


def test_what_was_dismissed_long_ago_is_not_tried_again(orderhub, unread):
    orderhub("inbox", "dismiss", 1, "--reason", "noise of a test", *unread)
    store = homes.open_store(homes.Home(unread[1]))
    with store.transaction("inbox") as cursor:
        cursor.execute("UPDATE inbox SET received_at = 0")
    store.close()
    code, _, err = orderhub("inbox", "replay", 1, *unread)
    assert (code, "expired since: 1" in err) == (2, True)
    assert len(last_object(orderhub("inbox", "parked", "--dismissed", *unread, "--json")[1])["messages"]) == 1


RULEBOOK = """version = "1"
[[groups]]
name = "routing"
match = "first"
otherwise = "assign hangzhou"
[[groups]]
name = "care"
match = "all"
[[groups.rules]]
name = "large"
when = "total >= 100"
then = "hold risk"
"""


@pytest.fixture
def held(orderhub, tmp_path):
    """A hub whose rulebook holds large orders, with one of them and one that is not; its options."""
    data = tmp_path / "hub"
    data.mkdir()
    (data / "rules.toml").write_text(RULEBOOK, encoding="utf-8")
    (data / "orderhub.toml").write_text('rulebook = "rules.toml"\n', encoding="utf-8")
    export = tmp_path / "paid.csv"
    export.write_text(
        "order_no,status,placed_at,paid_at,total,sku,quantity\n"
        "L1,paid,2026-01-01 10:00:00,2026-01-01 10:01:00,100,S-1,1\n"
        "S1,paid,2026-01-01 10:00:00,2026-01-01 10:01:00,99,S-1,1\n",
        encoding="utf-8",
    )
    assert orderhub("import", export, "--mapping", "generic", "--data", data)[0] == 0
    return "--data", data


def test_orders_that_were_there_before_any_rulebook_are_counted_and_decided_when_somebody_says_so(orderhub, tmp_path):
    (tmp_path / "paid.csv").write_text(
        "order_no,status,placed_at,paid_at,total,sku,quantity\n"
        "L1,paid,2026-01-01 10:00:00,2026-01-01 10:01:00,100,S-1,1\n"
        "S1,paid,2026-01-03 10:00:00,2026-01-03 10:01:00,99,S-1,1\n",
        encoding="utf-8",
    )
    (tmp_path / "rules.toml").write_text(RULEBOOK, encoding="utf-8")
    here = ("--data", tmp_path / "d")
    assert orderhub("db", "init", *here)[0] == 0
    out = orderhub("import", tmp_path / "paid.csv", "--mapping", "generic", *here)[1]
    assert "no rulebook decides on them: 2" in out
    out = orderhub("rules", "publish", tmp_path / "rules.toml", "--by", "ann", *here)[1]
    assert "go nowhere: 2; `orderhub rules decide --dry-run`" in out
    out = orderhub("rules", "decide", "--dry-run", "--lang", "zh", *here)[1]
    assert (
        out == "待发货而规则书还没决定过的订单：2；不加 --dry-run 就让规则逐张决定一次\n  imported L1\n  imported S1\n"
    )
    out = orderhub("rules", "decide", "--from", "2026-01-02", "--by", "ann", *here)[1]
    assert out == "decided: 1; go to their warehouse: 1, wait for a person: 0, have no warehouse: 0\n"
    left = last_object(orderhub("rules", "decide", "--by", "ann", "--json", *here)[1])
    assert ([one["order_no"] for one in left["orders"]], left["held"]) == (["L1"], 1)
    assert orderhub("rules", "decide", *here)[:2] == (0, "no order is to be sent on which no rulebook has spoken\n")
    assert "Put to the rules by hand" in orderhub("log", "show", "L1", *here)[1]
    assert orderhub("log", "verify", *here)[0] == 0 == orderhub("db", "check", *here)[0]


PARCELS = """[[groups]]
name = "parcels"
match = "all"
[[groups.rules]]
name = "apart"
when = "total >= 100"
then = "split sku"
"""


def test_one_parcel_of_an_order_that_is_held_is_let_go_alone(orderhub, tmp_path):
    (tmp_path / "rules.toml").write_text(RULEBOOK + PARCELS, encoding="utf-8")
    (tmp_path / "orderhub.toml").write_text('rulebook = "rules.toml"\n', encoding="utf-8")
    (tmp_path / "paid.csv").write_text(
        "order_no,status,placed_at,paid_at,total,sku,quantity\n"
        "L1,paid,2026-01-01 10:00:00,2026-01-01 10:01:00,100,S-1,1\n"
        "L1,paid,2026-01-01 10:00:00,2026-01-01 10:01:00,100,S-2,3\n",
        encoding="utf-8",
    )
    here = ("--data", tmp_path)
    assert orderhub("import", tmp_path / "paid.csv", "--mapping", "generic", *here)[0] == 0
    out = orderhub("holds", "list", *here)[1]
    assert "L1 parcel 1 of 2  to hangzhou" in out and "L1 parcel 2 of 2  to hangzhou" in out
    code, out, _ = orderhub("holds", "release", "L1", "--parcel", "2", "--reason", "known buyer", *here)
    assert (code, "L1 parcel 2 goes to hangzhou" in out) == (0, True)
    (left,) = last_object(orderhub("holds", "list", *here, "--json")[1])["held"]
    assert (left["parcel"], left["parcels"]) == (1, 2)
    code, _, err = orderhub("holds", "release", "L1", "--parcel", "2", "--reason", "again", *here)
    assert (code, "parcel 2 of order L1 is not kept" in err) == (2, True)
    told = orderhub("log", "show", "L1", *here)[1]
    assert "; parcel 2 from hangzhou: lines 2" in told
    assert orderhub("db", "check", *here)[0] == 0
    assert orderhub("rules", "reproduce", *here)[0] == 0


def test_an_order_is_kept_back_by_hand_and_told_so_in_both_languages(orderhub, held):
    code, out, _ = orderhub("holds", "place", "S1", "--reason", "wrong size", "--by", "ann", *held)
    assert (code, "S1 goes to hangzhou no more until a person lets it go." in out) == (0, True)
    assert "由 ann 扣住：wrong size" in orderhub("holds", "list", "--lang", "zh", *held)[1]
    placed = last_object(orderhub("holds", "place", "S1", "--reason", "once more", "--by", "bob", *held, "--json")[1])
    (one,) = placed["held"]
    assert one["note"] == "kept back by bob: once more; before: kept back by ann: wrong size"
    for number, reason, why in (("S1", " ", "needs a reason"), ("Z9", "gone", "the hub knows no order Z9")):
        code, _, err = orderhub("holds", "place", number, "--reason", reason, *held)
        assert (code, why in err) == (2, True)
    assert orderhub("holds", "release", "S1", "--reason", "it fits", *held)[0] == 0
    assert orderhub("log", "verify", *held)[0] == 0 == orderhub("db", "check", *held)[0]


def test_an_order_that_is_held_is_told_and_let_go_with_a_reason(orderhub, held):
    code, out, _ = orderhub("holds", "list", *held)
    assert (code, "L1  to hangzhou" in out, "rule large holds it: risk" in out) == (1, True, True)
    (one,) = last_object(orderhub("holds", "list", *held, "--json")[1])["held"]
    assert (one["order_no"], one["tries"]) == ("L1", 0)
    code, _, err = orderhub("holds", "release", "L1", "--reason", " ", *held)
    assert (code, "needs a reason" in err) == (2, True)
    code, _, err = orderhub("holds", "release", "S1", "--reason", "known buyer", *held)
    assert (code, "S1" in err) == (2, True), "nothing keeps this one back"
    code, out, _ = orderhub("holds", "release", "L1", "--reason", "known buyer", "--by", "ann", *held)
    assert (code, "goes to hangzhou" in out) == (0, True)
    assert orderhub("holds", "list", *held)[:2] == (0, "nothing waits for a person\n")
    assert "by ann; reason known buyer" in orderhub("log", "show", "L1", *held)[1]
    assert orderhub("db", "check", *held)[0] == 0


def test_a_book_that_does_not_do_what_it_says_is_refused_in_chinese_throughout(orderhub, held, tmp_path):
    book = tmp_path / "never.toml"
    rule = '[[groups.rules]]\nname = "无"\nwhen = "订单金额 > 5 且 订单金额 < 3"\nthen = "标记 无"\n'
    book.write_text(f'version = "v9"\n[[groups]]\nname = "组"\nmatch = "all"\n{rule}', encoding="utf-8")
    assert orderhub("rules", "save", book, "--by", "ann", *held)[0] == 0
    code, _, err = orderhub("rules", "publish", "v9", "--by", "ann", "--lang", "zh", *held)
    assert code == 2 and "版本 v9 做的与写的不符" in err
    assert not [line for line in err.splitlines()[1:] if re.search("[A-Za-z]{3,}", line)]


def test_a_rulebook_is_saved_compared_published_and_taken_back(orderhub, held, tmp_path):
    file = tmp_path / "next.toml"
    file.write_text(RULEBOOK.replace('"1"', '"2"').replace("100", "500"), encoding="utf-8")
    assert orderhub("rules", "publish", held[1] / "rules.toml", "--by", "ann", *held)[0] == 0
    code, out, _ = orderhub("rules", "save", file, "--by", "ann", "--comment", "fewer holds", *held)
    assert (code, out) == (0, "version 2 is a draft\n")
    code, out, _ = orderhub("rules", "diff", "2", *held)
    assert (code, out) == (
        1,
        "1 → 2\nchanged: care, large\n  - total >= 100 -> hold risk\n  + total >= 500 -> hold risk\n",
    )
    assert orderhub("rules", "diff", "2", file, *held)[:2] == (0, f"2 → {file}\nthey decide alike\n")
    code, _, err = orderhub("rules", "publish", "3", *held)
    assert (code, "no version '3' is kept" in err) == (2, True)
    assert last_object(orderhub("rules", "publish", "2", "--by", "bob", "--json", *held)[1])["state"] == "active"
    assert orderhub("rules", "rollback", "--by", "eve", "--comment", "calm", *held)[1] == (
        "version 1 is active\nversion 2, which was active, is archived now\n"
    )
    told = last_object(orderhub("rules", "list", "--json", *held)[1])["versions"]
    assert {(one["version"], one["state"], one["author"]) for one in told} == {
        ("1", "active", "ann"),
        ("2", "archived", "ann"),
    }
    (newest, *_) = orderhub("rules", "history", *held)[1].splitlines()
    assert "{" not in newest and " by " in newest
    assert [one["act"] for one in last_object(orderhub("rules", "history", "--json", *held)[1])["changes"]] == [
        "rollback", "publish", "save", "publish", "save",
    ]  # fmt: skip
    assert orderhub("rules", "show", "2", *held)[1] == file.read_text(encoding="utf-8")
    assert orderhub("db", "check", *held)[0] == 0


def test_stored_messages_are_read_without_the_secrets_of_their_shops(orderhub, held, tmp_path):
    """Whoever proves decisions, or tries parked messages again, need not be able to sign in anywhere."""
    settings = '[[shops]]\nid = "d"\nconnector = "direct"\nsecret_env = "NOT_SET"\n'
    with (held[1] / "orderhub.toml").open("a", encoding="utf-8") as file:
        file.write(settings)
    hub = Hub(homes.Home(held[1]), {})
    at = "2026-01-01T10:00:00+08:00"
    body = json.dumps({"id": "e1", "order_no": "D1", "at": at, "facts": {"order.placed": at}}).encode()
    hub.receive([RawMessage("d", "e1", "event", body)])
    hub.drain()
    assert hub.parked() == []
    assert "D1" in hub.frame("orders")["order_no"].to_list()
    hub.close()


def test_what_was_decided_is_proven_from_the_messages(orderhub, held):
    code, out, _ = orderhub("rules", "reproduce", *held)
    assert (code, out) == (0, "2 of 2 orders with decisions are decided the same once more\n")
    store = homes.open_store(homes.Home(held[1]))
    with store.transaction("hub") as cursor:
        cursor.execute("UPDATE decisions SET argument = 'mars' WHERE action = 'assign_warehouse'")
    store.close()
    code, out, _ = orderhub("rules", "reproduce", "--json", *held)
    found = last_object(out)
    assert (code, found["orders"], found["same"], len(found["differences"])) == (1, 2, 0, 2)
    assert orderhub("rules", "reproduce", "--from", "2026-01-01", "--to", "2026-01-02", *held)[:2] == (
        0, "0 of 0 orders with decisions are decided the same once more\n",
    )  # fmt: skip
    assert "--from" in orderhub("rules", "reproduce", "--from", "soon", *held)[2]


def test_a_file_of_another_shop_s_orders_is_refused_by_a_preview_too(orderhub, export, tmp_path):
    mapping = tmp_path / "mine.toml"
    mapping.write_text((SHIPPED / "generic.toml").read_text(encoding="utf-8").replace('"imported"', '"mine"'))
    orderhub("db", "init", "--data", tmp_path / "d")
    first = last_object(orderhub("import", export, "--mapping", "generic", "--data", tmp_path / "d", "--json")[1])
    again = ["import", export, "--mapping", mapping, "--data", tmp_path / "d"]
    for how in ([], ["--dry-run"]):
        code, out, err = orderhub(*again, *how)
        assert (code, out) == (2, "")
        assert f"imported ({first['imported']})" in err and "--shop" in err and "--other-orders" in err
    code, out, _ = orderhub(*again, "--shop", "imported", "--json")
    told = last_object(out)
    assert (code, told["shop"], told["imported"], told["unchanged"]) == (0, "imported", 0, first["imported"])
    assert last_object(orderhub(*again, "--other-orders", "--json")[1])["imported"] == first["imported"]


def test_a_hub_without_its_key_says_so_and_is_mended(orderhub, export, tmp_path):
    here = ["--data", tmp_path / "d"]
    orderhub("db", "init", *here)
    assert orderhub("import", export, "--mapping", "generic", *here)[0] == 0
    key = (tmp_path / "d" / "pepper.key").read_bytes()
    (tmp_path / "d" / "pepper.key").unlink()
    for command in (
        ["import", export, "--mapping", "generic"],
        ["worker"],
        ["import", export, "--mapping", "generic", "--dry-run"],
    ):
        code, _, err = orderhub(*command, *here)
        assert (code, "pepper.key back" in err, "db init --new-key" in err) == (2, True, True)
    code, out, _ = orderhub("db", "check", "--quick", *here)
    assert (code, out.startswith("key: ")) == (1, True)
    (tmp_path / "d" / "pepper.key").write_bytes(key)
    assert orderhub("db", "check", *here)[0] == 0
    (tmp_path / "d" / "pepper.key").unlink()
    assert orderhub("db", "init", "--new-key", *here)[0] == 0
    assert orderhub("import", export, "--mapping", "generic", *here)[0] == 0
    assert (tmp_path / "d" / "pepper.key").read_bytes() != key


def test_stock_is_reported_listed_and_told_by_order(orderhub, tmp_path):
    data, counts = tmp_path / "data", tmp_path / "stock.csv"
    orderhub("db", "init", "--data", data)
    (data / "orderhub.toml").write_text(
        '[[warehouses]]\nid = "hangzhou"\nconnector = "dock"\nprovince = "浙江省"\nsafety_stock = 2\n', encoding="utf-8"
    )
    counts.write_text("仓库,商品编码,库存\nhangzhou,A-1,7\nhangzhou,A-2,-1\n", encoding="utf-8")
    code, out, _ = orderhub("stock", "list", "--data", data)
    assert (code, out.strip()) == (0, "no warehouse reports its stock (`orderhub stock report FILE`)")
    code, out, _ = orderhub("stock", "report", counts, "--by", "ann", "--data", data)
    assert code == 0 and out.splitlines() == [
        "SKUs taken in: 2 (hangzhou)",
        "hangzhou: A-2 is reported at -1; it counts as none",
        "hangzhou: this is its first report; what it does not name counts as not there, and orders that need it wait",
    ]
    code, out, _ = orderhub("stock", "list", "--warehouse", "hangzhou", "--data", data)
    heading, row, _ = out.splitlines()[2:]
    assert heading.split() == ["warehouse", "SKU", "counted", "counted", "at", "promised", "left", "must", "stay"]
    assert [*row.split()[:3], *row.split()[-3:]] == ["hangzhou", "A-1", "7", "0", "7", "2"]
    assert out.startswith("hangzhou: as reported of 20") and "+08:00" in out.splitlines()[0]
    found = last_object(orderhub("stock", "history", "hangzhou", "A-1", "--json", "--data", data)[1])["entries"]
    assert [(one["quantity"], one["balance"], one["order_no"]) for one in found] == [(7, 7, "")]
    assert found[0]["at"].startswith("20")
    code, out, _ = orderhub("stock", "history", "hangzhou", "A-1", "--lang", "zh", "--data", data)
    assert [line.split()[0] for line in out.splitlines() if line] == ["仓库", "hangzhou", "时间", found[0]["at"][:10]]
    for command in (("list", "--warehouse", "hangzuo"), ("ask", "hangzuo"), ("history", "hangzuo", "A-1")):
        code, _, err = orderhub("stock", *command, "--data", data)
        assert (code, "the settings have no warehouse hangzuo (hangzhou?)" in err) == (2, True)
    code, _, err = orderhub("holds", "list", "--shop", "nope", "--data", data)
    assert code == 2 and "there is no shop nope; there are none" in err
    counts.write_text("仓库,商品编码,库存\natlantis,A-1,7\n", encoding="utf-8")
    code, _, err = orderhub("stock", "report", counts, "--by", "ann", "--data", data)
    assert code == 2 and "the settings have no warehouse atlantis; they have hangzhou" in err
    code, _, err = orderhub("signals", "report", "load", "9", "--of", "warehouse=mars", "--by", "ann", "--data", data)
    assert code == 2 and "the settings have no warehouse mars; they have hangzhou" in err
    closed = ("warehouse_closed", "yes", "--of", "warehouse=hangzhou", "--by", "ann", "--comment", "blackout")
    code, out, _ = orderhub("signals", "report", *closed, "--data", data)
    assert code == 0 and out.startswith("warehouse_closed yes of warehouse=hangzhou from 20")
    assert orderhub("signals", "list", "--data", data)[1] == out
    assert orderhub("db", "check", "--data", data)[0] == 0
