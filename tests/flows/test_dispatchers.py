"""Dispatchers: one for each target, and none in another's way."""

import threading

import pytest

from orderhub_core.errors import Busy, Stop
from orderhub_core.flows.dispatchers import Dispatchers

WAIT_S = 10.0


class Yard:
    """Targets that have something to do, as often as a test says. `slow`, and whoever
    fails, takes until it is `let_go`."""

    def __init__(self, **due):
        self.due, self.done, self.began = due, [], threading.Semaphore(0)
        self.let_go = threading.Event()
        self.dispatchers = Dispatchers(lambda: [target for target, left in self.due.items() if left], self.dispatch)

    def dispatch(self, target):
        if isinstance(self.due[target], Exception):
            self.let_go.wait(WAIT_S)
            failure, self.due[target] = self.due[target], 0
            raise failure
        if target == "slow":
            self.began.release()
            self.let_go.wait(WAIT_S)
        self.due[target] -= 1
        self.done.append(target)
        return self.due[target] > 0

    def settle(self):
        """Wait until every dispatcher has ended."""
        self.let_go.set()
        self.dispatchers.join()


def test_a_slow_target_holds_up_no_other():
    yard = Yard(slow=1, good=3)
    yard.dispatchers.step()
    yard.dispatchers._at_work["good"].join(WAIT_S)
    assert yard.done == ["good"] * 3
    yard.due["good"] = 2
    yard.dispatchers.step()
    yard.dispatchers._at_work["good"].join(WAIT_S)
    assert yard.done == ["good"] * 5
    yard.settle()
    assert yard.done[5:] == ["slow"]


def test_a_target_has_one_dispatcher_at_a_time():
    yard = Yard(slow=2)
    for _ in range(5):
        yard.dispatchers.step()
    assert yard.began.acquire(timeout=WAIT_S)
    assert not yard.began.acquire(blocking=False)
    yard.settle()
    assert yard.done == ["slow"] * 2


def test_what_made_one_give_up_is_raised_by_a_step_each_and_a_stop_before_all_else():
    yard = Yard(one=Busy("the database is full"), two=Stop("the chain is broken"), three=Busy("the database is full"))
    yard.dispatchers.step()
    yard.settle()
    for expected in (Stop, Busy, Busy):
        with pytest.raises(expected):
            yard.dispatchers.step()
    yard.due["one"] = 1
    yard.dispatchers.step()
    yard.settle()
    assert yard.done == ["one"], "and it goes on"


def test_joining_waits_for_whoever_is_at_it():
    yard = Yard(slow=1)
    yard.dispatchers.step()
    joined = threading.Thread(target=yard.dispatchers.join, daemon=True)
    joined.start()
    assert yard.began.acquire(timeout=WAIT_S)
    assert joined.is_alive()
    yard.settle()
    joined.join(WAIT_S)
    assert (joined.is_alive(), yard.done) == (False, ["slow"])
