"""What a process tells of itself: metrics that add up, health, readiness, and to whom."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import threading
import time
from random import Random
from types import SimpleNamespace

import httpx
import pytest
import structlog
from ports import free_port
from prometheus_client.parser import text_string_to_metric_families

from orderhub_core.entry import cli, options
from orderhub_core.entry import probes as probes_module
from orderhub_core.entry import watching as watching_module
from orderhub_core.entry import worker as worker_module
from orderhub_core.entry.console.app import console
from orderhub_core.entry.metrics import Meters
from orderhub_core.entry.probes import Probes, Ready, serving
from orderhub_core.entry.web import Probed
from orderhub_core.entry.worker import Worker
from orderhub_core.errors import Busy, OrderHubError, Stop, Unreachable
from orderhub_core.flows import waiting
from orderhub_core.flows.pipeline import Pipeline
from orderhub_core.hub import Hub, SnapshotHub
from orderhub_core.model import RawMessage
from orderhub_core.store import homes, snapshot
from orderhub_core.store.unit import Finished, Leased

SETTINGS = """
[[shops]]
id = "shop-1"
connector = "direct"
secret_env = "TEST_METRICS_SECRET"
[[shops]]
id = "shop-2"
connector = "direct"
secret_env = "TEST_METRICS_SECRET"
[[warehouses]]
id = "east"
connector = ""
[[bases]]
id = "base"
connector = ""
"""


@pytest.fixture
def hub(sqlite_home, monkeypatch):
    monkeypatch.setenv("TEST_METRICS_SECRET", "s")
    (sqlite_home.data / "orderhub.toml").write_text(SETTINGS, encoding="utf-8")
    opened = Hub(sqlite_home)
    yield opened
    opened.close()


@pytest.fixture
def meters(hub):
    return Meters(hub)


def message(shop, number, body=b"{}"):
    return RawMessage(shop, f"m{number}", "event", body)


def event(shop, number):
    told = {"id": f"m{number}", "order_no": f"SO-{number}", "at": "2026-11-11T00:00:00Z"}
    return message(shop, number, json.dumps(told | {"facts": {"order.placed": told["at"]}}).encode())


def until(condition, within_s=20.0):
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def samples(meters):
    """Every sample of the page, parsed by somebody else's parser: name and labels to value."""
    text = meters.page()[0].decode()
    return {
        (sample.name, tuple(sorted(sample.labels.values()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_messages_are_counted_by_shop_and_by_what_became_of_them(hub, meters):
    hub.receive([message("shop-1", n) for n in range(5)])
    hub.receive([message("shop-1", 1), message("shop-1", 2, b"[]"), message("shop-2", 9), message("file/x/y", 1)])
    until(lambda: samples(meters)["orderhub_accept_commit_messages_sum", ()] == 9)
    told = samples(meters)
    by = {labels: value for (name, labels), value in told.items() if name == "orderhub_messages_total" and value}
    assert by == {("new", "shop-1"): 5, ("duplicate", "shop-1"): 1, ("conflict", "shop-1"): 1, ("new", "shop-2"): 1,
                  ("new", "other"): 1}  # fmt: skip
    assert told["orderhub_accept_commit_seconds_count", ()] == 2
    assert told["orderhub_accept_commit_seconds_sum", ()] > 0


def test_what_was_turned_away_is_counted_by_shop_and_reason(hub, meters):
    hub.store.count("shop-1", "bad_signature", by=3)
    hub.store.count("shop-2", "bad_signature", by=1)
    hub.store.count("shop-1", "bad_clock", by=4)
    hub.store.count("whoever this is", "bad_signature", by=2)
    told = samples(meters)
    assert told["orderhub_refused_total", ("bad_signature", "shop-1")] == 3
    assert told["orderhub_refused_total", ("bad_clock", "shop-1")] == 4
    assert told["orderhub_refused_total", ("bad_signature", "other")] == 2


def test_what_contradicts_is_counted_by_shop_and_a_repetition_is_no_news(hub, meters):
    hub.receive([message("shop-1", n) for n in range(3)] + [message("stranger", 1)])
    hub.receive([message("shop-1", 1, b"[]"), message("shop-1", 2, b"[]"), message("stranger", 1, b"[]")])
    hub.receive([message("shop-1", 1, b"[]"), message("shop-1", 0)])
    told = {labels[0]: value for (name, labels), value in samples(meters).items() if name == "orderhub_conflicts"}
    assert told == {"shop-1": 2, "shop-2": 0, "other": 1}


def test_a_worker_counts_batches_and_the_page_adds_up(hub, meters, monkeypatch):
    hub.receive([event("shop-1", n) for n in range(30)])
    hub.receive([message("shop-2", n) for n in range(4)])
    hub.receive([message("nobody", 1)])
    before = samples(meters)
    assert before["orderhub_messages_waiting", ()] == 35
    assert before["orderhub_shop_messages_waiting", ("shop-1",)] == 30
    worker = Worker(hub, meters=meters)
    worker.start()
    until(lambda: hub.store.waiting()[0] == 0)
    worker.stop()
    hub.flow.forget()
    told = samples(meters)
    outcomes = {labels[0]: value for (name, labels), value in told.items() if name == "orderhub_absorbed_total"}
    assert (outcomes["imported"], outcomes["parked"], sum(outcomes.values())) == (30, 5, 35)
    assert told["orderhub_absorb_batch_messages_sum", ()] == 35
    assert told["orderhub_messages_parked", ()] == 5
    assert told["orderhub_messages_waiting", ()] == told["orderhub_oldest_waiting_seconds", ()] == 0


def test_ages_are_in_seconds_and_instants_in_unix_time(hub, meters):
    began = time.time()
    hub.store.accept([message("shop-1", 1)], round((began - 90) * 1e6))
    hub.store.accept([message("shop-1", 2)], round((began - 30) * 1e6))
    told = samples(meters)
    assert 90 <= told["orderhub_oldest_waiting_seconds", ()] < 100
    assert 90 <= told["orderhub_shop_oldest_waiting_seconds", ("shop-1",)] < 100
    assert told["orderhub_shop_oldest_waiting_seconds", ("shop-2",)] == 0
    assert told["orderhub_shop_received_timestamp_seconds", ("shop-1",)] == pytest.approx(began - 30, abs=0.01)
    assert ("orderhub_shop_received_timestamp_seconds", ("shop-2",)) not in told
    assert ("orderhub_snapshot_timestamp_seconds", ()) not in told
    hub.write_snapshot()
    assert began <= samples(meters)["orderhub_snapshot_timestamp_seconds", ()] <= time.time()


def test_dispatched_effects_are_counted_by_target_and_result(meters):
    def finished(target, state):
        return Finished(Leased("key of SO-1", 1, target, "{}", 0, 1), state, 0, "")

    meters.dispatched([finished("east", "done")] * 3 + [finished("east", "waiting"), finished("SO-77", "person")])
    meters.dispatched([finished("base", "done")])
    told = samples(meters)
    assert told["orderhub_dispatched_total", ("done", "east")] == 3
    assert told["orderhub_dispatched_total", ("east", "waiting")] == 1
    assert told["orderhub_dispatched_total", ("base", "done")] == 1
    assert told["orderhub_dispatched_total", ("other", "person")] == 1


def test_failures_of_the_worker_are_counted_by_what_they_need(hub, meters, monkeypatch):
    failures = iter([Unreachable("no"), RuntimeError("no"), Stop("no")])

    def fail(pipeline):
        raise next(failures)

    monkeypatch.setattr(Pipeline, "step", fail)
    monkeypatch.setattr(worker_module, "PAUSE_AFTER_FAILURE_S", 0.01)
    worker = Worker(hub, meters=meters)
    worker.start()
    until(worker.stopping.is_set)
    worker.stop()
    told = samples(meters)
    for kind in ("later", "internal", "stop"):
        assert told["orderhub_worker_failures_total", ("absorb", kind)] == 1


def test_names_and_labels_keep_to_the_rules(hub, meters):
    """Prefix, base units, `_total` on counters only, a help text; labels from the settings and from closed lists."""
    hub.receive([event("shop-1", n) for n in range(3)])
    hub.store.count("张三丰 19900001234", "bad_signature")
    meters.dispatched([Finished(Leased("k", 1, "张三丰", "{}", 0, 1), "done", 0, "")])
    text = meters.page()[0].decode()
    ours = [family for family in text_string_to_metric_families(text) if family.name.startswith("orderhub_")]
    assert len(ours) >= 18
    allowed = {"shop-1", "shop-2", "east", "base", "other", "new", "duplicate", "conflict", "bad_signature", "done"}
    allowed |= {"imported", "updated", "unchanged", "parked", "noted"}
    for family in ours:
        assert family.documentation
        assert re.fullmatch(r"orderhub_[a-z]+(_[a-z]+)*", family.name)
        assert not re.search(r"_(ms|millis|minutes|us|kb|mb)(_|$)", family.name)
        assert {sample.name.endswith("_total") for sample in family.samples} <= {family.type == "counter"}
        for sample in family.samples:
            assert {value for label, value in sample.labels.items() if label != "le"} <= allowed
    assert "19900001234" not in text and "SO-" not in text
    assert "process_resident_memory_bytes" in text


def test_a_store_that_does_not_answer_is_a_metric_not_a_failure(hub, meters, monkeypatch):
    hub.receive([message("shop-1", 1)])
    until(lambda: samples(meters)["orderhub_accept_commit_messages_sum", ()] == 1)

    def away():
        raise Unreachable("the database does not answer")

    monkeypatch.setattr(hub, "flow", away)
    told = samples(meters)
    assert told["orderhub_store_up", ()] == 0
    assert ("orderhub_messages_waiting", ()) not in told
    assert told["orderhub_messages_total", ("new", "shop-1")] == 1


def test_whoever_looks_on_cannot_stop_the_writer(hub):
    def broken(group):
        raise RuntimeError

    hub.observe_written = broken
    assert hub.receive([message("shop-1", 1)]) == ["new"]
    assert hub.receive([message("shop-1", 2)]) == ["new"]


# -- who may ask


def ask(app, path, headers=None):
    async def send():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hub:1") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(send())


def served(hub, **more):
    known = {"hooks": None, "origins": {"http://hub:1"}, "secret": "s", "read_only": False, "token": None}
    return console(hub=hub, **(known | more))


def test_metrics_of_a_console_are_for_requests_by_its_own_name(hub, meters):
    app = served(hub, meters=meters)
    answer = ask(app, "/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert "orderhub_store_up 1.0" in answer.text
    assert ask(app, "/metrics", {"host": "evil.test"}).status_code == 421
    assert ask(app, "/healthz", {"host": "10.0.0.7"}).text == "ok"
    assert ask(served(hub), "/metrics").status_code == 404


def test_with_a_token_metrics_ask_for_it_by_whatever_name(hub, meters):
    app = served(hub, meters=meters, token="tall trees")
    assert ask(app, "/metrics").status_code == 401
    assert ask(app, "/metrics?token=tall+trees").status_code == 401
    assert ask(app, "/metrics", {"authorization": "Bearer small trees"}).status_code == 401
    shown = {"authorization": "Bearer tall trees", "host": "10.0.0.7:8800"}
    assert ask(app, "/metrics", shown).status_code == 200
    assert ask(app, "/readyz").text == "ready"


def test_openmetrics_is_spoken_where_it_is_asked_for(hub, meters):
    asked = {"accept": "application/openmetrics-text; version=1.0.0"}
    answer = ask(served(hub, meters=meters), "/metrics", asked)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def test_a_snapshot_board_tells_its_age(tmp_path):
    snapshot.write(tmp_path / "s", {}, snapshot.Meta(as_of=1_762_000_000_000_000))
    told = samples(Meters(SnapshotHub(tmp_path / "s")))
    assert told["orderhub_snapshot_timestamp_seconds", ()] == 1_762_000_000
    assert {name for name, _ in told if name.startswith("orderhub_")} == {"orderhub_snapshot_timestamp_seconds"}


# -- ready


def test_a_process_is_ready_when_its_worker_is_at_work(hub, meters):
    worker = Worker(hub, meters=meters)
    ready = Ready(hub, worker.ready)
    with pytest.raises(Stop, match="absorb"):
        ready()
    worker.start()
    ready()
    worker.stopping.set()
    with pytest.raises(Busy):
        ready()
    worker.stop()


def test_a_thread_that_ended_is_told(hub, meters, monkeypatch):
    worker = Worker(hub, meters=meters)
    worker.start()
    monkeypatch.setattr(worker._threads[1], "is_alive", lambda: False)
    with pytest.raises(Stop, match="dispatch"):
        worker.ready()
    worker.stop()


def test_harm_is_told_as_the_reason(hub, meters):
    worker = Worker(hub, meters=meters)
    worker.start()
    worker.harm = Stop("two SQLite libraries")
    probes = Probes(meters, Ready(hub, worker.ready), token=None, hosts=[])
    assert probes.answer("/healthz", {}).status == 200
    answer = probes.answer("/readyz", {})
    assert (answer.status, b"two SQLite libraries" in answer.body) == (503, True)
    worker.stop()


def test_a_disk_that_is_nearly_full_is_not_ready(hub, monkeypatch):
    ready = Ready(hub)
    ready()
    monkeypatch.setattr(probes_module.shutil, "disk_usage", lambda _: SimpleNamespace(free=1024**2))
    with pytest.raises(Busy, match="1 MiB"):
        ready()


@pytest.fixture
def steady(monkeypatch):
    """The clock of what fails: `steady(4)` goes on by four seconds."""
    now = [1000.0]
    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def go_on(seconds):
        now[0] += seconds

    return go_on


def test_who_writes_no_delivery_down_for_seconds_is_not_ready_until_one_is_or_nobody_comes(hub, steady):
    ready, full = Ready(hub), Busy("the database is busy or full (DiskFull)")
    hub.failing.failed("shop-1", full)
    ready()  # once is nothing: a server that restarts refuses some
    steady(waiting.FAILING_S)
    hub.failing.failed("shop-2", full)
    with pytest.raises(Busy, match="DiskFull"):
        ready()
    Ready(hub, accepts=False)()
    steady(waiting.LATELY_S + 1)
    ready()  # nobody has come since, and who sends nobody here never learns that it works again
    hub.failing.failed("shop-1", full)
    with pytest.raises(Busy, match="DiskFull"):
        ready()
    assert hub.receive([message("shop-1", 1)]) == ["new"]
    hub.receiver.close()  # who was answered comes before who looks on
    ready()
    hub.failing.failed("shop-1", full)
    ready()


def test_what_failed_long_ago_has_nothing_to_do_with_what_fails_now(hub, steady):
    for _ in range(3):
        hub.failing.failed("shop-1", Busy("full"))
        steady(waiting.MAY_BE_OVER_S + 1)
        Ready(hub)()


def test_deliveries_that_are_put_off_are_counted_also_while_the_store_is_gone(hub, meters, monkeypatch):
    hub.failing.failed("shop-1", Busy("full"))
    hub.failing.failed("shop-1", Busy("full"))

    def gone():
        raise Unreachable("the database does not answer")

    monkeypatch.setattr(hub, "flow", gone)
    told = samples(meters)
    assert told["orderhub_store_up", ()] == 0
    assert told["orderhub_put_off_total", ("shop-1",)] == 2
    assert told["orderhub_put_off_total", ("shop-2",)] == 0


def test_who_watches_goes_on_after_a_mistake_of_the_hub_s_own_and_tells_no_more_than_its_kind(hub, monkeypatch):
    monkeypatch.setattr(watching_module, "LOOK_EVERY_S", 0.01)
    wrong = [KeyError("张三丰 19900001234")]

    def ready_to_accept():
        if wrong:
            raise wrong[0]

    monkeypatch.setattr(hub.store, "ready_to_accept", ready_to_accept)

    def lines(event):
        deadline = time.monotonic() + 10
        while not (found := [line for line in logged if line["event"] == event]):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return found

    with structlog.testing.capture_logs() as logged, watching_module.watching(hub):
        assert [line["reason"] for line in lines("not ready")] == ["internal error: KeyError"]
        wrong.clear()
        assert len(lines("ready again")) == 1


def test_an_outdated_schema_is_not_ready_until_it_is_brought_up(hub, monkeypatch):
    monkeypatch.setattr(homes, "outdated", lambda _: ["inbox"])
    ready = Ready(hub)
    with pytest.raises(Exception, match="orderhub db init"):
        ready()
    monkeypatch.undo()
    ready()


def test_a_database_that_is_gone_is_not_ready(home):
    opened = Hub(home)
    ready = Ready(opened)
    ready()
    if home.database:
        opened.store.url = opened.store.url.replace("/hub", "/gone")
        opened.store.close()
    else:
        opened.close()
        for file in home.data.glob("hub.db*"):
            file.rename(file.with_suffix(".away"))
    answer = Probes(Meters(opened), ready, token=None, hosts=["h"]).answer("/readyz", {})
    assert answer.status == 503
    opened.close()


def ask_together(app, *paths):
    """The answers of a loop that is asked for all of them at once."""

    async def get():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://h") as client:
            return await asyncio.gather(*(client.get(path) for path in paths))

    return [(answer.status_code, answer.text) for answer in asyncio.run(get())]


def test_a_store_that_does_not_answer_is_told_and_asked_once_and_the_process_is_alive(hub, meters, monkeypatch):
    monkeypatch.setattr(probes_module, "READINESS_S", 0.1)
    monkeypatch.setattr(probes_module, "PAGE_S", 0.1)
    asked, go = [], threading.Event()

    def frozen(name):
        asked.append(name)
        assert go.wait(20)
        return b"", ""

    monkeypatch.setattr(meters, "page", lambda accept: frozen("page"))
    probes = Probes(meters, lambda: frozen("store"), token=None, hosts=["h"])
    app = Probed(probes)
    for _ in range(3):
        told = ask_together(app, *["/readyz"] * 50, *["/metrics"] * 50, "/healthz")
        assert told.pop() == (200, "ok")
        assert all(status == 503 and "the store has not answered for" in text for status, text in told)
    assert probes.answer("/healthz", {}).status == 200
    assert sorted(asked) == ["page", "store"]
    go.set()
    until_there = time.monotonic() + 20
    while (ready := probes.answer("/readyz", {})).status != 200:
        assert time.monotonic() < until_there
    assert ready.body == b"ready"


def test_what_readiness_asks_is_asked_anew_each_time(meters):
    told = [Busy("first"), None, Busy("last")]

    def check():
        if (failure := told.pop(0)) is not None:
            raise failure

    probes = Probes(meters, check, token=None, hosts=[])
    assert [probes.answer("/readyz", {}).body for _ in range(3)] == [b"first", b"ready", b"last"]


def test_an_inbox_that_is_gone_is_not_ready(sqlite_home):
    opened = Hub(sqlite_home)
    ready = Ready(opened, applies=False)
    ready()
    opened.close()
    for file in sqlite_home.data.glob("inbox.db*"):
        file.rename(file.with_suffix(".away"))
    with pytest.raises(OrderHubError):
        ready()
    opened.close()


# -- a process that serves nothing else


@pytest.fixture
def port():
    return free_port()


@pytest.mark.server
def test_a_worker_answers_probes_while_it_works(hub, meters, port):
    worker = Worker(hub, meters=meters)
    worker.start()
    probes = Probes(meters, Ready(hub, worker.ready), token=None, hosts=[f"127.0.0.1:{port}"])
    with serving(probes, "127.0.0.1", port), httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        assert client.get("/healthz").text == "ok"
        assert client.get("/readyz").text == "ready"
        assert "orderhub_store_up 1.0" in client.get("/metrics?x=1").text
        assert client.get("/metrics", headers={"host": "evil.test"}).status_code == 421
        assert client.get("/").status_code == 404
        assert client.post("/metrics").status_code == 501
        worker.stop()
        assert client.get("/readyz").status_code == 503
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/healthz")


# -- the command line


def test_the_state_of_the_inbox_is_told_in_words_and_as_json(hub, orderhub):
    now = round(time.time() * 1e6)
    hub.store.accept([message("shop-1", n) for n in range(3)], now - 90_000_000)
    hub.drain()
    hub.store.accept([message("shop-2", n) for n in range(1_200)], now - 45_000_000)
    code, said = orderhub("inbox", "status", "--data", hub.home.data)
    assert code == 0
    assert re.search(r"messages waiting: 1,200, the oldest for 4[5-9] s; parked: 3", said)
    assert re.search(r"shop-2: last received 4[5-9] s ago; waiting: 1,200, the oldest for 4[5-9] s", said)
    _, said = orderhub("inbox", "status", "--data", hub.home.data, "--json")
    told = json.loads(said.splitlines()[-1])
    assert (told["waiting"], told["parked"]) == (1_200, 3)
    first, second = told["sources"]
    assert (first["source"], first["waiting"], first["oldest_s"]) == ("shop-1", 0, None)
    assert (second["source"], second["waiting"]) == ("shop-2", 1_200)
    assert 45 <= second["oldest_s"] < 60


def test_metrics_for_others_need_a_token(orderhub, tmp_path):
    code, said = orderhub("worker", "--data", tmp_path / "d", "--metrics-port", 9_999, "--metrics-host", "0.0.0.0")
    assert code == 2
    assert "ORDERHUB_TOKEN" in said
    assert not (tmp_path / "d").exists()


@pytest.fixture
def orderhub(monkeypatch, capsys, tmp_path):
    """Run a command in this process; gives its exit code and everything it said."""
    for name in ("ORDERHUB_DATA", "ORDERHUB_DATABASE_URL", "ORDERHUB_SNAPSHOT", "ORDERHUB_TOKEN"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(options, "to_stderr", lambda: None)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["orderhub", *map(str, arguments)])
        try:
            code = cli.main()
        except SystemExit as end:
            code = end.code or 0
        told = capsys.readouterr()
        return code, told.out + told.err

    return run


def test_counting_costs_little_beside_the_commit(hub, meters):
    """Per batch, not per message: the registry is touched as often for a thousand messages as for ten."""
    touched = []
    real = meters._messages.labels
    meters._messages.labels = lambda *labels: touched.append(labels) or real(*labels)
    dice = Random(1)
    hub.receive([message(dice.choice(["shop-1", "shop-2"]), n) for n in range(1_000)])
    until(lambda: samples(meters)["orderhub_accept_commit_messages_sum", ()] == 1_000)
    assert len(touched) == 2
