"""The worker goes on: through failures, to the next step, and stops when told or when going on would do harm."""

import time

import pytest
import structlog

from orderhub_core import effects
from orderhub_core.effects import PushToWarehouse, WarehouseLine
from orderhub_core.entry import worker as module
from orderhub_core.entry.start import tell_doubts
from orderhub_core.entry.worker import Worker
from orderhub_core.errors import Stop, Unreachable
from orderhub_core.flows.pipeline import Pipeline
from orderhub_core.hub import Hub
from orderhub_core.model import RawMessage
from orderhub_core.store import statements


@pytest.fixture
def hub(sqlite_home, monkeypatch):
    monkeypatch.setattr(module, "PAUSE_AFTER_FAILURE_S", 0.01)
    monkeypatch.setattr(module, "SNAPSHOT_EVERY_S", 0.1)
    opened = Hub(sqlite_home)
    yield opened
    opened.close()


def until(condition, within_s=10.0):
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_applies_what_arrives_and_writes_snapshots(hub):
    worker = Worker(hub)
    worker.start()
    hub.receive([RawMessage("nobody", "m1", "order", b"{}")])
    until(lambda: hub.pulse().waiting == 0)
    until(lambda: (hub.home.data / "snapshot" / "snapshot.json").exists())
    worker.stop()
    assert [row["message_id"] for row in hub.parked()] == ["m1"]


def test_a_failure_is_logged_with_its_reason_and_the_thread_goes_on(hub, monkeypatch):
    failures = iter([Unreachable("the database does not answer"), RuntimeError("a customer's secret")])
    step = Pipeline.step

    def fragile(pipeline):
        for failure in failures:
            raise failure
        return step(pipeline)

    monkeypatch.setattr(Pipeline, "step", fragile)
    hub.receive([RawMessage("nobody", "m1", "order", b"{}")])
    with structlog.testing.capture_logs() as logs:
        worker = Worker(hub)
        worker.start()
        until(lambda: hub.pulse().waiting == 0)
        worker.stop()
    assert [line["event"] for line in logs][:2] == ["later", "internal"]
    assert logs[0]["reason"] == "the database does not answer"
    assert "secret" not in repr(logs)


UNSETTLED = """
[[warehouses]]
id = "west"
connector = "dock"
url = "warehouse.test"
secret_env = "WEST"
"""


def test_who_cannot_be_reached_by_the_settings_was_told_nothing_and_the_log_says_why(sqlite_home, monkeypatch):
    monkeypatch.setenv("WEST", "s")
    (sqlite_home.data / "orderhub.toml").write_text(UNSETTLED, encoding="utf-8")
    hub = Hub(sqlite_home)
    push = PushToWarehouse("shop-1", "A1", "west", (WarehouseLine("SKU-1", 1),))
    payload = effects.encode(push).decode()
    row = ("push:shop-1:A1", 1, "west", payload, "waiting", 1, 0, 0, None, "", 0, None, "", None)
    with hub.store.transaction("hub") as cursor:
        cursor.execute(statements.insert("outbox"), row)
    with structlog.testing.capture_logs() as logs:
        tell_doubts(hub)
        worker = Worker(hub)
        worker.start()
        until(lambda: hub.pulse().effects_for_person)
        worker.stop()
    told = [line for line in logs if line["event"] in ("nothing can be handed over", "not done")]
    assert [line["target"] for line in told] == ["west", "west"]
    assert all("west: its url is 'warehouse.test'" in line["reason"] for line in told)
    assert hub.store.query("hub", "SELECT attempts FROM outbox") == [(0,)], "so that a person may let it go"
    hub.close()


def test_harm_stops_the_worker(hub, monkeypatch):
    def harm(pipeline):
        raise Stop("two SQLite libraries")

    monkeypatch.setattr(Pipeline, "step", harm)
    worker = Worker(hub)
    worker.check()
    worker.start()
    until(worker.stopping.is_set)
    worker.stop()
    with pytest.raises(Stop, match="two SQLite libraries"):
        worker.check()


def test_two_workers_of_one_host_and_process_number_are_two(hub):
    """In containers every worker is process 1."""
    assert Worker(hub).owner != Worker(hub).owner
