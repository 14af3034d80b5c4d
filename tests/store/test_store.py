"""The five verbs on all three homes, migrations, and the log that cannot be changed unnoticed."""

import os
import signal
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import sqlalchemy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orderhub_core.errors import Stop, StoreMissing, Unreachable, UserMistake
from orderhub_core.model import RawMessage
from orderhub_core.store import chain, copying, homes, schema, sessions, statements
from orderhub_core.store import sqlite as sqlite_store
from orderhub_core.store.homes import Home
from orderhub_core.store.jetstream import JetStreamStore
from orderhub_core.store.lanes import Overtaken
from orderhub_core.store.unit import Finished, Requeued, Withdrawal, Writes

NOW = 1_700_000_000_000_000


@pytest.fixture
def postgres_home(postgres_server, tmp_path):
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {(name := f'dead{time.time_ns()}')}")
    made = Home(tmp_path / "data", postgres_server.replace("/postgres?", f"/{name}?"))
    homes.init(made)
    return made


@pytest.fixture
def store(any_home):
    opened = homes.open_store(any_home)
    yield opened
    opened.close()


def message(n, body=b"{}", source="shop-1"):
    return RawMessage(source, f"m{n}", "order", body, key="one lane for all")


def nothing(claim):
    """What a batch writes that changes no order."""
    writes = Writes()
    writes.next_order_id = claim.next_order_id
    return writes


def told(store, *receipts):
    """What a home answers: a cluster before the database learns of a contradiction only when it is applied."""
    late = isinstance(store, JetStreamStore)
    return ["new" if late and receipt == "conflict" else receipt for receipt in receipts]


def test_since_when_something_waits_is_told_of_the_oldest_of_all_lanes(store):
    assert store.waits_since() is None
    for n in range(1, 9):
        store.accept([RawMessage("shop-1", f"m{n}", "order", b"{}", key=f"A{n}")], NOW + n)
    since = store.waiting()[1] if isinstance(store, JetStreamStore) else NOW + 1  # a cluster tells by its own clock
    assert store.waits_since() == since
    while claim := store.claim(1_000, NOW):
        store.commit(claim, nothing(claim))
    assert store.waits_since() is None


def settle(store):
    """Apply all that waits, changing no order."""
    while claim := store.claim(1_000, NOW):
        store.commit(claim, nothing(claim))


@pytest.mark.postgres
def test_a_database_that_does_not_write_to_disk_before_it_answers_is_told(postgres_home, monkeypatch):
    """The server is all tests': what it says of itself is changed on its way to us."""
    store = homes.open_store(postgres_home)
    assert store.doubts() == []
    ask = store.query
    reads = "(SELECT name, CASE name WHEN 'fsync' THEN 'off' ELSE setting END AS setting FROM pg_settings) AS told"
    monkeypatch.setattr(store, "query", lambda part, sql, *of: ask(part, sql.replace("pg_settings", reads), *of))
    (doubt,) = store.doubts()
    assert "fsync is off" in str(doubt)
    store.close()


@pytest.mark.parametrize("part", ["inbox", "hub"])
def test_a_file_that_may_only_be_read_is_told_as_that_and_is_no_message_s_fault(sqlite_home, part):
    store = homes.open_store(sqlite_home)
    with store.transaction(part) as cursor:
        cursor.execute("PRAGMA query_only = ON")  # as a file system mounted so answers
    with pytest.raises(Stop, match=f"the {part} database cannot be read or written"), store.transaction(part) as cursor:
        cursor.execute("DELETE FROM " + {"inbox": "counter", "hub": "cursor"}[part])
    store.close()


