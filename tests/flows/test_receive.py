"""Group commit: one acknowledgement per message on disk, many in one commit, and a full buffer says so at once."""

import asyncio
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait
from random import Random

import pytest

from orderhub_core.errors import Busy
from orderhub_core.flows import receive, waiting
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


def test_too_many_bytes_are_refused_however_few_messages_they_are_and_room_comes_back():
    def large(n, size):
        return RawMessage("shop", str(n), "order", b"x" * size)

    store = Slow()
    receiver = Receiver(store, lambda: 1, most_waiting=1_000, most_bytes=10_000)
    futures = [receiver.submit([large(1, 3_000), large(2, 3_000)])]
    assert store.entered.wait(10)
    with pytest.raises(Busy, match="bytes") as told:
        receiver.submit([large(3, 4_001)])
    assert told.value.after_s
    futures.append(receiver.submit([large(4, 4_000)]))
    with pytest.raises(Busy, match="bytes"):
        receiver.submit([large(5, 1)])
    store.go.set()
    wait(futures, 10)
    # One that is larger than all may be is taken when nothing else waits: it cannot become smaller by coming again.
    assert receiver.submit([large(6, 20_000)]).result(10) == ["new"]
    assert receiver.submit([large(7, 10_000)]).result(10) == ["new"]
    receiver.close()


def test_bytes_of_what_failed_or_was_cancelled_take_no_room():
    store = Slow()
    receiver = Receiver(store, lambda: 1, most_waiting=1_000, most_bytes=100)
    first = receiver.submit([message(1)])
    assert store.entered.wait(10)
    assert receiver.submit([RawMessage("shop", "gone", "order", b"x" * 90)]).cancel()
    store.go.set()
    assert first.result(10) == ["new"]
    with pytest.raises(Busy, match="disk full"):
        receiver.submit([RawMessage("shop", "bad", "order", b"x" * 99)]).result(10)
    store.go.clear()
    store.entered.clear()
    held = [receiver.submit([RawMessage("shop", "next", "order", b"x" * 50)])]
    assert store.entered.wait(10)
    held.append(receiver.submit([RawMessage("shop", "last", "order", b"x" * 50)]))
    store.go.set()
    wait(held, 10)
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


def test_closing_waits_for_nobody_who_might_come(monkeypatch):
    monkeypatch.setattr(receive, "LINGER_S", 100.0)
    store = Slow()
    receiver = Receiver(store, lambda: 1, most_waiting=1_000)
    futures = [receiver.submit([message(0)])]
    assert store.entered.wait(10)
    futures.append(receiver.submit([message(1)]))
    closing = threading.Thread(target=receiver.close)
    closing.start()
    with pytest.raises(Busy, match="stopping"):
        for n in range(2, 10_000):
            futures.append(receiver.submit([message(n)]))
            time.sleep(0.001)
    store.go.set()
    closing.join(10)
    assert not closing.is_alive()
    assert {future.result(0)[0] for future in futures} == {"new"}


def test_closing_waits_for_no_store_that_does_not_answer(monkeypatch):
    monkeypatch.setattr(receive, "LAST_COMMITS_S", 0.1)
    store = Slow()
    receiver = Receiver(store, lambda: 1, most_waiting=1_000)
    held = receiver.submit([message(0)])
    assert store.entered.wait(10)
    receiver.close()
    assert not held.done()
    store.go.set()
    assert held.result(10) == ["new"]


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


async def held(receiver, store):
    """A first delivery, whose commit the disk holds until it is let go."""
    first = receiver.deliver([message(0)])
    assert await asyncio.get_running_loop().run_in_executor(None, store.entered.wait, 10)
    return first


def test_a_loop_is_woken_once_for_all_that_were_written_together():
    store = Slow()
    receiver = Receiver(store, lambda: 1, most_waiting=1_000)

    async def senders():
        loop, woken = asyncio.get_running_loop(), []
        first = await held(receiver, store)
        wake = loop.call_soon_threadsafe
        loop.call_soon_threadsafe = lambda *call: woken.append(call) or wake(*call)
        waiting = [receiver.deliver([message(n), message(-n)]) for n in range(1, 51)]
        assert not any(future.done() for future in waiting)
        store.go.set()
        receipts = await asyncio.gather(first, *waiting)
        return receipts, len(woken)

    receipts, woken = asyncio.run(senders())
    assert receipts == [["new"]] + [["new", "new"]] * 50
    assert store.commits == [1, 100]
    assert woken == 2
    receiver.close()


