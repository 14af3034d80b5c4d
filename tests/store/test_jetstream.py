"""The third home: what a real cluster of three servers acknowledges is applied once, whatever happens in between."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from hashlib import blake2b
from itertools import count
from pathlib import Path
from random import Random

import msgspec
import psycopg
import pytest
from nats_cluster import NatsCluster
from small_rules import rulebook, total_from

from orderhub_core.errors import Busy, Unreachable, Unreadable, UserMistake
from orderhub_core.flows.absorb import drain
from orderhub_core.flows.context import Context, Source
from orderhub_core.model import Content, Event, Line, Observation, Person, RawMessage
from orderhub_core.pseudonym import Pseudonyms
from orderhub_core.rules.tree import Rulebook
from orderhub_core.store import homes
from orderhub_core.store._nats import Parcel, Stored
from orderhub_core.store._nats_address import address
from orderhub_core.store._nats_doubts import Told, judged
from orderhub_core.store.homes import Home
from orderhub_core.store.jetstream import init_jetstream, open_jetstream, unbroken

pytestmark = [pytest.mark.jetstream, pytest.mark.postgres]

NOW = 1_700_000_000_000_000
PATIENCE_S = 60.0
_numbers = count()
STRAY = [
    b"hello", b"", b"\x95\xa1s\xa1m\xa1k\x01\xa1b", b"\x95\xa1\xff\xa1m\xa1k\x01\xc4\x00",
    *map(msgspec.msgpack.encode, [("s\0", "m", "k", 1, b"x"), ("s", "m" * 6_000, "k", 1, b"x"),
                                  ("s", "m", "k", 2**63, b"x")]),
]  # fmt: skip
"""What is no message, or none that a database could hold."""


def decode(kind, body):
    try:
        return msgspec.json.decode(body, type=Observation)
    except msgspec.DecodeError as error:
        raise Unreadable(str(error)) from None


def source(name):
    if name == "jetstream":
        raise Unreadable("no shop of that name")
    return Source("shop-1", "douyin", decode)


def message(name, event=Event.PLACED, at=NOW, origin="shop-1", order_no=""):
    order_no = order_no or f"A{name}"
    body = msgspec.json.encode(Observation(order_no, {event.value: at}, at))
    return RawMessage(origin, f"m{name}", "order", body, key=order_no)


def lane_of(message, lanes):
    return zlib.crc32((message.key or message.message_id).encode()) % lanes


def apply(store, limit=100, book=Rulebook()):  # noqa: B008 — frozen
    """What became of each message that this store applied."""
    return drain(Context(store, source, book, Pseudonyms(b"a pepper of some length")), limit)


def rows(store, sql):
    return store.query("inbox", sql)


def until(what, patience_s=PATIENCE_S):
    """The first answer that is true. Failures that pass are waited out."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            if answer := what():
                return answer
        except (Unreachable, Busy):
            pass
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


@pytest.fixture
def database(postgres_server, tmp_path):
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {(name := f'jet{next(_numbers)}_{time.time_ns()}')}")
    url = postgres_server.replace("/postgres?", f"/{name}?")
    homes.init(Home(tmp_path / "data", url))
    return url


@pytest.fixture
def store(database, jetstream_inbox):
    with closing(open_jetstream(database, jetstream_inbox)) as opened:
        yield opened


