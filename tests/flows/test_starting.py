"""Starting: addresses, settings and homes that cannot work are told before anything is made; what stops says why."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

import pytest
import structlog
from ports import free_port

from orderhub_core import hub as hub_module
from orderhub_core.entry import cli, logs, options
from orderhub_core.entry.addresses import own_origins
from orderhub_core.entry.commands import receive as receive_command
from orderhub_core.entry.commands import serve as command
from orderhub_core.entry.commands import worker as worker_command
from orderhub_core.entry.console.serve import kept_secret
from orderhub_core.entry.demo import supervisor
from orderhub_core.entry.probes import Ready, takes_webhooks
from orderhub_core.entry.start import check_rulebook
from orderhub_core.entry.worker import Worker
from orderhub_core.errors import Stop, Unreachable, UserMistake
from orderhub_core.flows.pipeline import Pipeline
from orderhub_core.frames import SCHEMAS
from orderhub_core.hub import Hub
from orderhub_core.store import homes, snapshot
from orderhub_core.store._nats import Cluster
from orderhub_core.store.homes import Home
from orderhub_core.store.postgres import PostgresStore

SETTINGS = '[[shops]]\nid = "a"\nconnector = "douyin"\n'


@pytest.fixture
def orderhub(monkeypatch, capsys, tmp_path):
    """Run a command in this process; gives its exit code and everything it said."""
    monkeypatch.chdir(tmp_path)
    for name in ("ORDERHUB_DATA", "ORDERHUB_DATABASE_URL", "ORDERHUB_SNAPSHOT", "ORDERHUB_TOKEN", "ORDERHUB_DEBUG"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(options, "to_stderr", lambda: None)

    def run(*arguments):
        hub_module.connect.cache_clear()
        monkeypatch.setattr(sys, "argv", ["orderhub", *map(str, arguments)])
        try:
            code = cli.main()
        except SystemExit as end:
            code = end.code or 0
        told = capsys.readouterr()
        return code, told.out + told.err

    yield run
    hub_module.connect.cache_clear()


@pytest.fixture
def served(monkeypatch):
    """What would have been served."""
    seen = {}
    monkeypatch.setattr(command, "console", lambda **known: seen.update(known))
    monkeypatch.setattr(command, "run", lambda app, **where: seen.update(where))
    return seen


def has_ipv6():
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return False
    return True


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["serve", "--port", 99_999], "99999"),
        (["serve", "--port", 0], "--port"),
        (["serve", "--host", "no such host"], "ORDERHUB_TOKEN"),
        (["serve", "--read-only", "--data", "nowhere"], "orderhub db init"),
        (["demo", "--port", 70_000], "70000"),
        (["simulate", "--people", "pick=1e20"], "STAGE=N"),
        (["simulate", "--people", "pick=100000000000000000000"], "at most"),
        (["simulate", "--people", "pick=" + "9" * 5_000], "at most"),
    ],
)
def test_what_cannot_work_is_one_sentence_and_exit_code_2(orderhub, arguments, told):
    code, said = orderhub(*arguments)
    assert code == 2
    assert told in said
    assert "Traceback" not in said
    assert len(said.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve"], ["serve", "--no-worker"], ["receive"], ["worker"],
        ["import", "x.csv", "--mapping", "generic"], ["import", "x.csv", "--mapping", "generic", "--dry-run"],
    ],
)  # fmt: skip
@pytest.mark.parametrize("how", ["typed", "empty", "database"])
def test_no_hub_is_begun_in_a_folder_whose_name_is_mistyped(orderhub, served, tmp_path, monkeypatch, arguments, how):
    monkeypatch.setattr(receive_command, "run", lambda app, **where: served.update(where))
    monkeypatch.setattr(worker_command, "Worker", lambda *_, **__: served)
    (tmp_path / "x.csv").write_text("order_no,status\nA1,paid\n", encoding="utf-8")
    if how == "empty":  # or its disk is not there
        (tmp_path / "typo").mkdir()
    also = ["--port", free_port()] if arguments[0] in ("serve", "receive") else []
    also += ["--database", "postgresql://nobody@127.0.0.1:1/none"] if how == "database" else []
    code, said = orderhub(*arguments, *also, "--data", "typo")
    assert (code, bool(served)) == (2, False)
    assert said == "orderhub: no hub in typo: `orderhub db init --data typo` makes one\n"
    assert list(tmp_path.glob("typo/*")) == []


@pytest.mark.parametrize("begun", ["unnamed", "settings", "init"])
def test_a_first_start_takes_one_command(orderhub, served, tmp_path, monkeypatch, begun):
    monkeypatch.setattr(receive_command, "run", lambda app, **where: served.update(where))
    named = ["--data", "mine"] if begun != "unnamed" else []
    if begun == "settings":
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "orderhub.toml").write_text(SETTINGS, encoding="utf-8")
    elif begun == "init":
        assert orderhub("db", "init", *named)[0] == 0
    code, said = orderhub("receive", *named, "--port", free_port())
    assert (code, bool(served)) == (0, True), said


@pytest.mark.parametrize("shape", ["words = 3\n", '[words]\nwms = "shipped"\n', 'words = ["a"]\n'])
def test_words_of_a_wrong_shape_are_told(orderhub, tmp_path, shape):
    (tmp_path / "words.toml").write_text(shape, encoding="utf-8")
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("order_no,status\nA1,paid\n", encoding="utf-8")
    code, said = orderhub(
        "audit", "files", "--touchpoint", "a=a.csv", "--touchpoint", "b=b.csv", "--words", "words.toml"
    )
    assert code == 2
    assert "words.toml" in said
    assert len(said.strip().splitlines()) == 1


@pytest.mark.parametrize("started", ["serve", "worker"])
@pytest.mark.parametrize(
    ("text", "told"),
    [(SETTINGS.replace("douyin", "doyin"), "'doyin'"), (SETTINGS + SETTINGS, "twice"), (None, "cannot be read")],
)
def test_settings_that_cannot_work_stop_the_start(orderhub, served, tmp_path, started, text, told):
    (tmp_path / "d").mkdir()
    path = tmp_path / "d" / "orderhub.toml"
    path.write_text(text, encoding="utf-8") if text else path.mkdir()
    where = ["--port", free_port()] if started == "serve" else []
    code, said = orderhub(started, "--data", tmp_path / "d", *where)
    assert code == 2
    assert told in said
    assert "orderhub.toml" in said
    assert not served


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (SETTINGS, ""),
        (SETTINGS.replace("douyin", "doyin"), "'doyin'"),
        ("colour = 3", "colour"),
        ("[[", "is not TOML"),
        ('rulebook = "rules.toml"', "rules.toml cannot be read"),
    ],
)
def test_a_hub_is_made_over_settings_that_cannot_work_and_they_are_told(orderhub, tmp_path, text, told):
    """The hub needs none of them, and a new version's schema must not wait for a rulebook; whoever starts next does."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "orderhub.toml").write_text(text, encoding="utf-8")
    code, said = orderhub("db", "init", "--data", tmp_path / "d")
    assert code == 0
    assert said.startswith(f"the hub in {tmp_path / 'd'} is ready\n")
    assert ("no worker starts" in said) == bool(told)
    assert told in said
    answer = json.loads(orderhub("db", "init", "--data", tmp_path / "d", "--json")[1])
    assert told in (answer["settings"] or "")


