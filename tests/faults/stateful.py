"""A hub driven at random through its real code, against a model in plain dicts, on SQLite and PostgreSQL at once.

One step is one rule: messages received (new, again, under a used id, unreadable, poisonous), batches absorbed, effects
leased, performed and finished, words on versions of the rulebook, reports of the world outside, held orders let go,
workers racing, processes dying before, within and after a commit, connections cut, clocks jumping, decoders mended,
parked messages replayed. After every step the answers are compared with the model's, every some steps the whole hub;
at the end everything is replayed into an empty hub, in the same or in another order.

The homes lie in memory, and the server that is started for it does not wait for its disk: this is about what a hub
holds, not about what a power cut leaves of it, which `powercut` and `kills` see to.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from functools import wraps
from itertools import count, groupby
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))  # as a script; pytest does so itself

import desk
import hypothesis
import hypothesis.strategies as st
import talk
from hypothesis import HealthCheck, Phase
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from model import DICE, FURTHEST, KEEPING, TRIES, Mismatch, after
from report import Report
from talk import DAWN, SECOND, Decoder, Said
from watched import Crash, House, houses, patient

from orderhub_core.errors import Later, RefusedByTarget, Stop, Throttled, Unreachable
from orderhub_core.flows import absorb as flow
from orderhub_core.flows import editions, ops
from orderhub_core.flows import replay as retrying
from orderhub_core.flows.dispatch import LEASE_S, dispatch
from orderhub_core.flows.receive import Receiver
from orderhub_core.model import Event
from orderhub_core.people import BookAct, Keep, Release
from orderhub_core.store.unit import Finished

retrying.PAUSE_S = 0.0  # nobody else works here

CHECK_EVERY = 50
OWNERS = ("alpha", "beta")
ENDS = ("done", "waiting", "person")

NEWEST = 3
_orders = st.integers(0, len(talk.ORDERS) - 1 + NEWEST)
"""One of a few, or of those that were sold last."""
_workers = st.sampled_from(("first", "first", "second"))
_facts = st.integers(0, len(talk.FACTS) - 1)
_seconds = st.integers(0, 7)
_extras = st.integers(0, 191)
_sizes = st.sampled_from((1, 2, 3, 5, 20, 200))
_any = st.integers(0, 10_000)
_seldom = st.sampled_from((False, False, False, True))
_several = st.lists(st.tuples(_orders, _facts, _seconds, _extras), min_size=2, max_size=6)


class Dice(Random):
    """Always the same throw, so that the model knows when an effect is due again."""

    def uniform(self, a: float, b: float) -> float:
        return DICE


def step(**given: Any) -> Callable[[Callable[..., None]], Any]:
    """A rule that is counted, after every so many of which the whole hub is compared."""

    def made(work: Callable[..., None]) -> Any:
        @wraps(work)
        def counted(self: Machine, **drawn: Any) -> None:
            self.broken = True
            for house in self.homes:
                house.now, house.uptime_s = self.now, self.uptime_s
            try:
                work(self, **drawn)
            finally:
                for house in self.homes:
                    if house.model.broken:
                        raise house.model.broken
            self.steps += 1
            self.tally["steps"] += 1
            self.tally[work.__name__] += 1
            if self.steps % CHECK_EVERY == 0:
                self.compare()
            self.broken = False

        return rule(**given)(counted)

    return made


class Machine(RuleBasedStateMachine):
    """One life of a hub. `homes`, `steps` and `tally` are of the campaign."""

    homes: list[House]
    scratch: House
    tally: Counter[str]
    limit: int

    def __init__(self) -> None:
        super().__init__()
        self.decoder = Decoder()
        self.now = DAWN + 100 * SECOND
        self.uptime_s = 0.0
        self.numbers = count(1)
        self.told: list[Said] = []
        """All that was said, in the same words everywhere."""
        self.sold: list[tuple[str, str]] = []
        self.reports: list[str] = []
        self.held: dict[str, list[tuple[Any, str]]] = {}
        self.steps = 0
        self.broken = False
        for house in self.homes:
            house.begin(self.decoder)
            self.held[house.name] = []

    # -- receiving

    def _accept(self, said: list[Said]) -> None:
        receipts = [self._accept_at(house, said) for house in self.homes][-1]
        self.tally["acknowledged"] += receipts.count("new")
        self.told += said

    def _accept_at(self, house: House, said: list[Said]) -> list[str]:
        worker = house.worker()
        house.model.spoken.update(((one.key, one.message.body), one) for one in said)
        receipts: list[str] = patient(lambda: worker.accept([one.message for one in said], self.now))
        return receipts

    def _order(self, which: int) -> tuple[str, str]:
        known = [*talk.ORDERS, *self.sold[-NEWEST:]]
        return known[which % len(known)]

    def _new(self, order: int, what: int, at: int, extra: int) -> Said:
        return talk.order_message(next(self.numbers), self._order(order), what, at, extra)

    @step(order=_orders, what=_facts, at=_seconds, extra=_extras)
    def news(self, order: int, what: int, at: int, extra: int) -> None:
        self._accept([self._new(order, what, at, extra)])

    @step(order=_orders, at=_seconds, extra=_extras)
    def paid(self, order: int, at: int, extra: int) -> None:
        """What the rules wait for comes often enough to matter."""
        self._accept([self._new(order, 1, at, extra // 8 * 8 + 3)])

    @step(shop=st.sampled_from(("shop-1", "shop-2")), at=st.integers(0, 11), extra=_extras)
    def sells(self, shop: str, at: int, extra: int) -> None:
        """A new order on which the rulebook speaks; some are paid only now."""
        number = next(self.numbers)
        self.sold.append((shop, f"N{number}"))
        self._accept([talk.sale(number, self.sold[-1], DAWN + at * SECOND if at < 8 else self.now, extra)])

    @step(told=st.lists(st.tuples(st.integers(0, 1), _facts, st.integers(0, 11), _extras), min_size=2, max_size=5))
    def sold_twice(self, told: list[tuple[int, int, int, int]]) -> None:
        """One delivery of news of one number that two shops have: mostly they sell it, perhaps days apart."""
        order_no, said = f"N{next(self.numbers)}", []
        for shop, what, at, extra in told:
            number, order = next(self.numbers), (f"shop-{shop + 1}", order_no)
            if what % 2:
                said.append(talk.sale(number, order, DAWN + at * SECOND if at < 8 else self.now, extra))
            else:
                said.append(talk.order_message(number, order, what // 2, at, extra))
        self.sold.append((f"shop-{told[-1][0] + 1}", order_no))
        self._accept(said)

    @step(several=_several, again=_any)
    def group(self, several: list[tuple[int, int, int, int]], again: int) -> None:
        """One delivery of several, one of them twice, one known already, one under the id of another."""
        said = [self._new(*one) for one in several]
        if again % 2:
            said.append(said[again % len(said)])
        if again % 3 == 0 and self.told:
            said.insert(0, self.told[again % len(self.told)])
        if again % 5 == 0:
            said.append(_twist(said[0], again))
        self._accept(said)

    @step(which=_any, count=st.integers(1, 4))
    def again(self, which: int, count: int) -> None:
        if self.told:
            self._accept([self.told[(which + place) % len(self.told)] for place in range(count)])

    @step(which=_any)
    def twist(self, which: int) -> None:
        if self.told:
            self._accept([_twist(self.told[which % len(self.told)], which)])

    @step(order=_orders, what=_facts, at=_seconds, extra=_extras, why=st.sampled_from(("", *talk.LACKS, "poison")))
    def unreadable(self, order: int, what: int, at: int, extra: int, why: str) -> None:
        number = next(self.numbers)
        if why == "poison":
            self._accept([talk.poison(number, self._order(order), extra)])
        elif why:
            self._accept([talk.order_message(number, self._order(order), what, at, extra, needs=why)])
        else:
            self._accept([talk.unreadable(number)])

    @step(order=_orders, at=_seconds, extra=_extras, by=st.sampled_from(("touchpoint", "reviewer")))
    def seen(self, order: int, at: int, extra: int, by: str) -> None:
        number, about = next(self.numbers), self._order(order)
        self._accept(
            [talk.sighting(number, about, at, extra) if by == "touchpoint" else talk.review(number, about, extra)]
        )

    # -- what the hub's own people say

    @step(
        what=st.sampled_from(desk.ACTS),
        which=_any,
        seen=st.sampled_from(("", "", "last", "stale")),
    )
    def version(self, what: tuple[str, BookAct], which: int, seen: str) -> None:
        """A word on a version as it is, or as it was when whoever speaks looked at it."""
        number = next(self.numbers)
        if not seen:
            self._accept([desk.change(number, *what, which)])
            return
        for house in self.homes:  # each has numbers of its own
            last = house.last_change(what[0]) if seen == "last" else house.some_number(which)
            self._accept_at(house, [desk.change(number, *what, which, seen=last)])
        self.tally["acknowledged"] += 1

    @step(version=st.sampled_from(desk.VERSIONS), act=st.sampled_from(desk.USES), which=_any)
    def file(self, version: str, act: BookAct, which: int) -> None:
        """A book out of its file, kept and at once put to use."""
        self._accept([desk.change(next(self.numbers), version, one, which) for one in ("save", act)])

    @step(which=_any, begin=st.integers(-2, 8), end=st.integers(-2, 10))
    def report(self, which: int, begin: int, end: int) -> None:
        said = desk.signal(next(self.numbers), which, begin, end)
        self.reports.append(said.key[1])
        self._accept([said])

    @step(which=_any, begin=st.integers(-2, 8), lasts=st.integers(1, 4))
    def measure(self, which: int, begin: int, lasts: int) -> None:
        self._accept([desk.measurement(next(self.numbers), which, begin, lasts)])

    @step(which=_any)
    def end(self, which: int) -> None:
        if self.reports:
            self._accept([desk.signal_end(next(self.numbers), self.reports[which % len(self.reports)], which)])

    @step(which=_any)
    def release(self, which: int) -> None:
        """Of an order that was, or is, to go to its warehouse; most often one that is held."""
        if order := self._to_be_sent("person" if which % 4 else "", which):
            self._accept([desk.release(next(self.numbers), *order, which)])

    @step(order=_orders, which=_any)
    def keep(self, order: int, which: int) -> None:
        """Of an order that may be paid later, or is nobody's yet; most often of one that waits."""
        waits = self._to_be_sent("waiting", which) if which % 3 else None
        self._accept([desk.keep(next(self.numbers), *(waits or self._order(order)), which)])

    @step(which=_any, what=st.lists(st.sampled_from(talk.AFTERWARDS), min_size=1, max_size=4), at=_seconds)
    def afterwards(self, which: int, what: list[Event | str], at: int) -> None:
        """Things happen to an order that is not sent yet; most often to one that waits."""
        if order := self._to_be_sent("waiting" if which % 2 else "", which):
            numbered = [(next(self.numbers), one) for one in what]
            self._accept(
                [
                    talk.fact(number, order, one, at) if isinstance(one, Event) else desk.release(number, *order, which)
                    for number, one in numbered
                ]
            )

    def _to_be_sent(self, state: str, which: int) -> tuple[str, str] | None:
        """An order that every home is to hand over, one in this state where there is any."""
        first, *others = (house.model.outbox for house in self.homes)
        pushes = [key for key in first if key.startswith("push") and all(key in other for other in others)]
        some = [key for key in pushes if first[key].state == state] or pushes
        if not some:
            return None
        _, shop, order_no = some[-1 - which % min(NEWEST, len(some))].split(":")
        return shop, order_no

    @step(several=_several, which=_any)
    def senders(self, several: list[tuple[int, int, int, int]], which: int) -> None:
        """Deliveries that wait for one another at the real receiver's door; each gets its own receipts."""
        said = [self._new(*one) for one in several]
        deliveries = [[one] for one in said[:-1]] + [said[-1:] + said[which % len(said) :][:1]]
        for house in self.homes:
            worker = _with_connections(house).worker()
            house.model.spoken.update(((one.key, one.message.body), one) for one in said)
            receiver = Receiver(worker, lambda: self.now, most_waiting=100)  # type: ignore[arg-type]
            futures = [receiver.submit([one.message for one in delivery]) for delivery in deliveries]
            receiver.close()
            receipts = [receipt for future in futures for receipt in future.result()]
            if receipts[:-1] != ["new"] * len(said) or receipts[-1] != "duplicate":
                raise Mismatch(f"{house.name}: the senders got {receipts}")
        self.tally["acknowledged"] += len(said)
        self.told += said

    def _dies_accepting(self, number: int, where: str) -> None:
        """The sender gets no answer and sends again."""
        said = self._new(number, number, number % 8, number % 192)
        for house in self.homes:
            house.model.spoken[said.key, said.message.body] = said
            with _dying(house, where):
                house.worker().accept([said.message], self.now)
            got = house.worker().accept([said.message], self.now)
            # Within: the dying is left to another time, and the message was taken.
            if got != ["new" if where == "before" else "duplicate"]:
                raise Mismatch(f"{house.name}: sent again after a death {where} the commit: {got}")
        self.tally["acknowledged"] += 1
        self.told.append(said)

    # -- absorbing

    @staticmethod
    def _absorb(house: House, limit: int, name: str = "first") -> bool:
        """Whether something was done."""
        worker = house.worker(name)
        before = worker.committed
        done = patient(lambda: flow.absorb(house.context(name), limit))
        if done is not None and done.outcomes != worker.outcomes:
            raise Mismatch(f"{house.name}: outcomes {done.outcomes}, the model says {worker.outcomes}")
        if (done is None) != (worker.committed == before):
            raise Mismatch(f"{house.name}: absorbed {done}, but {worker.committed - before} commits")
        return done is not None

    @step(limit=_sizes, name=_workers)
    def absorb(self, limit: int, name: str) -> None:
        for house in self.homes:
            if not self._absorb(house, limit, name) and (due := _due(house)):
                raise Mismatch(f"{house.name}: nothing absorbed, but {due} wait")

    @step(order=_orders, told=st.lists(st.tuples(_facts, _seconds, _extras), min_size=3, max_size=3))
    def in_turn(self, order: int, told: list[tuple[int, int, int]]) -> None:
        """News of one order, which two workers apply in turn: what the one remembers of it, the other has changed."""
        for (what, at, extra), name in zip(told, ("first", "second", "first"), strict=True):
            self._accept([self._new(order, what, at, extra)])
            for house in self.homes:
                self._absorb(house, 200, name)

    def _dies_absorbing(self, number: int, where: str) -> None:
        for house in self.homes:
            waiting = _due(house)
            with _dying(house, where) as worker:
                flow.absorb(house.context(), 1 + number % 50)
            if worker.committed != (waiting > 0 and where == "after"):
                raise Mismatch(f"{house.name}: died {where} the commit: {worker.committed} commits, {waiting} waited")

    @step(mine=_sizes, theirs=_sizes, cut=_seldom, replaying=st.booleans())
    def race(self, mine: int, theirs: int, cut: bool, replaying: bool) -> None:
        """A worker claims and thinks; meanwhile another works, perhaps because the first one's connection is gone."""
        for house in self.homes:
            one = house.context()
            claim = patient(lambda: one.store.claim(mine, self.now))  # noqa: B023
            if claim is not None and (most := ops.turning(claim.messages)) < len(claim.messages):
                one.store.release(claim)
                claim = patient(lambda: one.store.claim(most, self.now))  # noqa: B023
            if claim is None:
                continue
            try:
                plan = flow.plan(one, claim)
            except Exception:  # noqa: BLE001 — a poison: this worker would halve; here it gives up
                one.store.release(claim)
                continue
            if cut:
                house.sever()
            if replaying:
                patient(lambda: house.worker("second").requeue(_parked(house)))  # noqa: B023
            self._absorb(house, theirs, "second")
            try:
                one.store.commit(claim, plan.writes)
            except Later:
                pass
            except Exception:
                if not _poisoned(house, claim):
                    raise
            finally:
                one.store.release(claim)

    @step(order=_orders, variety=st.integers(0, 1), what=_facts, extra=_extras, limit=_sizes)
    def overtaken(self, order: int, variety: int, what: int, extra: int, limit: int) -> None:
        """While a worker finds out which message breaks its batch, another does so faster, and new messages come."""
        broken = talk.poison(next(self.numbers), self._order(order), variety)
        late = self._new(order, what, 0, extra)
        self._accept([broken])
        for house in self.homes:
            worker = house.worker()
            house.model.spoken[late.key, late.message.body] = late

            def meanwhile(house: House = house) -> None:
                self._absorb(house, limit, "second")
                patient(lambda: house.worker("second").accept([late.message], self.now))

            worker.claimed, worker.meanwhile = 0, meanwhile
            self._absorb(house, limit)
            if worker.meanwhile is not None:
                worker.meanwhile = None
                patient(lambda: house.worker().accept([late.message], self.now))  # noqa: B023
        self.tally["acknowledged"] += 1
        self.told.append(late)

    @step(which=_any, limit=_sizes, how=st.sampled_from(("one", "all", "later")))
    def replay(self, which: int, limit: int, how: str) -> None:
        for house in self.homes:
            parked = _parked(house)
            ids = parked if how == "all" or not parked else [parked[which % len(parked)]]
            if how == "later":
                # Somebody else will try it again; what is not parked is let be.
                patient(lambda: house.worker().requeue([*ids, 10**9]))  # noqa: B023
                continue
            # Cut off within, a replay has put the messages back and cannot tell of them any more.
            waits = _with_connections(house).context()._replace(clock=house.tick)
            became = patient(lambda: retrying.replay(waits, ids, limit))  # noqa: B023
            if strange := {key: word for key, word in became.items() if word != house.model.became[key]}:
                raise Mismatch(f"{house.name}: replay tells {strange}, the model {house.model.became}")
            if len(became) != len(ids):
                raise Mismatch(f"{house.name}: {len(ids)} asked to be replayed, told of {sorted(became)}")

    def _dies_replaying(self, number: int, where: str) -> None:
        for house in self.homes:
            with _dying(house, where):
                waits = house.context()._replace(clock=house.tick)
                retrying.replay(waits, _parked(house)[: 1 + number % 5], 200)

    @step(what=st.sampled_from(talk.LACKS))
    def mend(self, what: str) -> None:
        """A new decoder; or the old one, rolled back."""
        self.decoder.mended ^= {what}

    # -- effects

    def _dispatch(self, house: House, ends: int, limit: int, slow: int, dies: bool = False) -> None:
        worker, began = house.worker(), self.now
        tried: dict[str, tuple[str, float | None]] = {}

        def perform(effect: Any, key: str) -> None:
            grip = house.model.outbox[key]
            if grip.state != "leased" or grip.owner != OWNERS[0] or grip.lease_until <= self.now:
                raise Mismatch(f"{house.name}: {key} was performed without a lease")
            self.now += slow * SECOND
            end, asked = _end_of(key, ends)
            tried[key] = end, asked
            if dies and end == "done":
                raise Crash
            _raise(end, asked)

        def finished(result: Any, now: int) -> None:
            attempts, asks = result.leased.attempts, result.leased.key.startswith("fetch:")
            end, asked = tried.pop(result.leased.key, ("untried", None))
            if end in ("later", "throttled"):
                end = "waiting" if attempts < TRIES or asks else "person"
            expected = {"untried": "waiting", "refused": "person", "bug": "person"}.get(end, end)
            due = now if end == "untried" else after(attempts, now, asked, asks=asks)
            if result.state != expected or (expected == "waiting" and result.next_at != due):
                raise Mismatch(f"{house.name}: {result} where {expected} at {due} was due")

        worker.on_finish = finished
        try:
            dispatch(
                worker,  # type: ignore[arg-type]
                perform,
                gates=worker.gates,
                clock=lambda: self.now,
                leases=lambda: self.now,
                owner=OWNERS[0],
                dice=Dice(),
                limit=limit,
                attempts=TRIES,
            )
        except Stop:
            pass
        finally:
            worker.on_finish = None
            self.slowest, self.now = max(self.slowest, self.now), began

    def _on_each(self, work: Callable[[House], None]) -> None:
        """The same at every home at the same time, however long it takes each."""
        self.slowest = self.now
        for house in self.homes:
            work(house)
        self.now = self.slowest

    @step(ends=_any, limit=st.sampled_from((100, 100, 100, 1, 3)), slow=st.sampled_from((0, 0, 0, 1, 35, 70)))
    def dispatch(self, ends: int, limit: int, slow: int) -> None:
        self._on_each(lambda house: patient(lambda: self._dispatch(house, ends, limit, slow)))

    def _dies_dispatching(self, number: int, where: str) -> None:
        """Before the lease is taken; with it, before the target did it or after; or when it is written down."""
        performing = where == "within" and number % 2 == 0

        def work(house: House) -> None:
            with _dying(house, "performing" if performing else where):
                self._dispatch(house, number, 100, 0, dies=performing)

        self._on_each(work)

    @step(
        owner=st.integers(0, 1),
        limit=st.sampled_from((1, 100)),
    )
    def hold(self, owner: int, limit: int) -> None:
        """A worker takes effects and is not heard of for a while."""
        for house in self.homes:
            until = self.now + LEASE_S * SECOND
            leased = patient(
                lambda: house.worker().lease(now=self.now, until=until, owner=OWNERS[owner], limit=limit)  # noqa: B023
            )
            self.held[house.name] += [(one, OWNERS[owner]) for one in leased]

    @step(which=_any, end=st.sampled_from(ENDS))
    def late(self, which: int, end: str) -> None:
        """It comes back with a result; by now the effect may be another's, replaced or withdrawn."""
        for house in self.homes:
            if held := self.held[house.name]:
                leased, owner = held.pop(which % len(held))
                result = Finished(leased, end, self.now, "")
                patient(lambda: house.worker().finish([result], owner=owner, now=self.now))  # noqa: B023

    # -- the world

    @step(
        at=st.sampled_from(("accepting", "absorbing", "absorbing", "replaying", "dispatching")),
        number=_any,
        where=st.sampled_from(("before", "within", "after")),
    )
    def dies(self, at: str, number: int, where: str) -> None:
        getattr(self, f"_dies_{at}")(number, where)

    @step(by_s=st.sampled_from((1, 5, 61, 121, 4_000, 86_400, -86_400, -30)))
    def clock(self, by_s: int) -> None:
        self.now += by_s * SECOND
        self.uptime_s += max(0, by_s)

    @step(what=st.sampled_from(("cut", "first", "second", "all")))
    def restart(self, what: str) -> None:
        """A process begins anew, or all do, or only their connections."""
        for house in self.homes:
            house.sever() if what == "cut" else house.restart("" if what == "all" else what)

    def compare(self, *, whole: bool = False) -> None:
        for house in self.homes:
            house.check(whole=whole)

    def teardown(self) -> None:
        try:
            if not self.broken:
                self._end()
        except BaseException:
            self.broken = True
            raise
        finally:
            if self.broken:
                for house in self.homes:
                    house.restart()

    def _end(self) -> None:
        self.compare(whole=True)
        self._drain()
        self.compare(whole=True)
        states = [_state(house) for house in self.homes]
        if any(state != states[0] for state in states):
            raise Mismatch(f"the homes differ: {_first_difference(states[0], states[-1])}")
        said = len(self.homes[0].model.inbox)
        if said % 2:
            return  # once more for every other life will do
        shuffled = said % 4 == 0
        if (anew := self._replayed(shuffled)) != states[0]:
            how = "in another order" if shuffled else "in the same order"
            raise Mismatch(f"replayed {how} into an empty hub: {_first_difference(states[0], anew)}")

    def _drain(self) -> None:
        """Faults have stopped, everything is mended: nothing waits for ever, and nothing stays parked but poison."""
        self.decoder.mended = set(talk.LACKS)
        for house in self.homes:
            _with_connections(house).worker().requeue(_parked(house, poison=False))
            for ahead in (0, FURTHEST + 60 * SECOND):  # what was put off is due by then
                house.now = self.now + ahead
                while self._absorb(house, 200):
                    pass
            if house.model.waiting:
                raise Mismatch(f"{house.name}: {len(house.model.waiting)} messages wait for ever")

    def _replayed(self, shuffled: bool) -> Any:
        house, model = self.scratch, self.homes[0].model
        house.begin(self.decoder)
        house.now = self.now
        house.model.spoken = model.spoken
        # Poison is dear to find among others, and was found often enough. Nobody lets go what nobody holds yet.
        inbox = [
            (key, at)
            for key, (at, _) in model.inbox.items()
            if not model.said[key].poison and not isinstance(model.said[key].means, Keep | Release)
        ]
        dice = Random(len(inbox))
        if shuffled:
            dice.shuffle(inbox)
        for at, group in groupby(inbox, key=lambda one: one[1]):
            house.worker().accept([model.said[key].message for key, _ in group], at)
        while self._absorb(house, dice.choice((7, 50, 1_000))):
            pass
        house.check()
        return _state(house)