def test_a_message_is_new_once_then_a_duplicate_and_a_changed_one_is_a_conflict(store):
    assert store.accept([message(1), message(2)], NOW) == ["new", "new"]
    both = [message(1), message(3), message(2, b"other")]
    assert store.accept(both, NOW) == told(store, "duplicate", "new", "conflict")
    assert store.accept(both, NOW)[:2] == ["duplicate", "duplicate"]
    thrice = [message(4), message(4), message(4, b"other")]
    assert store.accept(thrice, NOW) == told(store, "new", "duplicate", "conflict")
    one = message(5)
    assert store.accept([one, one], NOW) == ["new", "duplicate"]
    settle(store)
    assert [row[0] for row in store.query("inbox", "SELECT message_id FROM inbox ORDER BY id")] == [
        "m1",
        "m2",
        "m3",
        "m4",
        "m5",
    ]
    conflicts = [
        (row[0], bytes(row[1])) for row in store.query("inbox", "SELECT message_id, body FROM conflict ORDER BY 1")
    ]
    assert conflicts == [("m2", b"other"), ("m4", b"other")]


def test_the_same_id_at_another_source_is_another_message(store):
    assert store.accept([message(1), message(1, source="shop-2")], NOW) == ["new", "new"]


def test_claims_come_in_order_of_arrival_and_stay_until_committed(store):
    store.accept([message(n) for n in range(5)], NOW)
    claim = store.claim(3, NOW)
    assert [m.message_id for m in claim.messages] == ["m0", "m1", "m2"]
    store.release(claim)
    claim = store.claim(3, NOW)
    assert [m.message_id for m in claim.messages] == ["m0", "m1", "m2"]
    store.commit(claim, nothing(claim))
    claim = store.claim(3, NOW)
    assert [m.message_id for m in claim.messages] == ["m3", "m4"]
    store.release(claim)
    assert store.waiting()[0] == 2


def outbox(store, *keys, due=NOW):
    with store.transaction("hub") as cursor:
        for key in keys:
            row = (key, 1, "wms", "{}", "waiting", 0, 0, due, None, "", NOW, None, "", None)
            cursor.execute(store.sql(statements.insert("outbox")), row)


def test_a_leased_effect_is_nobody_elses_until_the_lease_runs_out(store):
    outbox(store, "a", "b")
    mine = store.lease(now=NOW, until=NOW + 10, owner="me", limit=10)
    assert {leased.key for leased in mine} == {"a", "b"}
    assert store.lease(now=NOW + 5, until=NOW + 15, owner="you", limit=10) == []
    yours = store.lease(now=NOW + 10, until=NOW + 20, owner="you", limit=10)
    assert {leased.key for leased in yours} == {"a", "b"}
    store.finish([Finished(mine[0], "done", NOW, "")], owner="me", now=NOW + 11)
    states = dict(store.query("hub", "SELECT key, state FROM outbox"))
    assert states == {"a": "leased", "b": "leased"}, "a result after the lease was lost must not count"
    store.finish([Finished(leased, "done", NOW, "") for leased in yours], owner="you", now=NOW + 12)
    assert set(dict(store.query("hub", "SELECT key, state FROM outbox")).values()) == {"done"}


def test_what_is_due_sooner_is_leased_sooner_whether_it_waits_or_its_lease_ran_out(store):
    outbox(store, "second", due=NOW - 2)
    store.lease(now=NOW, until=NOW + 10, owner="killed", limit=10)
    outbox(store, "third", due=NOW - 1)
    outbox(store, "first", due=NOW - 3)
    at = NOW + 20
    leased = [store.lease(now=at, until=at + 10, owner="me", limit=1)[0].key for _ in range(3)]
    assert leased == ["first", "second", "third"]


def test_no_more_is_leased_than_was_asked_for_however_the_database_plans_it(store):
    outbox(store, "a")
    with store.transaction("hub") as cursor:
        cursor.execute("ANALYZE outbox")  # PostgreSQL now joins it with itself row by row
    outbox(store, "b", "c", "d", "e")
    assert len(store.lease(now=NOW, until=NOW + 10, owner="me", limit=1)) == 1
    assert len(store.lease(now=NOW, until=NOW + 10, owner="me", limit=3)) == 3


def test_a_replaced_effect_is_not_closed_by_the_older_ones_result(store):
    outbox(store, "a")
    (leased,) = store.lease(now=NOW, until=NOW + 10, owner="me", limit=1)
    with store.transaction("hub") as cursor:
        row = ("a", 1, "wms", '{"newer":1}', "waiting", 0, 0, NOW, None, "", NOW, None, "", None)
        cursor.execute(store.sql(statements.insert("outbox") + statements.REPLACE), row)
    store.finish([Finished(leased, "done", NOW, "")], owner="me", now=NOW)
    assert store.query("hub", "SELECT state, payload FROM outbox") == [("waiting", '{"newer":1}')]


