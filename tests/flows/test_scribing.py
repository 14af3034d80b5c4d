"""The process that writes for a busy loop: who was answered is on disk, whatever becomes of the process."""

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from itertools import count
from pathlib import Path
from random import Random

import pytest

from orderhub_core.errors import Busy, Stop
from orderhub_core.flows import scribing, waiting
from orderhub_core.flows.receive import Receiver
from orderhub_core.model import RawMessage
from orderhub_core.store import homes, pipes, scribe
from orderhub_core.store.scribe import Scribe

PATIENCE_S = 20


def message(n, body=b"{}"):
    return RawMessage("shop", str(n), "order", body)


def until(holds):
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Desk:
    """A receiver with its process over one store."""

    def __init__(self, home, **room):
        self.store = homes.open_store(home)
        self.scribe = homes.scribe(self.store)
        self.seen = []
        self.receiver = Receiver(
            self.store, lambda: 1, **{"most_waiting": 10_000, **room}, observe=self.seen.append, scribe=self.scribe
        )

    async def ready(self):
        """Its process's number, once it takes orders."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.receiver._scribing.serves(asyncio.get_running_loop()):
                await asyncio.sleep(0.005)
        return self.scribe._child.process.pid

    def close(self):
        self.receiver.close()
        self.store.close()

    def kept(self):
        return Counter(row[0] for row in self.store.query("inbox", "SELECT message_id FROM inbox"))

    @contextlib.contextmanager
    def thread_held(self):
        """Nothing is written by the thread meanwhile: what is, the process wrote."""
        held = threading.Event()
        accept, self.store.accept = self.store.accept, lambda *_: held.wait(PATIENCE_S) and []
        try:
            yield
        finally:
            self.store.accept = accept
            held.set()


@pytest.fixture
def desk(sqlite_home):
    desk = Desk(sqlite_home)
    yield desk
    if desk.scribe._child is not None:  # a test that failed may have left it held
        desk.scribe._child.process.send_signal(signal.SIGCONT)
    desk.close()


def state(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def held(pid):
    """Stopped, and known to be: a signal is not obeyed at once."""
    os.kill(pid, signal.SIGSTOP)
    until(lambda: state(pid) == "T")


async def held_with(desk, deliveries):
    """The process, held with an order of one delivery and another under way, and the rest waiting."""
    pid = await desk.ready()
    held(pid)
    futures = []
    for n in range(2):
        futures.append(desk.receiver.deliver([message(n)]))
        await asyncio.sleep(0)
    return pid, futures + [desk.receiver.deliver([message(n)]) for n in range(2, deliveries)]


def test_the_process_writes_and_tells_new_from_repeated_from_contradicting(desk):
    async def senders():
        await desk.ready()
        with desk.thread_held():
            first = await asyncio.gather(*(desk.receiver.deliver([message(n), message(-n)]) for n in range(1, 51)))
            again = await desk.receiver.deliver([message(1), message(1, b"[]"), message("x"), message("x")])
        return first, again

    first, again = asyncio.run(senders())
    assert first == [["new", "new"]] * 50
    assert again == ["duplicate", "conflict", "new", "duplicate"]
    assert desk.kept() == Counter([str(n) for n in range(-50, 51) if n] + ["x"])
    assert sum(len(group.messages) for group in desk.seen) == sum(len(group.receipts) for group in desk.seen) == 104
    assert Counter(one for group in desk.seen for one in group.receipts) == {"new": 101, "duplicate": 2, "conflict": 1}
    assert all(group.seconds > 0 for group in desk.seen)


def test_what_comes_while_it_writes_shares_a_commit_and_no_more_than_two_orders_are_under_way(desk):
    async def senders():
        pid, futures = await held_with(desk, 100)
        await asyncio.sleep(0.05)
        assert not any(future.done() for future in futures)
        assert not desk.scribe.has_room
        os.kill(pid, signal.SIGCONT)
        assert await asyncio.gather(*futures) == [["new"]] * 100

    asyncio.run(senders())
    commits = [len(group.messages) for group in desk.seen]
    assert sum(commits) == 100
    assert commits[-1] == 98
    assert len(commits) <= 3


def test_before_it_has_started_and_where_it_cannot_the_thread_writes(desk, monkeypatch):
    def none(*_):
        raise OSError("no process")

    monkeypatch.setattr(pipes, "start", none)

    async def senders():
        return [await desk.receiver.deliver([message(n)]) for n in range(5)]

    assert asyncio.run(senders()) == [["new"]] * 5
    assert desk.scribe._child is None


@pytest.mark.parametrize("how", ["found out in reading", "found out in writing"])
def test_when_it_goes_away_everybody_is_still_answered_and_another_one_starts(desk, monkeypatch, how):
    monkeypatch.setattr(scribe, "RESTART_S", 0.05)

    async def senders():
        pid = await desk.ready()
        held(pid)
        futures = [desk.receiver.deliver([message(0)])]
        await asyncio.sleep(0)
        futures += [desk.receiver.deliver([message(n)]) for n in range(1, 30)]
        os.kill(pid, signal.SIGKILL)
        if how == "found out in writing":
            until(lambda: state(pid) == "Z")
            desk.scribe._under_way = 1
            desk.receiver._scribing._hand()
        receipts = await asyncio.wait_for(asyncio.gather(*futures), PATIENCE_S)
        desk.scribe._start_at = 0
        other = await desk.ready()
        with desk.thread_held():
            receipts.append(await desk.receiver.deliver([message(30)]))
        return pid, other, receipts

    pid, other, receipts = asyncio.run(senders())
    assert pid != other
    assert all(one in (["new"], ["duplicate"]) for one in receipts)
    assert desk.kept() == Counter(str(n) for n in range(31))
    until(lambda: not Path(f"/proc/{pid}").exists())


def test_one_that_cannot_be_handed_over_does_not_hold_up_the_others(desk):
    async def senders():
        await desk.ready()
        bad = RawMessage("\ud800", "bad", "order", b"{}")
        futures = [desk.receiver.deliver([one]) for one in (message(1), bad, message(2))]
        return await asyncio.gather(*futures, return_exceptions=True)

    first, bad, last = asyncio.run(senders())
    assert (first, last) == (["new"], ["new"])
    assert isinstance(bad, Busy)
    assert desk.kept() == Counter(["1", "2"])


def test_orders_larger_than_the_pipe_arrive_whole(desk):
    body = os.urandom(3_000_000)

    async def senders():
        await desk.ready()
        with desk.thread_held():
            return await asyncio.gather(*(desk.receiver.deliver([message(n, body)]) for n in range(5)))

    assert asyncio.run(senders()) == [["new"]] * 5
    assert {bytes(row[0]) for row in desk.store.query("inbox", "SELECT body FROM inbox")} == {body}


def test_who_stops_waiting_is_not_written_and_takes_no_room(sqlite_home):
    desk = Desk(sqlite_home, most_waiting=6)

    async def senders():
        pid = await desk.ready()
        held(pid)
        first = desk.receiver.deliver([message(0)])
        gone, kept = desk.receiver.deliver([message(1), message(2)]), desk.receiver.deliver([message(3)])
        gone.cancel()
        await asyncio.sleep(0)
        late = desk.receiver.deliver([message(4)])
        await asyncio.sleep(0)
        late.cancel()
        with pytest.raises(Busy, match="too many messages"):
            desk.receiver.deliver([message(n) for n in range(10, 14)])
        os.kill(pid, signal.SIGCONT)
        receipts = await asyncio.gather(first, kept)
        until(lambda: desk.kept()["4"])
        await asyncio.sleep(0.05)
        return receipts, await desk.receiver.deliver([message(n) for n in range(20, 26)])

    assert asyncio.run(senders()) == ([["new"], ["new"]], ["new"] * 6)
    assert {"1", "2"}.isdisjoint(desk.kept())
    desk.close()


def test_while_it_takes_too_long_nobody_new_is_let_in(desk, monkeypatch):
    monkeypatch.setattr(waiting, "LONGEST_COMMIT_S", 0.05)

    async def senders():
        pid = await desk.ready()
        held(pid)
        first = desk.receiver.deliver([message(0)])
        await asyncio.sleep(0.1)
        with pytest.raises(Busy, match="writing takes long") as told:
            desk.receiver.deliver([message(1)])
        os.kill(pid, signal.SIGCONT)
        assert await first == ["new"]
        assert told.value.after_s
        return await desk.receiver.deliver([message(2)])

    assert asyncio.run(senders()) == ["new"]


@pytest.mark.parametrize("where", ["on the loop", "from a thread", "after the loop"])
def test_closing_writes_what_was_taken_in(sqlite_home, where):
    desk = Desk(sqlite_home)

    async def senders():
        pid, futures = await held_with(desk, 10)
        threading.Timer(0.1, os.kill, (pid, signal.SIGCONT)).start()
        if where == "on the loop":
            desk.receiver.close()
        elif where == "from a thread":
            await asyncio.to_thread(desk.receiver.close)
        else:
            return pid
        assert await asyncio.gather(*futures) == [["new"]] * 10
        return pid

    pid = asyncio.run(senders())
    desk.close()
    assert desk.kept() == Counter(str(n) for n in range(10))
    assert not Path(f"/proc/{pid}").exists()


def test_another_loop_and_threads_are_served_as_ever(desk):
    async def first():
        await desk.ready()
        return await desk.receiver.deliver([message(1)])

    async def second():
        return await desk.receiver.deliver([message(2)])

    assert asyncio.run(first()) == ["new"]
    assert asyncio.run(second()) == ["new"]
    assert desk.receiver.submit([message(3)]).result(PATIENCE_S) == ["new"]
    assert desk.kept() == Counter("123")


def test_a_commit_that_fails_is_told_to_whoever_waits_and_the_process_goes_on(desk):
    async def senders():
        pid = await desk.ready()
        limits = resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        failed = await asyncio.gather(*(desk.receiver.deliver([message(n)]) for n in range(3)), return_exceptions=True)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
        with desk.thread_held():
            return failed, await desk.receiver.deliver([message(9)])

    failed, then = asyncio.run(senders())
    assert [type(one) for one in failed] == [Stop] * 3
    assert "look at the disk" in str(failed[0])
    assert then == ["new"]
    assert desk.kept() == Counter("9")


@pytest.mark.parametrize("trouble", ["no thread to be had", "nobody hears the log"])
def test_whatever_fails_when_it_goes_away_nobody_is_answered_for_another(desk, monkeypatch, trouble):
    def fail(*_, **__):
        raise RuntimeError("can't start new thread") if trouble.startswith("no thread") else OSError("broken")

    async def senders():
        pid = await desk.ready()
        held(pid)
        process = desk.scribe._child.process
        first = desk.receiver.deliver([message(0)])
        await asyncio.sleep(0)
        with monkeypatch.context() as broken:
            broken.setattr(
                *((threading.Thread, "start") if trouble.startswith("no thread") else (scribing.log, "warning")), fail
            )
            os.kill(pid, signal.SIGKILL)
            assert await asyncio.wait_for(first, PATIENCE_S) == ["new"]
        process.wait(PATIENCE_S)
        desk.scribe._start_at = 0
        await desk.ready()
        return await desk.receiver.deliver([message(1)])

    assert asyncio.run(senders()) == ["new"]
    assert desk.kept() == Counter("01")


def test_one_that_cannot_be_handed_over_leaves_the_door_open(desk, monkeypatch):
    monkeypatch.setattr(waiting, "LONGEST_COMMIT_S", 0.05)

    async def senders():
        await desk.ready()
        with pytest.raises(Busy):
            await desk.receiver.deliver([RawMessage("\ud800", "bad", "order", b"{}")])
        await asyncio.sleep(0.1)
        return await desk.receiver.deliver([message(1)])

    assert asyncio.run(senders()) == ["new"]


def test_one_that_is_stuck_is_given_up_and_its_senders_are_answered(desk, monkeypatch):
    monkeypatch.setattr(scribe, "STUCK_S", 0.2)

    async def senders():
        pid = await desk.ready()
        held(pid)
        futures = [desk.receiver.deliver([message(n)]) for n in range(10)]
        assert await asyncio.wait_for(asyncio.gather(*futures), PATIENCE_S) == [["new"]] * 10
        return pid

    pid = asyncio.run(senders())
    assert desk.kept() == Counter(str(n) for n in range(10))
    until(lambda: not Path(f"/proc/{pid}").exists())


@pytest.mark.parametrize("where", ["on the loop", "from a thread"])
def test_closing_does_not_wait_for_one_that_is_stuck(sqlite_home, monkeypatch, where):
    monkeypatch.setattr(pipes, "END_S", 0.3)
    desk = Desk(sqlite_home)

    async def senders():
        held(await desk.ready())
        futures = [desk.receiver.deliver([message(0)])]
        await asyncio.sleep(0)
        futures += [desk.receiver.deliver([message(n)]) for n in range(1, 10)]
        if where == "on the loop":
            desk.receiver.close()
        else:
            await asyncio.to_thread(desk.receiver.close)
        return await asyncio.wait_for(asyncio.gather(*futures), PATIENCE_S)

    assert asyncio.run(senders()) == [["new"]] * 10
    desk.close()
    assert desk.kept() == Counter(str(n) for n in range(10))


def test_closing_hears_long_answers_while_it_still_has_much_to_say(sqlite_home):
    """Both pipes are full: each side would wait for the other to read."""
    desk = Desk(sqlite_home)
    body = os.urandom(3_000_000)

    async def senders():
        pid = await desk.ready()
        held(pid)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        futures = [desk.receiver.deliver([message(n)]) for n in range(1_000)]
        await asyncio.sleep(0.02)
        futures.append(desk.receiver.deliver([message("large", body)]))
        await asyncio.sleep(0.02)
        assert desk.scribe._unsent
        threading.Timer(0.1, os.kill, (pid, signal.SIGCONT)).start()
        await asyncio.to_thread(desk.receiver.close)
        return await asyncio.wait_for(asyncio.gather(*futures, return_exceptions=True), PATIENCE_S)

    outcomes = asyncio.run(senders())
    desk.close()
    assert {type(one) for one in outcomes} == {Stop}


def test_what_comes_back_when_nobody_writes_any_more_is_told_to_come_again(desk):
    async def senders():
        loop = asyncio.get_running_loop()
        await asyncio.to_thread(desk.receiver.close)
        late = waiting.Waiting([message(0)], loop.create_future(), loop, 2)
        desk.receiver._room.taken, desk.receiver._room._bytes = 1, 2
        desk.receiver._spill([late])
        with pytest.raises(Busy, match="stopping"):
            await asyncio.wait_for(late.receipts, PATIENCE_S)

    asyncio.run(senders())
    assert desk.receiver._room.taken == 0


def test_the_thread_sleeps_while_the_process_has_all_the_work(desk, monkeypatch):
    async def senders():
        pid = await desk.ready()
        held(pid)
        futures = [desk.receiver.deliver([message(f"{n}-{m}") for m in range(100)]) for n in range(30)]
        await asyncio.sleep(1.1)  # for longer than it waits for anything
        used = time.process_time()
        await asyncio.sleep(0.3)
        used = time.process_time() - used
        os.kill(pid, signal.SIGCONT)
        await asyncio.gather(*futures)
        return used

    monkeypatch.setattr(waiting, "LONGEST_COMMIT_S", 100.0)
    assert asyncio.run(senders()) < 0.15


def test_one_that_says_what_nobody_understands_is_not_believed(desk):
    async def senders():
        pid = await desk.ready()
        held(pid)
        futures = [desk.receiver.deliver([message(n)]) for n in range(3)]
        await asyncio.sleep(0)
        read, write = os.pipe()
        os.write(write, pipes.LENGTH.pack(3) + b"\xc1ab")
        os.dup2(read, desk.scribe._child.answers.fileno())
        desk.scribe._read()
        os.close(read)
        os.close(write)
        return await asyncio.wait_for(asyncio.gather(*futures), PATIENCE_S)

    assert asyncio.run(senders()) == [["new"]] * 3
    assert desk.kept() == Counter("012")


def test_once_closed_none_is_started(desk):
    async def late():
        for _ in range(3):
            with pytest.raises(Busy, match="stopping"):
                desk.receiver.deliver([message(1)])
            await asyncio.sleep(0.01)

    desk.receiver.close()
    asyncio.run(late())
    assert desk.scribe._child is None


def test_when_its_loop_has_ended_the_next_one_gets_a_process_and_the_room_back(sqlite_home):
    desk = Desk(sqlite_home, most_waiting=6)

    async def first():
        held(await desk.ready())
        for n in range(5):
            desk.receiver.deliver([message(n)])
        await asyncio.sleep(0)

    async def second():
        desk.scribe._start_at = 0
        await desk.ready()
        return await desk.receiver.deliver([message(n) for n in range(10, 16)])

    asyncio.run(first())
    assert asyncio.run(second()) == ["new"] * 6
    desk.close()
    assert desk.kept() == Counter(str(n) for n in [*range(5), *range(10, 16)])


@pytest.mark.parametrize("seed", range(3))
def test_acknowledged_is_what_the_store_holds_however_often_the_process_is_killed(sqlite_home, monkeypatch, seed):
    monkeypatch.setattr(scribe, "RESTART_S", 0.01)
    monkeypatch.setattr(scribe, "LONGEST_RESTART_S", 0.01)
    desk, dice = Desk(sqlite_home, most_waiting=100), Random(seed)
    outcomes, kills = {}, 0

    async def sender(number):
        turns = Random(f"{seed}:{number}")
        for turn in count():
            if kills == 4:
                return
            ids = [f"{number}-{turn}-{n}" for n in range(turns.randint(1, 4))]
            try:
                receipts = await desk.receiver.deliver([message(known) for known in ids])
                assert all(one in ("new", "duplicate") for one in receipts)
                outcomes.update(dict.fromkeys(ids, "kept"))
            except Busy:
                outcomes.update(dict.fromkeys(ids, "refused"))
                await asyncio.sleep(0.001)

    async def killer():
        nonlocal kills
        while kills < 4:
            pid = await desk.ready()
            await asyncio.sleep(dice.uniform(0, 0.03))
            os.kill(pid, signal.SIGKILL)
            kills += 1
            await asyncio.sleep(0.02)

    async def all_of_them():
        await asyncio.wait_for(asyncio.gather(killer(), *(sender(number) for number in range(30))), 60)

    asyncio.run(all_of_them())
    desk.close()
    kept = desk.kept()
    assert set(kept.values()) == {1}
    assert {known for known, outcome in outcomes.items() if outcome == "kept"} <= set(kept)
    assert not {known for known, outcome in outcomes.items() if outcome == "refused"} & set(kept)


def test_it_goes_without_a_word_when_nobody_hears_that_it_is_there(sqlite_home):
    command = [sys.executable, "-m", scribe.__name__, str(sqlite_home.data)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait(PATIENCE_S) == 0


PARENT = """
import asyncio, sys
from orderhub_core.store import homes
from orderhub_core.store.home import Home
from orderhub_core.flows.receive import Receiver
from pathlib import Path

async def main():
    store = homes.open_store(Home(Path(sys.argv[1])))
    receiver = Receiver(store, lambda: 1, most_waiting=10, scribe=homes.scribe(store))
    while not receiver._scribing.serves(asyncio.get_running_loop()):
        await asyncio.sleep(0.005)
    print(receiver._scribing._scribe._child.process.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def test_it_goes_when_its_parent_is_killed_and_not_when_a_terminal_interrupts_both(sqlite_home):
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(sqlite_home.data)], stdout=subprocess.PIPE, text=True
    ) as parent:
        pid = int(parent.stdout.readline())
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(pid, number)
        time.sleep(0.1)
        assert Path(f"/proc/{pid}").exists()
        parent.kill()
        until(lambda: not Path(f"/proc/{pid}").exists())


def test_only_a_home_with_an_inbox_file_has_one(sqlite_home):
    store = homes.open_store(sqlite_home)
    assert isinstance(homes.scribe(store), Scribe)
    assert homes.scribe(object()) is None
    store.close()
