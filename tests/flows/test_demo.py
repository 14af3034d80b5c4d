"""The demonstration as a user starts it: one command, one address, orders that flow, and everything ends together."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from ports import free_port

from orderhub_core.entry.demo.setting import SECRETS
from orderhub_core.hub import Hub
from orderhub_core.store.homes import Home

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A running demonstration: its folder and the address it printed."""
    folder = tmp_path_factory.mktemp("demo")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ORDERHUB_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "orderhub_core.entry.cli", "demo", "--data", str(folder), "--port", str(free_port())],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**clean, "PYTHONUNBUFFERED": "1"},
    )
    told = process.stdout.readline()
    address = re.search(r"http://127\.0\.0\.1:\d+", told)
    assert address, told + process.stdout.read()
    yield folder, address[0], process
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.wait(30)
    process.stdout.close()


def secrets_of(process):
    """What the demonstration made up for its children and told only them."""
    (child, *_) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    told = Path(f"/proc/{child}/environ").read_text().split("\0")
    return [value for name, _, value in (entry.partition("=") for entry in told) if name in SECRETS]


def eventually(condition, within_s=90.0):
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.5)
    raise AssertionError(f"not within {within_s} s")


def test_the_address_answers_and_orders_flow_in(demo):
    folder, address, _ = demo
    assert "OrderHub" in httpx.get(f"{address}/", follow_redirects=True).text
    hub = Hub(Home(folder))
    eventually(lambda: hub.frame("orders").height > 5_000)
    orders = hub.frame("orders")
    assert {"paid", "in_transit", "cancelled"} <= set(orders["headline"].cast(str).unique())
    eventually(lambda: hub.frame("sightings")["touchpoint"].n_unique() == 3)
    eventually(lambda: hub.store.query("hub", "SELECT count(*) FROM outbox WHERE state = 'done'")[0][0] > 100)
    assert hub.store.query("hub", "SELECT count(*) FROM orders WHERE warehouse IS NOT NULL")[0][0] > 1_000
    before = hub.pulse().log_entries
    eventually(lambda: hub.pulse().log_entries > before)
    assert hub.verify_log().broken_seq is None
    assert hub.parked() == []
    hub.close()


def test_the_hub_agrees_with_the_world_it_was_told_of(demo):
    """What the pretend platform knew a minute ago, the hub knows now, order by order."""
    from orderhub_core.entry.demo.setting import kept_plan
    from orderhub_core.sim.world import build

    folder, _, _ = demo
    hub = Hub(Home(folder))
    eventually(lambda: hub.pulse().waiting == 0)
    world = build(kept_plan(folder, time.time_ns() // 1_000, 7))
    past = int((time.time() - 120) * 1e6)
    paid = world.timeline.filter(
        (world.timeline["event"] == "payment.paid") & (world.timeline["at"].dt.epoch("us") < past)
    )

    def missing():
        orders = hub.frame("orders")  # read once: the next one may hold more
        return set(paid["order_no"]) - set(orders.filter(orders["paid_at"].is_not_null())["order_no"])

    eventually(lambda: not missing())
    assert len(paid) > 5_000
    hub.close()


def test_no_log_holds_a_name_a_phone_or_a_secret(demo):
    folder, _, process = demo
    said = "".join(path.read_text(encoding="utf-8") for path in (folder / "logs").glob("*.log"))
    hub = Hub(Home(folder))
    for name, phone in hub.store.query("hub", "SELECT name, phone FROM persons LIMIT 200"):
        assert phone not in said
        assert len(name) < 2 or name not in said
    secrets = secrets_of(process)
    assert len(secrets) == 3
    for secret in secrets:
        assert secret not in said
    for line in said.splitlines():
        if line.startswith("{"):
            assert {"event", "level", "timestamp"} <= set(json.loads(line))
    hub.close()


def test_a_second_demonstration_in_the_same_folder_is_refused(demo):
    folder, _, _ = demo
    second = subprocess.run(
        [sys.executable, "-m", "orderhub_core.entry.cli", "demo", "--data", str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert second.returncode == 2
    assert "already" in second.stderr


def test_everything_ends_together(demo):
    _, address, process = demo
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)


def test_its_ledgers_can_be_reconciled(demo):
    folder, _, _ = demo
    command = [sys.executable, "-m", "orderhub_core.entry.cli", "audit", "reconcile", "--data", str(folder), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert {name: source["file"] for name, source in said["sources"].items()} == {
        name: f"{name}.csv" for name in ("platform", "erp", "refunds", "courier")
    }
    assert sum(said["parts"].values()) == said["totals"]["gap_minor"] != 0
    assert said["conflicts_total"] > 0
