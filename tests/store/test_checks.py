"""Damage done on purpose is found, named, and told how to mend; a hub at work is never taken for a damaged one."""

from __future__ import annotations

import contextlib
import inspect
import re
import shutil
from itertools import count

import msgspec
import psycopg
import pytest
from pysqlite3 import dbapi2 as sqlite
from test_backup import ENV, NOW, SHOP, Hub, messages

from orderhub_core import i18n
from orderhub_core.entry.commands import db
from orderhub_core.flows.places import places
from orderhub_core.model import RawMessage
from orderhub_core.settings import Settings, WarehouseSettings
from orderhub_core.store import archive, backup, chain, checks, expiry, homes, snapshot
from orderhub_core.store import sqlite as sqlite_store
from orderhub_core.store.findings import PARTS
from orderhub_core.store.home import SNAPSHOT
from orderhub_core.store.homes import Home
from orderhub_core.store.known import KnownFrames
from orderhub_core.store.revisions import REVISIONS

DAMAGES = {
    "a state": ("hub", "UPDATE orders SET headline = 'delivered', payment = 'void' WHERE order_no = 'A3'", "payment"),
    "a time": ("hub", "UPDATE orders SET paid_at = paid_at + 1 WHERE order_no = 'A3'", "paid_at"),
    "a fact": ("hub", "UPDATE orders SET facts = '{\"order.placed\":5}' WHERE order_no = 'A3'", "log"),
    "a parcel": ("hub", "DELETE FROM parcels WHERE tracking_no = 'SF3'", "parcels"),
    "a line": ("hub", "DELETE FROM lines WHERE order_id = 3 AND line_no = 1", "pieces"),
    "an order": ("hub", "DELETE FROM orders WHERE order_no = 'A3'", "no order"),
    "an order that the log knows": ("hub", "DELETE FROM orders WHERE order_no = 'A3'", "the log tells of 1 orders"),
    "an order's hand-over": (
        "hub",
        "DELETE FROM outbox WHERE key = (SELECT min(key) FROM outbox WHERE key LIKE 'push:%')",
        "handed over by nobody",
    ),
    "a receiver": ("hub", "DELETE FROM persons WHERE order_id = 3", "to whom order"),
    "numbers of orders": ("hub", "UPDATE lanes SET next_order_id = lane + 1 WHERE log_seq > 0", "given out already"),
    "a message": ("inbox", "DELETE FROM inbox WHERE message_id = 'm3.0'", "inbox lacks"),
    "a body": ("inbox", "UPDATE inbox SET body = digest WHERE message_id = 'm3.0'", "not what was received"),
    "a parked message": ("inbox", "DELETE FROM inbox WHERE message_id = 'parked'", "parked"),
    "a parked body": ("inbox", "UPDATE inbox SET body = NULL WHERE message_id = 'parked'", "without their body"),
    "a waiting body": ("inbox", "UPDATE inbox SET body = NULL WHERE message_id = 'm99.0'", "without their body"),
    "the log": ("hub", "UPDATE log SET after = 'void' WHERE seq = 5", "entry 5"),
    "the log's end": ("hub", "UPDATE lanes SET log_seq = log_seq - 1 WHERE log_seq > 20", "log"),
    "an entry of the ledger": ("hub", "UPDATE ledger SET balance = balance + 1 WHERE seq = 4", "does not follow"),
    "a lost entry of the ledger": ("hub", "DELETE FROM ledger WHERE seq = 3", "entry 3 of the ledger is missing"),
    "what is left": ("hub", "UPDATE resources SET balance = 77 WHERE kind = 'capacity'", "77 are left by the table"),
    "what is left, lost": ("hub", "DELETE FROM resources WHERE kind = 'capacity'", "none are left by the table"),
    "a lost hand-over": ("hub", "DELETE FROM outbox WHERE key LIKE 'push-2:%:A3'", "parcel 2 of order A3"),
    "the schema": ("hub", "DROP INDEX ix_orders_order_no", "by hand"),
    "the schema's revision": ("inbox", "UPDATE alembic_version_inbox SET version_num = 'inbox_0001'", "schema"),
    "a field that was stated at two times": (
        "hub",
        "UPDATE orders SET stated = '[[5,3],[6,1]]' WHERE order_id = 2",
        "a field has two versions",
    ),
    "what was stated is no list": ("hub", "UPDATE orders SET stated = '7' WHERE order_id = 2", "cannot be read"),
}


NAMES = {"shop", "hangzhou", "payment", "headline", "lanes"}
"""Of data and tables: what is told in Chinese has no other word in English."""


_names = count()


