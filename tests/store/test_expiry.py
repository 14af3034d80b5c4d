"""Raw bodies expire when they are old and applied, and at no other time; their digests stay."""

from __future__ import annotations

import threading
import time

import fresh
import msgspec
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orderhub_core.entry.worker import Worker
from orderhub_core.errors import Busy, Unreadable, UserMistake
from orderhub_core.flows import absorb, replay
from orderhub_core.flows.context import Context, Source
from orderhub_core.hub import Hub
from orderhub_core.model import Event, Observation, RawMessage
from orderhub_core.pseudonym import Pseudonyms
from orderhub_core.rules.tree import Rulebook
from orderhub_core.store import backup, expiry, homes
from orderhub_core.store.expiry import DAY_US, Expiry

NOW = 1_700_000_000_000_000
OLD, YOUNG = NOW - 31 * DAY_US, NOW - 29 * DAY_US


def decode(_, body):
    if body == b"nonsense":
        raise Unreadable("nonsense")
    return msgspec.json.decode(body, type=Observation)


def seen(store, at):
    """As if a pass had just been there, and the clock were trusted."""
    store.set_cursor(expiry.SEEN, at)
    store.set_cursor(expiry.REST, 0)


@pytest.fixture
def store(home):
    opened = homes.open_store(home)
    seen(opened, NOW)
    yield opened
    opened.close()


@pytest.fixture
def context(store):
    source = Source("s", "douyin", decode)
    return Context(store, lambda _: source, Rulebook(), Pseudonyms(b"the pepper of these tests"))


def message(n, body=None):
    return RawMessage("s", f"m{n}", "order", body or msgspec.json.encode(Observation(f"A{n}", {Event.PAID: NOW}, NOW)))


def bodies(store):
    return {row[0]: row[1] is not None for row in store.query("inbox", "SELECT message_id, body FROM inbox")}


def test_old_applied_bodies_go_and_nothing_else(store, context):
    store.accept([message(1), message(2, b"nonsense"), message(3)], OLD)
    store.accept([message(4)], YOUNG)
    absorb.drain(context, 100)
    store.accept([message(5)], OLD)  # waits, and the clock was set back when it came
    due = expiry.due(store, NOW, 30)
    dropped = expiry.expire(store, NOW, 30)
    assert due == dropped
    assert dropped.bodies == 2
    assert dropped.bytes == sum(len(message(n).body) for n in (1, 3))
    assert bodies(store) == {"m1": False, "m2": True, "m3": False, "m4": True, "m5": True}
    assert expiry.expire(store, NOW, 30) == expiry.Dropped(0, 0)
    absorb.drain(context, 100)
    assert store.query("hub", "SELECT count(*) FROM orders")[0][0] == 4


@pytest.mark.parametrize("ahead", [DAY_US, 3650 * DAY_US])
def test_what_came_while_the_clock_was_ahead_holds_nothing_up_and_goes_with_what_came_after_it(
    store, context, monkeypatch, ahead
):
    monkeypatch.setattr(expiry, "LOOK_ROWS", 4)
    store.accept([message(n) for n in range(9)], NOW + ahead)
    store.accept([message(n) for n in range(9, 12)], OLD)
    store.accept([message(12)], NOW + ahead)
    store.accept([message(13)], YOUNG)
    store.accept([message(14)], NOW + ahead)
    absorb.drain(context, 100)
    due, dropped = expiry.due(store, NOW, 30), expiry.expire(store, NOW, 30)
    assert due == dropped
    assert {name for name, has in bodies(store).items() if has} == {"m12", "m13", "m14"}, "behind the last nothing came"


def test_a_redelivery_after_expiry_is_still_a_duplicate_or_a_conflict(store, context):
    store.accept([message(1), message(2)], OLD)
    absorb.drain(context, 100)
    before = store.query("inbox", "SELECT id, source, message_id, kind, received_at, digest FROM inbox ORDER BY id")
    expiry.expire(store, NOW, 30)
    after = store.query("inbox", "SELECT id, source, message_id, kind, received_at, digest FROM inbox ORDER BY id")
    assert [tuple(map(bytes_or_same, row)) for row in after] == [tuple(map(bytes_or_same, row)) for row in before]
    assert store.accept([message(1), message(2, b"{}"), message(3)], NOW) == ["duplicate", "conflict", "new"]
    assert len(absorb.drain(context, 100)) == 1


def bytes_or_same(value):
    return bytes(value) if isinstance(value, memoryview) else value