def test_a_new_hub_tells_where_its_settings_are_to_be_written(orderhub, tmp_path):
    file = tmp_path / "d" / "orderhub.toml"
    code, said = orderhub("db", "init", "--data", tmp_path / "d", "--lang", "zh")
    assert (code, f"请把店铺和仓库写进 {file}" in said) == (0, True), said
    file.write_text(SETTINGS, encoding="utf-8")
    assert str(file) not in orderhub("db", "init", "--data", tmp_path / "d", "--lang", "zh")[1]


@pytest.mark.postgres
def test_a_hub_in_postgresql_is_told_in_the_readers_language(orderhub, fresh_database, tmp_path):
    code, said = orderhub("db", "init", "--data", tmp_path / "d", "--database", fresh_database(), "--lang", "zh")
    assert (code, said.splitlines()[0]) == (0, "PostgreSQL 数据库 中的中枢已就绪")


@pytest.mark.parametrize("started", ["serve", "worker"])
def test_a_rulebook_that_names_a_warehouse_of_nobody_stops_the_start(orderhub, served, tmp_path, started):
    (tmp_path / "d").mkdir()
    rule = 'when = "platform = douyin"\nthen = "assign hangzou"\n'
    book = f'version = "v1"\n[[groups]]\nname = "routing"\nmatch = "first"\n[[groups.rules]]\nname = "r"\n{rule}'
    (tmp_path / "d" / "rules.toml").write_text(book, encoding="utf-8")
    warehouse = '[[warehouses]]\nid = "hangzhou"\nconnector = "dock"\nurl = "http://127.0.0.1:1"\n'
    (tmp_path / "d" / "orderhub.toml").write_text(f'rulebook = "rules.toml"\n{warehouse}', encoding="utf-8")
    orderhub("db", "init", "--data", tmp_path / "d")
    where = ["--port", free_port()] if started == "serve" else []
    code, said = orderhub(started, "--data", tmp_path / "d", *where)
    assert code == 2
    assert "rules.toml" in said
    assert not served
    assert "'hangzou', which the settings do not have; 'hangzhou'?" in said