OFTEN = {
    "absorb": 22, "news": 16, "dispatch": 10, "afterwards": 9, "sells": 7, "release": 6, "clock": 6, "group": 5,
    "again": 5, "version": 5, "paid": 5, "seen": 5, "sold_twice": 4, "twist": 4, "late": 4, "report": 4, "end": 4,
    "keep": 4, "file": 3, "mend": 3, "unreadable": 3,
}  # fmt: skip
"""How many times as often as the others, which are dear: their workers begin anew, or wait for each other."""
for name, times in OFTEN.items():
    for number in range(1, times):
        setattr(Machine, f"{name}_{number}", getattr(Machine, name))


def _twist(said: Said, number: int) -> Said:
    return said._replace(message=talk.twisted(said, number))


@contextmanager
def _dying(house: House, where: str):
    """The work within dies at `where`, and its process is started anew."""
    worker = _with_connections(house).worker()
    worker.dies, worker.committed = where, 0
    try:
        yield worker
    except Crash:
        pass
    except Exception:
        # A poison ended it before it could die.
        if not any(house.model.said[key].poison for key in (*house.model.waiting, *house.model.parked)):
            raise
    finally:
        house.restart("first")


def _with_connections(house: House) -> House:
    """What is to happen must not come to nothing because connections were cut before."""
    if house.cut_off:
        house.restart()
    return house


