"""Invariant I12: a receiver's name, phone and address stand in `persons` and in raw bodies, and nowhere else.

A real `orderhub serve` is driven over HTTP with canaries in everything a shop may send. Everything that can fail does
so once, with canaries in the error's text; then logs, metrics, pages, databases, snapshot and frames are searched.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import httpx
import polars as pl
import pytest
from ports import answering, free_port

from connectors.channels.direct import sign
from orderhub_core.frames import SCHEMAS
from orderhub_core.hub import Hub
from orderhub_core.store import snapshot
from orderhub_core.store.home import SNAPSHOT
from orderhub_core.store.homes import Home
from orderhub_core.store.tables import PARTS

pytestmark = [pytest.mark.server]

NAME, PHONE, ADDRESS = "司徒金丝雀", "19988877766", "云栖路9527号金丝雀花园"
CANARIES = {"name": NAME, "phone": PHONE, "address": ADDRESS}
TEXTS = [*CANARIES.values(), PHONE[:3] + "-" + PHONE[3:7] + "-" + PHONE[7:]]
SECRET = "a-secret-of-the-shop"
ALLOWED = {"persons": {"name", "phone", "address", "note"}, "inbox": {"body"}, "conflict": {"body"}}

SABOTAGED = f"""
from orderhub_core import runtime
import asyncio, itertools, sys, threading
from orderhub_core import hub, pseudonym
from orderhub_core.entry import cli, worker
from orderhub_core.flows import dispatch, receive, targets
from connectors.channels import direct

TEXT = {" ".join(TEXTS)!r}
worker.SNAPSHOT_EVERY_S, worker.PAUSE_AFTER_FAILURE_S = 0.5, 0.05

def once(owner, name):
    real, left = getattr(owner, name), iter([True])
    def fragile(*args, **kwargs):
        if next(left, False):
            raise RuntimeError(TEXT)
        return real(*args, **kwargs)
    setattr(owner, name, fragile)

def boom():
    raise RuntimeError(TEXT)

async def forgotten():
    raise RuntimeError(TEXT)

real_decode = direct.decode
def decode(kind, body):
    if b'"SO-7"' in body:
        raise RuntimeError(TEXT)
    return real_decode(kind, body)
direct.decode = decode
once(pseudonym.Pseudonyms, "phone")
once(hub.Hub, "absorb")
once(dispatch.Dispatch, "__call__")
once(targets.Targets, "perform")
once(hub.Hub, "write_snapshot")
real_unpack, calls = direct.Direct.unpack, itertools.count()
def unpack(self, headers, body):
    call = next(calls)
    if call == 0:
        raise RuntimeError(TEXT)
    if call == 1:
        threading.Thread(target=boom, name="doomed").start()
        asyncio.get_running_loop().create_task(forgotten())
    return real_unpack(self, headers, body)
direct.Direct.unpack = unpack
sys.exit(cli.main())
"""


class Wms(BaseHTTPRequestHandler):
    """A warehouse that refuses everything, and repeats whom it refuses."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps({"error": "refused", "receiver": CANARIES}, ensure_ascii=False).encode()
        self.send_response(422)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def wms():
    with answering(Wms) as url:
        yield f"{url}/"


@pytest.fixture
def data(tmp_path, wms):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "orderhub.toml").write_text(
        f'rulebook = "rules.toml"\n[[shops]]\nid = "shop"\nconnector = "direct"\nsecret_env = "CANARY_SECRET"\n'
        f'[[warehouses]]\nid = "dock"\nconnector = "dock"\nurl = "{wms}"\nsecret_env = "CANARY_SECRET"\n',
        encoding="utf-8",
    )
    (folder / "rules.toml").write_text(
        'version = "v1"\n[[groups]]\nname = "routing"\nmatch = "first"\notherwise = "assign dock"\n', encoding="utf-8"
    )
    return folder


@contextmanager
def serving(data, port, said):
    env = os.environ | {"CANARY_SECRET": SECRET, "ORDERHUB_LOG": "debug", "ORDERHUB_TOKEN": ""}
    command = [sys.executable, "-c", SABOTAGED, "serve", "--data", str(data), "--port", str(port)]
    with said.open("wb") as out:
        child = subprocess.Popen(command, env=env, stdout=out, stderr=out)
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(30)