@pytest.mark.parametrize("started", [["receive"], ["serve", "--no-worker"]])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('rulebook = "rules.toml"\n', "rules.toml"),
        ('[[warehouses]]\nid = "hangzhou"\nconnector = ""\nprovince = "Atlantis"\n', "no province 'Atlantis'"),
    ],
)
def test_who_only_takes_in_starts_and_says_why_no_worker_would(
    orderhub, served, tmp_path, monkeypatch, started, text, told
):
    """What a shop pushes but once would be lost, for a slip in a rulebook."""
    monkeypatch.setattr(receive_command, "run", lambda app, **where: served.update(where))
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "orderhub.toml").write_text(text, encoding="utf-8")
    orderhub("db", "init", "--data", tmp_path / "d")
    with structlog.testing.capture_logs() as logged:
        code, said = orderhub(*started, "--data", tmp_path / "d", "--port", free_port())
    assert (code, bool(served)) == (0, True), said
    (reason,) = [line["reason"] for line in logged if line["event"] == "no worker starts on these settings"]
    assert told in reason
    code, said = orderhub("worker", "--data", tmp_path / "d")
    assert (code, reason in said) == (2, True)
    if started == ["receive"]:
        assert not (tmp_path / "d" / "pepper.key").exists()


def test_who_only_takes_in_says_that_the_key_of_the_pseudonyms_is_not_there(orderhub, served, tmp_path, monkeypatch):
    monkeypatch.setattr(receive_command, "run", lambda app, **where: served.update(where))
    monkeypatch.delenv("ORDERHUB_PEPPER", raising=False)  # the fault harnesses have one
    orderhub("db", "init", "--new-key", "--data", tmp_path / "d")

    def doubts():
        with structlog.testing.capture_logs() as logged:
            code, said = orderhub("receive", "--data", tmp_path / "d", "--port", free_port())
        assert (code, bool(served)) == (0, True), said
        return [line["reason"] for line in logged if line["event"] == "no worker starts on these settings"]

    assert doubts() == []
    (tmp_path / "d" / "pepper.key").unlink()
    (reason,) = doubts()
    assert "pepper.key" in reason
    assert not (tmp_path / "d" / "pepper.key").exists(), "no other is made in its place"