class TestReceiving:
    def test_a_message_is_new_once_then_a_duplicate(self, store):
        assert store.accept([message(1), message(2)], NOW) == ["new", "new"]
        assert store.accept([message(1), message(3), message(3)], NOW) == ["duplicate", "new", "duplicate"]
        assert store.waiting()[0] == 3
        assert len(apply(store)) == 3
        assert store.accept([message(1)], NOW) == ["duplicate"]
        assert store.waiting() == (0, None)

    def test_nothing_of_a_message_is_changed_on_its_way(self, store):
        odd = RawMessage("shop/一 ", " id\n\tof: 单 ", "order", bytes(range(256)))
        store.accept([odd], NOW)
        apply(store)
        kept = rows(store, "SELECT source, message_id, kind, received_at, body FROM inbox")
        assert kept == [(odd.source, odd.message_id, "order", NOW, odd.body)]

    def test_the_same_id_at_another_source_is_another_message(self, store):
        assert store.accept([message(1), message(1, origin="shop-2")], NOW) == ["new", "new"]
        assert len(apply(store)) == 2

    def test_a_repetition_that_the_cluster_has_forgotten_is_dropped_when_applied(self, database, jetstream_cluster):
        inbox = jetstream_cluster.url("short", window_s=1)
        init_jetstream(inbox)
        with closing(open_jetstream(database, inbox)) as store:
            store.accept([message(1)], NOW)
            assert apply(store) == {("shop-1", "m1"): "imported"}
            until(lambda: store.accept([message(1)], NOW) == ["new"])
            assert store.waiting()[0] == 1
            assert apply(store) == {}
            assert store.waiting()[0] == 0
            assert rows(store, "SELECT count(*) FROM inbox") == [(1,)]
        jetstream_cluster.forget("short")

    def test_the_same_id_with_another_body_is_recorded_as_a_conflict_and_changes_nothing(self, store):
        store.accept([message(1)], NOW)
        store.accept([message(1, Event.PAID)], NOW)
        apply(store)
        store.accept([message(1, Event.SHIPPED)], NOW)
        apply(store)
        bodies = {bytes(body) for (body,) in rows(store, "SELECT body FROM conflict")}
        assert bodies == {message(1, Event.PAID).body, message(1, Event.SHIPPED).body}
        assert rows(store, "SELECT body FROM inbox") == [(message(1).body,)]
        assert rows(store, "SELECT payment FROM orders") == [("unpaid",)]

    def test_accepting_goes_on_while_the_database_is_away(self, store, jetstream_inbox):
        with closing(open_jetstream("postgresql://nobody@127.0.0.1:1/none", jetstream_inbox)) as cut_off:
            assert cut_off.accept([message(1)], NOW) == ["new"]
            cut_off.ready_to_accept()
        assert apply(store) == {("shop-1", "m1"): "imported"}

    def test_a_message_too_large_for_the_cluster_goes_through_the_database(self, store):
        large = RawMessage("shop-1", "large", "order", b"{" + b" " * 2_000_000)
        assert store.accept([message(1), large, message(2)], NOW) == ["new", "new", "new"]
        assert store.accept([large], NOW) == ["duplicate"]
        assert store.waiting()[0] == 3
        assert apply(store)["shop-1", "large"] == "parked"
        assert rows(store, "SELECT count(*) FROM inbox") == [(3,)]

    def test_a_full_lane_refuses_and_drops_nothing(self, database, jetstream_cluster):
        inbox = jetstream_cluster.url("small", max_bytes=16 * 20_000)
        init_jetstream(inbox)
        with closing(open_jetstream(database, inbox)) as store:
            taken = []
            with pytest.raises(Busy, match="no room"):
                for number in range(10_000):
                    store.accept([message(number)], NOW)
                    taken.append(f"m{number}")
            assert len(taken) > 100
            apply(store)
            assert store.accept([message(0, origin="shop-2")], NOW) == ["new"]
            stored = {name for (name,) in rows(store, "SELECT message_id FROM inbox")}
            assert stored >= set(taken)
        jetstream_cluster.forget("small")