def test_a_loops_sender_that_stops_waiting_is_not_written_and_harms_nobody():
    store = Slow()
    receiver = Receiver(store, lambda: 1, most_waiting=4)

    async def senders():
        first = await held(receiver, store)
        gone, kept = receiver.deliver([message(2), message(3)]), receiver.deliver([message(4)])
        gone.cancel()
        store.go.set()
        return await asyncio.gather(first, gone, kept, return_exceptions=True)

    first, gone, kept = asyncio.run(senders())
    assert (first, kept) == (["new"], ["new"])
    assert isinstance(gone, asyncio.CancelledError)
    assert store.commits == [1, 1]
    assert receiver.submit([message(n) for n in range(10, 14)]).result(10) == ["new"] * 4
    receiver.close()


def test_a_loops_sender_that_goes_while_it_is_written_does_not_keep_the_answer_from_the_others():
    class Twice(Slow):
        """Holds its second commit, too."""

        def __init__(self):
            super().__init__()
            self.second, self.let_go = threading.Event(), threading.Event()

        def accept(self, messages, received_at):
            if self.commits:
                self.second.set()
                self.let_go.wait(10)
            return super().accept(messages, received_at)

    store = Twice()
    receiver = Receiver(store, lambda: 1, most_waiting=100)

    async def senders():
        loop = asyncio.get_running_loop()
        first = await held(receiver, store)
        gone, kept = receiver.deliver([message(1)]), receiver.deliver([message(2)])
        store.go.set()
        assert await loop.run_in_executor(None, store.second.wait, 10)
        gone.cancel()
        store.let_go.set()
        return await asyncio.wait_for(asyncio.gather(first, gone, kept, return_exceptions=True), 10)

    first, gone, kept = asyncio.run(senders())
    assert (first, kept) == (["new"], ["new"])
    assert isinstance(gone, asyncio.CancelledError)
    receiver.close()


def test_a_failed_commit_is_told_to_every_waiter_of_a_loop():
    store = Slow()
    receiver = Receiver(store, lambda: 1, most_waiting=100)

    async def senders():
        first = await held(receiver, store)
        waiting = [receiver.deliver([message(n)]) for n in (1, "bad", 2)]
        store.go.set()
        return await asyncio.gather(first, *waiting, return_exceptions=True)

    first, *others = asyncio.run(senders())
    assert first == ["new"]
    assert [type(outcome) for outcome in others] == [Busy] * 3
    assert receiver.submit([message(3)]).result(10) == ["new"]
    receiver.close()


def test_a_loop_that_has_ended_does_not_end_the_writer():
    store = Slow()
    receiver = Receiver(store, lambda: 1, most_waiting=100)

    async def leave():
        receiver.deliver([message(1)])

    asyncio.run(leave())
    store.go.set()
    assert receiver.submit([message(2)]).result(10) == ["new"]
    receiver.close()


def test_while_a_commit_takes_too_long_nobody_new_is_let_in(monkeypatch):
    monkeypatch.setattr(waiting, "LONGEST_COMMIT_S", 0.05)
    store = Slow()
    receiver = Receiver(store, lambda: 1, most_waiting=1_000_000)
    accepted = [receiver.submit([message(0)])]
    assert store.entered.wait(10)
    deadline = time.monotonic() + 10
    with pytest.raises(Busy, match="writing takes long") as told:
        while time.monotonic() < deadline:
            accepted.append(receiver.submit([message(len(accepted))]))
    assert told.value.after_s
    store.go.set()
    assert [future.result(10) for future in accepted] == [["new"]] * len(accepted)
    assert receiver.submit([message(-1)]).result(10) == ["new"]
    receiver.close()