def until(condition, what, within_s=60.0):
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def event(number, *facts, at="2026-11-11T00:00:00+08:00", **more):
    content = {"currency": "CNY", "total_minor": 100, "paid_minor": 100, "note": f"call {PHONE}", "person": CANARIES}
    content["lines"] = [{"line_no": 1, "sku": "A", "price_minor": 100}]
    told = {"id": f"m{number}", "order_no": f"SO-{number}", "at": at, "facts": dict.fromkeys(facts, at)}
    return {**told, "content": content, **more}


def deliveries():
    """What a shop sends: fine, contradicting, of unknown words and shapes, and no JSON at all."""
    paid = ("order.placed", "payment.paid")
    for number in range(20):
        yield event(number, *paid)
    yield event(3, "payment.paid", at="2026-11-12T00:00:00+08:00")
    yield event(100, *paid, receiver=CANARIES)
    yield event(101, facts={f"call {PHONE}": "2026-11-11T00:00:00+08:00"})
    yield event(102, *paid, at=PHONE)
    yield event(103, *paid) | {"content": CANARIES}
    yield f"{NAME},{PHONE},{ADDRESS}"
    yield {"person": CANARIES}


def found_in(text):
    return [canary for canary in TEXTS if canary in text]


def leaks_of_tables(hub):
    """Every column of every table that holds a canary: table and column."""
    leaks = set()
    for part, metadata in PARTS.items():
        for name, table in metadata.tables.items():
            for column in [column.name for column in table.columns]:
                rows = hub.store.query(part, f"SELECT {column} FROM {name}")
                values = (bytes(v).decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for (v,) in rows)
                if any(found_in(value) for value in values):
                    leaks.add((name, column))
    return leaks


def test_receivers_stand_nowhere_but_where_they_must(data, tmp_path, monkeypatch):
    port, said = free_port(), tmp_path / "said"
    home = f"http://127.0.0.1:{port}"
    with serving(data, port, said) as child, httpx.Client(base_url=home, timeout=20) as client:

        def up():
            assert child.poll() is None, said.read_text()
            try:
                return client.get("/readyz").status_code == 200
            except httpx.TransportError:
                return False

        until(up, "the console did not start")
        for told in deliveries():
            body = (told if isinstance(told, str) else json.dumps(told, ensure_ascii=False)).encode()
            until(
                lambda body=body: (
                    client.post("/hooks/shop", content=body, headers=sign(body, SECRET, now())).is_success
                ),
                body,
            )
        assert client.post("/hooks/shop", content=body, headers=sign(body, "another", now())).status_code == 401
        until(lambda: "orderhub_messages_waiting 0.0" in client.get("/metrics").text, "messages still wait")
        until(lambda: 'state="person"' in client.get("/metrics").text, "no effect was refused")
        until(lambda: (data / SNAPSHOT / snapshot.META).exists(), "no snapshot")
        shown = [client.get(path).text for path in ("/metrics", "/", "/figures.json", "/readyz", "/nothing")]

    lines = said.read_text(encoding="utf-8")
    assert [word for word in ("doomed", "internal", "absorbed", "dispatched") if word not in lines] == []
    assert "Traceback" not in lines
    assert found_in(lines) == []
    assert [found_in(page) for page in shown] == [[]] * len(shown)

    monkeypatch.setenv("CANARY_SECRET", SECRET)
    hub = Hub(Home(data))
    leaks = leaks_of_tables(hub)
    assert {("persons", "phone"), ("persons", "name"), ("inbox", "body"), ("conflict", "body")} <= leaks
    assert {(table, column) for table, column in leaks if column not in ALLOWED.get(table, ())} == set()
    assert {"RuntimeError" in row["reason"] for row in hub.parked()} == {True, False}
    for name in SCHEMAS:
        for frame in (hub.frame(name), pl.read_parquet(next((data / SNAPSHOT).glob(f"*/{name}.parquet")))):
            assert found_in(frame.write_json()) == []
    hub.close()


def now():
    return int(time.time())