def database(server, more=""):
    name = f"checks{next(_names)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} {more}")
    return server.replace("/postgres?", f"/{name}?"), name


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def template(request, tmp_path_factory):
    """A hub with everything in it: gifts, parcels, a parked message, one that waits, one whose body expired."""
    server = request.getfixturevalue("postgres_server") if request.param == "postgres" else ""
    url, name = database(server) if server else ("", "")
    home = Home(tmp_path_factory.mktemp("template"), url)
    homes.init(home)
    hub = Hub(home)
    rooms = places(Settings(warehouses=(WarehouseSettings("hangzhou", "dock", orders_per_day=100),)))
    hub.context = hub.context._replace(places=rooms)
    with contextlib.closing(hub.store):
        lives = messages(8)
        hub.take(lives[:20])  # paid, and the rulebook speaks
        hub.take([*lives[20:], RawMessage(SHOP, "parked", "order", b"nonsense")])
        hub.store.accept(messages(1, 99)[:1], NOW)
        with hub.store.transaction("inbox") as cursor:
            cursor.execute("UPDATE inbox SET body = NULL WHERE message_id = 'm1.0'")
        assert hub.store.query("hub", "SELECT count(*) FROM lines WHERE rule <> ''")[0][0] == 8
    return home, server, name


@pytest.fixture
def worked(template, tmp_path):
    """A copy of it to break."""
    home, server, name = template
    shutil.copytree(home.data, tmp_path / "data")
    return Home(tmp_path / "data", database(server, f"TEMPLATE {name}")[0] if server else "")


def harm(home, part, sql):
    """As somebody with the database's own tools would, who removes the guards first."""
    if home.database:
        with psycopg.connect(home.database) as connection:
            connection.execute("ALTER TABLE log DISABLE TRIGGER USER")
            assert connection.execute(sql).rowcount != 0
        return
    connection = sqlite.connect(str(home.data / f"{part}.db"), isolation_level=None)
    if part == "hub":
        for verb in ("update", "delete"):
            connection.execute(f"DROP TRIGGER log_no_{verb}")
    assert connection.execute(sql).rowcount != 0
    connection.close()


def test_a_hub_that_is_whole_has_no_findings(worked):
    assert checks.findings(worked) == []
    assert checks.findings(worked, quick=True) == []


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_and_told_how_to_mend(worked, name):
    part, sql, word = DAMAGES[name]
    harm(worked, part, sql)
    found = checks.findings(worked)
    assert any(word in str(finding.what) for finding in found), found
    assert all("orderhub" in str(finding.mend) or "sender" in str(finding.mend) for finding in found)
    assert not any("张三丰" in finding.told(str) or "1990000" in finding.told(str) for finding in found)
    for chinese in (finding.told(i18n.translator("zh")) for finding in found):
        assert set(re.findall("[A-Za-z]{3,}", re.sub("`.*?`|[a-z]+_[a-z]+", "", chinese))) <= NAMES, chinese


def test_whatever_is_found_wrong_has_a_name_in_chinese():
    source = inspect.getsource(checks) + inspect.getsource(backup)
    parts = {*re.findall(r'(?:Finding|_guarded)\(\s*"(\w+)"', source), *re.findall(r'"(\w+)": partial\(', source)}
    assert {*parts, *checks.ORPHANS, *REVISIONS} == PARTS.keys()
    assert all(re.search("[一-鿿]", i18n.translator("zh")(name)) for name in PARTS.values())


def test_a_message_that_waited_and_is_gone_is_found(sqlite_home):
    store = homes.open_store(sqlite_home)
    store.accept(messages(1, 1), NOW)
    assert checks.findings(sqlite_home) == []
    store.close()
    harm(sqlite_home, "inbox", "DELETE FROM inbox WHERE id = 2")
    (found,) = checks.findings(sqlite_home)
    assert "1 messages that were received are not in the inbox (first: 2)" in str(found.what)


def test_a_contradiction_that_is_not_what_came_is_found(worked):
    with contextlib.closing(homes.open_store(worked)) as store:
        store.accept([RawMessage(SHOP, "m3.0", "order", b"something else")], NOW)
    assert checks.findings(worked) == []
    harm(worked, "inbox", "UPDATE conflict SET body = digest")
    (found,) = checks.findings(worked)
    assert "contradicts message m3.0" in str(found.what)


def test_an_inbox_older_than_its_hub_is_found(sqlite_home, tmp_path):
    """Two backups mixed by hand, or copied in the wrong order."""
    hub = Hub(sqlite_home)
    hub.take(messages(2))
    early = backup.backup(sqlite_home, tmp_path / "b").folder
    hub.take(messages(2, 50))
    hub.store.close()
    for path in sqlite_home.data.glob("inbox.db*"):
        path.unlink()
    (sqlite_home.data / "inbox.db").write_bytes((early / "inbox.db").read_bytes())
    found = checks.findings(sqlite_home, quick=True)
    assert any("inbox ends at 10" in str(finding.what) for finding in found)


def write_snapshot(home):
    store = homes.open_store(home)
    KnownFrames(store, home.data / SNAPSHOT).write(home.data / SNAPSHOT, lambda: NOW)
    store.close()


def whole_snapshot(home):
    """Where it lies, just written, and whole."""
    write_snapshot(home)
    assert checks.findings(home) == []
    return home.data / SNAPSHOT


