"""What a platform pushes about its goods: acknowledged, so it is kept; and nothing of the hub is another by it."""

from __future__ import annotations

import json

import pytest
from test_hooks import SECRET, SETTINGS, body_of, deliver, paid

from orderhub_core.hub import Hub

GOODS = [
    {"tag": tag, "msg_id": f"{tag}:{number}", "data": json.dumps({"product_id": 3473190000000000101 + number})}
    for tag in ("400", "417")
    for number in range(8)  # enough that some are of each lane
]


@pytest.fixture
def hub(home, monkeypatch):
    monkeypatch.setenv("TEST_HOOK_SECRET", SECRET)
    (home.data / "orderhub.toml").write_text(SETTINGS, encoding="utf-8")
    opened = Hub(home)
    yield opened
    opened.close()


def kept(hub):
    return [bytes(body) for (body,) in hub.store.query("inbox", "SELECT body FROM inbox ORDER BY id")]


def count(hub, table):
    return hub.store.query("hub", f"SELECT count(*) FROM {table}")[0][0]


def test_a_push_about_goods_is_on_disk_once_it_is_acknowledged(hub):
    for _ in range(2):  # the platform repeats what it likes
        assert deliver(hub, body_of(*GOODS)).status_code == 200
    assert sorted(map(json.loads, kept(hub)), key=str) == sorted(GOODS, key=str)
    assert hub.conflicts(10) == []


def test_it_is_read_and_changes_nothing(hub):
    deliver(hub, body_of(paid(1), *GOODS, paid(2, "m2")))
    assert hub.drain() == len(GOODS) + 2
    assert hub.parked() == []
    assert hub.pulse().waiting == 0
    assert sorted(hub.frame("orders")["order_no"]) == ["1", "2"]
    entries, effects = count(hub, "log"), count(hub, "outbox")
    deliver(hub, body_of(*({**one, "msg_id": f"again {one['msg_id']}"} for one in GOODS)))
    assert hub.drain() == len(GOODS)
    assert (count(hub, "log"), count(hub, "outbox"), hub.frame("orders").height) == (entries, effects, 2)
    assert hub.verify_log().broken_seq is None