class TestApplying:
    def test_messages_of_a_lane_are_applied_in_the_order_of_their_arrival(self, store):
        sent = [message(number) for number in range(300)]
        for at in range(0, 300, 50):
            store.accept(sent[at : at + 50], NOW)
        apply(store, limit=7)
        applied = [name for (name,) in rows(store, "SELECT message_id FROM inbox ORDER BY id")]
        lanes = store.cluster.address.lanes
        for lane in range(lanes):
            ours = [m.message_id for m in sent if lane_of(m, lanes) == lane]
            assert [name for name in applied if name in set(ours)] == ours

    def test_what_the_database_had_taken_in_before_is_applied_too(self, store, database):
        with closing(homes.open_store(Home(Path(), database))) as before:
            before.accept([message(1)], NOW)
        store.accept([message(2)], NOW)
        assert store.waiting()[0] == 2
        assert set(apply(store)) == {("shop-1", "m1"), ("shop-1", "m2")}

    def test_a_message_that_did_not_tell_its_order_is_applied_by_the_order_s_own_lane(self, store):
        told = [message(f"told{number}", order_no=f"A{number}") for number in range(20)]
        untold = [msgspec.structs.replace(message(f"un{n}", Event.PAID, order_no=f"A{n}"), key="") for n in range(20)]
        store.accept(told + untold, NOW)
        apply(store)
        assert rows(store, "SELECT count(*) FROM orders WHERE payment = 'paid'") == [(20,)]
        assert store.waiting()[0] == 0
        assert store.verify_log().broken_seq is None

    def test_two_workers_apply_each_message_once(self, database, jetstream_inbox):
        with (
            closing(open_jetstream(database, jetstream_inbox)) as one,
            closing(open_jetstream(database, jetstream_inbox)) as two,
        ):
            one.accept([message(number) for number in range(400)], NOW)
            with ThreadPoolExecutor(2) as threads:
                until(lambda: sum(map(len, threads.map(lambda s: apply(s, 20), (one, two)))) == 0)
            assert one.waiting()[0] == 0
            assert rows(one, "SELECT count(*), count(DISTINCT message_id) FROM inbox") == [(400, 400)]
            assert rows(one, "SELECT count(*) FROM log WHERE event = 'order.placed'") == [(400,)]
            assert one.verify_log().broken_seq is None

    def test_a_claim_given_back_is_claimed_again(self, store, monkeypatch):
        def refused(*_):
            raise Busy("not now")

        store.accept([message(1)], NOW)
        with monkeypatch.context() as patched, pytest.raises(Busy):
            patched.setattr(store, "commit", refused)
            apply(store)
        assert store.waiting()[0] == 1
        assert apply(store) == {("shop-1", "m1"): "imported"}

    @pytest.mark.parametrize("moment", ["before the commit", "after the commit"])
    def test_a_worker_killed_around_its_commit_applies_once(self, store, database, jetstream_inbox, moment):
        store.accept([message(number) for number in range(20)], NOW)
        worker = subprocess.run(
            [sys.executable, Path(__file__).with_name("killed_worker.py"), database, jetstream_inbox, moment],
            timeout=60,
            check=False,
        )
        assert worker.returncode == -signal.SIGKILL
        written = rows(store, "SELECT count(*) FROM inbox")[0][0]
        assert (written > 0) is (moment == "after the commit")
        assert store.waiting()[0] == 20, "the cluster was not told yet"
        until(lambda: apply(store) is not None and store.waiting()[0] == 0)
        assert rows(store, "SELECT count(*), count(DISTINCT message_id) FROM inbox") == [(20, 20)]
        assert rows(store, "SELECT count(*) FROM log WHERE event = 'order.placed'") == [(20,)]

    def test_messages_wait_until_they_are_applied_wherever_they_are(self, store):
        store.accept([message(1), message(2), message(3, origin="shop-2")], NOW)
        assert store.waiting_among("shop-1", ["m1", "m2"]) == 2
        with store.transaction("inbox") as cursor:  # read from the cluster, and put off
            cursor.execute(
                "INSERT INTO inbox (id, source, message_id, kind, received_at, digest, body)"
                " VALUES (100, 'shop-1', 'm9', 'order', 1, '', '')"
            )
            cursor.execute("INSERT INTO todo (lane, id, attempts, next_at) VALUES (0, 100, 0, 0)")
        assert store.waiting_among("shop-1", ["m1", "m2", "m9"]) == 3
        apply(store)
        assert store.waiting_among("shop-1", ["m1", "m2", "m9"]) == 0

    def test_since_when_something_waits_is_not_guessed_where_a_lane_has_no_leader(self, store, monkeypatch):
        """Else an order would be handed over whose shop has answered, in that lane, that it is cancelled."""
        store.accept([message(1)], NOW)
        assert store.waits_since() == store.waiting()[1] is not None
        tells, gone = store.cluster._state, lane_of(message(1), store.cluster.address.lanes)

        async def state(lane):
            return None if lane == gone else await tells(lane)

        monkeypatch.setattr(store.cluster, "_state", state)
        with pytest.raises(Unreachable, match="no leader"):
            store.waits_since()
        monkeypatch.undo()
        apply(store)
        assert store.waits_since() is None

    def test_the_pulse_counts_what_waits_in_the_cluster(self, store):
        store.accept([message(1), message(2)], NOW)
        pulse = store.pulse(time.time_ns() // 1000 + 5_000_000)
        assert (pulse.received, pulse.waiting) == (2, 2)
        assert 4 < pulse.oldest_waiting_s < 60
        apply(store)
        pulse = store.pulse(NOW)
        assert (pulse.received, pulse.waiting, pulse.oldest_waiting_s) == (2, 0, 0.0)


BOOK = rulebook(
    default="hangzhou",
    routing={("many-south", "guangzhou"): total_from(30)},
    gifts={("over-40", "GIFT-1"): total_from(40)},
)
STATE = {
    "hub": (
        "SELECT shop, order_no, placed_at, payment, fulfilment, logistics, headline, total_minor, facts, stated"
        " FROM orders",
        "SELECT shop, order_no, line_no, sku, quantity, price_minor FROM lines JOIN orders USING (order_id)",
        "SELECT DISTINCT order_no, event, occurred_at FROM log JOIN orders USING (order_id)",
        "SELECT source, message_id, reason FROM parked",
        "SELECT order_no, decided, warehouse, warehouse_by FROM orders",
        "SELECT order_no, rule, action, argument, reason FROM decisions JOIN orders USING (order_id)",
        "SELECT key, target, payload, state FROM outbox",
        "SELECT order_no, amount_minor FROM payments JOIN orders USING (order_id)",
    ),
    "inbox": (
        "SELECT source, message_id, digest FROM inbox",
        "SELECT source, message_id, digest FROM conflict",
    ),
}
"""What must be equal on every home; rows have other numbers on each."""


class TestSameAsTheOtherHomes:
    def digest_of(self, store, stream):
        for at in range(0, len(stream), 37):
            store.accept(stream[at : at + 37], NOW)
            if at % 2:
                apply(store, 11, BOOK)
        apply(store, book=BOOK)
        asked = [(part, sql) for part, questions in STATE.items() for sql in questions]
        found = [sorted(map(repr, store.query(part, sql))) for part, sql in asked]
        assert all(found), "every table has something to compare"
        return blake2b(repr(found).encode()).hexdigest()

    def test_the_same_stream_gives_the_same_digest_on_each_home(self, store, fresh_database, tmp_path):
        dice = Random(5)
        stream = []
        for number in range(60):
            content = Content(
                total_minor=number, paid_minor=number, lines=(Line(1, f"SKU{number}"),), person=Person("张", "1", "x")
            )
            for event in (Event.PLACED, Event.PAID, Event.SHIPPED):
                seen = Observation(f"A{number}", {event.value: NOW + number}, NOW, content)
                stream.append(
                    RawMessage("shop-1", f"{number}{event}", "order", msgspec.json.encode(seen), f"A{number}")
                )
        dice.shuffle(stream)
        stream += dice.sample(stream, 40)
        stream += [message("1"), message("1", Event.PAID), RawMessage("shop-1", "odd", "order", b"{")]
        digests = {self.digest_of(store, stream)}
        for number, database in enumerate(["", fresh_database()]):
            home = Home(tmp_path / str(number), database)
            homes.init(home)
            with closing(homes.open_store(home)) as other:
                digests.add(self.digest_of(other, stream))
        assert len(digests) == 1


class TestHoles:
    """A lane's numbers have no holes: what is missing is told, never passed over in silence."""

    @staticmethod
    def lane_with(store, messages):
        """The lane that got most of them."""
        store.accept(messages, NOW)
        lanes = store.cluster.address.lanes
        return max(range(lanes), key=lambda lane: sum(lane_of(m, lanes) == lane for m in messages))

    @pytest.mark.parametrize("place", ["first", "middle"])
    def test_an_acknowledged_message_that_the_cluster_lost_is_parked_with_its_number(
        self, store, jetstream_cluster, place
    ):
        messages = [message(number) for number in range(100)]
        lane = self.lane_with(store, [message(f"before{number}") for number in range(100)])
        apply(store)
        store.accept(messages, NOW)
        stream, state = f"{store.cluster.address.name}-inbox-{lane}", store.cluster.states()[lane]
        gone = state.first if place == "first" else state.first + 2
        jetstream_cluster.ask(lambda jetstream: jetstream.delete_msg(stream, gone))
        outcomes = apply(store)
        (parked,) = rows(store, "SELECT source, message_id FROM parked")
        assert parked[0] == "jetstream"
        assert parked[1].startswith(f"{stream}@") and parked[1].endswith(f":{gone}-{gone}")
        assert len(outcomes) == 100, "99 messages and the note"
        assert store.waiting()[0] == 0
        assert apply(store) == {}

    @pytest.mark.parametrize("stray", STRAY)
    def test_what_somebody_else_puts_there_is_noted_and_holds_nobody_up(self, store, stray):
        store.accept([message(number) for number in range(20)], NOW)
        store.cluster.publish([Parcel(lane, f"stray{lane}", stray) for lane in range(store.cluster.address.lanes)])
        store.accept([message(number) for number in range(20, 40)], NOW)
        assert len(apply(store)) == 40 + store.cluster.address.lanes
        noted = rows(store, "SELECT id FROM parked WHERE source = 'jetstream' AND message_id LIKE '%unreadable'")
        assert len(noted) == store.cluster.address.lanes
        assert all(one.body.endswith(b"somebody else writes there\n" + stray) for one in store.messages([noted[0][0]]))
        assert (store.waiting()[0], apply(store)) == (0, {})

    def test_a_cluster_that_counts_anew_is_told(self, store):
        lane = self.lane_with(store, [message(number) for number in range(40)])
        apply(store)
        with store.transaction("hub") as cursor:  # as if it had applied more than the cluster now remembers
            cursor.execute("UPDATE cursor SET upto = upto + 100")
        again = next(m for n in count(100) if lane_of(m := message(n), store.cluster.address.lanes) == lane)
        store.accept([again], NOW)
        assert apply(store)[again.source, again.message_id] == "imported"
        ((source, name),) = rows(store, "SELECT source, message_id FROM parked")
        assert source == "jetstream" and "again" in name

    def test_a_database_that_is_older_than_what_it_had_applied_is_told_at_its_start(
        self, store, database, jetstream_inbox
    ):
        """As after a restore: of lanes that it knew, and of those that were never used before the backup."""
        store.accept([message(number) for number in range(40)], NOW)
        apply(store)
        used = rows(store, "SELECT name, upto FROM cursor ORDER BY name")
        assert len(used) > 1
        with store.transaction("hub") as cursor:
            cursor.execute("UPDATE cursor SET upto = upto - 1 WHERE name = %s", (used[0][0],))
            cursor.execute("DELETE FROM cursor WHERE name <> %s", (used[0][0],))
        assert apply(store) == {}, "it has looked already"
        with closing(open_jetstream(database, jetstream_inbox)) as again:
            apply(again)
            assert rows(again, "SELECT message_id FROM parked WHERE source = 'jetstream' ORDER BY message_id") == [
                (f"{name}:{upto if name == used[0][0] else 1}-{upto}",) for name, upto in used
            ]
            assert apply(again) == {}
            again.accept([message(number) for number in range(100, 180)], NOW)
            assert len(apply(again)) == 80, "and no note a second time"
        with closing(open_jetstream(database, jetstream_inbox)) as sound:
            assert apply(sound) == {}
        ((least,),) = rows(store, "SELECT min(received_at) FROM inbox")
        assert least >= NOW, "a note has come when it was found"

    def test_a_replica_that_lags_behind_hides_nothing(self, store, monkeypatch):
        store.accept([message(number) for number in range(50)], NOW)
        read = store.cluster.read
        dice = iter([0, 1, 2] * 1000)
        monkeypatch.setattr(store.cluster, "read", lambda *asked: read(*asked)[: next(dice)])
        assert len(apply(store)) == 50
        assert rows(store, "SELECT count(*) FROM parked") == [(0,)]

    def test_only_what_follows_without_a_hole_is_taken(self):
        def stored(*numbers):
            return [Stored(number, b"") for number in numbers]

        assert unbroken(stored(5, 6, 7), 5) == stored(5, 6, 7)
        assert unbroken(stored(5, 6, 8, 9), 5) == stored(5, 6)
        assert unbroken(stored(6, 7), 5) == []
        assert unbroken([], 5) == []


class TestTheCluster:
    def test_making_it_twice_changes_nothing(self, store, jetstream_inbox):
        store.accept([message(1)], NOW)
        init_jetstream(jetstream_inbox)
        assert store.waiting()[0] == 1

    @pytest.mark.parametrize(
        ("asked", "told"),
        [
            ("replicas=1", "num_replicas 3, not 1"),
            ("window_s=60", "duplicate_window"),
            ("lanes=8", "max_bytes|more than 8 lanes"),
        ],
    )
    def test_streams_with_other_settings_are_refused(self, database, jetstream_inbox, asked, told):
        other = f"{jetstream_inbox}&{asked}"
        with pytest.raises(UserMistake, match=told):
            init_jetstream(other)
        with closing(open_jetstream(database, other)) as store, pytest.raises(UserMistake, match=told):
            store.accept([message(1)], NOW)

    def test_an_inbox_that_nobody_made_is_told(self, database, jetstream_cluster):
        with (
            closing(open_jetstream(database, jetstream_cluster.url("nobody"))) as store,
            pytest.raises(UserMistake, match="orderhub db init"),
        ):
            store.accept([message(1)], NOW)

    def test_a_cluster_that_is_not_there_is_told_without_its_password(self, database):
        with (
            closing(open_jetstream(database, "nats://me:secret@127.0.0.1:1/x")) as store,
            pytest.raises(Unreachable, match="nothing was lost") as told,
        ):
            store.accept([message(1)], NOW)
        assert "secret" not in str(told.value)

    def test_every_server_forces_its_disk(self, database, jetstream_cluster):
        ports = ",".join(map(str, jetstream_cluster.monitors))
        with closing(open_jetstream(database, jetstream_cluster.url("x", monitor=ports))) as store:
            assert store.doubts() == []
        with closing(open_jetstream(database, jetstream_cluster.url("x"))) as store:
            (doubt,) = store.doubts()
            assert "monitor=" in str(doubt)


LAZY = b"""{"server_name": "a", "version": "2.10.1", "jetstream": {
    "config": {"sync_interval": 120000000000}, "meta": {"cluster_size": 1}}}"""


def test_what_weakens_an_acknowledgement_is_told():
    sync, size, version = map(str, judged(msgspec.json.decode(LAZY, type=Told), "a", 3))
    assert "sync_interval 120 s" in sync
    assert "1 servers for 3" in size
    assert "NATS 2.10.1" in version
    assert list(map(str, judged(Told(), "a", 3))) == ["a runs without JetStream"]


def test_an_address_is_read_with_all_its_options():
    known = address(
        "nats://me:word@a:4222,b,[::1]:4223/shop_1?replicas=5&lanes=4&window_s=60&monitor=8222&max_bytes=99"
    )
    assert known.servers == ("nats://me:word@a:4222", "nats://me:word@b", "nats://me:word@[::1]:4223")
    assert (known.name, known.replicas, known.lanes, known.window_s) == ("shop_1", 5, 4, 60)
    assert (known.monitors, known.max_bytes) == ((8222,), 99)
    assert address("tls://a").name == "orderhub"
    assert address("nats://a?replicas=1").replicas == 1


@pytest.mark.parametrize(
    "wrong",
    [
        "http://me:secret@a",
        "nats://",
        "me:secret@a:4222",
        "nats://me:secret@a:none",
        "nats://me:secret@a:99999",
        "nats://me:secret@a,,b",
        "nats://me:secret@a/two words",
        "nats://me:secret@a/x?replica=3",
        "nats://me:secret@a/x?replicas=0",
        "nats://me:secret@a/x?replicas=three",
        "nats://me:secret@a/x?monitor=http",
    ],
)
def test_a_wrong_address_is_told_without_its_password(wrong):
    with pytest.raises(UserMistake, match="--inbox") as told:
        address(wrong)
    assert "secret" not in str(told.value)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """One of our own."""
    with NatsCluster(tmp_path_factory.mktemp("killed")) as started:
        yield started


# A server that dies between accepting a connection and its greeting: nats-py goes on to the next one, and the stream
# it had begun with is closed by Python when it is thrown away.
@pytest.mark.filterwarnings("ignore:unclosed <StreamWriter:ResourceWarning")
class TestKilledNodes:
    """kill -9 of real servers."""

    @pytest.fixture(autouse=True)
    def thrown_away(self):
        """Here, and not within whatever test comes next."""
        yield
        gc.collect()

    @pytest.fixture
    def inbox(self, cluster):
        url = cluster.url(f"hub{next(_numbers)}")
        init_jetstream(url)
        yield url
        cluster.thaw()
        cluster.start()

    @pytest.fixture
    def store(self, database, inbox):
        with closing(open_jetstream(database, inbox)) as opened:
            yield opened

    @pytest.mark.parametrize("victim", ["any node", "the leader"])
    def test_one_killed_node_loses_nothing_that_was_acknowledged(self, store, cluster, victim):
        acknowledged = []

        def send(number):
            group = [message(f"{number}-{k}") for k in range(20)]
            store.accept(group, NOW)
            acknowledged.extend(m.message_id for m in group)
            return True

        for number in range(20):
            until(lambda number=number: send(number))
            if number == 10:
                lane = lane_of(message(f"{number + 1}-0"), store.cluster.address.lanes)
                stream = f"{store.cluster.address.name}-inbox-{lane}"
                cluster.kill(cluster.leader(stream) if victim == "the leader" else 2)
        until(lambda: apply(store) is not None and rows(store, "SELECT count(*) FROM inbox") == [(len(acknowledged),)])
        stored = [name for (name,) in rows(store, "SELECT message_id FROM inbox")]
        assert sorted(stored) == sorted(acknowledged)
        assert len(acknowledged) == 400

    def test_without_a_quorum_nothing_is_acknowledged_and_when_it_is_back_all_goes_on(self, store, cluster):
        store.accept([message(number) for number in range(50)], NOW)
        cluster.kill(0, 1)
        with pytest.raises(Unreachable, match="nothing was lost"):
            store.accept([message("late")], NOW)
        cluster.start()
        until(lambda: store.accept([message("late")], NOW))
        # Not until nothing waits: a node that has just come back may not yet know of all that its stream has.
        until(lambda: apply(store) is not None and rows(store, "SELECT count(*) FROM inbox") == [(51,)])
        stored = sorted(name for (name,) in rows(store, "SELECT message_id FROM inbox"))
        assert stored == sorted([*(f"m{number}" for number in range(50)), "mlate"])
        assert until(lambda: store.waiting() == (0, None))

    @pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
    def test_it_is_ready_to_accept_while_a_quorum_is_there(self, store, cluster, how):
        def is_ready():
            try:
                store.ready_to_accept()
            except Unreachable as reason:
                assert "nothing was lost" in str(reason)
                return False
            return True

        assert until(is_ready)
        if how == signal.SIGKILL:
            cluster.kill(0, 1)
        else:
            cluster.freeze(0, 1)
        until(lambda: not is_ready())
        with pytest.raises(Unreachable):
            store.accept([message("late")], NOW)
        cluster.thaw()
        cluster.start()
        assert until(is_ready)

    def test_all_nodes_killed_at_once_lose_nothing_that_was_acknowledged(self, store, cluster):
        for number in range(5):
            store.accept([message(f"{number}-{k}") for k in range(50)], NOW)
        cluster.kill()
        cluster.start()
        until(lambda: apply(store) is not None and rows(store, "SELECT count(*) FROM inbox") == [(250,)])
        assert until(lambda: store.waiting() == (0, None))