@pytest.mark.postgres
@pytest.mark.parametrize("started", [["worker"], ["serve", "--port"]])
def test_who_is_refused_for_the_key_leaves_no_folder(fresh_database, tmp_path, monkeypatch, started):
    monkeypatch.setenv("ORDERHUB_DATA", "")
    monkeypatch.setenv("ORDERHUB_TOKEN", "")
    monkeypatch.delenv("ORDERHUB_PEPPER", raising=False)

    def run(*arguments):
        line = [sys.executable, "-m", "orderhub_core.entry.cli", *arguments, "--database", database]
        done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stderr

    database = fresh_database()
    assert run("db", "init", "--new-key", "--data", "other")[0] == 0
    code, said = run(*started, *([str(free_port())] if "--port" in started else []))
    assert (code, "ORDERHUB_PEPPER" in said) == (2, True), said
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "started",
    [
        ["worker"],
        ["serve", "--port"],
        ["receive", "--port"],
        ["db", "init"],
        ["import", "x.csv", "--mapping", "generic"],
    ],
)
def test_who_does_not_reach_the_database_leaves_no_folder(orderhub, tmp_path, started):
    (tmp_path / "x.csv").write_text("order_no,status\nA1,paid\n", encoding="utf-8")
    port = [free_port()] if "--port" in started else []
    code, said = orderhub(*started, *port, "--database", "postgresql://nobody@127.0.0.1:1/none")
    assert (code, "Connection refused" in said) == (3, True), said
    assert not (tmp_path / "data").exists()


def test_what_decides_is_looked_at_and_not_a_file_that_no_longer_does(orderhub, tmp_path, monkeypatch):
    """Also the other way round: a published version of which a warehouse was taken away since."""
    where = tmp_path / "d"
    where.mkdir()
    book = 'version = "{}"\n[[groups]]\nname = "routing"\nmatch = "first"\notherwise = "assign {}"\n'
    settings = 'rulebook = "rules.toml"\n[[warehouses]]\nid = "{}"\nconnector = ""\n'
    (where / "rules.toml").write_text(book.format("v1", "hangzhou"), encoding="utf-8")
    (where / "orderhub.toml").write_text(settings.format("hangzhou"), encoding="utf-8")
    orderhub("db", "init", "--data", where)
    opened = Hub(Home(where))
    check_rulebook(opened)
    opened.editions.take_up()
    opened.drain()
    opened.close()
    (where / "rules.toml").write_text(book.format("v9", "atlantis"), encoding="utf-8")
    check_rulebook(Hub(Home(where)))
    (where / "orderhub.toml").write_text(settings.format("guangzhou"), encoding="utf-8")
    with pytest.raises(UserMistake, match=r"version v1: group 'routing' names the warehouse 'hangzhou'"):
        check_rulebook(Hub(Home(where)))
    code, said = orderhub("serve", "--lang", "zh", "--port", free_port(), "--data", where)
    assert code == 2 and "版本 v1：" in said and "names the warehouse" not in said


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_the_other_loopback_is_an_address_too(orderhub, served, tmp_path):
    orderhub("db", "init", "--data", tmp_path / "d")
    port = free_port()
    code, said = orderhub("serve", "--data", tmp_path / "d", "--host", "::1", "--port", port, "--no-worker")
    assert code == 0
    assert said.startswith(f"OrderHub serves http://[::1]:{port}/")
    assert f"http://[::1]:{port}" in served["origins"]


def test_an_origin_of_ipv6_has_brackets():
    assert own_origins("fe80::1", 8800) == {"http://[fe80::1]:8800"}
    assert own_origins("192.0.2.7", 8800) == {"http://192.0.2.7:8800"}
    assert {"http://127.0.0.1:8800", "http://localhost:8800"} <= own_origins("0.0.0.0", 8800)


def test_read_only_makes_and_changes_nothing(orderhub, served, tmp_path):
    code, _ = orderhub("serve", "--read-only", "--data", tmp_path / "new", "--port", free_port())
    assert code == 2
    assert not (tmp_path / "new").exists()
    homes.init(homes.Home(tmp_path / "d"))
    before = {path.name for path in (tmp_path / "d").iterdir()}
    code, said = orderhub("serve", "--read-only", "--data", tmp_path / "d", "--port", free_port())
    assert code == 0
    assert said.startswith("OrderHub serves http://127.0.0.1:")
    assert {path.name.removesuffix("-shm").removesuffix("-wal") for path in (tmp_path / "d").iterdir()} <= before
    assert served["hooks"] is None
    assert served["read_only"]
    assert not served["hub"].writable