def _due(house: House) -> int:
    return sum(house.model.is_due(key, house.now) for key in house.model.waiting)


def _parked(house: House, *, poison: bool = True) -> list[int]:
    rows = house.rows("parked", "id, source, message_id")
    return sorted(number for number, *key in rows if poison or not house.model.said[*key].poison)


def _poisoned(house: House, claim: Any) -> bool:
    return any(house.model.said[m.source, m.message_id].poison for m in claim.messages)


def _end_of(key: str, ends: int) -> tuple[str, float | None]:
    """What becomes of performing an effect: chosen by its key, so that the order of performing does not matter."""
    name = ("done", "done", "done", "later", "later", "throttled", "refused", "bug", "stop")[
        (ends + sum(key.encode())) % 9
    ]
    return name, 90.0 if name == "throttled" else None


def _raise(end: str, asked: float | None) -> None:
    if end == "later":
        raise Unreachable("timeout")
    if end == "throttled":
        raise Throttled("slower", after_s=asked)
    if end == "refused":
        raise RefusedByTarget("500")
    if end == "bug":
        raise KeyError("a bug")
    if end == "stop":
        raise Stop("second writer")


UNDECIDED = ("order_id", "changed_version", "decided", "warehouse", "warehouse_by")
"""Ids are a home's own. What the rulebook decides depends on when it is asked; what is known of an order must not."""