def test_turned_away_deliveries_are_counted(store):
    for _ in range(3):
        store.count("shop-1", "bad_signature")
    assert store.pulse(NOW).refused_signatures == 3


def log_rows(count, lanes):
    """That many entries in each lane, and the heads of the chains."""
    heads, rows = chain.starts(lanes), []
    for seq in range(1, count * lanes + 1):
        lane = (seq - 1) % lanes
        fields = (seq, 1, "order.placed", NOW, NOW, "", "", "applied", "shop-1", seq, "")
        heads[lane] = chain.Head(seq, chain.link(heads[lane].hash, fields))
        rows.append((*fields, heads[lane].hash))
    return rows, heads


def write_log(store, count):
    rows, heads = log_rows(count, store.lanes)
    with store.transaction("hub") as cursor:
        cursor.executemany(store.sql(statements.insert("log")), rows)
        cursor.executemany(
            store.sql("UPDATE lanes SET log_seq = ?, log_hash = ? WHERE lane = ?"),
            [(head.seq, head.hash, lane) for lane, head in enumerate(heads)],
        )


def test_many_new_effects_and_many_renewed_ones_go_in_together(store):
    """Both kinds meet rows of one table: what waits of one is not written with the other."""
    store.accept([message(1)], NOW)
    claim = store.claim(10, NOW)
    writes = nothing(claim)

    def effect(number, payload, generation=0):
        return (f"k{number:03}", 1, "w", payload, "waiting", generation, 0, 0, None, "", 0, None, "", None)

    writes.new["outbox"] += [effect(number, "first") for number in range(30)]
    writes.latest_effects += [effect(number, "newest") for number in range(40, 70)]
    writes.renewed_effects += [effect(number, "renewed") for number in range(20, 60)]
    store.commit(claim, writes)
    found = dict(store.query("hub", "SELECT key, payload || generation FROM outbox"))
    assert found == {
        f"k{number:03}": "first0" if number < 20 else "renewed0" if number < 60 else "newest0" for number in range(70)
    }


def test_a_plan_made_on_another_history_is_not_committed(store):
    """As many commits lie behind both; a hub restored meanwhile is one."""
    store.accept([message(1)], NOW)
    claim = store.claim(10, NOW)
    with pytest.raises(Overtaken):
        store.commit(claim._replace(state=b"x" * 32), nothing(claim))
    settle(store)
    assert store.waiting() == (0, None)


def test_many_lines_of_new_orders_are_not_retired_with_those_of_others(store):
    """A home may copy what is new before it retires what is old."""
    fields = ("HOODIE", "", "", 1, 0, None, "", None)

    def live():
        found = store.query("hub", "SELECT order_id, count(*) FROM lines WHERE deleted_at IS NULL GROUP BY order_id")
        return dict(found)

    for number, (old, new) in enumerate([((), range(1, 41)), (range(1, 31), range(41, 71))], start=1):
        store.accept([message(number)], NOW)
        claim = store.claim(10, NOW)
        writes = nothing(claim)
        writes.retired_lines += [(NOW, order) for order in old]
        writes.upserts["lines"] += [(order, 2, *fields) for order in old]
        writes.inserts["lines"] += [(order, line, *fields) for order in new for line in (1, 2)]
        store.commit(claim, writes)
    assert live() == {order: 1 if order <= 30 else 2 for order in range(1, 71)}


def test_the_log_refuses_changes(store):
    write_log(store, 3)
    for statement in ("UPDATE log SET event = 'x'", "DELETE FROM log"):
        with pytest.raises((sqlite3.Error, psycopg.Error), match="append-only"), store.transaction("hub") as cursor:
            cursor.execute(statement)
    assert store.verify_log().broken_seq is None