def test_conflicting_bodies_expire_and_their_digests_still_tell_them_apart(store):
    store.accept([message(1)], OLD)
    for body in (b"a", b"b"):
        assert store.accept([message(1, body)], OLD) == ["conflict"]
    store.accept([message(1, b"c")], YOUNG)
    expiry.expire(store, NOW, 30)
    kept = [bytes(row[0]) for row in store.query("inbox", "SELECT body FROM conflict WHERE body IS NOT NULL")]
    assert kept == [b"c"]
    assert store.query("inbox", "SELECT count(*) FROM conflict")[0][0] == 3
    assert bodies(store) == {"m1": True}  # it waits


def test_what_is_applied_after_it_was_parked_expires_with_a_later_pass(store, context):
    store.accept([message(1, b"nonsense"), message(2)], OLD)
    absorb.drain(context, 100)
    worker = Expiry(store, 30)
    while worker.step(NOW):
        pass
    assert bodies(store) == {"m1": True, "m2": False}
    healed = context._replace(source=lambda _: Source("s", "douyin", lambda *_: Observation("A1", {Event.PAID: NOW})))
    replay.replay(healed, [1], 10)
    for _ in range(expiry.AGAIN_AFTER + 1):
        while worker.step(NOW):
            pass
    assert bodies(store) == {"m1": False, "m2": False}


def test_one_step_is_one_small_transaction(store, context, monkeypatch):
    monkeypatch.setattr(expiry, "MOST_ROWS", 3)
    monkeypatch.setattr(expiry, "MOST_BYTES", 2 * len(message(1).body))
    store.accept([message(n) for n in range(7)], OLD)
    absorb.drain(context, 100)
    worker, steps = Expiry(store, 30), []
    while dropped := worker.step(NOW):
        steps.append(dropped.bodies)
    assert steps == [2, 2, 2, 1]


def test_one_huge_body_goes_alone(store, context):
    huge = message(1, msgspec.json.encode({"order_no": "A1", "pad": "x" * (expiry.MOST_BYTES + 1)}))
    store.accept([message(0), huge, message(2)], OLD)
    absorb.drain(context, 100)
    assert expiry.expire(store, NOW, 30).bodies == 3


def test_space_is_used_again(sqlite_home):
    """A row that only shrinks would keep its place: measured on the file, not believed."""
    store = homes.open_store(sqlite_home)

    def pages():
        return store.query("inbox", "PRAGMA page_count")[0][0]

    body = bytes(2_000)
    store.accept([message(n, b"%d" % n + body) for n in range(3_000)], OLD)
    with store.transaction("hub") as cursor:
        cursor.execute("UPDATE lanes SET applied_upto = 3000")
    full = pages()
    seen(store, NOW)
    assert expiry.expire(store, NOW, 30).bodies == 3_000
    store.accept([message(n, b"%d" % n + body) for n in range(3_000, 5_500)], NOW)
    assert pages() <= full * 1.1
    store.close()


def test_what_expired_is_in_no_file_any_more_nor_in_a_backup_of_it(sqlite_home, tmp_path):
    """SQLite leaves what it deletes where it was, for anybody who reads the file."""
    store = homes.open_store(sqlite_home)
    seen(store, NOW)
    those = range(600)
    store.accept([message(n, b"<buyer %d>" % n + bytes(1_500)) for n in those], OLD)
    store.accept([message(n, b"<other %d>" % n + bytes(1_500)) for n in those], OLD)
    with store.transaction("hub") as cursor:
        cursor.execute("UPDATE lanes SET applied_upto = 600")
    assert expiry.expire(store, NOW, 30).bodies == 2 * len(those)
    store.close()
    made = backup.backup(sqlite_home, tmp_path / "backups")
    for folder in (sqlite_home.data, made.folder):
        written = b"".join(path.read_bytes() for path in folder.glob("inbox.db*"))
        assert not [n for n in those if b"<buyer %d>" % n in written]
        left = [n for n in those if b"<other %d>" % n in written]
        assert len(left) < len(those) / 10  # in pages that were full, and shared out between two


def test_what_is_put_off_as_it_is_looked_at_keeps_its_body(sqlite_home):
    """From above the watermark a message goes into the queue: between two looks it is seen in neither."""
    store = homes.open_store(sqlite_home)
    seen(store, NOW)
    troubled = [True]

    def trouble(*asked):
        if troubled.pop() if troubled else False:
            raise Busy("a passing trouble")
        return decode(*asked)

    context = Context(
        store, lambda _: Source("s", "douyin", trouble), Rulebook(), Pseudonyms(b"the pepper of these tests")
    )
    ask = store.query

    def asked(part, sql, *parameters):
        found = ask(part, sql, *parameters)
        if troubled and "FROM todo" in sql:  # as another worker's batch is committed just then
            store.query = ask
            absorb.absorb(context, 10)
        return found

    store.accept([message(1)], OLD)
    store.query = asked
    expiry.expire(store, NOW, 30)
    assert not troubled
    assert bodies(store) == {"m1": True}
    store.close()