def test_the_console_shows_times_in_the_settings_zone(orderhub, served, tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "orderhub.toml").write_text('time_zone = "Europe/Berlin"\n', encoding="utf-8")
    orderhub("serve", "--data", tmp_path / "d", "--port", free_port(), "--no-worker")
    assert served["time_zone"] == "Europe/Berlin"


def test_harm_ends_the_worker_with_its_reason_and_exit_code_3(orderhub, tmp_path, monkeypatch):
    orderhub("db", "init", "--data", tmp_path / "d")

    def harm(self):
        raise Stop("two SQLite libraries")

    monkeypatch.setattr(Pipeline, "step", harm)
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        code, said = orderhub("worker", "--data", tmp_path / "d")
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
    assert code == 3
    assert "two SQLite libraries" in said.splitlines()[-1]


def test_a_server_whose_worker_stopped_is_not_ready(orderhub, served, tmp_path, monkeypatch):
    orderhub("db", "init", "--data", tmp_path / "d")

    def harm(self):
        raise Stop("two SQLite libraries")

    def until_it_stopped(app, *, begin, **_):
        begin()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                served["check"]()
            except Stop as reason:
                served["reason"] = str(reason)
                return
            time.sleep(0.01)

    monkeypatch.setattr(Pipeline, "step", harm)
    monkeypatch.setattr(command, "run", until_it_stopped)
    with structlog.testing.capture_logs() as told:
        orderhub("serve", "--data", tmp_path / "d", "--port", free_port())
    assert "two SQLite libraries" in served["reason"]
    assert any(line["event"] == "stopping" and line["log_level"] == "error" for line in told)


def test_readiness_tells_the_reason(sqlite_home):
    import asyncio

    import httpx

    from orderhub_core.entry.console.app import console

    def harm():
        raise Stop("the worker stopped: two SQLite libraries")

    opened = hub_module.Hub(sqlite_home)
    app = console(hub=opened, hooks=None, origins={"http://hub"}, secret="s", read_only=False, token=None, check=harm)

    async def ask():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hub") as client:
            return await client.get("/readyz")

    answer = asyncio.run(ask())
    assert answer.status_code == 503
    assert "two SQLite libraries" in answer.text
    opened.close()


@pytest.mark.jetstream
@pytest.mark.postgres
@pytest.mark.parametrize(
    ("started", "needs"),
    [
        (["receive", "--port"], {"cluster"}),
        (["serve", "--no-worker", "--port"], {"cluster", "database"}),
        (["serve", "--read-only", "--port"], {"database"}),
        (["worker", "--metrics-port"], {"cluster", "database"}),
    ],
)
def test_a_process_is_ready_while_what_it_needs_answers(
    orderhub, tmp_path, monkeypatch, fresh_database, jetstream_inbox, started, needs
):
    """Over a cluster that takes messages in for a database."""
    home, kept, missed = Home(tmp_path, fresh_database(), jetstream_inbox), [], set()
    homes.init(home)
    monkeypatch.setenv("ORDERHUB_INBOX_URL", "")
    monkeypatch.setattr(hub_module.Hub, "frame", lambda *_: None)  # nobody reads on while we take things away

    def kept_ready(hub, *others, **how):
        kept.append((hub, Ready(hub, *others, **how)))
        return kept[-1][1]

    def down(*_):
        raise Unreachable("it does not answer")

    def ask(*_, **__):
        ((opened, ready),) = kept
        ready()
        for name, owner, verb in (("cluster", Cluster, "see_quorum"), ("database", PostgresStore, "query")):
            with monkeypatch.context() as away:
                away.setattr(owner, verb, down)
                try:
                    ready()
                except Unreachable:
                    missed.add(name)
        opened.close()

    for module in (command, receive_command, worker_command):
        monkeypatch.setattr(module, "Ready", kept_ready)
    for module in (command, receive_command):
        monkeypatch.setattr(module, "run", ask)
    monkeypatch.setattr(command, "console", lambda **_: None)
    monkeypatch.setattr(Worker, "run", ask)
    monkeypatch.setattr(Worker, "ready", lambda _: None)
    code, said = orderhub(
        *started, free_port(), "--data", home.data, "--database", home.database, "--inbox", home.inbox
    )
    assert (code or 0, missed) == (0, needs), said


