"""The worker goes on: through failures, to the next step, and stops when told or when going on would do harm."""

import time

import pytest
import structlog

from orderhub_core.entry import worker as module
from orderhub_core.entry.worker import Worker
from orderhub_core.errors import Stop, Unreachable
from orderhub_core.flows.pipeline import Pipeline
from orderhub_core.hub import Hub
from orderhub_core.model import RawMessage


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