def _state(house: House) -> dict[Any, Any]:
    """What must depend neither on the home nor on the way the news came."""
    orders = house.orders()
    keys = {order["order_id"]: key for key, order in orders.items()}
    parts = house._parts(keys)
    for order in orders.values():
        # A channel's word on the warehouse counts until the rulebook has spoken.
        order["stated"].pop("warehouse", None)
        # So does a person's word on what is known, and it holds after that, whenever it comes.
        order["facts"] = {event: at for event, at in order["facts"].items() if event not in KEEPING}
        order["updated_at"] = max([*order["facts"].values(), *order["stated"].values()], default=None)
    return {
        "orders": {key: {k: v for k, v in order.items() if k not in UNDECIDED} for key, order in orders.items()},
        "lines": {row[:-1] for row in parts["lines"] if not row[-1]},
        **{name: parts[name] for name in ("parcels", "persons", "payments")},
        "parked": {key for key in parts["parked"] if not house.model.said[key].poison},
    }


def _first_difference(one: dict[Any, Any], other: dict[Any, Any]) -> str:
    for name, mine in one.items():
        theirs = other[name]
        if mine == theirs:
            continue
        if isinstance(mine, set):
            return f"{name}: {sorted(mine - theirs, key=repr)} and {sorted(theirs - mine, key=repr)}"
        for key in sorted({*mine, *theirs}):
            if mine.get(key) != theirs.get(key):
                a, b = mine.get(key) or {}, theirs.get(key) or {}
                return f"{name} {key}: " + ", ".join(
                    f"{k}: {a.get(k)} and {b.get(k)}" for k in {*a, *b} if a.get(k) != b.get(k)
                )
    return "nothing"