def test_who_only_receives_is_not_ready_while_no_shop_can_take_anything(sqlite_home, monkeypatch):
    shops = [f'[[shops]]\nid = "{name}"\nconnector = "direct"\nsecret_env = "SECRET_{name}"\n' for name in "ab"]
    monkeypatch.delenv("SECRET_a", raising=False)
    monkeypatch.delenv("SECRET_b", raising=False)
    takes_webhooks(hub_module.Hub(sqlite_home))()  # without shops there is nothing to lack
    (sqlite_home.data / "orderhub.toml").write_text("".join(shops), encoding="utf-8")
    check = takes_webhooks(hub_module.Hub(sqlite_home))
    with pytest.raises(Stop, match=r"no shop takes webhooks: .*SECRET_a"):
        check()
    monkeypatch.setenv("SECRET_b", "a secret of some length, for tests")
    check()


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_board_whose_snapshot_is_damaged_says_so_on_its_first_page(tmp_path, damage):
    import asyncio

    import httpx

    from orderhub_core.entry.console.app import console

    frames = {name: schema.to_frame() for name, schema in SCHEMAS.items()}
    snapshot.write(tmp_path, frames, snapshot.Meta(as_of=1))
    (file,) = tmp_path.rglob("orders.parquet")
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:99])
    board = hub_module.SnapshotHub(tmp_path)
    app = console(hub=board, hooks=None, origins={"http://hub"}, secret="s", read_only=True, token=None)

    async def ask():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hub") as client:
            return [await client.get(path) for path in ("/?lang=zh", "/figures.json")]

    page, figures = asyncio.run(ask())
    assert (page.status_code, figures.status_code) == (503, 503)
    assert "orders.parquet 已损坏：请用 `orderhub db snapshot --out " in page.text
    assert "orders.parquet is damaged: write the snapshot anew with `orderhub db snapshot --out " in figures.text


def test_a_board_whose_snapshot_is_taken_away_says_so_until_it_is_there_again(tmp_path):
    import asyncio

    import httpx

    from orderhub_core.entry.console.app import console

    frames = {name: schema.to_frame() for name, schema in SCHEMAS.items()}
    snapshot.write(tmp_path / "board", frames, snapshot.Meta(as_of=1))
    board = hub_module.SnapshotHub(tmp_path / "board")
    app = console(hub=board, hooks=None, origins={"http://hub"}, secret="s", read_only=True, token=None)

    async def ask():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
            return [await client.get(path) for path in ("/?lang=zh", "/figures.json", "/readyz")]

    (tmp_path / "board").rename(tmp_path / "away")
    page, *others = asyncio.run(ask())
    assert [answer.status_code for answer in (page, *others)] == [503] * 3
    assert f"{tmp_path / 'board'} 里没有快照" in page.text
    assert all(f"no snapshot in {tmp_path / 'board'}: write one with" in answer.text for answer in others)
    (tmp_path / "away").rename(tmp_path / "board")
    assert [answer.status_code for answer in asyncio.run(ask())] == [200] * 3


def test_the_secret_is_made_once_however_many_ask(tmp_path):
    file = tmp_path / "d" / "console.key"
    barrier, seen = threading.Barrier(8), []

    def ask():
        barrier.wait()
        seen.append(kept_secret(file))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert len(set(seen)) == 1
    assert len(seen[0]) >= 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["console.key"]


