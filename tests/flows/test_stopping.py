"""Stopping a server: what was begun is ended in order, whichever signal says so; the second one ends it at once."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler

import httpx
import pytest
from ports import answering, free_port

from orderhub_core import effects
from orderhub_core.hub import Hub, clock
from orderhub_core.store import statements

pytestmark = pytest.mark.server

SHOP = '[[shops]]\nid = "site"\nconnector = "direct"\nsecret_env = "TEST_STOP_SECRET"\n'
DOCK = '[[warehouses]]\nid = "east"\nconnector = "dock"\nsecret_env = "TEST_STOP_SECRET"\nurl = "{url}"\n'


@pytest.fixture
def start(sqlite_home, monkeypatch):
    """Starts a command over the home, and ends it. Gives the process and its port, once it answers."""
    monkeypatch.setenv("TEST_STOP_SECRET", "s")
    monkeypatch.setenv("ORDERHUB_TOKEN", "")

    with contextlib.ExitStack() as ends:

        def started(command, settings):
            (sqlite_home.data / "orderhub.toml").write_text(settings, encoding="utf-8")
            port, env = free_port(), os.environ | {"ORDERHUB_DATA": str(sqlite_home.data), "ORDERHUB_LOG": "error"}
            line = [sys.executable, "-m", "orderhub_core.entry.cli", command, "--port", str(port)]
            process = ends.enter_context(subprocess.Popen(line, env=env, stdout=subprocess.DEVNULL))
            ends.callback(process.kill)
            until(lambda: answers(port) or process.poll() is not None)
            assert process.poll() is None
            return process, port

        yield started


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def answers(port):
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=20).text == "ok"
    return False


@pytest.mark.parametrize(
    ("command", "number"), [("receive", signal.SIGTERM), ("receive", signal.SIGINT), ("serve", signal.SIGTERM)]
)
def test_what_was_counted_is_kept(start, sqlite_home, command, number):
    process, port = start(command, SHOP)
    for _ in range(20):
        assert httpx.post(f"http://127.0.0.1:{port}/hooks/site", content=b"{}").status_code == 401
    process.send_signal(number)
    assert process.wait(40) == 0
    hub = Hub(sqlite_home)
    assert hub.pulse().refused_signatures == 20
    hub.close()


class Dock(BaseHTTPRequestHandler):
    """A warehouse that takes what it is told only when it may."""

    told, may = threading.Event(), threading.Event()

    def do_GET(self):
        self.answer(b'{"shop": "site", "order_no": "A1", "lines": []}')

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.told.set()
        self.may.wait(20)
        self.answer(b"{}")

    def answer(self, body):
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def dock():
    with answering(Dock) as url:
        yield url


def test_what_a_server_hands_over_while_it_is_told_to_stop_is_not_left_leased(start, sqlite_home, dock):
    hub, effect = Hub(sqlite_home), effects.PushToWarehouse("site", "A1", "east", ())
    known = {"key": "k", "order_id": 1, "target": "east", "payload": effects.encode(effect).decode(), "owner": ""}
    known |= {
        "state": "waiting",
        "generation": 0,
        "attempts": 0,
        "next_at": clock(),
        "intended_at": clock(),
        "note": "",
    }
    with hub.store.transaction("hub") as cursor:
        row = [known.get(name) for name in statements.columns("outbox")]
        cursor.execute(hub.store.sql(statements.insert("outbox")), row)
    process, port = start("serve", DOCK.format(url=dock))
    assert Dock.told.wait(60)
    process.terminate()
    until(lambda: not answers(port))
    Dock.may.set()
    assert process.wait(40) == 0
    assert hub.store.query("hub", "SELECT state, lease_until FROM outbox") == [("done", None)]
    hub.close()


def test_the_second_signal_ends_it_at_once(start):
    process, port = start("receive", SHOP)
    with socket.create_connection(("127.0.0.1", port)) as sender:
        sender.sendall(b"POST /hooks/site HTTP/1.1\r\nhost: hub\r\ncontent-length: 9\r\n\r\nhalf")
        assert answers(port)  # and so the request before has begun
        process.terminate()
        until(lambda: not answers(port))
        assert process.poll() is None, "it waits for the body"
        process.terminate()
        assert process.wait(40) == -signal.SIGTERM