@pytest.mark.parametrize(
    ("tamper", "broken"),
    [
        ("UPDATE log SET after = 'paid' WHERE seq = 3", 3),
        ("DELETE FROM log WHERE seq = 2", 2),
        ("DELETE FROM log WHERE seq = 5", 5),
        ("UPDATE log SET seq = seq + 1600 WHERE seq = 4", 4),
        (
            "INSERT INTO log SELECT {next}, order_id, event, occurred_at, recorded_at, before, after, outcome,"
            " source, message, detail, hash FROM log WHERE seq = 5",
            None,
        ),
    ],
)
def test_tampering_is_named_by_its_first_broken_entry(store, any_home, tamper, broken):
    write_log(store, 5)
    with store.transaction("hub") as cursor:
        if any_home.database:
            cursor.execute("ALTER TABLE log DISABLE TRIGGER ALL")
        else:
            cursor.execute("DROP TRIGGER log_no_update")
            cursor.execute("DROP TRIGGER log_no_delete")
        cursor.execute(tamper.format(next=5 * store.lanes + 1))
    assert store.verify_log().broken_seq == (broken or 5 * store.lanes + 1)


def test_migrating_twice_changes_nothing_and_the_tables_are_those_declared(any_home):
    homes.init(any_home)
    assert homes.outdated(any_home) == []
    assert schema.differences(any_home) == []


def test_an_index_of_what_is_computed_that_is_not_as_declared_is_found(any_home):
    other = "CREATE INDEX ix_orders_shelf ON orders ((order_id / 7), substr(buyer_key, 1, 8))"
    for changes in (["DROP INDEX ix_orders_shelf"], [other]):
        with schema.connection(any_home, "hub") as connection:
            for change in changes:
                connection.execute(sqlalchemy.text(change))
            connection.commit()
        assert "ix_orders_shelf" in str(schema.differences(any_home))


def test_a_buyers_orders_are_found_on_every_shelf_and_nobody_elses(store):
    ours, alike, other = "a" * 32, "a" * 31 + "b", "b" * 32
    bought = {1: ours, 2: alike, 65_535: ours, 65_536: ours, 70_000: other, 300_000: ours, 300_001: ""}
    empty = dict.fromkeys(statements.columns("orders"), "") | {"paid_minor": 9, "facts": "{}", "decided": 0}
    amounts = ["total_minor", "freight_minor", "discount_minor", "item_count", "contradictions", "changed_version"]
    unknown = [name for name in empty if name.endswith(("_at", "_digest"))]
    empty |= dict.fromkeys(amounts, 9) | dict.fromkeys(unknown)
    with store.transaction("hub") as cursor:
        for order_id, key in bought.items():
            row = empty | {"order_id": order_id, "order_no": f"{order_id}", "buyer_key": key, "paid_at": order_id}
            cursor.execute(store.sql(statements.insert("orders")), list(row.values()))
    cases = [{ours}, {ours, other}, {alike}, {"c" * 32}, set()]
    for keys in cases:
        assert sorted(row[:2] for row in store.purchase_rows(keys)) == [one for one in bought.items() if one[1] in keys]
    assert sorted(row[0] for row in store.purchase_rows()) == [order_id for order_id, key in bought.items() if key]


def test_a_missing_hub_is_told(tmp_path):
    with pytest.raises(StoreMissing, match="orderhub db init"):
        homes.open_store(Home(tmp_path))


def test_a_wrong_address_is_told_without_its_password(tmp_path):
    with pytest.raises(UserMistake, match="postgresql://"):
        homes.init(Home(tmp_path, "mysql://root:secret@host/db"))
    with pytest.raises(Unreachable) as told:
        homes.init(Home(tmp_path, "postgresql://someone:secret@127.0.0.1:1/none"))
    assert "secret" not in str(told.value)


@pytest.mark.postgres
def test_an_empty_database_is_told(postgres_server):
    store = homes.open_store(Home(None, postgres_server))
    with pytest.raises(StoreMissing, match="db init"):
        store.claim(1, NOW)
    store.close()


