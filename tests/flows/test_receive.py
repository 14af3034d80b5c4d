"""Group commit: one acknowledgement per message on disk, many in one commit, and a full buffer says so at once."""

import threading
from concurrent.futures import wait

import pytest

from orderhub_core.errors import Busy
from orderhub_core.flows.receive import Receiver
from orderhub_core.model import RawMessage


class Slow:
    """A store whose disk can be held, and which counts commits."""

    def __init__(self):
        self.go, self.entered, self.commits = threading.Event(), threading.Event(), []

    def accept(self, messages, received_at):
        self.entered.set()
        self.go.wait(10)
        if any(message.message_id == "bad" for message in messages):
            raise Busy("disk full")
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
