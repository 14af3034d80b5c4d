"""A database that goes away and comes back: whoever runs over it says both in its log, once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import fresh
import httpx
import psycopg
import pytest
from ports import free_port

from connectors.channels import direct

pytestmark = [pytest.mark.server, pytest.mark.postgres]

SHOP = '[[shops]]\nid = "site"\nconnector = "direct"\nsecret_env = "TEST_WATCH_SECRET"\n'


@pytest.fixture
def home(postgres_server, tmp_path):
    made = fresh.hub_on(postgres_server, tmp_path / "data")
    (made.data / "orderhub.toml").write_text(SHOP, encoding="utf-8")
    return made


def allow(home, postgres_server, connections):
    """Let the database be used again, or by nobody: those that are there are ended, and new ones are refused."""
    name = psycopg.conninfo.conninfo_to_dict(home.database)["dbname"]
    with psycopg.connect(postgres_server, autocommit=True) as server:
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {connections}")
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))


def until(condition):
    deadline = time.monotonic() + 60
    while not (met := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return met


def answer(port, path):
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=20).status_code
    except httpx.TransportError:
        return 0


def deliver(port):
    body = json.dumps({"id": "A", "order_no": "1", "event": "placed"}).encode()
    proof = direct.sign(body, "site-secret", int(time.time()))
    return httpx.post(f"http://127.0.0.1:{port}/hooks/site", content=body, headers=proof, timeout=20).status_code


@pytest.mark.parametrize(
    ("started", "takes"),
    [
        (["receive", "--port"], True),
        (["serve", "--port"], True),
        (["serve", "--read-only", "--port"], False),
        (["worker", "--metrics-port"], False),
    ],
    ids=["receive", "serve", "serve --read-only", "worker"],
)
def test_an_outage_of_the_database_and_its_end_are_told_once_each(
    home, postgres_server, tmp_path, monkeypatch, started, takes
):
    monkeypatch.setenv("TEST_WATCH_SECRET", "site-secret")
    monkeypatch.setenv("ORDERHUB_TOKEN", "")
    monkeypatch.setenv("ORDERHUB_LOG", "info")
    port, said = free_port(), tmp_path / "log"
    line = [sys.executable, "-m", "orderhub_core.entry.cli", *started, str(port)]
    line += ["--data", str(home.data), "--database", home.database]

    def told(event):
        lines = [json.loads(one) for one in said.read_text(encoding="utf-8").splitlines() if one.startswith("{")]
        return [one for one in lines if one["event"] == event]

    with (
        said.open("wb") as log,
        subprocess.Popen(line, env=os.environ.copy(), stdout=subprocess.DEVNULL, stderr=log) as process,
    ):
        try:
            until(lambda: answer(port, "/readyz") == 200)
            if takes:
                assert deliver(port) == 200
            allow(home, postgres_server, "false")
            until(lambda: told("not ready"))
            if takes:
                assert [deliver(port) for _ in range(3)] == [503] * 3
            time.sleep(5)  # it is looked at more than once
            allow(home, postgres_server, "true")
            until(lambda: told("ready again"))
            if takes:
                assert deliver(port) == 200
        finally:
            process.terminate()
            process.wait(30)
    (away,) = told("not ready")
    assert "database" in away["reason"]
    assert len(told("ready again")) == 1
    assert len(told("deliveries are asked to come again")) == takes