def test_a_locked_database_loses_nothing_and_says_so(sqlite_home):
    from orderhub_core.errors import Busy
    from orderhub_core.store import sqlite

    store = homes.open_store(sqlite_home)
    store.accept([message(1)], NOW)
    rival = sqlite.connect(sqlite_home.data / "inbox.db", writer=True)
    rival.execute("BEGIN IMMEDIATE")
    store._writer("inbox").execute("PRAGMA busy_timeout = 50")
    with pytest.raises(Busy, match="nothing was lost"):
        store.accept([message(2)], NOW)
    rival.execute("ROLLBACK")
    rival.close()
    assert store.accept([message(2)], NOW) == ["new"]
    store.close()


@pytest.mark.postgres
class TestDeadConnections:
    """PostgreSQL restarts, or an administrator ends our connections: told as Unreachable, healed by the next call."""

    @pytest.fixture
    def store(self, postgres_home):
        opened = homes.open_store(postgres_home)
        yield opened
        opened.close()

    @staticmethod
    def end_all(store):
        with psycopg.connect(store.url, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    @pytest.mark.parametrize("step", ["claim", "commit", "release", "query", "transaction"])
    def test_every_verb_survives(self, store, step):
        store.accept([message(1)], NOW)
        claim = store.claim(1, NOW)
        writes = Writes()
        if step == "claim":
            store.release(claim)

        def in_a_transaction():
            with store.transaction("hub") as cursor:
                self.end_all(store)
                cursor.execute("SELECT 1")

        self.end_all(store)
        if step == "release":
            store.release(claim)
        else:
            failing = {
                "claim": lambda: store.claim(1, NOW),
                "commit": lambda: store.commit(claim, writes),
                "query": lambda: [store.progress() for _ in range(2)],
                "transaction": in_a_transaction,
            }[step]
            with pytest.raises(Unreachable, match="nothing was lost"):
                failing()
            store.release(claim)
        for _ in range(3):
            assert store.progress().commits == 0
        again = store.claim(1, NOW)
        assert [m.message_id for m in again.messages] == ["m1"]
        store.commit(again, writes)
        assert store.waiting()[0] == 0

    def test_many_threads_share_few_connections(self, store):
        with ThreadPoolExecutor(40) as threads:
            assert sum(threads.map(lambda _: store.query("hub", "SELECT 1, pg_sleep(0.01)")[0][0], range(200))) == 200
        ours = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND backend_type = 'client backend'"
        )
        assert store.query("hub", ours)[0][0] <= 8

    def test_two_threads_of_one_process_never_hold_one_claim(self, store):
        store.accept([message(1)], NOW)
        claim = store.claim(1, NOW)
        with ThreadPoolExecutor(1) as other:
            assert other.submit(store.claim, 1, NOW).result() is None
            other.submit(store.release, claim).result()  # not its own: nothing happens
            assert other.submit(store.claim, 1, NOW).result() is None
            store.release(claim)
            theirs = other.submit(store.claim, 1, NOW).result()
            assert theirs is not None
            other.submit(store.release, theirs).result()


def park_one(store):
    store.accept([message(1)], NOW)
    claim = store.claim(1, NOW)
    parking = nothing(claim)
    parking.upserts["parked"] = [(claim.messages[0].id, "shop-1", "m1", "unreadable", NOW, None, None, None)]
    store.commit(claim, parking)
    assert store.waiting()[0] == 0
    return claim.messages[0].id


def test_a_parked_message_is_requeued_once_and_claimed_again(store):
    parked = park_one(store)
    assert [m.message_id for m in store.requeue([parked, 12345])] == ["m1"]
    assert store.requeue([parked]) == []
    assert store.waiting() == (1, NOW)
    assert store.waiting_of([parked]) == 1
    claim = store.claim(10, NOW)
    assert [(m.id, m.body) for m in claim.messages] == [(parked, b"{}")]
    store.commit(claim, nothing(claim))
    assert store.waiting()[0] == 0
    assert store.claim(10, NOW) is None


