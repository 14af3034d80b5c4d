"""An order whose shop is still to be asked what it is now does not leave before the answer: it may be cancelled."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

import pytest
from ports import free_port
from test_hooks import SECRET, deliver
from test_parcels_live import a_dock

from orderhub_core.hub import Hub, clock
from orderhub_core.model import RawMessage
from orderhub_core.store import unmet

GOLDEN = Path(__file__).parents[1] / "connectors" / "golden"
SETTINGS = """rulebook = "book.toml"
[[shops]]
id = "shop-1"
connector = "douyin"
url = "http://127.0.0.1:{platform}/douyin"
app_key = "key-1"
secret_env = "TEST_HOOK_SECRET"
options = {{ shop_id = "1" }}
[[warehouses]]
id = "hangzhou"
connector = "dock"
url = "{dock}"
secret_env = "DOCK_SECRET"
"""
BOOK = 'version = "1"\n[[groups]]\nname = "routing"\nmatch = "first"\notherwise = "assign hangzhou"\n'
PAID = json.loads((GOLDEN / "order-2-paid.json").read_text(encoding="utf-8"))["message"]
CANCELLED = json.loads((GOLDEN / "order-21-refunded-unshipped.json").read_text(encoding="utf-8"))["message"]
NUMBER = PAID["order_id"]
PUSH = f"push:shop-1:{NUMBER}"
LATER, HOUR = 600, 3_600_000_000


class Platform:
    """Douyin's open platform, as far as one order is asked for there; reached once it is `up`."""

    def __init__(self, port: int) -> None:
        self.port, self.order, self.server = port, dict(PAID), None
        self.status = 200

    def up(self) -> None:
        platform = self

        class Answers(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None: ...

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                token = self.path.partition("?")[0].endswith("/token/create")
                data = {"access_token": "t"} if token else {"shop_order_detail": platform.order}
                body = json.dumps({"code": 10000, "data": data}).encode()
                self.send_response(platform.status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Answers)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def down(self) -> None:
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()


@pytest.fixture
def platform():
    there = Platform(free_port())
    yield there
    there.down()


@pytest.fixture
def yard(home, platform, monkeypatch):
    """A hub that has an order of Douyin's, which is to be handed over, and the dock that it goes to."""
    monkeypatch.setenv("TEST_HOOK_SECRET", SECRET)
    with a_dock(monkeypatch) as (dock, settings):
        (place,) = settings.warehouses
        written = SETTINGS.format(platform=platform.port, dock=place.url)
        (home.data / "orderhub.toml").write_text(written, encoding="utf-8")
        (home.data / "book.toml").write_text(BOOK, encoding="utf-8")
        hub = Hub(home)
        hub.receive([RawMessage("shop-1", f"{NUMBER}:1", "order", json.dumps(PAID).encode(), NUMBER)])
        hub.drain()
        yield hub, dock
        hub.close()


def changed(hub):
    """The platform says that the order is another, and not how."""
    data = {"p_id": int(NUMBER), "s_ids": [int(NUMBER)], "shop_id": 1, "update_time": PAID["update_time"] + LATER}
    push = [{"tag": "109", "msg_id": "m1", "data": json.dumps(data)}]
    assert deliver(hub, json.dumps(push).encode()).status_code == 200
    hub.drain()


def dispatched(home, *, hours=0, reads=True):
    """As a worker that is started so many hours later does it; where it reads nothing, its absorber is behind."""
    hub = Hub(home)
    for turn in range(3):  # either target may come first
        at = hours if reads else hours + turn
        later = hub.dispatch._replace(clock=lambda at=at: clock() + at * HOUR)
        later(owner=f"after {at} h", dice=Random(1))
        if reads:
            hub.drain()
    told = hub.store.query("hub", "SELECT state, attempts, note FROM outbox WHERE key = ?", (PUSH,))
    hub.close()
    return told[0]


def test_a_cancelled_order_is_not_sent_though_its_shop_could_not_be_asked_at_first(yard, home, platform):
    hub, dock = yard
    changed(hub)
    assert dispatched(home) == ("waiting", 0, "")
    assert hub.store.query("hub", unmet.UNMET) == [("shop-1", 1)], "the warehouse has not failed"
    platform.order = {**CANCELLED, "order_id": NUMBER, "update_time": PAID["update_time"] + LATER}
    platform.up()
    state, *_ = dispatched(home, hours=1)
    assert state == "withdrawn" and not dock.orders


def test_it_waits_while_the_answer_is_still_to_be_read(yard, home, platform):
    hub, dock = yard
    changed(hub)
    platform.order = {**CANCELLED, "order_id": NUMBER, "update_time": PAID["update_time"] + LATER}
    platform.up()
    assert dispatched(home, reads=False) == ("waiting", 0, "")
    assert hub.store.query("hub", "SELECT count(*) FROM outbox WHERE target = 'shop-1' AND state = 'done'") == [(1,)]
    state, *_ = dispatched(home, hours=4)
    assert state == "withdrawn" and not dock.orders


def test_it_goes_by_itself_once_the_shop_has_answered(yard, home, platform):
    hub, dock = yard
    changed(hub)
    dispatched(home)
    platform.up()
    dispatched(home, hours=1)
    assert dispatched(home, hours=2) == ("done", 1, "") and len(dock.orders) == 1


def test_it_waits_while_a_person_is_asked_for_the_answer_and_goes_when_that_is_seen_to(yard, home, platform):
    hub, dock = yard
    changed(hub)
    platform.order = None
    platform.up()
    dispatched(home)
    state, tries, why = dispatched(home, hours=1)
    assert (state, tries, why) == ("waiting", 0, "") and not dock.orders
    (asked,) = hub.holds.kept()
    assert asked.key == f"fetch:shop-1:{NUMBER}"
    told = {(one["event"], one["state"]) for one in hub.story(NUMBER).ahead}
    assert told == {("hub.asked", "person"), ("hub.handed_over", "waiting")}
    hub.holds.close(NUMBER, reason="looked at the shop: it is as it was", by="ann")
    assert dispatched(home, hours=2) == ("done", 1, "") and len(dock.orders) == 1


def test_an_answer_that_nobody_can_read_or_is_of_another_order_tells_nothing_of_it(yard, home, platform):
    hub, dock = yard
    changed(hub)
    news = {**PAID, "update_time": PAID["update_time"] + LATER}
    platform.order = {**news, "order_status": 4711}
    platform.up()
    dispatched(home)
    assert dispatched(home, hours=1) == ("waiting", 0, "") and not dock.orders
    (asked,) = hub.holds.kept()
    assert asked.key == f"fetch:shop-1:{NUMBER}" and "cannot be read" in asked.note and "4711" in asked.note
    assert [one["source"] for one in hub.parked()] == ["shop-1"], "it is kept, too, to be replayed"
    platform.order = {**news, "order_id": "4711"}
    hub.holds.release(NUMBER, reason="ask once more", by="ann", again=True)
    dispatched(home, hours=2)
    assert dispatched(home, hours=3) == ("waiting", 0, "")
    assert [number for _, number, *_ in dock.orders] == ["4711"], "which is an order of its own"
    (asked,) = hub.holds.kept()
    assert asked.note == f"shop-1 answers with another order than {NUMBER}"
    platform.order = news
    hub.holds.release(NUMBER, reason="ask once more", by="ann", again=True)
    dispatched(home, hours=4)
    assert dispatched(home, hours=5) == ("done", 1, "") and len(dock.orders) == 2


def test_who_has_nothing_to_ask_goes_at_once(yard, home):
    _, dock = yard
    assert dispatched(home) == ("done", 1, "") and len(dock.orders) == 1


def test_a_platform_s_bad_night_asks_nobody_and_is_over_by_itself(yard, home, platform):
    """A question changes nothing there: it is asked again, however often, and often enough."""
    hub, dock = yard
    changed(hub)
    platform.status = 502
    platform.up()
    for night in range(12):
        assert dispatched(home, hours=night) == ("waiting", 0, "")
    assert hub.holds.kept() == [] and not dock.orders
    ((tries, due),) = hub.store.query("hub", "SELECT attempts, next_at FROM outbox WHERE key LIKE 'fetch:%'")
    assert tries > hub.settings.limits.attempts and due <= clock() + 11 * HOUR + 300 * 1_000_000
    platform.status = 200
    dispatched(home, hours=12)
    assert dispatched(home, hours=13) == ("done", 1, "") and len(dock.orders) == 1