def test_bodies_expire_while_messages_are_accepted_and_applied(store, context):
    """Two expiring at once beside the work: nothing is lost, nothing waits without its body."""
    all_of_them = [message(n) for n in range(600)]
    done = threading.Event()

    def accepting():
        for at in range(0, 600, 20):
            store.accept(all_of_them[at : at + 20], OLD)
        done.set()

    def expiring():
        mine = Expiry(store, 30)
        while not done.is_set():
            mine.step(NOW)

    threads = [threading.Thread(target=work) for work in (accepting, expiring, expiring)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        absorb.drain(context, 50)
    absorb.drain(context, 50)
    expiry.expire(store, NOW, 30)
    assert set(bodies(store).values()) == {False}
    assert store.query("hub", "SELECT count(*) FROM orders")[0][0] == 600
    assert store.query("hub", "SELECT count(*) FROM parked")[0][0] == 0


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("accept"), st.integers(0, 30), st.sampled_from([10, 29, 30, 31, 60]), st.booleans()),
        st.tuples(st.just("absorb"), st.integers(1, 4)),
        st.tuples(st.just("expire"), st.integers(0, 40)),
    ),
    max_size=30,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_comes_between_bodies_go_by_the_law(tmp_path_factory, steps):
    """A model: a body is gone exactly if at some expiry its message was applied, not parked, and old enough."""
    home = fresh.hub(tmp_path_factory.mktemp("hub"))
    store = homes.open_store(home)
    source = Source("s", "douyin", decode)
    context = Context(store, lambda _: source, Rulebook(), Pseudonyms(b"the pepper of these tests"))
    worker = Expiry(store, 30)
    came, waiting, gone, parked = {}, [], set(), set()
    for kind, *rest in steps:
        if kind == "accept":
            n, age, bad = rest
            receipt = store.accept([message(n, b"nonsense" if bad else None)], NOW - age * DAY_US)[0]
            assert (receipt == "new") == (n not in came)
            if n not in came:
                came[n] = NOW - age * DAY_US
                waiting.append(n)
                if bad:
                    parked.add(n)
        elif kind == "absorb":
            absorb.absorb(context, rest[0])
            waiting = waiting[rest[0] :]
        else:
            now = NOW + rest[0] * DAY_US
            seen(store, now)
            for _ in range(expiry.AGAIN_AFTER + 1):  # at least one pass from the beginning
                while worker.step(now) is not None:
                    pass
            gone |= {n for n, at in came.items() if n not in waiting and n not in parked and now - at > 30 * DAY_US}
    assert bodies(store) == {f"m{n}": n not in gone for n in came}
    store.close()


# -- a clock that jumps

HOUR_US = DAY_US // 24
AHEAD = 40 * DAY_US


def passed(worker, now):
    """How many bodies one pass drops."""
    bodies = 0
    while dropped := worker.step(now):
        bodies += dropped.bodies
    return bodies


def test_a_clock_that_is_wrong_for_a_while_drops_nothing(store, context):
    store.accept([message(n) for n in range(3)], NOW)
    absorb.drain(context, 100)
    for hours in range(24):  # and each worker anew, as if it had been started again
        assert passed(Expiry(store, 30), NOW + AHEAD + hours * HOUR_US) == 0
    for hours in range(48):
        assert passed(Expiry(store, 30), NOW + DAY_US + hours * HOUR_US) == 0
    assert all(bodies(store).values())


def test_what_is_old_goes_once_the_clock_has_gone_on_for_a_day_after_weeks_without_a_hub(store, context):
    store.accept([message(1)], NOW)
    absorb.drain(context, 100)
    on_again = NOW + 50 * DAY_US
    worker = Expiry(store, 30)
    with structlog.testing.capture_logs() as logs:
        dropped = [passed(worker, on_again + hours * HOUR_US) for hours in range(25)]
    assert dropped == [0] * 24 + [1]
    assert [(line["log_level"], line["days"]) for line in logs] == [("warning", 50.0)]


def test_a_hub_that_is_on_for_some_hours_every_other_week_drops_what_is_old(store, context):
    store.accept([message(1)], NOW)
    absorb.drain(context, 100)
    dropped = [
        passed(Expiry(store, 30), NOW + weeks * 7 * DAY_US + hours * HOUR_US)
        for weeks in (10, 12, 14, 16)
        for hours in range(9)
    ]
    assert dropped == [0] * 26 + [1] + [0] * 9, "eight hours at a time"