def test_a_message_put_off_is_not_claimed_before_its_time(store):
    store.accept([message(1), message(2)], NOW)
    claim = store.claim(10, NOW)
    writes = nothing(claim)
    writes.requeued = [Requeued(claim.lane, claim.messages[0].id, attempts=2, next_at=NOW + 5)]
    store.commit(claim, writes)
    assert store.waiting()[0] == 1
    assert store.claim(10, NOW + 4) is None
    again = store.claim(10, NOW + 5)
    assert [m.message_id for m in again.messages] == ["m1"]
    assert dict(again.attempts) == {again.messages[0].id: 2}
    store.release(again)


def test_what_the_queue_names_and_the_inbox_has_lost_stands_in_nobodys_way(store):
    lost = park_one(store)
    store.accept([message(9)], NOW)
    settle(store)
    store.requeue([lost])
    with store.transaction("inbox") as cursor:
        cursor.execute(f"DELETE FROM inbox WHERE id = {lost}")
    store.accept([message(n) for n in (2, 3)], NOW)
    applied = []
    for _ in range(4):  # one at a time, as a batch that failed is halved
        if claim := store.claim(1, NOW):
            applied += [m.message_id for m in claim.messages]
            store.commit(claim, nothing(claim))
    assert applied == ["m2", "m3"]
    assert store.waiting_of([lost]) == 1  # nobody says that it was applied


@pytest.mark.parametrize("frozen", ["before the commit", "while it claims"])
def test_a_server_that_is_frozen_is_given_up_and_asked_again(postgres_home, monkeypatch, frozen):
    monkeypatch.setattr(sessions, "BATCH_ANSWER_S", 0.5)
    store = homes.open_store(postgres_home)
    store.accept([message(1)], NOW)
    claim = store.claim(10, NOW)
    if frozen == "while it claims":
        store.release(claim)
    stopped = store._claim_connection.info.backend_pid
    os.kill(stopped, signal.SIGSTOP)
    try:
        with pytest.raises(Unreachable):
            store.claim(10, NOW) if frozen == "while it claims" else store.commit(claim, nothing(claim))
    finally:
        os.kill(stopped, signal.SIGCONT)
    while (again := store.claim(10, NOW)) is None:
        time.sleep(0.05)
    assert [m.message_id for m in again.messages] == ["m1"]
    store.commit(again, nothing(again))
    assert store.waiting()[0] == 0
    store.close()


def test_closing_leaves_a_connection_to_whoever_uses_it(sqlite_home, monkeypatch):
    """It would end the process: the library is gone from under the other thread."""
    monkeypatch.setattr(sqlite_store, "CLOSING_S", 0.05)
    store, inside, closed = homes.open_store(sqlite_home), threading.Event(), threading.Event()

    def write():
        with store.transaction("hub") as cursor:
            inside.set()
            assert closed.wait(10)
            return cursor.execute("SELECT 1").fetchall()

    with ThreadPoolExecutor(1) as other:
        written = other.submit(write)
        assert inside.wait(10)
        store.close()
        closed.set()
        assert written.result(10) == [(1,)]
    store.close()


def test_what_another_lane_is_to_apply_is_claimed_there(store):
    if store.lanes == 1:
        pytest.skip("one lane")
    store.accept([message(1)], NOW)
    claim = store.claim(10, NOW)
    elsewhere = (claim.lane + 1) % store.lanes
    writes = nothing(claim)
    writes.requeued = [Requeued(elsewhere, claim.messages[0].id)]
    store.commit(claim, writes)
    again = store.claim(10, NOW)
    assert (again.lane, [m.message_id for m in again.messages]) == (elsewhere, ["m1"])
    store.release(again)


@pytest.mark.parametrize("count", [3, 300, 707])
def test_few_and_many_messages_are_told_new_from_known_alike(store, count):
    assert store.accept([message(n) for n in range(count)], NOW) == ["new"] * count
    mixed = [message(n, b"other" if n % 3 == 0 else b"{}") for n in range(count * 2)]
    known = ["conflict" if n % 3 == 0 else "duplicate" for n in range(count)]
    assert store.accept(mixed, NOW) == told(store, *known, *["new"] * count)
    claim = store.claim(10 * count, NOW)
    assert [m.message_id for m in claim.messages] == [f"m{n}" for n in range(2 * count)]
    store.commit(claim, nothing(claim))
    settle(store)
    against = {row[0] for row in store.query("inbox", "SELECT message_id FROM conflict")}
    assert against == {f"m{n}" for n in range(0, count, 3)}