def run(
    rounds: int, seed: int, *, homes: str = "sqlite", postgres: str = "", life: int = 250, shrink: bool = True
) -> Report:
    """`rounds` steps in lives of `life` steps each; ends at the first broken promise, with its shortest trace."""
    report = Report(f"stateful ({homes})", seed)
    began = time.monotonic()
    tally: Counter[str] = Counter()
    # That the outdated version's trial is left out is told with each batch.
    untold = SimpleNamespace(error=lambda *_, **__: None)
    with mock.patch.object(editions, "log", untold), houses(homes, postgres) as made:

        class Life(Machine):
            pass

        Life.homes, Life.scratch, Life.tally = made[:-1], made[-1], tally
        for chapter in count():
            left = rounds - tally["steps"]
            if left <= 0 or report.broken:
                break
            hypothesis.seed(f"{seed}/{chapter}")(Life)
            try:
                run_state_machine_as_test(Life, settings=_settings(min(left, 20_000), life, shrink))
            except Exception as failure:  # noqa: BLE001
                report.broken.append(_told(failure))
        for house in made:
            house.restart()
    report.rounds, report.acknowledged = tally["steps"], tally["acknowledged"]
    report.seconds = time.monotonic() - began
    return report


def _settings(steps: int, life: int, shrink: bool) -> hypothesis.settings:
    return hypothesis.settings(
        max_examples=max(1, steps // life),
        stateful_step_count=min(life, steps),
        database=None,
        deadline=None,
        derandomize=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
    )


def _told(failure: BaseException) -> str:
    """What broke, and the steps that break it."""
    first = failure
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    told = [f"{type(first).__name__}: {first}", *getattr(failure, "__notes__", ())]
    if not isinstance(first, Mismatch):
        told += traceback.format_tb(first.__traceback__)[-4:]
    return "\n    ".join(told)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--homes", choices=("sqlite", "both"), default="both")
    parser.add_argument("--life", type=int, default=250)
    parser.add_argument("--no-shrink", action="store_true", help="tell the first trace, not the shortest")
    given = parser.parse_args()
    report = run(given.rounds, given.seed, homes=given.homes, life=given.life, shrink=not given.no_shrink)
    print(report, f"\n{report.rounds / max(report.seconds, 1e-9):.0f} steps/s")
    sys.exit(not report.fine)


if __name__ == "__main__":
    main()