@pytest.mark.parametrize("damage", ["a block", "a file", "its record"])
def test_a_snapshot_that_is_not_as_it_was_written_is_found_and_mended_as_told(worked, damage):
    folder = whole_snapshot(worked)
    (frame,) = folder.glob("*/orders.parquet")
    match damage:
        case "a block":
            content = bytearray(frame.read_bytes())
            content[len(content) // 2] ^= 255
            frame.write_bytes(content)
        case "a file":
            frame.unlink()
        case "its record":
            (folder / "snapshot.json").write_bytes(b"{")
    (found,) = checks.findings(worked)
    assert found.part == "snapshot"
    assert ("snapshot.json" if damage == "its record" else "orders.parquet") in str(found.what)
    assert "orderhub db snapshot" in str(found.mend)
    whole_snapshot(worked)


def test_a_snapshot_of_another_history_is_found_and_mended_as_told(worked):
    """A folder that was copied, or put back by hand beside a hub that was restored."""
    folder = whole_snapshot(worked)
    meta = snapshot.meta(folder)
    strange = [chain.Head(head.seq, bytes(32)) for head in meta.log]
    (folder / "snapshot.json").write_bytes(msgspec.json.encode(msgspec.structs.replace(meta, log=tuple(strange))))
    (found,) = checks.findings(worked)
    assert (found.part, "another history" in str(found.what)) == ("snapshot", True)
    assert "orderhub db snapshot" in str(found.mend)
    whole_snapshot(worked)


def test_a_snapshot_that_is_replaced_while_it_is_looked_at_is_not_damaged(worked, monkeypatch):
    folder, digest, replaced = whole_snapshot(worked), archive.digest, []

    def slow(path):
        if path.suffix == ".parquet" and not replaced:
            replaced.append(path)
            write_snapshot(worked)
            shutil.rmtree(path.parent)  # swept: it took longer than anybody is given
        return digest(path)

    monkeypatch.setattr(archive, "digest", slow)
    assert checks.findings(worked) == []
    assert replaced and not replaced[0].exists() and list(folder.glob("*/orders.parquet"))


def test_a_broken_page_is_found(sqlite_home):
    hub = Hub(sqlite_home)
    hub.take(messages(60))
    hub.store.close()
    path = sqlite_home.data / "hub.db"
    content = bytearray(path.read_bytes())
    size = sqlite_store.PAGE_BYTES["hub"]
    for page in range(4, len(content) // size, 3):
        content[page * size : page * size + 64] = bytes(64)
    path.write_bytes(content)
    found = checks.findings(sqlite_home)
    assert found
    assert all("restore" in str(finding.mend) for finding in found)


def run(command, home, monkeypatch, **arguments):
    monkeypatch.setenv("ORDERHUB_DATA", "")
    monkeypatch.setenv("ORDERHUB_DATABASE_URL", "")
    monkeypatch.setenv("ORDERHUB_PEPPER", ENV["ORDERHUB_PEPPER"])
    try:
        command(data=home.data, database=home.database, inbox="", as_json=False, **arguments)
    except db.typer.Exit as told:
        return told.exit_code
    return 0


def test_the_commands_tell_what_they_found(worked, monkeypatch, capsys, tmp_path):
    into = tmp_path / "b"
    assert run(db.backup, worked, monkeypatch, into=into, keep=1) == 0
    assert "orders: 8" in capsys.readouterr().out
    assert run(db.check, worked, monkeypatch, quick=False, of=None) == 0
    assert run(db.check, worked, monkeypatch, quick=False, of=into) == 0
    assert run(db.rehearse, worked, monkeypatch, path=into, max_age_h=1.0) == 0
    assert "restored in" in capsys.readouterr().out
    assert run(db.rehearse, worked, monkeypatch, path=into, max_age_h=0.0) == 1
    assert "hours old" in capsys.readouterr().out
    assert run(db.expire, worked, monkeypatch, dry_run=True) == 0
    assert "would be dropped" in capsys.readouterr().out
    assert run(db.expire, worked, monkeypatch, dry_run=False) == 0
    said = capsys.readouterr().out
    assert " dropped" in said and "none is dropped for 24.0 hours: the clock " in said
    with contextlib.closing(homes.open_store(worked)) as store:
        store.set_cursor(expiry.REST, 0)
    assert run(db.expire, worked, monkeypatch, dry_run=False) == 0
    assert "none is dropped" not in capsys.readouterr().out
    assert checks.findings(worked) == []
    harm(worked, *DAMAGES["a state"][:2])
    assert run(db.check, worked, monkeypatch, quick=False, of=None) == 1
    assert "To mend it" in capsys.readouterr().out
    (damaged,) = into.iterdir()
    (next(damaged.glob("inbox.*"))).write_bytes(b"short")
    assert run(db.check, worked, monkeypatch, quick=False, of=into) == 1
    assert "damaged" in capsys.readouterr().out
