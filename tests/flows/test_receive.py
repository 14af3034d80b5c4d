"""Group commit: one acknowledgement per message on disk, many in one commit, and a full buffer says so at once."""

import threading
import time
from concurrent.futures import wait

import pytest

from orderhub_core.errors import Busy
from orderhub_core.flows.receive import Receiver
from orderhub_core.model import RawMessage
from orderhub_core.store import homes


class Slow:
    """A store whose disk can be held, and which counts commits."""

    def __init__(self):
        self.go, self.entered, self.commits = threading.Event(), threading.Event(), []

    def accept(self, messages, received_at):
        self.entered.set()
        self.go.wait(10)
        if any(message.message_id == "bad" for message in messages):
            raise Busy("disk full")
        if any(message.message_id == "bug" for message in messages):
            raise ValueError("of one message")
        self.commits.append(len(messages))
        return ["new"] * len(messages)


def message(n):
    return RawMessage("shop", str(n), "order", b"{}")


def test_messages_that_wait_share_one_commit_and_nobody_is_answered_before_it():
    store = Slow()
    receiver = Receiver(store, lambda: 1, most_waiting=1_000)
    futures = [receiver.submit([message(0)])]
    assert store.entered.wait(10)
    futures += [receiver.submit([message(n), message(-n)]) for n in range(1, 101)]
    assert not any(future.done() for future in futures)
    store.go.set()
    wait(futures, 10)
    assert [len(future.result()) for future in futures] == [1] + [2] * 100
    assert store.commits == [1, 200]
    receiver.close()


def test_a_full_buffer_refuses_instead_of_keeping_in_memory():
    store = Slow()
    receiver = Receiver(store, lambda: 1, most_waiting=3)
    futures = [receiver.submit([message(1), message(2)])]
    with pytest.raises(Busy) as told:
        receiver.submit([message(3), message(4)])
    assert told.value.after_s
    store.go.set()
    wait(futures, 10)
    assert receiver.submit([message(5), message(6), message(7)]).result(10) == ["new"] * 3
    receiver.close()


def test_a_failed_commit_is_told_to_all_who_waited_and_the_next_one_works():
    store = Slow()
    store.go.set()
    receiver = Receiver(store, lambda: 1, most_waiting=100)
    with pytest.raises(Busy, match="disk full"):
        receiver.submit([message("bad")]).result(10)
    assert receiver.submit([message(1)]).result(10) == ["new"]
    receiver.close()


def test_closing_writes_what_waits():
    store = Slow()
    receiver = Receiver(store, lambda: 1, most_waiting=100)
    futures = [receiver.submit([message(n)]) for n in range(5)]
    threading.Timer(0.1, store.go.set).start()
    receiver.close()
    assert all(future.result(1) == ["new"] for future in futures)


def test_whoever_stops_waiting_does_not_stop_the_writer():
    store = Slow()
    receiver = Receiver(store, lambda: 1, most_waiting=4)
    first = receiver.submit([message(1)])
    assert store.entered.wait(10)
    assert not first.cancel(), "it is being written"
    gone, kept = receiver.submit([message(2), message(3)]), receiver.submit([message(4)])
    assert gone.cancel()
    store.go.set()
    assert (first.result(10), kept.result(10)) == (["new"], ["new"])
    assert store.commits == [1, 1]
    # What was cancelled takes no room.
    assert receiver.submit([message(n) for n in range(10, 14)]).result(10) == ["new"] * 4
    receiver.close()


def test_one_delivery_that_cannot_be_written_does_not_hold_up_the_others():
    store = Slow()
    receiver = Receiver(store, lambda: 1, most_waiting=100)
    first = receiver.submit([message(0)])
    assert store.entered.wait(10)
    futures = [receiver.submit([message(n)]) for n in (1, "bug", 2)]
    store.go.set()
    assert [futures[n].result(10) for n in (0, 2)] == [["new"], ["new"]]
    with pytest.raises(Busy, match="ValueError"):
        futures[1].result(10)
    assert first.result(10) == ["new"]
    receiver.close()


def test_a_delivery_of_more_than_may_wait_is_taken_when_nothing_else_waits():
    store = Slow()
    receiver = Receiver(store, lambda: 1, most_waiting=3)
    large = [message(n) for n in range(10)]
    first = receiver.submit(large)
    assert store.entered.wait(10)
    with pytest.raises(Busy):
        receiver.submit([message(11)])
    store.go.set()
    assert first.result(10) == ["new"] * 10
    assert receiver.submit(large).result(10) == ["new"] * 10
    receiver.close()


def test_a_commit_is_bounded_by_bytes_too():
    store = Slow()
    receiver = Receiver(store, lambda: 1, most_waiting=1_000)
    futures = [receiver.submit([message(0)])]
    assert store.entered.wait(10)
    futures += [receiver.submit([RawMessage("shop", str(n), "order", b"x" * 1_000_000)]) for n in range(1, 13)]
    store.go.set()
    wait(futures, 10)
    assert store.commits == [1, 5, 5, 2]
    receiver.close()


@pytest.mark.parametrize("known", ["a\0b", "\ud800", "n" * 5_000], ids=["NUL", "half a character", "long"])
def test_an_id_that_no_database_holds_costs_neither_the_message_nor_its_neighbours(home, known):
    store = homes.open_store(home)
    receiver = Receiver(store, lambda: 1, most_waiting=100)
    odd = RawMessage("shop", known, "order", b"{}")
    other = RawMessage("shop", known, "order", b"[]")
    assert receiver.submit([odd, message(1)]).result(10) == ["new", "new"]
    assert receiver.submit([odd]).result(10) == ["duplicate"]
    assert receiver.submit([other]).result(10) == ["new"]
    receiver.close()
    store.close()


def test_refusals_are_counted_together_and_survive_a_failed_write():
    class Counting(Slow):
        def __init__(self):
            super().__init__()
            self.counted, self.failures = [], [Busy("locked")]

        def count(self, source, name, *, by):
            if self.failures:
                raise self.failures.pop()
            self.counted.append((source, name, by))

    store = Counting()
    store.go.set()
    receiver = Receiver(store, lambda: 1, most_waiting=100)
    for _ in range(500):
        receiver.turn_away("shop", "bad_signature")
    deadline = time.monotonic() + 10
    while sum(by for *_, by in store.counted) < 500:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(store.counted) <= 3
    assert receiver.submit([message(1)]).result(10) == ["new"]
    receiver.turn_away("shop", "bad_signature")
    receiver.close()
    assert sum(by for *_, by in store.counted) == 501


def test_after_closing_the_sender_is_asked_to_come_back():
    receiver = Receiver(Slow(), lambda: 1, most_waiting=100)
    receiver.close()
    with pytest.raises(Busy):
        receiver.submit([message(1)])