def test_who_looks_once_a_day_and_has_no_worker_waits_a_day_only(store, context):
    store.accept([message(1)], NOW)
    absorb.drain(context, 100)
    later = 50 * DAY_US  # and each run some seconds later in the day
    daily = [passed(Expiry(store, 30), NOW + later + n * (DAY_US + 2_000_000)) for n in range(3)]
    assert daily == [0, 1, 0]


def test_somebody_may_vouch_for_the_clock(store, context):
    store.accept([message(1)], NOW)
    absorb.drain(context, 100)
    expiry.vouch(store, NOW + 50 * DAY_US)
    assert expiry.expire(store, NOW + 50 * DAY_US, 30).bodies == 1


def test_a_clock_that_went_back_is_waited_for_anew(store, context):
    store.accept([message(1)], OLD)
    absorb.drain(context, 100)
    worker = Expiry(store, 30)
    assert [passed(worker, NOW + AHEAD + hours * HOUR_US) for hours in range(20)] == [0] * 20
    assert [passed(worker, NOW + hours * HOUR_US) for hours in range(25)] == [0] * 24 + [1]


def test_workers_whose_clocks_are_far_apart_drop_nothing(store, context):
    store.accept([message(1)], OLD)
    absorb.drain(context, 100)
    right, wrong = Expiry(store, 30), Expiry(store, 30)
    assert passed(wrong, NOW + AHEAD) == 0
    for hours in range(72):
        assert passed(right, NOW + hours * HOUR_US) == 0
        assert passed(wrong, NOW + AHEAD + hours * HOUR_US) == 0
    assert all(bodies(store).values())


def test_a_clock_that_jumps_in_the_middle_of_a_pass_drops_what_was_old_when_it_began(store, context, monkeypatch):
    monkeypatch.setattr(expiry, "LOOK_ROWS", 2)
    store.accept([message(n) for n in range(2)], OLD)
    store.accept([message(n) for n in range(2, 9)], NOW)
    absorb.drain(context, 100)
    worker = Expiry(store, 30)
    assert worker.step(NOW) == expiry.Dropped(2, sum(len(message(n).body) for n in range(2)))
    assert passed(worker, NOW + AHEAD) == 0
    assert sum(bodies(store).values()) == 7


def test_nobody_has_seen_the_clock_of_a_hub_before_its_first_pass(store, context):
    with store.transaction("hub") as cursor:
        cursor.execute("DELETE FROM cursor")
    store.accept([message(1)], OLD)
    absorb.drain(context, 100)
    assert expiry.expire(store, NOW, 30) == expiry.Dropped(0, 0)
    assert expiry.trust(store, NOW).rest == DAY_US
    assert expiry.expire(store, NOW + DAY_US, 30).bodies == 1


# -- told


def test_replaying_what_has_expired_is_refused_with_the_reason(home):
    hub = Hub(home, {"ORDERHUB_PEPPER": "the pepper of these tests"})
    hub.store.accept([message(1)], OLD)
    source = Source("s", "douyin", decode)
    absorb.drain(hub.context._replace(source=lambda _: source), 10)
    with pytest.raises(UserMistake, match="not parked"):
        hub.replay([1])
    seen(hub.store, NOW)
    expiry.expire(hub.store, NOW, 30)
    with pytest.raises(UserMistake, match="expired") as told:
        hub.replay([1])
    assert "raw_days" in str(told.value)
    hub.close()


def test_a_worker_expires_by_itself(home, monkeypatch):
    monkeypatch.setattr("orderhub_core.entry.worker.EXPIRE_EVERY_S", 0.6)
    monkeypatch.setattr(expiry, "AGAIN_AFTER", 1)  # the first pass may come before the message is applied
    (home.data / "orderhub.toml").write_text("[limits]\nraw_days = 3\n")
    hub = Hub(home, {"ORDERHUB_PEPPER": "the pepper of these tests"})
    source = Source("s", "douyin", decode)
    hub.__dict__["context"] = hub.context._replace(source=lambda _: source)
    hub.store.accept([message(1)], OLD)
    seen(hub.store, time.time_ns() // 1_000)
    worker = Worker(hub)
    worker.start()
    gone = threading.Event()
    for _ in range(200):
        if bodies(hub.store) == {"m1": False}:
            gone.set()
            break
        worker.stopping.wait(0.05)
    worker.stop()
    hub.close()
    assert gone.is_set()
