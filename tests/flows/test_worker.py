"""The worker goes on: through failures, to the next step, and stops when told or when going on would do harm."""

import threading
import time

import pytest
import structlog

from orderhub_core import effects
from orderhub_core.effects import PushToWarehouse, WarehouseLine
from orderhub_core.entry import worker as module
from orderhub_core.entry.start import tell_doubts
from orderhub_core.entry.worker import Worker
from orderhub_core.errors import Busy, Stop, Unreachable
from orderhub_core.flows import waiting
from orderhub_core.flows.pipeline import Pipeline
from orderhub_core.flows.targets import Targets
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


def test_a_worker_that_can_write_nothing_is_not_ready_until_it_can(hub, monkeypatch):
    """A full disk of the database's: whoever reads it finds nothing wrong."""
    monkeypatch.setattr(waiting, "FAILING_S", 0.1)
    full, commit = threading.Event(), type(hub.store).commit

    def commits(store, claim, writes):
        if full.is_set():
            raise Busy("the database is busy or full (DiskFull)")
        return commit(store, claim, writes)

    def unready():
        try:
            worker.ready()
        except Busy as why:
            return "DiskFull" in str(why)
        return False

    monkeypatch.setattr(type(hub.store), "commit", commits)
    full.set()
    worker = Worker(hub)
    worker.start()
    worker.ready()
    hub.receive([RawMessage("nobody", "m1", "order", b"{}")])
    until(unready)
    full.clear()
    until(lambda: hub.pulse().waiting == 0 and not unready())
    worker.ready()
    worker.stop()


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
    assert all("west: its url is none" in line["reason"] for line in told)
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


def due_at(hub, **targets):
    """So many orders that each warehouse is to have now."""
    names = statements.columns("outbox")
    row = {"order_id": 1, "state": "waiting", "generation": 0, "attempts": 0, "next_at": 1, "owner": "", "note": ""}
    with hub.store.transaction("hub") as cursor:
        for target, orders in targets.items():
            for number in range(orders):
                payload = effects.encode(effects.PushToWarehouse("s", f"{number}", target, ())).decode()
                one = {**row, "key": f"{target} {number}", "target": target, "payload": payload, "intended_at": 1}
                cursor.execute(hub.store.sql(statements.insert("outbox")), [one.get(name) for name in names])


def states(hub):
    return dict(hub.store.query("hub", "SELECT key, state || attempts FROM outbox"))


def test_a_warehouse_that_takes_its_time_keeps_no_other_from_its_orders_and_a_stop_waits_for_one_alone(
    hub, monkeypatch
):
    began, answers = threading.Event(), threading.Event()

    def perform(targets, effect, key):
        if effect.target == "slow":
            began.set()
            answers.wait(10)

    monkeypatch.setattr(Targets, "perform", perform)
    due_at(hub, slow=3, good=15)
    worker = Worker(hub)
    worker.start()
    until(lambda: began.is_set() and list(states(hub).values()).count("done1") == 15)
    assert not answers.is_set()
    due_at(hub, late=1)
    until(lambda: states(hub)["late 0"] == "done1")
    stopping = threading.Thread(target=worker.stop)
    stopping.start()
    until(worker.stopping.is_set)
    answers.set()
    stopping.join()
    assert sorted(state for key, state in states(hub).items() if key.startswith("slow")) == [
        "done1", "waiting0", "waiting0",
    ]  # fmt: skip


def test_harm_that_a_dispatcher_finds_stops_the_worker(hub, monkeypatch):
    def harm(targets, effect, key):
        raise Stop("the chain is broken")

    monkeypatch.setattr(Targets, "perform", harm)
    due_at(hub, good=1)
    worker = Worker(hub)
    worker.start()
    until(worker.stopping.is_set)
    worker.stop()
    with pytest.raises(Stop, match="the chain is broken"):
        worker.check()


def test_two_workers_of_one_host_and_process_number_are_two(hub):
    """In containers every worker is process 1."""
    assert Worker(hub).owner != Worker(hub).owner