def test_workers_share_the_lanes_and_none_is_applied_twice(any_home):
    if not any_home.database:
        pytest.skip("one lane")
    one, other = homes.open_store(any_home), homes.open_store(any_home)
    one.accept([RawMessage("shop-1", f"m{n}", "order", b"{}", key=f"A{n}") for n in range(200)], NOW)
    applied = []
    while True:
        claims = [(store, claim) for store in (one, other) if (claim := store.claim(10, NOW))]
        if not claims:
            break
        assert len({claim.lane for _, claim in claims}) == len(claims)
        for store, claim in claims:
            applied += [m.message_id for m in claim.messages]
            store.commit(claim, nothing(claim))
    assert sorted(applied) == sorted(f"m{n}" for n in range(200))
    one.close()
    other.close()


@pytest.mark.postgres
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))),
    st.lists(st.integers(-(1 << 63), (1 << 63) - 1)),
)
def test_a_list_reaches_postgresql_as_it_is(postgres_server, texts, numbers):
    with psycopg.connect(postgres_server) as connection:
        written = (copying.array(texts), copying.array(numbers))
        assert connection.execute("SELECT %s::text[], %s::int8[]", written).fetchone() == (texts, numbers)


@pytest.mark.postgres
def test_a_rolled_back_copy_does_not_spoil_its_connection(postgres_home):
    """The temporary tables of a transaction go with it."""
    store = homes.open_store(postgres_home)
    many = [message(n) for n in range(300)]
    with pytest.raises(psycopg.Error):
        store.accept([*many, RawMessage("shop-1", "m", "a\0kind", b"")], NOW)
    assert store.accept(many, NOW) == ["new"] * 300

    claim = store.claim(1_000, NOW)
    writes = nothing(claim)
    writes.upserts["parked"] = [(m.id, m.source, m.message_id, "reason", NOW, None, None, None) for m in claim.messages]
    writes.upserts["reviews"] = [("no such column count",)]
    with pytest.raises(psycopg.Error):
        store.commit(claim, writes)
    claim = store.claim(1_000, NOW)
    writes = nothing(claim)
    writes.upserts["parked"] = [(m.id, m.source, m.message_id, "reason", NOW, None, None, None) for m in claim.messages]
    store.commit(claim, writes)
    assert store.waiting()[0] == 0
    store.close()


@pytest.mark.postgres
def test_two_who_take_in_the_same_messages_in_opposite_orders_never_deadlock(postgres_home):
    one, other = homes.open_store(postgres_home), homes.open_store(postgres_home)
    with ThreadPoolExecutor(2) as threads:
        for turn, count in enumerate((150, 400, 150, 400)):
            there = [message(turn * 1_000 + n) for n in range(count)]
            told = list(threads.map(lambda pair: pair[0].accept(pair[1], NOW), [(one, there), (other, there[::-1])]))
            assert sorted(told[0] + told[1]) == ["duplicate"] * count + ["new"] * count
    one.close()
    other.close()


@pytest.mark.postgres
def test_a_give_back_of_several_effects_and_a_commit_that_touches_them_otherwise_never_deadlock(postgres_home):
    """A commit renews `b` before it withdraws `a`, whatever their names; meanwhile both are given back."""
    absorbing, dispatching = homes.open_store(postgres_home), homes.open_store(postgres_home)
    outbox(absorbing, "a", "b")
    leased = sorted(dispatching.lease(now=NOW, until=NOW + 10, owner="me", limit=10))
    back = [Finished(one, "waiting", NOW, "given back", tried=False) for one in leased]
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with ThreadPoolExecutor(1) as other:
        with absorbing.transaction("hub") as cursor:
            cursor.execute("UPDATE outbox SET note = 'renewed' WHERE key = 'b'")
            given_back = other.submit(dispatching.finish, back, owner="me", now=NOW)
            deadline = time.monotonic() + 30
            while not absorbing.query("hub", waits)[0][0]:
                assert time.monotonic() < deadline, "nobody waits for the row that we hold"
                time.sleep(0.01)
            cursor.execute("UPDATE outbox SET note = 'withdrawn' WHERE key = 'a'")
        given_back.result(30)
    rows = absorbing.query("hub", "SELECT key, state, note FROM outbox ORDER BY key")
    assert rows == [("a", "waiting", "withdrawn"), ("b", "waiting", "given back")]
    absorbing.close()
    dispatching.close()


