"""Webhooks from the platform's side: what is stored, what is answered, and what is turned away."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import structlog
from msgspec import structs
from ports import free_port

from connectors.channels import direct
from orderhub_core.entry import hooks as hooks_module
from orderhub_core.entry.hooks import hooks
from orderhub_core.errors import Busy, Stop
from orderhub_core.flows import waiting
from orderhub_core.hub import Hub
from orderhub_core.store.homes import Home

APP_KEY, SECRET = "key-1", "a secret of the shop"
SETTINGS = """
[limits]
body_bytes = 100000
[[shops]]
id = "shop-1"
connector = "douyin"
url = "http://127.0.0.1:1/douyin"
app_key = "key-1"
secret_env = "TEST_HOOK_SECRET"
options = { shop_id = "1" }
"""


@pytest.fixture
def hub(sqlite_home: Home, monkeypatch):
    monkeypatch.setenv("TEST_HOOK_SECRET", SECRET)
    (sqlite_home.data / "orderhub.toml").write_text(SETTINGS, encoding="utf-8")
    opened = Hub(sqlite_home)
    yield opened
    opened.close()


def signed(body, secret=SECRET):
    signature = hmac.new(secret.encode(), APP_KEY.encode() + body + secret.encode(), hashlib.sha256).hexdigest()
    return {"app-id": APP_KEY, "event-sign": signature, "sign-method": "hmac-sha256"}


def deliver(hub, body, *, secret=SECRET, shop="shop-1", method="POST", headers=None, app=None):
    """The answer to one delivery, signed as the platform does."""
    proof = {**signed(body, secret), **(headers or {})}

    async def send():
        transport = httpx.ASGITransport(app or hooks(hub))
        async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
            return await client.request(method, f"/hooks/{shop}", content=body, headers=proof)

    return asyncio.run(send())


def paid(order_no, msg_id="m1"):
    data = {"p_id": order_no, "s_ids": [order_no], "shop_id": 1, "order_status": 2, "order_type": 0, "biz": 2}
    data |= {"create_time": 1_700_000_000, "pay_time": 1_700_000_060, "pay_type": 2, "pay_amount": 17900}
    return {"tag": "101", "msg_id": msg_id, "data": json.dumps(data)}


def body_of(*messages):
    return json.dumps(list(messages)).encode()


def stored(hub):
    return hub.store.query("inbox", "SELECT count(*) FROM inbox")[0][0]


def test_a_signed_delivery_is_on_disk_before_it_is_acknowledged_and_becomes_an_order(hub):
    answer = deliver(hub, body_of(paid(4837328765348566675)))
    assert (answer.status_code, answer.json()["code"]) == (200, 0)
    assert stored(hub) == 1
    hub.drain()
    assert hub.frame("orders").select("order_no", "payment").row(0) == ("4837328765348566675", "paid")
    hub.store.query("hub", "SELECT 1 FROM outbox WHERE key = 'fetch:shop-1:4837328765348566675'")[0]


def test_a_repeated_delivery_is_acknowledged_and_counts_once(hub):
    for _ in range(3):
        assert deliver(hub, body_of(paid(1), paid(2, "m2"))).status_code == 200
    assert stored(hub) == 2
    hub.drain()
    assert hub.frame("orders").height == 2


def test_a_bad_signature_is_401_and_leaves_nothing_but_a_count(hub):
    answer = deliver(hub, body_of(paid(1)), secret="another secret")
    assert answer.status_code == 401
    assert stored(hub) == 0
    hub.receiver.close()
    assert hub.pulse().refused_signatures == 1
    everything = (hub.home.data / "inbox.db").read_bytes() + (hub.home.data / "inbox.db-wal").read_bytes()
    assert b"pay_amount" not in everything


def test_a_body_over_the_limit_is_413(hub):
    answer = deliver(hub, b"[" + b" " * 10_000_000 + b"]")
    assert answer.status_code == 413
    assert stored(hub) == 0


def test_a_body_that_hides_its_size_is_413_too(hub):
    async def send():
        async def chunks():
            for _ in range(50):
                yield b"x" * 10_000

        async with httpx.AsyncClient(transport=httpx.ASGITransport(hooks(hub)), base_url="http://hub") as client:
            return await client.post("/hooks/shop-1", content=chunks())

    assert asyncio.run(send()).status_code == 413


def test_a_body_that_never_comes_is_given_up_and_holds_up_nobody(hub, monkeypatch):
    monkeypatch.setattr("orderhub_core.entry.hooks.LONGEST_BODY_S", 0.2)
    app, body = hooks(hub), body_of(paid(1))

    async def drip():
        for letter in body:
            yield bytes([letter])
            await asyncio.sleep(0.02)

    async def send():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hub") as client:
            slow = asyncio.create_task(client.post("/hooks/shop-1", content=drip()))
            quick = await client.post("/hooks/shop-1", content=body, headers=signed(body))
            return quick, await slow

    quick, slow = asyncio.run(send())
    assert quick.status_code == 200
    assert slow.status_code == 503
    assert slow.headers["connection"] == "close"
    assert stored(hub) == 1


def test_a_sender_waits_for_a_store_that_does_not_answer_no_longer_than_that_and_may_repeat(hub, monkeypatch):
    monkeypatch.setattr("orderhub_core.entry.hooks.LONGEST_WRITE_S", 0.2)
    entered, go, accept = threading.Event(), threading.Event(), hub.store.accept

    def frozen(messages, at):
        entered.set()
        assert go.wait(20)
        return accept(messages, at)

    monkeypatch.setattr(hub.store, "accept", frozen)
    refused = deliver(hub, body_of(paid(1)))
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert entered.is_set() and not go.is_set()
    go.set()
    assert deliver(hub, body_of(paid(1))).status_code == 200
    assert stored(hub) == 1, "what was being written still is, and the repeat is known"


def test_garbage_from_a_proven_sender_is_acknowledged_and_parked(hub):
    assert deliver(hub, b"{this is not json").status_code == 200
    assert stored(hub) == 1
    hub.drain()
    (parked,) = hub.parked()
    assert parked["source"] == "shop-1"
    assert parked["reason"]
    assert hub.frame("orders").height == 0


def test_an_unknown_shop_is_404_and_a_get_is_405(hub):
    assert deliver(hub, b"[]", shop="nobody").status_code == 404
    assert deliver(hub, b"[]", method="GET").status_code == 405


def test_when_too_much_waits_the_platform_is_asked_to_come_back(hub, monkeypatch):
    def full(messages):
        raise Busy("too many messages wait", after_s=2.0)

    monkeypatch.setattr(hub.receiver, "deliver", full)
    answer = deliver(hub, body_of(paid(1)))
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert stored(hub) == 0


def test_why_deliveries_are_put_off_is_told_once_and_anew_when_it_happens_again(hub, monkeypatch):
    def full(messages):
        raise Busy("too many messages wait", after_s=2.0)

    app = hooks(hub)
    monkeypatch.setattr(hub.receiver, "deliver", full)
    with structlog.testing.capture_logs() as logs:
        assert [deliver(hub, body_of(paid(1)), app=app).status_code for _ in range(3)] == [503] * 3
        assert [line.get("reason") for line in logs] == ["too many messages wait"]
        monkeypatch.setattr(hooks_module, "QUIET_S", 0.0)
        deliver(hub, body_of(paid(1)), app=app)
    assert [line.get("reason") for line in logs] == ["too many messages wait"] * 2


def test_a_store_that_writes_nothing_down_is_known_by_what_becomes_of_deliveries(hub, monkeypatch):
    monkeypatch.setattr(waiting, "FAILING_S", 0.0)
    accept = hub.store.accept

    def full(messages, at):
        raise Busy("the database is busy or full (DiskFull)")

    monkeypatch.setattr(hub.store, "accept", full)
    assert [deliver(hub, body_of(paid(1))).status_code for _ in range(2)] == [503] * 2
    assert hub.failing.put_off() == {"shop-1": 2}
    with pytest.raises(Busy, match="DiskFull"):
        hub.failing.check()
    assert deliver(hub, body_of(paid(1)), secret="another secret").status_code == 401, "says nothing of the store"
    with pytest.raises(Busy, match="DiskFull"):
        hub.failing.check()
    monkeypatch.setattr(hub.store, "accept", accept)
    assert deliver(hub, body_of(paid(1))).status_code == 200
    hub.receiver.close()  # who was answered comes before who looks on
    hub.failing.check()


def test_one_delivery_that_cannot_be_written_says_nothing_of_the_store(hub, monkeypatch):
    monkeypatch.setattr(waiting, "FAILING_S", 0.0)

    def stumble(messages, at):
        raise ValueError("张三丰")

    monkeypatch.setattr(hub.store, "accept", stumble)
    assert [deliver(hub, body_of(paid(1))).status_code for _ in range(2)] == [503] * 2
    assert hub.failing.put_off() == {"shop-1": 2}
    hub.failing.check()


def test_the_consoles_test_push_is_acknowledged_and_stores_nothing(hub):
    assert deliver(hub, body_of({"tag": "0", "msg_id": "0", "data": "{}"})).status_code == 200
    assert stored(hub) == 0


def test_a_forged_delivery_is_answered_without_waiting_for_the_database(hub):
    with hub.store.transaction("inbox"):
        # Somebody writes for long: a forger must not notice, nor make it worse.
        answers = [deliver(hub, body_of(paid(1)), secret="another secret").status_code for _ in range(20)]
    assert answers == [401] * 20
    hub.receiver.close()
    assert hub.pulse().refused_signatures == 20


@pytest.mark.parametrize("length", ["abc", "-5", "1e3", "", "²"])
def test_a_length_that_is_no_number_is_400(hub, length):
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b"[]"}

    headers = [(b"content-length", length.encode("latin-1"))]
    scope = {"type": "http", "method": "POST", "path": "/hooks/shop-1", "headers": headers}
    asyncio.run(hooks(hub)(scope, receive, send))
    assert sent[0]["status"] == 400


def test_a_shop_without_its_secret_is_503_and_the_operator_is_told_once(hub, monkeypatch):
    monkeypatch.delenv("TEST_HOOK_SECRET")
    app = hooks(hub)
    with structlog.testing.capture_logs() as logs:
        answers = [deliver(hub, body_of(paid(1)), app=app) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503] * 3
    assert "retry-after" in answers[0].headers
    (line,) = logs
    assert (line["log_level"], line["shop"]) == ("error", "shop-1")
    assert "TEST_HOOK_SECRET" in line["reason"]
    monkeypatch.setenv("TEST_HOOK_SECRET", SECRET)
    assert deliver(hub, body_of(paid(1)), app=app).status_code == 200


def test_more_messages_than_may_wait_get_in_when_nothing_else_waits(sqlite_home, monkeypatch):
    monkeypatch.setenv("TEST_HOOK_SECRET", SECRET)
    text = SETTINGS.replace("[limits]", "[limits]\nwaiting_messages = 2")
    (sqlite_home.data / "orderhub.toml").write_text(text, encoding="utf-8")
    hub = Hub(sqlite_home)
    assert deliver(hub, body_of(*(paid(n, f"m{n}") for n in range(5)))).status_code == 200
    assert stored(hub) == 5
    hub.close()


@pytest.mark.parametrize("failure", [Stop("the disk is broken"), RuntimeError("张三丰 19900001234")])
def test_any_failure_is_answered_to_come_back_and_logged_without_contents(hub, monkeypatch, failure):
    def fail(messages):
        raise failure

    monkeypatch.setattr(hub.receiver, "deliver", fail)
    with structlog.testing.capture_logs() as logs:
        assert deliver(hub, body_of(paid(1))).status_code == 503
    assert logs[0]["log_level"] == "error"
    assert "19900001234" not in repr(logs)


def test_too_many_bytes_are_answered_to_come_back(hub, monkeypatch):
    """What waits and what is being sent are bounded in bytes; 503 says when to come again."""
    monkeypatch.setattr(hub.receiver._room, "_most_bytes", 300)
    entered, go, accept = threading.Event(), threading.Event(), hub.store.accept

    def held(messages, at):
        entered.set()
        assert go.wait(20)
        return accept(messages, at)

    monkeypatch.setattr(hub.store, "accept", held)
    with ThreadPoolExecutor(1) as other:
        first = other.submit(deliver, hub, body_of(paid(1)))
        assert entered.wait(20)
        refused = deliver(hub, body_of(paid(2), {"padding": "x" * 300}))
        go.set()
        assert first.result(20).status_code == 200
    assert (refused.status_code, int(refused.headers["retry-after"]) >= 1) == (503, True)
    assert stored(hub) == 1


def pieces(hub, app, *, of, size, together, seen):
    """Bodies of one shop sent piece by piece, all at the same pace. Their answers, by body."""

    async def one(number):
        sent, answers = 0, []

        async def receive():
            nonlocal sent
            sent += 1
            seen.append(number)
            await asyncio.sleep(0)
            return {"type": "http.request", "body": b"x" * size, "more_body": sent < of}

        async def send(message):
            answers.append(message)

        scope = {"type": "http", "method": "POST", "path": "/hooks/shop-1", "headers": []}
        await app(scope, receive, send)
        return answers[0]["status"], dict(answers[0]["headers"])

    async def all_of_them():
        return await asyncio.gather(*(one(number) for number in range(together)))

    return asyncio.run(all_of_them())


def test_bodies_that_are_being_sent_hold_no_more_memory_than_they_may(hub, monkeypatch):
    limits = structs.replace(hub.settings.limits, waiting_bytes=20_000)
    monkeypatch.setattr(hub, "settings", structs.replace(hub.settings, limits=limits))
    app, seen = hooks(hub), []
    told = pieces(hub, app, of=9, size=1_000, together=10, seen=seen)
    refused = [headers for status, headers in told if status == 503]
    assert {status for status, _ in told} == {503, 401}
    assert all(headers[b"retry-after"] == b"1" and headers[b"connection"] == b"close" for headers in refused)
    assert len(seen) < 9 * 10, "what is refused is not read on"
    # The room is there again; and a body alone is let in however large.
    assert [status for status, _ in pieces(hub, app, of=9, size=1_000, together=2, seen=[])] == [401, 401]
    assert [status for status, _ in pieces(hub, app, of=9, size=10_000, together=1, seen=[])] == [401]


DIRECT = """
[[shops]]
id = "site"
connector = "direct"
secret_env = "TEST_SITE_SECRET"
"""


def event(order_no, id_, *, facts=("order.placed",), **fields):
    happened = dict.fromkeys(facts, "2026-11-11T00:00:00+08:00")
    return {"id": id_, "order_no": order_no, "at": "2026-11-11T00:00:00+08:00", "facts": happened, **fields}


def send_direct(app, events, *, secret="site-secret", off_s=0):
    body = json.dumps(events).encode()
    headers = direct.sign(body, secret, int(time.time()) + off_s)

    async def send():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hub") as client:
            return await client.post("/hooks/site", content=body, headers=headers)

    return asyncio.run(send()).status_code


@pytest.fixture
def site(sqlite_home, monkeypatch):
    monkeypatch.setenv("TEST_SITE_SECRET", "site-secret")
    (sqlite_home.data / "orderhub.toml").write_text(DIRECT, encoding="utf-8")
    opened = Hub(sqlite_home)
    yield opened
    opened.close()


def test_a_shop_that_cannot_be_asked_is_never_asked(site):
    """An order without lines is fetched from a platform; a direct shop has nobody to fetch it from."""
    app = hooks(site)
    assert send_direct(app, [event("A", "1"), event("A", "2", facts=("payment.paid",)), event("B", "3")]) == 200
    site.drain()
    assert site.frame("orders").sort("order_no").select("order_no", "payment").rows() == [
        ("A", "paid"),
        ("B", "unpaid"),
    ]
    assert site.store.query("hub", "SELECT count(*) FROM outbox")[0][0] == 0


def test_the_operator_sees_whether_it_is_the_clock_or_the_secret(site):
    app = hooks(site)
    told = [send_direct(app, [event("A", "1")], **how) for how in ({"off_s": 900}, {"secret": "x"}, {"off_s": -900})]
    told.append(send_direct(app, [event("A", "1")], secret="x", off_s=900))
    assert told == [401] * 4
    site.receiver.close()
    assert site.flow().refused == (("site", "bad_clock", 2), ("site", "bad_signature", 2))
    assert (site.pulse().refused_signatures, site.pulse().received) == (4, 0)


def test_what_a_direct_shop_says_of_an_unknown_event_is_kept_and_parked(site):
    assert send_direct(hooks(site), [event("A", "1", facts=("payment.payed",)), event("B", "2")]) == 200
    site.drain()
    assert site.frame("orders")["order_no"].to_list() == ["B"]
    assert ["payment.payed" in parked["reason"] for parked in site.parked()] == [True]


@pytest.mark.server
def test_webhooks_alone_are_served_by_a_process_without_the_console(site, monkeypatch):
    port = free_port()
    monkeypatch.setenv("ORDERHUB_DATA", str(site.home.data))
    process = subprocess.Popen([sys.executable, "-m", "orderhub_core.entry.cli", "receive", "--port", str(port)])
    home, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 60
    with httpx.Client(base_url=home) as client:
        while True:
            try:
                assert client.get("/readyz").status_code == 200
                break
            except httpx.TransportError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        body = json.dumps(event("A", "1")).encode()
        answer = client.post("/hooks/site", content=body, headers=direct.sign(body, "site-secret", int(time.time())))
        assert answer.status_code == 200
        assert stored(site) == 1
        assert client.post("/hooks/site", content=body).status_code == 401
        assert (client.get("/metrics").status_code, client.get("/").status_code) == (200, 404)
    process.send_signal(signal.SIGTERM)
    process.wait(30)


@pytest.mark.parametrize("command", ["receive", "worker"])
def test_a_process_of_the_intake_carries_no_notebook_and_no_statistics(command: str):
    said = (
        f"import sys, orderhub_core.entry.commands.{command} as _;"
        " print(sorted({'marimo', 'altair', 'scipy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True).stdout == "[]\n"