def test_after_many_were_answered_together_the_writer_waits_for_half_of_them(monkeypatch):
    monkeypatch.setattr(receive, "LINGER_S", 100.0)
    store = Slow()
    receiver = Receiver(store, lambda: 1, most_waiting=1_000)
    futures = [receiver.submit([message(0)])]
    assert store.entered.wait(10)
    futures += [receiver.submit([message(n)]) for n in range(1, 10)]
    store.go.set()
    assert wait(futures, 10).not_done == set()
    assert store.commits == [1, 9]
    few = [receiver.submit([message(n)]) for n in (20, 21, 22)]
    assert not wait(few, 0.05).done, "the others may come again, too"
    few.append(receiver.submit([message(23)]))
    assert wait(few, 10).not_done == set()
    assert store.commits == [1, 9, 4]
    two = [receiver.submit([message(n)]) for n in (30, 31)]
    assert wait(two, 10).not_done == set()
    assert receiver.submit([message(32)]).result(10) == ["new"], "a single sender never waits"
    assert receiver.submit([message(33)]).result(10) == ["new"]
    futures = [receiver.submit([message(n)]) for n in range(40, 49)]
    wait(futures, 10)
    receiver.submit([message(10)])
    receiver.close()
    assert store.commits[-1] == 1, "closing waits for nobody"


def test_who_does_not_come_again_is_not_waited_for_forever():
    store = Slow()
    receiver = Receiver(store, lambda: 1, most_waiting=1_000)
    futures = [receiver.submit([message(0)])]
    assert store.entered.wait(10)
    futures += [receiver.submit([message(n)]) for n in range(1, 9)]
    store.go.set()
    wait(futures, 10)
    assert receiver.submit([message(9)]).result(10) == ["new"]
    receiver.close()


def test_a_single_sender_never_waits_for_others(monkeypatch):
    monkeypatch.setattr(receive, "LINGER_S", 100.0)
    store = Slow()
    store.go.set()
    receiver = Receiver(store, lambda: 1, most_waiting=1_000)
    assert [receiver.submit([message(n)]).result(10) for n in range(30)] == [["new"]] * 30
    assert store.commits == [1] * 30
    receiver.close()


class Fickle:
    """A store that refuses some commits, whole, and breaks over some messages. `kept` is what it holds."""

    def __init__(self, seed):
        self.dice, self.kept = Random(seed), Counter()

    def accept(self, messages, received_at):
        ids = [message.message_id for message in messages]
        if self.dice.random() < 0.2:
            raise Busy("locked")
        if any(known.endswith("7") for known in ids):
            raise ValueError("of one message")
        self.kept.update(ids)
        return ["new"] * len(ids)


@pytest.mark.parametrize("seed", range(5))
def test_acknowledged_is_what_the_store_holds_and_refused_is_what_it_does_not(seed):
    """Threads and a loop send at once, some give up; whoever got receipts is in, whoever got a failure is not."""
    store = Fickle(seed)
    receiver = Receiver(store, lambda: 1, most_waiting=60)
    outcomes = {}

    def told(ids, failure):
        outcomes.update(dict.fromkeys(ids, failure))

    def thread(number):
        dice = Random(f"{seed}:{number}")
        for turn in range(60):
            ids = [f"t{number}-{turn}-{n}" for n in range(dice.randint(1, 4))]
            try:
                future = receiver.submit([message(known) for known in ids])
                if dice.random() < 0.2 and future.cancel():
                    told(ids, "cancelled")
                    continue
                assert len(future.result(10)) == len(ids)
                told(ids, None)
            except Busy:
                told(ids, "refused")

    async def task(number):
        dice = Random(f"{seed}:{number}")
        for turn in range(30):
            ids = [f"l{number}-{turn}-{n}" for n in range(dice.randint(1, 4))]
            try:
                future = receiver.deliver([message(known) for known in ids])
                if dice.random() < 0.2:
                    future.cancel()
                assert len(await future) == len(ids)
                told(ids, None)
            except Busy:
                told(ids, "refused")
            except asyncio.CancelledError:
                told(ids, "perhaps")

    async def loop():
        await asyncio.gather(*(task(f"a{number}") for number in range(10)))

    with ThreadPoolExecutor(5) as pool:
        work = [pool.submit(thread, number) for number in range(4)] + [pool.submit(lambda: asyncio.run(loop()))]
        for done in work:
            done.result(60)
    receiver.close()
    assert not set(store.kept.values()) - {1}
    assert {known for known, failure in outcomes.items() if failure is None} <= set(store.kept)
    assert not {known for known, failure in outcomes.items() if failure in ("refused", "cancelled")} & set(store.kept)
    assert set(store.kept) <= set(outcomes)