@pytest.mark.postgres
def test_a_commit_comes_to_the_effects_that_it_changes_in_one_order_whatever_it_does_to_them(postgres_home):
    """It renews `b` before it withdraws `a`; while somebody has `a`, `b` is anybody's still."""
    absorbing, dispatching = homes.open_store(postgres_home), homes.open_store(postgres_home)
    outbox(absorbing, "a", "b")
    absorbing.accept([message(1)], NOW)

    def commit():
        claim = absorbing.claim(1, NOW)
        writes = nothing(claim)
        writes.renewed_effects = [("b", 1, "wms", "{1}", "waiting", 0, 0, NOW, None, "", NOW, None, "", None)]
        writes.withdrawn = [Withdrawal("cancelled", 0, "a")]
        absorbing.commit(claim, writes)

    with ThreadPoolExecutor(1) as other:
        with dispatching.transaction("hub") as cursor:
            cursor.execute("UPDATE outbox SET note = 'ours' WHERE key = 'a'")
            committed = other.submit(commit)
            deadline = time.monotonic() + 30
            while not dispatching.query("hub", "SELECT count(*) FROM pg_locks WHERE NOT granted")[0][0]:
                assert time.monotonic() < deadline, "nobody waits for the row that we hold"
                time.sleep(0.01)
            taken = cursor.execute("SELECT key FROM outbox WHERE key = 'b' FOR UPDATE SKIP LOCKED").fetchall()
        committed.result(30)
    assert taken == [("b",)]
    rows = absorbing.query("hub", "SELECT key, state, payload FROM outbox ORDER BY key")
    assert rows == [("a", "withdrawn", "{}"), ("b", "waiting", "{1}")]
    absorbing.close()
    dispatching.close()


@pytest.mark.postgres
def test_dismissing_some_and_trying_the_same_ones_again_never_deadlock(postgres_home):
    """A commit dismisses them by their names, whatever their numbers."""
    dismissing, replaying = homes.open_store(postgres_home), homes.open_store(postgres_home)
    names = ("b", "a")
    with dismissing.transaction("hub") as cursor:
        rows = [(number, "shop", name, "unreadable", NOW, None, None, None) for number, name in enumerate(names, 1)]
        cursor.executemany(dismissing.sql(statements.insert("parked")), rows)
    with ThreadPoolExecutor(1) as other:
        with dismissing.transaction("hub") as cursor:
            said = dismissing.sql(statements.DISMISS)
            cursor.execute(said, ("never mind", "ann", NOW, "shop", "a"))
            taken = other.submit(replaying.requeue, [1, 2])
            deadline = time.monotonic() + 30
            while not dismissing.query("hub", "SELECT count(*) FROM pg_locks WHERE NOT granted")[0][0]:
                assert time.monotonic() < deadline, "nobody waits for the row that we hold"
                time.sleep(0.01)
            cursor.execute(said, ("never mind", "ann", NOW, "shop", "b"))
        assert [row.message_id for row in taken.result(30)] == ["b", "a"]
    assert dismissing.query("hub", "SELECT count(*) FROM parked") == [(0,)]
    dismissing.close()
    replaying.close()


def test_what_holds_names_and_addresses_is_its_owner_s_alone(tmp_path):
    homes.init(made := Home(tmp_path / "data"))
    store = homes.open_store(made)
    store.accept([RawMessage("shop-1", "m1", "order", b"{}")], NOW)
    assert {
        path.name: path.stat().st_mode & 0o077 for path in made.data.glob("*.db*") if path.stat().st_mode & 0o077
    } == {}
    assert (made.data / "inbox.db-wal").exists()
    store.close()