def test_a_librarys_log_line_says_kind_and_place_but_not_what_a_message_said():
    def stumble():
        raise ValueError("张三丰 19900001234")

    try:
        stumble()
    except ValueError:
        record = logging.LogRecord("uvicorn.error", logging.ERROR, "", 1, "Exception in ASGI app\n", (), sys.exc_info())
    line = logs.Bare().format(record)
    assert "ValueError" in line
    assert "test_starting.py" in line
    assert "19900001234" not in line
    assert "\n" not in line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_whoever_is_told_to_stop_while_children_start_ends_them_all(tmp_path, number):
    """The first child starts; the signal comes before the second one, and before anything answers."""
    text = (
        "import sys, typing\n"
        "from pathlib import Path\n"
        "from orderhub_core.entry.demo.supervisor import running\n"
        "import os\n"
        "with running(Path(sys.argv[1]), os.environ) as processes:\n"
        "    processes.start('one', ['http.server', '0', '--bind', '127.0.0.1'])\n"
        "    print(processes.children['one'].pid, flush=True)\n"
        "    sys.stdin.readline()\n"
        "    processes.start('two', ['http.server', '0', '--bind', '127.0.0.1'])\n"
        "    print('went on', flush=True)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", text, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    child = int(parent.stdout.readline())
    parent.send_signal(number)
    time.sleep(0.2)
    said, complained = parent.communicate("\n", timeout=30)
    assert (parent.returncode, said, complained) == (0, "", "")
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_a_child_that_ends_is_named(tmp_path):
    with (
        pytest.raises(supervisor.OrderHubError, match="one ended with code"),
        supervisor.running(tmp_path, os.environ) as processes,
    ):
        processes.start("one", ["no_such_module"])
        processes.wait_for(f"http://127.0.0.1:{free_port()}/")


def test_the_bench_fails_when_a_bar_is_missed(tmp_path):
    from pathlib import Path

    (tmp_path / ".ci").mkdir()
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    script = tmp_path / ".ci" / "bench"
    script.write_text((Path(__file__).parents[2] / ".ci" / "bench").read_text())
    (tmp_path / "benchmarks" / "a.py").write_text("raise SystemExit(1)")
    (tmp_path / "benchmarks" / "b.py").write_text("print('second')")
    done = subprocess.run(["bash", str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "second" in done.stdout
    (tmp_path / "benchmarks" / "a.py").write_text("")
    assert subprocess.run(["bash", str(script)], capture_output=True, check=False).returncode == 0


NAMED = """
[[shops]]
id = "shop-1"
connector = "direct"
name = "张三丰's shop"
secret_env = "TEST_START_SECRET"
[[touchpoints]]
id = "crm"
connector = "desk"
url = "http://someone:password@127.0.0.1:1/"
"""


def lines_of(process, patience_s=60.0):
    """The log line of the start; everything that was said before it, as well."""
    said = []
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline and (line := process.stderr.readline()):
        said.append(line)
        if line.startswith("{") and json.loads(line)["event"] == "started":
            return json.loads(line), said
    raise AssertionError("".join(said))


@pytest.mark.server
@pytest.mark.parametrize(("role", "option"), [("worker", "--metrics-port"), ("receive", "--port")])
@pytest.mark.parametrize("database", [False, pytest.param(True, marks=pytest.mark.postgres)])
def test_what_starts_says_so_in_one_line_without_anybody_s_name(tmp_path, fresh_database, role, option, database):
    (tmp_path / "orderhub.toml").write_text(NAMED, encoding="utf-8")
    url, port = fresh_database() if database else "", free_port()
    env = os.environ | {"TEST_START_SECRET": "hush", "ORDERHUB_LOG": "", "ORDERHUB_TOKEN": "", "ORDERHUB_INBOX_URL": ""}
    command = [sys.executable, "-m", "orderhub_core.entry.cli", role, "--data", str(tmp_path), option, str(port)]
    process = subprocess.Popen(
        command, env=env | {"ORDERHUB_DATABASE_URL": url}, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        line, said = lines_of(process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert line["role"] == role
    assert (line["home"], line["lanes"]) == (("postgresql", 16) if database else ("sqlite", 1))
    assert (line["sources"], line["metrics_port"]) == (["shop-1", "crm"], port)
    assert not any(word in "".join(said) for word in ("张三丰", "password", "hush", "postgresql://"))
